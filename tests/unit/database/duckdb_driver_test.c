/* The driver of DuckDB, on real files. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
    f->settings = (fo_duckdb_settings){ .database_path = f->path, .memory_limit = (uint64_t)256 << 20,
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
    finops_statement insert = { .sql = "INSERT INTO t VALUES ($1::INTEGER, $2)", .params = params, .n_params = 2 };
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
    assert_cell(f->conn, "SELECT count(*) || ' ' || sum(cost) || ' ' || count(t) || ' ' || max(tags['k']::INT) FROM bill",
                "100000 4999962345.678901234567800000 66666 99999");
    assert_int_equal(put(f->conn, "bill", FINOPS_WRITE_CREATE, bill, &rows), FINOPS_E_EXISTS);
    assert_int_equal(put(f->conn, "bill", FINOPS_WRITE_APPEND, bill, &rows), FINOPS_OK);
    assert_cell(f->conn, "SELECT count(*) FROM bill", "200000");
    assert_cell(f->conn, "SELECT count(*) FROM duckdb_databases() WHERE NOT internal", "1");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(statements_and_parameters_give_rows, with_file, done),
        cmocka_unit_test_setup_teardown(an_arrow_stream_becomes_a_table, with_file, done),
    };

    (void)with_nothing;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
