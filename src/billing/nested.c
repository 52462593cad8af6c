/* Maps and structs of a bill: their keys become columns of the unified view. */
#include "billing/nested.h"

#include <string.h>

#include "base/mem.h"

#define KEYS_MAX                                                                                             \
    1000 /* of one nested column; more make the view unusable, and stay reachable through the map */

/* The statement that lists the keys of a column. */
static void
nested_keys_sql(fo_str *sql, const char *schema, const char *table, const char *column, const char *type)
{
    if (fo_starts(type, "MAP("))
        fo_str_add(sql, "SELECT DISTINCT k FROM (SELECT unnest(map_keys(");
    else
        fo_str_add(sql, "SELECT column_name AS k FROM (DESCRIBE SELECT unnest(");
    fo_sql_ident(sql, column);
    fo_str_add(sql, fo_starts(type, "MAP(") ? ")) AS k FROM " : ") FROM ");
    fo_sql_ident(sql, schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, table);
    fo_str_addf(sql, ") WHERE k IS NOT NULL ORDER BY k LIMIT %d", KEYS_MAX);
}

/* Names for the keys, found as the flat header "column/key" would be, so that old flat months share them. */
static finops_code
nested_register_column(fo_conn *conn, const char *schema, const char *table, const char *column,
                       const char *type, fo_colnames *names, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *keys = NULL;
    FO_AUTO(fo_strv_done) fo_strv headers = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv warnings = FO_STRV_INIT;

    nested_keys_sql(&sql, schema, table, column, type);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_rows(conn, fo_str_z(&sql), NULL, 0, &keys, err);
    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < fo_rows_count(keys); i++) {
        char *header = fo_format("%s[%s]", column, fo_rows_text(keys, i, 0));
        if (!header || !fo_strv_take(&headers, header))
            return fo_error_oom(err);
    }
    return fo_colnames_assign(names, &headers, &columns, &warnings, err);
}

finops_code
fo_nested_register(fo_conn *conn, const char *schema, const char *table, fo_colnames *names,
                   finops_error **err)
{
    const fo_param params[] = { schema, table };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_conn_rows(
        conn,
        "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = "
        "current_database() AND schema_name = $1 AND table_name = $2 "
        "AND (data_type LIKE 'MAP(VARCHAR,%' OR data_type LIKE 'STRUCT(%') ORDER BY column_index",
        params, FO_COUNT(params), &rows, err);

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        rc = nested_register_column(conn, schema, table, fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1),
                                    names, err);
    return rc;
}

/* The key inside "column[key]", or NULL when the header is another column's. Not terminated: *ret_len bytes.
 */
static const char *
nested_key(const char *header, const char *column, size_t *ret_len)
{
    size_t n = strlen(column), len = strlen(header);

    if (strncmp(header, column, n) != 0 || header[n] != '[' || header[len - 1] != ']')
        return NULL;
    *ret_len = len - n - 2;
    return header + n + 1;
}

/* A STRUCT's type names its fields: STRUCT(a VARCHAR, "b c" VARCHAR). */
static bool
nested_struct_has(const char *type, const char *key)
{
    FO_AUTO(fo_freep) char *quoted = fo_format("\"%s\" ", key);
    FO_AUTO(fo_freep) char *plain = fo_format("%s ", key);

    for (const char *p = type; quoted && plain && (p = strpbrk(p, "(,"));) {
        p++;
        p += *p == ' ';
        if (fo_starts(p, quoted) || fo_starts(p, plain))
            return true;
    }
    return false;
}

static finops_code
nested_expression(const char *column, const char *type, const char *key, const char *name, fo_str *sql,
                  finops_error **err)
{
    bool map = fo_starts(type, "MAP(");

    if (!map && !nested_struct_has(type, key))
        return FINOPS_OK;
    fo_str_add(sql, map ? ", " : ", struct_extract(");
    fo_sql_ident(sql, column);
    fo_str_add(sql, map ? "[" : ", ");
    fo_sql_literal(sql, key);
    fo_str_add(sql, map ? "] AS " : ") AS ");
    fo_sql_ident(sql, name);
    return fo_str_check(sql, err);
}

finops_code
fo_nested_expressions(const fo_colnames *names, const char *column, const char *type, const fo_strv *have,
                      fo_str *sql, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < fo_colnames_count(names); i++) {
        size_t len = 0;
        const char *at = nested_key(fo_colnames_header(names, i), column, &len);
        if (!at || fo_strv_has(have, fo_colnames_column(names, i)))
            continue;
        FO_AUTO(fo_freep) char *key = fo_strndup(at, len);
        rc = key ? nested_expression(column, type, key, fo_colnames_column(names, i), sql, err)
                 : fo_error_oom(err);
    }
    return rc;
}
