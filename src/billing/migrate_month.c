/* One month on its way: rows, state and ledger in one transaction of the target, compared before it is
 * committed. */
#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "billing/migrate_internal.h"
#include "billing/names.h"
#include "engine/scan.h"
#include "engine/utc.h"

typedef struct copy {
    fo_migrate *m;
    const fo_bill_target *target;
    const fo_migrate_month *month;
    fo_colnames *names;
    fo_str table; /* of the target */
    fo_migrate_columns columns;
    fo_strv old; /* tables that had the month */
    fo_check *read;
} copy;

static void
copy_done(copy *c)
{
    fo_str_done(&c->table);
    fo_migrate_columns_done(&c->columns);
    fo_strv_done(&c->old);
}

static void
add_table(fo_str *sql, const char *schema, const char *table, bool single, const char *period)
{
    fo_str_add(sql, " FROM ");
    fo_sql_ident(sql, schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, table);
    if (!single)
        return;
    fo_str_add(sql, " WHERE billing_period = ");
    fo_sql_literal(sql, period);
}

/* "SELECT a AS x, b AS y"; expressions NULL: the names themselves. */
static void
add_select(fo_str *sql, const fo_strv *expressions, const fo_strv *names)
{
    fo_str_add(sql, "SELECT ");
    for (size_t i = 0; i < names->n; i++) {
        fo_str_add(sql, i ? ", " : "");
        if (expressions)
            fo_str_addf(sql, "%s AS ", expressions->items[i]);
        fo_sql_ident(sql, names->items[i]);
    }
}

static finops_code
target_table(const fo_bill_target *target, const char *period, fo_str *ret, finops_error **err)
{
    if (!target->single)
        return fo_bill_table_name(target->table_base, period, ret, err);
    fo_str_add(ret, target->table_base);
    return fo_str_check(ret, err);
}

/* The source's rows in the target's columns, counted as they pass. */
static finops_code
copy_stream(copy *c, struct ArrowArrayStream *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    add_select(&sql, &c->columns.expressions, &c->columns.names);
    add_table(&sql, c->month->schema, c->month->table, c->month->single, c->month->key.period);
    finops_code rc = fo_str_check(&sql, err);
    for (size_t i = 0; rc == FINOPS_OK && i < c->columns.json.n; i++)
        if (!fo_strv_add(&c->read->json, c->columns.json.items[i]))
            rc = fo_error_oom(err);
    for (size_t i = 0; rc == FINOPS_OK && i < c->columns.amounts.n; i++)
        if (!fo_strv_add(&c->read->amounts, c->columns.amounts.items[i]))
            rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = fo_database_stream(c->m->source, fo_str_z(&sql), ret, err);
    return rc == FINOPS_OK ? fo_check_tee(ret, c->read, err) : rc;
}

static finops_code
copy_turn_view(void *arg, finops_error **err)
{
    const copy *c = arg;

    return fo_unified_view(c->m->target, c->target, c->names, err);
}

static finops_code
copy_replace(copy *c, const finops_source *source, finops_error **err)
{
    bool turns = fo_database_can(c->m->target, FINOPS_DATABASE_VIEWS_PIN_TABLES);
    const finops_partition partition = { .schema = c->target->schema,
                                         .table = fo_str_z(&c->table),
                                         .column = c->target->single ? "billing_period" : NULL,
                                         .value = c->target->single ? c->month->key.period : NULL,
                                         .before_swap = turns ? copy_turn_view : NULL,
                                         .arg = c };

    return fo_database_replace(c->m->target, &partition, source, NULL, err);
}

/* Rows of another kind of database, cast by the engine of the target. Takes the stream. */
static finops_code
copy_cast(copy *c, struct ArrowArrayStream *stream, finops_error **err)
{
    FO_AUTO(fo_scan_closep) fo_scan *scan = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = fo_scan_open(fo_database_engine(c->m->target), stream, &scan, err);

    if (rc != FINOPS_OK)
        return rc;
    add_select(&sql, &c->columns.casts, &c->columns.names);
    fo_str_addf(&sql, " FROM %s", fo_scan_relation(scan));
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK) {
        rc = copy_replace(c, &(finops_source){ .sql = fo_str_z(&sql) }, err);
        rc = fo_scan_error(scan, rc, err);
    }
    return rc;
}

