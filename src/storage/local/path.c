/*
 * From a key to a file, never out of the root: https://man7.org/linux/man-pages/man2/openat2.2.html, and one
 * part after the other where the kernel has no openat2 (before 5.6, or in a sandbox that forbids it).
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"

#define LINKS_MAX 8

finops_code
local_error(const local_storage *l, int errnum, const char *what, const char *key, finops_error **err)
{
    switch (errnum) {
    case ENAMETOOLONG:
    case EILSEQ:
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s %s/%s: the file system cannot have such a name", what,
                            l->root, key);
    case EISDIR:
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s %s/%s: it is a folder", what, l->root, key);
    case ELOOP:
        return fo_error_set(err, FINOPS_E_DENIED, "%s %s/%s: a part of it is a symbolic link", what, l->root,
                            key);
    case EXDEV:
        (void)fo_error_set(err, FINOPS_E_DENIED, "%s %s/%s: the link leads out of the folder", what, l->root,
                           key);
        fo_error_hint(err, "the option links = \"all\" lets files be links to any place");
        return FINOPS_E_DENIED;
    default:
        return fo_error_errno(err, errnum, "%s %s/%s", what, l->root, key);
    }
}

/* ---- opening ---- */

int
local_root(const local_storage *l)
{
    return open(l->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool
is_link(int folder, const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
}

/* One part after the other; none is followed. */
static int
walk_below(int root, const char *path, int flags)
{
    FO_AUTO(fo_fd_closep) int owned = -1;
    int at = root;

    for (const char *part = path;;) {
        const char *end = strchrnul(part, '/');
        char name[NAME_MAX + 1];
        int fd;

        if (end - part > NAME_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, part, (size_t)(end - part));
        name[end - part] = '\0';
        fd = openat(at, name, (*end ? O_PATH | O_DIRECTORY | O_CLOEXEC : flags) | O_NOFOLLOW);
        if (fd < 0 && errno == ENOTDIR && is_link(at, name))
            errno = ELOOP;
        if (fd < 0 || !*end)
            return fd;
        fo_fd_closep(&owned);
        at = owned = fd;
        part = end + 1;
    }
}

int
local_open_below(local_storage *l, int root, const char *path, int flags)
{
    const struct open_how how = { .flags = (unsigned)(flags | O_CLOEXEC),
                                  .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
    int fd;

    if (!atomic_load_explicit(&l->no_openat2, memory_order_relaxed)) {
        fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (fd >= 0 || (errno != ENOSYS && errno != EPERM))
            return fd;
        atomic_store(&l->no_openat2, true);
    }
    return walk_below(root, path, flags | O_CLOEXEC);
}

/* The part of a key before its last '/'; "." without one. errno when it does not fit. */
static bool
folder_text(const char *key, char buf[LOCAL_PATH], const char **ret_name)
{
    const char *slash = strrchr(key, '/');
    size_t n = slash ? (size_t)(slash - key) : 0;

    *ret_name = slash ? slash + 1 : key;
    if (n >= LOCAL_PATH) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(buf, key, n);
    buf[n] = '\0';
    return true;
}

int
local_folder_of(local_storage *l, int root, const char *key, const char **ret_name)
{
    char folder[LOCAL_PATH];

    if (!folder_text(key, folder, ret_name))
        return -1;
    return folder[0] ? local_open_below(l, root, folder, O_RDONLY | O_DIRECTORY)
                     : fcntl(root, F_DUPFD_CLOEXEC, 0);
}

/* ---- making folders ---- */

/* Makes one folder and marks it as ours, so that it may go when it is empty. */
static bool
make_one(const local_storage *l, int parent, const char *path, size_t n)
{
    FO_AUTO(fo_fd_closep) int fd = -1;
    char copy[LOCAL_PATH];
    const char *name;

    memcpy(copy, path, n);
    copy[n] = '\0';
    name = strrchr(copy, '/') ? strrchr(copy, '/') + 1 : copy;
    if (mkdirat(parent, name, 0777) != 0)
        return errno == EEXIST;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        (void)fsetxattr(fd, LOCAL_MADE, "1", 1, 0);
    return !l->durable || fsync(parent) == 0 || errno == EINVAL || errno == ENOTSUP;
}

int
local_folder_make(local_storage *l, int root, const char *key, const char **ret_name)
{
    FO_AUTO(fo_fd_closep) int at = local_folder_of(l, root, key, ret_name);
    char part[LOCAL_PATH];

    if (at >= 0 || errno != ENOENT)
        return fo_fd_take(&at);
    at = fcntl(root, F_DUPFD_CLOEXEC, 0);
    for (const char *end = strchr(key, '/'); at >= 0 && end; end = strchr(end + 1, '/')) {
        size_t n = (size_t)(end - key);
        int next;

        memcpy(part, key, n);
        part[n] = '\0';
        if (!make_one(l, at, key, n))
            return -1;
        next = local_open_below(l, root, part, O_RDONLY | O_DIRECTORY);
        fo_fd_closep(&at);
        at = next;
    }
    return fo_fd_take(&at);
}

/* Whether the folder of this path is there, and ours to remove. */
static bool
folder_is_ours(local_storage *l, int root, const char *path)
{
    FO_AUTO(fo_fd_closep) int fd = local_open_below(l, root, path, O_RDONLY | O_DIRECTORY);

    return fd >= 0 && fgetxattr(fd, LOCAL_MADE, NULL, 0) >= 0;
}

void
local_folders_tidy(local_storage *l, int root, const char *key)
{
    char path[LOCAL_PATH];
    const char *name;
    bool gone = true;

    if (!folder_text(key, path, &name))
        return;
    while (gone && path[0] && folder_is_ours(l, root, path)) {
        FO_AUTO(fo_fd_closep) int parent = local_folder_of(l, root, path, &name);

        gone = parent >= 0 && unlinkat(parent, name, AT_REMOVEDIR) == 0;
        path[name > path ? name - path - 1 : 0] = '\0';
    }
}

/* ---- links ---- */

/* Takes what stands between the last '/' and the end away; false at the root. */
static bool
pop(char *path)
{
    char *slash = strrchr(path, '/');

    if (!path[0])
        return false;
    *(slash ? slash : path) = '\0';
    return true;
}

/* Adds the parts of a link's target to a folder's path; false when it leads out or is too long. */
static bool
lead(const local_storage *l, char path[LOCAL_PATH], const char *target)
{
    size_t n = l->root[1] ? strlen(l->root) : 0;

    if (target[0] == '/') {
        if (strncmp(target, l->root, n) != 0 || target[n] != '/')
            return false;
        target += n;
        path[0] = '\0';
    }
    while (*target) {
        const char *end = strchrnul(target, '/');
        size_t size = (size_t)(end - target), len = strlen(path);

        if (size == 2 && memcmp(target, "..", 2) == 0) {
            if (!pop(path))
                return false;
        } else if (size > 0 && !(size == 1 && target[0] == '.')) {
            if (len + 1 + size >= LOCAL_PATH)
                return false;
            if (len > 0)
                path[len++] = '/';
            memcpy(path + len, target, size);
            path[len + size] = '\0';
        }
        target = *end ? end + 1 : end;
    }
    return path[0] != '\0';
}

/* Leads the path, if its last part is a link, to where that points. 1: it did; 0: it is no link; -1: errno.
 */
static int
follow_one(local_storage *l, int root, char path[LOCAL_PATH])
{
    FO_AUTO(fo_fd_closep) int folder = -1;
    char target[LOCAL_PATH];
    const char *name;
    ssize_t n;

    folder = local_folder_of(l, root, path, &name);
    if (folder < 0)
        return -1;
    n = readlinkat(folder, name, target, sizeof(target) - 1);
    if (n < 0)
        return errno == EINVAL ? 0 : -1;
    target[n] = '\0';
    (void)pop(path);
    if (lead(l, path, target))
        return 1;
    errno = EXDEV;
    return -1;
}

/* What the kernel makes of the last part of a key, wherever it leads. */
static int
open_anywhere(local_storage *l, int root, const char *key, int flags)
{
    FO_AUTO(fo_fd_closep) int folder = -1;
    const char *name;

    folder = local_folder_of(l, root, key, &name);
    return folder < 0 ? -1 : openat(folder, name, flags | O_CLOEXEC);
}

int
local_open_object(local_storage *l, int root, const char *key)
{
    const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    char path[LOCAL_PATH];
    int fd = local_open_below(l, root, key, flags);

    if (fd >= 0 || errno != ELOOP)
        return fd;
    if (l->links_all)
        return open_anywhere(l, root, key, flags);
    if (strlen(key) >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(path, key, strlen(key) + 1);
    for (int i = 0; i < LINKS_MAX; i++) {
        int led = follow_one(l, root, path);

        if (led < 0)
            return -1;
        fd = local_open_below(l, root, path, flags);
        if (fd >= 0 || errno != ELOOP || led == 0)
            return fd;
    }
    errno = ELOOP;
    return -1;
}
