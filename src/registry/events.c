/* What is told of drivers: the list to whoever asks, changes to whoever subscribed. */
#include <string.h>

#include "base/mem.h"
#include "registry/registry_internal.h"

#define BUILT_IN "built in"

const char *
fo_driver_origin(const fo_driver_entry *entry)
{
    return entry->origin ? entry->origin : BUILT_IN;
}

static void
describe(const fo_driver_entry *entry, finops_driver_info *ret)
{
    const finops_driver *driver = entry->driver;

    *ret = (finops_driver_info){
        .name = entry->name,
        .version = driver ? driver->version : "",
        .summary = driver ? driver->summary : "",
        .origin = fo_driver_origin(entry),
        .status = entry->status,
        .problem = entry->problem,
        .handles = atomic_load(&entry->handles),
        .kind = entry->kind,
        .driver = entry->kind == FINOPS_KIND_DATABASE ? (const finops_database_driver *)driver : NULL,
        .storage = entry->kind == FINOPS_KIND_STORAGE ? (const finops_storage_driver *)driver : NULL,
    };
}

void
fo_registry_tell(finops_registry *r, finops_registry_event_kind kind, const fo_driver_entry *entry)
{
    finops_driver_info info;

    describe(entry, &info);
    for (size_t i = 0; i < r->n_listeners; i++)
        r->listeners[i].call(kind, &info, r->listeners[i].arg);
}

void
finops_registry_each(finops_registry *registry, void (*each)(const finops_driver_info *info, void *arg),
                     void *arg)
{
    finops_driver_info info;

    if (!registry || !each)
        return;
    (void)pthread_rwlock_rdlock(&registry->lock);
    for (size_t i = 0; i < registry->n; i++) {
        describe(registry->entries[i], &info);
        each(&info, arg);
    }
    (void)pthread_rwlock_unlock(&registry->lock);
}

finops_code
finops_registry_subscribe(finops_registry *registry, finops_registry_listener listener, void *arg,
                          unsigned *ret_id, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (!registry || !listener || !ret_id)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "subscribe: no registry, listener or place for the id");
    (void)pthread_mutex_lock(&registry->change);
    if (fo_grow((void **)&registry->listeners, &registry->cap_listeners, registry->n_listeners + 1,
                sizeof(*registry->listeners))) {
        *ret_id = ++registry->next_id;
        registry->listeners[registry->n_listeners++] = (fo_listener){ *ret_id, listener, arg };
    } else {
        rc = fo_error_oom(err);
    }
    (void)pthread_mutex_unlock(&registry->change);
    return rc;
}

void
finops_registry_unsubscribe(finops_registry *registry, unsigned id)
{
    if (!registry)
        return;
    (void)pthread_mutex_lock(&registry->change);
    for (size_t i = 0; i < registry->n_listeners; i++) {
        if (registry->listeners[i].id != id)
            continue;
        registry->n_listeners--;
        memmove(registry->listeners + i, registry->listeners + i + 1,
                (registry->n_listeners - i) * sizeof(*registry->listeners));
        break;
    }
    (void)pthread_mutex_unlock(&registry->change);
}
