/*
 * Files on their way in: beside their target under a name that no listing shows, locked as long as the
 * process that writes them lives, so that a sweep knows what is left over.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"
#include "storage/object.h"

#define NAME_TRIES 100
#define WRITE_BLOCK ((size_t)8 << 20) /* between two looks at the call */

/* ---- begin and end ---- */

void
local_new_done(local_new *n)
{
    if (n->folder >= 0 && n->name[0]) {
        (void)unlinkat(n->folder, n->name, 0);
        local_folders_tidy(n->l, n->root, n->key);
    }
    fo_fd_closep(&n->fd);
    fo_fd_closep(&n->folder);
    fo_fd_closep(&n->root);
    fo_free(n->key);
    *n = LOCAL_NEW_INIT;
}

/* The lock keeps it from being swept. One that a sweep has just found without it is given up. */
static bool
is_ours(int fd)
{
    struct stat st;

    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK;
    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

/* False with errno; true with n->fd -1: once more. */
static bool
try_begin(local_new *n)
{
    n->folder = local_folder_make(n->l, n->root, n->key, &n->target);
    if (n->folder < 0)
        return errno == ENOENT; /* a remove took the folder that was just made */
    fo_file_temporary(n->target, n->name);
    n->fd = openat(n->folder, n->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (n->fd < 0) {
        n->name[0] = '\0';
        return errno == ENOENT || errno == EEXIST;
    }
    if (is_ours(n->fd))
        return true;
    fo_fd_closep(&n->fd);
    return true;
}

static finops_code
begin(local_new *n, const finops_call *call, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    n->root = local_root(n->l);
    if (n->root < 0 && errno == ENOENT) {
        rc = fo_mkdirs(n->l->root, err);
        n->root = rc == FINOPS_OK ? local_root(n->l) : -1;
    }
    if (rc != FINOPS_OK)
        return rc;
    if (n->root < 0)
        return errno == ENOTDIR ? fo_error_set(err, FINOPS_E_CONFIG, "%s is no folder", n->l->root)
                                : fo_error_errno(err, errno, "open folder %s", n->l->root);
    for (int i = 0; i < NAME_TRIES; i++) {
        rc = fo_call_check(call, err);
        if (rc != FINOPS_OK)
            return rc;
        fo_fd_closep(&n->folder);
        if (!try_begin(n))
            break;
        if (n->fd >= 0)
            return FINOPS_OK;
    }
    if (errno == ENOTDIR)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "write %s/%s: a folder of it is an object already",
                            n->l->root, n->key);
    return local_error(n->l, errno, "write", n->key, err);
}

finops_code
local_new_begin(local_storage *l, const char *key, const finops_call *call, local_new *ret,
                finops_error **err)
{
    FO_AUTO(local_new_done) local_new n = LOCAL_NEW_INIT;
    finops_code rc = fo_file_key_check(key, err);

    if (rc != FINOPS_OK)
        return rc;
    n.l = l;
    n.key = fo_strdup(key);
    rc = n.key ? begin(&n, call, err) : fo_error_oom(err);
    if (rc == FINOPS_OK) {
        *ret = n;
        n = LOCAL_NEW_INIT;
    }
    return rc;
}

finops_code
local_new_write(const local_new *n, const void *data, size_t size, int64_t offset, const finops_call *call,
                finops_error **err)
{
    const char *p = data;

    while (size > 0) {
        size_t want = size < WRITE_BLOCK ? size : WRITE_BLOCK;
        ssize_t sent;
        finops_code rc = fo_call_check(call, err);

        if (rc != FINOPS_OK)
            return rc;
        sent = pwrite(n->fd, p, want, offset);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return local_error(n->l, errno, "write", n->key, err);
        p += sent;
        offset += sent;
        size -= (size_t)sent;
    }
    return FINOPS_OK;
}

/* ---- commit ---- */

/* The time, to the nanosecond, is part of the version: the kernel's own is that of its last tick. */
static finops_code
settle(const local_new *n, finops_error **err)
{
    struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };

    (void)clock_gettime(CLOCK_REALTIME, &times[1]);
    (void)futimens(n->fd, times);
    if (n->l->durable && fsync(n->fd) != 0)
        return local_error(n->l, errno, "write", n->key, err);
    return FINOPS_OK;
}

