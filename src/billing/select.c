/* The statement that reads a month's files as the table's columns. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/schema.h"

static void
select_decimal(fo_str *sql, const char *column, const char *type)
{
    if (strcmp(type, "DOUBLE") == 0)
        fo_str_addf(sql, "finops_exact(%s)", column);
    else if (strcmp(type, "VARCHAR") == 0)
        fo_str_addf(sql, "finops_exact(nullif(%s, ''))", column);
    else if (strcmp(type, "FLOAT") == 0)
        fo_str_addf(sql, "finops_exact(CAST(%s AS VARCHAR))", column);
    else
        fo_str_addf(sql, "CAST(%s AS DECIMAL(38,18))", column);
}

static void
select_map(fo_str *sql, const char *column, const char *type)
{
    if (strcmp(type, "VARCHAR") == 0)
        fo_str_addf(sql, "CAST(CAST(nullif(%s, '') AS JSON) AS MAP(VARCHAR, VARCHAR))", column);
    else if (fo_starts(type, "MAP(") && strcmp(type, "MAP(VARCHAR, VARCHAR)") != 0)
        fo_str_addf(sql, "CAST(%s AS MAP(VARCHAR, VARCHAR))", column);
    else
        fo_str_add(sql, column);
}

static void
select_map_of_decimals(fo_str *sql, const char *column, const char *type)
{
    FO_AUTO(fo_str_done) fo_str map = FO_STR_INIT;

    if (!fo_starts(type, "MAP(") && strcmp(type, "VARCHAR") != 0) {
        fo_str_add(sql, column); /* a STRUCT stays what it is */
        return;
    }
    if (strcmp(type, "MAP(VARCHAR, DOUBLE)") == 0) {
        fo_str_addf(sql, "finops_exact(%s)", column);
        return;
    }
    select_map(&map, column, type);
    fo_str_addf(sql,
                "CASE WHEN %s IS NULL THEN NULL ELSE "
                "map(map_keys(%s), list_transform(map_values(%s), lambda v: finops_exact(v))) END",
                fo_str_z(&map), fo_str_z(&map), fo_str_z(&map));
    sql->failed |= map.failed;
}

static void
select_text(fo_str *sql, const char *column, const char *name, const char *type)
{
    bool account = fo_ends(name, "account_id");

    if (strcmp(type, "VARCHAR") == 0 || fo_starts(type, "MAP(") || fo_starts(type, "STRUCT(") ||
        fo_ends(type, "[]"))
        fo_str_add(sql, column);
    else if (account && strcmp(type, "DOUBLE") != 0 && strcmp(type, "FLOAT") != 0)
        fo_str_addf(sql, "lpad(CAST(%s AS VARCHAR), 12, '0')",
                    column); /* numeric exports lose leading zeros */
    else
        fo_str_addf(sql, "CAST(%s AS VARCHAR)", column);
}

static void
select_expression(fo_str *sql, const char *column, const fo_bill_column *target, const char *type)
{
    switch (target->kind) {
    case FO_COLUMN_DECIMAL:
        select_decimal(sql, column, type);
        break;
    case FO_COLUMN_TIMESTAMP:
        if (strcmp(type, "VARCHAR") == 0) /* with or without a zone; the session's is UTC */
            fo_str_addf(sql, "CAST(CAST(nullif(%s, '') AS TIMESTAMPTZ) AS TIMESTAMP)", column);
        else
            fo_str_addf(sql, strcmp(type, "TIMESTAMP") == 0 ? "%s" : "CAST(%s AS TIMESTAMP)", column);
        break;
    case FO_COLUMN_MAP:
        select_map(sql, column, type);
        break;
    case FO_COLUMN_MAP_DECIMAL:
        select_map_of_decimals(sql, column, type);
        break;
    case FO_COLUMN_TEXT:
        select_text(sql, column, target->name, type);
        break;
    }
}

static void
select_quoted(fo_str *ret, const char *name)
{
    fo_str_clear(ret);
    fo_sql_ident(ret, name);
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
        if (c->kind == FO_COLUMN_MAP || c->kind == FO_COLUMN_MAP_DECIMAL) {
            select_expression(sql, fo_str_z(&column), c, "VARCHAR");
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
