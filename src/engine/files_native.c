/*
 * Whole files as the engine reads them: where they are, or fetched into a file without a name.
 *
 * The engine keeps parts of files it read in memory, under path and time of change. A path like
 * "/proc/self/fd/7" is one file today and another tomorrow, so each gets a time of its own.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/files_internal.h"

#define FIRST_TIME ((time_t)1000000000) /* the time of the first; long past */

/* ---- a file without a name ---- */

static int
unnamed_in(const char *folder)
{
    FO_AUTO(fo_freep) char *name = NULL;
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    name = fo_path_join(folder, "finops-fetch-XXXXXX"); /* not every file system has such files */
    fd = name ? mkostemp(name, O_CLOEXEC) : -1;
    if (fd >= 0)
        (void)unlink(name);
    return fd;
}

static finops_code
unnamed(const fo_files *files, int *ret, const char **ret_folder, finops_error **err)
{
    const char *const folders[] = { files->options.places->temporary, getenv("TMPDIR"), "/var/tmp", "/tmp" };

    for (size_t i = 0; i < FO_COUNT(folders); i++) {
        if (!folders[i] || !*folders[i])
            continue;
        *ret = unnamed_in(folders[i]);
        *ret_folder = folders[i];
        if (*ret >= 0 || errno == EMFILE || errno == ENFILE)
            break;
    }
    if (*ret < 0)
        return fo_error_errno(err, errno, "make a temporary file in %s", *ret_folder);
    return FINOPS_OK;
}

/* ---- one file ---- */

static finops_code
fetch_into(fo_files *files, fo_remote *remote, const char *key, fo_seen *s, const char *folder,
           finops_error **err)
{
    fo_files_places *places = files->options.places;
    const finops_get get = { .key = key, .length = -1, .if_version = s->version, .call = &files->call };
    const struct timespec times[2] = { { .tv_sec = FIRST_TIME + (time_t)++files->fetched },
                                       { .tv_sec = FIRST_TIME + (time_t)files->fetched } };
    struct stat st;
    FO_AUTO(fo_freep) char *label = fo_format("a temporary file in %s", folder);
    finops_code rc =
        label ? places->fetch(places, remote->storage, &get, s->fd, label, NULL, err) : fo_error_oom(err);

    if (rc != FINOPS_OK)
        return fo_remote_failed(rc, s->address, err);
    if (futimens(s->fd, times) != 0 || fstat(s->fd, &st) != 0)
        return fo_error_errno(err, errno, "write %s", label);
    s->size = (int64_t)st.st_size;
    s->path = fo_format("/proc/self/fd/%d", s->fd);
    return s->path ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
fetch(fo_files *files, fo_remote *remote, const char *key, fo_seen *s, finops_error **err)
{
    const char *folder = NULL;
    int fd = -1;
    finops_code rc = unnamed(files, &fd, &folder, err);

    if (rc != FINOPS_OK)
        return rc;
    s->fd = fd;
    rc = fetch_into(files, remote, key, s, folder, err);
    if (rc != FINOPS_OK) {
        (void)close(fd);
        s->fd = -1;
    }
    return rc;
}

/* Its size and version, as the storage says; those of the first time stay. */
static finops_code
look(fo_files *files, fo_remote *remote, const char *key, fo_seen *s, finops_error **err)
{
    finops_object object = { 0 };
    finops_code rc = finops_storage_stat(remote->storage, key, &files->call, &object, err);

    if (rc != FINOPS_OK)
        return rc;
    if (s->version && object.version && strcmp(s->version, object.version) != 0)
        rc = fo_error_set(err, FINOPS_E_PRECONDITION, "read %s: it changed while it was read", s->address);
    if (rc == FINOPS_OK && !s->version && object.version && !(s->version = fo_strdup(object.version)))
        rc = fo_error_oom(err);
    s->size = object.size;
    finops_object_done(&object);
    return rc;
}

/* Keys with a question mark the engine would take for settings, the server's address among them. */
static bool
is_plain(const char *key)
{
    return !strchr(key, '?');
}

static finops_code
make_path(fo_files *files, fo_remote *remote, const char *key, fo_seen *s, finops_error **err)
{
    bool can = false;
    finops_code rc = look(files, remote, key, s, err);

    if (rc == FINOPS_OK && is_plain(key))
        rc = fo_s3_allow(files, remote, &can, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!can)
        return fetch(files, remote, key, s, err);
    s->path = fo_strdup(s->address);
    return s->path ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
path_local(fo_files *files, const char *address, const char **ret_path, int64_t *ret_size, finops_error **err)
{
    FO_AUTO(fo_file_closep) fo_file *file = NULL;
    finops_code rc = fo_file_open(files, address, &file, err);

    if (rc != FINOPS_OK)
        return rc;
    *ret_path = address;
    *ret_size = fo_file_size(file);
    return FINOPS_OK;
}

finops_code
fo_files_native_path(fo_files *files, const char *address, const char **ret_path, int64_t *ret_size,
                     finops_error **err)
{
    fo_remote *remote = NULL;
    const char *key = NULL;
    fo_seen *s;
    finops_code rc;

    assert(files && address && ret_path && ret_size);
    rc = fo_remote_of(files, address, &remote, &key, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!remote)
        return path_local(files, address, ret_path, ret_size, err);
    (void)pthread_mutex_lock(&files->lock);
    s = fo_seen_of(files, address);
    rc = s ? FINOPS_OK : fo_error_oom(err);
    if (s && !s->path)
        rc = make_path(files, remote, key, s, err);
    if (rc == FINOPS_OK) {
        *ret_path = s->path;
        *ret_size = s->size;
    }
    (void)pthread_mutex_unlock(&files->lock);
    return rc;
}

finops_code
fo_files_renew(fo_files *files, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    bool can = false;

    assert(files);
    (void)pthread_mutex_lock(&files->lock);
    for (size_t i = 0; rc == FINOPS_OK && i < files->n_remotes; i++)
        if (files->remotes[i]->secret)
            rc = fo_s3_allow(files, files->remotes[i], &can, err);
    (void)pthread_mutex_unlock(&files->lock);
    return rc;
}

finops_code
fo_files_unchanged(fo_files *files, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    assert(files);
    (void)pthread_mutex_lock(&files->lock);
    for (size_t i = 0; rc == FINOPS_OK && i < files->n_seen; i++) {
        fo_seen *s = files->seen[i];
        const char *key = NULL;
        fo_remote *remote = s->path && s->fd < 0 ? fo_remote_known(files, s->address, &key) : NULL;

        if (remote)
            rc = look(files, remote, key, s, err);
    }
    (void)pthread_mutex_unlock(&files->lock);
    return rc;
}

void
fo_files_forget(fo_files *files)
{
    assert(files);
    (void)pthread_mutex_lock(&files->lock);
    for (size_t i = 0; i < files->n_seen; i++) {
        fo_seen *s = files->seen[i];

        if (s->fd >= 0)
            (void)close(s->fd);
        fo_free(s->path);
        fo_free(s->version);
        fo_free(s->address);
        fo_free(s);
    }
    files->n_seen = 0;
    (void)pthread_mutex_unlock(&files->lock);
}
