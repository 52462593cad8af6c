/* What a month's files hold and which columns the table gets. */
#include "billing/schema.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define COLUMNS_MAX 4096

static finops_code
schema_read_csv(fo_files *files, fo_bill_input *input, finops_error **err)
{
    input->rows = -1;
    return fo_csv_header(files, input->address, input->label, &input->headers, &input->bytes, err);
}

/* Asks the engine about one Parquet file; its path goes in as a literal because table functions of a DESCRIBE
 * take no parameters. */
static finops_code
schema_parquet_rows(fo_conn *conn, const char *head, const char *function, const char *address, fo_rows **ret,
                    finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_addf(&sql, "SELECT %s %s(", head, function);
    fo_sql_file(&sql, address);
    fo_str_add(&sql, strcmp(function, "read_parquet") == 0 ? ", hive_partitioning = false))" : ")");
    finops_code rc = fo_str_check(&sql, err);
    if (rc != FINOPS_OK)
        return rc;
    return fo_conn_rows(conn, fo_str_z(&sql), NULL, 0, ret, err);
}

static finops_code
schema_read_parquet(fo_conn *conn, fo_files *files, fo_bill_input *input, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *columns = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *counts = NULL;
    const char *path = NULL;
    finops_code rc = fo_files_native_path(files, input->address, &path, &input->bytes, err);

    if (rc != FINOPS_OK)
        return rc;
    input->path = fo_strdup(path);
    if (!input->path)
        return fo_error_oom(err);
    rc = schema_parquet_rows(conn, "column_name, column_type FROM (DESCRIBE SELECT * FROM", "read_parquet",
                             input->path, &columns, err);
    if (rc == FINOPS_OK)
        rc = schema_parquet_rows(conn, "num_rows FROM", "parquet_file_metadata", input->path, &counts, err);
    if (rc != FINOPS_OK) {
        bool broken = rc == FINOPS_E_DATABASE || rc == FINOPS_E_IO;
        return fo_error_wrap(err, broken ? FINOPS_E_CORRUPT : rc, "read %s as Parquet", input->label);
    }
    for (size_t i = 0; i < fo_rows_count(columns); i++)
        if (!fo_strv_add(&input->headers, fo_rows_text(columns, i, 0)) ||
            !fo_strv_add(&input->types, fo_rows_text(columns, i, 1)))
            return fo_error_oom(err);
    input->rows = fo_rows_int(counts, 0, 0);
    return FINOPS_OK;
}

bool
fo_bill_nested(const char *type)
{
    return fo_starts(type, "MAP(") || fo_starts(type, "STRUCT(") || fo_ends(type, "[]");
}

