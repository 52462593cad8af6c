/*
 * Whether rows fit a table as it is. The engine casts what it stores, and rounds on the way: 0.015 would
 * become 0.02 in a column of two places, 1.5, or the text '1.5', two in one of whole numbers. That is refused
 * by its type, before a row is read.
 */
#include "database/duckdb/shared.h"

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

/* One of the one-letter formats. */
static bool
is_one_of(const char *formats, const char *format)
{
    return strlen(format) == 1 && strchr(formats, format[0]);
}

/* Digits behind the point of a decimal. */
static int
scale_of(const char *format)
{
    int precision, scale;

    return sscanf(format, "d:%d,%d", &precision, &scale) == 2 ? scale : 0;
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

/* What a column of this type would lose of such values; NULL: nothing. A text may be any value. */
static const char *
loss(const char *format, const char *type, const char *scale)
{
    bool text = is_one_of("uU", format) || strcmp(format, "vu") == 0, real = is_one_of("efg", format);
    bool decimal = format[0] == 'd', small = strcmp(type, "FLOAT") == 0;
    unsigned long long kept = 0;

    if (strcmp(type, "DATE") == 0)
        return text || fo_starts(format, "ts") ? "the time of day" : NULL;
    if (strcmp(type, "BOOLEAN") == 0)
        return real || decimal || is_one_of("cCsSiIlL", format) ? "numbers" : NULL;
    if (is_whole(type))
        return text || real || (decimal && scale_of(format) > 0) ? "fractions" : NULL;
    if (small || strcmp(type, "DOUBLE") == 0)
        return decimal || is_one_of(small ? "iIlL" : "lL", format) ? "digits" : NULL;
    if (!fo_starts(type, "DECIMAL"))
        return NULL;
    if (decimal && scale && fo_parse_u64(scale, &kept))
        return scale_of(format) > (int)kept ? "digits" : NULL;
    return text || real ? "digits" : NULL;
}

static const struct ArrowSchema *
column_named(const struct ArrowSchema *schema, const char *name)
{
    for (int64_t i = 0; i < schema->n_children; i++)
        if (schema->children[i]->name && strcasecmp(schema->children[i]->name, name) == 0)
            return schema->children[i];
    return NULL;
}

static const char *
value_format(const struct ArrowSchema *column)
{
    return column->dictionary ? column->dictionary->format : column->format;
}

finops_code
fo_duckdb_fits(fo_conn *conn, const char *where, const struct ArrowSchema *schema, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc;

    assert(conn && where && schema);
    fo_str_addf(&sql, "SELECT column_name, data_type, numeric_scale::VARCHAR FROM duckdb_columns() WHERE %s",
                where);
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_rows(conn, fo_str_z(&sql), NULL, 0, &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        const char *name = fo_rows_text(rows, i, 0), *type = fo_rows_text(rows, i, 1);
        const struct ArrowSchema *column = column_named(schema, name);
        const char *lost = column ? loss(value_format(column), type, fo_rows_text(rows, i, 2)) : NULL;

        if (lost)
            rc = fo_error_set(err, FINOPS_E_DATA, "column %s is %s, which would lose %s of the rows", name,
                              type, lost);
    }
    return rc;
}
