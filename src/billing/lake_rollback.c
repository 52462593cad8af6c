/*
 * Going back to a state of a lake.
 *
 * What was is first copied into temporary tables: in a transaction that has deleted rows of a table, the
 * extension (DuckLake 1.5.5) leaves the same rows out of the table's past, too.
 */
#include "billing/lake_rollback.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "billing/import_internal.h"
#include "engine/engine.h"

#define ATTEMPTS 10 /* against importers of other months */

/* Columns of the plan. */
enum { EXPORT, PERIOD, THEN_VERSION, THEN_ROWS, THEN_TABLE, NOW_VERSION, NOW_ROWS, NOW_TABLE };

typedef struct rollback {
    fo_database *db;
    const fo_lake_rollback_options *options;
    const fo_rows *months;
    fo_strv *columns; /* of each month's rows, as they were */
    fo_strv locks;
} rollback;

finops_code
fo_lake_rollback_plan(fo_database *database, const fo_lake_rollback_options *options, fo_rows **ret,
                      finops_error **err)
{
    static const char columns[] = "SELECT export_name, billing_period, version_id, row_count, table_name, "
                                  "load_timestamp, completed_timestamp FROM billing_state.load_state";
    const fo_param params[] = { options->export_name, options->period };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;

    assert(database && options && ret);
    fo_str_addf(&sql, "WITH past AS (%s AT (VERSION => %" PRId64 ") ", columns, options->state);
    fo_str_addf(&sql, "WHERE vendor = '" FO_VENDOR_AWS "' AND current_version), present AS (%s ", columns);
    fo_str_add(&sql,
               "WHERE vendor = '" FO_VENDOR_AWS "' AND current_version) SELECT coalesce(p.export_name, "
               "n.export_name), coalesce(p.billing_period, n.billing_period), p.version_id, p.row_count, "
               "p.table_name, n.version_id, n.row_count, n.table_name FROM past p FULL JOIN present n ON "
               "p.export_name = n.export_name AND p.billing_period = n.billing_period WHERE ($1 IS NULL OR "
               "coalesce(p.export_name, n.export_name) = $1) AND ($2 IS NULL OR coalesce(p.billing_period, "
               "n.billing_period) = $2) AND ($2 IS NOT NULL OR (p.version_id, p.load_timestamp, "
               "p.completed_timestamp) IS DISTINCT FROM (n.version_id, n.load_timestamp, "
               "n.completed_timestamp)) ORDER BY 1, 2");
    finops_code rc = fo_str_check(&sql, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_database_query(database, fo_str_z(&sql), params, FO_COUNT(params), ret, &why);
    if (rc == FINOPS_OK)
        return rc;
    if (strstr(finops_error_text(why), "does not exist")) {
        (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "there were no bills yet in state %" PRId64,
                           options->state);
        return FINOPS_E_NOT_FOUND;
    }
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

/* ---- what was, beside the lake ---- */

static finops_code
run(fo_database *db, fo_str *sql, int64_t *ret_changed, finops_error **err)
{
    finops_code rc = fo_str_check(sql, err);

    return rc == FINOPS_OK ? fo_database_exec(db, fo_str_z(sql), NULL, 0, ret_changed, err) : rc;
}

static void
add_qualified(fo_str *sql, const char *schema, const char *table)
{
    fo_sql_ident(sql, schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, table);
}

static finops_code
copy_table(const rollback *r, const char *copy, const char *schema, const char *table, const char *where,
           const char *value, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_addf(&sql, "CREATE OR REPLACE TEMP TABLE %s AS SELECT * FROM ", copy);
    add_qualified(&sql, schema, table);
    fo_str_addf(&sql, " AT (VERSION => %" PRId64 ") WHERE %s = ", r->options->state, where);
    fo_sql_literal(&sql, value);
    return run(r->db, &sql, NULL, err);
}

/* Every column there was must be there; those that came since are NULL. */
static finops_code
check_columns(const rollback *r, size_t i, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv present = FO_STRV_INIT;
    const char *table = fo_rows_text(r->months, i, THEN_TABLE);
    const fo_strv *columns = &r->columns[i];
    finops_code rc = fo_database_columns(r->db, r->options->dataset, table, &present, NULL, err);

    for (size_t c = 0; rc == FINOPS_OK && c < columns->n; c++)
        if (!fo_strv_has(&present, columns->items[c]))
            rc = fo_error_set(err, FINOPS_E_DATA,
                              "table %s has no column %s any more, state %" PRId64 " of %s has", table,
                              columns->items[c], r->options->state, fo_rows_text(r->months, i, PERIOD));
    return rc;
}

static finops_code
copy_month(const rollback *r, size_t i, finops_error **err)
{
    FO_AUTO(fo_freep) char *copy = fo_format("temp.finops_rollback_%zu", i);
    FO_AUTO(fo_freep)
    char *describe = fo_format("SELECT column_name FROM (DESCRIBE temp.finops_rollback_%zu)", i);
    FO_AUTO(fo_rows_freep) fo_rows *columns = NULL;
    const char *table = fo_rows_text(r->months, i, THEN_TABLE);

    if (!copy || !describe)
        return fo_error_oom(err);
    if (!table)
        return FINOPS_OK;
    finops_code rc = copy_table(r, copy, r->options->dataset, table, "billing_period",
                                fo_rows_text(r->months, i, PERIOD), err);
    if (rc == FINOPS_OK)
        rc = fo_database_query(r->db, describe, NULL, 0, &columns, err);
    for (size_t c = 0; rc == FINOPS_OK && c < fo_rows_count(columns); c++)
        if (!fo_strv_add(&r->columns[i], fo_rows_text(columns, c, 0)))
            rc = fo_error_oom(err);
    return rc == FINOPS_OK ? check_columns(r, i, err) : rc;
}

static finops_code
copy_all(const rollback *r, finops_error **err)
{
    finops_code rc = copy_table(r, "temp.finops_rollback_state", "billing_state", "load_state", "vendor",
                                FO_VENDOR_AWS, err);

    if (rc == FINOPS_OK)
        rc = copy_table(r, "temp.finops_rollback_ledger", "billing_state", "ledger", "vendor", FO_VENDOR_AWS,
                        err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(r->months); i++)
        rc = copy_month(r, i, err);
    return rc;
}

/* ---- inside of the transaction ---- */

static finops_code
delete_rows(const rollback *r, const char *table, const char *period, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "DELETE FROM ");
    add_qualified(&sql, r->options->dataset, table);
    fo_str_add(&sql, " WHERE billing_period = ");
    fo_sql_literal(&sql, period);
    return run(r->db, &sql, NULL, err);
}

/* Columns that came since are NULL, also those with a default. */
static finops_code
insert_rows(const rollback *r, size_t i, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv present = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str names = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str values = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const char *table = fo_rows_text(r->months, i, THEN_TABLE);
    finops_code rc = fo_database_columns(r->db, r->options->dataset, table, &present, NULL, err);

    for (size_t c = 0; c < present.n; c++) {
        fo_str_add(&names, c ? ", " : "");
        fo_str_add(&values, c ? ", " : "");
        fo_sql_ident(&names, present.items[c]);
        if (fo_strv_has(&r->columns[i], present.items[c]))
            fo_sql_ident(&values, present.items[c]);
        else
            fo_str_add(&values, "NULL");
    }
    fo_str_add(&sql, "INSERT INTO ");
    add_qualified(&sql, r->options->dataset, table);
    fo_str_addf(&sql, " (%s) SELECT %s FROM temp.finops_rollback_%zu", fo_str_z(&names), fo_str_z(&values),
                i);
    if (rc == FINOPS_OK && (!fo_str_ok(&names) || !fo_str_ok(&values)))
        rc = fo_error_oom(err);
    return rc == FINOPS_OK ? run(r->db, &sql, NULL, err) : rc;
}

/* What is there now is what was. */
static finops_code
verify_rows(const rollback *r, size_t i, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "SELECT (SELECT count(*) FROM ");
    add_qualified(&sql, r->options->dataset, fo_rows_text(r->months, i, THEN_TABLE));
    fo_str_add(&sql, " WHERE billing_period = ");
    fo_sql_literal(&sql, fo_rows_text(r->months, i, PERIOD));
    fo_str_addf(&sql, "), (SELECT count(*) FROM temp.finops_rollback_%zu)", i);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_query(r->db, fo_str_z(&sql), NULL, 0, &rows, err);
    if (rc == FINOPS_OK && fo_rows_int(rows, 0, 0) != fo_rows_int(rows, 0, 1))
        rc = fo_error_set(err, FINOPS_E_DRIFT, "%" PRId64 " rows of %s were, and %" PRId64 " would be",
                          fo_rows_int(rows, 0, 1), fo_rows_text(r->months, i, PERIOD),
                          fo_rows_int(rows, 0, 0));
    return rc;
}

