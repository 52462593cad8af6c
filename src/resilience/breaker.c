/* The circuit breaker: a small state machine under one lock. */
#include "resilience/breaker.h"

#include <assert.h>

#include "base/clock.h"

#define MICROS 1000000LL

fo_verdict
fo_verdict_of(finops_code code)
{
    switch (code) {
    case FINOPS_E_TRANSIENT:
    case FINOPS_E_TIMEOUT:
    case FINOPS_E_THROTTLED:
        return FO_VERDICT_BAD;
    case FINOPS_E_CANCELLED:
    case FINOPS_E_MEMORY:
    case FINOPS_E_ARGUMENT:
    case FINOPS_E_INTERNAL:
    case FINOPS_E_BREAKER_OPEN: /* one further down; nobody was asked */
        return FO_VERDICT_NONE;
    default:
        return FO_VERDICT_GOOD;
    }
}

void
fo_breaker_init(fo_breaker *breaker, const fo_breaker_options *options)
{
    fo_breaker_options o = options ? *options : (fo_breaker_options){ 0 };

    if (!o.failures)
        o.failures = 5;
    if (!o.successes)
        o.successes = 1;
    if (o.pause_us <= 0)
        o.pause_us = 5 * MICROS;
    if (o.pause_max_us <= 0)
        o.pause_max_us = 60 * MICROS;
    if (o.pause_max_us < o.pause_us)
        o.pause_max_us = o.pause_us;
    if (!o.clock_us)
        o.clock_us = fo_clock_monotonic;
    *breaker = (fo_breaker){ .options = o, .pause_us = o.pause_us, .turn = 1 };
    (void)pthread_mutex_init(&breaker->lock, NULL);
}

void
fo_breaker_done(fo_breaker *breaker)
{
    (void)pthread_mutex_destroy(&breaker->lock);
}

static void
turn_to(fo_breaker *b, fo_breaker_state state)
{
    b->state = state;
    b->failures = b->successes = 0;
    b->probing = false;
    b->turn++;
}

static void
turn_off(fo_breaker *b)
{
    b->until_us = b->options.clock_us() + b->pause_us;
    turn_to(b, FO_BREAKER_OPEN);
}

bool
fo_breaker_allow(fo_breaker *b, uint64_t *ret_ticket, int64_t *ret_wait_us)
{
    int64_t wait = 0;
    bool allowed = true;

    (void)pthread_mutex_lock(&b->lock);
    if (b->state == FO_BREAKER_OPEN) {
        wait = b->until_us - b->options.clock_us();
        allowed = wait <= 0;
        if (allowed)
            turn_to(b, FO_BREAKER_HALF_OPEN);
    }
    if (b->state == FO_BREAKER_HALF_OPEN) {
        allowed = !b->probing;
        wait = 0;
        b->probing = true;
    }
    *ret_ticket = b->turn;
    *ret_wait_us = wait;
    (void)pthread_mutex_unlock(&b->lock);
    return allowed;
}

static void
good(fo_breaker *b)
{
    b->failures = 0;
    if (b->state != FO_BREAKER_HALF_OPEN || ++b->successes < b->options.successes)
        return;
    b->pause_us = b->options.pause_us;
    turn_to(b, FO_BREAKER_CLOSED);
}

static void
bad(fo_breaker *b)
{
    if (b->state == FO_BREAKER_HALF_OPEN) {
        b->pause_us = b->pause_us > b->options.pause_max_us / 2 ? b->options.pause_max_us : b->pause_us * 2;
        turn_off(b);
    } else if (b->state == FO_BREAKER_CLOSED && ++b->failures >= b->options.failures) {
        turn_off(b);
    }
}

void
fo_breaker_report(fo_breaker *b, uint64_t ticket, fo_verdict verdict)
{
    (void)pthread_mutex_lock(&b->lock);
    if (ticket == b->turn) {
        b->probing = false;
        if (verdict == FO_VERDICT_GOOD)
            good(b);
        else if (verdict == FO_VERDICT_BAD)
            bad(b);
    }
    (void)pthread_mutex_unlock(&b->lock);
}

void
fo_breaker_observe(fo_breaker *b, fo_verdict verdict)
{
    (void)pthread_mutex_lock(&b->lock);
    if (verdict == FO_VERDICT_GOOD && b->state != FO_BREAKER_CLOSED) {
        b->pause_us = b->options.pause_us;
        turn_to(b, FO_BREAKER_CLOSED);
    } else if (verdict == FO_VERDICT_GOOD) {
        b->failures = 0;
    } else if (verdict == FO_VERDICT_BAD && b->state == FO_BREAKER_CLOSED) {
        bad(b);
    }
    (void)pthread_mutex_unlock(&b->lock);
}

fo_breaker_state
fo_breaker_state_now(fo_breaker *b)
{
    fo_breaker_state state;

    (void)pthread_mutex_lock(&b->lock);
    state = b->state;
    (void)pthread_mutex_unlock(&b->lock);
    return state;
}

const char *
fo_breaker_state_name(fo_breaker_state state)
{
    static const char *const names[] = { "closed", "open", "half open" };

    assert((unsigned)state < sizeof(names) / sizeof(names[0]));
    return names[state];
}
