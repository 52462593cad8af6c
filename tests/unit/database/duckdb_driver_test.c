/* The driver of DuckDB, on real files: statements, writes, calls that end early, listings. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "duckdb_fixture.h"

static void
statements_and_parameters_give_rows(void **state)
{
    fixture *f = *state;
    const char *params[] = { "7", NULL };
    finops_statement insert = { .sql = "INSERT INTO t VALUES ($1::INTEGER, $2)",
                                .params = params,
                                .n_params = 2 };
    int64_t changed = 0;

    run(f->conn, "CREATE TABLE t (a INTEGER, b VARCHAR)");
    assert_int_equal(DRIVER->execute(f->conn, &insert, NULL, &changed, NULL), FINOPS_OK);
    assert_int_equal(changed, 1);
    assert_cell(f->conn, "SELECT a || coalesce(b, '-') FROM t; -- all", "7-");
}

static finops_code
put(void *conn, const char *table, finops_write_mode mode, const char *rows_sql, int64_t *ret_rows)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_write write = { .table = table, .mode = mode };
    finops_write_result result = { 0 };
    rows_of rows;
    finops_code rc;

    rows_open(&rows, rows_sql);
    finops_source source = { .stream = &rows.stream };
    rc = DRIVER->write(conn, &write, &source, &result, &err);
    if (rc != FINOPS_OK)
        print_message("%s\n", finops_error_text(err));
    rows_close(&rows);
    if (ret_rows)
        *ret_rows = result.rows;
    return rc;
}

static void
an_arrow_stream_becomes_a_table(void **state)
{
    fixture *f = *state;
    int64_t rows = 0;

    assert_int_equal(put(f->conn, "bill", FINOPS_WRITE_CREATE, bill, &rows), FINOPS_OK);
    assert_int_equal(rows, 100000);
    assert_cell(
        f->conn,
        "SELECT count(*) || ' ' || sum(cost) || ' ' || count(t) || ' ' || max(tags['k']::INT) FROM bill",
        "100000 4999962345.678901234567800000 66666 99999");
    assert_int_equal(put(f->conn, "bill", FINOPS_WRITE_CREATE, bill, &rows), FINOPS_E_EXISTS);
    assert_int_equal(put(f->conn, "bill", FINOPS_WRITE_APPEND, bill, &rows), FINOPS_OK);
    assert_cell(f->conn, "SELECT count(*) FROM bill", "200000");
    assert_cell(f->conn, "SELECT count(*) FROM duckdb_databases() WHERE NOT internal", "1");
}

static void
columns_that_lack_are_added_and_absent_ones_stay_null(void **state)
{
    fixture *f = *state;

    run(f->conn, "CREATE TABLE w (a INTEGER, \"B\" DATE)");
    assert_int_equal(put(f->conn, "w", FINOPS_WRITE_APPEND, "SELECT 1 AS a, 2 AS \"c\"\"d\"", NULL),
                     FINOPS_E_DATABASE);
    assert_cell(f->conn, "SELECT count(*) FROM w", "0");
    assert_int_equal(put(f->conn, "w", FINOPS_WRITE_WIDEN,
                         "SELECT DATE '2026-01-31' AS b, 2::DECIMAL(38,18) AS \"c\"\"d\"", NULL),
                     FINOPS_OK);
    assert_cell(f->conn, "SELECT concat_ws('|', coalesce(a, -1), b, \"c\"\"d\") FROM w",
                "-1|2026-01-31|2.000000000000000000");
    assert_int_equal(put(f->conn, "new", FINOPS_WRITE_WIDEN, "SELECT 1 AS a", NULL), FINOPS_OK);
    assert_cell(f->conn, "SELECT a FROM new", "1");
}

static void
a_select_of_the_database_is_a_source(void **state)
{
    fixture *f = *state;
    finops_write write = { .schema = "s p", .table = "t\"t", .mode = FINOPS_WRITE_CREATE };
    finops_source source = { .sql = "WITH x AS (SELECT range AS a FROM range(10)) SELECT * FROM x; -- end" };
    finops_write_result result = { 0 };

    assert_int_equal(DRIVER->write(f->conn, &write, &source, &result, NULL), FINOPS_OK);
    assert_int_equal(result.rows, 10);
    write.mode = FINOPS_WRITE_APPEND;
    assert_int_equal(DRIVER->write(f->conn, &write, &source, &result, NULL), FINOPS_OK);
    assert_int_equal(result.rows, 10);
    assert_cell(f->conn, "SELECT sum(a) FROM \"s p\".\"t\"\"t\"", "90");
}

/* A stream that fails after its first batch. */
static int (*whole_next)(struct ArrowArrayStream *, struct ArrowArray *);
static int batches;

