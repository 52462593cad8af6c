/*
 * One plugin: who may have written it, loading it, and whether it is what it says.
 *
 * A copy in memory is loaded, not the file: cp and editors write into the file that is there, and what the
 * loader has mapped from it would change, or be cut off, below whoever runs it. Where the copy does not load
 * (a library beside the plugin that is found by $ORIGIN, a system without such files) the file itself is.
 *
 * The loader knows a library by the name it was opened with and by its inode, and gives the old one for
 * either. A name that is taken is spelled with a further '/', which is the same to the system.
 */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/trust.h"
#include "registry/registry_internal.h"

#define SPELLINGS_MAX 64 /* versions of one plugin in one process */
#define INFO_LEAST offsetof(finops_plugin_info, storages)

typedef struct checking {
    const fo_plugin_observer *observer;
    const char *driver; /* the one looked at */
    unsigned problems;
} checking;

/* Every plugin that is in memory, also those that cannot be taken out again; shared by all registries. */
static pthread_mutex_t loaded_lock = PTHREAD_MUTEX_INITIALIZER;
static fo_plugin *loaded;

static FO_PRINTF(2, 3) void problem(checking *c, const char *fmt, ...)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(4096);
    va_list ap;

    va_start(ap, fmt);
    fo_str_addv(&text, fmt, ap);
    va_end(ap);
    c->problems++;
    c->observer->problem(fo_str_ok(&text) ? fo_str_z(&text)
                                          : "something is wrong, and there is no memory to say what",
                         c->observer->arg);
}

static void
stage(const checking *c, const char *text)
{
    if (c->observer->stage)
        c->observer->stage(text, c->observer->arg);
}

/* The path with one '/' more before the file's name for each spelling. */
static char *
spelling(const char *path, unsigned n)
{
    const char *base = fo_path_base(path);
    char slashes[SPELLINGS_MAX + 1];

    assert(n <= SPELLINGS_MAX);
    memset(slashes, '/', n);
    slashes[n] = '\0';
    return fo_format("%.*s%s%s", (int)(base - path), path, slashes, base);
}

static bool
is_ours(const void *handle)
{
    for (const fo_plugin *p = loaded; p; p = p->next)
        if (p->handle == handle)
            return true;
    return false;
}

/* Whether the loader has a library of this name or inode that is another version of ours. */
static bool
is_taken(const char *name)
{
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
    bool taken = handle && is_ours(handle);

    if (handle)
        (void)dlclose(handle); /* asking took a reference */
    return taken;
}

/* NULL with *ret_why (of the loader, or constant) when it cannot be loaded. */
static void *
open_as(const char *path, fo_plugin *plugin, const char **ret_why)
{
    for (unsigned n = 0; n <= SPELLINGS_MAX; n++) {
        fo_free(plugin->name);
        plugin->name = spelling(path, n);
        if (!plugin->name) {
            *ret_why = "no memory";
            return NULL;
        }
        if (is_taken(plugin->name))
            continue;
        plugin->handle = dlopen(plugin->name, RTLD_NOW | RTLD_LOCAL);
        if (!plugin->handle)
            *ret_why = dlerror();
        return plugin->handle;
    }
    *ret_why = "an older version of it is in use and was overwritten";
    return NULL;
}

