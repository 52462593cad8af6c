/* The catalog of a lake. */
#include "billing/lake_catalog.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

const char fo_lake_states_sql[] =
    "WITH named AS (SELECT CAST(o.id AS VARCHAR) AS id, arg_max(o.name, o.begin_snapshot) AS name FROM ("
    "SELECT t.table_id AS id, s.schema_name || '.' || t.table_name AS name, t.begin_snapshot "
    "FROM " FO_LAKE_CATALOG "ducklake_table t JOIN " FO_LAKE_CATALOG
    "ducklake_schema s USING (schema_id) UNION ALL "
    "SELECT v.view_id, s.schema_name || '.' || v.view_name, v.begin_snapshot FROM " FO_LAKE_CATALOG
    "ducklake_view v JOIN " FO_LAKE_CATALOG "ducklake_schema s USING (schema_id) UNION ALL "
    "SELECT schema_id, schema_name, begin_snapshot FROM " FO_LAKE_CATALOG
    "ducklake_schema) AS o GROUP BY 1), "
    "change AS (SELECT snapshot_id, unnest(map_entries(changes)) AS c FROM "
    "ducklake_snapshots(current_database())), "
    "part AS (SELECT snapshot_id, CASE c.key WHEN 'inlined_insert' THEN 'tables_inserted_into' WHEN "
    "'inlined_delete' THEN 'tables_deleted_from' ELSE c.key END AS kind, unnest(c.value) AS id FROM change), "
    "kinds AS (SELECT p.snapshot_id, p.kind, array_to_string(list_sort(list_distinct(list(coalesce(n.name, "
    "p.id)))), ', ') "
    "AS names FROM part p LEFT JOIN named n ON n.id = p.id GROUP BY 1, 2), "
    "told AS (SELECT snapshot_id, string_agg(kind || ': ' || names, '; ' ORDER BY kind) AS changes FROM "
    "kinds GROUP BY 1) "
    "SELECT s.snapshot_id, s.snapshot_time AT TIME ZONE 'UTC' AS time, s.author, s.commit_message AS "
    "message, "
    "told.changes, s.commit_extra_info AS details FROM ducklake_snapshots(current_database()) AS s "
    "LEFT JOIN told ON told.snapshot_id = s.snapshot_id";

static finops_code
state_rows(fo_database *db, fo_str *sql, fo_rows **ret, finops_error **err)
{
    finops_code rc = fo_str_check(sql, err);

    return rc == FINOPS_OK ? fo_database_rows(db, fo_str_z(sql), ret, err) : rc;
}

/* ---- what a state has ---- */

finops_code
fo_lake_state_time(fo_database *database, int64_t state, char ret[FO_TIME_TEXT], finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_addf(&sql,
                "SELECT strftime(snapshot_time AT TIME ZONE 'UTC', '%%Y-%%m-%%d %%H:%%M:%%S') FROM "
                "ducklake_snapshots(current_database()) WHERE snapshot_id = %lld",
                (long long)state);
    finops_code rc = state_rows(database, &sql, &rows, err);
    if (rc == FINOPS_OK)
        snprintf(ret, FO_TIME_TEXT, "%s", fo_rows_count(rows) ? fo_rows_text(rows, 0, 0) : "");
    return rc;
}

void
fo_lake_table_done(fo_lake_table *table)
{
    fo_free(table->schema);
    *table = (fo_lake_table){ 0 };
}

/* Rows of the catalog's table `as` that are part of the state. */
static void
add_in_state(const char *as, int64_t state, fo_str *sql)
{
    fo_str_addf(sql, "(%s.begin_snapshot <= %lld AND (%s.end_snapshot IS NULL OR %s.end_snapshot > %lld))",
                as, (long long)state, as, as, (long long)state);
}

