/*
 * One at a time changes what a name stands for, among threads and processes alike: the file it stands for is
 * locked, not its name, so nothing of the lock remains. Who gets the lock of a file that was replaced
 * meanwhile, begins again. Readers do not lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"
#include "storage/object.h"

#define WAIT_LEAST_US 50
#define WAIT_MOST_US 5000
#define WAIT_ALL_US (30 * 1000000LL)

void
local_lock_done(local_lock *lock)
{
    fo_fd_closep(&lock->fd);
    lock->held = LOCAL_LOOSE;
}

/* Whether the name still stands for what is open. */
static bool
is_current(int folder, const char *name, const struct stat *st)
{
    struct stat now;

    return fstatat(folder, name, &now, 0) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino;
}

/* A folder's entry that leads nowhere is there all the same. */
static bool
is_there(int folder, const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The folder was removed, and what has its path now is another one. */
static bool
is_gone(int folder)
{
    struct stat st;

    return fstat(folder, &st) == 0 && st.st_nlink == 0;
}

/*
 * *ret_again: it was replaced while we waited for its lock. In a folder that is gone nothing is, whatever the
 * folder that came after it holds: to look again there would never end.
 */
static finops_code
take_once(local_storage *l, int root, int folder, const char *key, local_lock *ret, bool *ret_again,
          finops_error **err)
{
    FO_AUTO(local_lock_done) local_lock lock = { .held = LOCAL_LOOSE, .fd = local_open_object(l, root, key) };
    const char *name = fo_path_base(key);

    *ret_again = false;
    if (lock.fd < 0) {
        ret->held = errno == ENOENT && !is_there(folder, name) ? LOCAL_MISSING : LOCAL_LOOSE;
        return FINOPS_OK;
    }
    if (fstat(lock.fd, &lock.st) != 0)
        return local_error(l, errno, "lock", key, err);
    if (S_ISDIR(lock.st.st_mode))
        return local_error(l, EISDIR, "change", key, err);
    if (flock(lock.fd, LOCK_EX | LOCK_NB) == 0)
        lock.held = LOCAL_HELD;
    else if (errno == EWOULDBLOCK)
        lock.held = LOCAL_BUSY;
    if (lock.held == LOCAL_HELD && !is_current(folder, name, &lock.st)) {
        *ret_again = !is_gone(folder);
        ret->held = LOCAL_MISSING;
        return FINOPS_OK;
    }
    *ret = lock;
    lock.fd = -1;
    return FINOPS_OK;
}

static void
nap(int64_t micros)
{
    const struct timespec t = { .tv_sec = micros / 1000000, .tv_nsec = micros % 1000000 * 1000 };

    (void)nanosleep(&t, NULL);
}

finops_code
local_lock_take(local_storage *l, int root, int folder, const char *key, const finops_call *call, bool once,
                local_lock *ret, finops_error **err)
{
    int64_t wait = WAIT_LEAST_US, until = fo_clock_monotonic() + WAIT_ALL_US;

    for (;;) {
        bool again;
        finops_code rc = fo_call_check(call, err);

        *ret = LOCAL_LOCK_INIT;
        if (rc == FINOPS_OK)
            rc = take_once(l, root, folder, key, ret, &again, err);
        if (rc != FINOPS_OK || (!again && (ret->held != LOCAL_BUSY || once)))
            return rc;
        local_lock_done(ret);
        if (again)
            continue;
        if (fo_clock_monotonic() > until)
            return fo_error_set(err, FINOPS_E_BUSY, "%s/%s is locked by another process", l->root, key);
        nap(wait);
        wait = wait * 2 < WAIT_MOST_US ? wait * 2 : WAIT_MOST_US;
    }
}

int
local_rename_new(int folder, const char *from, int to_folder, const char *to)
{
    if (renameat2(folder, from, to_folder, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP)
        return -1;
    /* Some file systems, of networks above all, only have this. */
    if (linkat(folder, from, to_folder, to, 0) != 0)
        return -1;
    return unlinkat(folder, from, 0);
}

finops_code
local_sync_folder(const local_storage *l, int folder, finops_error **err)
{
    if (!l->durable || fsync(folder) == 0 || errno == EINVAL || errno == ENOTSUP)
        return FINOPS_OK;
    return fo_error_errno(err, errno, "sync a folder of %s", l->root);
}
