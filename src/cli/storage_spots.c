/*
 * Addresses of the command line. What lies in one place gets one storage, so that the service itself copies
 * between them; paths of this machine have the deepest folder in common.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/backends.h"
#include "cli/storage.h"
#include "storage/places.h"

static void
tell_stats(const fo_spots *spots)
{
    FO_AUTO(fo_storage_stats_done) fo_storage_stats stats = { 0 };

    if (!spots->stats)
        return;
    for (size_t i = 0; i < spots->n_storages; i++)
        fo_storage_stats_add(&stats, spots->storages[i]);
    fo_storage_stats_print(spots->cli, &stats, fo_streq(spots->stats, "json"));
}

void
fo_spots_done(fo_spots *spots)
{
    tell_stats(spots);
    for (size_t i = 0; i < spots->n; i++) {
        fo_free(spots->items[i].key);
        fo_free(spots->items[i].root);
    }
    for (size_t i = 0; i < spots->n_storages; i++) {
        finops_storage_close(spots->storages[i]);
        fo_free(spots->addresses[i]);
    }
    fo_free(spots->storages);
    fo_free(spots->addresses);
    fo_free(spots->items);
    finops_registry_free(spots->registry);
    *spots = (fo_spots){ 0 };
}

bool
fo_spot_is_folder(const fo_spot *spot)
{
    return !*spot->key || fo_ends(spot->key, "/");
}

char *
fo_spot_prefix(const fo_spot *spot)
{
    return fo_spot_is_folder(spot) ? fo_strdup(spot->key) : fo_format("%s/", spot->key);
}

const char *
fo_spot_name(const fo_spot *spot)
{
    return fo_path_base(spot->key);
}

/* ---- storages, each once ---- */

static bool
find_storage(const fo_spots *s, const char *address, finops_storage **ret)
{
    for (size_t i = 0; i < s->n_storages; i++)
        if (fo_streq(s->addresses[i], address)) {
            *ret = s->storages[i];
            return true;
        }
    return false;
}