/* Written anew only when it is another: the state that rows of the ledger came with is that of their load. */
static finops_code
restore_ledger(const rollback *r, size_t i, finops_error **err)
{
#define OF_VERSION " WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 AND version_id = $4"
    static const char differ[] = "SELECT count(*) FROM ((SELECT * FROM billing_state.ledger" OF_VERSION
                                 " EXCEPT ALL SELECT * FROM temp.finops_rollback_ledger" OF_VERSION
                                 ") UNION ALL (SELECT * FROM temp.finops_rollback_ledger" OF_VERSION
                                 " EXCEPT ALL SELECT * FROM billing_state.ledger" OF_VERSION ")) AS d";
    static const char *const statements[] = { "DELETE FROM billing_state.ledger" OF_VERSION,
                                              "INSERT INTO billing_state.ledger BY NAME SELECT * FROM "
                                              "temp.finops_rollback_ledger" OF_VERSION };
#undef OF_VERSION
    const fo_param params[] = { FO_VENDOR_AWS, fo_rows_text(r->months, i, EXPORT),
                                fo_rows_text(r->months, i, PERIOD),
                                fo_rows_text(r->months, i, THEN_VERSION) };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_database_query(r->db, differ, params, FO_COUNT(params), &rows, err);

    if (rc != FINOPS_OK || fo_rows_int(rows, 0, 0) == 0)
        return rc;
    for (size_t s = 0; rc == FINOPS_OK && s < FO_COUNT(statements); s++)
        rc = fo_database_exec(r->db, statements[s], params, FO_COUNT(params), NULL, err);
    return rc;
}

