/* Bills from one database to another. */
#include "billing/migrate.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "billing/import_internal.h"
#include "billing/lines.h"
#include "billing/migrate_internal.h"
#include "billing/names.h"

/* Columns of the months' rows. */
enum { MONTH_VENDOR, MONTH_EXPORT, MONTH_PERIOD, MONTH_VERSION, MONTH_ROWS, MONTH_TABLE };

const char *
fo_migrate_action_name(fo_migrate_action action)
{
    static const char *const names[] = {
        [FO_MIGRATE_COPY] = "copy",     [FO_MIGRATE_REPLACE] = "replace", [FO_MIGRATE_CURRENT] = "current",
        [FO_MIGRATE_FAILED] = "failed", [FO_MIGRATE_LEFT] = "left out",
    };

    return names[action];
}

static void
tell(const fo_migrate *m, const fo_migrate_event *event)
{
    if (m->options->event)
        m->options->event(event, m->options->arg);
}

/* ---- the two databases ---- */

static bool
same_file(const char *a, const char *b)
{
    struct stat of_a, of_b;
    FO_AUTO(fo_freep) char *path_a = fo_path_absolute(a);
    FO_AUTO(fo_freep) char *path_b = fo_path_absolute(b);

    if (stat(a, &of_a) == 0 && stat(b, &of_b) == 0)
        return of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
    return path_a && fo_streq(path_a, path_b);
}

/* Settings of one backend name one database, but for the paths that a command line may tell apart. */
static bool
is_same(const fo_settings *from, const fo_settings *to)
{
    if (!fo_streq(from->database.backend, to->database.backend))
        return false;
    if (fo_streq(from->database.backend, "duckdb"))
        return same_file(from->duckdb.database_path, to->duckdb.database_path);
    if (fo_streq(from->database.backend, "ducklake"))
        return same_file(from->ducklake.database_path, to->ducklake.database_path);
    return true;
}

static finops_code
open_both(fo_migrate *m, finops_error **err)
{
    const fo_migrate_options *o = m->options;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc;

    if (is_same(o->from, o->to))
        return fo_error_set(err, FINOPS_E_USAGE, "source and target are the same database");
    rc = fo_database_open_reader(o->from, o->cancel, &m->source, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "source");
    if (!o->dry_run) {
        rc = fo_database_open_writer(o->to, o->cancel, &m->target, err);
        if (rc == FINOPS_OK && fo_database_conn(m->target)) /* as imports do: rows of a bill have no order */
            rc = fo_conn_exec(fo_database_conn(m->target), "SET preserve_insertion_order = false", err);
        return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "target");
    }
    rc = fo_database_open_reader(o->to, o->cancel, &m->target, &why);
    if (rc == FINOPS_OK || rc == FINOPS_E_NOT_FOUND)
        return FINOPS_OK;
    if (err)
        *err = FO_TAKE(why);
    return fo_error_wrap(err, rc, "target");
}

/* ---- what there is ---- */

/* Periods of exports, each with its current version, if it has one. */
static finops_code
read_months(fo_migrate *m, fo_rows **ret, finops_error **err)
{
    const fo_param params[] = { m->options->export_name };
    bool has = false, extended = false;
    finops_code rc = fo_database_has(m->source, "billing_state", "load_state", &has, err);

    if (rc == FINOPS_OK && has)
        rc = fo_lines_state_extended(m->source, &extended, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!has)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "source: no bill is loaded in it");
    FO_AUTO(fo_freep)
    char *sql = fo_format("SELECT vendor, export_name, billing_period, "
                          "max(CASE WHEN current_version THEN version_id END), "
                          "max(CASE WHEN current_version THEN row_count END), "
                          "max(CASE WHEN current_version THEN %s END) FROM billing_state.load_state "
                          "WHERE $1 IS NULL OR export_name = $1 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
                          extended ? "table_name" : "CAST(NULL AS VARCHAR)");
    rc = sql ? fo_database_query(m->source, sql, params, FO_COUNT(params), ret, err) : fo_error_oom(err);
    if (rc == FINOPS_OK && fo_rows_count(*ret) == 0)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "source: no month%s%s is loaded in it",
                          m->options->export_name ? " of export " : "",
                          m->options->export_name ? m->options->export_name : "");
    return rc;
}

/* One month of the rows, with the texts it borrows. */
typedef struct found {
    fo_migrate_month month;
    fo_str base, table;
    char *schema;
} found;

static void
found_done(found *f)
{
    fo_str_done(&f->base);
    fo_str_done(&f->table);
    fo_free(f->schema);
}

