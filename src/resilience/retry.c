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
fo_retry_budget_init_as(fo_retry_budget *budget, int size, int cost, int throttled_cost)
{
    *budget = (fo_retry_budget){ .size = size, .cost = cost, .throttled_cost = throttled_cost };
    atomic_init(&budget->left, size);
}

void
fo_retry_budget_init(fo_retry_budget *budget)
{
    fo_retry_budget_init_as(budget, 100, 10, 10);
}

static bool
budget_take(fo_retry_budget *budget, int cost)
{
    int have = atomic_load(&budget->left);

    while (have >= cost)
        if (atomic_compare_exchange_weak(&budget->left, &have, have - cost))
            return true;
    return false;
}

static void
budget_give(fo_retry_budget *budget, int n)
{
    int have = atomic_load(&budget->left);

    while (have < budget->size) {
        int with = have > budget->size - n ? budget->size : have + n;
        if (atomic_compare_exchange_weak(&budget->left, &have, with))
            return;
    }
}

void
fo_retry_init(fo_retry *retry, const fo_retry_options *options, fo_retry_budget *budget, int64_t deadline_us)
{
    fo_retry_options o = options ? *options : (fo_retry_options){ 0 };

    if (!o.attempts)
        o.attempts = 4;
    if (o.base_us <= 0)
        o.base_us = 100 * MILLIS;
    if (o.throttled_us <= 0)
        o.throttled_us = o.base_us;
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
pause_length(const fo_retry *r, finops_code code, int64_t after_us)
{
    int64_t longest = code == FINOPS_E_THROTTLED ? r->options.throttled_us : r->options.base_us;

    if (after_us >= 0)
        return after_us < r->options.cap_us ? after_us : r->options.cap_us;
    for (unsigned i = 1; i < r->attempt && longest < r->options.cap_us; i++)
        longest *= 2;
    if (longest > r->options.cap_us)
        longest = r->options.cap_us;
    if (longest >= UINT32_MAX)
        longest = UINT32_MAX - 1;
    return r->options.random((uint32_t)longest + 1);
}

bool
fo_sleep(int64_t us, void (*sleep_us)(int64_t us), bool (*cancelled)(void *arg), void *arg)
{
    while (us > 0) {
        int64_t slice = us < SLICE_US ? us : SLICE_US;

        if (cancelled && cancelled(arg))
            return false;
        (sleep_us ? sleep_us : sleep_real)(slice);
        us -= slice;
    }
    return !(cancelled && cancelled(arg));
}

/* Takes what the next attempt costs. */
static bool
pay(fo_retry *r, finops_code code, int64_t after_us)
{
    bool free_of_charge = code == FINOPS_E_TRANSIENT && after_us == 0;

    r->paid = 0;
    if (!r->budget || free_of_charge)
        return true;
    r->paid = code == FINOPS_E_THROTTLED ? r->budget->throttled_cost : r->budget->cost;
    r->dry = !budget_take(r->budget, r->paid);
    return !r->dry;
}

bool
fo_retry_again_after(fo_retry *r, finops_code code, int64_t after_us, bool (*cancelled)(void *arg), void *arg)
{
    int64_t pause;

    r->attempt++;
    if (code == FINOPS_OK && r->budget)
        budget_give(r->budget, r->paid > 0 ? r->paid : 1);
    if (!fo_retry_helps(code) || r->attempt >= r->options.attempts)
        return false;
    pause = pause_length(r, code, after_us);
    if (pause >= fo_deadline_left(r->deadline_us, r->options.clock_us()))
        return false;
    return pay(r, code, after_us) && fo_sleep(pause, r->options.sleep_us, cancelled, arg);
}

bool
fo_retry_again(fo_retry *r, finops_code code, bool (*cancelled)(void *arg), void *arg)
{
    return fo_retry_again_after(r, code, -1, cancelled, arg);
}
