/* Retries, with a clock that only moves when somebody sleeps and a die that says what it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "resilience/deadline.h"
#include "resilience/retry.h"

static int64_t now_us;
static uint32_t asked[16];
static unsigned n_asked;

static int64_t
clock_us(void)
{
    return now_us;
}

static void
sleep_us(int64_t us)
{
    assert_true(us <= 50000);
    now_us += us;
}

/* The longest pause there may be; what was possible is kept. */
static uint32_t
longest(uint32_t n)
{
    asked[n_asked++ % 16] = n - 1;
    return n - 1;
}

static const fo_retry_options options = { .attempts = 5,
                                          .base_us = 100000,
                                          .cap_us = 300000,
                                          .clock_us = clock_us,
                                          .sleep_us = sleep_us,
                                          .random = longest };

static int
setup(void **state)
{
    (void)state;
    now_us = 1000000;
    n_asked = 0;
    return 0;
}

static void
pauses_double_up_to_the_longest(void **state)
{
    fo_retry r;

    (void)state;
    fo_retry_init(&r, &options, NULL, 0);
    for (int i = 0; i < 4; i++)
        assert_true(fo_retry_again(&r, FINOPS_E_TRANSIENT, NULL, NULL));
    assert_false(fo_retry_again(&r, FINOPS_E_TRANSIENT, NULL, NULL));
    assert_int_equal(n_asked, 4);
    assert_int_equal(asked[0], 100000);
    assert_int_equal(asked[1], 200000);
    assert_int_equal(asked[2], 300000);
    assert_int_equal(asked[3], 300000);
    assert_int_equal(now_us, 1900000);
}

static void
only_what_may_have_been_bad_luck_is_tried_again(void **state)
{
    (void)state;
    for (int code = 0; code < FINOPS_E_COUNT_; code++) {
        fo_retry r;
        bool want = code == FINOPS_E_TRANSIENT || code == FINOPS_E_THROTTLED;

        fo_retry_init(&r, &options, NULL, 0);
        assert_int_equal(fo_retry_again(&r, (finops_code)code, NULL, NULL), want);
    }
}

static void
a_pause_past_the_deadline_is_not_begun(void **state)
{
    fo_retry r;

    (void)state;
    fo_retry_init(&r, &options, NULL, now_us + 250000);
    assert_true(fo_retry_again(&r, FINOPS_E_TRANSIENT, NULL, NULL));
    assert_int_equal(now_us, 1100000);
    assert_false(fo_retry_again(&r, FINOPS_E_TRANSIENT, NULL, NULL));
    assert_int_equal(now_us, 1100000);
}

static bool
after_half(void *arg)
{
    (void)arg;
    return now_us >= 1050000;
}

static void
a_pause_ends_when_it_is_cancelled(void **state)
{
    fo_retry r;

    (void)state;
    fo_retry_init(&r, &options, NULL, 0);
    assert_false(fo_retry_again(&r, FINOPS_E_TRANSIENT, after_half, NULL));
    assert_int_equal(now_us, 1050000);
}

static unsigned
retries_until_empty(fo_retry_budget *budget)
{
    unsigned n = 0;
    bool again = true;

    while (again) {
        fo_retry r;

        fo_retry_init(&r, &options, budget, 0);
        again = fo_retry_again(&r, FINOPS_E_TRANSIENT, NULL, NULL);
        n += again;
    }
    return n;
}

static void
the_budget_ends_retries_and_success_fills_it(void **state)
{
    fo_retry_budget budget;
    fo_retry r;

    (void)state;
    fo_retry_budget_init(&budget);
    assert_int_equal(retries_until_empty(&budget), 10);
    for (int i = 0; i < 20; i++) {
        fo_retry_init(&r, &options, &budget, 0);
        assert_false(fo_retry_again(&r, FINOPS_OK, NULL, NULL));
    }
    assert_int_equal(retries_until_empty(&budget), 2);
}

static void
success_never_fills_the_budget_above_its_size(void **state)
{
    fo_retry_budget budget;
    fo_retry r;

    (void)state;
    fo_retry_budget_init(&budget);
    for (int i = 0; i < 1000; i++) {
        fo_retry_init(&r, &options, &budget, 0);
        (void)fo_retry_again(&r, FINOPS_OK, NULL, NULL);
    }
    assert_int_equal(retries_until_empty(&budget), 10);
}

static void
the_defaults_sleep_a_little_for_real(void **state)
{
    const fo_retry_options quick = { .base_us = 1000, .cap_us = 1000 };
    fo_retry r;

    (void)state;
    fo_retry_init(&r, &quick, NULL, fo_deadline_in(5000000));
    for (int i = 0; i < 3; i++)
        assert_true(fo_retry_again(&r, FINOPS_E_THROTTLED, NULL, NULL));
    assert_false(fo_retry_again(&r, FINOPS_E_THROTTLED, NULL, NULL));
}

static void
deadlines_add_up(void **state)
{
    (void)state;
    assert_int_equal(fo_deadline_first(0, 0), 0);
    assert_int_equal(fo_deadline_first(0, 5), 5);
    assert_int_equal(fo_deadline_first(7, 0), 7);
    assert_int_equal(fo_deadline_first(7, 5), 5);
    assert_int_equal(fo_deadline_left(0, 5), INT64_MAX);
    assert_int_equal(fo_deadline_left(9, 5), 4);
    assert_int_equal(fo_deadline_left(4, 5), 0);
    assert_true(fo_deadline_passed(5, 5));
    assert_false(fo_deadline_passed(0, 5));
    assert_int_equal(fo_deadline_in(INT64_MAX), INT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pauses_double_up_to_the_longest),
        TEST(only_what_may_have_been_bad_luck_is_tried_again),
        TEST(a_pause_past_the_deadline_is_not_begun),
        TEST(a_pause_ends_when_it_is_cancelled),
        TEST(the_budget_ends_retries_and_success_fills_it),
        TEST(success_never_fills_the_budget_above_its_size),
        TEST(the_defaults_sleep_a_little_for_real),
        TEST(deadlines_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
