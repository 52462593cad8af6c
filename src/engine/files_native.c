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

#define AT_ONCE 4 /* files that are fetched; large ones come in several parts at once each */
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

static struct timespec
next_time(fo_files *files)
{
    struct timespec time = { .tv_sec = FIRST_TIME };

    (void)pthread_mutex_lock(&files->lock);
    time.tv_sec += (time_t)++files->fetched;
    (void)pthread_mutex_unlock(&files->lock);
    return time;
}

static finops_code
fetch_into(fo_files *files, fo_remote *remote, const char *key, fo_seen *s, const char *folder,
           finops_error **err)
{
    fo_files_places *places = files->options.places;
    const struct timespec time = next_time(files), times[2] = { time, time };
    finops_get get = { .key = key, .length = -1, .call = &files->call };
    struct stat st;
    FO_AUTO(fo_freep) char *label = fo_format("a temporary file in %s", folder);
    FO_AUTO(fo_freep) char *version = NULL;
    finops_code rc = label ? fo_remote_version(files, s->address, &version, err) : fo_error_oom(err);

    get.if_version = version;
    if (rc == FINOPS_OK)
        rc = places->fetch(places, remote->storage, &get, s->fd, label, NULL, err);
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
    (void)pthread_mutex_lock(&files->lock);
    if (s->version && object.version && strcmp(s->version, object.version) != 0)
        rc = fo_error_set(err, FINOPS_E_PRECONDITION, "read %s: it changed while it was read", s->address);
    if (rc == FINOPS_OK && !s->version && object.version && !(s->version = fo_strdup(object.version)))
        rc = fo_error_oom(err);
    s->size = object.size;
    (void)pthread_mutex_unlock(&files->lock);
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

    if (rc == FINOPS_OK && is_plain(key)) {
        (void)pthread_mutex_lock(&files->lock);
        rc = fo_s3_allow(files, remote, &can, err);
        (void)pthread_mutex_unlock(&files->lock);
    }
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
    while (s && s->busy)
        (void)pthread_cond_wait(&files->made, &files->lock);
    if (s && !s->path) {
        s->busy = true; /* others are made meanwhile */
        (void)pthread_mutex_unlock(&files->lock);
        rc = make_path(files, remote, key, s, err);
        (void)pthread_mutex_lock(&files->lock);
        s->busy = false;
        (void)pthread_cond_broadcast(&files->made);
    }
    if (rc == FINOPS_OK) {
        *ret_path = s->path;
        *ret_size = s->size;
    }
    (void)pthread_mutex_unlock(&files->lock);
    return rc;
}

/* ---- several at once ---- */

typedef struct making {
    fo_files *files;
    const char *const *addresses;
    size_t n;
    pthread_mutex_t lock; /* of what follows */
    size_t next, failed;  /* the first of those that failed; n: none did */
    finops_code rc;
    finops_error *err;
} making;

static void *
make_paths(void *arg)
{
    making *m = arg;

    (void)pthread_mutex_lock(&m->lock);
    while (m->next < m->n && m->failed == m->n) {
        size_t i = m->next++;
        finops_error *err = NULL;
        const char *path;
        int64_t size;
        finops_code rc;

        (void)pthread_mutex_unlock(&m->lock);
        rc = fo_files_native_path(m->files, m->addresses[i], &path, &size, &err);
        (void)pthread_mutex_lock(&m->lock);
        if (rc != FINOPS_OK && i < m->failed) {
            finops_error_free(m->err);
            m->err = FO_TAKE(err);
            m->rc = rc;
            m->failed = i;
        }
        finops_error_free(err);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return NULL;
}

finops_code
fo_files_native_paths(fo_files *files, const char *const *addresses, size_t n, finops_error **err)
{
    making m = { .files = files, .addresses = addresses, .n = n, .failed = n };
    pthread_t threads[AT_ONCE - 1];
    size_t running = 0;
    fo_remote *remote = NULL;
    const char *key = NULL;
    finops_code rc = n > 1 ? fo_remote_of(files, addresses[0], &remote, &key, err) : FINOPS_OK;

    if (rc != FINOPS_OK || !remote)
        return rc;
    (void)pthread_mutex_init(&m.lock, NULL);
    while (running < AT_ONCE - 1 && running + 1 < n &&
           pthread_create(&threads[running], NULL, make_paths, &m) == 0)
        running++;
    (void)make_paths(&m);
    while (running > 0)
        (void)pthread_join(threads[--running], NULL);
    (void)pthread_mutex_destroy(&m.lock);
    if (m.rc != FINOPS_OK && err)
        *err = FO_TAKE(m.err);
    finops_error_free(m.err);
    return m.rc;
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

/* The i-th of the files that the engine reads by itself. *ret NULL: that one it does not; false: there are no
 * more. */
static bool
native_at(fo_files *files, size_t i, fo_seen **ret, fo_remote **ret_remote, const char **ret_key)
{
    bool there;

    *ret = NULL;
    (void)pthread_mutex_lock(&files->lock);
    there = i < files->n_seen;
    if (there && !files->seen[i]->busy && files->seen[i]->path && files->seen[i]->fd < 0) {
        *ret_remote = fo_remote_known(files, files->seen[i]->address, ret_key);
        *ret = *ret_remote ? files->seen[i] : NULL;
    }
    (void)pthread_mutex_unlock(&files->lock);
    return there;
}

finops_code
fo_files_unchanged(fo_files *files, finops_error **err)
{
    fo_seen *s = NULL;
    fo_remote *remote = NULL;
    const char *key = NULL;
    finops_code rc = FINOPS_OK;

    assert(files);
    for (size_t i = 0; rc == FINOPS_OK && native_at(files, i, &s, &remote, &key); i++)
        if (s)
            rc = look(files, remote, key, s, err);
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
