/* Drivers come and go: those of this program, and those of plugins. entries.c has the list they are in. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "builtins.h"
#include "registry/registry_internal.h"

static finops_code
taken(const char *name, const fo_driver_entry *holder, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_EXISTS, "the name %s is taken by a driver that is %s%s", name,
                        holder->origin ? "from " : "", fo_driver_origin(holder));
}

/* All entries or none; they are the registry's then. */
static finops_code
add_entries(finops_registry *r, fo_driver_entry **entries, size_t n, finops_error **err)
{
    finops_code rc;

    (void)pthread_mutex_lock(&r->change);
    (void)pthread_rwlock_wrlock(&r->lock);
    rc = fo_entries_make_room(r, n, err);
    for (size_t i = 0; i < n && rc == FINOPS_OK; i++) {
        const fo_driver_entry *holder =
            fo_entry_takes_name(entries[i]) ? fo_entries_holder(r, entries[i]->kind, entries[i]->name) : NULL;

        if (holder)
            rc = taken(entries[i]->name, holder, err);
    }
    for (size_t i = 0; i < n && rc == FINOPS_OK; i++)
        fo_entries_insert(r, entries[i]);
    (void)pthread_rwlock_unlock(&r->lock);

    for (size_t i = 0; i < n && rc == FINOPS_OK; i++)
        fo_registry_tell(
            r, entries[i]->status == FINOPS_DRIVER_BROKEN ? FINOPS_REGISTRY_BROKEN : FINOPS_REGISTRY_ADDED,
            entries[i]);
    (void)pthread_mutex_unlock(&r->change);
    return rc;
}

bool
fo_registry_names_are_free(finops_registry *registry, const fo_strv *names)
{
    bool free = true;

    (void)pthread_rwlock_rdlock(&registry->lock);
    for (int kind = 0; kind < FINOPS_KIND_COUNT_; kind++)
        for (size_t i = 0; i < names[kind].n && free; i++)
            free = !fo_entries_holder(registry, (finops_driver_kind)kind, names[kind].items[i]);
    (void)pthread_rwlock_unlock(&registry->lock);
    return free;
}

static void
add_problem(const char *text, void *arg)
{
    fo_str *all = arg;

    fo_str_addf(all, "%s%s", all->len > 0 ? "; " : "", text);
}

static finops_code
check(fo_driver_ref driver, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str problems = FO_STR_MAX(16384);

    if (fo_driver_check(driver, add_problem, &problems) == 0)
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_ARGUMENT, "driver cannot be registered: %s",
                        fo_str_ok(&problems) ? fo_str_z(&problems) : "more than can be said");
}

static finops_code
add(finops_registry *r, fo_driver_ref driver, const char *origin, finops_error **err)
{
    FO_AUTO(fo_entry_freep) fo_driver_entry *entry = NULL;
    finops_code rc = check(driver, err);

    if (rc != FINOPS_OK)
        return rc;
    entry = fo_entry_new(driver, origin);
    if (!entry)
        return fo_error_oom(err);
    rc = add_entries(r, &entry, 1, err);
    if (rc == FINOPS_OK)
        entry = NULL;
    return rc;
}

finops_code
finops_registry_add(finops_registry *registry, const finops_database_driver *driver, finops_error **err)
{
    if (!registry || !driver)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "add a driver: no registry or no driver");
    return add(registry, fo_database_ref(driver), "the program", err);
}

finops_code
finops_registry_add_storage(finops_registry *registry, const finops_storage_driver *driver,
                            finops_error **err)
{
    if (!registry || !driver)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "add a driver: no registry or no driver");
    return add(registry, fo_storage_ref(driver), "the program", err);
}

finops_code
fo_registry_add_plugin(finops_registry *registry, fo_plugin *plugin, const char *path, finops_error **err)
{
    fo_driver_entry *entries[FO_PLUGIN_DRIVERS_MAX] = { NULL };
    finops_code rc = FINOPS_OK;
    size_t n = 0;

    for (; fo_plugin_driver(plugin->info, n).head && rc == FINOPS_OK; n++) {
        assert(n < FO_PLUGIN_DRIVERS_MAX);
        entries[n] = fo_entry_new(fo_plugin_driver(plugin->info, n), path);
        if (!entries[n]) {
            rc = fo_error_oom(err);
            break;
        }
        entries[n]->plugin = plugin;
        fo_plugin_ref(plugin);
    }
    if (rc == FINOPS_OK)
        rc = add_entries(registry, entries, n, err);
    for (size_t i = 0; i < n && rc != FINOPS_OK; i++)
        fo_entry_free(entries[i]);
    return rc;
}