/* The earlier tool recorded no table: it follows from the period. */
static finops_code
found_table(found *f, const fo_rows *rows, size_t i, finops_error **err)
{
    const char *recorded = fo_rows_text(rows, i, MONTH_TABLE), *period = f->month.key.period;
    finops_code rc = FINOPS_OK;

    if (recorded) {
        fo_bill_base_of(recorded, period, &f->base);
        fo_str_add(&f->table, recorded);
    } else {
        rc = fo_bill_table_base(f->month.key.export_name, &f->base, err);
        if (rc == FINOPS_OK)
            rc = fo_bill_table_name(fo_str_z(&f->base), period, &f->table, err);
    }
    if (rc == FINOPS_OK)
        rc = fo_str_check(&f->base, err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&f->table, err);
    f->month.table = fo_str_z(&f->table);
    f->month.single = fo_streq(f->month.table, fo_str_z(&f->base));
    return rc;
}

static finops_code
found_make(const fo_migrate *m, const fo_rows *rows, size_t i, found *f, finops_error **err)
{
    const char *dataset = m->options->from->aws.dataset_name;
    finops_code rc = FINOPS_OK;

    f->month.key =
        (fo_version_key){ fo_rows_text(rows, i, MONTH_VENDOR), fo_rows_text(rows, i, MONTH_EXPORT),
                          fo_rows_text(rows, i, MONTH_PERIOD), fo_rows_text(rows, i, MONTH_VERSION) };
    f->month.rows = fo_rows_int(rows, i, MONTH_ROWS);
    if (!f->month.key.version_id)
        return FINOPS_OK;
    rc = found_table(f, rows, i, err);
    if (rc == FINOPS_OK)
        rc = fo_lines_schema_of(m->source, dataset, f->month.table, &f->schema, err);
    if (rc == FINOPS_OK && !f->schema)
        rc = (f->schema = fo_strdup(dataset)) ? rc : fo_error_oom(err);
    f->month.schema = f->schema;
    return rc;
}

/* ---- a month ---- */

/* What the target makes of it. A version that the source once had is older; one it never had is somebody
 * else's. */
static finops_code
month_plan(const fo_migrate *m, const fo_migrate_month *month, fo_migrate_action *ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *there = NULL;
    bool older = false, has = m->target != NULL;
    finops_code rc = FINOPS_OK;

    *ret = FO_MIGRATE_COPY;
    if (has)
        rc = fo_database_has(m->target, "billing_state", "load_state", &has, err);
    if (rc == FINOPS_OK && has)
        rc = fo_migrate_state_version(m->target, &month->key, &there, err);
    if (rc != FINOPS_OK || !there)
        return rc;
    if (fo_streq(there, month->key.version_id) || !month->key.version_id) {
        *ret = FO_MIGRATE_CURRENT;
        return FINOPS_OK;
    }
    *ret = FO_MIGRATE_REPLACE;
    rc = fo_migrate_state_knows(m->source, &month->key, there, &older, err);
    if (rc != FINOPS_OK || older || m->options->force)
        return rc;
    rc = fo_error_set(err, FINOPS_E_EXISTS, "the target has version %s of it, which the source never had",
                      there);
    fo_error_hint(err, "pass --force to replace it by the source's");
    return rc;
}

/* A period without a version has no rows, only a history; it was copied when the target knows of it. */
static finops_code
history_is_there(const fo_migrate *m, const fo_migrate_month *month, bool *ret, finops_error **err)
{
    const fo_param params[] = { month->key.vendor, month->key.export_name, month->key.period };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc =
        fo_database_query(m->target,
                          "SELECT 1 FROM billing_state.load_state WHERE vendor = $1 AND export_name = "
                          "$2 AND billing_period = $3 LIMIT 1",
                          params, FO_COUNT(params), &rows, err);

    *ret = rows && fo_rows_count(rows) > 0;
    return rc;
}

/* Under the lock of importers. */
static finops_code
month_locked(fo_migrate *m, const fo_bill_target *target, const fo_migrate_month *month, fo_colnames *names,
             fo_migrate_action *action, fo_check *check, finops_error **err)
{
    bool there = false;
    finops_code rc = month_plan(m, month, action, err);

    if (rc == FINOPS_OK && !month->table)
        rc = history_is_there(m, month, &there, err);
    if (there)
        *action = FO_MIGRATE_CURRENT;
    if (rc != FINOPS_OK || *action == FO_MIGRATE_CURRENT)
        return rc;
    if (*action == FO_MIGRATE_COPY && month->table)
        rc = fo_migrate_month_free(m, target, month, err);
    return rc == FINOPS_OK ? fo_migrate_month_copy(m, target, month, names, check, err) : rc;
}