finops_code
fo_lake_table_find(fo_database *database, int64_t state, const char *schema, const char *name,
                   fo_lake_table *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_add(&sql, "SELECT t.table_id, s.schema_name FROM " FO_LAKE_CATALOG
                     "ducklake_table t JOIN " FO_LAKE_CATALOG "ducklake_schema s USING (schema_id) WHERE ");
    add_in_state("t", state, &sql);
    fo_str_add(&sql, " AND ");
    add_in_state("s", state, &sql);
    fo_str_add(&sql, " AND t.table_name = ");
    fo_sql_literal(&sql, name);
    fo_str_add(&sql, " ORDER BY s.schema_name = ");
    fo_sql_literal(&sql, schema);
    fo_str_add(&sql, " DESC, s.schema_name LIMIT 1");
    finops_code rc = state_rows(database, &sql, &rows, err);
    if (rc != FINOPS_OK || fo_rows_count(rows) == 0)
        return rc;
    ret->id = fo_rows_int(rows, 0, 0);
    ret->schema = fo_strdup(fo_rows_text(rows, 0, 1));
    return ret->schema ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_lake_has_column(fo_database *database, int64_t state, const char *schema, const char *name,
                   const char *column, bool *ret, finops_error **err)
{
    FO_AUTO(fo_lake_table_done) fo_lake_table table = { 0 };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_lake_table_find(database, state, schema, name, &table, err);

    *ret = false;
    if (rc != FINOPS_OK || !fo_streq(table.schema, schema))
        return rc;
    fo_str_addf(&sql,
                "SELECT count(*) FROM " FO_LAKE_CATALOG "ducklake_column c WHERE c.table_id = %lld AND ",
                (long long)table.id);
    add_in_state("c", state, &sql);
    fo_str_add(&sql, " AND c.column_name = ");
    fo_sql_literal(&sql, column);
    rc = state_rows(database, &sql, &rows, err);
    if (rc == FINOPS_OK)
        *ret = fo_rows_int(rows, 0, 0) > 0;
    return rc;
}

/* ---- which months differ ---- */

/* Rows of the catalog's table `as` that are part of one state and not of the other. */
static void
add_changed(const char *as, int64_t from, int64_t to, fo_str *sql)
{
    fo_str_addc(sql, '(');
    add_in_state(as, from, sql);
    fo_str_add(sql, " <> ");
    add_in_state(as, to, sql);
    fo_str_addc(sql, ')');
}

/* The same of files; one that was merged from files of several states (partial_max is the last of them) has
 * rows of later states, too. */
static void
add_changed_files(const char *as, int64_t from, int64_t to, fo_str *sql)
{
    fo_str_addc(sql, '(');
    add_changed(as, from, to, sql);
    fo_str_addf(sql, " OR (%s.partial_max > %lld AND %s.begin_snapshot <= %lld))", as,
                (long long)(from < to ? from : to), as, (long long)(from < to ? to : from));
}

/* Small changes are kept in the catalog: a table for each shape that the table has had. */
static finops_code
add_inlined(fo_database *db, int64_t id, int64_t from, int64_t to, fo_str *sql, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str ask = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_addf(
        &ask, "SELECT table_name FROM " FO_LAKE_CATALOG "ducklake_inlined_data_tables WHERE table_id = %lld",
        (long long)id);
    finops_code rc = state_rows(db, &ask, &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        fo_str_add(sql, " UNION SELECT DISTINCT billing_period, billing_period FROM " FO_LAKE_CATALOG);
        fo_sql_ident(sql, fo_rows_text(rows, i, 0));
        fo_str_add(sql, " i WHERE ");
        add_changed("i", from, to, sql);
    }
    return rc;
}

/* Files some of whose rows were deleted without a file of deletions. The table is not there before that
 * happened, and no other one tells whether it is. */
static finops_code
add_inlined_deletes(fo_database *db, int64_t id, int64_t from, int64_t to, fo_str *sql, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str ask = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;

    fo_str_addf(&ask, "SELECT 1 FROM " FO_LAKE_CATALOG "ducklake_inlined_delete_%lld LIMIT 1", (long long)id);
    if (state_rows(db, &ask, &rows, &why) != FINOPS_OK) {
        if (strstr(finops_error_text(why), "does not exist"))
            return FINOPS_OK;
        finops_code rc = finops_error_code(why);
        if (err)
            *err = FO_TAKE(why);
        return rc;
    }
    fo_str_addf(sql,
                " UNION SELECT x.file_id FROM " FO_LAKE_CATALOG
                "ducklake_inlined_delete_%lld x WHERE (x.begin_snapshot <= %lld) <> (x.begin_snapshot <= "
                "%lld)",
                (long long)id, (long long)from, (long long)to);
    return FINOPS_OK;
}

static finops_code
months_sql(fo_database *db, int64_t id, int64_t from, int64_t to, fo_str *sql, finops_error **err)
{
    fo_str_addf(sql,
                "WITH changed AS (SELECT f.data_file_id FROM " FO_LAKE_CATALOG
                "ducklake_data_file f WHERE f.table_id = %lld AND ",
                (long long)id);
    add_changed_files("f", from, to, sql);
    fo_str_addf(sql,
                " UNION SELECT d.data_file_id FROM " FO_LAKE_CATALOG
                "ducklake_delete_file d WHERE d.table_id = %lld AND ",
                (long long)id);
    add_changed_files("d", from, to, sql);
    finops_code rc = add_inlined_deletes(db, id, from, to, sql, err);
    fo_str_addf(sql,
                "), periods AS (SELECT DISTINCT column_id FROM " FO_LAKE_CATALOG
                "ducklake_column WHERE table_id = %lld AND column_name = 'billing_period' AND "
                "parent_column IS NULL) SELECT DISTINCT s.min_value AS first, s.max_value AS last FROM "
                "changed c LEFT JOIN (SELECT * FROM " FO_LAKE_CATALOG
                "ducklake_file_column_stats WHERE table_id = %lld AND column_id IN (SELECT column_id FROM "
                "periods)) s USING (data_file_id)",
                (long long)id, (long long)id);
    if (rc == FINOPS_OK)
        rc = add_inlined(db, id, from, to, sql, err);
    fo_str_add(sql, " ORDER BY 1, 2");
    return rc;
}

finops_code
fo_lake_months(fo_database *database, int64_t id, int64_t from, int64_t to, fo_rows **ret, bool *ret_all,
               finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str columns = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *gone = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert(database && ret && ret_all);
    fo_str_addf(&columns,
                "SELECT count(*) FROM " FO_LAKE_CATALOG "ducklake_column c WHERE c.table_id = %lld AND "
                "(c.end_snapshot <= %lld) <> (c.end_snapshot <= %lld)",
                (long long)id, (long long)from, (long long)to);
    finops_code rc = state_rows(database, &columns, &gone, err);
    if (rc == FINOPS_OK)
        rc = months_sql(database, id, from, to, &sql, err);
    if (rc == FINOPS_OK)
        rc = state_rows(database, &sql, &rows, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_all = fo_rows_int(gone, 0, 0) > 0;
    for (size_t i = 0; i < fo_rows_count(rows); i++)
        *ret_all |= !fo_rows_text(rows, i, 0) || !fo_rows_text(rows, i, 1);
    if (!*ret_all)
        *ret = FO_TAKE(rows);
    return FINOPS_OK;
}
