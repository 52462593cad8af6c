/*
 * Trying again: only what may have been bad luck, after a pause of random length that grows (full jitter),
 * never past the deadline, and only while the budget lasts, so that a service in trouble is not asked
 * several times as often as one that is well.
 *
 *     fo_retry retry;
 *     fo_retry_init(&retry, &options, &budget, deadline_us);
 *     do {
 *         finops_error_free(FO_TAKE(*err));
 *         rc = attempt(err);
 *     } while (fo_retry_again(&retry, rc, cancelled, arg));
 */
#ifndef FO_RESILIENCE_RETRY_H
#define FO_RESILIENCE_RETRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "finops/error.h"

/* Zero stands for the default. */
typedef struct fo_retry_options {
    unsigned attempts;              /* in all, the first included; 4 */
    int64_t base_us;                /* longest first pause; 100 ms */
    int64_t throttled_us;           /* the same after FINOPS_E_THROTTLED; base_us */
    int64_t cap_us;                 /* longest pause of all; 5 s */
    int64_t (*clock_us)(void);      /* monotonic; fo_clock_monotonic */
    void (*sleep_us)(int64_t us);   /* at most 50 ms at a time */
    uint32_t (*random)(uint32_t n); /* below n */
} fo_retry_options;

/*
 * Shared by all calls to one service. A retry takes its cost out; a call that went well puts in what its last
 * retry took, or 1. In the long run so many calls in `cost` may be a retry. Any thread.
 */
typedef struct fo_retry_budget {
    atomic_int left;
    int size, cost, throttled_cost;
} fo_retry_budget;

/* Ten retries at once, one call in ten. */
void fo_retry_budget_init(fo_retry_budget *budget);
void fo_retry_budget_init_as(fo_retry_budget *budget, int size, int cost, int throttled_cost);

/* One call with its attempts; one thread. */
typedef struct fo_retry {
    fo_retry_options options;
    fo_retry_budget *budget;
    int64_t deadline_us;
    unsigned attempt; /* that has been made, from 1 once fo_retry_again() was asked */
    int paid;         /* out of the budget for the last one */
    bool dry;         /* the budget was why there was no other */
} fo_retry;

/* options and budget may be NULL (defaults, no limit). */
void fo_retry_init(fo_retry *retry, const fo_retry_options *options, fo_retry_budget *budget,
                   int64_t deadline_us);
/* FINOPS_E_TRANSIENT and FINOPS_E_THROTTLED: nothing was done, and doing it again may work. */
bool fo_retry_helps(finops_code code);
/* True after the pause when the call is to be made again; false when `code` is what it ends with, at once:
 * a pause that would reach past the deadline is not begun. `cancelled` may be NULL and ends the pause. */
bool fo_retry_again(fo_retry *retry, finops_code code, bool (*cancelled)(void *arg), void *arg);
/* The same when the service said when (finops_error_retry_after()): that is the pause, up to the longest. At
 * once (0) after FINOPS_E_TRANSIENT means that nothing was asked, and costs nothing. Negative: it did not. */
bool fo_retry_again_after(fo_retry *retry, finops_code code, int64_t after_us, bool (*cancelled)(void *arg),
                          void *arg);

/* Sleeps for so long, and looks at `cancelled` (may be NULL) each 50 ms: false when it was. sleep_us NULL:
 * the real one. */
bool fo_sleep(int64_t us, void (*sleep_us)(int64_t us), bool (*cancelled)(void *arg), void *arg);

#endif
