/* Drivers in use: found by name or scheme, counted, and given back. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "registry/registry_internal.h"

#define KNOWN_MAX 64 /* names in a hint */

struct fo_driver_token {
    finops_registry *registry;
    fo_driver_entry *entry;
};

/* The names that can be opened. `lock` is held. */
static size_t
known_names(const finops_registry *r, finops_driver_kind kind, const char **names, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n && n < max; i++)
        if (r->entries[i]->kind == kind && r->entries[i]->status == FINOPS_DRIVER_READY)
            names[n++] = r->entries[i]->name;
    return n;
}

static finops_code
not_known(const finops_registry *r, finops_driver_kind kind, const char *name, finops_error **err)
{
    const fo_kind *k = &fo_kinds[kind];
    FO_AUTO(fo_str_done) fo_str list = FO_STR_INIT;
    const char *names[KNOWN_MAX], *near;
    size_t n = known_names(r, kind, names, KNOWN_MAX);

    near = fo_nearest(name, names, n);
    if (near)
        (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "no %s is called %.60s, did you mean %s?", k->noun, name,
                           near);
    else
        (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "no %s is called %.60s", k->noun, name);
    for (size_t i = 0; i < n; i++)
        fo_str_addf(&list, "%s%s", i > 0 ? ", " : "", names[i]);
    if (n > 0 && fo_str_ok(&list))
        fo_error_hint(err, "there are: %s; others come as plugins, %s tells what is there", fo_str_z(&list),
                      k->listing);
    return FINOPS_E_NOT_FOUND;
}

finops_code
fo_registry_not_ready(const finops_registry *r, finops_driver_kind kind, const char *name,
                      const fo_driver_entry *entry, finops_error **err)
{
    if (!entry)
        return not_known(r, kind, name, err);
    switch (entry->status) {
    case FINOPS_DRIVER_ABSENT:
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "this finops was built without %s", name);
    case FINOPS_DRIVER_BROKEN:
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "plugin %s cannot be used: %s", entry->origin,
                            entry->problem);
    default:
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "%s %s is being removed", fo_kinds[kind].noun, name);
    }
}

static finops_code
acquire(finops_registry *registry, finops_driver_kind kind, const char *name,
        const finops_driver **ret_driver, fo_driver_token **ret_token, finops_error **err)
{
    FO_AUTO(fo_freep) fo_driver_token *token = NULL;
    fo_driver_entry *entry;
    finops_code rc = FINOPS_OK;

    assert(registry && name && ret_driver && ret_token);

    token = fo_zalloc(sizeof(*token));
    if (!token)
        return fo_error_oom(err);
    (void)pthread_rwlock_rdlock(&registry->lock);
    entry = fo_entries_find(registry, kind, name);
    if (entry && entry->status == FINOPS_DRIVER_READY)
        atomic_fetch_add(&entry->handles, 1);
    else
        rc = fo_registry_not_ready(registry, kind, name, entry, err);
    (void)pthread_rwlock_unlock(&registry->lock);
    if (rc != FINOPS_OK)
        return rc;
    *token = (fo_driver_token){ .registry = registry, .entry = entry };
    *ret_driver = entry->driver;
    *ret_token = FO_TAKE(token);
    return FINOPS_OK;
}

finops_code
fo_registry_acquire_driver(finops_registry *registry, const char *name,
                           const finops_database_driver **ret_driver, fo_driver_token **ret_token,
                           finops_error **err)
{
    const finops_driver *driver = NULL;
    finops_code rc = acquire(registry, FINOPS_KIND_DATABASE, name, &driver, ret_token, err);

    if (rc == FINOPS_OK)
        *ret_driver = (const finops_database_driver *)driver;
    return rc;
}

finops_code
fo_registry_acquire_storage(finops_registry *registry, const char *name,
                            const finops_storage_driver **ret_driver, fo_driver_token **ret_token,
                            finops_error **err)
{
    const finops_driver *driver = NULL;
    finops_code rc = acquire(registry, FINOPS_KIND_STORAGE, name, &driver, ret_token, err);

    if (rc == FINOPS_OK)
        *ret_driver = (const finops_storage_driver *)driver;
    return rc;
}

/* Whether a word is one of those of a text, which are separated by blanks. */
static bool
has_word(const char *words, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = words; (at = strstr(at, word)) != NULL; at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' '))
            return true;
    return false;
}

/* Those that can be opened win over those that cannot, whose reason is told when they are. */
static const fo_driver_entry *
find_scheme(const finops_registry *r, const char *scheme)
{
    for (size_t i = 0; i < r->n; i++) {
        const fo_driver_entry *entry = r->entries[i];
        const finops_storage_driver *driver = (const finops_storage_driver *)entry->driver;

        if (entry->kind != FINOPS_KIND_STORAGE)
            continue;
        if (driver && driver->schemes ? has_word(driver->schemes, scheme) : strcmp(entry->name, scheme) == 0)
            return entry;
    }
    return NULL;
}

finops_code
fo_registry_storage_of_scheme(finops_registry *registry, const char *scheme, fo_str *ret, finops_error **err)
{
    const fo_driver_entry *entry;
    finops_code rc;

    (void)pthread_rwlock_rdlock(&registry->lock);
    entry = find_scheme(registry, scheme);
    if (entry)
        fo_str_add(ret, entry->name);
    rc = entry ? fo_str_check(ret, err) : not_known(registry, FINOPS_KIND_STORAGE, scheme, err);
    (void)pthread_rwlock_unlock(&registry->lock);
    return rc;
}

void
fo_registry_release_driver(fo_driver_token *token)
{
    finops_registry *r;
    fo_driver_entry *entry;
    bool drained;

    if (!token)
        return;
    r = token->registry;
    entry = token->entry;
    fo_free(token);

    /* Under the lock: whoever lets the entry drain has either seen this handle or is seen here. */
    (void)pthread_rwlock_rdlock(&r->lock);
    drained = entry->status == FINOPS_DRIVER_DRAINING;
    drained = atomic_fetch_sub(&entry->handles, 1) == 1 && drained;
    (void)pthread_rwlock_unlock(&r->lock);
    if (!drained)
        return;
    (void)pthread_mutex_lock(&r->change);
    (void)fo_registry_remove_entry(r, entry, true, NULL);
    (void)pthread_mutex_unlock(&r->change);
}
