/* The circuit breaker, by a clock that stands still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>

#include <cmocka.h>

#include "resilience/breaker.h"

#define SECOND 1000000LL

static int64_t now_us;

static int64_t
clock_us(void)
{
    return now_us;
}

static int
setup(void **state)
{
    static fo_breaker breaker;
    const fo_breaker_options options = {
        .failures = 3, .pause_us = 10 * SECOND, .pause_max_us = 30 * SECOND, .clock_us = clock_us
    };

    now_us = 1000 * SECOND;
    fo_breaker_init(&breaker, &options);
    *state = &breaker;
    return 0;
}

static int
teardown(void **state)
{
    fo_breaker_done(*state);
    return 0;
}

static bool
ask(fo_breaker *b, fo_verdict verdict)
{
    uint64_t ticket;
    int64_t wait;

    if (!fo_breaker_allow(b, &ticket, &wait))
        return false;
    fo_breaker_report(b, ticket, verdict);
    return true;
}

static void
fail_times(fo_breaker *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_true(ask(b, FO_VERDICT_BAD));
}

static void
failures_in_a_row_open_it(void **state)
{
    uint64_t ticket;
    int64_t wait;

    fail_times(*state, 2);
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_CLOSED);
    fail_times(*state, 1);
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_OPEN);
    now_us += 4 * SECOND;
    assert_false(fo_breaker_allow(*state, &ticket, &wait));
    assert_int_equal(wait, 6 * SECOND);
}

static void
a_success_between_failures_keeps_it_closed(void **state)
{
    for (int i = 0; i < 10; i++) {
        fail_times(*state, 2);
        assert_true(ask(*state, FO_VERDICT_GOOD));
    }
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_CLOSED);
}

static void
what_says_nothing_counts_neither_way(void **state)
{
    fail_times(*state, 2);
    assert_true(ask(*state, FO_VERDICT_NONE));
    fail_times(*state, 1);
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_OPEN);
}

static void
after_the_pause_one_caller_asks_and_the_others_wait(void **state)
{
    uint64_t first, second;
    int64_t wait = 1;

    fail_times(*state, 3);
    now_us += 10 * SECOND;
    assert_true(fo_breaker_allow(*state, &first, &wait));
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_HALF_OPEN);
    assert_false(fo_breaker_allow(*state, &second, &wait));
    assert_int_equal(wait, 0);
    fo_breaker_report(*state, first, FO_VERDICT_GOOD);
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_CLOSED);
    assert_true(ask(*state, FO_VERDICT_GOOD));
}

static void
a_probe_that_was_cancelled_lets_the_next_one_try(void **state)
{
    fail_times(*state, 3);
    now_us += 10 * SECOND;
    assert_true(ask(*state, FO_VERDICT_NONE));
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_HALF_OPEN);
    assert_true(ask(*state, FO_VERDICT_GOOD));
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_CLOSED);
}

static void
each_failed_probe_doubles_the_pause_up_to_its_maximum(void **state)
{
    static const int64_t pauses[] = { 10, 20, 30, 30 };
    uint64_t ticket;
    int64_t wait;

    fail_times(*state, 3);
    for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
        assert_false(fo_breaker_allow(*state, &ticket, &wait));
        assert_int_equal(wait, pauses[i] * SECOND);
        now_us += wait;
        assert_true(ask(*state, FO_VERDICT_BAD));
    }
}

static void
the_pause_is_short_again_after_it_closed(void **state)
{
    uint64_t ticket;
    int64_t wait;

    fail_times(*state, 3);
    now_us += 10 * SECOND;
    fail_times(*state, 1);
    now_us += 20 * SECOND;
    assert_true(ask(*state, FO_VERDICT_GOOD));
    fail_times(*state, 3);
    assert_false(fo_breaker_allow(*state, &ticket, &wait));
    assert_int_equal(wait, 10 * SECOND);
}

/* A call that began long ago and fails only now says nothing about the service as it is. */
static void
the_end_of_an_old_call_changes_nothing(void **state)
{
    uint64_t old;
    int64_t wait;

    assert_true(fo_breaker_allow(*state, &old, &wait));
    fail_times(*state, 3);
    fo_breaker_report(*state, old, FO_VERDICT_GOOD);
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_OPEN);
    now_us += 10 * SECOND;
    assert_true(ask(*state, FO_VERDICT_GOOD));
    fo_breaker_report(*state, old, FO_VERDICT_BAD);
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_CLOSED);
}

static void
a_good_health_check_closes_it_at_once(void **state)
{
    fail_times(*state, 3);
    fo_breaker_observe(*state, FO_VERDICT_GOOD);
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_CLOSED);
}

static void
bad_health_checks_open_it_too(void **state)
{
    for (int i = 0; i < 3; i++)
        fo_breaker_observe(*state, FO_VERDICT_BAD);
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_OPEN);
    assert_string_equal(fo_breaker_state_name(FO_BREAKER_HALF_OPEN), "half open");
}

static void
a_service_that_says_no_is_up(void **state)
{
    (void)state;
    assert_int_equal(fo_verdict_of(FINOPS_OK), FO_VERDICT_GOOD);
    assert_int_equal(fo_verdict_of(FINOPS_E_AUTH), FO_VERDICT_GOOD);
    assert_int_equal(fo_verdict_of(FINOPS_E_TRANSIENT), FO_VERDICT_BAD);
    assert_int_equal(fo_verdict_of(FINOPS_E_TIMEOUT), FO_VERDICT_BAD);
    assert_int_equal(fo_verdict_of(FINOPS_E_CANCELLED), FO_VERDICT_NONE);
    assert_int_equal(fo_verdict_of(FINOPS_E_MEMORY), FO_VERDICT_NONE);
}

static void *
ask_often(void *arg)
{
    for (int i = 0; i < 2000; i++)
        (void)ask(arg, i % 3 ? FO_VERDICT_BAD : FO_VERDICT_GOOD);
    return NULL;
}

static void
many_threads_leave_it_usable(void **state)
{
    pthread_t threads[8];

    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, *state), 0);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    now_us += 60 * SECOND;
    assert_true(ask(*state, FO_VERDICT_GOOD));
    assert_int_equal(fo_breaker_state_now(*state), FO_BREAKER_CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(failures_in_a_row_open_it),
        TEST(a_success_between_failures_keeps_it_closed),
        TEST(what_says_nothing_counts_neither_way),
        TEST(after_the_pause_one_caller_asks_and_the_others_wait),
        TEST(a_probe_that_was_cancelled_lets_the_next_one_try),
        TEST(each_failed_probe_doubles_the_pause_up_to_its_maximum),
        TEST(the_pause_is_short_again_after_it_closed),
        TEST(the_end_of_an_old_call_changes_nothing),
        TEST(a_good_health_check_closes_it_at_once),
        TEST(bad_health_checks_open_it_too),
        TEST(a_service_that_says_no_is_up),
        TEST(many_threads_leave_it_usable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
