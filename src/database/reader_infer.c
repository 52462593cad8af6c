/* Which columns the files have, and of which types: by all records, not by the first ones. */
#include "database/reader_internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "engine/csv.h"

static const char *
given_type(const fo_data_files *files, const char *column)
{
    for (size_t i = 0; i < files->n_types; i++)
        if (strcasecmp(files->types[i].column, column) == 0)
            return files->types[i].type;
    return NULL;
}

/* Adds a column under the type it was given, else the inferred one. */
static finops_code
add_column(fo_data_reader *r, const fo_data_files *files, const char *name, const char *inferred,
           finops_error **err)
{
    const char *given = given_type(files, name);
    FO_AUTO(fo_freep) char *spelled = NULL;
    finops_code rc = FINOPS_OK;

    if (given)
        rc = fo_data_type_spelled(r, given, &spelled, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "column %s", name);
    return fo_data_add(r, name, given ? spelled : inferred, given != NULL, err);
}

/* A type for a column that no file has is a slip of the pen. */
static finops_code
check_given(const fo_data_reader *r, const fo_data_files *files, finops_error **err)
{
    for (size_t i = 0; i < files->n_types; i++)
        if (fo_data_find(r, files->types[i].column) < 0)
            return fo_data_no_column(r, "a type is given for", files->types[i].column, err);
    return FINOPS_OK;
}

static finops_code
ask(fo_data_reader *r, const fo_str *sql, fo_rows **ret, finops_error **err)
{
    finops_code rc = fo_str_check(sql, err);

    if (rc == FINOPS_OK)
        rc = fo_conn_rows(r->conn, fo_str_z(sql), NULL, 0, ret, err);
    return fo_records_error(&r->job, rc, err);
}

/* ---- numbers ---- */

#define WHOLE "-?(0|[1-9][0-9]*)"
#define PLAIN WHOLE "(\\.[0-9]+)?"
#define NUMBER PLAIN "([eE][+-]?[0-9]+)?"

/* "bool_and(x IS NULL OR <condition>)" */
static void
all_add(const char *x, const char *condition, fo_str *sql)
{
    fo_str_addf(sql, "bool_and(%s IS NULL OR coalesce(%s, false))", x, condition);
}

/* The digits that count of a number, without sign, point, exponent and the zeros around. */
static void
digits_add(const char *x, fo_str *sql)
{
    fo_str_addf(sql, "trim(replace(replace(split_part(lower(%s), 'e', 1), '.', ''), '-', ''), '0')", x);
}

void
fo_data_all_doubles(const char *x, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str kept = FO_STR_INIT;
    FO_AUTO(fo_freep) char *as_double = fo_format("TRY_CAST(%s AS DOUBLE)::VARCHAR", x);

    fo_str_addf(&kept, "regexp_full_match(%s, '" NUMBER "') AND isfinite(TRY_CAST(%s AS DOUBLE)) AND ", x, x);
    digits_add(x, &kept);
    fo_str_add(&kept, " = ");
    digits_add(as_double ? as_double : "", &kept);
    all_add(x, fo_str_z(&kept), sql);
    sql->failed |= kept.failed || !as_double;
}

/*
 * "WHEN … THEN '<type>'" for the narrowest type of numbers that gives back every digit: BIGINT, else whole
 * numbers of up to 38 digits, else DOUBLE when its shortest spelling has the same digits, else decimals of up
 * to 38 digits. Numbers that none of them holds are left to the text.
 */
static void
number_type(const char *x, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str condition = FO_STR_INIT;

    fo_str_add(sql, " WHEN ");
    fo_str_addf(&condition, "regexp_full_match(%s, '" WHOLE "') AND TRY_CAST(%s AS BIGINT) IS NOT NULL", x,
                x);
    all_add(x, fo_str_z(&condition), sql);
    fo_str_add(sql, " THEN 'BIGINT' WHEN ");
    fo_str_clear(&condition);
    fo_str_addf(&condition, "regexp_full_match(%s, '-?(0|[1-9][0-9]{0,37})')", x);
    all_add(x, fo_str_z(&condition), sql);
    fo_str_add(sql, " THEN 'DECIMAL(38,0)' WHEN ");
    fo_data_all_doubles(x, sql);
    fo_str_add(sql, " THEN 'DOUBLE' WHEN ");
    fo_str_clear(&condition);
    fo_str_addf(&condition, "regexp_full_match(%s, '" PLAIN "')", x);
    all_add(x, fo_str_z(&condition), sql);
    fo_str_addf(
        sql,
        " AND max(length(ltrim(split_part(%s, '.', 1), '-'))) + max(length(split_part(%s, '.', 2))) <= 38 "
        "THEN 'DECIMAL(38,' || max(length(split_part(%s, '.', 2))) || ')'",
        x, x, x);
    sql->failed |= condition.failed;
}