static void
month_passed(int64_t rows, void *arg)
{
    const fo_migrate *m = arg;

    if (m->options->progress)
        m->options->progress(m->before + rows, m->total, m->what, m->options->arg);
}

/* What it came to; a failure is told, and only what ends the run is returned. */
static finops_code
month_tell(fo_migrate *m, const char *object, const fo_migrate_month *month, fo_migrate_action action,
           const fo_check *check, int64_t begin, finops_code rc, finops_error *why)
{
    const fo_migrate_event event = { .object = object,
                                     .export_name = month->key.export_name,
                                     .period = month->key.period,
                                     .action = rc == FINOPS_OK ? action : FO_MIGRATE_FAILED,
                                     .done = true,
                                     .rows = action == FO_MIGRATE_CURRENT ? month->rows : check->rows,
                                     .columns = check->n,
                                     .sums = fo_check_decimals(check),
                                     .seconds = (double)(fo_clock_monotonic() - begin) / 1e6,
                                     .error = why };

    m->summary.failed += rc != FINOPS_OK;
    if (rc != FINOPS_OK && m->first_failure == FINOPS_OK)
        m->first_failure = rc;
    if (rc == FINOPS_OK && month->table) {
        m->summary.current += action == FO_MIGRATE_CURRENT;
        m->summary.copied += action != FO_MIGRATE_CURRENT;
    }
    if (month->table || rc != FINOPS_OK)
        tell(m, &event);
    return rc == FINOPS_E_CANCELLED ? rc : FINOPS_OK;
}

static finops_code
month_object(const fo_bill_target *target, const fo_migrate_month *month, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str table = FO_STR_INIT;
    finops_code rc = FINOPS_OK;

    if (target->single || !month->table)
        fo_str_add(&table, target->table_base);
    else
        rc = fo_bill_table_name(target->table_base, month->key.period, &table, err);
    fo_str_addf(ret, "%s.%s", target->schema, fo_str_z(&table));
    return rc == FINOPS_OK ? fo_str_check(ret, err) : rc;
}

static finops_code
month_run(fo_migrate *m, const fo_bill_target *target, const fo_migrate_month *month, fo_colnames *names,
          finops_error **err)
{
    const fo_version_key *key = &month->key;
    FO_AUTO(fo_freep) char *lock = fo_month_lock_name(key);
    FO_AUTO(fo_freep) char *what = fo_format("%s %s", key->export_name, key->period);
    FO_AUTO(fo_str_done) fo_str object = FO_STR_INIT;
    FO_AUTO(fo_check_done) fo_check check = { .passed = month_passed, .arg = m };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    fo_migrate_action action = FO_MIGRATE_COPY;
    int64_t begin = fo_clock_monotonic();
    finops_code rc = lock && what ? month_object(target, month, &object, err) : fo_error_oom(err);

    if (rc != FINOPS_OK)
        return rc;
    m->what = what;
    rc = fo_database_lock(m->target, lock, 0, &why);
    if (rc == FINOPS_OK) {
        rc = month_locked(m, target, month, names, &action, &check, &why);
        fo_database_unlock(m->target, lock);
    }
    if (rc != FINOPS_OK)
        fo_import_cut_statement(&why);
    m->before += action == FO_MIGRATE_CURRENT ? 0 : month->rows;
    rc = month_tell(m, fo_str_z(&object), month, action, &check, begin, rc, why);
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(why);
    return rc;
}

/* ---- an export: rows first..end ---- */

static fo_bill_target
export_target(const fo_migrate *m, const found *f)
{
    bool single = fo_streq(m->options->to->aws.table_strategy, "single");

    if (m->target && !fo_database_tables_in_transaction(m->target))
        single = true;
    if (!m->target && fo_streq(m->options->to->database.backend, "ducklake"))
        single = true;
    return (fo_bill_target){ .schema = f->schema ? f->schema : m->options->from->aws.dataset_name,
                             .vendor = f->month.key.vendor,
                             .export_name = f->month.key.export_name,
                             .table_base = fo_str_z(&f->base),
                             .single = single };
}

