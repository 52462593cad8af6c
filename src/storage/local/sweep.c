/* What processes that died left on its way, and folders they made for it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"
#include "storage/object.h"
#include "storage/visit.h"

typedef struct sweeper {
    local_storage *l;
    int root;
    fo_sweep what;
    fo_strv folders; /* still to visit, each with a '/' behind it, or "" */
} sweeper;

static void
sweeper_done(sweeper *s)
{
    fo_strv_done(&s->folders);
    fo_fd_closep(&s->root);
}

static finops_code
sweep_file(sweeper *s, int folder, const char *path, const char *name, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int fd = -1;
    FO_AUTO(fo_freep) char *key = NULL;
    finops_object object = { 0 };
    struct stat st;
    finops_code rc = fo_sweep_key(&s->what, path, name, &key, &object.modified_us, err);

    if (rc != FINOPS_OK || !key)
        return rc;
    fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
        return FINOPS_OK; /* who writes it lives */
    object.key = key;
    object.size = st.st_size;
    if (s->what.each && !s->what.each(&object, s->what.arg))
        return FINOPS_OK;
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT)
        return local_error(s->l, errno, "remove", key, err);
    return FINOPS_OK;
}

static bool
is_folder(int folder, const struct dirent *e)
{
    struct stat st;

    return fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static finops_code
sweep_entry(sweeper *s, int folder, const char *path, const struct dirent *e, finops_error **err)
{
    FO_AUTO(fo_freep) char *below = NULL;

    if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return FINOPS_OK;
    if (fo_file_is_hidden(e->d_name))
        return sweep_file(s, folder, path, e->d_name, err);
    if (e->d_type != DT_DIR && (e->d_type != DT_UNKNOWN || !is_folder(folder, e)))
        return FINOPS_OK;
    below = fo_format("%s%s/", path, e->d_name);
    if (!below)
        return fo_error_oom(err);
    return !fo_sweep_enters(&s->what, below) || fo_strv_take(&s->folders, FO_TAKE(below)) ? FINOPS_OK
                                                                                          : fo_error_oom(err);
}

static int
open_folder(const sweeper *s, const char *path)
{
    char copy[LOCAL_PATH];
    size_t n = strlen(path);

    if (n == 0)
        return fcntl(s->root, F_DUPFD_CLOEXEC, 0);
    if (n > sizeof(copy)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(copy, path, n - 1);
    copy[n - 1] = '\0';
    return local_open_below(s->l, s->root, copy, O_RDONLY | O_DIRECTORY);
}

static finops_code
sweep_folder(sweeper *s, const char *path, finops_error **err)
{
    int fd = open_folder(s, path);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    struct stat st;
    finops_code rc = FINOPS_OK;

    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                   ? FINOPS_OK
                   : local_error(s->l, errno, "sweep", path, err);
    }
    while (rc == FINOPS_OK && (e = readdir(dir)) != NULL)
        rc = sweep_entry(s, fd, path, e, err);
    /* Empty, and nobody has just made it: whoever did died before there was a file in it. */
    if (rc == FINOPS_OK && fo_starts(path, s->what.prefix) && fstat(fd, &st) == 0 &&
        local_modified(&st) < s->what.before_us) {
        FO_AUTO(fo_freep) char *key = fo_format("%sx", path);

        if (key)
            local_folders_tidy(s->l, s->root, key);
    }
    (void)closedir(dir);
    return rc;
}

finops_code
local_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
            finops_each_object each, void *arg, finops_error **err)
{
    FO_AUTO(sweeper_done)
    sweeper s = { .l = self, .root = -1, .what = { prefix, begun_before_us, each, arg } };
    finops_code rc = FINOPS_OK;

    s.root = local_root(s.l);
    if (s.root < 0)
        return errno == ENOENT ? FINOPS_OK : fo_error_errno(err, errno, "sweep %s", s.l->root);
    if (!fo_strv_add(&s.folders, ""))
        return fo_error_oom(err);
    for (size_t i = 0; i < s.folders.n && rc == FINOPS_OK; i++) {
        rc = fo_call_check(call, err);
        if (rc == FINOPS_OK)
            rc = sweep_folder(&s, s.folders.items[i], err);
    }
    return rc;
}
