/* The statement that reads a month's files as the table's columns. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/schema.h"

/* Types with values that a decimal, or a time, is made of. */
static bool
select_is_number(const char *type)
{
    return fo_starts(type, "DECIMAL") || fo_ends(type, "INT") || fo_ends(type, "INTEGER");
}

static bool
select_is_time(const char *type)
{
    return fo_starts(type, "TIMESTAMP") || strcmp(type, "DATE") == 0;
}

/* Adds what ends the load with the value; `of` is the type it yields. */
static void
select_refuse(fo_str *sql, const char *column, const char *name, const char *of)
{
    FO_AUTO(fo_freep) char *words = fo_format("column %s is %s and cannot keep \"", name, of);

    fo_str_add(sql, "CAST(error(");
    fo_sql_literal(sql, words ? words : "");
    fo_str_addf(sql, " || left(CAST(%s AS VARCHAR), 100) || '\"') AS %s)", column, of);
    sql->failed |= !words;
}

/* A type of other values is fine as long as there are none. */
static void
select_nothing_but_null(fo_str *sql, const char *column, const char *name, const char *of)
{
    fo_str_addf(sql, "CASE WHEN %s IS NOT NULL THEN ", column);
    select_refuse(sql, column, name, of);
    fo_str_add(sql, " END");
}

static void
select_decimal(fo_str *sql, const char *column, const char *name, const char *type)
{
    if (strcmp(type, "DOUBLE") == 0)
        fo_str_addf(sql, "finops_exact(%s)", column);
    else if (strcmp(type, "VARCHAR") == 0)
        fo_str_addf(sql, "finops_exact(nullif(%s, ''))", column);
    else if (strcmp(type, "FLOAT") == 0)
        fo_str_addf(sql, "finops_exact(CAST(%s AS VARCHAR))", column);
    else if (select_is_number(type))
        fo_str_addf(sql, "CAST(%s AS DECIMAL(38,18))", column);
    else
        select_nothing_but_null(sql, column, name, "DECIMAL(38,18)");
}

/* Nanoseconds are refused, not cut off, where there are any. */
static void
select_timestamp(fo_str *sql, const char *column, const char *name, const char *type)
{
    if (strcmp(type, "VARCHAR") == 0) { /* with or without a zone; the session's is UTC */
        fo_str_addf(sql, "CAST(CAST(nullif(%s, '') AS TIMESTAMPTZ) AS TIMESTAMP)", column);
    } else if (strcmp(type, "TIMESTAMP_NS") == 0) {
        fo_str_addf(sql, "CASE WHEN CAST(CAST(%s AS TIMESTAMP) AS TIMESTAMP_NS) = %s THEN ", column, column);
        fo_str_addf(sql, "CAST(%s AS TIMESTAMP) WHEN %s IS NOT NULL THEN ", column, column);
        select_refuse(sql, column, name, "TIMESTAMP");
        fo_str_add(sql, " END");
    } else if (select_is_time(type)) {
        fo_str_addf(sql, strcmp(type, "TIMESTAMP") == 0 ? "%s" : "CAST(%s AS TIMESTAMP)", column);
    } else {
        select_nothing_but_null(sql, column, name, "TIMESTAMP");
    }
}

static void
select_map(fo_str *sql, const char *column, const char *name, const char *type)
{
    static const char of[] = "MAP(VARCHAR, VARCHAR)";

    if (strcmp(type, "VARCHAR") == 0 || strcmp(type, "JSON") == 0) {
        fo_str_addf(sql, "coalesce(TRY_CAST(TRY_CAST(nullif(%s, '') AS JSON) AS %s), ", column, of);
        fo_str_addf(sql, "CASE WHEN nullif(%s, '') IS NOT NULL AND NOT json_valid(%s) ", column, column);
        fo_str_addf(sql, "OR json_type(TRY_CAST(nullif(%s, '') AS JSON)) NOT IN ('OBJECT', 'NULL') THEN ",
                    column);
        select_refuse(sql, column, name, of);
        fo_str_add(sql, " END)");
    } else if (fo_starts(type, "MAP(") && strcmp(type, of) != 0) {
        fo_str_addf(sql, "CAST(%s AS %s)", column, of);
    } else if (fo_bill_nested(type)) {
        fo_str_add(sql, column);
    } else {
        select_nothing_but_null(sql, column, name, of);
    }
}

