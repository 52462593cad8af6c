/* Removing bills: whole exports and old months. */
#include "billing/lines.h"
#include "billing/retention.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/import_internal.h"
#include "billing/names.h"

/* The table and state statements of one removal run in one transaction. */
static finops_code
retention_finish(fo_database *db, finops_code rc, finops_error **err)
{
    if (rc == FINOPS_OK)
        rc = fo_database_commit(db, err);
    if (rc != FINOPS_OK)
        fo_database_rollback(db);
    return rc;
}

static finops_code
retention_run(fo_database *db, const char *sql, const char *export_name, const char *period,
              finops_error **err)
{
    const fo_param params[] = { FO_VENDOR_AWS, export_name, period };

    return fo_database_exec(db, sql, params, period ? 3 : 2, NULL, err);
}

/* Months of an export that have a table: export, period, table, rows. */
static finops_code
retention_months(fo_database *db, const char *dataset, const char *export_name, const char *before,
                 fo_rows **ret, finops_error **err)
{
    const fo_param params[] = { FO_VENDOR_AWS, export_name, before, dataset };

    return fo_database_query(
        db,
        "SELECT s.export_name, s.billing_period, s.table_name, s.row_count FROM billing_state.load_state s "
        "WHERE s.vendor = $1 AND ($2 IS NULL OR s.export_name = $2) AND ($3 IS NULL OR s.billing_period < "
        "$3) "
        "AND s.current_version AND $4 IS NOT NULL ORDER BY 1, 2",
        params, FO_COUNT(params), ret, err);
}

/* The name the table has, also where the earlier tool recorded none. */
static finops_code
retention_table(const fo_rows *months, size_t i, fo_str *base, fo_str *table, finops_error **err)
{
    const char *recorded = fo_rows_text(months, i, 2);

    fo_str_clear(base);
    fo_str_clear(table);
    finops_code rc = fo_bill_table_base(fo_rows_text(months, i, 0), base, err);
    if (rc == FINOPS_OK && !recorded)
        return fo_bill_table_name(fo_str_z(base), fo_rows_text(months, i, 1), table, err);
    fo_str_add(table, recorded);
    return rc == FINOPS_OK ? fo_str_check(table, err) : rc;
}