/* Takes the storage over. */
static finops_code
keep_storage(fo_spots *s, const char *address, finops_storage *storage, finops_storage **ret,
             finops_error **err)
{
    s->storages[s->n_storages] = storage;
    s->addresses[s->n_storages] = fo_strdup(address);
    *ret = storage;
    return s->addresses[s->n_storages++] ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
open_once(const fo_cli *cli, fo_spots *s, const char *address, const finops_setting *more, size_t n_more,
          finops_storage **ret, finops_error **err)
{
    finops_storage *storage = NULL;
    finops_code rc;

    if (find_storage(s, address, ret))
        return FINOPS_OK;
    rc = fo_storage_open_address(s->registry, cli->settings, address, more, n_more, &storage, err);
    return rc == FINOPS_OK ? keep_storage(s, address, storage, ret, err) : rc;
}

/* ---- paths of this machine ---- */

/* The path without links in what is there of it, but for the last part of what is no folder. */
static char *
path_without_links(const char *path)
{
    FO_AUTO(fo_freep) char *whole = fo_path_absolute(path);
    FO_AUTO(fo_freep) char *folder = NULL;
    char found[PATH_MAX];
    struct stat st;
    char *slash;

    if (!whole || (stat(whole, &st) == 0 && S_ISDIR(st.st_mode) && realpath(whole, found)))
        return whole ? fo_strdup(found) : NULL;
    folder = fo_strdup(whole);
    while (folder && (slash = strrchr(folder, '/')) != NULL) {
        const char *rest = whole + (slash - folder);

        *slash = '\0';
        if (realpath(*folder ? folder : "/", found))
            return fo_format("%s%s", found[1] ? found : "", rest);
    }
    return FO_TAKE(whole);
}

static bool
is_there_as_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Cuts the root to what it has in common with a folder. */
static void
cut_to_common(char *root, const char *folder)
{
    size_t n = 0, end = 0;

    while (root[n] && root[n] == folder[n]) {
        if (root[n] == '/')
            end = n;
        n++;
    }
    if ((!root[n] || root[n] == '/') && (!folder[n] || folder[n] == '/'))
        end = n;
    root[end] = '\0';
}

/* Folder that all paths of the arguments lie in, "" for the root; *ret stays NULL without any. */
static finops_code
common_root(char *const *paths, size_t n, char **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *root = NULL;

    for (size_t i = 0; i < n; i++) {
        FO_AUTO(fo_freep) char *folder = paths[i] ? fo_strdup(paths[i]) : NULL;

        if (!paths[i])
            continue;
        if (!folder)
            return fo_error_oom(err);
        if (!is_there_as_folder(folder))
            *strrchr(folder, '/') = '\0';
        if (root)
            cut_to_common(root, folder);
        else
            root = FO_TAKE(folder);
    }
    if (root && fo_streq(root, "/"))
        *root = '\0';
    *ret = FO_TAKE(root);
    return FINOPS_OK;
}

static finops_code
open_path(const fo_cli *cli, fo_spots *s, const char *root, const char *path, bool folder, fo_spot *spot,
          finops_error **err)
{
    static const finops_setting links = { "links", "all" }; /* they are the user's own */
    const char *key = path + strlen(root);
    finops_code rc;

    key += *key == '/';
    spot->root = fo_strdup(*root ? root : "/");
    spot->key = fo_format("%s%s", key, *key && (folder || is_there_as_folder(path)) ? "/" : "");
    if (!spot->root || !spot->key)
        return fo_error_oom(err);
    FO_AUTO(fo_freep) char *address = fo_format("file://%s", spot->root);
    rc = address ? open_once(cli, s, address, &links, 1, &spot->storage, err) : fo_error_oom(err);
    return rc;
}

/* ---- arguments ---- */

/* The path an argument names; NULL when it is none. */
static const char *
path_of(const char *arg)
{
    size_t n = strcspn(arg, ":/");

    if (strncasecmp(arg, "file://", 7) == 0)
        return arg + 7;
    return arg[n] == ':' ? NULL : arg;
}

/* The storage of a place of the configuration: "bronze:key". */
static finops_code
open_named(const fo_cli *cli, fo_spots *s, const char *arg, fo_spot *spot, finops_error **err)
{
    size_t n = strcspn(arg, ":");
    FO_AUTO(fo_freep) char *name = fo_strndup(arg, n);
    FO_AUTO(fo_freep) char *address = fo_format("%.*s:", (int)n, arg);
    finops_storage *storage = NULL;
    finops_code rc;

    spot->key = fo_strdup(arg + n + 1);
    if (!name || !address || !spot->key)
        return fo_error_oom(err);
    if (find_storage(s, address, &spot->storage))
        return FINOPS_OK;
    rc = fo_storage_open_place(s->registry, cli->settings, name, &storage, err);
    if (rc == FINOPS_E_NOT_FOUND)
        return fo_error_wrap(err, FINOPS_E_USAGE, "\"%s\"", arg);
    return rc == FINOPS_OK ? keep_storage(s, address, storage, &spot->storage, err) : rc;
}

/* Where keys are paths, "sftp://host//srv/a" is a path from the root on and not below the user's home; it is
 * a key that begins with '/' where they are not. */
static finops_code
open_at_host(const fo_cli *cli, fo_spots *s, const char *address, fo_spot *spot, finops_error **err)
{
    finops_code rc = open_once(cli, s, address, NULL, 0, &spot->storage, err);
    FO_AUTO(fo_freep) char *root = NULL;

    if (rc != FINOPS_OK || *spot->key != '/' ||
        (finops_storage_features(spot->storage) & FINOPS_STORAGE_FLAT_KEYS))
        return rc;
    root = fo_format("%s//", address);
    if (!root)
        return fo_error_oom(err);
    memmove(spot->key, spot->key + 1, strlen(spot->key));
    return open_once(cli, s, root, NULL, 0, &spot->storage, err);
}

/* "s3://bucket" and the key behind it. */
static finops_code
open_service(const fo_cli *cli, fo_spots *s, const char *arg, fo_spot *spot, finops_error **err)
{
    const char *place = strstr(arg, "://");
    const char *key;

    if (!place)
        return open_named(cli, s, arg, spot, err);
    key = strchr(place + 3, '/');
    FO_AUTO(fo_freep) char *address = key ? fo_strndup(arg, (size_t)(key - arg)) : fo_strdup(arg);
    spot->key = fo_strdup(key ? key + 1 : "");
    if (!address || !spot->key)
        return fo_error_oom(err);
    return open_at_host(cli, s, address, spot, err);
}

static finops_code
open_arg(const fo_cli *cli, fo_spots *s, size_t i, const char *root, const char *path, finops_error **err)
{
    const char *arg = cli->args[i];
    fo_spot *spot = &s->items[i];

    s->n = i + 1;
    spot->shown = arg;
    if (path)
        return open_path(cli, s, root, path, fo_ends(arg, "/"), spot, err);
    if (fo_streq(arg, "-")) {
        spot->key = fo_strdup("");
        return spot->key ? FINOPS_OK : fo_error_oom(err);
    }
    return open_service(cli, s, arg, spot, err);
}

static void
paths_free(char **paths, size_t n)
{
    for (size_t i = 0; paths && i < n; i++)
        fo_free(paths[i]);
    fo_free(paths);
}

/* The paths among the arguments, NULL for the others. */
static finops_code
paths_find(const fo_cli *cli, bool dash, char **paths, finops_error **err)
{
    for (size_t i = 0; i < cli->n_args; i++) {
        const char *path = path_of(cli->args[i]);

        if (!*cli->args[i])
            return fo_error_set(err, FINOPS_E_USAGE, "an address is empty");
        if (!path || (dash && fo_streq(path, "-")))
            continue;
        paths[i] = path_without_links(path);
        if (!paths[i])
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

finops_code
fo_spots_open(const fo_cli *cli, bool dash, fo_spots *ret, finops_error **err)
{
    const fo_storage_flags *flags = cli->options;
    char **paths = fo_array(cli->n_args + 1, sizeof(*paths));
    FO_AUTO(fo_freep) char *root = NULL;
    finops_code rc = fo_backends_registry(cli, &ret->registry, err);

    ret->cli = cli;
    ret->stats = flags->stats;
    ret->items = fo_array(cli->n_args + 1, sizeof(*ret->items));
    ret->storages = fo_array(2 * cli->n_args + 1, sizeof(*ret->storages));
    ret->addresses = fo_array(2 * cli->n_args + 1, sizeof(*ret->addresses));
    if (rc == FINOPS_OK && (!paths || !ret->items || !ret->storages || !ret->addresses))
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = paths_find(cli, dash, paths, err);
    if (rc == FINOPS_OK)
        rc = common_root(paths, cli->n_args, &root, err);
    for (size_t i = 0; rc == FINOPS_OK && i < cli->n_args; i++)
        rc = open_arg(cli, ret, i, root, paths[i], err);
    paths_free(paths, cli->n_args);
    return rc;
}
