/* Health: asked, watched, remembered. */
#include "front_fixture.h"

static void
a_driver_that_knows_its_health_is_asked(void **state)
{
    fixture *f = *state;
    finops_health health, last;
    int64_t age = -1;

    fixture_open(f, &fake_driver, NULL);
    assert_int_equal(finops_database_last_health(f->database, &last, &age, NULL), FINOPS_E_NOT_FOUND);
    assert_int_equal(finops_database_health(f->database, NULL, &health, NULL), FINOPS_OK);
    assert_int_equal(health.state, FINOPS_HEALTH_UP);
    assert_string_equal(health.version, "Fake 1.0");
    assert_int_equal(finops_database_last_health(f->database, &last, &age, NULL), FINOPS_OK);
    assert_string_equal(last.version, "Fake 1.0");
    assert_true(age >= 0);
}

static void
a_driver_that_does_not_is_connected_to(void **state)
{
    fixture *f = *state;
    finops_health health;

    fixture_open(f, &fake_driver_bare, NULL);
    assert_int_equal(finops_database_health(f->database, NULL, &health, NULL), FINOPS_OK);
    assert_int_equal(health.state, FINOPS_HEALTH_UP);
    assert_string_equal(fake_log(&f->world, 0), "SELECT 1");
    assert_int_equal(atomic_load(&f->world.live), 0);
}

static void
being_down_is_an_answer(void **state)
{
    fixture *f = *state;
    finops_health health;

    fixture_open(f, &fake_driver_bare, NULL);
    fake_fail(&f->world.connect, 1, FINOPS_E_TRANSIENT);
    assert_int_equal(finops_database_health(f->database, NULL, &health, NULL), FINOPS_OK);
    assert_int_equal(health.state, FINOPS_HEALTH_DOWN);
    assert_string_equal(health.detail, "fake fault");
    fake_fail(&f->world.execute, 1, FINOPS_E_DATABASE);
    assert_int_equal(finops_database_health(f->database, NULL, &health, NULL), FINOPS_OK);
    assert_int_equal(health.state, FINOPS_HEALTH_DOWN);
}

static void
being_stopped_is_none(void **state)
{
    fixture *f = *state;
    finops_health health;

    fixture_open(f, &fake_driver, NULL);
    fake_fail(&f->world.health, 1, FINOPS_E_CANCELLED);
    assert_int_equal(finops_database_health(f->database, NULL, &health, NULL), FINOPS_E_CANCELLED);
}

/* Counts the monitor's checks. */
typedef struct seen {
    atomic_uint up, down;
} seen;

static void
count(const finops_health *health, void *arg)
{
    seen *s = arg;

    (void)atomic_fetch_add(health->state == FINOPS_HEALTH_UP ? &s->up : &s->down, 1);
}

static void
wait_for(atomic_uint *what, unsigned n)
{
    while (atomic_load(what) < n)
        (void)nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
}

static void
the_monitor_sees_a_server_go_and_come_back(void **state)
{
    fixture *f = *state;
    seen s = { 0 };
    const finops_monitor_options options = {
        .interval_us = 1000, .error_interval_us = 1000, .checked = count, .arg = &s
    };

    fixture_open(f, &fake_driver, NULL);
    fake_fail(&f->world.health, 3, FINOPS_E_TRANSIENT);
    assert_int_equal(finops_database_monitor(f->database, &options, NULL), FINOPS_OK);
    assert_int_equal(finops_database_monitor(f->database, &options, NULL), FINOPS_E_EXISTS);
    wait_for(&s.up, 2);
    assert_int_equal(atomic_load(&s.down), 3);
}

static void
the_monitor_keeps_the_least_number_of_connections(void **state)
{
    fixture *f = *state;
    seen s = { 0 };
    const finops_monitor_options options = { .interval_us = 1000, .checked = count, .arg = &s };
    finops_pool_figures figures;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .min = 3 });
    assert_int_equal(finops_database_monitor(f->database, &options, NULL), FINOPS_OK);
    wait_for(&s.up, 3);
    finops_database_pool(f->database, &figures);
    assert_int_equal(figures.open, 3);
    assert_int_equal(figures.idle, 3);
}

static void
what_was_idle_too_long_is_closed_down_to_the_least(void **state)
{
    fixture *f = *state;
    finops_session *s[4];
    finops_pool_figures figures;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .min = 1, .idle_us = 1 });
    for (size_t i = 0; i < 4; i++)
        s[i] = take(f, 0);
    for (size_t i = 0; i < 4; i++)
        finops_session_release(s[i]);
    (void)nanosleep(&(struct timespec){ .tv_nsec = 10000 }, NULL);
    fo_pool_maintain(f->database->pool);
    finops_database_pool(f->database, &figures);
    assert_int_equal(figures.idle, 1);
    assert_int_equal(figures.discarded, 3);
}

static void
closing_ends_the_monitor_at_once(void **state)
{
    fixture *f = *state;
    seen s = { 0 };
    const finops_monitor_options options = { .checked = count, .arg = &s }; /* next check in half a minute */

    fixture_open(f, &fake_driver, NULL);
    assert_int_equal(finops_database_monitor(f->database, &options, NULL), FINOPS_OK);
    wait_for(&s.up, 1);
}

static void *
wait_long(void *arg)
{
    finops_session_release(take(arg, 0));
    return NULL;
}

static void
callers_that_wait_are_told_as_degraded(void **state)
{
    fixture *f = *state;
    finops_session *held;
    finops_health health = { 0 };
    pthread_t thread;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 1 });
    held = take(f, 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_long, f), 0);
    while (health.state != FINOPS_HEALTH_DEGRADED)
        assert_int_equal(finops_database_health(f->database, NULL, &health, NULL), FINOPS_OK);
    assert_string_equal(health.detail, "all 1 connections are in use and 1 callers wait");
    finops_session_release(held);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_driver_that_knows_its_health_is_asked),
        TEST(a_driver_that_does_not_is_connected_to),
        TEST(being_down_is_an_answer),
        TEST(being_stopped_is_none),
        TEST(the_monitor_sees_a_server_go_and_come_back),
        TEST(the_monitor_keeps_the_least_number_of_connections),
        TEST(what_was_idle_too_long_is_closed_down_to_the_least),
        TEST(closing_ends_the_monitor_at_once),
        TEST(callers_that_wait_are_told_as_degraded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