/* What all objects together look like: {"a":"BIGINT","b":{"c":"DOUBLE"}}; NULL: there are none. */
static finops_code
ndjson_structure(fo_data_reader *r, char **ret, bool *ret_long, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc;

    /*
     * Of one record of each structure there is: all of them would not fit into memory. Types stand
     * behind ":" or "[", keys do not, and quotes inside a key have a backslash.
     */
    fo_str_add(
        &sql,
        "SELECT regexp_replace(regexp_replace((json_structure(('[' || string_agg(one, ',' ORDER BY file, "
        "line) || ']')::JSON)->0)::VARCHAR, '([:\\[])\"(UBIGINT|HUGEINT)\"', '\\1\"BIGINT\"', 'g'), "
        "'([:\\[])\"NULL\"', '\\1\"VARCHAR\"', 'g'), bool_or(long) FROM (SELECT any_value(record) AS one, "
        "min(file) AS file, min(line) AS line, bool_or(regexp_matches(record, "
        "'[0-9][0-9.]{15}|[0-9][eE][+]?[0-9]{3}')) AS long");
    fo_data_objects(&sql);
    fo_str_add(&sql, "WHERE ok GROUP BY json_structure(record::JSON))");
    rc = ask(r, &sql, &rows, err);
    if (rc == FINOPS_OK && fo_rows_text(rows, 0, 0)) {
        *ret = fo_strdup(fo_rows_text(rows, 0, 0));
        *ret_long = fo_streq(fo_rows_text(rows, 0, 1), "true");
        rc = *ret ? FINOPS_OK : fo_error_oom(err);
    }
    return rc;
}

static bool
is_guessed_number(const fo_data_column_info *c)
{
    return !c->given && (fo_streq(c->type, "BIGINT") || fo_streq(c->type, "DOUBLE"));
}

/* The engine reads a number of JSON as BIGINT or DOUBLE; where there are long ones, their digits are looked
 * at. */
static finops_code
ndjson_numbers(fo_data_reader *r, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    size_t n = 0;
    finops_code rc;

    fo_str_add(&sql, "SELECT ");
    for (size_t i = 0; i < r->n_columns; i++) {
        char x[32];

        if (!is_guessed_number(&r->columns[i]))
            continue;
        (void)snprintf(x, sizeof(x), "x%zu", i);
        fo_str_addf(&sql, "%sCASE", n++ ? ", " : "");
        number_type(x, &sql);
        fo_str_add(&sql, " ELSE 'VARCHAR' END");
    }
    if (n == 0)
        return FINOPS_OK;
    fo_str_add(&sql, " FROM (");
    fo_data_ndjson_values(r, &sql);
    fo_str_add(&sql, ") WHERE problem IS NULL");
    rc = ask(r, &sql, &rows, err);
    n = 0;
    for (size_t i = 0; rc == FINOPS_OK && i < r->n_columns; i++)
        if (is_guessed_number(&r->columns[i])) {
            rc = fo_data_set_type(r, i, fo_rows_text(rows, 0, n++), err);
            r->columns[i].given = false;
        }
    return rc;
}

finops_code
fo_data_infer_ndjson(fo_data_reader *r, const fo_data_files *files, finops_error **err)
{
    FO_AUTO(fo_freep) char *structure = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    bool has_long = false;
    finops_code rc = ndjson_structure(r, &structure, &has_long, err);

    if (rc == FINOPS_OK && structure && structure[0] == '{' && structure[1] != '}') {
        fo_str_add(&sql,
                   "SELECT column_name, column_type FROM (DESCRIBE SELECT s.* FROM (SELECT from_json('{}', ");
        fo_sql_literal(&sql, structure);
        fo_str_add(&sql, ") AS s))");
        rc = ask(r, &sql, &rows, err);
    }
    /* What is a number here and a text there is text. */
    for (size_t i = 0; rc == FINOPS_OK && rows && i < fo_rows_count(rows); i++) {
        const char *type = fo_rows_text(rows, i, 1);

        rc =
            add_column(r, files, fo_rows_text(rows, i, 0), strcmp(type, "JSON") == 0 ? "VARCHAR" : type, err);
    }
    if (rc == FINOPS_OK && has_long)
        rc = ndjson_numbers(r, err);
    if (rc == FINOPS_OK && has_long)
        rc = fo_data_nested_numbers(r, err);
    /* A key may be absent of all records of a day and the column is there nevertheless. */
    for (size_t i = 0; rc == FINOPS_OK && i < files->n_types; i++)
        if (fo_data_find(r, files->types[i].column) < 0) {
            rc = add_column(r, files, files->types[i].column, NULL, err);
            if (rc == FINOPS_OK)
                r->columns[r->n_columns - 1].absent = true;
        }
    return rc;
}

