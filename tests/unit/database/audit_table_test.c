/* The audit table, in a real database: when its rows are written, and what becomes of those that could not
 * be. */
#include "front_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "config/settings.h"
#include "database/audit_row.h"
#include "database/duckdb/driver.h"

#define TABLE "book.log"

typedef struct book {
    char folder[64];
    char *path;
    finops_registry *registry;
    finops_database_driver driver; /* DuckDB, with a commit that can lose its answer */
    fo_settings settings;
    finops_database *database;
} book;

static atomic_uint unknown_commits; /* this many are done and told as unknown */

static finops_code
commit_or_doubt(void *conn, bool *ret_unknown, finops_error **err)
{
    unsigned left = atomic_load(&unknown_commits);
    finops_code rc = fo_duckdb_driver.commit(conn, ret_unknown, err);

    if (rc != FINOPS_OK || left == 0 || !atomic_compare_exchange_strong(&unknown_commits, &left, left - 1))
        return rc;
    *ret_unknown = left == 1;
    return left == 1 ? fo_error_set(err, FINOPS_E_TRANSIENT, "the answer was lost") : FINOPS_OK;
}

static int
book_setup(void **state)
{
    static char backend[] = "duckdb", table[] = TABLE;
    book *b = fo_zalloc(sizeof(*b));

    assert_non_null(b);
    (void)snprintf(b->folder, sizeof(b->folder), "/tmp/finops-book-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    b->path = fo_format("%s/f.duckdb", b->folder);
    b->driver = fo_duckdb_driver;
    b->driver.commit = commit_or_doubt;
    b->settings.database.backend = backend;
    b->settings.duckdb = (fo_duckdb_settings){
        .database_path = b->path, .memory_limit = 256 << 20, .threads = 1, .lock_timeout = 10
    };
    b->settings.audit.table = table;
    assert_int_equal(fo_registry_new_empty(&b->registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(b->registry, &b->driver, NULL), FINOPS_OK);
    assert_int_equal(fo_database_open_settings(b->registry, &b->settings, NULL, &b->database, NULL),
                     FINOPS_OK);
    atomic_store(&unknown_commits, 0);
    *state = b;
    return 0;
}

static int
book_teardown(void **state)
{
    book *b = *state;

    finops_database_close(b->database);
    finops_registry_free(b->registry);
    (void)unlink(b->path);
    (void)rmdir(b->folder);
    fo_free(b->path);
    fo_free(b);
    return 0;
}

static finops_session *
session_of(book *b)
{
    finops_session *s = NULL;

    assert_int_equal(finops_session_acquire(b->database, 0, NULL, &s, NULL), FINOPS_OK);
    return s;
}

static finops_code
run(finops_session *s, const char *sql)
{
    return fo_session_exec(s, sql, NULL, 0, NULL, NULL);
}

/* "operation outcome" of each row, by commas. */
static void
expect_rows(finops_session *s, const char *want)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert_int_equal(
        fo_session_rows(s, "SELECT string_agg(operation || ' ' || outcome, ',' ORDER BY seq) FROM " TABLE,
                        NULL, 0, &rows, NULL),
        FINOPS_OK);
    assert_string_equal(fo_rows_text(rows, 0, 0), want);
}

static uint64_t
expect_fine(finops_session *s)
{
    fo_audit_summary summary;

    assert_int_equal(fo_audit_table_verify(s, TABLE, NULL, &summary, NULL), FINOPS_OK);
    return summary.lines;
}

static void
what_a_transaction_did_is_there_after_it_was_rolled_back(void **state)
{
    finops_session *s = session_of(*state);

    assert_int_equal(run(s, "CREATE TABLE t (x INTEGER NOT NULL)"), FINOPS_OK);
    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    assert_int_equal(run(s, "INSERT INTO t VALUES (1)"), FINOPS_OK);
    expect_rows(s, "create table ok");
    assert_int_not_equal(run(s, "INSERT INTO t VALUES (NULL)"), FINOPS_OK);
    assert_int_equal(finops_session_rollback(s, NULL), FINOPS_OK);
    expect_rows(s, "create table ok,insert ok,insert data,rollback ok");
    assert_int_equal(expect_fine(s), 4);
    finops_session_release(s);
}

static void
a_change_whose_rows_are_still_read_is_written_with_the_next(void **state)
{
    struct ArrowArrayStream stream = { 0 };
    finops_session *s = session_of(*state);

    assert_int_equal(run(s, "CREATE TABLE t (x INTEGER)"), FINOPS_OK);
    assert_int_equal(fo_session_stream(s, "INSERT INTO t VALUES (1) RETURNING x", NULL, 0, &stream, NULL),
                     FINOPS_OK);
    stream.release(&stream);
    expect_rows(s, "create table ok");
    finops_session_release(s);
    s = session_of(*state);
    expect_rows(s, "create table ok,insert ok");
    finops_session_release(s);
}

/* The table's own commit loses its answer: its rows are there, and are not written twice. */
static void
rows_of_an_unknown_commit_are_not_doubled(void **state)
{
    finops_session *s = session_of(*state);

    assert_int_equal(run(s, "CREATE TABLE t (x INTEGER)"), FINOPS_OK);
    atomic_store(&unknown_commits, 1);
    assert_int_equal(run(s, "INSERT INTO t VALUES (1)"), FINOPS_OK);
    assert_int_equal(atomic_load(&unknown_commits), 0);
    assert_false(fo_session_commit_unknown(s));
    finops_session_release(s);
    s = session_of(*state);
    assert_int_equal(run(s, "INSERT INTO t VALUES (2)"), FINOPS_OK);
    expect_rows(s, "create table ok,insert ok,insert ok");
    assert_int_equal(expect_fine(s), 3);
    finops_session_release(s);
}

static void
a_table_that_was_dropped_is_made_again(void **state)
{
    finops_session *s = session_of(*state);

    assert_int_equal(run(s, "CREATE TABLE t (x INTEGER)"), FINOPS_OK);
    assert_int_equal(run(s, "DROP TABLE " TABLE), FINOPS_OK);
    assert_int_equal(run(s, "INSERT INTO t VALUES (1)"), FINOPS_OK);
    expect_rows(s, "drop table ok,insert ok");
    assert_int_equal(expect_fine(s), 2);
    finops_session_release(s);
}

static void *
change_much(void *arg)
{
    for (int i = 0; i < 20; i++) {
        finops_session *s = session_of(arg);

        assert_int_equal(run(s, "CREATE OR REPLACE TEMP TABLE mine (x INTEGER)"), FINOPS_OK);
        finops_session_release(s);
    }
    return NULL;
}

static void
threads_make_one_chain(void **state)
{
    pthread_t threads[4];
    finops_session *s;

    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, change_much, *state), 0);
    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    s = session_of(*state);
    assert_int_equal(expect_fine(s), 80);
    finops_session_release(s);
}

