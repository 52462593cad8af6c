/* Maps and structs of a bill: their keys become columns of the unified view. */
#include "billing/nested.h"

#include <string.h>

#include "base/mem.h"
#include "billing/columns.h"
#include "engine/keys.h"

#define KEYS_MAX                                                                                             \
    1000 /* of one nested column; more make the view unusable, and stay reachable through the map */

/* Columns that may come out as maps, in the order finops_keys() is given them. */
static bool
nested_gathered(const fo_bill_column *c)
{
    return c->nested || c->kind == FO_COLUMN_MAP || c->kind == FO_COLUMN_MAP_DECIMAL;
}

finops_code
fo_nested_where(fo_conn *reader, const fo_bill_schema *schema, const char *where, fo_str *sql,
                finops_error **err)
{
    bool any = false;

    fo_keys_begin(reader, KEYS_MAX);
    for (size_t i = 0; i < schema->n_columns; i++) {
        if (!nested_gathered(&schema->columns[i]))
            continue;
        if (!any)
            fo_str_addf(sql, " WHERE finops_keys(%s", where ? where : "true");
        any = true;
        fo_str_add(sql, ", ");
        fo_sql_ident(sql, schema->columns[i].name);
    }
    if (any)
        fo_str_addc(sql, ')');
    else if (where)
        fo_str_addf(sql, " WHERE %s", where);
    return fo_str_check(sql, err);
}

/* A STRUCT's type has the fields as its keys. */
static finops_code
nested_struct_keys(fo_conn *reader, const char *rows_sql, const char *column, fo_strv *ret,
                   finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *keys = NULL;

    fo_str_add(&sql, "SELECT column_name AS k FROM (DESCRIBE SELECT unnest(");
    fo_sql_ident(&sql, column);
    fo_str_addf(&sql, ") FROM (%s) AS rows) ORDER BY k LIMIT %d", rows_sql, KEYS_MAX);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_rows(reader, fo_str_z(&sql), NULL, 0, &keys, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(keys); i++)
        if (!fo_strv_add(ret, fo_rows_text(keys, i, 0)))
            rc = fo_error_oom(err);
    return rc;
}

/* Names for the keys, found as the flat header "column/key" would be, so that old flat months share them. */
static finops_code
nested_name_keys(const char *column, const fo_strv *keys, fo_colnames *names, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv headers = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv warnings = FO_STRV_INIT;

    for (size_t i = 0; i < keys->n; i++) {
        char *header = fo_format("%s[%s]", column, keys->items[i]);
        if (!header || !fo_strv_take(&headers, header))
            return fo_error_oom(err);
    }
    return fo_colnames_assign(names, &headers, &columns, &warnings, err);
}

/* The place of a column among those gathered, or -1. */
static int
nested_place(const fo_bill_schema *schema, const char *column)
{
    int place = 0;

    for (size_t i = 0; i < schema->n_columns; i++) {
        if (strcmp(schema->columns[i].name, column) == 0)
            return nested_gathered(&schema->columns[i]) ? place : -1;
        place += nested_gathered(&schema->columns[i]);
    }
    return -1;
}

/* Column and type of what the statement yields. Its rows stay unread. */
static finops_code
nested_types(fo_conn *reader, const char *rows_sql, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_addf(
        &sql,
        "SELECT column_name, column_type FROM (DESCRIBE %s) WHERE column_type LIKE 'MAP(VARCHAR,%%' OR "
        "column_type LIKE 'STRUCT(%%'",
        rows_sql);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_rows(reader, fo_str_z(&sql), NULL, 0, ret, err) : rc;
}

finops_code
fo_nested_register(fo_conn *reader, const char *rows_sql, const fo_bill_schema *schema, fo_colnames *names,
                   finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    bool any = false;

    for (size_t i = 0; i < schema->n_columns; i++)
        any = any || nested_gathered(&schema->columns[i]);
    if (!any)
        return FINOPS_OK;
    finops_code rc = nested_types(reader, rows_sql, &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        const char *column = fo_rows_text(rows, i, 0);
        FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
        int place = nested_place(schema, column);

        if (fo_starts(fo_rows_text(rows, i, 1), "STRUCT("))
            rc = nested_struct_keys(reader, rows_sql, column, &keys, err);
        else if (place >= 0)
            rc = fo_keys_of(reader, (size_t)place, &keys, err);
        if (rc == FINOPS_OK)
            rc = nested_name_keys(column, &keys, names, err);
    }
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

bool
fo_nested_type(const char *type)
{
    return fo_starts(type, "MAP(") || fo_starts(type, "STRUCT(") || fo_streq(type, "jsonb");
}

/* Whether a map's values are amounts. */
static bool
nested_is_amounts(const char *column)
{
    const fo_column_entry *entry = fo_column_find(column);

    return entry && entry->kind == FO_COLUMN_MAP_DECIMAL;
}

/* The value of a key: map['k'], struct_extract(s, 'k'), j ->> 'k'. Nothing when a STRUCT has no such field.
 */
static void
nested_expression(const char *column, const char *type, const char *key, fo_str *sql)
{
    bool map = fo_starts(type, "MAP("), json = fo_streq(type, "jsonb");

    if (!map && !json && !nested_struct_has(type, key))
        return;
    bool amount = json && nested_is_amounts(column); /* JSON gives text back */
    fo_str_add(sql, amount ? "CAST((" : map || json ? "" : "struct_extract(");
    fo_sql_ident(sql, column);
    fo_str_add(sql, map ? "[" : json ? " ->> " : ", ");
    fo_sql_literal(sql, key);
    fo_str_add(sql, amount ? ") AS DECIMAL(38,18))" : map ? "]" : json ? "" : ")");
}

finops_code
fo_nested_expressions(const fo_colnames *names, const char *column, const char *type, const fo_strv *have,
                      finops_code (*each)(const char *name, const char *expression, void *arg,
                                          finops_error **err),
                      void *arg, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < fo_colnames_count(names); i++) {
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
        size_t len = 0;
        const char *at = nested_key(fo_colnames_header(names, i), column, &len);
        if (!at || fo_strv_has(have, fo_colnames_column(names, i)))
            continue;
        FO_AUTO(fo_freep) char *key = fo_strndup(at, len);
        if (!key)
            return fo_error_oom(err);
        nested_expression(column, type, key, &sql);
        rc = fo_str_check(&sql, err);
        if (rc == FINOPS_OK && sql.len > 0)
            rc = each(fo_colnames_column(names, i), fo_str_z(&sql), arg, err);
    }
    return rc;
}
