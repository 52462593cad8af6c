/*
 * Locks by name, of the connections that may write. The open file keeps other processes out already; these
 * tell the importers of one process apart.
 */
#include <assert.h>

#include "base/clock.h"
#include "base/mem.h"
#include "database/duckdb/shared.h"
#include "database/duckdb/instance_internal.h"

struct fo_name_lock {
    char *name;
    const fo_link *owner;
    unsigned depth; /* a connection may take it again */
    fo_name_lock *next;
};

static fo_name_lock **
lock_find(fo_instance *instance, const char *name)
{
    fo_name_lock **at = &instance->locks;

    while (*at && !fo_streq((*at)->name, name))
        at = &(*at)->next;
    return at;
}

static void
lock_remove(fo_name_lock **at)
{
    fo_name_lock *lock = *at;

    *at = lock->next;
    fo_free(lock->name);
    fo_free(lock);
}

void
fo_link_unlock_all(const fo_link *link)
{
    fo_name_lock **at = &link->instance->locks;

    while (*at)
        if ((*at)->owner == link)
            lock_remove(at);
        else
            at = &(*at)->next;
}

static finops_code
lock_add(fo_link *link, const char *name, finops_error **err)
{
    fo_name_lock *lock = fo_zalloc(sizeof(*lock));

    if (lock)
        lock->name = fo_strdup(name);
    if (!lock || !lock->name) {
        fo_free(lock);
        return fo_error_oom(err);
    }
    lock->owner = link;
    lock->depth = 1;
    lock->next = link->instance->locks;
    link->instance->locks = lock;
    return FINOPS_OK;
}

/* The lock of the instances is held. */
static finops_code
lock_take(fo_link *link, const char *name, const finops_call *call, finops_error **err)
{
    fo_name_lock *lock;

    while ((lock = *lock_find(link->instance, name)) && lock->owner != link) {
        if (fo_instances_cancelled(call))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped while waiting for the lock %s", name);
        if (call && call->deadline_us && fo_clock_monotonic() >= call->deadline_us)
            return fo_error_set(err, FINOPS_E_BUSY, "another connection holds the lock %s", name);
        fo_instances_wait();
    }
    if (!lock)
        return lock_add(link, name, err);
    lock->depth++;
    return FINOPS_OK;
}

finops_code
fo_duckdb_lock(void *conn, const char *name, const finops_call *call, finops_error **err)
{
    fo_duckdb_link *c = conn;
    finops_code rc;

    assert(c && name);
    if (c->read_only)
        return fo_error_set(err, FINOPS_E_USAGE, "this connection only reads");
    (void)pthread_mutex_lock(&fo_instances_lock);
    rc = lock_take(c->link, name, call, err);
    (void)pthread_mutex_unlock(&fo_instances_lock);
    return rc;
}

finops_code
fo_duckdb_unlock(void *conn, const char *name, finops_error **err)
{
    fo_duckdb_link *c = conn;
    fo_name_lock **at = NULL;
    finops_code rc = FINOPS_OK;

    assert(c && name);
    (void)pthread_mutex_lock(&fo_instances_lock);
    if (!c->read_only)
        at = lock_find(c->link->instance, name);
    if (!at || !*at || (*at)->owner != c->link)
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "this connection does not hold the lock %s", name);
    else if (--(*at)->depth == 0)
        lock_remove(at);
    (void)pthread_mutex_unlock(&fo_instances_lock);
    return rc;
}
