/*
 * Which value of a month's Parquet files could not be used. The engine's reader tells neither column nor
 * file, so they are looked through once more, when that is all that is left to do.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "billing/schema.h"

/* Adds " WHEN <the column's values that do not fit> THEN …", its number and its value. */
static void
add_column(const fo_bill_schema *schema, const fo_bill_input *input, size_t field, fo_str *numbers,
           fo_str *values, fo_str *where)
{
    FO_AUTO(fo_str_done) fo_str column = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str misfit = FO_STR_INIT;

    fo_sql_ident(&column, input->headers.items[field]);
    fo_bill_misfit(&schema->columns[input->targets[field]], fo_str_z(&column), input->types.items[field],
                   &misfit);
    numbers->failed |= column.failed || misfit.failed;
    if (misfit.len == 0)
        return;
    fo_str_addf(numbers, " WHEN %s THEN %zu", fo_str_z(&misfit), field);
    fo_str_addf(values, " WHEN %s THEN left(CAST(%s AS VARCHAR), 100)", fo_str_z(&misfit), fo_str_z(&column));
    fo_str_addf(where, "%s%s", where->len > 0 ? " OR " : "", fo_str_z(&misfit));
}

/* One row: number of the field, value, row of the file. No row: there is nothing to blame in it. */
static finops_code
find_in(fo_conn *conn, const fo_bill_schema *schema, const fo_bill_input *input, fo_rows **ret,
        finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str numbers = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str values = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str where = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    for (size_t i = 0; i < input->headers.n; i++)
        add_column(schema, input, i, &numbers, &values, &where);
    if (where.len == 0)
        return FINOPS_OK;
    fo_str_addf(&sql, "SELECT CASE%s END, CASE%s END, file_row_number + 1 FROM read_parquet(",
                fo_str_z(&numbers), fo_str_z(&values));
    fo_sql_file(&sql, input->path);
    fo_str_addf(&sql, ", file_row_number = true, hive_partitioning = false) WHERE %s LIMIT 1",
                fo_str_z(&where));
    sql.failed |= numbers.failed || values.failed || where.failed;
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_rows(conn, fo_str_z(&sql), NULL, 0, ret, err) : rc;
}

/* What the column is, and where: of the table that is there, or as the dictionary has it. */
static void
say(const fo_bill_schema *schema, const fo_bill_input *input, const fo_rows *found, finops_error **err)
{
    size_t field = (size_t)fo_rows_int(found, 0, 0);
    const fo_bill_column *column = &schema->columns[input->targets[field]];
    const char *is = column->stored ? column->stored : fo_column_sql_type(column->kind);
    const char *value = fo_rows_text(found, 0, 1);

    finops_error_free(*err);
    *err = NULL;
    fo_error_set(err, FINOPS_E_DATA, "%s row %" PRId64 ": column %s%s%s is %s and cannot keep \"%s\"",
                 input->label, fo_rows_int(found, 0, 2), column->name, schema->table ? " of table " : "",
                 schema->table ? schema->table : "", is, value ? value : "");
    fo_error_hint(err,
                  "the month is as it was; where the change is meant, give what the files call %s another "
                  "name with --column-mapping",
                  input->headers.items[field]);
}

bool
fo_bill_blame(fo_engine *engine, const fo_bill_schema *schema, finops_error **err)
{
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    bool told = false;

    assert(engine && schema && err && *err);
    /* The one that failed may be in a transaction that is broken. */
    if (fo_conn_open(engine, &conn, NULL) != FINOPS_OK)
        return false;
    for (size_t i = 0; !told && i < schema->n_inputs; i++) {
        FO_AUTO(fo_rows_freep) fo_rows *found = NULL;

        if (find_in(conn, schema, &schema->inputs[i], &found, NULL) != FINOPS_OK || !found)
            continue;
        told = fo_rows_count(found) > 0;
        if (told)
            say(schema, &schema->inputs[i], found, err);
    }
    return told;
}
