/* A thread that is watched. */
#include "conformance/guard.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"

void
fo_guard_begin(fo_guard *g, int64_t limit_us)
{
    g->started_us = fo_clock_monotonic();
    g->due_us = limit_us ? g->started_us + limit_us : 0;
    (void)pthread_cond_signal(&g->changed);
}

void
fo_guard_stay_if_struck(fo_guard *g)
{
    if (!g->struck)
        return;
    (void)pthread_mutex_unlock(&g->lock); /* the process is about to end */
    for (;;)
        (void)pause();
}

void
fo_guard_end(fo_guard *g)
{
    fo_guard_stay_if_struck(g);
    g->due_us = 0;
}

static void *
guarded(void *arg)
{
    fo_guard *g = arg;

    g->body(g->arg);
    (void)pthread_mutex_lock(&g->lock);
    g->ended = true;
    (void)pthread_cond_signal(&g->changed);
    (void)pthread_mutex_unlock(&g->lock);
    return NULL;
}

/* With the lock held. True: what runs is due. */
static bool
wait_for_end(fo_guard *g)
{
    while (!g->ended) {
        const struct timespec until = { .tv_sec = g->due_us / 1000000,
                                        .tv_nsec = g->due_us % 1000000 * 1000 };

        if (!g->due_us)
            (void)pthread_cond_wait(&g->changed, &g->lock);
        else if (fo_clock_monotonic() >= g->due_us)
            return true;
        else
            (void)pthread_cond_clockwait(&g->changed, &g->lock, CLOCK_MONOTONIC, &until);
    }
    return false;
}

finops_code
fo_guard_run(fo_guard *g, void (*body)(void *arg), void *arg, bool *ret_hangs, finops_error **err)
{
    pthread_t thread;
    bool hangs;

    g->body = body;
    g->arg = arg;
    (void)pthread_mutex_init(&g->lock, NULL);
    (void)pthread_cond_init(&g->changed, NULL);
    if (pthread_create(&thread, NULL, guarded, g) != 0)
        return fo_error_set(err, FINOPS_E_MEMORY, "no thread for the tests");
    (void)pthread_mutex_lock(&g->lock);
    hangs = wait_for_end(g);
    g->struck = hangs;
    (void)pthread_mutex_unlock(&g->lock);
    *ret_hangs = hangs;
    if (hangs)
        return FINOPS_OK;
    (void)pthread_join(thread, NULL);
    (void)pthread_cond_destroy(&g->changed);
    (void)pthread_mutex_destroy(&g->lock);
    return FINOPS_OK;
}