static finops_code
copy_rows(copy *c, finops_error **err)
{
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = copy_stream(c, &stream, err);

    if (rc == FINOPS_OK && c->columns.cast)
        return copy_cast(c, &stream, err);
    if (rc == FINOPS_OK && !fo_database_can(c->m->target, FINOPS_DATABASE_READS_FILES))
        rc = fo_stream_utc(&stream, err);
    return rc == FINOPS_OK ? copy_replace(c, &(finops_source){ .stream = &stream }, err) : rc;
}

/* Columns of the target whose texts are JSON there, or were on the way. */
static finops_code
copy_json(const copy *c, fo_strv *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv types = FO_STRV_INIT;
    finops_code rc =
        fo_database_columns(c->m->target, c->target->schema, fo_str_z(&c->table), &names, &types, err);

    for (size_t i = 0; rc == FINOPS_OK && i < names.n; i++)
        if ((fo_starts(types.items[i], "json") || fo_strv_has(&c->columns.json, names.items[i])) &&
            !fo_strv_add(ret, names.items[i]))
            rc = fo_error_oom(err);
    return rc;
}

/* What is there now, read back, is what was read. */
static finops_code
copy_verify(const copy *c, finops_error **err)
{
    FO_AUTO(fo_check_done) fo_check there = { 0 };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = copy_json(c, &there.json, err);

    add_select(&sql, NULL, &c->columns.names);
    add_table(&sql, c->target->schema, fo_str_z(&c->table), c->target->single, c->month->key.period);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_stream(c->m->target, fo_str_z(&sql), &stream, err);
    if (rc == FINOPS_OK)
        rc = fo_check_read(&stream, &there, err);
    return rc == FINOPS_OK ? fo_check_same(c->read, &there, err) : rc;
}

static finops_code
copy_annotate(const copy *c, finops_error **err)
{
    const fo_version_key *key = &c->month->key;
    const char *from = c->m->options->from->database.backend;
    FO_AUTO(fo_freep) char *details = NULL;
    FO_AUTO(fo_freep)
    char *message = fo_format("migrate %s %s from %s, version %s", key->export_name, key->period, from,
                              key->version_id ? key->version_id : "none");
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "vendor", key->vendor, "export_name", key->export_name,
                  "billing_period", key->period, "version_id", key->version_id ? key->version_id : "", "rows",
                  (json_int_t)c->read->rows, "tool_version", FINOPS_VERSION);

    details = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!message || !details)
        return fo_error_oom(err);
    return fo_database_annotate(c->m->target, message, details, err);
}

/* A source that others write to may have got another version of the month while it was read. */
static finops_code
copy_unchanged(const copy *c, const char *mark, finops_error **err)
{
    FO_AUTO(fo_freep) char *now = NULL;
    finops_code rc = fo_migrate_state_mark(c->m->source, &c->month->key, &now, err);

    if (rc != FINOPS_OK || fo_streq(mark, now))
        return rc;
    rc = fo_error_set(err, FINOPS_E_DRIFT, "the month was loaded anew in the source while it was read");
    fo_error_hint(err, "run the same command again");
    return rc;
}

/* Everything between BEGIN and COMMIT. */
static finops_code
copy_inside(copy *c, const char *mark, finops_error **err)
{
    fo_database *db = c->m->target;
    const char *table = c->month->table ? fo_str_z(&c->table) : NULL;
    bool inside = fo_database_tables_in_transaction(db);
    finops_code rc = FINOPS_OK;

    if (table)
        rc = fo_publish_clear_old(db, c->target, c->month->key.period, table, &c->old, err);
    if (rc == FINOPS_OK && table)
        rc = copy_rows(c, err);
    if (rc == FINOPS_OK && table)
        rc = copy_verify(c, err);
    if (rc == FINOPS_OK)
        rc = fo_migrate_state(c->m, &c->month->key, table, err);
    if (rc == FINOPS_OK)
        rc = copy_unchanged(c, mark, err);
    if (rc == FINOPS_OK)
        rc = copy_annotate(c, err);
    if (rc == FINOPS_OK && table && inside)
        rc = fo_unified_view(db, c->target, c->names, err);
    for (size_t i = 0; rc == FINOPS_OK && inside && i < c->old.n; i++)
        rc = fo_publish_drop_table(db, c->target->schema, c->old.items[i], err);
    return rc;
}