static void
select_map_of_decimals(fo_str *sql, const char *column, const char *name, const char *type)
{
    FO_AUTO(fo_str_done) fo_str map = FO_STR_INIT;

    if (fo_bill_nested(type) && !fo_starts(type, "MAP(")) {
        fo_str_add(sql, column); /* stays what it is */
        return;
    }
    if (strcmp(type, "MAP(VARCHAR, DOUBLE)") == 0) {
        fo_str_addf(sql, "finops_exact(%s)", column);
        return;
    }
    select_map(&map, column, name, type);
    fo_str_addf(sql,
                "CASE WHEN %s IS NULL THEN NULL ELSE "
                "map(map_keys(%s), list_transform(map_values(%s), lambda v: finops_exact(v))) END",
                fo_str_z(&map), fo_str_z(&map), fo_str_z(&map));
    sql->failed |= map.failed;
}

static void
select_text(fo_str *sql, const char *column, const fo_bill_column *target, const char *type)
{
    bool account = fo_ends(target->name, "account_id"), nested = fo_bill_nested(type);

    if (nested && target->as_text)
        fo_str_addf(sql, "CAST(to_json(%s) AS VARCHAR)", column);
    else if (strcmp(type, "VARCHAR") == 0 || nested)
        fo_str_add(sql, column);
    else if (account && strcmp(type, "DOUBLE") != 0 && strcmp(type, "FLOAT") != 0)
        fo_str_addf(sql, "lpad(CAST(%s AS VARCHAR), 12, '0')",
                    column); /* numeric exports lose leading zeros */
    else
        fo_str_addf(sql, "CAST(%s AS VARCHAR)", column);
}

static void
select_new(fo_str *sql, const char *column, const fo_bill_column *target, const char *type)
{
    switch (target->kind) {
    case FO_COLUMN_DECIMAL:
        select_decimal(sql, column, target->name, type);
        break;
    case FO_COLUMN_TIMESTAMP:
        select_timestamp(sql, column, target->name, type);
        break;
    case FO_COLUMN_MAP:
        select_map(sql, column, target->name, type);
        break;
    case FO_COLUMN_MAP_DECIMAL:
        select_map_of_decimals(sql, column, target->name, type);
        break;
    case FO_COLUMN_TEXT:
        select_text(sql, column, target, type);
        break;
    }
}

/* The type that select_new() yields. */
static const char *
select_type(const fo_bill_column *target, const char *type)
{
    bool nested = fo_bill_nested(type);

    if (target->kind == FO_COLUMN_TEXT)
        return nested && !target->as_text ? type : "VARCHAR";
    if (target->kind == FO_COLUMN_MAP || target->kind == FO_COLUMN_MAP_DECIMAL)
        return nested && !fo_starts(type, "MAP(") ? type : fo_column_sql_type(target->kind);
    return fo_column_sql_type(target->kind);
}

/* Whether JSON text is what the table's nested column keeps all of. */
static void
select_json_fits(fo_str *sql, const char *value, const char *to)
{
    if (strcmp(to, "MAP(VARCHAR, VARCHAR)") == 0)
        fo_str_addf(sql, "json_type(TRY_CAST(%s AS JSON)) IS NOT DISTINCT FROM 'OBJECT'", value);
    else
        fo_str_addf(sql,
                    "coalesce(to_json(TRY_CAST(TRY_CAST(%s AS JSON) AS %s)) = json(TRY_CAST(%s AS JSON)), "
                    "false)",
                    value, to, value);
}

/* Whether a value comes back from the table's type the same. */
static void
select_value_fits(fo_str *sql, const char *value, const fo_bill_column *target, const char *type)
{
    bool account = fo_ends(target->name, "account_id") && strcmp(type, "VARCHAR") == 0;

    fo_str_addf(sql, "%s IS NOT DISTINCT FROM ", value);
    fo_str_add(sql, account ? "lpad(" : "");
    fo_str_addf(sql, "TRY_CAST(TRY_CAST(%s AS %s) AS %s)%s", value, target->stored, type,
                account ? ", 12, '0')" : "");
}

/* What becomes of a value whose column is of another type in the table that is there. */
typedef enum fit { FIT_AS_IS, FIT_TO_JSON, FIT_TO_TEXT, FIT_TO_MAP, FIT_FROM_TEXT, FIT_CAST } fit;

