/*
 * finops_records(): the table function. One thread reads, so that records keep their order; what is made of
 * them is the engine's business.
 */
#include "engine/records.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/engine_internal.h"
#include "engine/records_internal.h"

#define PROBLEM_MAX 128
#define CHUNK_BYTES ((size_t)32 << 20) /* a chunk of huge records is ended early */

enum { AT_FILE, AT_LINE, AT_RECORD, AT_PROBLEM, AT_FIRST };

/* A statement's part. */
typedef struct records_scan {
    fo_records_job *job;
    fo_record_source *source; /* NULL: between two files */
    size_t next;              /* file after it */
    fo_record_field *fields;
    fo_scratch scratch, shown;
} records_scan;

static void
records_add(duckdb_bind_info info, const char *name, duckdb_type id)
{
    duckdb_logical_type type = duckdb_create_logical_type(id);

    duckdb_bind_add_result_column(info, name, type);
    duckdb_destroy_logical_type(&type);
}

static void
records_bind(duckdb_bind_info info)
{
    const fo_records_job *job = duckdb_bind_get_extra_info(info);
    char name[24];

    records_add(info, "file", DUCKDB_TYPE_VARCHAR);
    records_add(info, "line", DUCKDB_TYPE_BIGINT);
    records_add(info, "record", DUCKDB_TYPE_VARCHAR);
    records_add(info, "problem", DUCKDB_TYPE_VARCHAR);
    if (job->n_columns == 0)
        records_add(info, "exact", DUCKDB_TYPE_VARCHAR);
    for (size_t i = 0; i < job->n_columns; i++) {
        (void)snprintf(name, sizeof(name), "f%zu", i);
        records_add(info, name, DUCKDB_TYPE_VARCHAR);
    }
}

static void
records_free(void *p)
{
    records_scan *scan = p;

    if (!scan)
        return;
    fo_record_source_close(scan->source);
    fo_free(scan->fields);
    fo_free(scan->scratch.p);
    fo_free(scan->shown.p);
    fo_free(scan);
}

static void
records_init(duckdb_init_info info)
{
    fo_records_job *job = duckdb_init_get_extra_info(info);
    records_scan *scan = fo_zalloc(sizeof(*scan));

    if (scan)
        scan->fields = fo_array(job->n_columns + 1, sizeof(*scan->fields));
    if (!scan || !scan->fields) {
        records_free(scan);
        duckdb_init_set_error(info, "out of memory");
        return;
    }
    scan->job = job;
    duckdb_init_set_init_data(info, scan, records_free);
    duckdb_init_set_max_threads(info, 1);
}

/* The next record of all files. The header of a CSV file is none. */
static finops_code
records_next(records_scan *scan, fo_record *ret, bool *ret_any, finops_error **err)
{
    const fo_records_job *job = scan->job;
    finops_code rc = FINOPS_OK;

    *ret_any = false;
    while (rc == FINOPS_OK && !*ret_any) {
        bool fresh = !scan->source;

        if (fresh && scan->next == job->n_inputs)
            return FINOPS_OK;
        if (fresh)
            rc = fo_record_source_open(job->files, &job->inputs[scan->next++], &scan->source, err);
        if (rc == FINOPS_OK)
            rc = fo_record_source_next(scan->source, ret, ret_any, err);
        if (rc == FINOPS_OK && fresh && job->n_columns > 0 && *ret_any)
            rc = fo_record_source_next(scan->source, ret, ret_any, err);
        if (rc == FINOPS_OK && !*ret_any) {
            fo_record_source_close(scan->source);
            scan->source = NULL;
        }
    }
    return rc;
}

static void
cell_text(duckdb_data_chunk chunk, idx_t column, idx_t row, const char *p, size_t n)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, column);

    if (p) {
        duckdb_unsafe_vector_assign_string_element_len(vector, row, p, n);
        return;
    }
    duckdb_vector_ensure_validity_writable(vector);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

/* Fields of a record into their columns; what is wrong with it into problem. */
static finops_code
row_fields(records_scan *scan, const fo_record *record, duckdb_data_chunk chunk, idx_t row, char *problem,
           finops_error **err)
{
    const fo_records_file *input = &scan->job->inputs[scan->next - 1];
    size_t n;

    for (size_t i = 0; i < scan->job->n_columns; i++)
        cell_text(chunk, AT_FIRST + i, row, NULL, 0);
    if (*problem)
        return FINOPS_OK;
    n = fo_record_split(record, &scan->scratch, scan->fields, input->n_fields);
    if (n == 0)
        return fo_error_oom(err);
    if (n == SIZE_MAX)
        (void)snprintf(problem, PROBLEM_MAX, "text follows a closing quote");
    else if (n != input->n_fields)
        (void)snprintf(problem, PROBLEM_MAX, "%zu fields where the header has %zu", n, input->n_fields);
    for (size_t i = 0; i < n && !*problem; i++)
        if (scan->fields[i].p) {
            duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, AT_FIRST + (idx_t)input->targets[i]);

            duckdb_validity_set_row_valid(duckdb_vector_get_validity(vector), row);
            duckdb_unsafe_vector_assign_string_element_len(vector, row, scan->fields[i].p, scan->fields[i].n);
        }
    return FINOPS_OK;
}

