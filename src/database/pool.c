/*
 * The pool: connections of one database, kept between uses.
 *
 * Who waits stands in a queue, each on a condition of its own, and what is given back goes to the one in
 * front: a connection when it is of the wanted kind, else the room for one. Everything slow (connecting,
 * closing, looking whether a connection is alive) is done outside the lock; `open` counts the room that was
 * promised.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "database/front_internal.h"
#include "resilience/deadline.h"

#define MICROS 1000000LL
#define CANCEL_POLL_US (50 * 1000LL) /* a waiting caller asks `cancelled` this often */
#define MAX_DEFAULT 8u
#define ACQUIRE_DEFAULT_US (30 * MICROS)
#define VALIDATE_DEFAULT_US (1 * MICROS)

/* In the queue; on the waiter's own stack. */
typedef struct waiter {
    pthread_cond_t cond;
    unsigned flags;
    finops_session *session; /* what it was given: a connection, */
    bool room;               /* or the room for one, */
    bool closed;             /* or nothing any more */
    struct waiter *next;
} waiter;

struct fo_pool {
    finops_database *database;
    finops_pool_options options;
    pthread_mutex_t lock;
    finops_session *idle; /* last used first: the others may grow old and be closed */
    waiter *first, *last;
    finops_pool_figures figures;
    bool closing;
};

static finops_pool_options
options_complete(const finops_pool_options *given)
{
    finops_pool_options o = given ? *given : (finops_pool_options){ 0 };

    if (!o.max)
        o.max = MAX_DEFAULT;
    if (o.min > o.max)
        o.min = o.max;
    if (!o.max_idle || o.max_idle > o.max)
        o.max_idle = o.max;
    if (o.max_idle < o.min)
        o.max_idle = o.min;
    if (!o.acquire_us)
        o.acquire_us = ACQUIRE_DEFAULT_US;
    if (!o.validate_idle_us)
        o.validate_idle_us = VALIDATE_DEFAULT_US;
    return o;
}

finops_code
fo_pool_new(finops_database *database, const finops_pool_options *options, fo_pool **ret, finops_error **err)
{
    fo_pool *pool;

    if (options && (options->max_lifetime_us < 0 || options->acquire_us < 0 ||
                    options->validate_idle_us < 0 || options->idle_us < 0))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a time of the connection pool is negative");
    pool = fo_zalloc(sizeof(*pool));
    if (!pool)
        return fo_error_oom(err);
    pool->database = database;
    pool->options = options_complete(options);
    (void)pthread_mutex_init(&pool->lock, NULL);
    *ret = pool;
    return FINOPS_OK;
}

static void
session_discard(finops_session *session)
{
    session->database->driver->disconnect(session->conn);
    (void)pthread_mutex_destroy(&session->cancel_lock);
    fo_free(session);
}

static bool
too_old(const fo_pool *pool, const finops_session *session, int64_t now)
{
    return pool->options.max_lifetime_us && now - session->born_us > pool->options.max_lifetime_us;
}

/* Puts what must go from the idle ones in *ret_list: what is too old, and beyond `min` what was unused for
 * too long. With the lock held. */
static unsigned
idle_prune(fo_pool *pool, finops_session **ret_list)
{
    int64_t now = fo_clock_monotonic(), limit = pool->options.idle_us;
    unsigned n = 0;

    for (finops_session **link = &pool->idle; *link;) {
        finops_session *s = *link;
        bool unused = limit && now - s->idle_us > limit && pool->figures.open - n > pool->options.min;

        if (!unused && !too_old(pool, s, now)) {
            link = &s->next;
            continue;
        }
        *link = s->next;
        s->next = *ret_list;
        *ret_list = s;
        pool->figures.idle--;
        n++;
    }
    pool->figures.discarded += n;
    return n;
}

static void
discard_all(finops_session *list)
{
    while (list) {
        finops_session *session = list;

        list = session->next;
        session_discard(session);
    }
}

static waiter *
waiter_take(fo_pool *pool)
{
    waiter *w = pool->first;

    pool->first = w->next;
    if (!pool->first)
        pool->last = NULL;
    pool->figures.waiting--;
    return w;
}

static void
waiter_leave(fo_pool *pool, const waiter *gone)
{
    waiter **link = &pool->first, *before = NULL;

    while (*link != gone) {
        before = *link;
        link = &before->next;
    }
    *link = gone->next;
    if (pool->last == gone)
        pool->last = before;
    pool->figures.waiting--;
}

/* The room of a connection that is no more goes to who waits longest, or is free. */
static void
room_pass(fo_pool *pool)
{
    waiter *w;

    if (!pool->first) {
        pool->figures.open--;
        return;
    }
    w = waiter_take(pool);
    w->room = true;
    (void)pthread_cond_signal(&w->cond);
}

void
fo_pool_close(fo_pool *pool)
{
    finops_session *idle;

    (void)pthread_mutex_lock(&pool->lock);
    pool->closing = true;
    idle = FO_TAKE(pool->idle);
    pool->figures.open -= pool->figures.idle;
    pool->figures.idle = 0;
    while (pool->first) {
        waiter *w = waiter_take(pool);

        w->closed = true;
        (void)pthread_cond_signal(&w->cond);
    }
    (void)pthread_mutex_unlock(&pool->lock);
    discard_all(idle);
}

