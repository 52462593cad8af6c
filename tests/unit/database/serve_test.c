/* One writer, many readers: the socket beside the file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "database/database.h"
#include "database/duckdb/serve.h"
#include "database/duckdb/socket.h"

typedef struct fixture {
    char folder[64];
    char *path;
    fo_settings settings;
} fixture;

static int
setup(void **state)
{
    static char backend[] = "duckdb";
    fixture *f = fo_zalloc(sizeof(*f));

    assert_non_null(f);
    snprintf(f->folder, sizeof(f->folder), "/tmp/finops-serve-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    f->path = fo_format("%s/bills.duckdb", f->folder);
    assert_non_null(f->path);
    f->settings.duckdb =
        (fo_duckdb_settings){ .database_path = f->path, .memory_limit = 200 << 20, .threads = 2 };
    f->settings.database.backend = backend;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_freep) char *socket = fo_format("%s.sock", f->path);

    unlink(f->path);
    assert_int_not_equal(access(socket, F_OK), 0); /* a writer that ended well leaves none */
    unlink(socket);
    rmdir(f->folder);
    fo_free(f->path);
    fo_free(f);
    return 0;
}

static fo_database *
writer(fixture *f)
{
    fo_database *db = NULL;

    assert_int_equal(fo_database_open_writer(&f->settings, NULL, &db, NULL), FINOPS_OK);
    return db;
}

/* What the process that holds the file answers, as a whole number. */
static int64_t
remote_number(const fixture *f, const char *sql)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    struct ArrowArrayStream stream = { 0 };

    assert_int_equal(fo_rows_sql(sql, &text, NULL), FINOPS_OK);
    assert_int_equal(fo_remote_stream(f->path, fo_str_z(&text), &stream, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_from_stream(&stream, &rows, NULL), FINOPS_OK);
    return fo_rows_int(rows, 0, 0);
}

static void
others_read_what_is_published_and_nothing_else(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_database_closep) fo_database *db = writer(f);

    assert_int_equal(fo_conn_exec(fo_database_conn(db),
                                  "CREATE TABLE t AS SELECT 1 AS a; BEGIN; INSERT INTO t VALUES (2)", NULL),
                     FINOPS_OK);
    assert_int_equal(remote_number(f, "SELECT count(*) FROM t"), 1);
    assert_int_equal(fo_conn_exec(fo_database_conn(db), "COMMIT", NULL), FINOPS_OK);
    assert_int_equal(remote_number(f, "SELECT count(*) FROM t"), 2);
}

