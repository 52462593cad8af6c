/* The connections of a storage. The first is made alone: whoever is not let in is not let in four times. */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "storage/object.h"
#include "storage/sftp/driver_internal.h"

#define FULL_US 30000000 /* before another is tried when the server has refused one */

static void
lease_free(sf_lease *lease)
{
    sf_link_free(lease->link);
    fo_free(lease);
}

/* Takes one out of the pool; the lock is held. */
static void
forget(sf_storage *s, const sf_lease *lease)
{
    for (unsigned i = 0; i < s->n_leases; i++)
        if (s->leases[i] == lease) {
            s->leases[i] = s->leases[--s->n_leases];
            return;
        }
}

/* The one with the fewest users; NULL: there is none. What died and is not used goes away. */
static sf_lease *
best_of(sf_storage *s)
{
    sf_lease *best = NULL;

    for (unsigned i = 0; i < s->n_leases;) {
        sf_lease *lease = s->leases[i];

        if (!sf_link_is_alive(lease->link)) {
            forget(s, lease);
            if (lease->users == 0)
                lease_free(lease);
            continue; /* the last user frees it */
        }
        if (!best || lease->users < best->users)
            best = lease;
        i++;
    }
    return best;
}

static bool
may_connect(const sf_storage *s)
{
    if (s->n_leases == 0)
        return s->connecting == 0;
    return s->n_leases + s->connecting < s->connections && fo_clock_monotonic() >= s->full_until_us;
}

static finops_code
lease_new(sf_storage *s, const finops_call *call, sf_lease **ret, finops_error **err)
{
    sf_lease *lease = fo_zalloc(sizeof(*lease));
    finops_code rc;

    if (!lease)
        return fo_error_oom(err);
    rc = sf_link_new(&s->target, call, &lease->link, err);
    if (rc != FINOPS_OK) {
        fo_free(lease);
        return rc;
    }
    atomic_store(&s->extensions, sf_link_extensions(lease->link) | SFTP_EXT_KNOWN);
    *ret = lease;
    return FINOPS_OK;
}

/* The lock is held, and let go meanwhile. */
static finops_code
connect_one(sf_storage *s, const finops_call *call, sf_lease **ret, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc;

    s->connecting++;
    (void)pthread_mutex_unlock(&s->lock);
    rc = lease_new(s, call, ret, &why);
    (void)pthread_mutex_lock(&s->lock);
    s->connecting--;
    (void)pthread_cond_broadcast(&s->changed);
    if (rc == FINOPS_OK) {
        s->leases[s->n_leases++] = *ret;
        return rc;
    }
    if (rc != FINOPS_E_CANCELLED && s->n_leases > 0 && fo_call_check(call, NULL) == FINOPS_OK) {
        s->full_until_us = fo_clock_monotonic() + FULL_US;
        return FINOPS_OK; /* *ret is NULL: those that there are must do */
    }
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

static void
wait_changed(sf_storage *s)
{
    int64_t until = fo_clock_monotonic() + SFTP_SLICE_MS * 1000;
    const struct timespec t = { .tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000 };

    (void)pthread_cond_timedwait(&s->changed, &s->lock, &t);
}

finops_code
sf_acquire(sf_storage *s, const finops_call *call, sf_lease **ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    sf_lease *lease = NULL;

    (void)pthread_mutex_lock(&s->lock);
    while (!lease && rc == FINOPS_OK) {
        lease = best_of(s);
        if ((!lease || lease->users > 0) && may_connect(s)) {
            lease = NULL;
            rc = connect_one(s, call, &lease, err);
        } else if (!lease) {
            wait_changed(s);
        }
        if (!lease && rc == FINOPS_OK)
            rc = fo_call_check(call, err);
    }
    if (rc == FINOPS_OK) {
        lease->users++;
        *ret = lease;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}

sf_lease *
sf_hold(sf_storage *s, sf_lease *lease)
{
    (void)pthread_mutex_lock(&s->lock);
    lease->users++;
    (void)pthread_mutex_unlock(&s->lock);
    return lease;
}

void
sf_release(sf_storage *s, sf_lease *lease)
{
    bool pooled = false, last;

    if (!lease)
        return;
    (void)pthread_mutex_lock(&s->lock);
    last = --lease->users == 0;
    for (unsigned i = 0; i < s->n_leases; i++)
        pooled = pooled || s->leases[i] == lease;
    (void)pthread_mutex_unlock(&s->lock);
    if (last && !pooled)
        lease_free(lease);
}

void
sf_pool_close(sf_storage *s)
{
    for (unsigned i = 0; i < s->n_leases; i++)
        lease_free(s->leases[i]);
    s->n_leases = 0;
}
