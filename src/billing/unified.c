/*
 * The unified view: all current months of an export under one name, by column name, with one type for each
 * column.
 *
 * Tables of the earlier tool have guessed types (costs DOUBLE, accounts BIGINT); the view casts them to what
 * the dictionary says, so that one old month does not turn the exact decimals of all others into doubles.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/columns.h"
#include "billing/names.h"
#include "billing/nested.h"
#include "billing/publish.h"

/* Columns of the sources' rows. */
enum { SOURCE_TABLE, SOURCE_PERIOD, SOURCE_COLUMN, SOURCE_TYPE };

/*
 * The columns of all tables of the export's current months: table, period, column, type. Rows of the earlier
 * tool name no table, so theirs follows from the period. One statement for all: asking table by table takes
 * seconds where there are many months.
 */
static finops_code
unified_sources(fo_conn *conn, const fo_bill_target *target, fo_rows **ret, finops_error **err)
{
    const fo_param params[] = { target->vendor, target->export_name, target->schema, target->table_base };

    return fo_conn_rows(
        conn,
        "SELECT c.table_name, min(s.billing_period) AS period, c.column_name, c.data_type "
        "FROM billing_state.load_state s JOIN duckdb_columns() c ON c.database_name = current_database() "
        "AND c.schema_name = $3 AND c.table_name = "
        "coalesce(s.table_name, $4 || '_' || replace(s.billing_period, '-', '_')) "
        "WHERE s.vendor = $1 AND s.export_name = $2 AND s.current_version "
        "GROUP BY c.table_name, c.column_name, c.data_type, c.column_index "
        "ORDER BY period, c.table_name, c.column_index",
        params, FO_COUNT(params), ret, err);
}

/* The row after the last one of the table that row `first` is of. */
static size_t
unified_end(const fo_rows *rows, size_t first)
{
    size_t end = first;

    while (end < fo_rows_count(rows) &&
           fo_streq(fo_rows_text(rows, end, SOURCE_TABLE), fo_rows_text(rows, first, SOURCE_TABLE)))
        end++;
    return end;
}

/* Whether a column of this type can be had as the dictionary's type by a cast in the view. */
static void
unified_cast(const char *name, const char *type, fo_str *sql)
{
    const fo_column_entry *entry = fo_column_find(name);
    fo_column_kind kind = entry ? entry->kind : FO_COLUMN_TEXT;
    const char *want = fo_column_sql_type(kind);
    bool real = strcmp(type, "DOUBLE") == 0 || strcmp(type, "FLOAT") == 0;
    bool nested = fo_starts(type, "MAP(") || fo_starts(type, "STRUCT(") || fo_ends(type, "[]");
    bool integer = fo_ends(type, "INT") || fo_ends(type, "INTEGER");

    if (strcmp(type, want) == 0 || (nested && kind != FO_COLUMN_DECIMAL && kind != FO_COLUMN_TIMESTAMP)) {
        fo_sql_ident(sql, name);
        return;
    }
    if (kind == FO_COLUMN_DECIMAL && real)
        fo_str_add(sql, "CAST(CAST(");
    else if (kind == FO_COLUMN_MAP || kind == FO_COLUMN_MAP_DECIMAL)
        fo_str_add(sql, "TRY_CAST(TRY_CAST(");
    else if (kind == FO_COLUMN_TEXT && integer && fo_ends(name, "account_id"))
        fo_str_add(sql, "lpad(CAST(");
    else
        fo_str_add(sql, "CAST(");
    fo_sql_ident(sql, name);
    if (kind == FO_COLUMN_DECIMAL && real)
        fo_str_addf(sql, " AS VARCHAR) AS %s)", want);
    else if (kind == FO_COLUMN_MAP || kind == FO_COLUMN_MAP_DECIMAL)
        fo_str_addf(sql, " AS JSON) AS %s)", want);
    else if (kind == FO_COLUMN_TEXT && integer && fo_ends(name, "account_id"))
        fo_str_add(sql, " AS VARCHAR), 12, '0')");
    else
        fo_str_addf(sql, " AS %s)", want);
    fo_str_add(sql, " AS ");
    fo_sql_ident(sql, name);
}

/* "SELECT columns…, 'YYYY-MM' AS billing_period, keys of nested columns… FROM schema.table" for rows
 * first..end. */
static finops_code
unified_branch(const fo_bill_target *target, const fo_rows *rows, size_t first, size_t end,
               const fo_colnames *names, fo_str *sql, finops_error **err)
{
    const char *table = fo_rows_text(rows, first, SOURCE_TABLE);
    FO_AUTO(fo_strv_done) fo_strv have = FO_STRV_INIT;
    finops_code rc = FINOPS_OK;

    fo_str_add(sql, "SELECT ");
    for (size_t i = first; i < end; i++) {
        if (!fo_strv_add(&have, fo_rows_text(rows, i, SOURCE_COLUMN)))
            return fo_error_oom(err);
        fo_str_add(sql, i > first ? ", " : "");
        unified_cast(fo_rows_text(rows, i, SOURCE_COLUMN), fo_rows_text(rows, i, SOURCE_TYPE), sql);
    }
    if (!fo_streq(table, target->table_base) && !fo_strv_has(&have, "billing_period")) {
        fo_str_add(sql, ", ");
        fo_sql_literal(sql, fo_rows_text(rows, first, SOURCE_PERIOD));
        fo_str_add(sql, " AS billing_period");
    }
    for (size_t i = first; rc == FINOPS_OK && i < end; i++) {
        const char *type = fo_rows_text(rows, i, SOURCE_TYPE);
        if (fo_starts(type, "MAP(") || fo_starts(type, "STRUCT("))
            rc = fo_nested_expressions(names, fo_rows_text(rows, i, SOURCE_COLUMN), type, &have, sql, err);
    }
    fo_str_add(sql, " FROM ");
    fo_sql_ident(sql, target->schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, table);
    return rc;
}

finops_code
fo_unified_view(fo_conn *conn, const fo_bill_target *target, const fo_colnames *names, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_freep) char *view = fo_format("%s_unified", target->table_base);

    assert(conn && target && names);
    if (!view)
        return fo_error_oom(err);
    finops_code rc = unified_sources(conn, target, &rows, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(&sql, fo_rows_count(rows) ? "CREATE OR REPLACE VIEW " : "DROP VIEW IF EXISTS ");
    fo_sql_ident(&sql, target->schema);
    fo_str_addc(&sql, '.');
    fo_sql_ident(&sql, view);
    for (size_t first = 0, end; rc == FINOPS_OK && first < fo_rows_count(rows); first = end) {
        end = unified_end(rows, first);
        fo_str_add(&sql, first ? " UNION ALL BY NAME " : " AS ");
        rc = unified_branch(target, rows, first, end, names, &sql, err);
    }
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_exec(conn, fo_str_z(&sql), err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "make the view %s.%s", target->schema, view);
}