static int
cut_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    return batches++ < 2 ? whole_next(self, out) : finops_stream_errno(FINOPS_E_CORRUPT);
}

static void
a_stream_that_fails_leaves_nothing_and_is_told_with_its_code(void **state)
{
    fixture *f = *state;
    finops_write write = { .table = "cut", .mode = FINOPS_WRITE_WIDEN };
    rows_of rows;

    run(f->conn, "CREATE TABLE cut (id BIGINT)");
    rows_open(&rows, bill);
    whole_next = rows.stream.get_next;
    batches = 0;
    rows.stream.get_next = cut_next;
    finops_source source = { .stream = &rows.stream };
    assert_int_equal(DRIVER->write(f->conn, &write, &source, NULL, NULL), FINOPS_E_CORRUPT);
    rows_close(&rows);
    assert_cell(f->conn, "SELECT count(*) FROM cut", "0");
    assert_cell(f->conn, "SELECT count(*) FROM duckdb_columns() WHERE table_name = 'cut'", "1");
}

static finops_code
put_changed(void *conn, const char *rows_sql, int (*next)(struct ArrowArrayStream *, struct ArrowArray *))
{
    finops_write write = { .table = "t", .mode = FINOPS_WRITE_WIDEN };
    rows_of rows;
    finops_code rc;

    rows_open(&rows, rows_sql);
    whole_next = rows.stream.get_next;
    rows.stream.get_next = next;
    finops_source source = { .stream = &rows.stream };
    rc = DRIVER->write(conn, &write, &source, NULL, NULL);
    rows_close(&rows);
    return rc;
}

static int
slice_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    int errnum = whole_next(self, out);

    if (!errnum && out->release) {
        out->offset += 3;
        out->length -= 3;
    }
    return errnum;
}

static void
slices_of_batches_are_written(void **state)
{
    fixture *f = *state;

    assert_int_equal(
        put_changed(f->conn,
                    "SELECT i, CASE WHEN i % 2 = 0 THEN i::VARCHAR END AS t, [i] AS l, "
                    "(CASE WHEN i % 3 = 0 THEN NULL ELSE 'x' END)::ENUM('y', 'x') AS e FROM range(100) r(i)",
                    slice_next),
        FINOPS_OK);
    assert_cell(
        f->conn,
        "SELECT concat_ws(' ', count(*), min(i), count(t), min(t::INT), sum(l[1]), count(e), max(e)) FROM t",
        "97 3 48 4 4947 64 x");
}

static int
uncounted_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    int errnum = whole_next(self, out);

    for (int64_t i = 0; !errnum && out->release && i < out->n_children; i++)
        out->children[i]->null_count = -1;
    return errnum;
}

static void
nulls_that_nobody_counted_stay_nulls(void **state)
{
    fixture *f = *state;

    assert_int_equal(put_changed(f->conn,
                                 "SELECT (CASE WHEN i % 3 = 0 THEN NULL ELSE 'x' END)::ENUM('y', 'x') AS e, "
                                 "CASE WHEN i % 4 > 0 THEN i END AS i FROM range(100) r(i)",
                                 uncounted_next),
                     FINOPS_OK);
    assert_cell(f->conn, "SELECT count(*) || ' ' || count(e) || ' ' || count(i) FROM t", "100 66 75");
}

static void
what_the_table_would_round_is_refused(void **state)
{
    fixture *f = *state;

    assert_int_equal(put(f->conn, "t", FINOPS_WRITE_CREATE,
                         "SELECT 1.25::DECIMAL(10,2) AS d, 1 AS a, DATE '2026-01-01' AS t", NULL),
                     FINOPS_OK);
    assert_int_equal(put(f->conn, "t", FINOPS_WRITE_APPEND, "SELECT 0.015::DECIMAL(38,18) AS D", NULL),
                     FINOPS_E_DATA);
    assert_int_equal(put(f->conn, "t", FINOPS_WRITE_WIDEN, "SELECT 1.5::DOUBLE AS a", NULL), FINOPS_E_DATA);
    assert_int_equal(
        put(f->conn, "t", FINOPS_WRITE_APPEND, "SELECT TIMESTAMP '2026-01-02 03:04:05' AS t", NULL),
        FINOPS_E_DATA);
    assert_int_equal(
        put(f->conn, "t", FINOPS_WRITE_APPEND, "SELECT 0.2::DECIMAL(9,1) AS D UNION ALL SELECT NULL", NULL),
        FINOPS_OK);
    assert_cell(f->conn, "SELECT sum(d) || ' ' || count(*) FROM t", "1.45 3");
    assert_int_equal(put(f->conn, "u", FINOPS_WRITE_CREATE, "SELECT 1 AS a, 2 AS \"A\"", NULL),
                     FINOPS_E_DATA);
}

