/*
 * A connection's watcher: a thread that interrupts the running statement soon after its cancel was requested
 * or its deadline passed, and tells how far it is.
 *
 * Polling from the thread that runs the statement would cost nothing, but it stops nothing while that thread
 * works on a task of its own. The engine clears an interrupt when the next statement begins, so that one
 * which comes too late does no harm.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <time.h>

#include "base/clock.h"

#define WATCH_NS 20000000L /* how often a running statement is looked at */
#define WATCH_IDLE 25      /* looks without a statement after which the thread waits to be woken */
#define WATCH_PROGRESS 5   /* looks between two reports of progress */

static bool
watch_wanted(const fo_conn *conn)
{
    return conn->cancel || conn->call.cancelled || conn->call.deadline_us || conn->call.progress ||
           conn->stop != FINOPS_OK;
}

/* Waking the thread for each statement would cost more than a small statement does: it looks around for a
 * while before it goes to sleep. */
static void
watch_wait(fo_conn *conn, unsigned idle)
{
    struct timespec until;

    if (idle > WATCH_IDLE) {
        conn->asleep = true;
        (void)pthread_cond_wait(&conn->wake, &conn->lock);
        conn->asleep = false;
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

/* The functions of a call run without the lock, for they may cancel, or use other connections. */
static void
watch_leave(fo_conn *conn)
{
    conn->asking++;
    (void)pthread_mutex_unlock(&conn->lock);
}

static void
watch_return(fo_conn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    if (--conn->asking == 0)
        (void)pthread_cond_broadcast(&conn->asked);
}

/* None of them is called once the statement has ended. */
static void
watch_settle(fo_conn *conn)
{
    while (conn->asking > 0)
        (void)pthread_cond_wait(&conn->asked, &conn->lock);
}

static finops_code
watch_look(fo_conn *conn)
{
    finops_call call = conn->call;
    bool stop = fo_cancelled(conn->cancel);

    if (conn->stop != FINOPS_OK)
        return conn->stop;
    if (!stop && call.cancelled) {
        watch_leave(conn);
        stop = call.cancelled(call.arg);
        watch_return(conn);
    }
    if (stop)
        conn->stop = FINOPS_E_CANCELLED;
    else if (conn->stop == FINOPS_OK && call.deadline_us && fo_clock_monotonic() >= call.deadline_us)
        conn->stop = FINOPS_E_TIMEOUT;
    return conn->stop;
}

static void
watch_progress(fo_conn *conn)
{
    finops_call call = conn->call;
    duckdb_query_progress_type progress;

    if (!call.progress)
        return;
    progress = duckdb_query_progress(conn->native);
    watch_leave(conn);
    call.progress(progress.percentage < 0 ? -1 : progress.percentage / 100, (int64_t)progress.rows_processed,
                  call.arg);
    watch_return(conn);
}

static void *
watch_main(void *arg)
{
    fo_conn *conn = arg;
    unsigned idle = 0, looks = 0;

    (void)pthread_mutex_lock(&conn->lock);
    while (!conn->quit) {
        watch_wait(conn, idle);
        idle = conn->running > 0 && watch_wanted(conn) ? 0 : idle + 1;
        if (idle > 0)
            continue;
        if (watch_look(conn) != FINOPS_OK)
            duckdb_interrupt(conn->native);
        else if (++looks % WATCH_PROGRESS == 0)
            watch_progress(conn);
    }
    (void)pthread_mutex_unlock(&conn->lock);
    return NULL;
}

void
fo_watch_init(fo_conn *conn)
{
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&conn->lock, NULL);
    (void)pthread_cond_init(&conn->asked, NULL);
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
    (void)pthread_cond_destroy(&conn->asked);
    (void)pthread_mutex_destroy(&conn->lock);
}

/* The thread, or awake, once there is something to look at. The lock is held. */
static bool
watch_start(fo_conn *conn)
{
    if (!watch_wanted(conn))
        return true;
    if (!conn->watching)
        conn->watching = pthread_create(&conn->watcher, NULL, watch_main, conn) == 0;
    else if (conn->asleep)
        (void)pthread_cond_signal(&conn->wake);
    return conn->watching;
}

static finops_code
watch_told(finops_code why, finops_error **err)
{
    if (why == FINOPS_E_TIMEOUT)
        return fo_error_set(err, why, "the deadline passed");
    return why == FINOPS_OK ? why : fo_error_set(err, why, "stopped");
}

finops_code
fo_watch_begin(fo_conn *conn, finops_error **err)
{
    finops_code rc;

    (void)pthread_mutex_lock(&conn->lock);
    if (conn->running == 0)
        conn->stop = FINOPS_OK;
    rc = watch_told(watch_look(conn), err);
    if (rc == FINOPS_OK && !watch_start(conn))
        rc = fo_error_set(err, FINOPS_E_MEMORY, "start the thread that can stop statements");
    if (rc == FINOPS_OK)
        conn->running++;
    (void)pthread_mutex_unlock(&conn->lock);
    return rc;
}

void
fo_watch_end(fo_conn *conn)
{
    (void)pthread_mutex_lock(&conn->lock);
    assert(conn->running > 0);
    conn->running--;
    watch_settle(conn);
    (void)pthread_mutex_unlock(&conn->lock);
}

finops_code
fo_watch_check(fo_conn *conn, finops_error **err)
{
    finops_code why;

    (void)pthread_mutex_lock(&conn->lock);
    why = watch_look(conn);
    (void)pthread_mutex_unlock(&conn->lock);
    return watch_told(why, err);
}

finops_code
fo_watch_outcome(fo_conn *conn, finops_code rc, finops_error **err)
{
    finops_code why;

    if (rc == FINOPS_OK)
        return rc;
    (void)pthread_mutex_lock(&conn->lock);
    why = conn->stop;
    (void)pthread_mutex_unlock(&conn->lock);
    return why == FINOPS_OK ? rc : watch_told(why, err);
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

void
fo_conn_set_call(fo_conn *conn, const finops_call *call)
{
    assert(conn);
    (void)pthread_mutex_lock(&conn->lock);
    watch_settle(conn);
    conn->call = call ? *call : (finops_call){ 0 };
    (void)pthread_mutex_unlock(&conn->lock);
}

void
fo_conn_cancel(fo_conn *conn)
{
    assert(conn);
    (void)pthread_mutex_lock(&conn->lock);
    if (conn->running > 0) {
        conn->stop = FINOPS_E_CANCELLED;
        (void)watch_start(conn); /* it repeats the interrupt, which a statement about to begin does not see */
        duckdb_interrupt(conn->native);
    }
    (void)pthread_mutex_unlock(&conn->lock);
}
