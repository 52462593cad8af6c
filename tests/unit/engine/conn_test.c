/* Databases, connections, statements, and how they are stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"

#define ENDLESS "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * b.range = 7"

typedef struct fixture {
    fo_engine *engine;
    fo_conn *conn;
    char folder[64];
} fixture;

static int
setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    fo_engine_options options = { .threads = 2 };

    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/finops-engine-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(fo_engine_open(&options, &f->engine, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(f->engine, &f->conn, NULL), FINOPS_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;
    char path[128];

    fo_conn_close(f->conn);
    fo_engine_close(f->engine);
    (void)snprintf(path, sizeof(path), "%s/a.duckdb", f->folder);
    (void)unlink(path);
    (void)rmdir(f->folder);
    free(f);
    return 0;
}

static void
nothing_is_downloaded_and_time_is_utc(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert_int_equal(
        fo_conn_rows(
            f->conn,
            "SELECT name, value FROM duckdb_settings() WHERE name IN "
            "('allow_community_extensions', 'allow_persistent_secrets', 'allow_unsigned_extensions', "
            "'autoinstall_known_extensions', 'autoload_known_extensions', 'errors_as_json', "
            "'enable_progress_bar') AND value <> 'false'",
            NULL, 0, &rows, NULL),
        FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 0);
    fo_rows_freep(&rows);
    rows = NULL;
    assert_int_equal(fo_conn_rows(f->conn,
                                  "SELECT current_setting('TimeZone'), current_setting('custom_user_agent')",
                                  NULL, 0, &rows, NULL),
                     FINOPS_OK);
    assert_string_equal(fo_rows_text(rows, 0, 0), "UTC");
    assert_string_equal(fo_rows_text(rows, 0, 1), "finops/" FINOPS_VERSION);
}

static void
parameters_are_bound_and_changes_counted(void **state)
{
    fixture *f = *state;
    int64_t changed = -1;
    fo_param both[] = { "7", NULL };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert_int_equal(
        fo_conn_exec(f->conn, "CREATE TABLE t (a INTEGER, b VARCHAR); INSERT INTO t VALUES (1, 'x')", NULL),
        FINOPS_OK);
    assert_int_equal(fo_conn_bind_exec(f->conn, "INSERT INTO t VALUES ($1::INTEGER, $2), (8, 'it''s')", both,
                                       2, &changed, NULL),
                     FINOPS_OK);
    assert_int_equal(changed, 2);
    assert_int_equal(fo_conn_rows(f->conn, "SELECT a, b FROM t WHERE a > $1::INTEGER ORDER BY a; -- last",
                                  both, 1, &rows, NULL),
                     FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 1);
    assert_int_equal(fo_rows_columns(rows), 2);
    assert_string_equal(fo_rows_name(rows, 1), "b");
    assert_int_equal(fo_rows_int(rows, 0, 0), 8);
    assert_string_equal(fo_rows_text(rows, 0, 1), "it's");
}

static void
a_wrong_number_of_parameters_is_refused(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_param one[] = { "7" };

    assert_int_equal(fo_conn_bind_exec(f->conn, "SELECT $1, $2", one, 1, NULL, &err), FINOPS_E_ARGUMENT);
    assert_string_equal(finops_error_text(err), "the statement takes 2 parameters, 1 are given");
}

static void
a_missing_table_is_not_found_and_nonsense_a_database_error(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_rows *rows = NULL;

    assert_int_equal(fo_conn_rows(f->conn, "SELECT * FROM nowhere", NULL, 0, &rows, &err),
                     FINOPS_E_NOT_FOUND);
    assert_non_null(strstr(finops_error_text(err), "nowhere"));
    finops_error_freep(&err);
    err = NULL;
    assert_int_equal(fo_conn_exec(f->conn, "SELEKT 1", &err), FINOPS_E_DATABASE);
    finops_error_freep(&err);
    err = NULL;
    assert_int_equal(fo_conn_exec(f->conn, "SELECT CAST('x' AS INTEGER)", &err), FINOPS_E_DATA);
    finops_error_freep(&err);
    err = NULL;
    assert_int_equal(
        fo_conn_exec(f->conn, "CREATE TABLE k (a INTEGER PRIMARY KEY); INSERT INTO k VALUES (1), (1)", &err),
        FINOPS_E_EXISTS);
    assert_null(rows);
}

static void
a_broken_not_null_is_a_data_error(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    assert_int_equal(
        fo_conn_exec(f->conn, "CREATE TABLE n (a INTEGER NOT NULL); INSERT INTO n VALUES (NULL)", &err),
        FINOPS_E_DATA);
}

static void
too_little_memory_is_a_memory_error(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    assert_int_equal(fo_conn_exec(f->conn,
                                  "SET memory_limit = '5MB'; SET max_temp_directory_size = '0KB';"
                                  "CREATE TABLE big AS SELECT range AS a FROM range(10000000)",
                                  &err),
                     FINOPS_E_MEMORY);
    assert_non_null(finops_error_hint(err));
}

/* Watches a connection until it has seen progress, then stops the statement. */
typedef struct watching {
    fo_conn *conn;
    fo_cancel cancel;
    double seen;
} watching;

