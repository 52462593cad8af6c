/* A DuckDB file in a folder of its own, for the tests of the driver and those of its connections. */
#ifndef DUCKDB_FIXTURE_H
#define DUCKDB_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static inline fixture *
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

static inline int
with_file(void **state)
{
    fixture *f = fixture_new(true);

    *state = f;
    return DRIVER->connect(f->self, 0, NULL, &f->conn, NULL) == FINOPS_OK ? 0 : -1;
}

static inline int
with_nothing(void **state)
{
    *state = fixture_new(true);
    return 0;
}

static inline int
with_memory(void **state)
{
    fixture *f = fixture_new(false);

    *state = f;
    return DRIVER->connect(f->self, 0, NULL, &f->conn, NULL) == FINOPS_OK ? 0 : -1;
}

static inline int
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

static inline void
run(void *conn, const char *sql)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_statement statement = { .sql = sql };

    if (DRIVER->execute(conn, &statement, NULL, NULL, &err) != FINOPS_OK)
        fail_msg("%s: %s", sql, finops_error_text(err));
}

/* The first cell of a statement's rows, in memory of its own. */
static inline char *
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

static inline void
assert_cell(void *conn, const char *sql, const char *expected)
{
    FO_AUTO(fo_freep) char *text = cell(conn, sql);

    assert_non_null(text);
    assert_string_equal(text, expected);
}

static inline void *
connect_to(fixture *f, unsigned flags)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    void *conn = NULL;

    if (DRIVER->connect(f->self, flags, NULL, &conn, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    return conn;
}

/* A stream of the rows of a statement, made by another database in memory. */
typedef struct rows_of {
    fo_engine *engine;
    fo_conn *conn;
    struct ArrowArrayStream stream;
} rows_of;

static inline void
rows_open(rows_of *r, const char *sql)
{
    fo_engine_options options = { 0 };

    memset(r, 0, sizeof(*r));
    assert_int_equal(fo_engine_open(&options, &r->engine, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(r->engine, &r->conn, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_stream(r->conn, sql, NULL, 0, &r->stream, NULL), FINOPS_OK);
}

static inline void
rows_close(rows_of *r)
{
    assert_null(r->stream.release); /* taken */
    fo_conn_close(r->conn);
    fo_engine_close(r->engine);
}

static const char bill[] = "SELECT i AS id, (i::DECIMAL(38,18) + 0.123456789012345678) AS cost, "
                           "CASE WHEN i % 3 = 0 THEN NULL ELSE make_timestamp(i * 1000000) END AS t, "
                           "MAP {'k': i::VARCHAR} AS tags FROM range(100000) r(i)";

static const char endless[] =
    "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = 7";

static inline finops_code
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

static inline bool
after_three(void *arg)
{
    return ++*(int *)arg > 3;
}

static inline void *
cancel_soon(void *conn)
{
    (void)usleep(100000);
    DRIVER->cancel(conn);
    return NULL;
}

#define ON_FILE(test) cmocka_unit_test_setup_teardown(test, with_file, done)
#define CLOSED(test) cmocka_unit_test_setup_teardown(test, with_nothing, done)
#define IN_MEMORY(test) cmocka_unit_test_setup_teardown(test, with_memory, done)

#endif
