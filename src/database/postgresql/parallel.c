/*
 * One stream over several connections: each has a thread that takes batches, encodes and sends them.
 *
 * The first that fails says why and stops the others. The copy's own connection is the last to end its COPY,
 * so that a failure of any fails its transaction, too, as it does when it copies alone.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "database/postgresql/table.h"

#define SLICE_NS 100000000L

typedef struct group {
    pthread_mutex_t mutex; /* over all but stop */
    pthread_cond_t changed;
    atomic_bool stop;
    unsigned running;
    finops_code rc;
    finops_error *err;
    finops_call call; /* the caller's */
    const char *schema;
    const char *table;
} group;

typedef struct worker {
    group *g;
    fo_pg_copy copy;
    pthread_t thread;
    bool started;
} worker;

/* Takes the error of the first. */
static void
group_fail(group *g, finops_code rc, finops_error *why)
{
    (void)pthread_mutex_lock(&g->mutex);
    if (g->rc == FINOPS_OK) {
        g->rc = rc;
        g->err = FO_TAKE(why);
    }
    (void)pthread_mutex_unlock(&g->mutex);
    finops_error_free(why);
    atomic_store(&g->stop, true);
}

static bool
helper_stopped(void *arg)
{
    group *g = arg;

    return atomic_load(&g->stop);
}

/* Only the caller's thread asks the caller. */
static bool
own_stopped(void *arg)
{
    group *g = arg;

    return atomic_load(&g->stop) || (g->call.cancelled && g->call.cancelled(g->call.arg));
}

static void
own_progress(double fraction, int64_t rows, void *arg)
{
    group *g = arg;

    g->call.progress(fraction, rows, g->call.arg);
}

static finops_code
helper_copy(worker *w, finops_error **err)
{
    const finops_call call = { .deadline_us = w->g->call.deadline_us,
                               .cancelled = helper_stopped,
                               .arg = w->g };
    finops_code rc = fo_pg_call_begin(w->copy.conn, &call, err);

    if (rc == FINOPS_OK)
        rc = fo_pg_copy_start(&w->copy, w->g->schema, w->g->table, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_pg_copy_rows(&w->copy, err);
    return fo_pg_copy_end(&w->copy, rc, err);
}

static void *
helper_main(void *arg)
{
    worker *w = arg;
    group *g = w->g;
    finops_error *why = NULL;
    finops_code rc = helper_copy(w, &why);

    if (rc != FINOPS_OK)
        group_fail(g, rc, why);
    (void)pthread_mutex_lock(&g->mutex);
    g->running--;
    (void)pthread_cond_signal(&g->changed);
    (void)pthread_mutex_unlock(&g->mutex);
    return NULL;
}

static finops_code
worker_start(group *g, worker *w, const fo_pg_copy *whole, fo_pg_conn *helper, finops_error **err)
{
    finops_code rc;
    int errnum;

    *w = (worker){ .g = g, .copy = { .conn = helper, .ahead = whole->ahead, .sent = whole->sent } };
    rc = fo_pg_encoder_init(&w->copy.encoder, &whole->schema, err);
    if (rc != FINOPS_OK)
        return rc;
    (void)pthread_mutex_lock(&g->mutex);
    g->running++;
    (void)pthread_mutex_unlock(&g->mutex);
    errnum = pthread_create(&w->thread, NULL, helper_main, w);
    w->started = errnum == 0;
    if (w->started)
        return FINOPS_OK;
    (void)pthread_mutex_lock(&g->mutex);
    g->running--;
    (void)pthread_mutex_unlock(&g->mutex);
    return fo_error_errno(err, errnum, "a thread to copy with");
}

/* Until the others are done, looking at the call meanwhile. */
static void
wait_for_helpers(group *g, fo_pg_conn *c)
{
    (void)pthread_mutex_lock(&g->mutex);
    while (g->running > 0) {
        struct timespec until;
        finops_error *why = NULL;
        finops_code rc = FINOPS_OK;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += SLICE_NS;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        if (pthread_cond_timedwait(&g->changed, &g->mutex, &until) != ETIMEDOUT || atomic_load(&g->stop))
            continue;
        (void)pthread_mutex_unlock(&g->mutex);
        rc = fo_pg_call_check(c, &why);
        if (rc != FINOPS_OK)
            group_fail(g, rc, why);
        (void)pthread_mutex_lock(&g->mutex);
    }
    (void)pthread_mutex_unlock(&g->mutex);
}

static void
workers_done(worker *workers, size_t n, fo_pg_copy *whole)
{
    for (size_t i = 0; i < n; i++) {
        if (workers[i].started)
            (void)pthread_join(workers[i].thread, NULL);
        whole->rows += workers[i].copy.rows;
        whole->bytes += workers[i].copy.bytes;
        fo_pg_copy_part_done(&workers[i].copy);
    }
}

/* The caller's own part; what it began it ends. */
static void
own_copy(group *g, fo_pg_copy *copy, worker *workers)
{
    finops_error *why = NULL;
    finops_code rc = fo_pg_copy_start(copy, g->schema, g->table, &why);
    bool started = rc == FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < copy->n_helpers; i++)
        rc = worker_start(g, &workers[i], copy, copy->helpers[i], &why);
    if (rc == FINOPS_OK)
        rc = fo_pg_copy_rows(copy, &why);
    if (rc == FINOPS_OK && !copy->complete) { /* the server has refused the rows: it says why */
        rc = fo_pg_copy_end(copy, rc, &why);
        started = false;
    }
    if (rc != FINOPS_OK)
        group_fail(g, rc, FO_TAKE(why));
    wait_for_helpers(g, copy->conn);
    if (!started)
        return;
    rc = fo_pg_copy_end(copy, g->rc, &why);
    if (rc != FINOPS_OK && g->rc == FINOPS_OK)
        group_fail(g, rc, FO_TAKE(why));
    finops_error_free(why);
}

finops_code
fo_pg_parallel_run(fo_pg_copy *copy, const char *schema, const char *table, finops_error **err)
{
    group g = { .call = copy->conn->call, .schema = schema, .table = table };
    worker workers[FO_PG_CONNECTIONS_MAX] = { 0 };
    const finops_call call = { .deadline_us = g.call.deadline_us,
                               .cancelled = own_stopped,
                               .progress = g.call.progress ? own_progress : NULL,
                               .arg = &g };

    assert(copy && copy->n_helpers > 0 && copy->n_helpers < FO_PG_CONNECTIONS_MAX);
    if (!fo_pg_ahead_share(copy->ahead, (unsigned)copy->n_helpers + 1))
        return fo_error_set(err, FINOPS_E_MEMORY, "no thread to read the rows with");
    (void)pthread_mutex_init(&g.mutex, NULL);
    (void)pthread_cond_init(&g.changed, NULL);
    copy->conn->call = call;
    own_copy(&g, copy, workers);
    workers_done(workers, copy->n_helpers, copy);
    copy->conn->call = g.call;
    (void)pthread_cond_destroy(&g.changed);
    (void)pthread_mutex_destroy(&g.mutex);
    if (err)
        *err = g.err;
    else
        finops_error_free(g.err);
    return g.rc;
}