static void
a_statement_that_writes_is_refused_with_its_code(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_database_closep) fo_database *db = writer(f);
    static const char *const statements[] = { "CREATE TABLE u (a INT)",
                                              "SELECT 1; SELECT 2",
                                              "COPY (SELECT 1) TO '/tmp/x'",
                                              "ATTACH 'x'",
                                              "SET threads = 1",
                                              "" };

    for (size_t i = 0; i < FO_COUNT(statements); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        struct ArrowArrayStream stream = { 0 };
        assert_int_equal(fo_remote_stream(f->path, statements[i], &stream, &err), FINOPS_E_USAGE);
        assert_true(strlen(finops_error_text(err)) > 0);
    }
    assert_int_equal(remote_number(f, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'u'"), 0);
}

static void
only_the_owner_may_connect(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_database_closep) fo_database *db = writer(f);
    FO_AUTO(fo_freep) char *socket = fo_format("%s.sock", f->path);
    struct stat info;

    assert_int_equal(stat(socket, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void
requests_that_are_none_of_ours_do_no_harm(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_database_closep) fo_database *db = writer(f);
    static const struct {
        const char *bytes;
        size_t n;
    } requests[] = { { "", 0 },
                     { "GET / HTTP/1.1\r\n\r\n", 18 },
                     { "FOQ1", 4 },
                     { "FOQ1\xff\xff\xff\xff", 8 },
                     { "FOQ1\x10\0\0\0abc", 11 },
                     { "FOQ2\1\0\0\0x\xff\xff\xff\xff", 13 },
                     { "FOQ2\1\0\0\0x\1\0\0\0\xfe\xff\xff\xff", 17 } };

    for (size_t i = 0; i < FO_COUNT(requests); i++) {
        int fd = -1;
        assert_int_equal(fo_socket_connect(f->path, &fd, NULL), FINOPS_OK);
        fo_socket_send(fd, requests[i].bytes, requests[i].n);
        close(fd);
    }
    assert_int_equal(remote_number(f, "SELECT 7"), 7);
}

static void *
reader_run(void *arg)
{
    for (int i = 0; i < 10; i++)
        if (remote_number(arg, "SELECT sum(range) FROM range(10000)") != 49995000)
            return arg;
    return NULL;
}

static void
many_readers_are_answered_at_once(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_database_closep) fo_database *db = writer(f);
    pthread_t threads[8];
    void *failed;

    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader_run, f), 0);
    for (size_t i = 0; i < FO_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void
a_reader_that_takes_no_rows_does_not_hold_the_writer(void **state)
{
    fixture *f = *state;
    fo_database *db = writer(f);
    int fd = -1;

    assert_int_equal(fo_socket_connect(f->path, &fd, NULL), FINOPS_OK);
    assert_true(fo_socket_send_request(fd, "SELECT * FROM range(100000000)", NULL, 0));
    assert_int_equal(fo_socket_receive_answer(fd, NULL), FINOPS_OK);
    fo_database_close(db); /* waits some seconds for the reader, then goes */
    close(fd);
}

static void
a_socket_left_by_a_killed_writer_is_replaced(void **state)
{
    fixture *f = *state;
    int fd = -1;

    fo_database_close(writer(f));
    assert_int_equal(fo_socket_listen(f->path, &fd, NULL), FINOPS_OK);
    close(fd); /* nobody listens, the file is still there */
    assert_false(fo_remote_reachable(f->path));
    FO_AUTO(fo_database_closep) fo_database *reader = NULL;
    assert_int_equal(fo_database_open_reader(&f->settings, NULL, &reader, NULL), FINOPS_OK);
    fo_database_closep(&reader);
    FO_AUTO(fo_database_closep) fo_database *db = writer(f);
    assert_true(fo_remote_reachable(f->path));
}

static int64_t
cpu_us(void)
{
    struct timespec used;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

static void
a_reader_for_whom_there_is_no_descriptor_takes_no_core(void **state)
{
    fixture *f = *state;
    fo_database *db = writer(f);
    struct rlimit limit, none;
    int64_t before;
    pid_t reader;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none =
        (struct rlimit){ .rlim_cur = 3, .rlim_max = limit.rlim_max }; /* those are taken; poll() needs some */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    reader = fork();
    if (reader == 0) {
        int fd = -1;

        if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || fo_socket_connect(f->path, &fd, NULL) != FINOPS_OK)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)usleep(100000); /* it is in the queue now */
    assert_int_equal(waitpid(reader, NULL, WNOHANG), 0);
    before = cpu_us();
    (void)usleep(300000);
    before = cpu_us() - before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(reader > 0);
    assert_in_range(before, 0, 20000);
    assert_int_equal(remote_number(f, "SELECT 7"), 7);
    assert_int_equal(kill(reader, SIGKILL), 0);
    assert_int_equal(waitpid(reader, NULL, 0), reader);
    fo_database_close(db);
}

static void
a_database_that_is_not_there_is_named_with_advice(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_database *db = NULL;

    assert_int_equal(fo_database_open_reader(&f->settings, NULL, &db, &err), FINOPS_E_NOT_FOUND);
    assert_null(db);
    assert_non_null(strstr(finops_error_text(err), f->path));
    assert_non_null(strstr(finops_error_hint(err), "import-cur"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(others_read_what_is_published_and_nothing_else, setup, teardown),
        cmocka_unit_test_setup_teardown(a_statement_that_writes_is_refused_with_its_code, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_owner_may_connect, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_that_are_none_of_ours_do_no_harm, setup, teardown),
        cmocka_unit_test_setup_teardown(many_readers_are_answered_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_takes_no_rows_does_not_hold_the_writer, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_socket_left_by_a_killed_writer_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_for_whom_there_is_no_descriptor_takes_no_core, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_database_that_is_not_there_is_named_with_advice, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
