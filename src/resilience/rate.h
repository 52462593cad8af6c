/*
 * So many requests a second: each caller is given the next free moment, in the order they came, so that
 * nobody overtakes. When the service asks to slow down the rate drops, and comes back little by little.
 */
#ifndef FO_RESILIENCE_RATE_H
#define FO_RESILIENCE_RATE_H

#include <pthread.h>
#include <stdint.h>

/* Any thread; `now` is of one monotonic clock. */
typedef struct fo_rate {
    pthread_mutex_t lock;
    double full, current; /* requests a second */
    int64_t next_us;      /* the next free moment */
    int64_t changed_us;   /* when `current` was */
} fo_rate;

void fo_rate_init(fo_rate *rate, double per_second);
void fo_rate_done(fo_rate *rate);
/* Microseconds until the caller's turn, 0: now; -1: more than `most`, and no turn was taken. */
int64_t fo_rate_take(fo_rate *rate, int64_t now, int64_t most);
/* The service asked to slow down: 30 % less, once in half a second at most. */
void fo_rate_throttled(fo_rate *rate, int64_t now);

#endif