/* Where tables cannot be part of the transaction: it is made, or gets its columns, and has no rows of the
 * month. */
static finops_code
copy_before(copy *c, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const finops_write write = { .schema = c->target->schema,
                                 .table = fo_str_z(&c->table),
                                 .mode = FINOPS_WRITE_WIDEN };

    fo_str_add(&sql, "SELECT ");
    for (size_t i = 0; i < c->columns.names.n; i++) {
        fo_str_addf(&sql, "%sCAST(NULL AS %s) AS ", i ? ", " : "", c->columns.types.items[i]);
        fo_sql_ident(&sql, c->columns.names.items[i]);
    }
    fo_str_add(&sql, " WHERE false");
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = finops_session_write(fo_database_session(c->m->target), &write,
                                  &(finops_source){ .sql = fo_str_z(&sql) }, NULL, err);
    return rc == FINOPS_OK ? fo_month_view(c->m->target, c->target, c->month->key.period, err) : rc;
}

static finops_code
copy_transaction(copy *c, const char *mark, finops_error **err)
{
    fo_database *db = c->m->target;
    bool outside = c->month->table && !fo_database_tables_in_transaction(db);
    finops_code rc = outside ? copy_before(c, err) : FINOPS_OK;

    if (rc == FINOPS_OK)
        rc = fo_database_begin(db, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = copy_inside(c, mark, err);
    if (rc == FINOPS_OK)
        rc = fo_database_commit(db, err);
    if (rc != FINOPS_OK)
        fo_database_rollback(db);
    return rc == FINOPS_OK && outside ? fo_views_settle(db, c->target, c->names, err) : rc;
}

finops_code
fo_migrate_month_copy(fo_migrate *m, const fo_bill_target *target, const fo_migrate_month *month,
                      fo_colnames *names, fo_check *ret_check, finops_error **err)
{
    FO_AUTO(copy_done)
    copy c = {
        .m = m, .target = target, .month = month, .names = names, .table = FO_STR_INIT, .read = ret_check
    };
    FO_AUTO(fo_freep) char *mark = NULL;
    finops_code rc = fo_migrate_state_mark(m->source, &month->key, &mark, err);

    if (rc == FINOPS_OK && month->table)
        rc = target_table(target, month->key.period, &c.table, err);
    if (rc == FINOPS_OK && month->table)
        rc = fo_migrate_columns_plan(m, target, month, &c.columns, err);
    return rc == FINOPS_OK ? copy_transaction(&c, mark, err) : rc;
}

/* Rows of the month in a table that the state knows nothing of. */
static finops_code
has_rows(const fo_migrate *m, const fo_bill_target *target, const char *table, const char *period, bool *ret,
         finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    finops_code rc = fo_database_columns(m->target, target->schema, table, &columns, NULL, err);

    *ret = columns.n > 0 && !target->single;
    if (rc != FINOPS_OK || columns.n == 0 || *ret)
        return rc;
    if (!fo_strv_has(&columns, "billing_period")) { /* of somebody else */
        *ret = true;
        return FINOPS_OK;
    }
    fo_str_add(&sql, "SELECT 1");
    add_table(&sql, target->schema, table, true, period);
    fo_str_add(&sql, " LIMIT 1");
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(m->target, fo_str_z(&sql), &rows, err);
    *ret = rows && fo_rows_count(rows) > 0;
    return rc;
}

finops_code
fo_migrate_month_free(const fo_migrate *m, const fo_bill_target *target, const fo_migrate_month *month,
                      finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str table = FO_STR_INIT;
    bool taken = false;
    finops_code rc = target_table(target, month->key.period, &table, err);

    if (rc == FINOPS_OK)
        rc = fo_publish_check_owner(m->target, target, fo_str_z(&table), err);
    if (rc == FINOPS_OK)
        rc = has_rows(m, target, fo_str_z(&table), month->key.period, &taken, err);
    if (rc != FINOPS_OK || !taken || m->options->force)
        return rc;
    rc = fo_error_set(err, FINOPS_E_EXISTS,
                      "%s.%s is in the target already, and its state knows nothing of it", target->schema,
                      fo_str_z(&table));
    fo_error_hint(err, "rename or drop that table, or pass --force to replace it");
    return rc;
}
