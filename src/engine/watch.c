/*
 * A connection's watcher: a thread that interrupts the running statement soon after its cancel was requested.
 *
 * Polling from the thread that runs the statement would cost nothing, but it stops nothing while that thread
 * works on a task of its own. The engine clears an interrupt when the next statement begins, so that one
 * which comes too late does no harm.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <time.h>

#define WATCH_NS 20000000L /* how often a running statement's cancel is looked at */

static void
watch_wait(fo_conn *conn)
{
    struct timespec until;

    if (conn->running == 0 || !conn->cancel) {
        (void)pthread_cond_wait(&conn->wake, &conn->lock);
        return;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WATCH_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_cond_timedwait(&conn->wake, &conn->lock, &until);
}

static void *
watch_main(void *arg)
{
    fo_conn *conn = arg;

    (void)pthread_mutex_lock(&conn->lock);
    while (!conn->quit) {
        watch_wait(conn);
        if (conn->running > 0 && fo_cancelled(conn->cancel))
            duckdb_interrupt(conn->native);
    }
    (void)pthread_mutex_unlock(&conn->lock);
    return NULL;
}

void
fo_watch_init(fo_conn *conn)
{
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&conn->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&conn->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
}

void
fo_watch_done(fo_conn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    conn->quit = true;
    (void)pthread_cond_signal(&conn->wake);
    (void)pthread_mutex_unlock(&conn->lock);
    if (conn->watching)
        (void)pthread_join(conn->watcher, NULL);
    (void)pthread_cond_destroy(&conn->wake);
    (void)pthread_mutex_destroy(&conn->lock);
}

finops_code
fo_watch_begin(fo_conn *conn, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&conn->lock);
    if (fo_cancelled(conn->cancel))
        rc = fo_error_set(err, FINOPS_E_CANCELLED, "stopped");
    else if (conn->cancel && !conn->watching && pthread_create(&conn->watcher, NULL, watch_main, conn) != 0)
        rc = fo_error_set(err, FINOPS_E_MEMORY, "start the thread that can stop statements");
    else if (conn->cancel)
        conn->watching = true;
    if (rc == FINOPS_OK) {
        conn->running++;
        (void)pthread_cond_signal(&conn->wake);
    }
    (void)pthread_mutex_unlock(&conn->lock);
    return rc;
}

void
fo_watch_end(fo_conn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    assert(conn->running > 0);
    conn->running--;
    (void)pthread_mutex_unlock(&conn->lock);
}

bool
fo_watch_cancelled(fo_conn *conn)
{
    bool cancelled;

    (void)pthread_mutex_lock(&conn->lock);
    cancelled = fo_cancelled(conn->cancel);
    (void)pthread_mutex_unlock(&conn->lock);
    return cancelled;
}

void
fo_conn_set_cancel(fo_conn *conn, const fo_cancel *cancel)
{
    assert(conn);
    (void)pthread_mutex_lock(&conn->lock);
    conn->cancel = cancel;
    (void)pthread_cond_signal(&conn->wake);
    (void)pthread_mutex_unlock(&conn->lock);
}