void
fo_pool_free(fo_pool *pool)
{
    if (!pool)
        return;
    fo_pool_close(pool);
    assert(pool->figures.open == 0);
    (void)pthread_mutex_destroy(&pool->lock);
    fo_free(pool);
}

void
fo_pool_figures(fo_pool *pool, finops_pool_figures *ret)
{
    (void)pthread_mutex_lock(&pool->lock);
    *ret = pool->figures;
    (void)pthread_mutex_unlock(&pool->lock);
}

static finops_session *
idle_take(fo_pool *pool, unsigned flags, bool any)
{
    for (finops_session **link = &pool->idle; *link; link = &(*link)->next) {
        finops_session *session = *link;

        if (!any && session->flags != flags)
            continue;
        *link = session->next;
        session->next = NULL;
        pool->figures.idle--;
        return session;
    }
    return NULL;
}

/* Whether an idle connection may be handed out; what is dead or old is closed, its room stays taken. */
static bool
session_good(fo_pool *pool, finops_session *session)
{
    int64_t now = fo_clock_monotonic();
    bool good = !too_old(pool, session, now);

    if (good && now - session->idle_us > pool->options.validate_idle_us)
        good = fo_front_alive(pool->database, session->conn);
    if (good)
        return true;
    session_discard(session);
    (void)pthread_mutex_lock(&pool->lock);
    pool->figures.discarded++;
    (void)pthread_mutex_unlock(&pool->lock);
    return false;
}

/* Connects in room that is the caller's, or gives the room back. */
static finops_code
session_new(fo_pool *pool, unsigned flags, const finops_call *call, int64_t retry_until_us,
            finops_session **ret, finops_error **err)
{
    finops_session *session = fo_zalloc(sizeof(*session));
    finops_code rc = session
                         ? fo_front_connect(pool->database, flags, call, retry_until_us, &session->conn, err)
                         : fo_error_oom(err);

    (void)pthread_mutex_lock(&pool->lock);
    if (rc == FINOPS_OK)
        pool->figures.created++;
    else
        room_pass(pool);
    (void)pthread_mutex_unlock(&pool->lock);
    if (rc != FINOPS_OK) {
        fo_free(session);
        return rc;
    }
    session->database = pool->database;
    (void)pthread_mutex_init(&session->cancel_lock, NULL);
    atomic_init(&session->stop, false);
    session->flags = flags;
    session->born_us = fo_clock_monotonic();
    *ret = session;
    return FINOPS_OK;
}

static bool
waiter_served(const waiter *w)
{
    return w->session || w->room || w->closed;
}

/* Sleeps until it is served, the deadline has passed or the caller does not want any more. */
static finops_code
waiter_sleep(fo_pool *pool, waiter *w, const finops_call *call)
{
    while (!waiter_served(w)) {
        bool polls = call->cancelled != NULL;
        int64_t now = fo_clock_monotonic(), until = call->deadline_us;
        struct timespec ts;

        if (fo_deadline_passed(until, now))
            return FINOPS_E_TIMEOUT;
        if (polls && call->cancelled(call->arg))
            return FINOPS_E_CANCELLED;
        if (polls && until > now + CANCEL_POLL_US)
            until = now + CANCEL_POLL_US;
        ts = (struct timespec){ .tv_sec = until / MICROS, .tv_nsec = until % MICROS * 1000 };
        (void)pthread_cond_clockwait(&w->cond, &pool->lock, CLOCK_MONOTONIC, &ts);
    }
    return FINOPS_OK;
}

/* Stands in the queue, with the lock held. */
static finops_code
wait_turn(fo_pool *pool, waiter *w, const finops_call *call)
{
    finops_code rc;

    (void)pthread_cond_init(&w->cond, NULL);
    if (pool->last)
        pool->last->next = w;
    else
        pool->first = w;
    pool->last = w;
    pool->figures.waiting++;
    rc = waiter_sleep(pool, w, call);
    if (rc != FINOPS_OK)
        waiter_leave(pool, w);
    if (rc == FINOPS_E_TIMEOUT)
        pool->figures.timeouts++;
    (void)pthread_cond_destroy(&w->cond);
    return rc;
}

/* A connection (*ret_session), or the room for one, with something to close first in *ret_evicted. */
static finops_code
place_take(fo_pool *pool, unsigned flags, const finops_call *call, finops_session **ret_session,
           finops_session **ret_evicted)
{
    waiter w = { .flags = flags };
    finops_code rc;

    if (pool->closing)
        return FINOPS_E_ARGUMENT;
    if (!pool->first) {
        *ret_session = idle_take(pool, flags, false);
        if (*ret_session)
            return FINOPS_OK;
        if (pool->figures.open < pool->options.max) {
            pool->figures.open++;
            return FINOPS_OK;
        }
        *ret_evicted = idle_take(pool, flags, true);
        pool->figures.discarded += *ret_evicted != NULL;
        if (*ret_evicted)
            return FINOPS_OK;
    }
    rc = wait_turn(pool, &w, call);
    if (rc == FINOPS_OK && w.closed)
        return FINOPS_E_ARGUMENT;
    *ret_session = w.session;
    return rc;
}

