/* Pauses between attempts; see "Exponential Backoff And Jitter" of the AWS Architecture Blog for why full
 * jitter. */
#include "resilience/retry.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "resilience/deadline.h"

#define MILLIS 1000LL
#define SLICE_US (50 * MILLIS) /* how long a pause goes on after it was cancelled */

static void
sleep_real(int64_t us)
{
    struct timespec ts = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
        ;
}

void
fo_retry_budget_init(fo_retry_budget *budget)
{
    atomic_init(&budget->tenths, FO_RETRY_BUDGET_MAX);
}

static bool
budget_take(fo_retry_budget *budget)
{
    int have = atomic_load(&budget->tenths);

    while (have >= 10)
        if (atomic_compare_exchange_weak(&budget->tenths, &have, have - 10))
            return true;
    return false;
}

static void
budget_give(fo_retry_budget *budget)
{
    int have = atomic_load(&budget->tenths);

    while (have < FO_RETRY_BUDGET_MAX)
        if (atomic_compare_exchange_weak(&budget->tenths, &have, have + 1))
            return;
}

void
fo_retry_init(fo_retry *retry, const fo_retry_options *options, fo_retry_budget *budget, int64_t deadline_us)
{
    fo_retry_options o = options ? *options : (fo_retry_options){ 0 };

    if (!o.attempts)
        o.attempts = 4;
    if (o.base_us <= 0)
        o.base_us = 100 * MILLIS;
    if (o.cap_us <= 0)
        o.cap_us = 5000 * MILLIS;
    if (!o.clock_us)
        o.clock_us = fo_clock_monotonic;
    if (!o.sleep_us)
        o.sleep_us = sleep_real;
    if (!o.random)
        o.random = arc4random_uniform;
    *retry = (fo_retry){ .options = o, .budget = budget, .deadline_us = deadline_us };
}

bool
fo_retry_helps(finops_code code)
{
    return code == FINOPS_E_TRANSIENT || code == FINOPS_E_THROTTLED;
}

static int64_t
pause_length(const fo_retry *r)
{
    int64_t longest = r->options.base_us;

    for (unsigned i = 1; i < r->attempt && longest < r->options.cap_us; i++)
        longest *= 2;
    if (longest > r->options.cap_us)
        longest = r->options.cap_us;
    if (longest >= UINT32_MAX)
        longest = UINT32_MAX - 1;
    return r->options.random((uint32_t)longest + 1);
}

static bool
pause_all(const fo_retry *r, int64_t left, bool (*cancelled)(void *arg), void *arg)
{
    while (left > 0) {
        int64_t slice = left < SLICE_US ? left : SLICE_US;

        if (cancelled && cancelled(arg))
            return false;
        r->options.sleep_us(slice);
        left -= slice;
    }
    return !(cancelled && cancelled(arg));
}

bool
fo_retry_again(fo_retry *r, finops_code code, bool (*cancelled)(void *arg), void *arg)
{
    int64_t pause;

    r->attempt++;
    if (code == FINOPS_OK && r->budget)
        budget_give(r->budget);
    if (!fo_retry_helps(code) || r->attempt >= r->options.attempts)
        return false;
    pause = pause_length(r);
    if (pause >= fo_deadline_left(r->deadline_us, r->options.clock_us()))
        return false;
    if (r->budget && !budget_take(r->budget))
        return false;
    return pause_all(r, pause, cancelled, arg);
}
