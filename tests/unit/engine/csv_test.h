/* What the tests of the CSV reader share: an engine, a folder of files, and one statement over them. */
#ifndef FO_TESTS_CSV_TEST_H
#define FO_TESTS_CSV_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/csv_internal.h"

#define FILES_MAX 4
#define FIELDS_MAX 8

typedef struct fixture {
    fo_engine *engine;
    fo_conn *conn;
    fo_files *files;
    char folder[32];
    fo_strv paths; /* to remove */
    fo_csv_job job;
    fo_csv_file inputs[FILES_MAX];
    int targets[FILES_MAX][FIELDS_MAX];
} fixture;

static inline int
fixture_open(void **state)
{
    const fo_engine_options options = { .threads = 2 };
    fixture *f = fo_zalloc(sizeof(*f));

    if (!f)
        return -1;
    snprintf(f->folder, sizeof(f->folder), "/tmp/finops-csv-XXXXXX");
    *state = f;
    return mkdtemp(f->folder) && fo_engine_open(&options, &f->engine, NULL) == FINOPS_OK &&
                   fo_conn_open(f->engine, &f->conn, NULL) == FINOPS_OK &&
                   fo_files_open(f->engine, &(fo_files_options){ 0 }, &f->files, NULL) == FINOPS_OK
               ? 0
               : -1;
}

static inline int
fixture_close(void **state)
{
    fixture *f = *state;

    fo_files_close(f->files);
    fo_conn_close(f->conn);
    fo_engine_close(f->engine);
    for (size_t i = 0; i < f->paths.n; i++)
        unlink(f->paths.items[i]);
    fo_strv_done(&f->paths);
    rmdir(f->folder);
    fo_free(f);
    return 0;
}

/* The path of a file in the test's folder, removed in the end. */
static inline const char *
fixture_path(fixture *f, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", f->folder, name);
    if (!fo_strv_has(&f->paths, path))
        assert_true(fo_strv_add(&f->paths, path));
    for (size_t i = 0; i < f->paths.n; i++)
        if (fo_streq(f->paths.items[i], path))
            return f->paths.items[i];
    return NULL;
}

static inline const char *
fixture_file(fixture *f, const char *name, const void *bytes, size_t n)
{
    const char *path = fixture_path(f, name);
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* Begins a job anew: its columns are `n` of these. */
static inline void
job_columns(fixture *f, const fo_csv_column *columns, size_t n)
{
    f->job = (fo_csv_job){ .files = f->files, .inputs = f->inputs, .columns = columns, .n_columns = n };
}

/* Adds a file whose fields go to the columns in order, or where `targets` says. */
static inline void
job_file(fixture *f, const char *name, const char *path, size_t n_fields, const int *targets)
{
    size_t i = f->job.n_inputs++;

    assert_true(i < FILES_MAX && n_fields <= FIELDS_MAX);
    for (size_t k = 0; k < n_fields; k++)
        f->targets[i][k] = targets ? targets[k] : (int)k;
    f->inputs[i] =
        (fo_csv_file){ .address = path, .label = name, .targets = f->targets[i], .n_fields = n_fields };
}

/* Adds a file made of text. */
static inline void
job_text(fixture *f, const char *name, const char *text, size_t n_fields)
{
    job_file(f, name, fixture_file(f, name, text, strlen(text)), n_fields, NULL);
}

/* Cells of a result, '|' between columns, a newline after each row; NULL is "-". */
static inline void
result_text(duckdb_result *result, fo_str *ret)
{
    for (idx_t row = 0; row < duckdb_row_count(result); row++)
        for (idx_t c = 0; c < duckdb_column_count(result); c++) {
            char *cell = duckdb_value_varchar(result, c, row);

            fo_str_add(ret, cell ? cell : "-");
            fo_str_addc(ret, c + 1 < duckdb_column_count(result) ? '|' : '\n');
            duckdb_free(cell);
        }
}

/* Runs the statement over the job. A failure is the reader's own where it has one. */
static inline finops_code
job_run(fixture *f, const char *sql, fo_str *ret, finops_error **err)
{
    duckdb_result result;
    finops_code rc = fo_csv_job_begin(f->conn, &f->job, err);

    if (rc != FINOPS_OK)
        return rc;
    if (duckdb_query(fo_conn_native(f->conn), sql, &result) == DuckDBSuccess) {
        result_text(&result, ret);
        rc = fo_str_check(ret, err);
    } else {
        finops_error *failure = fo_csv_failure(f->conn);

        rc = fo_error_set(err, FINOPS_E_DATABASE, "%s", duckdb_result_error(&result));
        if (failure) {
            rc = finops_error_code(failure);
            if (err) {
                finops_error_freep(err);
                *err = FO_TAKE(failure);
            }
        }
        finops_error_free(failure);
    }
    duckdb_destroy_result(&result);
    fo_csv_job_end(f->conn);
    return rc;
}

static inline void
job_gives(fixture *f, const char *sql, const char *expected)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    if (job_run(f, sql, &text, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    assert_string_equal(fo_str_z(&text), expected);
}

/* The statement fails with this code and message, whatever the size of blocks. */
static inline void
job_fails(fixture *f, finops_code code, const char *message)
{
    static const size_t blocks[] = { 1, 17, 300, FO_CSV_BLOCK };

    for (size_t i = 0; i < FO_COUNT(blocks); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
        finops_code rc;

        fo_csv_set_limits(f->conn, (fo_csv_limits){ .block = blocks[i], .input = 512 });
        rc = job_run(f, "FROM finops_bill_csv()", &text, &err);
        fo_csv_set_limits(f->conn, FO_CSV_LIMITS);
        assert_string_equal(finops_error_text(err), message);
        assert_int_equal(rc, code);
    }
}

#endif