/* "/usr/lib/finops/plugins/sqlite.so" is "sqlite". */
static char *
name_of_file(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    size_t n = strlen(base);

    return fo_strndup(base, fo_ends(base, ".so") ? n - 3 : n);
}

finops_code
fo_registry_add_broken(finops_registry *registry, const char *path, const char *problem, finops_error **err)
{
    FO_AUTO(fo_entry_freep) fo_driver_entry *entry = fo_zalloc(sizeof(*entry));
    finops_code rc;

    if (!entry)
        return fo_error_oom(err);
    entry->status = FINOPS_DRIVER_BROKEN;
    entry->origin = fo_strdup(path);
    entry->broken_name = name_of_file(path);
    entry->problem = fo_strdup(problem);
    entry->name = entry->broken_name;
    if (!entry->origin || !entry->broken_name || !entry->problem)
        return fo_error_oom(err);
    rc = add_entries(registry, &entry, 1, err);
    if (rc == FINOPS_OK)
        entry = NULL;
    return rc;
}

finops_code
fo_registry_remove_entry(finops_registry *r, fo_driver_entry *entry, bool drain, finops_error **err)
{
    unsigned handles;

    (void)pthread_rwlock_wrlock(&r->lock);
    handles = atomic_load(&entry->handles);
    if (handles == 0)
        fo_entries_take_out(r, entry);
    else if (drain) /* the first of those that drain: its place stays the same */
        entry->status = FINOPS_DRIVER_DRAINING;
    (void)pthread_rwlock_unlock(&r->lock);

    if (handles > 0 && !drain)
        return fo_error_set(err, FINOPS_E_BUSY, "driver %s is in use: %u open %s", entry->name, handles,
                            fo_kinds[entry->kind].handle[handles != 1]);
    if (handles == 0) {
        fo_registry_tell(r, FINOPS_REGISTRY_REMOVED, entry);
        fo_entry_free(entry);
    } else {
        fo_registry_tell(r, FINOPS_REGISTRY_DRAINING, entry);
    }
    return FINOPS_OK;
}

static finops_code
remove_named(finops_registry *registry, finops_driver_kind kind, const char *name, bool drain,
             finops_error **err)
{
    fo_driver_entry *entry;
    finops_code rc;

    if (!registry || !name)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "remove a driver: no registry or no name");
    (void)pthread_mutex_lock(&registry->change);
    (void)pthread_rwlock_rdlock(&registry->lock);
    entry = fo_entries_find(registry, kind, name);
    rc = entry && entry->status == FINOPS_DRIVER_READY
             ? FINOPS_OK
             : fo_registry_not_ready(registry, kind, name, entry, err);
    (void)pthread_rwlock_unlock(&registry->lock);
    if (rc == FINOPS_OK)
        rc = fo_registry_remove_entry(registry, entry, drain, err);
    (void)pthread_mutex_unlock(&registry->change);
    return rc;
}

finops_code
finops_registry_remove(finops_registry *registry, const char *name, bool drain, finops_error **err)
{
    return remove_named(registry, FINOPS_KIND_DATABASE, name, drain, err);
}

finops_code
finops_registry_remove_storage(finops_registry *registry, const char *name, bool drain, finops_error **err)
{
    return remove_named(registry, FINOPS_KIND_STORAGE, name, drain, err);
}

/* One that is there for good and not draining already. */
static fo_driver_entry *
next_of_origin(finops_registry *r, const char *path)
{
    fo_driver_entry *found = NULL;

    (void)pthread_rwlock_rdlock(&r->lock);
    for (size_t i = 0; i < r->n && !found; i++)
        if (r->entries[i]->status != FINOPS_DRIVER_DRAINING && fo_streq(r->entries[i]->origin, path))
            found = r->entries[i];
    (void)pthread_rwlock_unlock(&r->lock);
    return found;
}