static fit
select_fit(const fo_bill_column *target, const char *type)
{
    const char *to = target->stored;

    if (!to || strcmp(to, type) == 0 || (strcmp(to, "JSON") == 0 && fo_bill_nested(type)))
        return FIT_AS_IS;
    if (strcmp(to, "JSON") == 0)
        return FIT_TO_JSON;
    if (fo_bill_nested(type) && strcmp(to, "VARCHAR") == 0)
        return FIT_TO_TEXT;
    if (strcmp(to, "MAP(VARCHAR, VARCHAR)") == 0 &&
        (fo_starts(type, "STRUCT(") || fo_starts(type, "MAP(VARCHAR, ")))
        return FIT_TO_MAP; /* any value has a text */
    return fo_bill_nested(to) && strcmp(type, "VARCHAR") == 0 ? FIT_FROM_TEXT : FIT_CAST;
}

static void
select_stored(fo_str *sql, const char *value, const fo_bill_column *target, const char *type)
{
    const char *to = target->stored;

    switch (select_fit(target, type)) {
    case FIT_AS_IS:
        fo_str_add(sql, value);
        break;
    case FIT_TO_JSON:
        fo_str_addf(sql,
                    "CASE WHEN json_valid(CAST(%s AS VARCHAR)) THEN CAST(CAST(%s AS VARCHAR) AS JSON) "
                    "ELSE to_json(%s) END",
                    value, value, value);
        break;
    case FIT_TO_TEXT:
        fo_str_addf(sql, "CAST(to_json(%s) AS VARCHAR)", value);
        break;
    case FIT_TO_MAP:
        fo_str_addf(sql, "CAST(%s AS %s)", value, to);
        break;
    case FIT_FROM_TEXT:
        fo_str_addf(sql, "CASE WHEN nullif(%s, '') IS NULL THEN NULL WHEN ", value);
        select_json_fits(sql, value, to);
        fo_str_addf(sql, " THEN TRY_CAST(TRY_CAST(%s AS JSON) AS %s) ELSE ", value, to);
        select_refuse(sql, value, target->name, to);
        fo_str_add(sql, " END");
        break;
    case FIT_CAST:
        fo_str_add(sql, "CASE WHEN ");
        select_value_fits(sql, value, target, type);
        fo_str_addf(sql, " THEN TRY_CAST(%s AS %s) ELSE ", value, to);
        select_refuse(sql, value, target->name, to);
        fo_str_add(sql, " END");
        break;
    }
}

/* `column`, of the type, as the value that the table's column gets. */
static void
select_expression(fo_str *sql, const char *column, const fo_bill_column *target, const char *type)
{
    FO_AUTO(fo_str_done) fo_str value = FO_STR_INIT;

    select_new(&value, column, target, type);
    select_stored(sql, fo_str_z(&value), target, select_type(target, type));
    sql->failed |= value.failed;
}

static void
misfit_new(const fo_bill_column *target, const char *c, const char *type, fo_str *sql)
{
    bool text = strcmp(type, "VARCHAR") == 0, decimal = target->kind == FO_COLUMN_DECIMAL;
    bool map = target->kind == FO_COLUMN_MAP || target->kind == FO_COLUMN_MAP_DECIMAL;

    if (target->kind == FO_COLUMN_TEXT || (map && fo_bill_nested(type)))
        return;
    if (text && map)
        fo_str_addf(sql, "(%s <> '' AND json_type(TRY_CAST(%s AS JSON)) IS DISTINCT FROM 'OBJECT')", c, c);
    else if (text)
        fo_str_addf(sql, "(%s <> '' AND TRY_CAST(%s AS %s) IS NULL)", c, c,
                    decimal ? "DECIMAL(38,18)" : "TIMESTAMPTZ");
    else if (decimal && (strcmp(type, "DOUBLE") == 0 || strcmp(type, "FLOAT") == 0 || select_is_number(type)))
        fo_str_addf(sql, "(%s IS NOT NULL AND TRY_CAST(%s AS DECIMAL(38,18)) IS NULL)", c, c);
    else if (strcmp(type, "TIMESTAMP_NS") == 0 && !decimal && !map)
        fo_str_addf(sql, "(CAST(CAST(%s AS TIMESTAMP) AS TIMESTAMP_NS) <> %s)", c, c);
    else if (decimal || map || !select_is_time(type))
        fo_str_addf(sql, "(%s IS NOT NULL)", c);
}