static finops_code
month_dry(fo_migrate *m, const fo_bill_target *target, const fo_migrate_month *month, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str object = FO_STR_INIT;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    fo_migrate_action action = FO_MIGRATE_COPY;
    finops_code rc = month_object(target, month, &object, err);

    if (rc != FINOPS_OK || !month->table)
        return rc;
    rc = month_plan(m, month, &action, &why);
    if (rc == FINOPS_OK && m->target && action == FO_MIGRATE_COPY)
        rc = fo_migrate_month_free(m, target, month, &why);
    m->summary.current += rc == FINOPS_OK && action == FO_MIGRATE_CURRENT;
    m->summary.copied += rc == FINOPS_OK && action != FO_MIGRATE_CURRENT;
    m->summary.failed += rc != FINOPS_OK;
    if (rc != FINOPS_OK && m->first_failure == FINOPS_OK)
        m->first_failure = rc;
    tell(m, &(fo_migrate_event){ .object = fo_str_z(&object),
                                 .export_name = month->key.export_name,
                                 .period = month->key.period,
                                 .action = rc == FINOPS_OK ? action : FO_MIGRATE_FAILED,
                                 .rows = month->rows,
                                 .error = why });
    return FINOPS_OK;
}

/* Whether the unified view has what the table of a month has: a run may have been killed before it was made.
 */
static finops_code
view_is_whole(const fo_migrate *m, const fo_bill_target *target, bool *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv have = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv want = FO_STRV_INIT;
    FO_AUTO(fo_freep) char *view = fo_format("%s_unified", target->table_base);
    finops_code rc =
        view ? fo_database_columns(m->target, target->schema, view, &have, NULL, err) : fo_error_oom(err);

    if (rc == FINOPS_OK && target->single)
        rc = fo_database_columns(m->target, target->schema, target->table_base, &want, NULL, err);
    *ret = have.n > 0;
    for (size_t i = 0; i < want.n; i++)
        *ret = *ret && fo_strv_has(&have, want.items[i]);
    return rc;
}

static finops_code
export_months(fo_migrate *m, const fo_rows *rows, size_t first, size_t end, fo_bill_target *target,
              fo_colnames *names, finops_error **err)
{
    unsigned failed = m->summary.failed;
    bool whole = true;
    finops_code rc = FINOPS_OK;

    for (size_t i = first; rc == FINOPS_OK && i < end; i++) {
        FO_AUTO(found_done) found f = { .base = FO_STR_INIT, .table = FO_STR_INIT };

        if (fo_cancelled(m->options->cancel))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped before %s %s", target->export_name,
                                fo_rows_text(rows, i, MONTH_PERIOD));
        rc = found_make(m, rows, i, &f, err);
        if (rc == FINOPS_OK)
            rc = m->options->dry_run ? month_dry(m, target, &f.month, err)
                                     : month_run(m, target, &f.month, names, err);
    }
    if (m->options->dry_run || rc != FINOPS_OK || fo_database_tables_in_transaction(m->target))
        return rc;
    rc = view_is_whole(m, target, &whole, err);
    if (rc == FINOPS_OK && (!whole || m->summary.failed > failed))
        return fo_views_settle(m->target, target, names, err);
    return rc == FINOPS_OK ? fo_common_views(m->target, target, err) : rc; /* makes what is missing */
}

