/* Which tables there are and what columns they have. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "database/postgresql/rows_internal.h"

/* A domain is shown as the type below it; "schema" NULL is what the search path finds. */
#define COLUMNS_SQL                                                                                          \
    "SELECT a.attname, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END::bigint, "           \
    "CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END, "                                      \
    "format_type(a.atttypid, a.atttypmod), NOT (a.attnotnull OR t.typnotnull) "                              \
    "FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = "              \
    "c.relnamespace "                                                                                        \
    "JOIN pg_type t ON t.oid = a.atttypid "                                                                  \
    "WHERE c.relname = $2 AND CASE WHEN $1 IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = $1 END " \
    "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"

/* Partitions are parts of a table, not tables of their own. */
#define TABLES_SQL                                                                                           \
    "SELECT n.nspname, c.relname, c.relkind IN ('v', 'm') "                                                  \
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "                                         \
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND NOT " PG_IS_STAGE " AND "     \
    "CASE WHEN $1 IS NULL THEN n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' "           \
    "ELSE n.nspname = $1 END "                                                                               \
    "ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\""

static finops_column_type
type_of(unsigned oid)
{
    switch (oid) {
    case PG_BOOL:
        return FINOPS_TYPE_BOOL;
    case PG_INT2:
    case PG_INT4:
    case PG_INT8:
        return FINOPS_TYPE_INT;
    case PG_FLOAT4:
    case PG_FLOAT8:
        return FINOPS_TYPE_DOUBLE;
    case PG_NUMERIC:
        return FINOPS_TYPE_DECIMAL;
    case PG_TEXT:
    case PG_VARCHAR:
    case PG_BPCHAR:
    case PG_NAME:
        return FINOPS_TYPE_TEXT;
    case PG_BYTEA:
        return FINOPS_TYPE_BYTES;
    case PG_DATE:
        return FINOPS_TYPE_DATE;
    case PG_TIMESTAMP:
        return FINOPS_TYPE_TIMESTAMP;
    case PG_TIMESTAMPTZ:
        return FINOPS_TYPE_TIMESTAMP_TZ;
    case PG_JSON:
    case PG_JSONB:
        return FINOPS_TYPE_JSON;
    default:
        return FINOPS_TYPE_OTHER;
    }
}

static int
number(const PGresult *result, int row, int column)
{
    const char *text = PQgetvalue(result, row, column);
    const bool negative = text[0] == '-';
    unsigned long long n;

    if (!fo_parse_u64(text + negative, &n) || n > INT32_MAX)
        return -1;
    return negative ? -(int)n : (int)n;
}

static finops_code
ask(fo_pg_conn *c, const char *schema, const char *table, PGresult **ret, finops_error **err)
{
    const char *const params[] = { schema, table };

    return fo_pg_run(c, COLUMNS_SQL, params, FO_COUNT(params), ret, err);
}

finops_code
fo_pg_columns(void *conn, const char *schema, const char *table, finops_each_column each, void *arg,
              finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    finops_code rc;

    assert(conn && table && each);
    rc = fo_pg_call_begin(conn, NULL, err);
    if (rc == FINOPS_OK)
        rc = ask(conn, schema, table, &result, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "postgresql columns of %s", table);
    for (int i = 0; i < PQntuples(result); i++) {
        const unsigned oid = (unsigned)number(result, i, 1);
        finops_column column = { .name = PQgetvalue(result, i, 0),
                                 .type = type_of(oid),
                                 .native = PQgetvalue(result, i, 3),
                                 .nullable = PQgetvalue(result, i, 4)[0] == 't' };

        if (oid == PG_NUMERIC)
            (void)fo_pg_numeric_typmod(number(result, i, 2), &column.precision, &column.scale);
        if (!each(&column, arg))
            break;
    }
    return FINOPS_OK;
}

finops_code
fo_pg_tables(void *conn, const char *schema, finops_each_name each, void *arg, finops_error **err)
{
    const char *const params[] = { schema };
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    finops_code rc;

    assert(conn && each);
    rc = fo_pg_call_begin(conn, NULL, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_run(conn, TABLES_SQL, params, 1, &result, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "postgresql tables");
    for (int i = 0; i < PQntuples(result); i++)
        if (!each(PQgetvalue(result, i, 0), PQgetvalue(result, i, 1), PQgetvalue(result, i, 2)[0] == 't',
                  arg))
            break;
    return FINOPS_OK;
}

void
fo_pg_columns_done(fo_pg_columns_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        fo_free(list->items[i].name);
        fo_free(list->items[i].native);
    }
    fo_free(list->items);
    *list = (fo_pg_columns_list){ 0 };
}

finops_code
fo_pg_table_columns(fo_pg_conn *c, const char *schema, const char *table, fo_pg_columns_list *ret,
                    finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    FO_AUTO(fo_pg_columns_done) fo_pg_columns_list list = { 0 };
    finops_code rc = ask(c, schema, table, &result, err);

    if (rc != FINOPS_OK)
        return rc;
    for (int i = 0; i < PQntuples(result); i++) {
        fo_pg_column *column;

        if (!fo_grow((void **)&list.items, &list.cap, list.n + 1, sizeof(*list.items)))
            return fo_error_oom(err);
        column = &list.items[list.n++];
        *column = (fo_pg_column){ .name = fo_strdup(PQgetvalue(result, i, 0)),
                                  .oid = (unsigned)number(result, i, 1),
                                  .typmod = number(result, i, 2),
                                  .native = fo_strdup(PQgetvalue(result, i, 3)) };
        if (!column->name || !column->native)
            return fo_error_oom(err);
    }
    list.exists = list.n > 0;
    *ret = list;
    list = (fo_pg_columns_list){ 0 };
    return FINOPS_OK;
}
