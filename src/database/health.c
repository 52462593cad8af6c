/*
 * How a backend does: asked now, or by a thread now and then. What a check finds out the breaker is told,
 * so that a backend which is back is used at once.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "database/front_internal.h"
#include "resilience/deadline.h"

#define MICROS 1000000LL
#define INTERVAL_DEFAULT_US (30 * MICROS)
#define ERROR_INTERVAL_DEFAULT_US (60 * MICROS)
#define CHECK_MAX_US (10 * MICROS) /* one check of the monitor */

struct fo_monitor {
    finops_database *database;
    finops_monitor_options options;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stop;
};

/* The general way: connect and SELECT 1, beside the pool, which may be all in use. */
static finops_code
ask_generally(finops_database *database, const finops_call *call, finops_error **err)
{
    const finops_statement ask = { .sql = "SELECT 1", .call = call };
    void *conn = NULL;
    finops_code rc = database->driver->connect(database->self, FINOPS_CONNECT_READ_ONLY, call, &conn, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = database->driver->execute(conn, &ask, NULL, NULL, err);
    database->driver->disconnect(conn);
    return rc;
}

static finops_code
ask(finops_database *database, const finops_call *call, finops_health *ret, finops_error **err)
{
    int64_t start = fo_clock_monotonic();
    finops_code rc;

    if (database->driver->health)
        return database->driver->health(database->self, call, ret, err);
    rc = ask_generally(database, call, err);
    ret->latency_ms = (double)(fo_clock_monotonic() - start) / 1000;
    return rc;
}

/* A backend that answers but whose connections are all in use lets callers wait. */
static void
judge(finops_database *database, finops_health *health)
{
    finops_pool_figures figures;

    fo_pool_figures(database->pool, &figures);
    if (health->state == FINOPS_HEALTH_UP && figures.waiting > 0) {
        health->state = FINOPS_HEALTH_DEGRADED;
        (void)snprintf(health->detail, sizeof(health->detail),
                       "all %u connections are in use and %u callers wait", figures.open, figures.waiting);
    }
}

finops_code
finops_database_health(finops_database *database, const finops_call *call, finops_health *ret,
                       finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_health health = { .state = FINOPS_HEALTH_UP };
    finops_code rc;

    if (!database || !ret)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "health of no database");
    rc = ask(database, call, &health, &why);
    if (rc == FINOPS_E_CANCELLED || rc == FINOPS_E_MEMORY)
        return fo_error_set(err, rc, "%s", finops_error_text(why));
    if (rc != FINOPS_OK) {
        health.state = FINOPS_HEALTH_DOWN;
        fo_error_brief(why, health.detail, sizeof(health.detail));
    }
    judge(database, &health);
    fo_breaker_observe(&database->breaker, rc == FINOPS_OK && health.state == FINOPS_HEALTH_DOWN
                                               ? FO_VERDICT_BAD
                                               : fo_verdict_of(rc));
    (void)pthread_mutex_lock(&database->health_lock);
    database->health = health;
    database->health_us = fo_clock_monotonic();
    (void)pthread_mutex_unlock(&database->health_lock);
    *ret = health;
    return FINOPS_OK;
}

finops_code
finops_database_last_health(finops_database *database, finops_health *ret, int64_t *ret_age_us,
                            finops_error **err)
{
    int64_t at;

    if (!database || !ret)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "health of no database");
    (void)pthread_mutex_lock(&database->health_lock);
    at = database->health_us;
    if (at)
        *ret = database->health;
    (void)pthread_mutex_unlock(&database->health_lock);
    if (!at)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "the health of %s was not checked yet",
                            database->driver->name);
    if (ret_age_us)
        *ret_age_us = fo_clock_monotonic() - at;
    return FINOPS_OK;
}

static bool
monitor_stopped(void *arg)
{
    fo_monitor *m = arg;

    return atomic_load(&m->stop);
}

static void
monitor_sleep(fo_monitor *m, int64_t us)
{
    int64_t until = fo_deadline_in(us);
    struct timespec ts = { .tv_sec = until / MICROS, .tv_nsec = until % MICROS * 1000 };

    (void)pthread_mutex_lock(&m->lock);
    while (!atomic_load(&m->stop))
        if (pthread_cond_clockwait(&m->wake, &m->lock, CLOCK_MONOTONIC, &ts) == ETIMEDOUT)
            break;
    (void)pthread_mutex_unlock(&m->lock);
}

static void *
monitor_run(void *arg)
{
    fo_monitor *m = arg;

    while (!atomic_load(&m->stop)) {
        const finops_call call = { .deadline_us = fo_deadline_in(CHECK_MAX_US),
                                   .cancelled = monitor_stopped,
                                   .arg = m };
        finops_health health = { 0 };
        bool fine = finops_database_health(m->database, &call, &health, NULL) == FINOPS_OK;

        if (fine && m->options.checked)
            m->options.checked(&health, m->options.arg);
        fine = fine && health.state == FINOPS_HEALTH_UP;
        if (health.state != FINOPS_HEALTH_DOWN && !atomic_load(&m->stop))
            fo_pool_maintain(m->database->pool);
        monitor_sleep(m, fine ? m->options.interval_us : m->options.error_interval_us);
    }
    return NULL;
}

static fo_monitor *
monitor_new(finops_database *database, const finops_monitor_options *options)
{
    fo_monitor *m = fo_zalloc(sizeof(*m));

    if (!m)
        return NULL;
    m->database = database;
    if (options)
        m->options = *options;
    if (m->options.interval_us <= 0)
        m->options.interval_us = INTERVAL_DEFAULT_US;
    if (m->options.error_interval_us <= 0)
        m->options.error_interval_us = ERROR_INTERVAL_DEFAULT_US;
    (void)pthread_mutex_init(&m->lock, NULL);
    (void)pthread_cond_init(&m->wake, NULL);
    atomic_init(&m->stop, false);
    return m;
}

static void
monitor_free(fo_monitor *m)
{
    (void)pthread_cond_destroy(&m->wake);
    (void)pthread_mutex_destroy(&m->lock);
    fo_free(m);
}

finops_code
finops_database_monitor(finops_database *database, const finops_monitor_options *options, finops_error **err)
{
    fo_monitor *m;
    finops_code rc = FINOPS_OK;
    int errnum = 0;

    if (!database)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a monitor of no database");
    m = monitor_new(database, options);
    if (!m)
        return fo_error_oom(err);
    (void)pthread_mutex_lock(&database->health_lock);
    if (database->monitor)
        rc = FINOPS_E_EXISTS;
    else
        errnum = pthread_create(&m->thread, NULL, monitor_run, m);
    if (rc == FINOPS_OK && !errnum)
        database->monitor = FO_TAKE(m);
    (void)pthread_mutex_unlock(&database->health_lock);
    if (m)
        monitor_free(m);
    if (rc != FINOPS_OK)
        return fo_error_set(err, rc, "the health of %s is watched already", database->driver->name);
    return errnum ? fo_error_errno(err, errnum, "watch the health of %s", database->driver->name) : rc;
}

void
fo_monitor_stop(finops_database *database)
{
    fo_monitor *m;

    (void)pthread_mutex_lock(&database->health_lock);
    m = FO_TAKE(database->monitor);
    (void)pthread_mutex_unlock(&database->health_lock);
    if (!m)
        return;
    (void)pthread_mutex_lock(&m->lock);
    atomic_store(&m->stop, true);
    (void)pthread_cond_signal(&m->wake);
    (void)pthread_mutex_unlock(&m->lock);
    (void)pthread_join(m->thread, NULL);
    monitor_free(m);
}
