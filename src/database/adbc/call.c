/*
 * How calls end before they are done.
 *
 * ADBC's functions block and take no deadline. While one runs that may be ended, a thread looks at the clock
 * and at `cancelled`, and asks the driver to cancel; a driver that cannot is waited for.
 */
#include <errno.h>
#include <time.h>

#include "database/adbc/adbc_internal.h"

#define LOOK_NS 50000000 /* between two looks */

static int64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

finops_code
fo_adbc_call_init(adbc_conn *c, finops_error **err)
{
    pthread_condattr_t attr;

    if (pthread_mutex_init(&c->call.lock, NULL) != 0)
        return fo_error_oom(err);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->call.wake, &attr);
    pthread_condattr_destroy(&attr);
    return FINOPS_OK;
}

void
fo_adbc_call_done(adbc_conn *c)
{
    pthread_cond_destroy(&c->call.wake);
    pthread_mutex_destroy(&c->call.lock);
}

finops_code
fo_adbc_call_check(adbc_conn *c)
{
    const finops_call *call = &c->call.call;

    if (atomic_load(&c->call.stop) || (call->cancelled && call->cancelled(call->arg)))
        return FINOPS_E_CANCELLED;
    return call->deadline_us && now_us() > call->deadline_us ? FINOPS_E_TIMEOUT : FINOPS_OK;
}

/* call.lock is held: `running` stays. */
static void
ask_driver(adbc_conn *c)
{
    const struct AdbcDriver *v = &c->database->driver;
    struct AdbcError e = ADBC_ERROR_INIT;
    AdbcStatusCode status = ADBC_STATUS_NOT_IMPLEMENTED;

    if (c->running && v->StatementCancel)
        status = v->StatementCancel(c->running, &e);
    if (e.release)
        e.release(&e);
    e = ADBC_ERROR_INIT;
    if (status != ADBC_STATUS_OK && v->ConnectionCancel)
        v->ConnectionCancel(&c->connection, &e);
    if (e.release)
        e.release(&e);
}

static void *
watch(void *arg)
{
    adbc_conn *c = arg;
    struct timespec next;

    pthread_mutex_lock(&c->call.lock);
    while (!c->call.over) {
        finops_code why = fo_adbc_call_check(c);
        if (why != FINOPS_OK) {
            atomic_store(&c->call.ended, why);
            ask_driver(c); /* again and again: the first may come before the server began */
        }
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_nsec += LOOK_NS;
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&c->call.wake, &c->call.lock, &next);
    }
    pthread_mutex_unlock(&c->call.lock);
    return NULL;
}

void
fo_adbc_call_begin(adbc_conn *c, const finops_call *call)
{
    c->call.call = call ? *call : (finops_call){ 0 };
    atomic_store(&c->call.stop, false);
    atomic_store(&c->call.ended, FINOPS_OK);
}

void
fo_adbc_watch_begin(adbc_conn *c, struct AdbcStatement *statement)
{
    pthread_mutex_lock(&c->call.lock);
    c->running = statement;
    c->call.over = false;
    pthread_mutex_unlock(&c->call.lock);
    if (c->call.call.deadline_us || c->call.call.cancelled)
        c->call.watching = pthread_create(&c->call.thread, NULL, watch, c) == 0;
}

void
fo_adbc_watch_end(adbc_conn *c)
{
    pthread_mutex_lock(&c->call.lock);
    c->running = NULL;
    c->call.over = true;
    pthread_cond_signal(&c->call.wake);
    pthread_mutex_unlock(&c->call.lock);
    if (c->call.watching)
        pthread_join(c->call.thread, NULL);
    c->call.watching = false;
}

void
fo_adbc_cancel(void *conn)
{
    adbc_conn *c = conn;

    pthread_mutex_lock(&c->call.lock);
    atomic_store(&c->call.stop, true);
    atomic_store(&c->call.ended, FINOPS_E_CANCELLED);
    if (!c->call.over)
        ask_driver(c);
    pthread_mutex_unlock(&c->call.lock);
}
