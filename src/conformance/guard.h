/*
 * The guard of a suite: its cases run in a thread of their own, and who called waits for its end or for a
 * case that has none. A thread that hangs cannot be stopped: it is left alone with all it may still use, and
 * should it come back it is kept from going on. All that is left then is to end the process.
 */
#ifndef FO_CONFORMANCE_GUARD_H
#define FO_CONFORMANCE_GUARD_H

#include <pthread.h>

#include "base/error.h"

typedef struct fo_guard {
    pthread_mutex_t lock; /* of what follows, and of what the suite adds */
    pthread_cond_t changed;
    int64_t started_us, due_us; /* of what runs; due 0: it may take for ever */
    bool ended;                 /* the thread of the cases */
    bool struck;                /* what runs was given up: its thread touches nothing of ours any more */
    void (*body)(void *arg);
    void *arg;
} fo_guard;

/* Runs body(arg) in a thread. *ret_hangs: what it was at did not end in time, and the guard must not go away.
 */
finops_code fo_guard_run(fo_guard *guard, void (*body)(void *arg), void *arg, bool *ret_hangs,
                         finops_error **err);
/* Around what may hang, in that thread, with the lock held. limit_us 0: none. */
void fo_guard_begin(fo_guard *guard, int64_t limit_us);
/* Does not return when it came too late. */
void fo_guard_stay_if_struck(fo_guard *guard);
void fo_guard_end(fo_guard *guard);

#endif
