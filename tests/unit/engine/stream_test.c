/* Results as rows and as Arrow streams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/engine.h"

typedef struct fixture {
    fo_engine *engine;
    fo_conn *conn;
} fixture;

static int
setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    fo_engine_options options = { .threads = 2 };

    assert_int_equal(fo_engine_open(&options, &f->engine, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(f->engine, &f->conn, NULL), FINOPS_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    fo_conn_close(f->conn);
    fo_engine_close(f->engine);
    free(f);
    return 0;
}

static void
rows_come_as_text_with_their_names(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert_int_equal(
        fo_conn_rows(
            f->conn,
            "SELECT 1.5::DECIMAL(38,18) AS cost, NULL AS nothing, '' AS empty, [1, 2] AS \"a list\", "
            "TIMESTAMP '2026-11-21 06:01:16' AS t, i AS n FROM range(3) r(i) ORDER BY i DESC",
            NULL, 0, &rows, NULL),
        FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 3);
    assert_string_equal(fo_rows_name(rows, 3), "a list");
    assert_string_equal(fo_rows_text(rows, 0, 0), "1.500000000000000000");
    assert_null(fo_rows_text(rows, 0, 1));
    assert_int_equal(fo_rows_int(rows, 0, 1), 0);
    assert_string_equal(fo_rows_text(rows, 0, 2), "");
    assert_string_equal(fo_rows_text(rows, 0, 3), "[1, 2]");
    assert_string_equal(fo_rows_text(rows, 0, 4), "2026-11-21 06:01:16");
    assert_int_equal(fo_rows_int(rows, 0, 5), 2);
    assert_int_equal(fo_rows_int(rows, 2, 5), 0);
}

static void
no_rows_still_have_columns(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert_int_equal(fo_conn_rows(f->conn, "SELECT 1 AS a WHERE false", NULL, 0, &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 0);
    assert_int_equal(fo_rows_columns(rows), 1);
    assert_string_equal(fo_rows_name(rows, 0), "a");
}

static void
statements_that_are_no_select_give_rows_too(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert_int_equal(fo_conn_exec(f->conn, "CREATE TABLE t (a INTEGER, b VARCHAR)", NULL), FINOPS_OK);
    assert_int_equal(
        fo_conn_rows(f->conn, "INSERT INTO t VALUES (4, 'x') RETURNING a, b", NULL, 0, &rows, NULL),
        FINOPS_OK);
    assert_string_equal(fo_rows_text(rows, 0, 0), "4");
    assert_string_equal(fo_rows_text(rows, 0, 1), "x");
    fo_rows_freep(&rows);
    rows = NULL;
    assert_int_equal(fo_conn_rows(f->conn, "DESCRIBE t", NULL, 0, &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 2);
}

static void
a_cell_that_is_no_text_is_refused_by_its_column(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    struct ArrowArrayStream stream = { 0 };
    fo_rows *rows = NULL;

    assert_int_equal(fo_conn_stream(f->conn, "SELECT 1.5::DOUBLE AS cost", NULL, 0, &stream, NULL),
                     FINOPS_OK);
    assert_int_equal(fo_rows_from_stream(&stream, &rows, &err), FINOPS_E_UNSUPPORTED);
    assert_string_equal(finops_error_text(err), "column cost is not text");
    assert_null(rows);
    assert_null(stream.release);
}

/* Fifty million rows are 400 MB; the engine may hold an eighth of that and has no disk to put them on. */
static void
a_stream_of_fifty_million_rows_takes_little_memory(void **state)
{
    fixture *f = *state;
    struct ArrowArrayStream stream = { 0 };
    struct ArrowSchema schema;
    struct ArrowArray batch;
    int64_t rows = 0;

    assert_int_equal(
        fo_conn_exec(f->conn, "SET memory_limit = '50MB'; SET max_temp_directory_size = '0KB'", NULL),
        FINOPS_OK);
    assert_int_equal(fo_conn_stream(f->conn, "SELECT * FROM range(50000000)", NULL, 0, &stream, NULL),
                     FINOPS_OK);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    assert_string_equal(schema.children[0]->format, "l");
    schema.release(&schema);
    for (;;) {
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        if (!batch.release)
            break;
        assert_int_equal(((const int64_t *)batch.children[0]->buffers[1])[0], rows);
        rows += batch.length;
        batch.release(&batch);
    }
    stream.release(&stream);
    assert_int_equal(rows, 50000000);
}

static void
a_failure_in_the_middle_of_a_stream_is_told(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    struct ArrowArrayStream stream = { 0 };
    struct ArrowArray batch = { 0 };
    int errnum = 0;

    assert_int_equal(
        fo_conn_stream(f->conn,
                       "SELECT CAST(CASE WHEN i < 3000000 THEN '1' ELSE 'x' END AS INTEGER) FROM "
                       "range(4000000) r(i)",
                       NULL, 0, &stream, NULL),
        FINOPS_OK);
    while (errnum == 0) {
        errnum = stream.get_next(&stream, &batch);
        if (errnum == 0) {
            assert_non_null(batch.release);
            batch.release(&batch);
        }
    }
    assert_int_equal(fo_stream_error(&stream, errnum, &err), FINOPS_E_DATA);
    assert_non_null(strstr(finops_error_text(err), "'x'"));
    stream.release(&stream);
}

static void
a_cancel_between_batches_ends_the_stream(void **state)
{
    fixture *f = *state;
    fo_cancel cancel = { 0 };
    struct ArrowArrayStream stream = { 0 };
    struct ArrowArray batch = { 0 };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    int errnum;

    fo_conn_set_cancel(f->conn, &cancel);
    assert_int_equal(fo_conn_stream(f->conn, "SELECT * FROM range(100000000000)", NULL, 0, &stream, NULL),
                     FINOPS_OK);
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    batch.release(&batch);
    fo_cancel_request(&cancel);
    errnum = stream.get_next(&stream, &batch);
    assert_int_not_equal(errnum, 0);
    assert_int_equal(fo_stream_error(&stream, errnum, &err), FINOPS_E_CANCELLED);
    stream.release(&stream);
    fo_conn_set_cancel(f->conn, NULL);
    assert_int_equal(fo_conn_exec(f->conn, "SELECT 1", NULL), FINOPS_OK);
}

static void
rows_survive_every_failed_allocation(void **state)
{
    fixture *f = *state;
    finops_code rc;
    unsigned n = 0;

    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

        fo_mem_fail_at(++n);
        rc = fo_conn_rows(f->conn, "SELECT i, 'x' AS b FROM range(5) r(i)", NULL, 0, &rows, &err);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_mem_fail_at(0);
        assert_true((rows != NULL) == (rc == FINOPS_OK));
    } while (rc != FINOPS_OK);
    assert_true(n > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_come_as_text_with_their_names, setup, teardown),
        cmocka_unit_test_setup_teardown(no_rows_still_have_columns, setup, teardown),
        cmocka_unit_test_setup_teardown(statements_that_are_no_select_give_rows_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cell_that_is_no_text_is_refused_by_its_column, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_of_fifty_million_rows_takes_little_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failure_in_the_middle_of_a_stream_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancel_between_batches_ends_the_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_survive_every_failed_allocation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