/* The row of the version that was current; other versions stay on record, as not current. */
static finops_code
restore_state(const rollback *r, size_t i, finops_error **err)
{
    static const char *const statements[] = {
        "UPDATE billing_state.load_state SET current_version = false WHERE vendor = $1 AND export_name = $2 "
        "AND billing_period = $3 AND current_version",
        "DELETE FROM billing_state.load_state WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 "
        "AND version_id = $4",
        "INSERT INTO billing_state.load_state BY NAME SELECT * REPLACE (CAST($5 AS VARCHAR) AS claimed_by) "
        "FROM temp.finops_rollback_state WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 AND "
        "version_id = $4",
    };
    static const size_t n_params[] = { 3, 4, 5 };
    const fo_param params[] = { FO_VENDOR_AWS, fo_rows_text(r->months, i, EXPORT),
                                fo_rows_text(r->months, i, PERIOD), fo_rows_text(r->months, i, THEN_VERSION),
                                r->options->hold ? FO_LAKE_HOLD : NULL };
    size_t n = fo_rows_text(r->months, i, THEN_VERSION) ? FO_COUNT(statements) : 1;
    finops_code rc = FINOPS_OK;

    for (size_t s = 0; rc == FINOPS_OK && s < n; s++)
        rc = fo_database_exec(r->db, statements[s], params, n_params[s], NULL, err);
    return rc;
}

static finops_code
restore_month(const rollback *r, size_t i, finops_error **err)
{
    const char *period = fo_rows_text(r->months, i, PERIOD);
    const char *now = fo_rows_text(r->months, i, NOW_TABLE), *then = fo_rows_text(r->months, i, THEN_TABLE);
    finops_code rc = now ? delete_rows(r, now, period, err) : FINOPS_OK;

    if (rc == FINOPS_OK && then && !(now && fo_streq(now, then)))
        rc = delete_rows(r, then, period, err);
    if (rc == FINOPS_OK && then)
        rc = insert_rows(r, i, err);
    if (rc == FINOPS_OK && then)
        rc = verify_rows(r, i, err);
    if (rc == FINOPS_OK && then)
        rc = restore_ledger(r, i, err);
    return rc == FINOPS_OK ? restore_state(r, i, err) : rc;
}

static json_t *
month_json(const fo_rows *months, size_t i)
{
    return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:I}", "vendor", FO_VENDOR_AWS, "export_name",
                     fo_rows_text(months, i, EXPORT), "billing_period", fo_rows_text(months, i, PERIOD),
                     "version_id", fo_rows_text(months, i, THEN_VERSION), "from_version",
                     fo_rows_text(months, i, NOW_VERSION), "rows",
                     (json_int_t)fo_rows_int(months, i, THEN_ROWS));
}

static char *
details_json(const rollback *r)
{
    json_t *list = json_array();
    json_t *json = NULL;
    char *text;

    for (size_t i = 0; list && i < fo_rows_count(r->months); i++)
        if (json_array_append_new(list, month_json(r->months, i)) != 0) {
            json_decref(list);
            list = NULL;
        }
    if (list)
        json = json_pack("{s:s, s:I, s:s, s:b, s:o, s:s}", "action", "rollback", "to",
                         (json_int_t)r->options->state, "to_name", r->options->state_name, "hold",
                         (int)r->options->hold, "months", list, "tool_version", FINOPS_VERSION);
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static finops_code
annotate(const rollback *r, finops_error **err)
{
    FO_AUTO(fo_freep) char *details = details_json(r);
    FO_AUTO(fo_str_done) fo_str message = FO_STR_INIT;

    fo_str_add(&message, "rollback of ");
    for (size_t i = 0; i < fo_rows_count(r->months); i++)
        fo_str_addf(&message, "%s%s %s", i ? ", " : "", fo_rows_text(r->months, i, EXPORT),
                    fo_rows_text(r->months, i, PERIOD));
    fo_str_addf(&message, " to state %" PRId64, r->options->state);
    if (strspn(r->options->state_name, "0123456789") != strlen(r->options->state_name))
        fo_str_addf(&message, " (%s)", r->options->state_name);
    if (!details || !fo_str_ok(&message))
        return fo_error_oom(err);
    return fo_database_annotate(r->db, fo_str_z(&message), details, err);
}

static finops_code
change(const rollback *r, finops_error **err)
{
    finops_code rc = fo_database_begin(r->db, err);

    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(r->months); i++)
        rc = restore_month(r, i, err);
    if (rc == FINOPS_OK)
        rc = annotate(r, err);
    if (rc == FINOPS_OK)
        rc = fo_database_commit(r->db, err);
    if (rc != FINOPS_OK)
        fo_database_rollback(r->db);
    return rc;
}