unsigned
fo_registry_drop_origin(finops_registry *registry, const char *path)
{
    fo_driver_entry *entry;
    unsigned n = 0;

    (void)pthread_mutex_lock(&registry->change);
    while ((entry = next_of_origin(registry, path)) != NULL) {
        (void)fo_registry_remove_entry(registry, entry, true, NULL); /* draining is never refused */
        n++;
    }
    (void)pthread_mutex_unlock(&registry->change);
    return n;
}

/* A driver that opens and looks again must not wait for ever behind those that only look: writers first. */
static bool
init_lock(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    bool ok;

    if (pthread_rwlockattr_init(&attr) != 0)
        return false;
    ok = pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0 &&
         pthread_rwlock_init(lock, &attr) == 0;
    (void)pthread_rwlockattr_destroy(&attr);
    return ok;
}

finops_code
fo_registry_new_empty(finops_registry **ret, finops_error **err)
{
    FO_AUTO(fo_freep) finops_registry *r = fo_zalloc(sizeof(*r));

    if (!r || !init_lock(&r->lock))
        return fo_error_oom(err);
    (void)pthread_mutex_init(&r->discovery, NULL); /* cannot fail for plain ones */
    (void)pthread_mutex_init(&r->change, NULL);
    *ret = FO_TAKE(r);
    return FINOPS_OK;
}

/* A name without functions: compiled out. */
static finops_code
add_absent(finops_registry *r, fo_driver_ref driver, finops_error **err)
{
    FO_AUTO(fo_entry_freep) fo_driver_entry *entry = fo_zalloc(sizeof(*entry));
    finops_code rc;

    if (!entry)
        return fo_error_oom(err);
    entry->status = FINOPS_DRIVER_ABSENT;
    entry->kind = driver.kind;
    entry->name = driver.head->name;
    entry->problem = fo_format("this finops was built without %s", driver.head->name);
    if (!entry->problem)
        return fo_error_oom(err);
    rc = add_entries(r, &entry, 1, err);
    if (rc == FINOPS_OK)
        entry = NULL;
    return rc;
}

finops_code
fo_registry_add_builtins(finops_registry *r, const finops_database_driver *const *databases,
                         const finops_storage_driver *const *storages, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && databases[i]; i++) {
        fo_driver_ref driver = fo_database_ref(databases[i]);
        rc = databases[i]->open ? add(r, driver, NULL, err) : add_absent(r, driver, err);
    }
    for (size_t i = 0; rc == FINOPS_OK && storages[i]; i++) {
        fo_driver_ref driver = fo_storage_ref(storages[i]);
        rc = storages[i]->open ? add(r, driver, NULL, err) : add_absent(r, driver, err);
    }
    return rc;
}

finops_code
finops_registry_new(finops_registry **ret, finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = NULL;
    finops_code rc;

    if (!ret)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "make a registry: no place for it");
    rc = fo_registry_new_empty(&r, err);
    if (rc == FINOPS_OK)
        rc = fo_registry_add_builtins(r, fo_database_builtin, fo_storage_builtin, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = FO_TAKE(r);
    return FINOPS_OK;
}

void
finops_registry_free(finops_registry *registry)
{
    if (!registry)
        return;
    fo_registry_watch_end(registry);
    for (size_t i = 0; i < registry->n; i++) {
        assert(atomic_load(&registry->entries[i]->handles) == 0);
        fo_entry_free(registry->entries[i]);
    }
    for (size_t i = 0; i < registry->n_files; i++)
        fo_plugin_file_done(&registry->files[i]);
    fo_free(registry->files);
    fo_free(registry->entries);
    fo_free(registry->listeners);
    (void)pthread_rwlock_destroy(&registry->lock);
    (void)pthread_mutex_destroy(&registry->change);
    (void)pthread_mutex_destroy(&registry->discovery);
    fo_free(registry);
}

void
finops_registry_freep(finops_registry **registry)
{
    finops_registry_free(*registry);
    *registry = NULL;
}
