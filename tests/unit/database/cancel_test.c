/* finops_session_cancel(): from another thread, with a scripted driver and with DuckDB; made for the thread
 * sanitizer. */
#include "front_fixture.h"

#include <unistd.h>

#include "config/settings.h"
#include "database/duckdb/driver.h"
#include "finops/sys/plugin.h"

#define LONG_QUERY                                                                                           \
    "SELECT count(*) FROM range(400000) a, range(400000) b WHERE (a.range * 7 + b.range) % 11 = 3"

static finops_code
run(finops_session *s, const char *sql)
{
    return fo_session_exec(s, sql, NULL, 0, NULL, NULL);
}

/* Another thread that cancels a session every 200 microseconds, once something is to be cancelled. */
typedef struct canceller {
    pthread_t thread;
    finops_session *session;
    atomic_bool end;
    atomic_uint done;
} canceller;

static void *
cancel_often(void *arg)
{
    canceller *c = arg;

    while (!atomic_load(&c->end)) {
        (void)nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
        finops_session_cancel(c->session);
        (void)atomic_fetch_add(&c->done, 1);
    }
    return NULL;
}

static void
canceller_start(canceller *c, finops_session *session)
{
    *c = (canceller){ .session = session };
    assert_int_equal(pthread_create(&c->thread, NULL, cancel_often, c), 0);
}

static void
canceller_end(canceller *c)
{
    atomic_store(&c->end, true);
    assert_int_equal(pthread_join(c->thread, NULL), 0);
}

/* ---- the front door ---- */

static void
nothing_happens_when_no_call_runs(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    finops_session_cancel(NULL);
    finops_session_cancel(s);
    assert_int_equal(atomic_load(&f->world.cancels), 0);
    assert_int_equal(run(s, "SELECT 1"), FINOPS_OK);
    finops_session_cancel(s);
    assert_int_equal(atomic_load(&f->world.cancels), 0);
    finops_session_release(s);
}

static void
a_call_that_hangs_is_ended_and_the_next_is_not(void **state)
{
    fixture *f = *state;
    finops_session *s;
    canceller c;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    atomic_store(&f->world.hang, true);
    canceller_start(&c, s);
    assert_int_equal(run(s, "SELECT 1"), FINOPS_E_CANCELLED);
    canceller_end(&c);
    assert_true(atomic_load(&f->world.cancels) > 0);
    atomic_store(&f->world.hang, false);
    assert_int_equal(run(s, "SELECT 1"), FINOPS_OK);
    finops_session_release(s);
}

static finops_call seen; /* what the driver was given */
static unsigned asked;

static finops_code
execute_and_look(void *conn, const finops_statement *s, struct ArrowArrayStream *ret_stream,
                 int64_t *ret_changed, finops_error **err)
{
    (void)conn;
    (void)ret_stream;
    (void)ret_changed;
    seen = *s->call;
    if (s->call->cancelled(s->call->arg))
        return fo_error_set(err, FINOPS_E_CANCELLED, "as the call says");
    if (s->call->progress)
        s->call->progress(0.5, 7, s->call->arg);
    return FINOPS_OK;
}

static bool
callers_answer(void *arg)
{
    asked++;
    return *(bool *)arg;
}

static void
callers_progress(double fraction, int64_t done, void *arg)
{
    (void)fraction;
    (void)arg;
    asked += (unsigned)done;
}

/* The caller's own deadline, cancel and progress are still asked and told. */
static void
what_the_caller_gave_counts_as_well(void **state)
{
    fixture *f = *state;
    static finops_database_driver driver; /* outlives the test: its teardown closes the database */
    bool stop = false;
    const finops_call call = {
        .deadline_us = 1LL << 60, .cancelled = callers_answer, .progress = callers_progress, .arg = &stop
    };
    const finops_statement statement = { .sql = "SELECT 1", .call = &call };
    finops_session *s;

    driver = fake_driver;
    driver.cancel = NULL;
    driver.execute = execute_and_look;
    fixture_open(f, &driver, NULL);
    s = take(f, 0);
    asked = 0;
    assert_int_equal(finops_session_execute(s, &statement, NULL, NULL, NULL), FINOPS_OK);
    assert_true(seen.deadline_us == call.deadline_us);
    assert_int_equal(asked, 8);
    stop = true;
    assert_int_equal(finops_session_execute(s, &statement, NULL, NULL, NULL), FINOPS_E_CANCELLED);
    assert_int_equal(run(s, "SELECT 1"), FINOPS_OK);
    assert_null(seen.progress);
    finops_session_release(s);
}

static finops_session *cancelled_early;

static finops_code
execute_cancelled_early(void *conn, const finops_statement *s, struct ArrowArrayStream *ret_stream,
                        int64_t *ret_changed, finops_error **err)
{
    if (cancelled_early)
        finops_session_cancel(FO_TAKE(cancelled_early));
    return execute_and_look(conn, s, ret_stream, ret_changed, err);
}

