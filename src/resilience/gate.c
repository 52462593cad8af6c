/* Waiters stand in a list, each with a condition of its own: nobody is woken for nothing. */
#include "resilience/gate.h"

#include <assert.h>
#include <time.h>

#include "base/clock.h"
#include "resilience/deadline.h"

#define MILLIS ((int64_t)1000)
#define START 8u
#define STEP 4u
#define CUT 0.7
#define GROWTH 1.05
#define LOOK_US (50 * MILLIS)   /* how often a waiter looks whether it is still to wait */
#define WINDOW_US (50 * MILLIS) /* shortest time that says something */
#define CUT_PAUSE_US (500 * MILLIS)

struct fo_gate_waiter {
    pthread_cond_t turn;
    bool in;
    fo_gate_waiter *next, *before;
};

void
fo_gate_init(fo_gate *gate, unsigned max, bool adaptive)
{
    assert(max > 0);
    *gate = (fo_gate){ .max = max, .limit = adaptive && max > START ? START : max, .adaptive = adaptive };
    (void)pthread_mutex_init(&gate->lock, NULL);
}

void
fo_gate_done(fo_gate *gate)
{
    assert(!gate->first && gate->inside == 0);
    (void)pthread_mutex_destroy(&gate->lock);
}

static void
unlink_waiter(fo_gate *g, fo_gate_waiter *w)
{
    *(w->before ? &w->before->next : &g->first) = w->next;
    *(w->next ? &w->next->before : &g->last) = w->before;
}

static void
append_waiter(fo_gate *g, fo_gate_waiter *w)
{
    w->before = g->last;
    *(g->last ? &g->last->next : &g->first) = w;
    g->last = w;
}

static void
let_in(fo_gate *g)
{
    while (g->first && g->inside < g->limit) {
        fo_gate_waiter *w = g->first;
        unlink_waiter(g, w);
        w->in = true;
        g->inside++;
        (void)pthread_cond_signal(&w->turn);
    }
    g->was_full = g->was_full || g->inside >= g->limit;
}

static void
sleep_for(fo_gate *g, fo_gate_waiter *w, int64_t us)
{
    int64_t at = fo_clock_monotonic() + us;
    struct timespec ts = { .tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000 };

    (void)pthread_cond_clockwait(&w->turn, &g->lock, CLOCK_MONOTONIC, &ts);
}

static finops_code
wait_in_line(fo_gate *g, fo_gate_waiter *w, int64_t deadline_us, bool (*cancelled)(void *arg), void *arg)
{
    while (!w->in) {
        int64_t left = fo_deadline_left(deadline_us, fo_clock_monotonic());
        bool stop;

        if (left == 0)
            return FINOPS_E_TIMEOUT;
        sleep_for(g, w, left < LOOK_US ? left : LOOK_US);
        if (w->in || !cancelled)
            continue;
        (void)pthread_mutex_unlock(&g->lock);
        stop = cancelled(arg);
        (void)pthread_mutex_lock(&g->lock);
        if (stop && !w->in)
            return FINOPS_E_CANCELLED;
    }
    return FINOPS_OK;
}

finops_code
fo_gate_enter(fo_gate *g, int64_t deadline_us, bool (*cancelled)(void *arg), void *arg)
{
    fo_gate_waiter w = { 0 };
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&g->lock);
    if (!g->first && g->inside < g->limit) {
        g->inside++;
        g->was_full = g->was_full || g->inside == g->limit;
    } else {
        (void)pthread_cond_init(&w.turn, NULL);
        append_waiter(g, &w);
        rc = wait_in_line(g, &w, deadline_us, cancelled, arg);
        if (rc != FINOPS_OK)
            unlink_waiter(g, &w);
        (void)pthread_cond_destroy(&w.turn);
    }
    (void)pthread_mutex_unlock(&g->lock);
    return rc;
}

/* A window is over when everybody had a turn and some time went by. One in which there was room says nothing
 * about more room. */
static void
adapt(fo_gate *g, double work, int64_t now)
{
    double rate;

    if (g->window_us == 0) {
        g->window_us = now;
        return;
    }
    g->work += work;
    g->window_n++;
    if (now - g->window_us < WINDOW_US || g->window_n < g->limit)
        return;
    rate = g->work / (double)(now - g->window_us);
    if (g->was_full && rate > g->best * GROWTH)
        g->limit = g->limit + STEP < g->max ? g->limit + STEP : g->max;
    g->best = rate;
    g->work = 0;
    g->window_n = 0;
    g->window_us = now;
    g->was_full = g->inside >= g->limit;
}

void
fo_gate_leave(fo_gate *g, double work, int64_t now)
{
    (void)pthread_mutex_lock(&g->lock);
    assert(g->inside > 0);
    g->inside--;
    if (g->adaptive)
        adapt(g, work, now);
    if (g->first)
        let_in(g);
    (void)pthread_mutex_unlock(&g->lock);
}

void
fo_gate_throttled(fo_gate *g, int64_t now)
{
    (void)pthread_mutex_lock(&g->lock);
    if (g->adaptive && (g->cut_us == 0 || now - g->cut_us >= CUT_PAUSE_US)) {
        g->limit = (unsigned)(g->limit * CUT) > 1 ? (unsigned)(g->limit * CUT) : 1;
        g->best = 0; /* from here it may grow again */
        g->cut_us = now;
        g->window_us = 0;
        g->work = 0;
        g->window_n = 0;
    }
    (void)pthread_mutex_unlock(&g->lock);
}

unsigned
fo_gate_limit(fo_gate *g)
{
    unsigned limit;

    (void)pthread_mutex_lock(&g->lock);
    limit = g->limit;
    (void)pthread_mutex_unlock(&g->lock);
    return limit;
}
