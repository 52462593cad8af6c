/*
 * So many requests at once: who comes first is let in first. Adaptive, the number begins with 8, grows by 4
 * while more of them also get more done, and falls to 0.7 of it when the service asks to slow down.
 */
#ifndef FO_RESILIENCE_GATE_H
#define FO_RESILIENCE_GATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "finops/error.h"

typedef struct fo_gate_waiter fo_gate_waiter;

/* Any thread. */
typedef struct fo_gate {
    pthread_mutex_t lock;
    unsigned max, limit, inside;
    bool adaptive, was_full;
    fo_gate_waiter *first, *last;
    int64_t window_us; /* when it began; 0: none */
    unsigned window_n; /* that left in it */
    double work, best; /* of the window; a microsecond, of the window before */
    int64_t cut_us;    /* when it fell last */
} fo_gate;

void fo_gate_init(fo_gate *gate, unsigned max, bool adaptive);
void fo_gate_done(fo_gate *gate);
/*
 * Waits until there is room. FINOPS_E_TIMEOUT past the deadline (0: none), FINOPS_E_CANCELLED within 50 ms of
 * cancelled(arg) being true (may be NULL).
 */
finops_code fo_gate_enter(fo_gate *gate, int64_t deadline_us, bool (*cancelled)(void *arg), void *arg);
/* `work`: what was done, in any unit; `now` of one monotonic clock. */
void fo_gate_leave(fo_gate *gate, double work, int64_t now);
/* The service asked to slow down; told before leaving. */
void fo_gate_throttled(fo_gate *gate, int64_t now);
unsigned fo_gate_limit(fo_gate *gate);

#endif