/* All of a file into one that is in memory only; -1 when that cannot be. */
static int
copy_file(int from, const char *name, off_t size)
{
    FO_AUTO(fo_fd_closep) int to = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    off_t at = 0;
    int fd;

    while (to >= 0 && at < size) {
        ssize_t n = sendfile(to, from, &at, (size_t)(size - at));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
    }
    if (to < 0 || fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
        return -1;
    fd = to;
    to = -1; /* the caller's now */
    return fd;
}

/* The plugin's copy under its name in /proc. Its descriptor stays open: the name is its own for that long. */
static void
open_copy(int from, const char *path, fo_plugin *plugin)
{
    const char *why;
    char name[32];

    plugin->copy = copy_file(from, fo_path_base(path), plugin->id.size);
    if (plugin->copy < 0)
        return;
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", plugin->copy);
    if (open_as(name, plugin, &why))
        return;
    (void)close(plugin->copy);
    plugin->copy = -1;
}

static bool
is_unchanged(int from, const fo_plugin *plugin)
{
    fo_file_id now;

    return fo_file_id_at(from, &now) && fo_file_id_same(&plugin->id, &now);
}

/* Fills name and handle; false after telling why. */
static bool
open_library(checking *c, const char *path, fo_plugin *plugin)
{
    FO_AUTO(fo_fd_closep) int from = open(path, O_RDONLY | O_CLOEXEC);
    const char *why = NULL;

    if (from < 0) {
        problem(c, "it cannot be read: %s", strerror(errno));
        return false;
    }
    open_copy(from, path, plugin);
    if (!is_unchanged(from, plugin)) {
        problem(c, "it changed while it was loaded");
        return false;
    }
    if (plugin->handle || open_as(path, plugin, &why))
        return true;
    problem(c, "it cannot be loaded: %s", why);
    return false;
}

static void
driver_problem(const char *text, void *arg)
{
    checking *c = arg;

    problem(c, "driver %.64s: %s", c->driver, text);
    c->problems--; /* fo_driver_check() counts its own */
}

fo_driver_ref
fo_plugin_driver(const finops_plugin_info *info, size_t n)
{
    const finops_database_driver *const *databases = info->databases;
    const finops_storage_driver *const *storages = info->size >= sizeof(*info) ? info->storages : NULL;
    size_t at = 0;

    for (; databases && databases[at]; at++)
        if (at == n)
            return fo_database_ref(databases[at]);
    if (!storages)
        return (fo_driver_ref){ 0 };
    for (n -= at, at = 0; storages[at] && at < n; at++)
        ;
    return storages[at] ? fo_storage_ref(storages[at]) : (fo_driver_ref){ 0 };
}

static bool
same_name(fo_driver_ref a, fo_driver_ref b)
{
    return a.kind == b.kind && strcmp(a.head->name, b.head->name) == 0;
}

/* A list of an outsider's, which may have no end. */
static size_t
count_drivers(const void *const *list)
{
    size_t n = 0;

    while (list && n <= FO_PLUGIN_DRIVERS_MAX && list[n])
        n++;
    return n;
}

static void
check_driver(checking *c, fo_driver_ref driver, size_t n)
{
    char number[24];

    /* The name may be read only where the layout is known. */
    (void)snprintf(number, sizeof(number), "%zu", n + 1);
    bool known = driver.head->abi >> 16 == fo_kinds[driver.kind].abi >> 16;
    c->driver = known && driver.head->name ? driver.head->name : number;
    c->problems += fo_driver_check(driver, driver_problem, c);
    c->driver = NULL;
}

static void
check_drivers(checking *c, const finops_plugin_info *info)
{
    size_t n = count_drivers((const void *const *)info->databases);

    if (info->size >= sizeof(*info))
        n += count_drivers((const void *const *)info->storages);
    if (n > FO_PLUGIN_DRIVERS_MAX) {
        problem(c, "its list of drivers has no end, or more than %d", FO_PLUGIN_DRIVERS_MAX);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        check_driver(c, fo_plugin_driver(info, i), i);
        for (size_t k = 0; k < i && c->problems == 0; k++)
            if (same_name(fo_plugin_driver(info, k), fo_plugin_driver(info, i)))
                problem(c, "two of its drivers are called %.64s", fo_plugin_driver(info, i).head->name);
    }
    if (n == 0)
        problem(c, "it brings no driver");
}

static void
check_info(checking *c, const finops_plugin_info *info)
{
    if (!info) {
        problem(c, "it cannot work with version %u.%u of the plugin interface, which this finops has",
                FINOPS_PLUGIN_ABI >> 16, FINOPS_PLUGIN_ABI & 0xffff);
    } else if (info->abi >> 16 != FINOPS_PLUGIN_ABI >> 16) {
        problem(c, "it was built against version %u.%u of the plugin interface, this finops has %u.%u",
                info->abi >> 16, info->abi & 0xffff, FINOPS_PLUGIN_ABI >> 16, FINOPS_PLUGIN_ABI & 0xffff);
    } else if (info->size < INFO_LEAST) {
        problem(c, "its struct has %u bytes, of which at least %zu are needed", info->size, INFO_LEAST);
    } else {
        if (!fo_driver_name_valid(info->name))
            problem(c, "its name %.64s is not of lower-case letters, digits and '_', a letter first",
                    info->name ? info->name : "(none)");
        if (!info->version || !info->version[0])
            problem(c, "it has no version");
        check_drivers(c, info);
    }
}

static const finops_plugin_info *
ask(checking *c, void *handle)
{
    finops_plugin_function function;
    const finops_plugin_info *info;
    void *symbol = dlsym(handle, FINOPS_PLUGIN_SYMBOL);

    if (!symbol) {
        problem(c, "it exports no symbol " FINOPS_PLUGIN_SYMBOL);
        return NULL;
    }
    memcpy(&function, &symbol, sizeof(function)); /* POSIX: both have one representation */
    stage(c, "when " FINOPS_PLUGIN_SYMBOL "() is called");
    info = function(FINOPS_PLUGIN_ABI);
    stage(c, "when its drivers are looked at");
    check_info(c, info);
    return info;
}

static void
plugin_free(fo_plugin *plugin)
{
    if (!plugin)
        return;
    fo_fd_closep(&plugin->copy);
    fo_free(plugin->name);
    fo_free(plugin);
}

static void
plugin_freep(fo_plugin **plugin)
{
    plugin_free(*plugin);
}

/* One that is loaded and has not changed since. It may have been left in memory without a reference. */
static fo_plugin *
find_loaded(const fo_file_id *id)
{
    for (fo_plugin *p = loaded; p; p = p->next) {
        if (!fo_file_id_same(&p->id, id))
            continue;
        if (p->refs == 0 && !p->info->keep && dlopen(p->name, RTLD_NOW | RTLD_LOCAL) != p->handle)
            return NULL;
        p->refs++;
        return p;
    }
    return NULL;
}

static fo_plugin *
load_new(checking *c, const char *path, const fo_file_id *id)
{
    FO_AUTO(plugin_freep) fo_plugin *plugin = fo_zalloc(sizeof(*plugin));

    if (!plugin) {
        problem(c, "it cannot be loaded: no memory");
        return NULL;
    }
    plugin->id = *id;
    plugin->copy = -1;
    stage(c, "when it is loaded");
    if (open_library(c, path, plugin))
        plugin->info = ask(c, plugin->handle);
    if (c->problems > 0) {
        stage(c, "when it is unloaded");
        if (plugin->handle)
            (void)dlclose(plugin->handle);
        return NULL;
    }
    plugin->refs = 1;
    plugin->next = loaded;
    loaded = plugin;
    return FO_TAKE(plugin);
}

finops_code
fo_plugin_load(const char *path, const fo_plugin_observer *observer, fo_plugin **ret, finops_error **err)
{
    checking c = { .observer = observer };
    fo_plugin *plugin;
    fo_file_id id;
    finops_code rc;

    assert(path && observer && observer->problem && ret);

    rc = fo_file_id_of(path, &id, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_plugins_lock();
    plugin = find_loaded(&id);
    if (!plugin)
        plugin = load_new(&c, path, &id);
    fo_plugins_unlock();
    if (!plugin)
        return fo_error_set(err, FINOPS_E_DATA, "plugin %s cannot be used", path);
    *ret = plugin;
    return FINOPS_OK;
}

void
fo_plugin_ref(fo_plugin *plugin)
{
    fo_plugins_lock();
    plugin->refs++;
    fo_plugins_unlock();
}

static void
forget(const fo_plugin *plugin)
{
    fo_plugin **at = &loaded;

    while (*at != plugin)
        at = &(*at)->next;
    *at = plugin->next;
}

/* Some libraries cannot be unloaded; one that stays is remembered, so that it is known when it comes again.
 */
void
fo_plugin_unref(fo_plugin *plugin)
{
    if (!plugin)
        return;
    fo_plugins_lock();
    assert(plugin->refs > 0);
    if (--plugin->refs == 0 && !plugin->info->keep) {
        (void)dlclose(plugin->handle);
        if (!is_taken(plugin->name)) {
            forget(plugin);
            plugin_free(plugin);
        }
    }
    fo_plugins_unlock();
}

void
fo_plugins_lock(void)
{
    (void)pthread_mutex_lock(&loaded_lock);
}

void
fo_plugins_unlock(void)
{
    (void)pthread_mutex_unlock(&loaded_lock);
}

static void
ignore(const char *text, void *arg)
{
    (void)text;
    (void)arg;
}

finops_code
finops_plugin_check(const char *file, void (*each)(const char *problem, void *arg), void *arg,
                    finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    FO_AUTO(fo_freep) char *path = NULL;
    fo_file_id id;
    finops_code rc;

    if (!file)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "check a plugin: no file");
    path = fo_path_absolute(file); /* a bare name would be looked for in the system's folders */
    if (!path)
        return fo_error_oom(err);
    rc = fo_file_id_of(path, &id, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_trust_file(path, &why) != FINOPS_OK) { /* what strangers may write is not even tried */
        (each ? each : ignore)(finops_error_text(why), arg);
        return fo_error_set(err, FINOPS_E_DATA, "plugin %s cannot be used", file);
    }
    return fo_plugin_probe(path, FO_PLUGIN_PROBE_US, NULL, each ? each : ignore, arg, err);
}
