/* The driver of DuckDB, on real files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/settings.h"
#include "database/duckdb/driver.h"
#include "engine/engine.h"
#include "finops/sys/plugin.h"

#define DRIVER (&fo_duckdb_driver)

typedef struct fixture {
    char folder[64];
    char *path;
    fo_duckdb_settings settings;
    void *self;
    void *conn; /* may write */
} fixture;

static fixture *
fixture_new(bool file)
{
    fixture *f = fo_zalloc(sizeof(*f));

    assert_non_null(f);
    memcpy(f->folder, "/tmp/finops-duckdb-XXXXXX", sizeof("/tmp/finops-duckdb-XXXXXX"));
    assert_non_null(mkdtemp(f->folder));
    f->path = file ? fo_format("%s/x.duckdb", f->folder) : fo_strdup(":memory:");
    assert_non_null(f->path);
    f->settings = (fo_duckdb_settings){ .database_path = f->path,
                                        .memory_limit = (uint64_t)256 << 20,
                                        .lock_timeout = 0 };
    assert_int_equal(DRIVER->open(&f->settings, &f->self, NULL), FINOPS_OK);
    return f;
}

static int
with_file(void **state)
{
    fixture *f = fixture_new(true);

    *state = f;
    return DRIVER->connect(f->self, 0, NULL, &f->conn, NULL) == FINOPS_OK ? 0 : -1;
}

static int
with_nothing(void **state)
{
    *state = fixture_new(true);
    return 0;
}

static int
done(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_strv_done) fo_strv files = FO_STRV_INIT;

    DRIVER->disconnect(f->conn);
    DRIVER->close(f->self);
    if (fo_walk(f->folder, &files, NULL) == FINOPS_OK)
        for (size_t i = 0; i < files.n; i++) {
            FO_AUTO(fo_freep) char *path = fo_path_join(f->folder, files.items[i]);

            (void)unlink(path);
        }
    (void)rmdir(f->folder);
    fo_free(f->path);
    fo_free(f);
    return 0;
}

static void
run(void *conn, const char *sql)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_statement statement = { .sql = sql };

    if (DRIVER->execute(conn, &statement, NULL, NULL, &err) != FINOPS_OK)
        fail_msg("%s: %s", sql, finops_error_text(err));
}

/* The first cell of a statement's rows, in memory of its own. */
static char *
cell(void *conn, const char *sql)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_statement statement = { .sql = sql, .as_text = true };
    struct ArrowArrayStream stream = { 0 };

    if (DRIVER->execute(conn, &statement, &stream, NULL, &err) != FINOPS_OK ||
        fo_rows_from_stream(&stream, &rows, &err) != FINOPS_OK)
        fail_msg("%s: %s", sql, finops_error_text(err));
    return fo_rows_count(rows) && fo_rows_text(rows, 0, 0) ? fo_strdup(fo_rows_text(rows, 0, 0)) : NULL;
}