/* ---- CSV ---- */

/* The columns of one header: new ones are added, each field gets its column's number. */
static finops_code
csv_header(fo_data_reader *r, fo_records_file *input, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    finops_code rc = fo_csv_header(r->files, input->address, input->label, &names, NULL, err);
    int *targets;

    if (rc != FINOPS_OK)
        return rc;
    targets = fo_array(names.n + 1, sizeof(*targets));
    if (!targets)
        return fo_error_oom(err);
    input->targets = targets;
    input->n_fields = names.n;
    for (size_t i = 0; rc == FINOPS_OK && i < names.n; i++) {
        if (names.items[i][0] == '\0')
            return fo_error_set(err, FINOPS_E_DATA, "%s: column %zu has no name", input->label, i + 1);
        targets[i] = fo_data_find(r, names.items[i]);
        if (targets[i] < 0) {
            targets[i] = (int)r->n_columns;
            rc = fo_data_add(r, names.items[i], "VARCHAR", false, err);
        }
        for (size_t before = 0; rc == FINOPS_OK && before < i; before++)
            if (targets[before] == targets[i])
                rc = fo_error_set(err, FINOPS_E_DATA, "%s: two columns are named %s", input->label,
                                  names.items[i]);
    }
    return rc;
}

/* A type is taken when every field is written as it; leading zeros and plus signs are names, not numbers. */
static void
csv_type(size_t i, fo_str *sql)
{
    static const struct {
        const char *type, *pattern;
    } types[] = {
        { "BOOLEAN", "true|false|TRUE|FALSE|True|False" },
        { "DATE", "[0-9]{4}-[0-9]{2}-[0-9]{2}" },
        { "TIMESTAMP", "[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,6})?)?"
                       "(Z|[+-][0-9]{2}(:[0-9]{2})?)?" },
    };
    char x[32];

    (void)snprintf(x, sizeof(x), "f%zu", i);
    fo_str_addf(sql, "%sCASE WHEN count(%s) = 0 THEN 'VARCHAR'", i ? ", " : "", x);
    number_type(x, sql);
    for (size_t t = 0; t < FO_COUNT(types); t++)
        fo_str_addf(sql,
                    " WHEN bool_and(%s IS NULL OR CASE WHEN regexp_full_match(%s, '%s') THEN "
                    "TRY_CAST(%s AS %s) IS NOT NULL ELSE false END) THEN '%s'",
                    x, x, types[t].pattern, x, types[t].type, types[t].type);
    fo_str_add(sql, " ELSE 'VARCHAR' END");
}

finops_code
fo_data_infer_csv(fo_data_reader *r, const fo_data_files *files, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < r->job.n_inputs; i++)
        rc = csv_header(r, &r->inputs[i], err);
    if (rc == FINOPS_OK)
        rc = check_given(r, files, err);
    r->job.n_columns = r->n_columns;
    fo_str_add(&sql, "SELECT ");
    for (size_t i = 0; i < r->n_columns; i++) {
        if (given_type(files, r->columns[i].name))
            fo_str_add(&sql, i ? ", NULL" : "NULL");
        else
            csv_type(i, &sql);
    }
    fo_str_add(&sql, " FROM finops_records() WHERE problem IS NULL");
    if (rc == FINOPS_OK)
        rc = ask(r, &sql, &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < r->n_columns; i++) {
        fo_data_column_info *c = &r->columns[i];
        const char *given = given_type(files, c->name);

        rc = given ? fo_data_set_type(r, i, given, err)
                   : fo_data_set_type(r, i, fo_rows_text(rows, 0, i), err);
        c->given = given != NULL;
    }
    return rc;
}

/* ---- Parquet ---- */

finops_code
fo_data_infer_parquet(fo_data_reader *r, const fo_data_files *files, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc;

    fo_str_add(&sql, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM read_parquet([");
    for (size_t i = 0; i < r->paths.n; i++) {
        fo_str_add(&sql, i ? ", " : "");
        fo_sql_file(&sql, r->paths.items[i]);
    }
    fo_str_add(&sql, "], union_by_name = true))");
    rc = ask(r, &sql, &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        rc = add_column(r, files, fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1), err);
        if (rc == FINOPS_OK)
            r->columns[i].nested = fo_data_is_nested(fo_rows_text(rows, i, 1));
    }
    return rc == FINOPS_OK ? check_given(r, files, err) : rc;
}
