/* Requests a second, in a time that is only counted, and how many at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "resilience/deadline.h"
#include "resilience/gate.h"
#include "resilience/rate.h"

#define CALLERS 16
#define SECOND 1000000

/* Each caller asks again when its request is over; from `begin` for so long. Requests of each. */
static unsigned
run_callers(fo_rate *rate, int64_t begin, int64_t length, unsigned done[CALLERS])
{
    int64_t free_at[CALLERS];
    unsigned all = 0;

    for (unsigned i = 0; i < CALLERS; i++) {
        free_at[i] = begin + i;
        done[i] = 0;
    }
    for (;;) {
        unsigned next = 0;
        for (unsigned i = 1; i < CALLERS; i++)
            if (free_at[i] < free_at[next])
                next = i;
        if (free_at[next] >= begin + length)
            return all;
        int64_t start = free_at[next] + fo_rate_take(rate, free_at[next], INT64_MAX);
        if (start < begin + length) {
            done[next]++;
            all++;
        }
        free_at[next] = start + 1000 + 700 * next; /* some take longer */
    }
}

static void
f9_a_rate_holds_within_5_percent_and_is_fair(void **state)
{
    unsigned done[CALLERS], all;
    fo_rate rate;

    (void)state;
    fo_rate_init(&rate, 100);
    all = run_callers(&rate, 5 * SECOND, 10 * SECOND, done);
    assert_in_range(all, 950, 1050);
    for (unsigned i = 0; i < CALLERS; i++)
        assert_in_range(done[i], all / CALLERS - 2, all / CALLERS + 2);
    fo_rate_done(&rate);
}

static void
f9_a_rate_drops_by_30_percent_once_and_recovers(void **state)
{
    unsigned done[CALLERS];
    fo_rate rate;

    (void)state;
    fo_rate_init(&rate, 1000);
    (void)run_callers(&rate, SECOND, SECOND, done);
    for (unsigned i = 0; i < 10; i++)
        fo_rate_throttled(&rate, 2 * SECOND + i); /* all that was under way */
    assert_in_range(run_callers(&rate, 2 * SECOND + 20, SECOND / 2, done), 330, 370);
    (void)run_callers(&rate, 3 * SECOND, 7 * SECOND, done);
    assert_in_range(run_callers(&rate, 10 * SECOND, SECOND, done), 950, 1050);
    fo_rate_done(&rate);
}

static void
a_turn_that_would_come_too_late_is_not_taken(void **state)
{
    fo_rate rate;

    (void)state;
    fo_rate_init(&rate, 1);
    assert_int_equal(fo_rate_take(&rate, SECOND, 0), 0);
    assert_int_equal(fo_rate_take(&rate, SECOND, SECOND / 2), -1);
    assert_in_range(fo_rate_take(&rate, SECOND, SECOND), SECOND * 9 / 10, SECOND);
    fo_rate_done(&rate);
}

/* ---- how many at once ---- */

typedef struct room {
    fo_gate gate;
    atomic_int inside, most, done;
} room;

static void *
visit(void *arg)
{
    room *r = arg;

    for (unsigned i = 0; i < 200; i++) {
        if (fo_gate_enter(&r->gate, 0, NULL, NULL) != FINOPS_OK)
            return r;
        int now = atomic_fetch_add(&r->inside, 1) + 1, most = atomic_load(&r->most);
        while (now > most && !atomic_compare_exchange_weak(&r->most, &most, now))
            ;
        (void)nanosleep(&(struct timespec){ .tv_nsec = 20000 }, NULL);
        atomic_fetch_sub(&r->inside, 1);
        atomic_fetch_add(&r->done, 1);
        fo_gate_leave(&r->gate, 1, fo_clock_monotonic());
    }
    return NULL;
}

static void
no_more_than_allowed_are_inside(void **state)
{
    pthread_t threads[CALLERS];
    room r = { 0 };

    (void)state;
    fo_gate_init(&r.gate, 3, false);
    for (unsigned i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &r), 0);
    for (unsigned i = 0; i < CALLERS; i++) {
        void *bad = &r;
        assert_int_equal(pthread_join(threads[i], &bad), 0);
        assert_null(bad);
    }
    assert_int_equal(r.done, CALLERS * 200);
    assert_in_range(r.most, 2, 3);
    fo_gate_done(&r.gate);
}

static bool
is_set(void *arg)
{
    return *(bool *)arg;
}

static void
who_waits_is_let_go_by_deadline_and_cancellation(void **state)
{
    bool yes = true;
    fo_gate gate;

    (void)state;
    fo_gate_init(&gate, 1, false);
    assert_int_equal(fo_gate_enter(&gate, 0, NULL, NULL), FINOPS_OK);
    assert_int_equal(fo_gate_enter(&gate, fo_deadline_in(1000), NULL, NULL), FINOPS_E_TIMEOUT);
    assert_int_equal(fo_gate_enter(&gate, 0, is_set, &yes), FINOPS_E_CANCELLED);
    fo_gate_leave(&gate, 1, 0);
    assert_int_equal(fo_gate_enter(&gate, fo_deadline_in(1), is_set, &yes), FINOPS_OK);
    fo_gate_leave(&gate, 1, 0);
    fo_gate_done(&gate);
}

/* Full all the time, `each_us` apart; the limit afterwards. */
static unsigned
run_full(fo_gate *gate, int64_t *now, unsigned n, int64_t each_us)
{
    for (unsigned i = 0; i < n; i++) {
        while (gate->inside < gate->limit)
            (void)fo_gate_enter(gate, 0, NULL, NULL);
        *now += each_us;
        fo_gate_leave(gate, 1, *now);
    }
    while (gate->inside > 0)
        fo_gate_leave(gate, 0, *now);
    return fo_gate_limit(gate);
}

static void
f9_the_number_grows_while_more_is_done_and_falls_when_throttled(void **state)
{
    int64_t now = SECOND;
    fo_gate gate;

    (void)state;
    fo_gate_init(&gate, 64, true);
    assert_int_equal(fo_gate_limit(&gate), 8);
    assert_int_equal(run_full(&gate, &now, 60, 1000), 12);  /* the first window is better than none */
    assert_int_equal(run_full(&gate, &now, 1000, 500), 20); /* two windows, for it got faster in the first */
    assert_int_equal(run_full(&gate, &now, 1000, 500), 20); /* no faster */
    assert_int_equal(fo_gate_enter(&gate, 0, NULL, NULL), FINOPS_OK);
    for (unsigned i = 0; i < 5; i++)
        fo_gate_throttled(&gate, now + i);
    fo_gate_leave(&gate, 0, now);
    assert_int_equal(fo_gate_limit(&gate), 14);
    fo_gate_done(&gate);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f9_a_rate_holds_within_5_percent_and_is_fair),
        cmocka_unit_test(f9_a_rate_drops_by_30_percent_once_and_recovers),
        cmocka_unit_test(a_turn_that_would_come_too_late_is_not_taken),
        cmocka_unit_test(no_more_than_allowed_are_inside),
        cmocka_unit_test(who_waits_is_let_go_by_deadline_and_cancellation),
        cmocka_unit_test(f9_the_number_grows_while_more_is_done_and_falls_when_throttled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