static void
assert_cell(void *conn, const char *sql, const char *expected)
{
    FO_AUTO(fo_freep) char *text = cell(conn, sql);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

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

/* A stream of the rows of a statement, made by another database in memory. */
typedef struct rows_of {
    fo_engine *engine;
    fo_conn *conn;
    struct ArrowArrayStream stream;
} rows_of;

static void
rows_open(rows_of *r, const char *sql)
{
    fo_engine_options options = { 0 };

    memset(r, 0, sizeof(*r));
    assert_int_equal(fo_engine_open(&options, &r->engine, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(r->engine, &r->conn, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_stream(r->conn, sql, NULL, 0, &r->stream, NULL), FINOPS_OK);
}

static void
rows_close(rows_of *r)
{
    assert_null(r->stream.release); /* taken */
    fo_conn_close(r->conn);
    fo_engine_close(r->engine);
}

static const char bill[] = "SELECT i AS id, (i::DECIMAL(38,18) + 0.123456789012345678) AS cost, "
                           "CASE WHEN i % 3 = 0 THEN NULL ELSE make_timestamp(i * 1000000) END AS t, "
                           "MAP {'k': i::VARCHAR} AS tags FROM range(100000) r(i)";

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

static const char endless[] =
    "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7";

static finops_code
execute_with(void *conn, const char *sql, const finops_call *call, bool with_rows)
{
    finops_statement statement = { .sql = sql, .call = call };
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = DRIVER->execute(conn, &statement, with_rows ? &stream : NULL, NULL, NULL);

    if (rc == FINOPS_OK && with_rows) {
        struct ArrowArray batch = { 0 };
        int errnum = stream.get_next(&stream, &batch);

        rc = errnum ? finops_stream_code(errnum) : FINOPS_OK;
        if (batch.release)
            batch.release(&batch);
        stream.release(&stream);
    }
    return rc;
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

static bool
after_three(void *arg)
{
    return ++*(int *)arg > 3;
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

static void *
cancel_soon(void *conn)
{
    (void)usleep(100000);
    DRIVER->cancel(conn);
    return NULL;
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

static void *
connect_to(fixture *f, unsigned flags)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    void *conn = NULL;

    if (DRIVER->connect(f->self, flags, NULL, &conn, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    return conn;
}

static void
connections_of_a_process_share_the_open_file(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_freep) char *link = fo_format("%s/link.duckdb", f->folder);
    fo_duckdb_settings settings = f->settings;
    void *self = NULL, *other = NULL;

    assert_int_equal(symlink(f->path, link), 0);
    settings.database_path = link;
    assert_int_equal(DRIVER->open(&settings, &self, NULL), FINOPS_OK);
    assert_int_equal(DRIVER->connect(self, 0, NULL, &other, NULL), FINOPS_OK);
    assert_ptr_equal(fo_duckdb_engine(other), fo_duckdb_engine(f->conn));
    run(f->conn, "CREATE TABLE t AS SELECT 1 AS a");
    assert_cell(other, "SELECT a FROM t", "1");
    DRIVER->disconnect(other);
    DRIVER->close(self);
    assert_cell(f->conn, "SELECT a FROM t", "1");
}

static void
two_files_are_two_databases(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_freep) char *path = fo_format("%s/new folder/y.duckdb", f->folder);
    fo_duckdb_settings settings = f->settings;
    void *self = NULL, *other = NULL;

    settings.database_path = path;
    assert_int_equal(DRIVER->open(&settings, &self, NULL), FINOPS_OK);
    assert_int_equal(access(path, F_OK), -1); /* not yet */
    assert_int_equal(DRIVER->connect(self, 0, NULL, &other, NULL), FINOPS_OK);
    run(f->conn, "CREATE TABLE t AS SELECT 1 AS a");
    run(other, "CREATE TABLE t AS SELECT 2 AS a");
    assert_cell(f->conn, "SELECT a FROM t", "1");
    assert_cell(other, "SELECT a FROM t", "2");
    DRIVER->disconnect(other);
    DRIVER->close(self);
    (void)unlink(path);
    FO_AUTO(fo_freep) char *folder = fo_format("%s/new folder", f->folder);
    assert_int_equal(rmdir(folder), 0); /* nothing is left beside it */
}

static void
a_reader_without_a_file_is_told_so(void **state)
{
    fixture *f = *state;
    void *conn = NULL;

    assert_int_equal(DRIVER->connect(f->self, FINOPS_CONNECT_READ_ONLY, NULL, &conn, NULL),
                     FINOPS_E_NOT_FOUND);
    assert_null(conn);
    assert_int_equal(access(f->path, F_OK), -1);
}

static void
a_reader_only_reads(void **state)
{
    fixture *f = *state;
    void *reader = connect_to(f, FINOPS_CONNECT_READ_ONLY);
    finops_write write = { .table = "t", .mode = FINOPS_WRITE_WIDEN };
    finops_source source = { .sql = "SELECT 1" };
    rows_of rows;

    run(f->conn, "CREATE TABLE t AS SELECT 1 AS a; CREATE SEQUENCE s");
    assert_cell(reader, "SELECT a FROM t", "1");
    assert_int_equal(execute_with(reader, "DELETE FROM t", NULL, false), FINOPS_E_USAGE);
    assert_int_equal(execute_with(reader, "DELETE FROM t RETURNING a", NULL, true), FINOPS_E_USAGE);
    assert_int_not_equal(execute_with(reader, "SELECT nextval('s')", NULL, true), FINOPS_OK);
    assert_int_equal(DRIVER->write(reader, &write, &source, NULL, NULL), FINOPS_E_USAGE);
    rows_open(&rows, bill);
    source = (finops_source){ .stream = &rows.stream };
    assert_int_equal(DRIVER->write(reader, &write, &source, NULL, NULL), FINOPS_E_USAGE);
    rows_close(&rows);
    assert_null(fo_duckdb_conn(reader));
    assert_cell(reader, "SELECT count(*) FROM t", "1");
    DRIVER->disconnect(reader);
}

static void
readers_come_and_go_with_writers(void **state)
{
    fixture *f = *state;
    void *writer = connect_to(f, 0), *reader, *second;
    finops_statement statement = { .sql = "SELECT * FROM range(100000)" };
    struct ArrowArrayStream stream = { 0 };
    finops_call call = { .deadline_us = 0 };

    run(writer, "CREATE TABLE t AS SELECT 1 AS a");
    DRIVER->disconnect(writer);
    reader = connect_to(f, FINOPS_CONNECT_READ_ONLY); /* of the file */
    assert_cell(reader, "SELECT a FROM t", "1");
    writer = connect_to(f, 0); /* an idle reader is in nobody's way */
    run(writer, "UPDATE t SET a = 2");
    assert_cell(reader, "SELECT a FROM t", "2");
    second = connect_to(f, FINOPS_CONNECT_READ_ONLY); /* of the instance that writes */
    DRIVER->disconnect(writer);
    assert_cell(reader, "SELECT a FROM t", "2");
    assert_cell(second, "SELECT a FROM t", "2");

    assert_int_equal(DRIVER->execute(reader, &statement, &stream, NULL, NULL), FINOPS_OK);
    call.deadline_us = fo_clock_monotonic() + 50000;
    assert_int_equal(DRIVER->connect(f->self, 0, &call, &writer, NULL),
                     FINOPS_E_BUSY); /* lock_timeout is 0 */
    stream.release(&stream);
    writer = connect_to(f, 0);
    DRIVER->disconnect(writer);
    DRIVER->disconnect(reader);
    DRIVER->disconnect(second);
}

static void
a_reader_sees_one_state_in_its_transaction(void **state)
{
    fixture *f = *state;
    void *reader = connect_to(f, FINOPS_CONNECT_READ_ONLY);

    run(f->conn, "CREATE TABLE t AS SELECT 1 AS a");
    assert_int_equal(DRIVER->begin(reader, NULL), FINOPS_OK);
    assert_cell(reader, "SELECT a FROM t", "1");
    run(f->conn, "UPDATE t SET a = 2");
    assert_cell(reader, "SELECT a FROM t", "1");
    assert_int_equal(DRIVER->commit(reader, NULL, NULL), FINOPS_OK);
    assert_cell(reader, "SELECT a FROM t", "2");
    assert_int_equal(DRIVER->begin(reader, NULL), FINOPS_OK);
    DRIVER->disconnect(reader);
}

/* Another process that has the file open to write until its input ends. */
typedef struct other_process {
    pid_t pid;
    int in, out;
} other_process;

static void
other_begin(other_process *p, const char *path)
{
    int in[2], out[2];
    char ready;

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        (void)dup2(in[0], 0);
        (void)dup2(out[1], 1);
        (void)close(in[1]);
        (void)close(out[0]);
        (void)execl("/proc/self/exe", "duckdb_driver_test", "hold", path, (char *)NULL);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    p->in = in[1];
    p->out = out[0];
    assert_int_equal(read(p->out, &ready, 1), 1);
}

static void
other_end(other_process *p)
{
    int status = -1;

    (void)close(p->in);
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    assert_int_equal(status, 0);
    (void)close(p->out);
}

static int
hold(char *path)
{
    fo_duckdb_settings settings = { .database_path = path };
    void *self = NULL, *conn = NULL;
    char c;

    if (DRIVER->open(&settings, &self, NULL) != FINOPS_OK ||
        DRIVER->connect(self, 0, NULL, &conn, NULL) != FINOPS_OK)
        return 1;
    finops_statement statement = {
        .sql = "CREATE OR REPLACE TABLE held AS SELECT range AS i FROM range(100000)"
    };
    if (DRIVER->execute(conn, &statement, NULL, NULL, NULL) != FINOPS_OK || write(1, "r", 1) != 1)
        return 2;
    while (read(0, &c, 1) > 0)
        ;
    DRIVER->disconnect(conn);
    DRIVER->close(self);
    return 0;
}

static void
a_file_that_another_process_writes_is_read_through_it(void **state)
{
    fixture *f = *state;
    other_process other;
    void *conn = NULL, *reader;
    const char *params[] = { "9", NULL };
    finops_statement statement = { .sql = "SELECT count(*) FROM held WHERE i < $1::INTEGER AND $2 IS NULL",
                                   .params = params,
                                   .n_params = 2,
                                   .as_text = true };
    struct ArrowArrayStream stream = { 0 };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    int64_t begin;

    other_begin(&other, f->path);
    assert_int_equal(DRIVER->connect(f->self, 0, NULL, &conn, NULL), FINOPS_E_BUSY);
    reader = connect_to(f, FINOPS_CONNECT_READ_ONLY);
    assert_cell(reader, "SELECT sum(i) FROM held", "4999950000");
    assert_int_equal(DRIVER->execute(reader, &statement, &stream, NULL, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_from_stream(&stream, &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_int(rows, 0, 0), 9);
    assert_int_equal(execute_with(reader, "DELETE FROM held", NULL, false), FINOPS_E_USAGE);
    begin = fo_clock_monotonic();
    finops_call call = { .deadline_us = begin + 100000 };
    assert_int_equal(execute_with(reader, endless, &call, true), FINOPS_E_TIMEOUT);
    assert_true(fo_clock_monotonic() - begin < 2000000);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, reader), 0);
    assert_int_equal(execute_with(reader, endless, NULL, true), FINOPS_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    other_end(&other);
    assert_cell(reader, "SELECT sum(i) FROM held", "4999950000"); /* from the file now */
    conn = connect_to(f, 0);
    DRIVER->disconnect(conn);
    DRIVER->disconnect(reader);
}

static void
waiting_for_another_process_ends_at_the_deadline(void **state)
{
    fixture *f = *state;
    other_process other;
    void *self = NULL, *conn = NULL;
    int asked = 0;
    finops_call late = { .deadline_us = fo_clock_monotonic() + 100000 };
    finops_call cancelled = { .cancelled = after_three, .arg = &asked };

    f->settings.lock_timeout = 60;
    assert_int_equal(DRIVER->open(&f->settings, &self, NULL), FINOPS_OK);
    other_begin(&other, f->path);
    assert_int_equal(DRIVER->connect(self, 0, &late, &conn, NULL), FINOPS_E_TIMEOUT);
    assert_int_equal(DRIVER->connect(self, 0, &cancelled, &conn, NULL), FINOPS_E_CANCELLED);
    assert_null(conn);
    (void)close(other.in);
    other.in = -1;
    assert_int_equal(DRIVER->connect(self, 0, NULL, &conn, NULL), FINOPS_OK); /* once the other has ended */
    other_end(&other);
    DRIVER->disconnect(conn);
    DRIVER->close(self);
}

static void *
come_and_go(void *arg)
{
    fixture *f = arg;

    for (int i = 0; i < 20; i++) {
        void *conn = NULL;
        finops_statement statement = { .sql = "INSERT INTO t VALUES (1)" };

        if (DRIVER->connect(f->self, i % 3 == 0 ? FINOPS_CONNECT_READ_ONLY : 0, NULL, &conn, NULL) !=
            FINOPS_OK)
            return arg;
        if (i % 3 == 0)
            statement.sql = "SELECT count(*) FROM t";
        finops_code rc = DRIVER->execute(conn, &statement, NULL, NULL, NULL);
        DRIVER->disconnect(conn);
        if (rc != FINOPS_OK)
            return arg;
    }
    return NULL;
}

static void
many_threads_come_and_go(void **state)
{
    fixture *f = *state;
    pthread_t threads[4];
    void *failed, *conn;

    f->settings.lock_timeout = 30;
    DRIVER->close(f->self);
    assert_int_equal(DRIVER->open(&f->settings, &f->self, NULL), FINOPS_OK);
    conn = connect_to(f, 0);
    run(conn, "CREATE TABLE t (a INTEGER)");
    DRIVER->disconnect(conn);
    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, f), 0);
    for (size_t i = 0; i < FO_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    conn = connect_to(f, FINOPS_CONNECT_READ_ONLY);
    assert_cell(conn, "SELECT count(*) FROM t", "52");
    DRIVER->disconnect(conn);
}

static void
a_lock_is_held_by_one_connection(void **state)
{
    fixture *f = *state;
    void *second = connect_to(f, 0), *reader = connect_to(f, FINOPS_CONNECT_READ_ONLY);
    finops_call call = { .deadline_us = fo_clock_monotonic() + 50000 };

    assert_int_equal(DRIVER->lock(f->conn, "it's", &call, NULL), FINOPS_OK);
    assert_int_equal(DRIVER->lock(f->conn, "it's", &call, NULL), FINOPS_OK);
    assert_int_equal(DRIVER->lock(second, "it's", &call, NULL), FINOPS_E_BUSY);
    assert_int_equal(DRIVER->unlock(second, "it's", NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(DRIVER->lock(reader, "another", &call, NULL), FINOPS_E_USAGE);
    assert_int_equal(DRIVER->unlock(f->conn, "it's", NULL), FINOPS_OK);
    assert_int_equal(DRIVER->lock(second, "it's", &call, NULL), FINOPS_E_BUSY); /* taken twice */
    DRIVER->disconnect(f->conn);
    f->conn = NULL;
    assert_int_equal(DRIVER->lock(second, "it's", &call, NULL), FINOPS_OK);
    DRIVER->disconnect(reader);
    DRIVER->disconnect(second);
}

static int
with_memory(void **state)
{
    fixture *f = fixture_new(false);

    *state = f;
    return DRIVER->connect(f->self, 0, NULL, &f->conn, NULL) == FINOPS_OK ? 0 : -1;
}

static void
a_database_in_memory_belongs_to_its_configuration(void **state)
{
    fixture *f = *state;
    void *second, *other = NULL, *reader;

    run(f->conn, "CREATE TABLE t AS SELECT 1 AS a");
    DRIVER->disconnect(f->conn);
    f->conn = connect_to(f, 0);
    second = connect_to(f, 0);
    reader = connect_to(f, FINOPS_CONNECT_READ_ONLY);
    assert_cell(second, "SELECT a FROM t", "1");
    assert_cell(reader, "SELECT a FROM t", "1");
    assert_int_equal(execute_with(reader, "DROP TABLE t", NULL, false), FINOPS_E_USAGE);
    assert_int_equal(DRIVER->open(&f->settings, &other, NULL), FINOPS_OK);
    DRIVER->disconnect(second);
    DRIVER->disconnect(reader);
    second = NULL;
    assert_int_equal(DRIVER->connect(other, 0, NULL, &second, NULL), FINOPS_OK);
    assert_cell(second, "SELECT count(*) FROM duckdb_tables()", "0");
    DRIVER->disconnect(second);
    DRIVER->close(other);
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

static void
health_is_told_without_opening_the_file(void **state)
{
    fixture *f = *state;
    finops_health health = { 0 };
    void *conn;

    assert_int_equal(DRIVER->health(f->self, NULL, &health, NULL), FINOPS_OK);
    assert_int_equal(health.state, FINOPS_HEALTH_UP);
    assert_true(fo_starts(health.version, "DuckDB v"));
    assert_int_equal(access(f->path, F_OK), -1);
    conn = connect_to(f, 0);
    assert_int_equal(DRIVER->health(f->self, NULL, &health, NULL), FINOPS_OK);
    assert_int_equal(health.state, FINOPS_HEALTH_UP);
    DRIVER->disconnect(conn);
    assert_int_equal(fo_file_write_atomic(f->path, "this is something else", 22, 0644, NULL), FINOPS_OK);
    assert_int_equal(DRIVER->health(f->self, NULL, &health, NULL), FINOPS_OK);
    assert_int_equal(health.state, FINOPS_HEALTH_DOWN);
    assert_non_null(strstr(health.detail, "is no DuckDB database"));
    assert_int_equal(DRIVER->connect(f->self, 0, NULL, &conn, NULL), FINOPS_E_CORRUPT);
}

/* Fail the first allocation, then the second, and so on, until a run needs no more. */
static void
connecting_and_writing_survive_every_failed_allocation(void **state)
{
    fixture *f = *state;
    finops_write write = { .table = "t", .mode = FINOPS_WRITE_WIDEN };
    finops_source source = { .sql = "SELECT 1 AS a" };
    unsigned n = 0;
    bool failed;

    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        void *conn = NULL;
        finops_code rc;

        fo_mem_fail_at(++n);
        rc = DRIVER->connect(f->self, 0, NULL, &conn, &err);
        if (rc == FINOPS_OK)
            rc = DRIVER->write(conn, &write, &source, NULL, &err);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        if (rc != FINOPS_OK && rc != FINOPS_E_MEMORY)
            print_message("%u: %d %s\n", n, rc, finops_error_text(err));
        assert_true(failed ? rc == FINOPS_E_MEMORY || rc == FINOPS_OK : rc == FINOPS_OK);
        DRIVER->disconnect(conn);
    } while (failed);
    assert_true(n > 10);
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, with_file, done)
#define CLOSED(test) cmocka_unit_test_setup_teardown(test, with_nothing, done)
#define IN_MEMORY(test) cmocka_unit_test_setup_teardown(test, with_memory, done)

int
main(int argc, char **argv)
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
        ON_FILE(a_write_is_part_of_the_transaction_that_is_open),
        ON_FILE(one_month_of_a_table_is_replaced),
        ON_FILE(a_table_is_replaced_as_a_whole_or_not_at_all),
        ON_FILE(a_statement_ends_at_its_deadline),
        ON_FILE(a_call_that_is_cancelled_ends_and_leaves_nothing),
        ON_FILE(progress_is_told_while_a_statement_runs),
        ON_FILE(what_is_told_of_progress_may_cancel),
        ON_FILE(another_thread_cancels_what_runs),
        ON_FILE(connections_of_a_process_share_the_open_file),
        ON_FILE(two_files_are_two_databases),
        CLOSED(a_reader_without_a_file_is_told_so),
        ON_FILE(a_reader_only_reads),
        CLOSED(readers_come_and_go_with_writers),
        ON_FILE(a_reader_sees_one_state_in_its_transaction),
        CLOSED(a_file_that_another_process_writes_is_read_through_it),
        CLOSED(waiting_for_another_process_ends_at_the_deadline),
        CLOSED(many_threads_come_and_go),
        ON_FILE(a_lock_is_held_by_one_connection),
        IN_MEMORY(a_database_in_memory_belongs_to_its_configuration),
        ON_FILE(columns_are_told_with_their_types),
        ON_FILE(tables_and_views_are_listed_in_order),
        CLOSED(health_is_told_without_opening_the_file),
        CLOSED(connecting_and_writing_survive_every_failed_allocation),
    };

    if (argc == 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