/* Two migrations of one export go one after the other. */
static finops_code
export_locked(fo_migrate *m, const fo_rows *rows, size_t first, size_t end, fo_bill_target *target,
              finops_error **err)
{
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;
    FO_AUTO(fo_freep) char *lock = fo_format("finops migrate %s %s", target->vendor, target->export_name);
    finops_code rc = lock ? fo_database_make_schema(m->target, target->schema, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = fo_database_lock(m->target, lock, 0, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_migrate_export_state(m, target->vendor, target->export_name, err);
    if (rc == FINOPS_OK)
        rc = fo_colnames_load(m->target, target->vendor, target->export_name, &names, err);
    if (rc == FINOPS_OK)
        rc = export_months(m, rows, first, end, target, names, err);
    fo_database_unlock(m->target, lock);
    return rc;
}

static finops_code
export_run(fo_migrate *m, const fo_rows *rows, size_t first, size_t end, finops_error **err)
{
    FO_AUTO(found_done) found f = { .base = FO_STR_INIT, .table = FO_STR_INIT };
    size_t at = end - 1;
    finops_code rc;

    while (at > first && !fo_rows_text(rows, at, MONTH_VERSION)) /* the newest month names the tables */
        at--;
    rc = found_make(m, rows, at, &f, err);
    if (rc == FINOPS_OK && f.base.len == 0)
        rc = fo_bill_table_base(fo_rows_text(rows, at, MONTH_EXPORT), &f.base, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_bill_target target = export_target(m, &f);
    return m->options->dry_run ? export_months(m, rows, first, end, &target, NULL, err)
                               : export_locked(m, rows, first, end, &target, err);
}

/* ---- all of it ---- */

/* Rows to copy, for the time that is left. */
static finops_code
count_rows(fo_migrate *m, const fo_rows *rows, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        FO_AUTO(found_done) found f = { .base = FO_STR_INIT, .table = FO_STR_INIT };
        FO_AUTO(finops_error_freep) finops_error *conflict = NULL;
        fo_migrate_action action = FO_MIGRATE_COPY;

        rc = found_make(m, rows, i, &f, err);
        if (rc != FINOPS_OK || !f.month.table)
            continue;
        FO_AUTO(fo_freep) char *name = fo_format("%s.%s", f.schema, f.month.table);
        if (!name || !fo_strv_add(&m->tables, name))
            return fo_error_oom(err);
        if (month_plan(m, &f.month, &action, &conflict) == FINOPS_OK && action != FO_MIGRATE_CURRENT)
            m->total += f.month.rows;
    }
    return rc;
}

static bool
is_state(const char *schema, const char *name)
{
    static const char *const tables[] = { "load_state", "ledger", "column_names", "retention",
                                          "schema_versions" };

    for (size_t i = 0; fo_streq(schema, "billing_state") && i < FO_COUNT(tables); i++)
        if (fo_streq(name, tables[i]))
            return true;
    return false;
}

typedef struct others {
    const fo_migrate *m;
    fo_strv names;
    bool failed;
} others;

/* Tables that hold no bills: bookkeeping of other tools, records of finops load. */
static bool
note_other(const char *schema, const char *name, bool is_view, void *arg)
{
    others *o = arg;
    char *text = fo_format("%s.%s", schema ? schema : "", name);

    if (!text || is_view || is_state(schema, name) || fo_strv_has(&o->m->tables, text)) {
        o->failed = !text;
        fo_free(text);
        return !o->failed;
    }
    o->failed = !fo_strv_take(&o->names, text);
    return !o->failed;
}

static finops_code
tell_others(fo_migrate *m, finops_error **err)
{
    others o = { .m = m };
    finops_code rc = m->options->export_name
                         ? FINOPS_OK
                         : finops_session_tables(fo_database_session(m->source), NULL, note_other, &o, err);

    if (rc == FINOPS_OK && o.failed)
        rc = fo_error_oom(err);
    for (size_t i = 0; rc == FINOPS_OK && i < o.names.n; i++) {
        m->summary.left++;
        tell(m, &(fo_migrate_event){ .object = o.names.items[i], .action = FO_MIGRATE_LEFT, .rows = -1 });
    }
    fo_strv_done(&o.names);
    return rc;
}

static finops_code
verdict(const fo_migrate *m, finops_code rc, finops_error **err)
{
    const fo_migrate_summary *s = &m->summary;
    unsigned fine = s->copied + s->current;

    if (rc == FINOPS_E_CANCELLED && s->copied > 0) {
        rc = fo_error_set(err, FINOPS_E_PARTIAL, "stopped on request; %u month%s copied before that",
                          s->copied, s->copied == 1 ? " was" : "s were");
        fo_error_hint(err, "run the same command again for the rest");
    }
    if (rc != FINOPS_OK || s->failed == 0)
        return rc;
    if (fine == 0)
        return fo_error_set(err, m->first_failure, "no month could be copied");
    return fo_error_set(err, FINOPS_E_PARTIAL, "%u of %u months failed; the others are in the target",
                        s->failed, s->failed + fine);
}

static void
migrate_done(fo_migrate *m)
{
    fo_database_close(m->target);
    fo_database_close(m->source);
    fo_strv_done(&m->tables);
}

static bool
same_export(const fo_rows *rows, size_t a, size_t b)
{
    return fo_streq(fo_rows_text(rows, a, MONTH_VENDOR), fo_rows_text(rows, b, MONTH_VENDOR)) &&
           fo_streq(fo_rows_text(rows, a, MONTH_EXPORT), fo_rows_text(rows, b, MONTH_EXPORT));
}

finops_code
fo_migrate_run(const fo_migrate_options *options, fo_migrate_summary *ret, finops_error **err)
{
    FO_AUTO(migrate_done) fo_migrate m = { .options = options };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert(options && options->from && options->to && ret);
    finops_code rc = open_both(&m, err);
    if (rc == FINOPS_OK)
        rc = read_months(&m, &rows, err);
    if (rc == FINOPS_OK)
        rc = count_rows(&m, rows, err);
    for (size_t first = 0, end; rc == FINOPS_OK && first < fo_rows_count(rows); first = end) {
        for (end = first + 1; end < fo_rows_count(rows) && same_export(rows, first, end); end++)
            ;
        rc = export_run(&m, rows, first, end, err);
    }
    if (rc == FINOPS_OK)
        rc = tell_others(&m, err);
    *ret = m.summary;
    return verdict(&m, rc, err);
}
