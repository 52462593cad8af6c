/*
 * The SQL of reading records. A scalar is a text first, as it is written in the file, and is looked at before
 * it is cast: the engine's casts round ("1.5" to a whole number is 2), which is refused here.
 */
#include "database/reader_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define SHOWN "60" /* characters of a refused value that are shown */

bool
fo_data_is_nested(const char *type)
{
    return fo_starts(type, "MAP(") || fo_starts(type, "STRUCT(") || fo_ends(type, "]");
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

static int
scale_of(const char *type)
{
    int precision, scale;

    return sscanf(type, "DECIMAL(%d,%d)", &precision, &scale) == 2 ? scale : 0;
}

/* The least number of decimals of all that a nested type has; -1: it has none. */
static int
nested_scale(const char *type)
{
    int least = -1;

    for (const char *p = strstr(type, "DECIMAL("); p; p = strstr(p + 1, "DECIMAL(")) {
        int scale = scale_of(p);

        if (least < 0 || scale < least)
            least = scale;
    }
    return least;
}

void
fo_data_objects(fo_str *sql)
{
    fo_str_add(sql, " FROM (SELECT *, CASE WHEN problem IS NOT NULL THEN false WHEN NOT json_valid(record) "
                    "THEN false ELSE json_type(record) = 'OBJECT' END AS ok FROM finops_records()) ");
}

/* What a column is before it is cast: x<i> its text; j<i> its JSON, of NDJSON and nested columns. */

/* "from_json(CASE WHEN ok THEN <from> END, '{"a":"<type>",…}') AS <name>" */
static void
add_struct(const fo_data_reader *r, const char *from, const char *type, const char *name, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str json = FO_STR_INIT;

    fo_str_addc(&json, '{');
    for (size_t i = 0; i < r->n_columns; i++) {
        fo_str_add(&json, i ? "," : "");
        fo_str_add_json(&json, r->columns[i].name, strlen(r->columns[i].name));
        fo_str_addf(&json, ":\"%s\"", type);
    }
    fo_str_addc(&json, '}');
    fo_str_addf(sql, "from_json(CASE WHEN ok THEN %s END, ", from);
    fo_sql_literal(sql, fo_str_z(&json));
    fo_str_addf(sql, ") AS %s", name);
    sql->failed |= json.failed;
}

static void
add_member(const char *structure, const char *name, fo_str *sql)
{
    fo_str_addf(sql, "%s.", structure);
    fo_sql_ident(sql, name);
}

void
fo_data_ndjson_values(const fo_data_reader *r, fo_str *sql)
{
    fo_str_add(sql, "SELECT file, line, record, coalesce(problem, CASE WHEN NOT json_valid(record) THEN "
                    "'it is no JSON' WHEN NOT ok THEN 'it is no JSON object' END) AS problem");
    for (size_t i = 0; i < r->n_columns; i++) {
        const fo_data_column_info *c = &r->columns[i];

        if (fo_data_is_nested(c->type)) {
            fo_str_add(sql, ", ");
            add_member(c->exact || nested_scale(c->type) >= 0 ? "q" : "o", c->name, sql);
            fo_str_addf(sql, " AS x%zu", i);
            continue;
        }
        /* An object in a column of text, or of JSON, is kept as it is. */
        fo_str_add(sql, strcmp(c->type, "JSON") == 0 ? ", CASE WHEN true OR left(" : ", CASE WHEN left(");
        add_member("o", c->name, sql);
        fo_str_add(sql, "::VARCHAR, 1) IN ('{', '[') THEN ");
        add_member("o", c->name, sql);
        fo_str_add(sql, "::VARCHAR ELSE ");
        add_member("e", c->name, sql);
        fo_str_addf(sql, " END AS x%zu", i);
    }
    fo_str_add(sql, " FROM (SELECT file, line, record, problem, ok, ");
    add_struct(r, "exact", "VARCHAR", "e", sql);
    fo_str_add(sql, ", ");
    add_struct(r, "exact", "JSON", "q", sql);
    fo_str_add(sql, ", ");
    add_struct(r, "record", "JSON", "o", sql);
    fo_data_objects(sql);
    fo_str_addc(sql, ')');
}

static void
csv_values(const fo_data_reader *r, fo_str *sql)
{
    fo_str_add(sql, "SELECT file, line, record, problem");
    for (size_t i = 0; i < r->n_columns; i++)
        fo_str_addf(sql, ", f%zu AS x%zu", i, i);
    fo_str_add(sql, " FROM finops_records()");
}

/* What was fetched has its address for a name. */
static void
parquet_file(const fo_data_reader *r, fo_str *sql)
{
    bool fetched = false;

    for (size_t i = 0; i < r->paths.n; i++) {
        if (strcmp(r->paths.items[i], r->addresses.items[i]) == 0)
            continue;
        fo_str_add(sql, fetched ? " WHEN " : "CASE \"finops file\" WHEN ");
        fetched = true;
        fo_sql_literal(sql, r->paths.items[i]);
        fo_str_add(sql, " THEN ");
        fo_sql_literal(sql, r->addresses.items[i]);
    }
    fo_str_add(sql, fetched ? " ELSE \"finops file\" END" : "\"finops file\"");
}

static void
parquet_values(const fo_data_reader *r, fo_str *sql)
{
    fo_str_add(sql, "SELECT ");
    parquet_file(r, sql);
    fo_str_add(sql, " AS file, file_row_number + 1 AS line, NULL::VARCHAR AS record, "
                    "NULL::VARCHAR AS problem");
    for (size_t i = 0; i < r->n_columns; i++) {
        fo_str_add(sql, ", ");
        fo_sql_ident(sql, r->columns[i].name);
        fo_str_addf(sql, "%s AS x%zu", r->columns[i].given && !r->columns[i].nested ? "::VARCHAR" : "", i);
    }
    fo_str_add(sql, " FROM read_parquet([");
    for (size_t i = 0; i < r->paths.n; i++) {
        fo_str_add(sql, i ? ", " : "");
        fo_sql_file(sql, r->paths.items[i]);
    }
    fo_str_add(sql, "], union_by_name = true, filename = 'finops file', file_row_number = true)");
}

/* ---- casts ---- */

static void
fits_decimal(const char *x, int scale, fo_str *sql)
{
    /* Decimals that are not zero, and those that an exponent makes. */
    fo_str_addf(sql,
                "length(rtrim(split_part(split_part(lower(%s), 'e', 1), '.', 2), '0')) - "
                "coalesce(TRY_CAST(split_part(lower(%s), 'e', 2) AS INTEGER), 0) <= %d",
                x, x, scale);
}

/* A condition, true when the value x of the column fits. */
static void
add_fits(const fo_data_column_info *c, const char *x, const char *cast, fo_str *sql)
{
    int nested = fo_data_is_nested(c->type) ? nested_scale(c->type) : -1;

    if (strcmp(c->type, "JSON") == 0) {
        fo_str_addf(sql, "json_valid(%s)", x);
        return;
    }
    fo_str_addf(sql, "%s IS NOT NULL", cast);
    if (is_whole(c->type)) {
        fo_str_addf(sql, " AND regexp_full_match(%s, '[+-]?[0-9]+')", x);
    } else if (fo_starts(c->type, "DECIMAL(")) {
        fo_str_add(sql, " AND ");
        fits_decimal(x, scale_of(c->type), sql);
    } else if (strcmp(c->type, "DATE") == 0) {
        fo_str_addf(sql, " AND regexp_full_match(%s, '[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}')", x);
    }
    if (fo_data_is_nested(c->type) && !c->nested && (c->given || c->exact)) {
        fo_str_add(sql, " AND ");
        fo_data_nested_kept(c->type, cast, x, sql);
    }
    if (nested >= 0 && c->given && !c->nested) {
        fo_str_addf(sql, " AND NOT regexp_matches(%s::VARCHAR, '\"-?[0-9]*\\.[0-9]{%d}[0-9]*[1-9]')", x,
                    nested);
    }
}

static void
add_cast(fo_data_format format, const fo_data_column_info *c, const char *x, fo_str *sql)
{
    if (fo_data_is_nested(c->type) && format == FO_DATA_CSV)
        fo_str_addf(sql, "TRY_CAST(CASE WHEN json_valid(%s) THEN %s::JSON END AS %s)", x, x, c->type);
    else if (strcmp(c->type, "JSON") == 0)
        fo_str_addf(sql, "CASE WHEN json_valid(%s) THEN %s::JSON END", x, x);
    else if (strcmp(c->type, "TIMESTAMP") == 0 && !c->nested)
        fo_str_addf(sql, "TRY_CAST(%s AS TIMESTAMPTZ)::TIMESTAMP", x); /* else its zone would be left out */
    else
        fo_str_addf(sql, "TRY_CAST(%s AS %s)", x, c->type);
}

/* "WHEN x3 IS NOT NULL AND NOT (…) THEN 'cost "abc" is no DECIMAL(38,18)'" */
static void
add_reason(const fo_data_column_info *c, const char *x, const char *cast, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str before = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str after = FO_STR_INIT;

    fo_str_addf(&before, "%s \"", c->name);
    fo_str_addf(&after, "\" does not fit %s", c->type);
    fo_str_addf(sql, " WHEN %s IS NOT NULL", x);
    if (fo_data_is_nested(c->type) && !c->nested)
        fo_str_addf(sql, " AND %s::VARCHAR <> 'null'", x);
    fo_str_add(sql, " AND NOT coalesce(");
    add_fits(c, x, cast, sql);
    fo_str_add(sql, ", false) THEN ");
    fo_sql_literal(sql, fo_str_z(&before));
    fo_str_addf(sql, " || left(%s::VARCHAR, " SHOWN ") || ", x);
    fo_sql_literal(sql, fo_str_z(&after));
    sql->failed |= before.failed || after.failed;
}

/* "WHEN v IS DISTINCT FROM TRY_CAST('2026-05' AS VARCHAR) THEN 'month is not 2026-05'" */
static void
add_only(const fo_data_column_info *c, const char *value, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str reason = FO_STR_INIT;

    fo_str_addf(&reason, "%s is not %s", c->name, c->only);
    fo_str_addf(sql, " WHEN %s IS DISTINCT FROM TRY_CAST(", value);
    fo_sql_literal(sql, c->only);
    fo_str_addf(sql, " AS %s) THEN ", c->type);
    fo_sql_literal(sql, fo_str_z(&reason));
    sql->failed |= reason.failed;
}

static bool
is_converted(const fo_data_reader *r, const fo_data_column_info *c)
{
    return r->format == FO_DATA_PARQUET ? c->given : strcmp(c->type, "VARCHAR") != 0;
}

finops_code
fo_data_rows_sql(const fo_data_reader *r, fo_str *sql, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str reasons = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str cast = FO_STR_INIT;
    char x[32];

    fo_str_add(sql, "SELECT file, line, record");
    for (size_t i = 0; i < r->n_columns; i++) {
        const fo_data_column_info *c = &r->columns[i];

        (void)snprintf(x, sizeof(x), "x%zu", i);
        fo_str_clear(&cast);
        if (is_converted(r, c)) {
            add_cast(r->format, c, x, &cast);
            add_reason(c, x, fo_str_z(&cast), &reasons);
        }
        if (c->only)
            add_only(c, cast.len ? fo_str_z(&cast) : x, &reasons);
        fo_str_addf(sql, ", %s AS v%zu", cast.len ? fo_str_z(&cast) : x, i);
    }
    fo_str_addf(sql, ", CASE WHEN problem IS NOT NULL THEN problem%s END AS reason FROM (",
                fo_str_z(&reasons));
    if (r->format == FO_DATA_NDJSON)
        fo_data_ndjson_values(r, sql);
    else if (r->format == FO_DATA_CSV)
        csv_values(r, sql);
    else
        parquet_values(r, sql);
    fo_str_addc(sql, ')');
    if (!fo_str_ok(&reasons) || !fo_str_ok(&cast))
        return fo_error_oom(err);
    return fo_str_check(sql, err);
}
