/* Arrow IPC over descriptors, and streams back into the engine. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/ipc.h"
#include "engine/scan.h"

typedef struct fixture {
    fo_engine *engine;
    fo_conn *conn;  /* writes */
    fo_conn *other; /* reads */
    char folder[64];
    char path[96];
} fixture;

static int
setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    fo_engine_options options = { .threads = 2 };

    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/finops-ipc-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof(f->path), "%s/rows", f->folder);
    assert_int_equal(fo_engine_open(&options, &f->engine, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(f->engine, &f->conn, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(f->engine, &f->other, NULL), FINOPS_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    fo_conn_close(f->conn);
    fo_conn_close(f->other);
    fo_engine_close(f->engine);
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->folder), 0); /* nothing else was left there */
    free(f);
    return 0;
}

typedef struct sending {
    fo_conn *conn;
    const char *sql;
    int fd;
    finops_code rc;
    finops_error *err;
} sending;

static void *
send_rows(void *arg)
{
    sending *s = arg;
    struct ArrowArrayStream stream = { 0 };

    s->rc = fo_conn_stream(s->conn, s->sql, NULL, 0, &stream, &s->err);
    if (s->rc == FINOPS_OK)
        s->rc = fo_ipc_write(s->fd, &stream, &s->err);
    (void)close(s->fd);
    return NULL;
}

/*
 * Sends what the statement gives through a pair of descriptors and asks `question` of what arrives as "got".
 */
static char *
through(fixture *f, int fds[2], const char *sql, const char *question)
{
    sending s = { .conn = f->conn, .sql = sql, .fd = fds[1] };
    struct ArrowArrayStream stream = { 0 };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    pthread_t thread;
    char *answer;

    assert_int_equal(pthread_create(&thread, NULL, send_rows, &s), 0);
    assert_int_equal(fo_ipc_read(fds[0], &stream, NULL), FINOPS_OK);
    if (fo_engine_scan_stream(f->other, "got", &stream, &err) == FINOPS_OK)
        (void)fo_conn_rows(f->other, question, NULL, 0, &rows, &err);
    stream.release(&stream);
    assert_int_equal(pthread_join(thread, NULL), 0);
    if (!rows || s.rc != FINOPS_OK)
        fail_msg("%s: %s; %s", sql, finops_error_text(s.err), finops_error_text(err));
    answer = fo_strdup(fo_rows_text(rows, 0, 0));
    assert_non_null(answer);
    return answer;
}

static void
every_type_arrives_as_it_was_sent(void **state)
{
    fixture *f = *state;
    static const char *const values[] = {
        "1.234567890123456789::DECIMAL(38,18)",
        "12.34::DECIMAL(4,2)",
        "-99999999999999999999.999999999999999999::DECIMAL(38,18)",
        "170141183460469231731::HUGEINT",
        "true",
        "7::TINYINT",
        "7::UBIGINT",
        "1.5::DOUBLE",
        "'text'",
        "''",
        "'\\xAA\\x00'::BLOB",
        "DATE '2026-11-21'",
        "TIME '06:01:16'",
        "TIMESTAMP '2026-11-21 06:01:16.123456'",
        "TIMESTAMPTZ '2026-11-21 06:01:16+00'",
        "INTERVAL 3 MONTH",
        "'5b0c1f0e-5c1e-4e0a-9f5d-0c5d3b7c7f10'::UUID",
        "[1, NULL, 3]",
        "[]::VARCHAR[]",
        "{'a': 1, 'b': [{'c': 'd'}]}",
        "MAP {'user:Cost Center': '00123', 'b': NULL}",
        "MAP {}::MAP(VARCHAR, VARCHAR)",
        "'{\"a\": 1}'::JSON",
        "'b'::ENUM('a', 'b')",
        "NULL::DECIMAL(38,18)",
        "NULL::VARCHAR[]",
        "NULL",
    };

    for (size_t i = 0; i < FO_COUNT(values); i++) {
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
        FO_AUTO(fo_str_done) fo_str question = FO_STR_INIT;
        FO_AUTO(fo_freep) char *answer = NULL;
        int fds[2];

        /* Three batches; every third value is missing. */
        fo_str_addf(&sql, "SELECT CASE WHEN i %% 3 = 0 THEN NULL ELSE %s END AS v, i FROM range(5000) r(i)",
                    values[i]);
        fo_str_addf(
            &question,
            "SELECT count(*) = 5000 AND bool_and(CASE WHEN i %% 3 = 0 THEN v IS NULL ELSE v::VARCHAR IS NOT "
            "DISTINCT FROM (%s)::VARCHAR END) FROM got",
            values[i]);
        assert_int_equal(pipe(fds), 0);
        answer = through(f, fds, fo_str_z(&sql), fo_str_z(&question));
        if (strcmp(answer, "true") != 0)
            fail_msg("%s arrived as something else", values[i]);
    }
}