int
fo_bill_schema_find(const fo_bill_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n_columns; i++)
        if (strcmp(schema->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* The index of a column, added when it is new. */
static finops_code
schema_column(fo_bill_schema *schema, const char *name, const char *type, int *ret, finops_error **err)
{
    const fo_column_entry *entry = fo_column_find(name);
    size_t cap = schema->n_columns;

    *ret = fo_bill_schema_find(schema, name);
    if (*ret < 0) {
        if (schema->n_columns == COLUMNS_MAX)
            return fo_error_set(err, FINOPS_E_DATA, "the month has more than %d columns", COLUMNS_MAX);
        if (!fo_grow((void **)&schema->columns, &cap, schema->n_columns + 1, sizeof(fo_bill_column)))
            return fo_error_oom(err);
        fo_bill_column *c = &schema->columns[schema->n_columns];
        *c = (fo_bill_column){ .name = fo_strdup(name), .kind = entry ? entry->kind : FO_COLUMN_TEXT };
        if (!c->name)
            return fo_error_oom(err);
        *ret = (int)schema->n_columns++;
    }
    if (type && fo_bill_nested(type))
        schema->columns[*ret].nested = true;
    else if (type)
        schema->columns[*ret].plain = true;
    return FINOPS_OK;
}

/* Nested in one file and text in another: text is what holds both. */
static void
schema_settle(fo_bill_schema *schema)
{
    for (size_t i = 0; i < schema->n_columns; i++) {
        fo_bill_column *c = &schema->columns[i];
        c->as_text = c->kind == FO_COLUMN_TEXT && c->nested && c->plain;
        c->nested = c->nested && !c->as_text;
    }
}

/* A type of a table in the words of DuckDB; NULL: one that nothing is to be done about. */
static char *
schema_type(const char *type, finops_dialect dialect)
{
    static const char *const same[] = { "bigint", "integer", "smallint", "double precision",
                                        "real",   "date",    "boolean",  "timestamp with time zone" };

    if (dialect == FINOPS_DIALECT_DUCKDB)
        return fo_strdup(type);
    if (fo_streq(type, "jsonb") || fo_streq(type, "json"))
        return fo_strdup("JSON");
    if (fo_streq(type, "text") || fo_streq(type, "character varying"))
        return fo_strdup("VARCHAR");
    if (fo_streq(type, "timestamp without time zone"))
        return fo_strdup("TIMESTAMP");
    if (fo_starts(type, "numeric("))
        return fo_format("DECIMAL%s", type + strlen("numeric"));
    for (size_t i = 0; i < FO_COUNT(same); i++)
        if (fo_streq(type, same[i]))
            return fo_strdup(type);
    return NULL;
}

static void
schema_fit_column(fo_bill_column *c, char *type)
{
    bool text = fo_streq(type, "VARCHAR");

    fo_free(c->stored);
    c->stored = type;
    if (c->kind == FO_COLUMN_TEXT && text && c->nested) {
        c->as_text = true;
        c->nested = false;
    }
    if (type && fo_bill_nested(type))
        c->nested = true;
}

finops_code
fo_bill_schema_fit(fo_bill_schema *schema, fo_database *database, const char *dataset, const char *table,
                   finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv types = FO_STRV_INIT;
    finops_dialect dialect = fo_database_dialect(database);

    assert(schema && database && dataset && table);
    if (dialect != FINOPS_DIALECT_DUCKDB && dialect != FINOPS_DIALECT_POSTGRESQL)
        return FINOPS_OK;
    finops_code rc = fo_database_columns(database, dataset, table, &names, &types, err);
    if (rc != FINOPS_OK || names.n == 0)
        return rc;
    fo_free(schema->table);
    schema->table = fo_format("%s.%s", dataset, table);
    if (!schema->table)
        return fo_error_oom(err);
    for (size_t i = 0; rc == FINOPS_OK && i < names.n; i++) {
        int at = fo_bill_schema_find(schema, names.items[i]);
        if (at >= 0)
            schema_fit_column(&schema->columns[at], schema_type(types.items[i], dialect));
    }
    return rc;
}

static finops_code
schema_map_input(fo_bill_schema *schema, fo_bill_input *input, fo_colnames *names, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv warnings = FO_STRV_INIT;
    finops_code rc = fo_colnames_assign(names, &input->headers, &columns, &warnings, err);

    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < warnings.n; i++)
        if (!fo_strv_has(&schema->warnings, warnings.items[i]) &&
            !fo_strv_add(&schema->warnings, warnings.items[i]))
            return fo_error_oom(err);
    input->targets = fo_array(columns.n ? columns.n : 1, sizeof(int));
    if (!input->targets)
        return fo_error_oom(err);
    for (size_t i = 0; i < columns.n; i++) {
        rc = schema_column(schema, columns.items[i], input->types.n ? input->types.items[i] : NULL,
                           &input->targets[i], err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
schema_read_input(fo_conn *conn, fo_files *files, const fo_bill_file *file, bool parquet,
                  fo_bill_input *input, finops_error **err)
{
    input->address = fo_strdup(file->address);
    input->label = fo_strdup(file->label);
    if (!input->address || !input->label)
        return fo_error_oom(err);
    return parquet ? schema_read_parquet(conn, files, input, err) : schema_read_csv(files, input, err);
}

/* What must be fetched, several files at a time. */
static finops_code
schema_fetch(fo_files *files, const fo_bill_file *list, size_t n, finops_error **err)
{
    FO_AUTO(fo_freep) const char **addresses = fo_array(n ? n : 1, sizeof(*addresses));

    if (!addresses)
        return fo_error_oom(err);
    for (size_t i = 0; i < n; i++)
        addresses[i] = list[i].address;
    return fo_files_native_paths(files, addresses, n, err);
}

finops_code
fo_bill_schema_read(fo_conn *conn, fo_files *files, const fo_bill_file *list, size_t n, bool parquet,
                    fo_colnames *names, fo_bill_schema *ret, finops_error **err)
{
    FO_AUTO(fo_bill_schema_done) fo_bill_schema schema = { .parquet = parquet };
    finops_code rc = FINOPS_OK;

    assert(conn && files && list && names && ret);
    schema.inputs = fo_array(n ? n : 1, sizeof(fo_bill_input));
    if (!schema.inputs)
        return fo_error_oom(err);
    schema.n_inputs = n;
    if (parquet)
        rc = schema_fetch(files, list, n, err);
    for (size_t i = 0; rc == FINOPS_OK && i < n; i++)
        rc = schema_read_input(conn, files, &list[i], parquet, &schema.inputs[i], err);
    for (size_t i = 0; rc == FINOPS_OK && i < n; i++)
        rc = schema_map_input(&schema, &schema.inputs[i], names, err);
    if (rc != FINOPS_OK)
        return rc;
    schema_settle(&schema);
    schema.focus = fo_bill_schema_find(&schema, "billed_cost") >= 0 &&
                   fo_bill_schema_find(&schema, "charge_category") >= 0;
    *ret = schema;
    schema = (fo_bill_schema){ 0 };
    return FINOPS_OK;
}

void
fo_bill_schema_done(fo_bill_schema *schema)
{
    for (size_t i = 0; i < schema->n_inputs; i++) {
        fo_bill_input *input = &schema->inputs[i];
        fo_free(input->address);
        fo_free(input->path);
        fo_free(input->label);
        fo_free(input->targets);
        fo_strv_done(&input->headers);
        fo_strv_done(&input->types);
    }
    for (size_t i = 0; i < schema->n_columns; i++) {
        fo_free(schema->columns[i].name);
        fo_free(schema->columns[i].stored);
    }
    fo_free(schema->inputs);
    fo_free(schema->columns);
    fo_free(schema->table);
    fo_strv_done(&schema->warnings);
    *schema = (fo_bill_schema){ 0 };
}

static finops_code
schema_job(const fo_bill_schema *schema, fo_files *files, const fo_cancel *cancel, fo_bill_job *ret,
           finops_error **err)
{
    fo_csv_file *inputs = fo_array(schema->n_inputs ? schema->n_inputs : 1, sizeof(*inputs));
    fo_csv_column *columns = fo_array(schema->n_columns ? schema->n_columns : 1, sizeof(*columns));

    if (!inputs || !columns) {
        fo_free(inputs);
        fo_free(columns);
        return fo_error_oom(err);
    }
    for (size_t i = 0; i < schema->n_inputs; i++) {
        const fo_bill_input *in = &schema->inputs[i];
        inputs[i] = (fo_csv_file){
            .address = in->address, .label = in->label, .targets = in->targets, .n_fields = in->headers.n
        };
    }
    for (size_t i = 0; i < schema->n_columns; i++) {
        fo_column_kind kind = schema->columns[i].kind;
        fo_csv_type type = kind == FO_COLUMN_DECIMAL     ? FO_CSV_DECIMAL
                           : kind == FO_COLUMN_TIMESTAMP ? FO_CSV_TIMESTAMP
                                                         : FO_CSV_TEXT;
        columns[i] = (fo_csv_column){ .name = schema->columns[i].name, .type = type };
    }
    *ret = (fo_bill_job){ .inputs = inputs, .columns = columns };
    ret->job.files = files;
    ret->job.inputs = inputs;
    ret->job.n_inputs = schema->n_inputs;
    ret->job.columns = columns;
    ret->job.n_columns = schema->n_columns;
    ret->job.null_text = schema->focus ? "NULL" : NULL;
    ret->job.cancel = cancel;
    return FINOPS_OK;
}

finops_code
fo_bill_job_begin(fo_conn *reader, const fo_bill_schema *schema, fo_files *files, const fo_cancel *cancel,
                  fo_bill_job *ret, finops_error **err)
{
    finops_code rc =
        schema->parquet ? fo_files_renew(files, err) : schema_job(schema, files, cancel, ret, err);

    return rc == FINOPS_OK && !schema->parquet ? fo_csv_job_begin(reader, &ret->job, err) : rc;
}

/* The engine tells neither column nor file of the value that could not be used. */
static finops_code
job_name_files(fo_conn *reader, const fo_bill_schema *schema, finops_code rc, finops_error **err)
{
    const char *first = schema->n_inputs > 0 ? schema->inputs[0].label : "no file";

    if (rc != FINOPS_E_DATA && rc != FINOPS_E_DATABASE && rc != FINOPS_E_CORRUPT)
        return rc;
    if (err && schema->parquet && fo_bill_blame(fo_conn_engine(reader), schema, err))
        return finops_error_code(*err);
    if (schema->n_inputs < 2)
        return fo_error_wrap(err, rc, "read %s", first);
    return fo_error_wrap(err, rc, "read %s and %zu more", first, schema->n_inputs - 1);
}

finops_code
fo_bill_job_end(fo_conn *reader, const fo_bill_schema *schema, fo_files *files, finops_code rc,
                finops_error **err)
{
    if (schema->parquet)
        return rc == FINOPS_OK ? fo_files_unchanged(files, err) : job_name_files(reader, schema, rc, err);
    finops_error *why = fo_csv_failure(reader);
    bool told = false;

    if (rc != FINOPS_OK && why) {
        rc = finops_error_code(why);
        if (err) {
            finops_error_free(*err);
            *err = FO_TAKE(why);
        }
        told = true;
    }
    fo_csv_job_end(reader);
    if (rc != FINOPS_OK && !told)
        rc = job_name_files(reader, schema, rc, err);
    finops_error_free(why);
    return rc;
}

void
fo_bill_job_done(fo_bill_job *job)
{
    fo_free(job->inputs);
    fo_free(job->columns);
    *job = (fo_bill_job){ 0 };
}

finops_code
fo_bill_schema_hash(const fo_bill_schema *schema, char hex[65], finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv lines = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    for (size_t i = 0; i < schema->n_columns; i++) {
        const fo_bill_column *c = &schema->columns[i];
        char *line = fo_format("%s %s", c->name, c->nested ? "nested" : fo_column_sql_type(c->kind));
        if (!line || !fo_strv_take(&lines, line))
            return fo_error_oom(err);
    }
    fo_strv_sort(&lines);
    for (size_t i = 0; i < lines.n; i++)
        fo_str_addf(&text, "%s\n", lines.items[i]);
    finops_code rc = fo_str_check(&text, err);
    return rc == FINOPS_OK ? fo_sha256_hex(fo_str_z(&text), text.len, hex, err) : rc;
}