static finops_code
retention_drop_month(fo_database *db, const char *dataset, const char *table, const char *period,
                     finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str base = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_bill_base_of(table, period, &base);
    bool single = fo_streq(fo_str_z(&base), table);
    fo_str_add(&sql, single ? "DELETE FROM " : "DROP TABLE IF EXISTS ");
    fo_sql_ident(&sql, dataset);
    fo_str_addc(&sql, '.');
    fo_sql_ident(&sql, table);
    if (single) {
        fo_str_add(&sql, " WHERE billing_period = ");
        fo_sql_literal(&sql, period);
    }
    finops_code rc = base.failed ? fo_error_oom(err) : fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(db, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

/* The view over what is left of the export. */
static finops_code
retention_view(fo_database *db, const char *dataset, const char *export_name, const char *table_base,
               finops_error **err)
{
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;
    fo_bill_target target = {
        .schema = dataset, .vendor = FO_VENDOR_AWS, .export_name = export_name, .table_base = table_base
    };
    finops_code rc = fo_colnames_load(db, FO_VENDOR_AWS, export_name, &names, err);

    if (rc != FINOPS_OK)
        return rc;
    return fo_database_tables_in_transaction(db) ? fo_unified_view(db, &target, names, err)
                                                 : fo_views_settle(db, &target, names, err);
}

/* The months first..end, all of one export, are current no more, and the view is one over what is left. */
static finops_code
retention_leave(fo_database *db, const char *dataset, const fo_rows *months, size_t first, size_t end,
                finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str base = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str table = FO_STR_INIT;
    const char *export_name = fo_rows_text(months, first, 0);
    finops_code rc = retention_table(months, end - 1, &base, &table, err);

    for (size_t i = first; rc == FINOPS_OK && i < end; i++)
        rc =
            retention_run(db,
                          "UPDATE billing_state.load_state SET current_version = false WHERE vendor = $1 AND "
                          "export_name = $2 AND billing_period = $3 AND current_version",
                          export_name, fo_rows_text(months, i, 1), err);
    if (rc != FINOPS_OK || !fo_database_tables_in_transaction(db))
        return rc;
    fo_str_clear(&base);
    fo_bill_base_of(fo_str_z(&table), fo_rows_text(months, end - 1, 1), &base);
    return retention_view(db, dataset, export_name, fo_str_z(&base), err);
}

/* After the transaction, where views cannot be part of it. */
static finops_code
retention_settle(fo_database *db, const char *dataset, const fo_rows *months, size_t last, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str base = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str table = FO_STR_INIT;

    if (fo_database_tables_in_transaction(db))
        return FINOPS_OK;
    finops_code rc = retention_table(months, last, &base, &table, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_clear(&base);
    fo_bill_base_of(fo_str_z(&table), fo_rows_text(months, last, 1), &base);
    return retention_view(db, dataset, fo_rows_text(months, last, 0), fo_str_z(&base), err);
}

/*
 * Drops the tables of rows first..end, all of one export. The view turns away from them before: dropped and
 * made anew it would lose the rights and the views that others have on it.
 */
static finops_code
retention_drop_export(fo_database *db, const char *dataset, const fo_rows *months, size_t first, size_t end,
                      finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str base = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str table = FO_STR_INIT;
    finops_code rc = retention_leave(db, dataset, months, first, end, err);

    for (size_t i = first; rc == FINOPS_OK && i < end; i++) {
        rc = retention_table(months, i, &base, &table, err);
        if (rc == FINOPS_OK)
            rc = retention_drop_month(db, dataset, fo_str_z(&table), fo_rows_text(months, i, 1), err);
    }
    return rc;
}

/* The months of another schema stay what they are: their tables would, and nobody would know of them. */
static finops_code
retention_check_schema(fo_database *db, const char *dataset, const fo_rows *months, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str base = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str table = FO_STR_INIT;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(months); i++) {
        FO_AUTO(fo_freep) char *schema = NULL;

        rc = retention_table(months, i, &base, &table, err);
        if (rc == FINOPS_OK)
            rc = fo_lines_schema_of(db, dataset, fo_str_z(&table), &schema, err);
        if (rc != FINOPS_OK || !schema || fo_streq(schema, dataset))
            continue;
        rc = fo_error_set(err, FINOPS_E_USAGE, "%s of export %s is in schema %s, not in %s",
                          fo_rows_text(months, i, 1), fo_rows_text(months, i, 0), schema, dataset);
        fo_error_hint(err, "pass --dataset-name %s", schema);
    }
    return rc;
}

static finops_code
retention_remember(fo_database *db, const char *export_name, const char *before, finops_error **err)
{
    static const char by_key[] =
        "INSERT INTO billing_state.retention VALUES ($1, $2, $3) ON CONFLICT (vendor, export_name) DO "
        "UPDATE SET keep_from = excluded.keep_from";
    static const char by_merge[] =
        "MERGE INTO billing_state.retention AS r USING (SELECT $1::VARCHAR AS vendor, $2::VARCHAR AS "
        "export_name, $3::VARCHAR AS keep_from) AS n ON r.vendor = n.vendor AND r.export_name = "
        "n.export_name WHEN MATCHED THEN UPDATE SET keep_from = n.keep_from WHEN NOT MATCHED THEN INSERT "
        "VALUES (n.vendor, n.export_name, n.keep_from)";
    bool keys = !fo_database_can(db, FINOPS_DATABASE_NO_KEYS);

    return retention_run(db, keys ? by_key : by_merge, export_name, before, err);
}

finops_code
fo_bills_prune(fo_database *database, const char *dataset, const char *export_name, const char *before,
               bool dry_run, void (*each)(const fo_pruned_month *month, void *arg), void *arg,
               finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *months = NULL;
    size_t first = 0;

    assert(database && dataset && before && each);
    finops_code rc = retention_months(database, dataset, export_name, before, &months, err);
    if (rc == FINOPS_OK)
        rc = retention_check_schema(database, dataset, months, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(months); i++) {
        bool last = i + 1 == fo_rows_count(months) ||
                    !fo_streq(fo_rows_text(months, i + 1, 0), fo_rows_text(months, i, 0));
        if (last && !dry_run) {
            rc = fo_database_begin(database, err);
            if (rc == FINOPS_OK)
                rc = retention_drop_export(database, dataset, months, first, i + 1, err);
            if (rc == FINOPS_OK)
                rc = retention_remember(database, fo_rows_text(months, i, 0), before, err);
            rc = retention_finish(database, rc, err);
            if (rc == FINOPS_OK)
                rc = retention_settle(database, dataset, months, i, err);
        }
        for (size_t j = first; rc == FINOPS_OK && last && j <= i; j++)
            each(&(fo_pruned_month){ .export_name = fo_rows_text(months, j, 0),
                                     .period = fo_rows_text(months, j, 1),
                                     .table_name = fo_rows_text(months, j, 2),
                                     .rows = fo_rows_int(months, j, 3) },
                 arg);
        if (last)
            first = i + 1;
    }
    return rc;
}

/* All that the state tables know of an export. */
static finops_code
retention_forget(fo_database *db, const char *export_name, finops_error **err)
{
    static const char *const statements[] = {
        "DELETE FROM billing_state.ledger WHERE vendor = $1 AND export_name = $2",
        "DELETE FROM billing_state.column_names WHERE vendor = $1 AND export_name = $2",
        "DELETE FROM billing_state.retention WHERE vendor = $1 AND export_name = $2",
        "DELETE FROM billing_state.schema_versions WHERE version_id IN (SELECT version_id FROM "
        "billing_state.load_state WHERE vendor = $1 AND export_name = $2)",
        "DELETE FROM billing_state.load_state WHERE vendor = $1 AND export_name = $2",
    };
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < FO_COUNT(statements); i++)
        rc = retention_run(db, statements[i], export_name, NULL, err);
    return rc;
}

finops_code
fo_import_reset(fo_database *database, const char *dataset, const char *export_name, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *months = NULL;

    assert(database && dataset && export_name);
    finops_code rc = retention_months(database, dataset, export_name, NULL, &months, err);
    if (rc == FINOPS_OK)
        rc = fo_database_begin(database, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_rows_count(months) > 0)
        rc = retention_drop_export(database, dataset, months, 0, fo_rows_count(months), err);
    if (rc == FINOPS_OK)
        rc = retention_forget(database, export_name, err);
    rc = retention_finish(database, rc, err);
    if (rc == FINOPS_OK && fo_rows_count(months) > 0)
        rc = retention_settle(database, dataset, months, fo_rows_count(months) - 1, err);
    return rc;
}