/* Each of these was stored, as another value than it is. */
static void
what_another_type_would_change_is_refused(void **state)
{
    static const char *const rows[] = {
        "SELECT '1.5' AS i",
        "SELECT '1.5'::ENUM('1.5') AS i",
        "SELECT '0.015' AS d",
        "SELECT 0.015::DOUBLE AS d",
        "SELECT '2026-01-02 03:04:05' AS t",
        "SELECT 9007199254740993 AS g",
        "SELECT 16777217::INTEGER AS f",
        "SELECT 0.12345678901234567890123::DECIMAL(38,23) AS g",
        "SELECT 7 AS b",
    };
    fixture *f = *state;

    run(f->conn,
        "CREATE TABLE w (i INTEGER, d DECIMAL(10,2), t DATE, g DOUBLE, f FLOAT, b BOOLEAN, s VARCHAR)");
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        assert_int_equal(put(f->conn, "w", FINOPS_WRITE_APPEND, rows[i], NULL), FINOPS_E_DATA);
    assert_int_equal(
        put(f->conn, "w", FINOPS_WRITE_APPEND,
            "SELECT 1::TINYINT AS i, 2 AS d, 3::INTEGER AS g, 4::SMALLINT AS f, true AS b, 5 AS s", NULL),
        FINOPS_OK);
    assert_cell(f->conn, "SELECT concat_ws(' ', (SELECT count(*) FROM w), i, d, g, f, b, s) FROM w",
                "1 1 2.00 3.0 4.0 true 5");
}

static void
a_write_is_part_of_the_transaction_that_is_open(void **state)
{
    fixture *f = *state;

    assert_int_equal(DRIVER->begin(f->conn, NULL), FINOPS_OK);
    assert_int_equal(put(f->conn, "gone", FINOPS_WRITE_CREATE, "SELECT 1 AS a", NULL), FINOPS_OK);
    assert_int_equal(put(f->conn, "gone", FINOPS_WRITE_WIDEN, "SELECT 2 AS a, 3 AS b", NULL), FINOPS_OK);
    assert_cell(f->conn, "SELECT count(*) || sum(b) FROM gone", "23");
    assert_int_equal(DRIVER->rollback(f->conn, NULL), FINOPS_OK);
    assert_int_equal(DRIVER->begin(f->conn, NULL), FINOPS_OK);
    assert_int_equal(put(f->conn, "stays", FINOPS_WRITE_CREATE, "SELECT 1 AS a", NULL), FINOPS_OK);
    assert_int_equal(DRIVER->commit(f->conn, NULL, NULL), FINOPS_OK);
    assert_cell(f->conn, "SELECT string_agg(table_name) FROM duckdb_tables()", "stays");
    assert_int_equal(DRIVER->commit(f->conn, NULL, NULL), FINOPS_E_ARGUMENT);
}

static finops_code
swap_refused(void *arg, finops_error **err)
{
    ++*(int *)arg;
    return finops_error_new(err, FINOPS_E_DENIED, "no");
}

static finops_code
swap_seen(void *arg, finops_error **err)
{
    (void)err;
    ++*(int *)arg;
    return FINOPS_OK;
}

static void
one_month_of_a_table_is_replaced(void **state)
{
    fixture *f = *state;
    int calls = 0;
    finops_partition month = {
        .table = "bills", .column = "month", .value = "2026-01", .before_swap = swap_seen, .arg = &calls
    };
    finops_source first = { .sql = "SELECT '2026-01' AS month, 1 AS cost UNION ALL SELECT '2026-02', 10" };
    finops_source second = { .sql = "SELECT '2026-01' AS month, 2 AS cost, 'x' AS tag" };
    finops_write_result result = { 0 };

    assert_int_equal(DRIVER->replace_partition(f->conn, &month, &first, &result, NULL), FINOPS_OK);
    assert_int_equal(DRIVER->replace_partition(f->conn, &month, &second, &result, NULL), FINOPS_OK);
    assert_int_equal(result.rows, 1);
    assert_int_equal(calls, 2);
    assert_cell(
        f->conn,
        "SELECT string_agg(month || ' ' || cost || coalesce(tag, '-'), ', ' ORDER BY month) FROM bills",
        "2026-01 2x, 2026-02 10-");
    month.before_swap = swap_refused;
    assert_int_equal(DRIVER->replace_partition(f->conn, &month, &first, &result, NULL), FINOPS_E_DENIED);
    assert_cell(f->conn, "SELECT sum(cost) FROM bills", "12");
}