void
fo_bill_misfit(const fo_bill_column *target, const char *column, const char *type, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str value = FO_STR_INIT;
    const char *yields = select_type(target, type);
    size_t before = sql->len;

    misfit_new(target, column, type, sql);
    fit how = select_fit(target, yields);
    if (how != FIT_FROM_TEXT && how != FIT_CAST)
        return;
    select_new(&value, column, target, type);
    fo_str_addf(sql, "%s(%s%s%s", sql->len > before ? " OR " : "",
                how == FIT_FROM_TEXT ? fo_str_z(&value) : "", how == FIT_FROM_TEXT ? " <> '' AND " : "",
                "NOT (");
    if (how == FIT_FROM_TEXT)
        select_json_fits(sql, fo_str_z(&value), target->stored);
    else
        select_value_fits(sql, fo_str_z(&value), target, yields);
    fo_str_add(sql, "))");
    sql->failed |= value.failed;
}

static void
select_quoted(fo_str *ret, const char *name)
{
    fo_str_clear(ret);
    fo_sql_ident(ret, name);
}

static const char *
select_csv_type(const fo_bill_column *c)
{
    return c->kind == FO_COLUMN_DECIMAL || c->kind == FO_COLUMN_TIMESTAMP ? fo_column_sql_type(c->kind)
                                                                          : "VARCHAR";
}

/* CSV: the reader yields the table's columns already, maps as JSON text. */
static void
select_csv(const fo_bill_schema *schema, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str column = FO_STR_INIT;

    fo_str_add(sql, "SELECT ");
    for (size_t i = 0; i < schema->n_columns; i++) {
        const fo_bill_column *c = &schema->columns[i];
        select_quoted(&column, c->name);
        fo_str_add(sql, i ? ", " : "");
        if (c->kind == FO_COLUMN_MAP || c->kind == FO_COLUMN_MAP_DECIMAL || c->stored) {
            select_expression(sql, fo_str_z(&column), c, select_csv_type(c));
            fo_str_addf(sql, " AS %s", fo_str_z(&column));
        } else {
            fo_str_add(sql, fo_str_z(&column));
        }
    }
    fo_str_add(sql, " FROM finops_bill_csv()");
    sql->failed |= column.failed;
}

static bool
select_same_fields(const fo_bill_input *a, const fo_bill_input *b)
{
    if (a->headers.n != b->headers.n)
        return false;
    for (size_t i = 0; i < a->headers.n; i++)
        if (strcmp(a->headers.items[i], b->headers.items[i]) != 0 ||
            strcmp(a->types.items[i], b->types.items[i]) != 0)
            return false;
    return true;
}

/* The column lists of one group of files with the same fields; absent columns are NULL of their type. */
static void
select_parquet_columns(const fo_bill_schema *schema, const fo_bill_input *input, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str column = FO_STR_INIT;
    bool first = true;

    for (size_t c = 0; c < schema->n_columns; c++) {
        size_t field = 0;
        while (field < input->headers.n && input->targets[field] != (int)c)
            field++;
        if (field == input->headers.n)
            continue; /* UNION ALL BY NAME fills it with NULL */
        select_quoted(&column, input->headers.items[field]);
        fo_str_add(sql, first ? "" : ", ");
        first = false;
        select_expression(sql, fo_str_z(&column), &schema->columns[c], input->types.items[field]);
        fo_str_add(sql, " AS ");
        fo_sql_ident(sql, schema->columns[c].name);
    }
    sql->failed |= column.failed;
}

static finops_code
select_parquet(const fo_bill_schema *schema, fo_str *sql, finops_error **err)
{
    FO_AUTO(fo_freep) bool *done = fo_array(schema->n_inputs ? schema->n_inputs : 1, sizeof(bool));

    if (!done)
        return fo_error_oom(err);
    for (size_t i = 0; i < schema->n_inputs; i++) {
        if (done[i])
            continue;
        fo_str_add(sql, i ? " UNION ALL BY NAME SELECT " : "SELECT ");
        select_parquet_columns(schema, &schema->inputs[i], sql);
        fo_str_add(sql, " FROM read_parquet([");
        for (size_t j = i; j < schema->n_inputs; j++) {
            if (done[j] || !select_same_fields(&schema->inputs[i], &schema->inputs[j]))
                continue;
            fo_str_add(sql, j > i ? ", " : "");
            fo_sql_file(sql, schema->inputs[j].path);
            done[j] = true;
        }
        fo_str_add(sql, "], hive_partitioning = false)");
    }
    return FINOPS_OK;
}

finops_code
fo_bill_schema_select(const fo_bill_schema *schema, fo_str *sql, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    assert(schema && sql);
    if (schema->parquet)
        rc = select_parquet(schema, sql, err);
    else
        select_csv(schema, sql);
    return rc == FINOPS_OK ? fo_str_check(sql, err) : rc;
}