/* A record that is no text is shown as far as it is ASCII. */
static bool
row_shown(records_scan *scan, fo_record *record)
{
    if (!fo_scratch_room(&scan->shown, record->n + 1))
        return false;
    for (size_t i = 0; i < record->n; i++)
        scan->shown.p[i] = record->text[i] > 0 ? record->text[i] : '?';
    record->text = scan->shown.p;
    return true;
}

static finops_code
row_set(records_scan *scan, fo_record *record, duckdb_data_chunk chunk, idx_t row, finops_error **err)
{
    const fo_records_file *input = &scan->job->inputs[scan->next - 1];
    char problem[PROBLEM_MAX] = "";
    size_t bad = 0;
    finops_code rc = FINOPS_OK;

    if (record->open)
        (void)snprintf(problem, sizeof(problem), "a quoted field does not end");
    if (!fo_utf8_valid(record->text, record->n, &bad))
        (void)snprintf(problem, sizeof(problem), "byte %zu of the record is no UTF-8", bad + 1);
    else if (record->n > 0 && memchr(record->text, '\0', record->n))
        (void)snprintf(problem, sizeof(problem), "the record holds a NUL byte");
    if (*problem && !row_shown(scan, record))
        return fo_error_oom(err);
    if (scan->job->n_columns > 0)
        rc = row_fields(scan, record, chunk, row, problem, err);
    else if (*problem)
        cell_text(chunk, AT_FIRST, row, NULL, 0);
    else if (fo_record_exact(record->text, record->n, &scan->scratch))
        cell_text(chunk, AT_FIRST, row, scan->scratch.p, scan->scratch.n);
    else
        rc = fo_error_oom(err);
    cell_text(chunk, AT_FILE, row, input->label, strlen(input->label));
    ((int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, AT_LINE)))[row] = record->line;
    cell_text(chunk, AT_RECORD, row, record->text, record->n);
    cell_text(chunk, AT_PROBLEM, row, *problem ? problem : NULL, strlen(problem));
    return rc;
}

static void
records_function(duckdb_function_info info, duckdb_data_chunk chunk)
{
    records_scan *scan = duckdb_function_get_init_data(info);
    fo_records_job *job = scan->job;
    idx_t rows = 0, room = duckdb_vector_size();
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    size_t bytes = 0;
    bool any = true;
    finops_code rc = FINOPS_OK;

    while (rc == FINOPS_OK && any && rows < room && bytes < CHUNK_BYTES) {
        fo_record record;

        rc = records_next(scan, &record, &any, &err);
        if (rc == FINOPS_OK && any)
            rc = row_set(scan, &record, chunk, rows++, &err);
        bytes += any && rc == FINOPS_OK ? record.n : 0;
    }
    duckdb_data_chunk_set_size(chunk, rc == FINOPS_OK ? rows : 0);
    if (rc == FINOPS_OK)
        return;
    duckdb_function_set_error(info, finops_error_text(err));
    finops_error_free(job->failure);
    job->failure = FO_TAKE(err);
}

finops_code
fo_records_register(fo_conn *conn, fo_records_job *job, finops_error **err)
{
    duckdb_table_function function = duckdb_create_table_function();
    duckdb_state done;

    assert(conn && job);
    duckdb_table_function_set_name(function, "finops_records");
    duckdb_table_function_set_extra_info(function, job, NULL);
    duckdb_table_function_set_bind(function, records_bind);
    duckdb_table_function_set_init(function, records_init);
    duckdb_table_function_set_function(function, records_function);
    done = duckdb_register_table_function(conn->native, function);
    duckdb_destroy_table_function(&function);
    return done == DuckDBSuccess ? FINOPS_OK
                                 : fo_error_set(err, FINOPS_E_INTERNAL, "register finops_records()");
}

finops_code
fo_records_error(fo_records_job *job, finops_code rc, finops_error **err)
{
    finops_error *failure = FO_TAKE(job->failure);

    if (rc == FINOPS_OK || !failure) {
        finops_error_free(failure);
        return rc;
    }
    rc = finops_error_code(failure);
    if (err) {
        finops_error_free(*err);
        *err = failure;
    } else {
        finops_error_free(failure);
    }
    return rc;
}
