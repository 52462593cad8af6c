/* Who fetches, who waits, and when it is time. */
#include "net/renewal.h"

#include <assert.h>
#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "resilience/deadline.h"

#define SECOND 1000000LL
#define AHEAD_US (300 * SECOND)    /* renewed so long before the end, or a quarter of their life */
#define TRY_AGAIN_US (30 * SECOND) /* after a renewal that failed */
#define TICK_US 50000

struct fo_renewal {
    const fo_renewal_ops *ops;
    void *arg;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    void *value; /* NULL: none yet */
    int64_t expires_us;
    bool fetching;
    int64_t renew_us;    /* when it is to be renewed; INT64_MAX: never */
    uint64_t failures;   /* how often fetching failed */
    finops_code failure; /* the last one */
    char *failure_text;  /* NULL: no memory for it */
};

fo_renewal *
fo_renewal_new(const fo_renewal_ops *ops, void *arg)
{
    fo_renewal *r = fo_zalloc(sizeof(*r));
    pthread_condattr_t attributes;

    assert(ops && ops->fetch && ops->hold && ops->release);

    if (!r)
        return NULL;
    r->ops = ops;
    r->arg = arg;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    return r;
}

void
fo_renewal_free(fo_renewal *r)
{
    if (!r)
        return;
    if (r->value)
        r->ops->release(r->value);
    fo_free(r->failure_text);
    (void)pthread_cond_destroy(&r->changed);
    (void)pthread_mutex_destroy(&r->lock);
    fo_free(r);
}

static bool
good_at(const fo_renewal *r, int64_t now)
{
    return r->value && (r->expires_us == 0 || now < r->expires_us);
}

/* With the lock held: what came of a fetch. */
static void
take(fo_renewal *r, void *value, int64_t expires_us, finops_code rc, const char *text)
{
    int64_t now = fo_clock_now(), life = expires_us - now;

    r->fetching = false;
    (void)pthread_cond_broadcast(&r->changed);
    if (rc != FINOPS_OK) {
        r->renew_us = now + TRY_AGAIN_US;
        if (rc == FINOPS_E_CANCELLED || rc == FINOPS_E_TIMEOUT)
            return; /* the caller's own limits; those who wait try themselves */
        r->failures++;
        r->failure = rc;
        fo_free(r->failure_text);
        r->failure_text = fo_strdup(text);
        return;
    }
    if (r->value)
        r->ops->release(r->value);
    r->value = value;
    r->expires_us = expires_us;
    r->renew_us = expires_us == 0 ? INT64_MAX : expires_us - (life / 4 < AHEAD_US ? life / 4 : AHEAD_US);
}

/* With the lock held, which is let go meanwhile. */
static finops_code
renew(fo_renewal *r, const finops_call *call, finops_error **err)
{
    finops_error *problem = NULL;
    void *value = NULL;
    int64_t expires_us = 0;
    finops_code rc;

    r->fetching = true;
    (void)pthread_mutex_unlock(&r->lock);
    rc = r->ops->fetch(r->arg, call, &value, &expires_us, &problem);
    if (rc == FINOPS_OK && expires_us != 0 && expires_us <= fo_clock_now()) {
        r->ops->release(value); /* else it would be fetched again and again */
        rc = fo_error_set(&problem, FINOPS_E_AUTH, "%s came that had already ended", r->ops->what);
        fo_error_hint(&problem, "is the clock of this machine right?");
    }
    (void)pthread_mutex_lock(&r->lock);
    take(r, value, expires_us, rc, finops_error_text(problem));
    if (rc == FINOPS_OK)
        return rc;
    if (good_at(r, fo_clock_now())) {
        fo_debug("%s are kept although they could not be renewed: %s", r->ops->what,
                 finops_error_text(problem));
        finops_error_free(problem);
        return FINOPS_OK;
    }
    if (err)
        *err = problem;
    else
        finops_error_free(problem);
    return rc;
}

/* With the lock held: until somebody else's fetch is over, or the call is. */
static finops_code
wait_for_it(fo_renewal *r, const finops_call *call, finops_error **err)
{
    uint64_t failures = r->failures;

    while (r->fetching) {
        int64_t until = fo_clock_monotonic() + TICK_US;
        struct timespec t = { .tv_sec = (time_t)(until / SECOND), .tv_nsec = (long)(until % SECOND) * 1000 };

        if (call && call->cancelled && call->cancelled(call->arg))
            return fo_error_set(err, FINOPS_E_CANCELLED, "cancelled while waiting for %s", r->ops->what);
        if (call && fo_deadline_passed(call->deadline_us, fo_clock_monotonic()))
            return fo_error_set(err, FINOPS_E_TIMEOUT, "no %s before the deadline", r->ops->what);
        (void)pthread_cond_timedwait(&r->changed, &r->lock, &t);
    }
    if (r->failures != failures && !good_at(r, fo_clock_now()))
        return fo_error_set(err, r->failure, "%s", r->failure_text ? r->failure_text : "none came");
    return FINOPS_OK;
}

finops_code
fo_renewal_get(fo_renewal *r, const finops_call *call, void **ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    assert(r && ret);

    (void)pthread_mutex_lock(&r->lock);
    while (rc == FINOPS_OK) {
        int64_t now = fo_clock_now();

        if (good_at(r, now) && (r->fetching || now < r->renew_us))
            break;
        rc = r->fetching ? wait_for_it(r, call, err) : renew(r, call, err);
    }
    if (rc == FINOPS_OK) {
        r->ops->hold(r->value);
        *ret = r->value;
    }
    (void)pthread_mutex_unlock(&r->lock);
    return rc;
}

void
fo_renewal_drop(fo_renewal *r, bool (*is)(const void *value, const void *meant), const void *meant)
{
    assert(r && is);

    (void)pthread_mutex_lock(&r->lock);
    if (r->value && is(r->value, meant)) {
        r->ops->release(r->value);
        r->value = NULL;
    }
    (void)pthread_mutex_unlock(&r->lock);
}