static void
a_decimal_keeps_its_type(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_freep) char *answer = NULL;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    answer = through(f, fds, "SELECT 1::DECIMAL(38,18) AS v", "SELECT typeof(v) FROM got");
    assert_string_equal(answer, "DECIMAL(38,18)");
}

static void
a_list_of_fixed_length_arrives(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_freep) char *answer = NULL;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    answer = through(f, fds, "SELECT array_value(i, i + 1) AS v FROM range(5000) r(i)",
                     "SELECT sum(v[1] + v[2]) FROM got");
    assert_string_equal(answer, "25000000");
}

static void
a_socket_with_small_buffers_carries_many_rows(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_freep) char *answer = NULL;
    int fds[2], small = 4096;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    answer = through(f, fds, "SELECT i, 'row ' || i AS t FROM range(300000) r(i)",
                     "SELECT sum(i)::VARCHAR || ' ' || max(length(t)) FROM got");
    assert_string_equal(answer, "44999850000 10");
}

static void
no_rows_have_a_schema(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_freep) char *answer = NULL;
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    answer = through(f, fds, "SELECT 'x'::ENUM('x') AS e, 1 AS n WHERE false",
                     "SELECT count(*)::VARCHAR || count(n) FROM got");
    assert_string_equal(answer, "00");
}

static void
a_dictionary_inside_a_list_is_refused_by_its_column(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    struct ArrowArrayStream stream = { 0 };
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(fo_conn_stream(f->conn, "SELECT ['a'::ENUM('a')] AS tags", NULL, 0, &stream, NULL),
                     FINOPS_OK);
    assert_int_equal(fo_ipc_write(fds[1], &stream, &err), FINOPS_E_UNSUPPORTED);
    assert_string_equal(finops_error_text(err), "column tags has a dictionary inside, which cannot be sent");
    assert_null(stream.release);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void
a_reader_that_went_away_is_an_error_on_sockets_and_pipes(void **state)
{
    fixture *f = *state;

    for (int sockets = 0; sockets < 2; sockets++) {
        struct ArrowArrayStream stream = { 0 };
        int fds[2];

        assert_int_equal(sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, fds) : pipe(fds), 0);
        (void)close(fds[0]);
        assert_int_equal(fo_conn_stream(f->conn, "SELECT 1", NULL, 0, &stream, NULL), FINOPS_OK);
        assert_int_equal(fo_ipc_write(fds[1], &stream, NULL), FINOPS_E_IO);
        (void)close(fds[1]);
    }
}

static void
a_failing_statement_fails_the_writer_with_its_code(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    struct ArrowArrayStream stream = { 0 };
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    assert_int_equal(
        fo_conn_stream(f->conn,
                       "SELECT CAST(CASE WHEN i < 3000000 THEN '1' ELSE 'x' END AS INTEGER) FROM "
                       "range(4000000) r(i)",
                       NULL, 0, &stream, NULL),
        FINOPS_OK);
    assert_int_equal(fo_ipc_write(fd, &stream, &err), FINOPS_E_DATA);
    (void)close(fd);
}

/*
 * The bytes of a small stream, cut after n of them (-1: whole), read again. Returns what the last call said;
 * *ret_rows counts.
 */