/* Importers of other months change the same tables of state: the loser of such a meeting tries again. */
static finops_code
change_patiently(const rollback *r, finops_error **err)
{
    static const struct timespec pause = { .tv_nsec = 200000000 };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = FINOPS_OK;

    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        finops_error_freep(&why);
        rc = change(r, &why);
        if (rc != FINOPS_E_TRANSIENT || fo_cancelled(fo_database_cancel(r->db)))
            break;
        (void)nanosleep(&pause, NULL);
    }
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

/* ---- around it ---- */

/* In the order of the plan, which is the same for all. */
static finops_code
take_locks(rollback *r, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(r->months); i++) {
        const fo_version_key key = { FO_VENDOR_AWS, fo_rows_text(r->months, i, EXPORT),
                                     fo_rows_text(r->months, i, PERIOD), NULL };
        FO_AUTO(fo_freep) char *name = fo_month_lock_name(&key);

        rc = name ? fo_database_lock(r->db, name, 0, err) : fo_error_oom(err);
        if (rc == FINOPS_OK && !fo_strv_add(&r->locks, name)) {
            fo_database_unlock(r->db, name);
            rc = fo_error_oom(err);
        }
    }
    return rc;
}

static finops_code
open_target(const rollback *r, size_t i, fo_bill_target *target, fo_colnames **names, finops_error **err)
{
    const char *table = fo_rows_text(r->months, i, THEN_TABLE);

    *target = (fo_bill_target){ .schema = r->options->dataset,
                                .vendor = FO_VENDOR_AWS,
                                .export_name = fo_rows_text(r->months, i, EXPORT),
                                .table_base = table ? table : fo_rows_text(r->months, i, NOW_TABLE),
                                .single = true };
    return fo_colnames_load(r->db, FO_VENDOR_AWS, target->export_name, names, err);
}

/* The views of months that come, before the rows do; when settled, those of months that went are dropped. */
static finops_code
look_after_views(const rollback *r, bool settle, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(r->months); i++) {
        FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;
        bool last = i + 1 == fo_rows_count(r->months) ||
                    !fo_streq(fo_rows_text(r->months, i, EXPORT), fo_rows_text(r->months, i + 1, EXPORT));
        fo_bill_target target;

        rc = open_target(r, i, &target, &names, err);
        if (rc == FINOPS_OK && !settle && fo_rows_text(r->months, i, THEN_TABLE))
            rc = fo_month_view(r->db, &target, fo_rows_text(r->months, i, PERIOD), err);
        if (rc == FINOPS_OK && settle && last)
            rc = fo_views_settle(r->db, &target, names, err);
    }
    return rc;
}

finops_code
fo_lake_rollback(fo_database *database, const fo_lake_rollback_options *options, const fo_rows *months,
                 finops_error **err)
{
    size_t n = months ? fo_rows_count(months) : 0;
    rollback r = { .db = database, .options = options, .months = months, .locks = FO_STRV_INIT };
    finops_code rc;

    assert(database && options && options->state_name && n > 0);
    r.columns = fo_array(n, sizeof(*r.columns));
    rc = r.columns ? take_locks(&r, err) : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = copy_all(&r, err);
    if (rc == FINOPS_OK)
        rc = look_after_views(&r, false, err);
    if (rc == FINOPS_OK)
        rc = change_patiently(&r, err);
    if (rc == FINOPS_OK)
        rc = look_after_views(&r, true, err);
    while (r.locks.n > 0) {
        fo_database_unlock(database, r.locks.items[--r.locks.n]);
        fo_free(r.locks.items[r.locks.n]);
    }
    fo_strv_done(&r.locks);
    for (size_t i = 0; r.columns && i < n; i++)
        fo_strv_done(&r.columns[i]);
    fo_free(r.columns);
    return rc;
}
