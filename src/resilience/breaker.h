/*
 * A circuit breaker: after enough failures in a row a remote service is left alone for a while, then asked by
 * one caller at a time until it answers again.
 *
 * closed -> (failures in a row) -> open -> (pause over, one probe) -> half open -> closed, or open again for
 * twice as long. Any thread.
 */
#ifndef FO_RESILIENCE_BREAKER_H
#define FO_RESILIENCE_BREAKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "finops/error.h"

typedef enum fo_breaker_state {
    FO_BREAKER_CLOSED = 0,
    FO_BREAKER_OPEN,
    FO_BREAKER_HALF_OPEN
} fo_breaker_state;

/* Zero stands for the default. */
typedef struct fo_breaker_options {
    unsigned failures;         /* in a row that open it; 5 */
    unsigned successes;        /* of probes in a row that close it; 1 */
    int64_t pause_us;          /* first pause; 5 s */
    int64_t pause_max_us;      /* longest pause; 60 s */
    int64_t (*clock_us)(void); /* monotonic; fo_clock_monotonic */
} fo_breaker_options;

typedef struct fo_breaker {
    fo_breaker_options options;
    pthread_mutex_t lock;
    fo_breaker_state state;
    unsigned failures, successes; /* in a row */
    int64_t pause_us, until_us;   /* while open */
    bool probing;                 /* half open, and one is under way */
    uint64_t turn;                /* changes with the state: what began before it says nothing any more */
} fo_breaker;

/* What a call means for the breaker. */
typedef enum fo_verdict { FO_VERDICT_NONE = 0, FO_VERDICT_GOOD, FO_VERDICT_BAD } fo_verdict;

/* A failure on the way to the service is bad; an answer is good, also one that says no; ours say nothing. */
fo_verdict fo_verdict_of(finops_code code);

/* options may be NULL. */
void fo_breaker_init(fo_breaker *breaker, const fo_breaker_options *options);
void fo_breaker_done(fo_breaker *breaker);

/*
 * Whether the service may be asked now. True: the caller tells what came of it with the ticket, always.
 * False: *ret_wait_us is how long it is left alone (0: until the probe under way is back).
 */
bool fo_breaker_allow(fo_breaker *breaker, uint64_t *ret_ticket, int64_t *ret_wait_us);
void fo_breaker_report(fo_breaker *breaker, uint64_t ticket, fo_verdict verdict);
/* What was seen without asking for leave, such as by a health check: a good one closes the breaker. */
void fo_breaker_observe(fo_breaker *breaker, fo_verdict verdict);

fo_breaker_state fo_breaker_state_now(fo_breaker *breaker);
const char *fo_breaker_state_name(fo_breaker_state state);

#endif
