/* The guard of the suite of databases: what a case that hangs means for those after it and for the schema. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conformance/hook.h"
#include "conformance/suite.h"

#define LONG_FACTOR 10
#define DROP_US INT64_C(10000000) /* how long the schema of a run that hangs may take to go */

void
fo_watchdog_begin(fo_suite *s, const char *area, const fo_trial *t)
{
    int64_t limit = s->options.case_us * (t->c->is_long ? LONG_FACTOR : 1);

    (void)pthread_mutex_lock(&s->guard.lock);
    s->running = t;
    s->area = area;
    fo_guard_begin(&s->guard, limit);
    (void)pthread_mutex_unlock(&s->guard.lock);
}

void
fo_watchdog_end(fo_suite *s)
{
    (void)pthread_mutex_lock(&s->guard.lock);
    fo_guard_end(&s->guard);
    s->running = NULL;
    (void)pthread_mutex_unlock(&s->guard.lock);
}

void
fo_watchdog_watch(fo_suite *s, fo_trial *t, finops_session *session)
{
    (void)pthread_mutex_lock(&s->guard.lock);
    t->session = session;
    t->driver = fo_session_driver(session);
    (void)pthread_mutex_unlock(&s->guard.lock);
}

finops_session *
fo_watchdog_forget(fo_suite *s, fo_trial *t)
{
    finops_session *session;

    (void)pthread_mutex_lock(&s->guard.lock);
    fo_guard_stay_if_struck(&s->guard);
    session = FO_TAKE(t->session);
    (void)pthread_mutex_unlock(&s->guard.lock);
    return session;
}

static void
cases_thread(void *arg)
{
    fo_suite *s = arg;

    s->rc = fo_cases_run(s, &s->err);
}

/* ---- when one hangs ---- */

/* In a thread, too: this may hang as well. The call that hangs may be one that minds a cancel, and holds
 * locks until then. */
static void *
drop_thread(void *arg)
{
    fo_suite *s = arg;
    const fo_trial *t = s->running;

    const char *mend = t->mend;

    if (mend)
        (void)fo_hook_run(s->options.hooks, mend, s->schema, t->broken, NULL);
    (void)pthread_mutex_lock(&s->guard.lock);
    if (t->session && t->driver && t->driver->cancel)
        t->driver->cancel(fo_session_native(t->session));
    (void)pthread_mutex_unlock(&s->guard.lock);
    fo_schema_drop(s, fo_clock_monotonic() + DROP_US);
    (void)pthread_mutex_lock(&s->guard.lock);
    s->dropped = true;
    (void)pthread_cond_signal(&s->guard.changed);
    (void)pthread_mutex_unlock(&s->guard.lock);
    return NULL;
}

static bool
wait_for_drop(fo_suite *s, const struct timespec *until)
{
    bool dropped;

    (void)pthread_mutex_lock(&s->guard.lock);
    while (!s->dropped &&
           pthread_cond_clockwait(&s->guard.changed, &s->guard.lock, CLOCK_MONOTONIC, until) == 0)
        continue;
    dropped = s->dropped;
    (void)pthread_mutex_unlock(&s->guard.lock);
    return dropped;
}

static void
schema_forsake(fo_suite *s)
{
    int64_t until = fo_clock_monotonic() + 2 * DROP_US + (s->running->mend ? FO_HOOK_US : 0);
    const struct timespec end = { .tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000 };
    pthread_t thread;
    bool made;

    (void)pthread_mutex_lock(&s->guard.lock);
    made = s->schema[0] != '\0';
    (void)pthread_mutex_unlock(&s->guard.lock);
    if (!made)
        return;
    if (pthread_create(&thread, NULL, drop_thread, s) == 0 && wait_for_drop(s, &end))
        (void)pthread_join(thread, NULL);
    else
        (void)snprintf(s->summary.left, sizeof(s->summary.left), "%s", s->schema);
}

/* The one that hangs has failed, those after it are not run. */
static void
strike(fo_suite *s)
{
    fo_case_cursor rest = s->at;
    int64_t us = fo_clock_monotonic() - s->guard.started_us;
    char why[120];
    const char *area;
    fo_case c;

    (void)snprintf(why, sizeof(why), "it hangs: no end after %" PRId64 " s, see --case-timeout",
                   us / 1000000);
    fo_case_tell(s, s->area, s->running->c->name, FO_CASE_FAILED, why, us);
    while (fo_case_next(&rest, &area, &c))
        if (fo_case_chosen(s, area, c.name))
            fo_case_tell(s, area, c.name, FO_CASE_NOT_RUN, "a case before it hangs", 0);
    schema_forsake(s);
    (void)snprintf(s->summary.hung, sizeof(s->summary.hung), "%s: %s", s->area, s->running->c->name);
}

/* ---- waiting ---- */

finops_code
fo_watchdog_run(fo_suite *s, finops_error **err)
{
    bool hangs = false;
    finops_code rc = fo_guard_run(&s->guard, cases_thread, s, &hangs, err);

    if (rc != FINOPS_OK)
        return rc;
    if (hangs) {
        strike(s);
        return FINOPS_OK;
    }
    if (s->rc == FINOPS_OK)
        finops_error_free(s->err);
    else if (err)
        *err = FO_TAKE(s->err);
    else
        finops_error_free(s->err);
    return s->rc;
}