static void
a_table_is_replaced_as_a_whole_or_not_at_all(void **state)
{
    fixture *f = *state;
    finops_partition table = { .table = "t" };
    finops_source one = { .sql = "SELECT 1 AS a" }, bad = { .sql = "SELECT error('x') AS a" };
    finops_source two = { .sql = "SELECT 'y' AS b" };

    assert_int_equal(DRIVER->replace_partition(f->conn, &table, &one, NULL, NULL), FINOPS_OK);
    assert_int_not_equal(DRIVER->replace_partition(f->conn, &table, &bad, NULL, NULL), FINOPS_OK);
    assert_cell(f->conn, "SELECT a FROM t", "1");
    assert_int_equal(DRIVER->begin(f->conn, NULL), FINOPS_OK);
    assert_int_equal(DRIVER->replace_partition(f->conn, &table, &two, NULL, NULL), FINOPS_OK);
    assert_cell(f->conn, "SELECT b FROM t", "y");
    assert_int_equal(DRIVER->rollback(f->conn, NULL), FINOPS_OK);
    assert_cell(f->conn, "SELECT a FROM t", "1");
}

static void
a_statement_ends_at_its_deadline(void **state)
{
    fixture *f = *state;
    int64_t begin = fo_clock_monotonic();
    finops_call call = { .deadline_us = begin + 100000 };

    assert_int_equal(execute_with(f->conn, endless, &call, false), FINOPS_E_TIMEOUT);
    call.deadline_us = fo_clock_monotonic() + 100000;
    assert_int_equal(execute_with(f->conn, endless, &call, true), FINOPS_E_TIMEOUT);
    assert_int_equal(execute_with(f->conn, "SELECT 1", &call, true),
                     FINOPS_E_TIMEOUT); /* it is over already */
    assert_true(fo_clock_monotonic() - begin < 2000000);
    assert_cell(f->conn, "SELECT 'the connection' || ' goes on'", "the connection goes on");
}

static int64_t told;

static void
tell(double fraction, int64_t rows, void *arg)
{
    (void)arg;
    (void)rows;
    told += fraction <= 1;
}

static void
a_call_that_is_cancelled_ends_and_leaves_nothing(void **state)
{
    fixture *f = *state;
    int asked = 0;
    finops_call call = { .cancelled = after_three, .arg = &asked };
    FO_AUTO(fo_freep) char *sql = fo_format("CREATE TABLE t AS %s", endless);

    assert_int_equal(execute_with(f->conn, sql, &call, false), FINOPS_E_CANCELLED);
    asked = 0;
    finops_write write = { .table = "t", .mode = FINOPS_WRITE_WIDEN, .call = &call };
    finops_source source = { .sql = endless };
    assert_int_equal(DRIVER->write(f->conn, &write, &source, NULL, NULL), FINOPS_E_CANCELLED);
    assert_cell(f->conn, "SELECT count(*) FROM duckdb_tables()", "0");
}

static void
progress_is_told_while_a_statement_runs(void **state)
{
    fixture *f = *state;
    finops_call call = { .deadline_us = fo_clock_monotonic() + 500000, .progress = tell };

    told = 0;
    assert_int_equal(execute_with(f->conn, endless, &call, false), FINOPS_E_TIMEOUT);
    assert_true(told > 0);
}

static void
tell_and_cancel(double fraction, int64_t rows, void *arg)
{
    (void)fraction;
    (void)rows;
    DRIVER->cancel(arg);
}

static void
what_is_told_of_progress_may_cancel(void **state)
{
    fixture *f = *state;
    finops_call call = { .progress = tell_and_cancel, .arg = f->conn };

    assert_int_equal(execute_with(f->conn, endless, &call, false), FINOPS_E_CANCELLED);
    assert_int_equal(execute_with(f->conn, endless, &call, true), FINOPS_E_CANCELLED);
}

static void
another_thread_cancels_what_runs(void **state)
{
    fixture *f = *state;
    pthread_t thread;

    DRIVER->cancel(f->conn); /* nothing runs: nothing happens */
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, f->conn), 0);
    assert_int_equal(execute_with(f->conn, endless, NULL, false), FINOPS_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(execute_with(f->conn, "SELECT 1", NULL, true), FINOPS_OK);
}

typedef struct listing {
    fo_str text;
    unsigned left;
} listing;

static bool
list_column(const finops_column *column, void *arg)
{
    listing *l = arg;

    fo_str_addf(&l->text, "%s:%d:%d.%d:%s:%d ", column->name, (int)column->type, column->precision,
                column->scale, column->native, column->nullable);
    return --l->left > 0;
}

