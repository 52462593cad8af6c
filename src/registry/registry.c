/*
 * The list of drivers: a sorted array under a lock for many readers and one writer.
 *
 * For one name there is at most one entry that can be opened, any number that drain (each replaced while in
 * use), and the plugins of that file name that are broken; they stand in this order, so that a search finds
 * the best first.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "builtins.h"
#include "registry/registry_internal.h"

#define KNOWN_MAX 64 /* names in a hint */

struct fo_driver_token {
    finops_registry *registry;
    fo_driver_entry *entry;
};

static int
rank_of(finops_driver_status status)
{
    switch (status) {
    case FINOPS_DRIVER_DRAINING:
        return 1;
    case FINOPS_DRIVER_BROKEN:
        return 2;
    default:
        return 0;
    }
}

/* Where an entry of this name and rank is, or belongs. `lock` is held. */
static size_t
place_of(const finops_registry *r, finops_driver_kind kind, const char *name, int rank)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const fo_driver_entry *there = r->entries[middle];
        int order = there->kind != kind ? (int)there->kind - (int)kind : strcmp(there->name, name);

        if (order < 0 || (order == 0 && rank_of(r->entries[middle]->status) < rank))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The first entry of a name, whatever its state; NULL when there is none. `lock` is held. */
static fo_driver_entry *
find(const finops_registry *r, finops_driver_kind kind, const char *name)
{
    size_t i = place_of(r, kind, name, 0);

    return i < r->n && r->entries[i]->kind == kind && strcmp(r->entries[i]->name, name) == 0 ? r->entries[i]
                                                                                             : NULL;
}

/* The entry that takes up a name, NULL when it is free. */
static fo_driver_entry *
find_holder(const finops_registry *r, finops_driver_kind kind, const char *name)
{
    fo_driver_entry *entry = find(r, kind, name);

    return entry && rank_of(entry->status) == 0 ? entry : NULL;
}

static void
entry_free(fo_driver_entry *entry)
{
    if (!entry)
        return;
    fo_plugin_unref(entry->plugin);
    fo_free(entry->origin);
    fo_free(entry->broken_name);
    fo_free(entry->problem);
    fo_free(entry);
}

static void
entry_freep(fo_driver_entry **entry)
{
    entry_free(*entry);
}

/* origin NULL: built in. */
static fo_driver_entry *
entry_new(fo_driver_ref driver, const char *origin)
{
    fo_driver_entry *entry = fo_zalloc(sizeof(*entry));

    if (!entry)
        return NULL;
    if (origin) {
        entry->origin = fo_strdup(origin);
        if (!entry->origin) {
            entry_free(entry);
            return NULL;
        }
    }
    entry->kind = driver.kind;
    entry->name = driver.head->name;
    entry->driver = driver.head;
    if (driver.head->size < fo_kinds[driver.kind].size) {
        memcpy(&entry->whole, driver.head, driver.head->size);
        entry->driver = (const finops_driver *)&entry->whole;
    }
    return entry;
}

/* There is room; `lock` is held for writing. */
static void
insert(finops_registry *r, fo_driver_entry *entry)
{
    size_t at = place_of(r, entry->kind, entry->name, rank_of(entry->status));

    assert(r->n < r->cap);

    memmove(r->entries + at + 1, r->entries + at, (r->n - at) * sizeof(*r->entries));
    r->entries[at] = entry;
    r->n++;
}

static void
take_out(finops_registry *r, const fo_driver_entry *entry)
{
    size_t at = place_of(r, entry->kind, entry->name, rank_of(entry->status));

    while (r->entries[at] != entry)
        at++;
    assert(at < r->n);
    r->n--;
    memmove(r->entries + at, r->entries + at + 1, (r->n - at) * sizeof(*r->entries));
}

