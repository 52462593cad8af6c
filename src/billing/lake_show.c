/* What one state of a lake changed. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "billing/lake_audit.h"
#include "billing/lake_catalog.h"

/* Tables that the state names, or that were made or dropped by it: id, schema, name, whether it is there. */
static finops_code
tables_of(fo_database *db, const char *state, fo_rows **ret, finops_error **err)
{
    static const char sql[] =
        "WITH named AS (SELECT unnest(flatten(map_values(changes))) AS id FROM "
        "ducklake_snapshots(current_database()) WHERE snapshot_id = $1::BIGINT) "
        "SELECT t.table_id, arg_max(s.schema_name, t.begin_snapshot), arg_max(t.table_name, "
        "t.begin_snapshot), "
        "bool_or(t.end_snapshot IS NULL OR t.end_snapshot > $1::BIGINT) FROM " FO_LAKE_CATALOG
        "ducklake_table t JOIN " FO_LAKE_CATALOG "ducklake_schema s ON s.schema_id = t.schema_id "
        "WHERE t.begin_snapshot <= $1::BIGINT AND (t.end_snapshot IS NULL OR t.end_snapshot >= $1::BIGINT) "
        "AND (t.begin_snapshot = $1::BIGINT OR t.end_snapshot = $1::BIGINT "
        "OR CAST(t.table_id AS VARCHAR) IN (SELECT id FROM named)) GROUP BY 1 ORDER BY 2, 3";
    const fo_param params[] = { state };

    return fo_database_query(db, sql, params, FO_COUNT(params), ret, err);
}

static void
add_feed(fo_str *sql, const char *feed, const fo_rows *tables, size_t i, const char *state)
{
    if (!fo_streq(fo_rows_text(tables, i, 3), "true")) {
        fo_str_add(sql, "NULL");
        return;
    }
    fo_str_addf(sql, "(SELECT count(*) FROM ducklake_table_%s(current_database(), ", feed);
    fo_sql_literal(sql, fo_rows_text(tables, i, 1));
    fo_str_add(sql, ", ");
    fo_sql_literal(sql, fo_rows_text(tables, i, 2));
    fo_str_addf(sql, ", %s, %s))", state, state);
}

static void
add_files(fo_str *sql, const char *when, const fo_rows *tables, size_t i, const char *state)
{
    fo_str_addf(sql,
                "(SELECT count(*) FROM " FO_LAKE_CATALOG
                "ducklake_data_file WHERE table_id = %s AND %s_snapshot = %s)",
                fo_rows_text(tables, i, 0), when, state);
}

static void
add_table(fo_str *sql, const fo_rows *tables, size_t i, const char *state)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    fo_str_addf(&name, "%s.%s", fo_rows_text(tables, i, 1), fo_rows_text(tables, i, 2));
    fo_str_add(sql, i ? " UNION ALL SELECT " : "SELECT ");
    fo_sql_literal(sql, fo_str_z(&name));
    fo_str_add(sql, " AS table_name, ");
    add_feed(sql, "insertions", tables, i, state);
    fo_str_add(sql, " AS rows_added, ");
    add_feed(sql, "deletions", tables, i, state);
    fo_str_add(sql, " AS rows_removed, ");
    add_files(sql, "begin", tables, i, state);
    fo_str_add(sql, " AS files_added, ");
    add_files(sql, "end", tables, i, state);
    fo_str_add(sql, " AS files_removed");
    if (!fo_str_ok(&name))
        sql->failed = true;
}

finops_code
fo_lake_show_sql(fo_database *database, int64_t state, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *number = fo_format("%" PRId64, state);
    FO_AUTO(fo_rows_freep) fo_rows *tables = NULL;

    assert(database && ret);
    if (!number)
        return fo_error_oom(err);
    finops_code rc = tables_of(database, number, &tables, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(
        ret,
        "SELECT s.snapshot_id, s.time, s.author, s.message, t.*, s.changes, s.details FROM (%s) AS s LEFT "
        "JOIN (",
        fo_lake_states_sql);
    for (size_t i = 0; i < fo_rows_count(tables); i++)
        add_table(ret, tables, i, number);
    if (fo_rows_count(tables) == 0)
        fo_str_add(
            ret,
            "SELECT NULL::VARCHAR AS table_name, NULL::BIGINT AS rows_added, NULL::BIGINT AS rows_removed, "
            "NULL::BIGINT AS files_added, NULL::BIGINT AS files_removed");
    fo_str_addf(ret, ") AS t ON true WHERE s.snapshot_id = %s ORDER BY table_name", number);
    return fo_str_check(ret, err);
}