static finops_code
refused(const fo_pool *pool, finops_code rc, finops_error **err)
{
    const char *name = pool->database->driver->name;

    switch (rc) {
    case FINOPS_E_TIMEOUT:
        (void)fo_error_set(err, rc, "all %u connections to %s are in use", pool->options.max, name);
        fo_error_hint(err, "allow more connections, or longer waiting");
        return rc;
    case FINOPS_E_CANCELLED:
        return fo_error_set(err, rc, "waiting for a connection to %s was stopped", name);
    default:
        return fo_error_set(err, rc, "the database %s is closed", name);
    }
}

/* A session that was there is counted as it is taken; in the end what counts is whether there was one to use.
 */
static void
acquired_settle(fo_pool *pool, bool counted, bool got)
{
    if (counted == got)
        return;
    (void)pthread_mutex_lock(&pool->lock);
    if (got)
        pool->figures.acquired++;
    else
        pool->figures.acquired--;
    (void)pthread_mutex_unlock(&pool->lock);
}

finops_code
fo_pool_acquire(fo_pool *pool, unsigned flags, const finops_call *call, finops_session **ret,
                finops_error **err)
{
    finops_call own = call ? *call : (finops_call){ 0 };
    finops_session *session = NULL, *evicted = NULL;
    finops_code rc;
    bool found;

    own.deadline_us = fo_deadline_first(own.deadline_us, fo_deadline_in(pool->options.acquire_us));
    fo_front_ref(pool->database); /* also while it waits: the database may be closed meanwhile */
    (void)pthread_mutex_lock(&pool->lock);
    rc = place_take(pool, flags, &own, &session, &evicted);
    found = rc == FINOPS_OK && session;
    pool->figures.acquired += found;
    (void)pthread_mutex_unlock(&pool->lock);
    if (evicted)
        session_discard(evicted);
    if (rc != FINOPS_OK)
        rc = refused(pool, rc, err);
    else if (!session || !session_good(pool, session))
        rc = session_new(pool, flags, call, own.deadline_us, &session, err);
    acquired_settle(pool, found, rc == FINOPS_OK);
    if (rc != FINOPS_OK) {
        fo_front_unref(pool->database);
        return rc;
    }
    *ret = session;
    return FINOPS_OK;
}

/* Where one process writes at a time, connections that nobody uses, also those that read, would keep the
 * others from it. */
static bool
keeps_others_out(const fo_pool *pool)
{
    return pool->figures.open > pool->options.min &&
           !(pool->database->capabilities.features & FINOPS_DATABASE_CONCURRENT_WRITERS);
}

/* Whether the connection stays, handed on or idle. With the lock held. */
static bool
session_keep(fo_pool *pool, finops_session *session)
{
    waiter *w = pool->first;

    if (pool->closing || session->spent || too_old(pool, session, session->idle_us))
        return false;
    if (w && w->flags != session->flags)
        return false;
    if (w) {
        w = waiter_take(pool);
        w->session = session;
        (void)pthread_cond_signal(&w->cond);
        return true;
    }
    if (pool->figures.idle >= pool->options.max_idle || keeps_others_out(pool))
        return false;
    session->next = pool->idle;
    pool->idle = session;
    pool->figures.idle++;
    return true;
}

void
fo_pool_release(fo_pool *pool, finops_session *session)
{
    bool kept;

    session->idle_us = fo_clock_monotonic();
    session->suspect = session->commit_unknown = session->used = session->opened = false;
    (void)pthread_mutex_lock(&pool->lock);
    kept = session_keep(pool, session);
    (void)pthread_mutex_unlock(&pool->lock);
    if (kept)
        return;
    session_discard(session);
    (void)pthread_mutex_lock(&pool->lock);
    pool->figures.discarded++;
    room_pass(pool);
    (void)pthread_mutex_unlock(&pool->lock);
}

void
fo_pool_maintain(fo_pool *pool)
{
    const finops_call call = { .deadline_us = fo_deadline_in(pool->options.acquire_us) };
    finops_session *old = NULL, *session;
    bool wanted = true;
    unsigned n;

    (void)pthread_mutex_lock(&pool->lock);
    n = idle_prune(pool, &old);
    (void)pthread_mutex_unlock(&pool->lock);
    discard_all(old);
    (void)pthread_mutex_lock(&pool->lock);
    while (n--)
        room_pass(pool);
    (void)pthread_mutex_unlock(&pool->lock);
    while (wanted) {
        (void)pthread_mutex_lock(&pool->lock);
        wanted = !pool->closing && pool->figures.open < pool->options.min;
        pool->figures.open += wanted;
        (void)pthread_mutex_unlock(&pool->lock);
        if (wanted && session_new(pool, 0, &call, 0, &session, NULL) != FINOPS_OK)
            return;
        if (wanted)
            fo_pool_release(pool, session);
    }
}
