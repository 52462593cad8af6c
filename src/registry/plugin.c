/*
 * One plugin: who may have written it, loading it, and whether it is what it says.
 *
 * The dynamic loader knows a library by the name it was opened with and by its inode, and gives the old one
 * for either. A file that took another's place while the old one is in use is therefore opened under a name
 * that nobody used yet: "dir//x.so" is the same file as "dir/x.so" to the system and another to the loader.
 */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "registry/registry_internal.h"

#define SPELLINGS_MAX 64 /* versions of one plugin in one process */

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

/* A folder that anyone may write to is fine above when only owners may rename there: /tmp. */
static finops_code
check_one(const char *path, bool above, finops_error **err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return fo_error_errno(err, errno, "look at %s", path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return fo_error_set(err, FINOPS_E_DENIED, "%s belongs to another user (uid %u)", path,
                            (unsigned)st.st_uid);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(above && S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX))) {
        (void)fo_error_set(err, FINOPS_E_DENIED, "%s can be written by others (mode %04o)", path,
                           (unsigned)st.st_mode & 07777);
        fo_error_hint(err, "chmod go-w %s", path);
        return FINOPS_E_DENIED;
    }
    return FINOPS_OK;
}

/* The first `strict` of: the path with its links resolved, its folder, the folder above … up to "/". */
static finops_code
check_chain(const char *path, unsigned strict, finops_error **err)
{
    char *real = realpath(path, NULL); /* the system's memory */
    finops_code rc;

    if (!real)
        return fo_error_errno(err, errno, "look at %s", path);
    for (unsigned depth = 0;; depth++) {
        char *slash = strrchr(real, '/');

        rc = check_one(real, depth >= strict, err);
        if (rc != FINOPS_OK || strcmp(real, "/") == 0)
            break;
        slash[slash == real] = '\0'; /* "/x" leaves "/" */
    }
    free(real);
    return rc;
}

/* Whoever may change a link may choose what it leads to: the folder it lies in counts as the file's own does.
 */
finops_code
fo_plugin_check_owner(const char *path, finops_error **err)
{
    FO_AUTO(fo_freep) char *folder = fo_strndup(path, (size_t)(fo_path_base(path) - path));
    finops_code rc = folder ? check_chain(path, 2, err) : fo_error_oom(err);

    return rc == FINOPS_OK ? check_chain(folder[0] ? folder : ".", 1, err) : rc;
}

finops_code
fo_file_id_of(const char *path, fo_file_id *ret, finops_error **err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return fo_error_errno(err, errno, "look at %s", path);
    if (!S_ISREG(st.st_mode))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s is no file", path);
    *ret = (fo_file_id){ st.st_dev, st.st_ino, st.st_size, st.st_mtim };
    return FINOPS_OK;
}

bool
fo_file_id_same(const fo_file_id *a, const fo_file_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
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

/* Fills name and handle; false after telling why. */
static bool
open_library(checking *c, const char *path, fo_plugin *plugin)
{
    for (unsigned n = 0; n <= SPELLINGS_MAX; n++) {
        fo_free(plugin->name);
        plugin->name = spelling(path, n);
        if (!plugin->name) {
            problem(c, "it cannot be loaded: no memory");
            return false;
        }
        if (is_taken(plugin->name))
            continue;
        plugin->handle = dlopen(plugin->name, RTLD_NOW | RTLD_LOCAL);
        if (!plugin->handle)
            problem(c, "it cannot be loaded: %s", dlerror());
        return plugin->handle != NULL;
    }
    problem(c,
            "an older version of it is in use and was overwritten; end what uses it, and next time put a new "
            "file in its place, as install does");
    return false;
}

static void
driver_problem(const char *text, void *arg)
{
    checking *c = arg;

    problem(c, "driver %.64s: %s", c->driver, text);
    c->problems--; /* fo_driver_check() counts its own */
}

static void
check_drivers(checking *c, const finops_database_driver *const *drivers)
{
    size_t n = 0;

    for (; drivers[n]; n++) {
        if (n == FO_PLUGIN_DRIVERS_MAX) {
            problem(c, "its list of drivers has no end, or more than %d", FO_PLUGIN_DRIVERS_MAX);
            return;
        }
        char number[24];

        /* The name may be read only where the layout is known. */
        (void)snprintf(number, sizeof(number), "%zu", n + 1);
        c->driver = drivers[n]->abi >> 16 == FINOPS_DATABASE_ABI >> 16 && drivers[n]->name ? drivers[n]->name
                                                                                           : number;
        c->problems += fo_driver_check(drivers[n], driver_problem, c);
        for (size_t i = 0; i < n && c->problems == 0; i++)
            if (strcmp(drivers[i]->name, drivers[n]->name) == 0)
                problem(c, "two of its drivers are called %.64s", drivers[n]->name);
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
    } else if (info->size < sizeof(*info)) {
        problem(c, "its struct has %u bytes, of which at least %zu are needed", info->size, sizeof(*info));
    } else {
        if (!fo_driver_name_valid(info->name))
            problem(c, "its name %.64s is not of lower-case letters, digits and '_', a letter first",
                    info->name ? info->name : "(none)");
        if (!info->version || !info->version[0])
            problem(c, "it has no version");
        if (info->databases)
            check_drivers(c, info->databases);
        else
            problem(c, "it brings no driver");
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
    stage(c, "when it is loaded");
    if (!open_library(c, path, plugin))
        return NULL;
    plugin->info = ask(c, plugin->handle);
    if (c->problems > 0) {
        stage(c, "when it is unloaded");
        (void)dlclose(plugin->handle);
        return NULL;
    }
    plugin->id = *id;
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
    if (fo_plugin_check_owner(path, &why) != FINOPS_OK) { /* what strangers may write is not even tried */
        (each ? each : ignore)(finops_error_text(why), arg);
        return fo_error_set(err, FINOPS_E_DATA, "plugin %s cannot be used", file);
    }
    return fo_plugin_probe(path, FO_PLUGIN_PROBE_US, NULL, each ? each : ignore, arg, err);
}