static finops_code
read_cut(fixture *f, long n, int64_t *ret_rows)
{
    struct ArrowArrayStream stream = { 0 };
    struct ArrowArray batch = { 0 };
    int errnum, fd = open(f->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    finops_code rc = FINOPS_OK;

    *ret_rows = 0;
    assert_int_equal(
        fo_conn_stream(f->conn, "SELECT i, 'x' AS t FROM range(3000) r(i)", NULL, 0, &stream, NULL),
        FINOPS_OK);
    assert_int_equal(fo_ipc_write(fd, &stream, NULL), FINOPS_OK);
    if (n >= 0)
        assert_int_equal(ftruncate(fd, n), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(fo_ipc_read(fd, &stream, NULL), FINOPS_OK);
    do {
        errnum = stream.get_next(&stream, &batch);
        if (errnum)
            rc = fo_stream_error(&stream, errnum, NULL);
        if (errnum || !batch.release)
            break;
        *ret_rows += batch.length;
        batch.release(&batch);
    } while (true);
    if (rc == FINOPS_OK) { /* past the end is the end */
        assert_int_equal(stream.get_next(&stream, &batch), 0);
        assert_null(batch.release);
    }
    stream.release(&stream);
    return rc;
}

static void
a_stream_cut_anywhere_is_an_error(void **state)
{
    fixture *f = *state;
    int64_t rows;
    long size;
    FILE *file;

    assert_int_equal(read_cut(f, -1, &rows), FINOPS_OK);
    assert_int_equal(rows, 3000);
    file = fopen(f->path, "rb");
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    (void)fclose(file);
    for (long n = 0; n < size; n += n < 600 || n > size - 100 ? 4 : 997)
        assert_int_equal(read_cut(f, n, &rows), FINOPS_E_CORRUPT);
    assert_int_equal(read_cut(f, size - 8, &rows), FINOPS_E_CORRUPT); /* whole batches, no end mark */
    assert_int_equal(rows, 3000);
}

static void
a_stream_becomes_a_parquet_file(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    struct ArrowArrayStream stream = { 0 };

    assert_int_equal(
        fo_conn_stream(
            f->conn, "SELECT i, 0.1::DECIMAL(38,18) AS cost, MAP {'k': 'v'} AS tags FROM range(500000) r(i)",
            NULL, 0, &stream, NULL),
        FINOPS_OK);
    assert_int_equal(fo_engine_write_parquet(&stream, f->path, NULL, NULL), FINOPS_OK);
    assert_null(stream.release);
    fo_str_addf(&sql,
                "SELECT count(*), sum(cost), any_value(tags['k']), typeof(any_value(cost)), (SELECT "
                "any_value(compression) "
                "FROM parquet_metadata('%s')) FROM read_parquet('%s')",
                f->path, f->path);
    assert_int_equal(fo_conn_rows(f->conn, fo_str_z(&sql), NULL, 0, &rows, NULL), FINOPS_OK);
    assert_string_equal(fo_rows_text(rows, 0, 0), "500000");
    assert_string_equal(fo_rows_text(rows, 0, 1), "50000.000000000000000000");
    assert_string_equal(fo_rows_text(rows, 0, 2), "v");
    assert_string_equal(fo_rows_text(rows, 0, 3), "DECIMAL(38,18)");
    assert_string_equal(fo_rows_text(rows, 0, 4), "ZSTD");
}

static void
a_failed_parquet_file_leaves_the_old_one(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    struct ArrowArrayStream stream = { 0 };

    assert_int_equal(fo_conn_stream(f->conn, "SELECT 1 AS a", NULL, 0, &stream, NULL), FINOPS_OK);
    assert_int_equal(fo_engine_write_parquet(&stream, f->path, NULL, NULL), FINOPS_OK);
    assert_int_equal(
        fo_conn_stream(f->conn,
                       "SELECT CAST(CASE WHEN i < 3000000 THEN '1' ELSE 'x' END AS INTEGER) AS a FROM "
                       "range(4000000) r(i)",
                       NULL, 0, &stream, NULL),
        FINOPS_OK);
    assert_int_equal(fo_engine_write_parquet(&stream, f->path, NULL, &err), FINOPS_E_DATA);
    assert_non_null(strstr(finops_error_text(err), "'x'"));
    fo_str_addf(&sql, "SELECT * FROM read_parquet('%s')", f->path);
    assert_int_equal(fo_conn_exec(f->conn, fo_str_z(&sql), NULL), FINOPS_OK);
}

static void
writing_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    finops_code rc;
    unsigned n = 0;

    do {
        struct ArrowArrayStream stream = { 0 };
        int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

        assert_int_equal(fo_conn_stream(f->conn, "SELECT 1 AS a", NULL, 0, &stream, NULL), FINOPS_OK);
        fo_mem_fail_at(++n);
        rc = fo_ipc_write(fd, &stream, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_mem_fail_at(0);
        assert_null(stream.release);
        (void)close(fd);
    } while (rc != FINOPS_OK);
    assert_true(n > 1);
    fo_mem_fail_at(1);
    assert_int_equal(
        fo_ipc_read(open("/dev/null", O_RDONLY | O_CLOEXEC), &(struct ArrowArrayStream){ 0 }, NULL),
        FINOPS_E_MEMORY);
    fo_mem_fail_at(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_type_arrives_as_it_was_sent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_decimal_keeps_its_type, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_of_fixed_length_arrives, setup, teardown),
        cmocka_unit_test_setup_teardown(a_socket_with_small_buffers_carries_many_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(no_rows_have_a_schema, setup, teardown),
        cmocka_unit_test_setup_teardown(a_dictionary_inside_a_list_is_refused_by_its_column, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_went_away_is_an_error_on_sockets_and_pipes, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_failing_statement_fails_the_writer_with_its_code, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_cut_anywhere_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_becomes_a_parquet_file, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_parquet_file_leaves_the_old_one, setup, teardown),
        cmocka_unit_test_setup_teardown(writing_survives_every_failed_allocation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
