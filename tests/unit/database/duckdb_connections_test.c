/* The connections of DuckDB's driver: files that threads and processes share, readers, locks. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "duckdb_fixture.h"

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
        (void)execl("/proc/self/exe", "duckdb_connections_test", "hold", path, (char *)NULL);
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

/* The lock of the file held by a process that answers nobody, and a reader that waits for it. */
typedef struct silent_process {
    pid_t pid;
    void *reader;
} silent_process;

static void
silent_begin(silent_process *p, const char *path)
{
    int ready[2];
    char c;

    assert_int_equal(pipe(ready), 0);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        int fd = open(path, O_RDWR);

        if (fd < 0 || fcntl(fd, F_SETLK, &lock) != 0 || write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    (void)close(ready[0]);
}

static bool
cancel_and_let_go(void *arg)
{
    silent_process *p = arg;

    if (p->pid) {
        DRIVER->cancel(p->reader);
        (void)kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0);
        p->pid = 0;
    }
    return false;
}

static void
a_cancel_while_the_file_is_opened_is_not_lost(void **state)
{
    fixture *f = *state;
    silent_process other = { 0 };
    finops_call call = { .cancelled = cancel_and_let_go, .arg = &other };
    void *writer = connect_to(f, 0);

    run(writer, "CREATE TABLE t AS SELECT 1 AS a");
    other.reader = connect_to(f, FINOPS_CONNECT_READ_ONLY);
    DRIVER->disconnect(writer); /* and the reader is detached */
    silent_begin(&other, f->path);
    assert_int_equal(execute_with(other.reader, "SELECT a FROM t", &call, true), FINOPS_E_CANCELLED);
    assert_int_equal(other.pid, 0);
    assert_cell(other.reader, "SELECT a FROM t", "1"); /* the next one is not meant */
    DRIVER->disconnect(other.reader);
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

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        ON_FILE(connections_of_a_process_share_the_open_file),
        ON_FILE(two_files_are_two_databases),
        CLOSED(a_reader_without_a_file_is_told_so),
        ON_FILE(a_reader_only_reads),
        CLOSED(readers_come_and_go_with_writers),
        ON_FILE(a_reader_sees_one_state_in_its_transaction),
        CLOSED(a_file_that_another_process_writes_is_read_through_it),
        CLOSED(a_cancel_while_the_file_is_opened_is_not_lost),
        CLOSED(waiting_for_another_process_ends_at_the_deadline),
        CLOSED(many_threads_come_and_go),
        ON_FILE(a_lock_is_held_by_one_connection),
        IN_MEMORY(a_database_in_memory_belongs_to_its_configuration),
        CLOSED(health_is_told_without_opening_the_file),
        CLOSED(connecting_and_writing_survive_every_failed_allocation),
    };

    if (argc == 3 && strcmp(argv[1], "hold") == 0)
        return hold(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
