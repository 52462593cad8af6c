/* What tables there are, and their columns. */
#include "database/duckdb/shared.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

/* Types by the beginning of their names; what begins another comes after it. */
static const struct {
    const char *prefix;
    finops_column_type type;
} types[] = {
    { "BOOLEAN", FINOPS_TYPE_BOOL },
    { "TINYINT", FINOPS_TYPE_INT },
    { "SMALLINT", FINOPS_TYPE_INT },
    { "INTEGER", FINOPS_TYPE_INT },
    { "BIGINT", FINOPS_TYPE_INT },
    { "UTINYINT", FINOPS_TYPE_INT },
    { "USMALLINT", FINOPS_TYPE_INT },
    { "UINTEGER", FINOPS_TYPE_INT },
    { "UBIGINT", FINOPS_TYPE_INT },
    { "FLOAT", FINOPS_TYPE_DOUBLE },
    { "DOUBLE", FINOPS_TYPE_DOUBLE },
    { "DECIMAL(", FINOPS_TYPE_DECIMAL },
    { "VARCHAR", FINOPS_TYPE_TEXT },
    { "ENUM(", FINOPS_TYPE_TEXT },
    { "BLOB", FINOPS_TYPE_BYTES },
    { "DATE", FINOPS_TYPE_DATE },
    { "TIMESTAMP WITH TIME ZONE", FINOPS_TYPE_TIMESTAMP_TZ },
    { "TIMESTAMP", FINOPS_TYPE_TIMESTAMP },
    { "JSON", FINOPS_TYPE_JSON },
    { "MAP(", FINOPS_TYPE_MAP },
    { "STRUCT(", FINOPS_TYPE_STRUCT },
};

static finops_column_type
column_type(const char *native)
{
    if (fo_ends(native, "]")) /* of whatever: INTEGER[], STRUCT(…)[3] */
        return FINOPS_TYPE_LIST;
    for (size_t i = 0; i < FO_COUNT(types); i++)
        if (fo_starts(native, types[i].prefix))
            return types[i].type;
    return FINOPS_TYPE_OTHER;
}

finops_code
fo_duckdb_columns(void *conn, const char *schema, const char *table, finops_each_column each, void *arg,
                  finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    fo_duckdb_link *c = conn;
    finops_code rc;

    assert(c && table && each);
    fo_str_add(&sql,
               "SELECT column_name, data_type, coalesce(numeric_precision, 0), "
               "coalesce(numeric_scale, 0), CASE WHEN is_nullable THEN 1 ELSE 0 END FROM duckdb_columns() "
               "WHERE database_name = current_database() AND lower(schema_name) = lower(");
    fo_sql_literal(&sql, schema ? schema : "main");
    fo_str_add(&sql, ") AND lower(table_name) = lower(");
    fo_sql_literal(&sql, table);
    fo_str_add(&sql, ") ORDER BY column_index");
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_link_rows(c->link, fo_str_z(&sql), &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        finops_column column = { .name = fo_rows_text(rows, i, 0),
                                 .native = fo_rows_text(rows, i, 1),
                                 .nullable = fo_rows_int(rows, i, 4) != 0 };

        column.type = column_type(column.native);
        if (column.type == FINOPS_TYPE_DECIMAL) {
            column.precision = (int)fo_rows_int(rows, i, 2);
            column.scale = (int)fo_rows_int(rows, i, 3);
        }
        if (!each(&column, arg))
            break;
    }
    return rc;
}

finops_code
fo_duckdb_tables(void *conn, const char *schema, finops_each_name each, void *arg, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    fo_duckdb_link *c = conn;
    finops_code rc;

    assert(c && each);
    fo_str_add(&sql,
               "SELECT * FROM (SELECT schema_name, table_name, 0 FROM duckdb_tables() WHERE NOT internal "
               "AND database_name = current_database() UNION ALL "
               "SELECT schema_name, view_name, 1 FROM duckdb_views() WHERE NOT internal "
               "AND database_name = current_database()) t(s, n, v)");
    if (schema) {
        fo_str_add(&sql, " WHERE lower(s) = lower(");
        fo_sql_literal(&sql, schema);
        fo_str_addc(&sql, ')');
    }
    fo_str_add(&sql, " ORDER BY s, n");
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_link_rows(c->link, fo_str_z(&sql), &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        if (!each(fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1), fo_rows_int(rows, i, 2) != 0, arg))
            break;
    return rc;
}