static bool
list_name(const char *schema, const char *name, bool is_view, void *arg)
{
    listing *l = arg;

    fo_str_addf(&l->text, "%s.%s%s ", schema, name, is_view ? "*" : "");
    return --l->left > 0;
}

static void
columns_are_told_with_their_types(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_str_done) fo_str expected = FO_STR_INIT;
    listing l = { FO_STR_INIT, 100 };

    run(f->conn, "CREATE TABLE t (a BIGINT NOT NULL, d DECIMAL(38,18), ts TIMESTAMP, tz TIMESTAMPTZ, "
                 "m MAP(VARCHAR, DOUBLE), s STRUCT(x INTEGER), l INTEGER[], j JSON, b BLOB, h HUGEINT)");
    fo_str_addf(&expected,
                "a:%d:0.0:BIGINT:0 d:%d:38.18:DECIMAL(38,18):1 ts:%d:0.0:TIMESTAMP:1 "
                "tz:%d:0.0:TIMESTAMP WITH TIME ZONE:1 m:%d:0.0:MAP(VARCHAR, DOUBLE):1 "
                "s:%d:0.0:STRUCT(x INTEGER):1 l:%d:0.0:INTEGER[]:1 j:%d:0.0:JSON:1 b:%d:0.0:BLOB:1 "
                "h:%d:0.0:HUGEINT:1 ",
                FINOPS_TYPE_INT, FINOPS_TYPE_DECIMAL, FINOPS_TYPE_TIMESTAMP, FINOPS_TYPE_TIMESTAMP_TZ,
                FINOPS_TYPE_MAP, FINOPS_TYPE_STRUCT, FINOPS_TYPE_LIST, FINOPS_TYPE_JSON, FINOPS_TYPE_BYTES,
                FINOPS_TYPE_OTHER);
    assert_int_equal(DRIVER->columns(f->conn, NULL, "t", list_column, &l, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&l.text), fo_str_z(&expected));
    fo_str_clear(&l.text);
    l.left = 1;
    assert_int_equal(DRIVER->columns(f->conn, "main", "t", list_column, &l, NULL), FINOPS_OK);
    assert_true(fo_str_ok(&l.text) && fo_starts(l.text.data, "a:") && !strstr(l.text.data, "d:"));
    fo_str_clear(&l.text);
    assert_int_equal(DRIVER->columns(f->conn, "main", "it's not there", list_column, &l, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&l.text), "");
    fo_str_done(&l.text);
}

static void
tables_and_views_are_listed_in_order(void **state)
{
    fixture *f = *state;
    listing l = { FO_STR_INIT, 100 };

    run(f->conn, "CREATE SCHEMA s; CREATE TABLE s.b (a INTEGER); CREATE VIEW s.a AS SELECT 1; "
                 "CREATE TABLE z (a INTEGER)");
    assert_int_equal(DRIVER->tables(f->conn, NULL, list_name, &l, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&l.text), "main.z s.a* s.b ");
    fo_str_clear(&l.text);
    assert_int_equal(DRIVER->tables(f->conn, "s", list_name, &l, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&l.text), "s.a* s.b ");
    fo_str_done(&l.text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_FILE(statements_and_parameters_give_rows),
        IN_MEMORY(statements_and_parameters_give_rows),
        ON_FILE(an_arrow_stream_becomes_a_table),
        IN_MEMORY(an_arrow_stream_becomes_a_table),
        ON_FILE(columns_that_lack_are_added_and_absent_ones_stay_null),
        ON_FILE(a_select_of_the_database_is_a_source),
        ON_FILE(a_stream_that_fails_leaves_nothing_and_is_told_with_its_code),
        ON_FILE(slices_of_batches_are_written),
        ON_FILE(nulls_that_nobody_counted_stay_nulls),
        ON_FILE(what_the_table_would_round_is_refused),
        ON_FILE(what_another_type_would_change_is_refused),
        ON_FILE(a_write_is_part_of_the_transaction_that_is_open),
        ON_FILE(one_month_of_a_table_is_replaced),
        ON_FILE(a_table_is_replaced_as_a_whole_or_not_at_all),
        ON_FILE(a_statement_ends_at_its_deadline),
        ON_FILE(a_call_that_is_cancelled_ends_and_leaves_nothing),
        ON_FILE(progress_is_told_while_a_statement_runs),
        ON_FILE(what_is_told_of_progress_may_cancel),
        ON_FILE(another_thread_cancels_what_runs),
        ON_FILE(columns_are_told_with_their_types),
        ON_FILE(tables_and_views_are_listed_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