static finops_code
is_taken(const local_new *n, finops_error **err)
{
    struct stat st;

    if (fstatat(n->folder, n->target, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return local_error(n->l, EISDIR, "write", n->key, err);
    return fo_error_set(err, FINOPS_E_EXISTS, "it exists");
}

/* Renames onto what the lock holds. *ret_again: the name was taken by another meanwhile. */
static finops_code
publish_over(const local_new *n, const finops_put *put, const local_lock *lock, bool *ret_again,
             finops_error **err)
{
    char version[LOCAL_VERSION];
    bool missing = lock->held == LOCAL_MISSING;
    finops_code rc;
    int failed;

    if (put->if_version && lock->held == LOCAL_LOOSE)
        return fo_error_set(err, lock->fd >= 0 ? FINOPS_E_UNSUPPORTED : FINOPS_E_PRECONDITION,
                            "the object cannot be locked, so as to replace one version of it");
    rc = fo_put_check(put, lock->fd >= 0 ? local_version(&lock->st, version) : NULL, err);
    if (rc != FINOPS_OK)
        return rc;
    failed = missing ? local_rename_new(n->folder, n->name, n->folder, n->target)
                     : renameat(n->folder, n->name, n->folder, n->target);
    *ret_again = failed && missing && errno == EEXIST;
    return !failed || *ret_again ? FINOPS_OK : local_error(n->l, errno, "write", n->key, err);
}

static finops_code
publish(const local_new *n, const finops_put *put, finops_error **err)
{
    bool again = true;
    finops_code rc = FINOPS_OK;

    if (put->create_only) {
        if (local_rename_new(n->folder, n->name, n->folder, n->target) == 0)
            return FINOPS_OK;
        return errno == EEXIST ? is_taken(n, err) : local_error(n->l, errno, "write", n->key, err);
    }
    while (again && rc == FINOPS_OK) {
        FO_AUTO(local_lock_done) local_lock lock = LOCAL_LOCK_INIT;

        again = false;
        rc = local_lock_take(n->l, n->root, n->folder, n->key, put->call, false, &lock, err);
        if (rc == FINOPS_OK)
            rc = publish_over(n, put, &lock, &again, err);
    }
    return rc;
}

static finops_code
told_of(const local_new *n, finops_object *ret, finops_error **err)
{
    char version[LOCAL_VERSION];
    finops_object object = { .key = n->key };
    struct stat st;

    if (fstat(n->fd, &st) != 0)
        return fo_error_errno(err, errno, "write");
    object.size = st.st_size;
    object.modified_us = local_modified(&st);
    object.version = object.etag = local_version(&st, version);
    return finops_object_copy(&object, ret, err);
}

finops_code
local_new_commit(local_new *n, const finops_put *put, finops_object *ret, finops_error **err)
{
    const finops_object kept = { .content_type = put->content_type,
                                 .content_encoding = put->content_encoding,
                                 .cache_control = put->cache_control,
                                 .metadata = put->metadata,
                                 .n_metadata = put->n_metadata };
    finops_code rc = local_meta_write(n->l, n->fd, &kept, err);

    if (rc == FINOPS_OK)
        rc = settle(n, err);
    if (rc == FINOPS_OK)
        rc = publish(n, put, err);
    if (rc != FINOPS_OK)
        return rc;
    n->name[0] = '\0';
    (void)flock(n->fd, LOCK_UN);
    rc = local_sync_folder(n->l, n->folder, err);
    return rc == FINOPS_OK && ret ? told_of(n, ret, err) : rc;
}