/* Also with a driver that has no cancel of its own, or forgets one that comes before it begins. */
static void
a_cancel_before_the_driver_began_is_not_forgotten(void **state)
{
    fixture *f = *state;
    static finops_database_driver driver; /* outlives the test: its teardown closes the database */
    finops_session *s;

    driver = fake_driver;
    driver.cancel = NULL;
    driver.execute = execute_cancelled_early;
    fixture_open(f, &driver, NULL);
    s = take(f, 0);
    cancelled_early = s;
    assert_int_equal(run(s, "SELECT 1"), FINOPS_E_CANCELLED);
    assert_int_equal(run(s, "SELECT 1"), FINOPS_OK);
    finops_session_release(s);
}

/* ---- DuckDB ---- */

typedef struct duck {
    finops_registry *registry;
    finops_database *database;
    char path[64];
} duck;

static int
duck_setup(void **state)
{
    static char backend[] = "duckdb";
    duck *d = fo_zalloc(sizeof(*d));
    fo_settings settings = { .database.backend = backend };

    assert_non_null(d);
    (void)snprintf(d->path, sizeof(d->path), "/tmp/finops-cancel-%ld.duckdb", (long)getpid());
    settings.duckdb = (fo_duckdb_settings){
        .database_path = d->path, .memory_limit = 512 << 20, .threads = 2, .lock_timeout = 10
    };
    assert_int_equal(fo_registry_new_empty(&d->registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(d->registry, &fo_duckdb_driver, NULL), FINOPS_OK);
    assert_int_equal(fo_database_open_settings(d->registry, &settings, NULL, &d->database, NULL), FINOPS_OK);
    *state = d;
    return 0;
}

static int
duck_teardown(void **state)
{
    duck *d = *state;

    finops_database_close(d->database);
    finops_registry_free(d->registry);
    (void)unlink(d->path);
    fo_free(d);
    return 0;
}

static finops_session *
duck_session(const duck *d)
{
    finops_session *s = NULL;

    assert_int_equal(finops_session_acquire(d->database, 0, NULL, &s, NULL), FINOPS_OK);
    return s;
}

static void
a_long_query_ends_and_the_session_goes_on(void **state)
{
    finops_session *s = duck_session(*state);
    canceller c;

    canceller_start(&c, s);
    assert_int_equal(run(s, LONG_QUERY), FINOPS_E_CANCELLED);
    canceller_end(&c);
    assert_int_equal(run(s, "SELECT 1"), FINOPS_OK);
    finops_session_release(s);
}

static void
reading_a_stream_can_be_ended(void **state)
{
    finops_session *s = duck_session(*state);
    struct ArrowArrayStream stream = { 0 };
    struct ArrowArray array = { 0 };
    int rc = 0;

    assert_int_equal(fo_session_stream(s, "SELECT range FROM range(2000000000)", NULL, 0, &stream, NULL),
                     FINOPS_OK);
    assert_int_equal(stream.get_next(&stream, &array), 0);
    array.release(&array);
    finops_session_cancel(s);
    for (unsigned i = 0; rc == 0 && i < 100000; i++) {
        rc = stream.get_next(&stream, &array);
        if (rc == 0 && !array.release)
            break;
        if (array.release)
            array.release(&array);
    }
    assert_int_not_equal(rc, 0);
    assert_int_equal(finops_stream_code(rc), FINOPS_E_CANCELLED);
    stream.release(&stream);
    assert_int_equal(run(s, "SELECT 1"), FINOPS_OK);
    finops_session_release(s);
}

/* What was cancelled left nothing; what was not is all there. */
static void
writes_are_whole_or_not_there_however_a_cancel_comes(void **state)
{
    finops_session *s = duck_session(*state);
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    int64_t done = 0;
    canceller c;

    assert_int_equal(run(s, "CREATE TABLE t (x BIGINT)"), FINOPS_OK);
    canceller_start(&c, s);
    for (int i = 0; i < 200; i++) {
        finops_code rc = run(s, "INSERT INTO t SELECT range FROM range(5000)");

        assert_true(rc == FINOPS_OK || rc == FINOPS_E_CANCELLED);
        done += rc == FINOPS_OK;
    }
    canceller_end(&c);
    assert_int_equal(fo_session_rows(s, "SELECT count(*) FROM t", NULL, 0, &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_int(rows, 0, 0), done * 5000);
    finops_session_release(s);
}

#define DUCK(name) cmocka_unit_test_setup_teardown(name, duck_setup, duck_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_happens_when_no_call_runs),
        TEST(a_call_that_hangs_is_ended_and_the_next_is_not),
        TEST(what_the_caller_gave_counts_as_well),
        TEST(a_cancel_before_the_driver_began_is_not_forgotten),
        DUCK(a_long_query_ends_and_the_session_goes_on),
        DUCK(reading_a_stream_can_be_ended),
        DUCK(writes_are_whole_or_not_there_however_a_cancel_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