/* `lock` is held for writing. */
static finops_code
make_room(finops_registry *r, size_t n, finops_error **err)
{
    return fo_grow((void **)&r->entries, &r->cap, r->n + n, sizeof(*r->entries)) ? FINOPS_OK
                                                                                 : fo_error_oom(err);
}

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
    rc = make_room(r, n, err);
    for (size_t i = 0; i < n && rc == FINOPS_OK; i++) {
        const fo_driver_entry *holder =
            rank_of(entries[i]->status) == 0 ? find_holder(r, entries[i]->kind, entries[i]->name) : NULL;

        if (holder)
            rc = taken(entries[i]->name, holder, err);
    }
    for (size_t i = 0; i < n && rc == FINOPS_OK; i++)
        insert(r, entries[i]);
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
            free = !find_holder(registry, (finops_driver_kind)kind, names[kind].items[i]);
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
    FO_AUTO(entry_freep) fo_driver_entry *entry = NULL;
    finops_code rc = check(driver, err);

    if (rc != FINOPS_OK)
        return rc;
    entry = entry_new(driver, origin);
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
        entries[n] = entry_new(fo_plugin_driver(plugin->info, n), path);
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
        entry_free(entries[i]);
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
    FO_AUTO(entry_freep) fo_driver_entry *entry = fo_zalloc(sizeof(*entry));
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

/*
 * Removes an entry that nobody uses, or lets it drain when it may. `change` is held, so that nobody else
 * takes it out; `lock` is not.
 */
static finops_code
remove_entry(finops_registry *r, fo_driver_entry *entry, bool drain, finops_error **err)
{
    unsigned handles;

    (void)pthread_rwlock_wrlock(&r->lock);
    handles = atomic_load(&entry->handles);
    if (handles == 0)
        take_out(r, entry);
    else if (drain) /* the first of those that drain: its place stays the same */
        entry->status = FINOPS_DRIVER_DRAINING;
    (void)pthread_rwlock_unlock(&r->lock);

    if (handles > 0 && !drain)
        return fo_error_set(err, FINOPS_E_BUSY, "driver %s is in use: %u open %s", entry->name, handles,
                            fo_kinds[entry->kind].handle[handles != 1]);
    if (handles == 0) {
        fo_registry_tell(r, FINOPS_REGISTRY_REMOVED, entry);
        entry_free(entry);
    } else {
        fo_registry_tell(r, FINOPS_REGISTRY_DRAINING, entry);
    }
    return FINOPS_OK;
}

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

/* Why a name cannot be opened. `lock` is held. */
static finops_code
not_ready(const finops_registry *r, finops_driver_kind kind, const char *name, const fo_driver_entry *entry,
          finops_error **err)
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
remove_named(finops_registry *registry, finops_driver_kind kind, const char *name, bool drain,
             finops_error **err)
{
    fo_driver_entry *entry;
    finops_code rc;

    if (!registry || !name)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "remove a driver: no registry or no name");
    (void)pthread_mutex_lock(&registry->change);
    (void)pthread_rwlock_rdlock(&registry->lock);
    entry = find(registry, kind, name);
    rc = entry && entry->status == FINOPS_DRIVER_READY ? FINOPS_OK
                                                       : not_ready(registry, kind, name, entry, err);
    (void)pthread_rwlock_unlock(&registry->lock);
    if (rc == FINOPS_OK)
        rc = remove_entry(registry, entry, drain, err);
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
        (void)remove_entry(registry, entry, true, NULL); /* draining is never refused */
        n++;
    }
    (void)pthread_mutex_unlock(&registry->change);
    return n;
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
    entry = find(registry, kind, name);
    if (entry && entry->status == FINOPS_DRIVER_READY)
        atomic_fetch_add(&entry->handles, 1);
    else
        rc = not_ready(registry, kind, name, entry, err);
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
    (void)remove_entry(r, entry, true, NULL);
    (void)pthread_mutex_unlock(&r->change);
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
    FO_AUTO(entry_freep) fo_driver_entry *entry = fo_zalloc(sizeof(*entry));
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
        entry_free(registry->entries[i]);
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