static void
a_missing_table_is_not_found_and_none_is_made(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_session *s = session_of(*state);
    fo_audit_summary summary = { .lines = 77 };

    assert_int_equal(fo_audit_table_verify(s, TABLE, NULL, &summary, &err), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_text(err), "there is no audit table " TABLE);
    assert_int_equal(summary.lines, 77);
    finops_session_release(s);
}

static void
a_name_is_one_or_two_words(void **state)
{
    static const char *const bad[] = { "", ".", ".t", "s.", "a.b.c" };
    fo_audit_place place = { 0 };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(bad); i++)
        assert_int_equal(fo_audit_place_parse(bad[i], &place, NULL), FINOPS_E_CONFIG);
    assert_int_equal(fo_audit_place_parse("s.t", &place, NULL), FINOPS_OK);
    assert_string_equal(place.schema, "s");
    assert_string_equal(place.table, "t");
    fo_audit_place_done(&place);
    assert_int_equal(fo_audit_place_parse("t", &place, NULL), FINOPS_OK);
    assert_null(place.schema);
    fo_audit_place_done(&place);
}

static void
bytes_that_are_no_text_become_question_marks(void **state)
{
    FO_AUTO(fo_freep)
    char *clean = fo_audit_clean("a\xff"
                                 "b\xc3\xa9\xc3");

    (void)state;
    assert_string_equal(clean, "a?b\xc3\xa9?");
}

static void
making_it_survives_every_failed_allocation(void **state)
{
    fo_audit_table *table = NULL;
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        fo_mem_fail_at(++n);
        rc = fo_audit_table_new(TABLE, &table, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    fo_audit_table_free(table);
}

/* Whatever fails on the way, nothing is lost and nothing is written twice. */
static void
writing_survives_every_failed_allocation(void **state)
{
    finops_session *s = session_of(*state);
    fo_audit_table *table = ((book *)*state)->database->audit_table;
    const fo_audit_event event = { .operation = "write", .object = "t", .rows = 1, .backend = "duckdb" };
    bool failed;
    unsigned n = 0;

    assert_int_equal(run(s, "CREATE TABLE t (x INTEGER)"), FINOPS_OK);
    do {
        finops_code rc;

        fo_audit_table_add(table, &event);
        fo_mem_fail_at(++n);
        rc = fo_audit_table_flush(table, s, NULL);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_true(rc == FINOPS_OK || failed);
    } while (failed && n < 2000);
    assert_false(failed);
    assert_int_equal(fo_audit_table_ready(table, s, NULL), FINOPS_OK);
    assert_int_equal(expect_fine(s), 1 + n);
    finops_session_release(s);
}

#define BOOK(name) cmocka_unit_test_setup_teardown(name, book_setup, book_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BOOK(what_a_transaction_did_is_there_after_it_was_rolled_back),
        BOOK(a_change_whose_rows_are_still_read_is_written_with_the_next),
        BOOK(rows_of_an_unknown_commit_are_not_doubled),
        BOOK(a_table_that_was_dropped_is_made_again),
        BOOK(threads_make_one_chain),
        BOOK(a_missing_table_is_not_found_and_none_is_made),
        BOOK(writing_survives_every_failed_allocation),
        cmocka_unit_test(a_name_is_one_or_two_words),
        cmocka_unit_test(bytes_that_are_no_text_become_question_marks),
        cmocka_unit_test(making_it_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
