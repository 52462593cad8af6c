/*
 * Whether rows fit a table as it is. The engine casts what it stores, and rounds on the way: 0.015 would
 * become 0.02 in a column of two places, 1.5 two in one of whole numbers. That is refused by its type, before
 * a row is read.
 */
#include "database/duckdb/driver_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* Tables of more columns than this exist nowhere near a bill. */
#define COLUMNS_MAX 65536

finops_code
fo_duckdb_names_differ(const struct ArrowSchema *schema, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;

    if (schema->n_children > COLUMNS_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "%lld columns are more than a table has",
                            (long long)schema->n_children);
    for (int64_t i = 0; i < schema->n_children; i++) {
        const char *name = schema->children[i]->name ? schema->children[i]->name : "";
        char *small = fo_strdup(name);

        for (char *p = small; p && *p; p++)
            *p = fo_lower(*p);
        if (!fo_strv_take(&names, small))
            return fo_error_oom(err);
    }
    fo_strv_sort(&names);
    for (size_t i = 1; i < names.n; i++)
        if (strcmp(names.items[i - 1], names.items[i]) == 0)
            return fo_error_set(err, FINOPS_E_DATA,
                                "two columns are named %s; upper and lower case are one here",
                                names.items[i]);
    return FINOPS_OK;
}

/* Digits behind the point: of a decimal its scale, of whole numbers none, of others as many as there are. */
#define ANY_SCALE 1000

static int
scale_of(const char *format)
{
    int precision, scale;

    if (sscanf(format, "d:%d,%d", &precision, &scale) == 2)
        return scale;
    return strchr("efg", format[0]) ? ANY_SCALE : 0;
}

static bool
is_whole(const char *type)
{
    static const char *const types[] = { "TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT",  "HUGEINT",
                                         "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT" };

    for (size_t i = 0; i < FO_COUNT(types); i++)
        if (strcmp(type, types[i]) == 0)
            return true;
    return false;
}

/* What a column of this type would lose of such values; NULL: nothing. */
static const char *
loss(const char *format, const char *type, const char *scale)
{
    unsigned long long kept = 0;

    if (format[0] == 't' && format[1] == 's' && strcmp(type, "DATE") == 0)
        return "the time of day";
    if (format[0] != 'd' && !strchr("efg", format[0]))
        return NULL;
    if (is_whole(type))
        return scale_of(format) > 0 ? "fractions" : NULL;
    if (format[0] == 'd' && fo_starts(type, "DECIMAL") && scale && fo_parse_u64(scale, &kept))
        return scale_of(format) > (int)kept ? "digits" : NULL;
    return NULL;
}

static const struct ArrowSchema *
column_named(const struct ArrowSchema *schema, const char *name)
{
    for (int64_t i = 0; i < schema->n_children; i++)
        if (schema->children[i]->name && strcasecmp(schema->children[i]->name, name) == 0)
            return schema->children[i];
    return NULL;
}

/* Only numbers and times can lose anything: most loads ask nothing of the catalog. */
static bool
may_lose(const struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++)
        if (strchr("efgd", schema->children[i]->format[0]) || fo_starts(schema->children[i]->format, "ts"))
            return true;
    return false;
}

finops_code
fo_duckdb_fits(fo_conn *conn, const char *where, const struct ArrowSchema *schema, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc;

    assert(conn && where && schema);
    if (!may_lose(schema))
        return FINOPS_OK;
    fo_str_addf(&sql, "SELECT column_name, data_type, numeric_scale::VARCHAR FROM duckdb_columns() WHERE %s",
                where);
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_rows(conn, fo_str_z(&sql), NULL, 0, &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        const char *name = fo_rows_text(rows, i, 0), *type = fo_rows_text(rows, i, 1);
        const struct ArrowSchema *column = column_named(schema, name);
        const char *lost = column ? loss(column->format, type, fo_rows_text(rows, i, 2)) : NULL;

        if (lost)
            rc = fo_error_set(err, FINOPS_E_DATA, "column %s is %s, which would lose %s of the rows", name,
                              type, lost);
    }
    return rc;
}