static void *
watch_progress(void *arg)
{
    watching *w = arg;
    int64_t from = fo_clock_monotonic();

    while (w->seen <= 0 && fo_clock_monotonic() - from < 20000000) {
        w->seen = fo_conn_progress(w->conn);
        (void)usleep(1000);
    }
    fo_cancel_request(&w->cancel);
    return NULL;
}

static void
progress_is_seen_from_another_thread(void **state)
{
    fixture *f = *state;
    watching w = { .conn = f->conn };
    pthread_t thread;

    assert_true(fo_conn_progress(f->conn) < 0);
    assert_int_equal(fo_conn_measure_progress(f->conn, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_exec(f->conn, "CREATE TABLE t AS SELECT range AS a FROM range(2000000)", NULL),
                     FINOPS_OK);
    fo_conn_set_cancel(f->conn, &w.cancel);
    assert_int_equal(pthread_create(&thread, NULL, watch_progress, &w), 0);
    (void)fo_conn_exec(f->conn, "SELECT count(*) FROM t x, t y WHERE hash(x.a, y.a) = 1", NULL);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(w.seen > 0 && w.seen <= 1);
}

static void *
request_soon(void *arg)
{
    (void)usleep(50000);
    fo_cancel_request(arg);
    return NULL;
}

static void
a_cancel_stops_a_running_statement_at_once(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_cancel cancel = { 0 };
    pthread_t thread;
    int64_t from = fo_clock_monotonic();

    fo_conn_set_cancel(f->conn, &cancel);
    assert_int_equal(fo_conn_exec(f->conn, "BEGIN; CREATE TABLE t AS SELECT 1", NULL), FINOPS_OK);
    assert_int_equal(pthread_create(&thread, NULL, request_soon, &cancel), 0);
    assert_int_equal(fo_conn_exec(f->conn, ENDLESS, &err), FINOPS_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(finops_error_text(err), "stopped");
    assert_true(fo_clock_monotonic() - from < 1000000);
}

static void
after_a_cancel_only_rollback_runs(void **state)
{
    fixture *f = *state;
    fo_cancel cancel = { 0 };

    fo_conn_set_cancel(f->conn, &cancel);
    assert_int_equal(fo_conn_exec(f->conn, "BEGIN; CREATE TABLE t AS SELECT 1", NULL), FINOPS_OK);
    fo_cancel_request(&cancel);
    assert_int_equal(fo_conn_exec(f->conn, "SELECT 1", NULL), FINOPS_E_CANCELLED);
    assert_int_equal(fo_conn_bind_exec(f->conn, "SELECT 1", NULL, 0, NULL, NULL), FINOPS_E_CANCELLED);
    assert_int_equal(fo_conn_exec(f->conn, "ROLLBACK", NULL), FINOPS_OK);
    fo_conn_set_cancel(f->conn, NULL);
    assert_int_equal(fo_conn_exec(f->conn, "SELECT * FROM t", NULL), FINOPS_E_NOT_FOUND);
}

/* Another process opens the file and says how that went. */
static int
open_in_another_process(const char *path, bool read_only)
{
    char program[256], mode[2] = { read_only ? 'r' : 'w', 0 };
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    int status = 0;
    pid_t pid;

    assert_true(n > 0);
    program[n] = 0;
    pid = fork();
    if (pid == 0) {
        (void)execl(program, program, "open", path, mode, (char *)NULL);
        _exit(99);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static void
a_file_held_by_another_process_is_busy(void **state)
{
    fixture *f = *state;
    fo_engine_options options = { 0 };
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/a.duckdb", f->folder);
    options.path = path;
    assert_int_equal(fo_engine_open(&options, &engine, NULL), FINOPS_OK);
    assert_int_equal(open_in_another_process(path, false), FINOPS_E_BUSY);
    assert_int_equal(open_in_another_process(path, true), FINOPS_E_BUSY);
    fo_engine_closep(&engine);
    engine = NULL;
    assert_int_equal(open_in_another_process(path, false), FINOPS_OK);
}

static void
a_read_only_database_refuses_to_write(void **state)
{
    fixture *f = *state;
    fo_engine_options options = { 0 };
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/a.duckdb", f->folder);
    options.path = path;
    assert_int_equal(fo_engine_open(&options, &engine, NULL), FINOPS_OK);
    fo_engine_closep(&engine);
    engine = NULL;
    options.read_only = true;
    assert_int_equal(fo_engine_open(&options, &engine, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(engine, &conn, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_exec(conn, "CREATE TABLE t (a INTEGER)", NULL), FINOPS_E_DENIED);
}

static void
a_file_that_is_no_database_is_named(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_engine_options options = { .path = "/proc/self/exe" };
    fo_engine *engine = NULL;

    (void)state;
    assert_int_not_equal(fo_engine_open(&options, &engine, &err), FINOPS_OK);
    assert_non_null(strstr(finops_error_text(err), "open database /proc/self/exe: "));
    assert_null(engine);
}

static void
an_unknown_extension_is_refused_and_a_missing_one_named(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    assert_int_equal(fo_engine_load_extension(f->engine, "spatial", NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(setenv("FINOPS_EXTENSION_DIR", f->folder, 1), 0);
    assert_int_equal(fo_engine_load_extension(f->engine, "httpfs", &err), FINOPS_E_NOT_FOUND);
    assert_non_null(strstr(finops_error_text(err), f->folder));
    assert_non_null(finops_error_hint(err));
    assert_int_equal(unsetenv("FINOPS_EXTENSION_DIR"), 0);
}

static void
names_and_texts_are_quoted(void **state)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    (void)state;
    fo_sql_ident(&sql, "a\"b");
    fo_str_addc(&sql, ' ');
    fo_sql_literal(&sql, "it's");
    fo_str_addc(&sql, ' ');
    fo_sql_literal(&sql, NULL);
    assert_string_equal(fo_str_z(&sql), "\"a\"\"b\" 'it''s' NULL");
}

static void
the_text_form_ends_where_the_statement_does(void **state)
{
    static const char *const ends[][2] = {
        { "SELECT 1 ; -- one; two", "SELECT 1" },
        { "SELECT ';--' ; /* a /* b; */ c */ ;", "SELECT ';--'" },
        { "SELECT \"a;/*\", 'it''s' --x\n, 2\n;\n", "SELECT \"a;/*\", 'it''s' --x\n, 2" },
        { "SELECT $$;--$$, $t$;$$--$t$; --", "SELECT $$;--$$, $t$;$$--$t$" },
        { "SELECT E'\\'; --', $1, a$b; --'", "SELECT E'\\'; --', $1, a$b" },
        { "SELECT 'open ; --", "SELECT 'open ; --" },
        { " ; ", "" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(ends); i++) {
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
        FO_AUTO(fo_str_done) fo_str want = FO_STR_INIT;

        fo_str_addf(&want, "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (%s)", ends[i][1]);
        assert_int_equal(fo_rows_sql(ends[i][0], &sql, NULL), FINOPS_OK);
        assert_string_equal(fo_str_z(&sql), fo_str_z(&want));
    }
}

static void
opening_survives_every_failed_allocation(void **state)
{
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        fo_engine_options options = { .threads = 1, .memory_limit = 100000000 };
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
        FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;

        fo_mem_fail_at(++n);
        rc = fo_engine_open(&options, &engine, &err);
        if (rc == FINOPS_OK)
            rc = fo_conn_open(engine, &conn, &err);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_mem_fail_at(0);
        assert_true((conn != NULL) == (rc == FINOPS_OK));
    } while (rc != FINOPS_OK);
    assert_true(n > 1);
}

/* What open_in_another_process runs; a busy file's hint must name the process that holds it. */
static int
open_and_say(const char *path, bool read_only)
{
    fo_engine_options options = { .path = path, .read_only = read_only };
    fo_engine *engine = NULL;
    finops_error *err = NULL;
    finops_code rc = fo_engine_open(&options, &engine, &err);
    char parent[32];

    (void)snprintf(parent, sizeof(parent), "process %d ", (int)getppid());
    if (rc == FINOPS_E_BUSY && (!finops_error_hint(err) || !strstr(finops_error_hint(err), parent)))
        rc = FINOPS_E_INTERNAL;
    fo_engine_close(engine);
    finops_error_free(err);
    return (int)rc;
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_downloaded_and_time_is_utc, setup, teardown),
        cmocka_unit_test_setup_teardown(parameters_are_bound_and_changes_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wrong_number_of_parameters_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_table_is_not_found_and_nonsense_a_database_error, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_broken_not_null_is_a_data_error, setup, teardown),
        cmocka_unit_test_setup_teardown(too_little_memory_is_a_memory_error, setup, teardown),
        cmocka_unit_test_setup_teardown(progress_is_seen_from_another_thread, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancel_stops_a_running_statement_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_cancel_only_rollback_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_held_by_another_process_is_busy, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_only_database_refuses_to_write, setup, teardown),
        cmocka_unit_test(a_file_that_is_no_database_is_named),
        cmocka_unit_test_setup_teardown(an_unknown_extension_is_refused_and_a_missing_one_named, setup,
                                        teardown),
        cmocka_unit_test(names_and_texts_are_quoted),
        cmocka_unit_test(the_text_form_ends_where_the_statement_does),
        cmocka_unit_test(opening_survives_every_failed_allocation),
    };

    if (argc == 4 && strcmp(argv[1], "open") == 0)
        return open_and_say(argv[2], argv[3][0] == 'r');
    return cmocka_run_group_tests(tests, NULL, NULL);
}
