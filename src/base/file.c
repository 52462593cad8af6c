/* Whole files: read at once, replaced at once; and the folders they need. */
#include "base/file.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/path_internal.h"

#define READ_BLOCK 65536
#define NAME_TRIES 100
#define STALE_S 3600

static finops_code
read_all(int fd, const char *path, size_t max, fo_str *text, finops_error **err)
{
    FO_AUTO(fo_freep) char *block = fo_alloc(READ_BLOCK);
    size_t total = 0;

    if (!block)
        return fo_error_oom(err);
    for (;;) {
        ssize_t n = read(fd, block, READ_BLOCK);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fo_error_errno(err, errno, "read %s", path);
        if (n == 0)
            return fo_str_check(text, err);
        total += (size_t)n;
        if (total > max)
            return fo_error_set(err, FINOPS_E_DATA, "read %s: larger than %zu bytes", path, max);
        fo_str_addn(text, block, (size_t)n);
    }
}

finops_code
fo_file_read(const char *path, size_t max, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int fd = -1;
    struct stat st;
    finops_code rc;
    size_t before;

    assert(path && ret);

    /* Without O_NONBLOCK a pipe would make us wait before it is refused. */
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0)
        return fo_error_errno(err, errno, "read %s", path);
    if (!S_ISREG(st.st_mode))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "read %s: not a regular file", path);

    before = ret->len;
    rc = read_all(fd, path, max, ret, err);
    if (rc != FINOPS_OK && ret->data) { /* untouched on failure */
        ret->len = before;
        ret->data[before] = '\0';
    }
    return rc;
}

static finops_code
write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t sent = write(fd, p, n);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return FINOPS_E_IO;
        p += sent;
        n -= (size_t)sent;
    }
    return FINOPS_OK;
}

/* Creates a file beside `path` under a name no other process or thread uses. */
static int
open_beside(const char *path, unsigned mode, char **ret_name)
{
    static atomic_uint counter;

    for (unsigned i = 0; i < NAME_TRIES; i++) {
        unsigned id = atomic_fetch_add(&counter, 1);
        char *name = fo_format("%s.%ld.%u.tmp", path, (long)getpid(), id);
        int fd;

        if (!name) {
            errno = ENOMEM;
            return -1;
        }
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
        if (fd >= 0) {
            *ret_name = name;
            return fd;
        }
        fo_free(name);
        if (errno != EEXIST) /* the rest of a process of the same number that was killed */
            return -1;
    }
    return -1;
}

static bool
skip_number(const char **p)
{
    size_t n = strspn(*p, "0123456789");

    *p += n;
    return n > 0;
}

/* Whether it is a name that open_beside gives to a file beside `base`. */
static bool
is_temporary_of(const char *name, const char *base)
{
    const char *p = name + strlen(base);

    return fo_starts(name, base) && *p++ == '.' && skip_number(&p) && *p++ == '.' && skip_number(&p) &&
           fo_streq(p, ".tmp");
}

/* Removes what killed processes left of earlier writes of this file; young ones may be somebody's work. */
static void
sweep_beside(int folder, const char *base)
{
    int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own >= 0 ? fdopendir(own) : NULL;
    const struct dirent *e;
    struct stat st;

    if (!dir) {
        if (own >= 0)
            (void)close(own);
        return;
    }
    while ((e = readdir(dir)) != NULL)
        if (is_temporary_of(e->d_name, base) && fstatat(own, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode) && st.st_mtime < time(NULL) - STALE_S)
            (void)unlinkat(own, e->d_name, 0);
    (void)closedir(dir);
}

/* Makes the rename durable, and the folder tidy. Folders of some network file systems cannot be synced; their
 * rename is already safe. */
static finops_code
settle_folder_of(const char *path, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int fd = -1;
    FO_AUTO(fo_freep) char *folder = fo_path_folder(path);

    if (!folder)
        return fo_error_oom(err);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP))
        return fo_error_errno(err, errno, "sync folder %s", folder);
    sweep_beside(fd, fo_path_base(path));
    return FINOPS_OK;
}

finops_code
fo_file_new_begin(fo_file_new *new, const char *path, unsigned mode, finops_error **err)
{
    assert(path);
    *new = FO_FILE_NEW_INIT;
    new->path = fo_strdup(path);
    if (!new->path)
        return fo_error_oom(err);
    new->fd = open_beside(path, mode, &new->temporary);
    return new->fd >= 0 ? FINOPS_OK : fo_error_errno(err, errno, "write %s", path);
}

finops_code
fo_file_new_commit(fo_file_new *new, bool durable, finops_error **err)
{
    int fd = new->fd;

    assert(fd >= 0);
    if (durable && fsync(fd) != 0)
        return fo_error_errno(err, errno, "write %s", new->path);
    new->fd = -1;
    if (close(fd) != 0 || rename(new->temporary, new->path) != 0)
        return fo_error_errno(err, errno, "write %s", new->path);
    fo_free(FO_TAKE(new->temporary));
    return durable ? settle_folder_of(new->path, err) : FINOPS_OK;
}

void
fo_file_new_done(fo_file_new *new)
{
    fo_fd_closep(&new->fd);
    if (new->temporary)
        (void)unlink(new->temporary);
    fo_free(new->temporary);
    fo_free(new->path);
    *new = FO_FILE_NEW_INIT;
}

finops_code
fo_file_write_atomic(const char *path, const void *p, size_t n, unsigned mode, finops_error **err)
{
    FO_AUTO(fo_file_new_done) fo_file_new new = FO_FILE_NEW_INIT;
    finops_code rc;

    assert(path && (p || n == 0));

    rc = fo_file_new_begin(&new, path, mode, err);
    if (rc == FINOPS_OK && write_all(new.fd, p, n) != FINOPS_OK)
        rc = fo_error_errno(err, errno, "write %s", path);
    return rc == FINOPS_OK ? fo_file_new_commit(&new, true, err) : rc;
}

/* Makes one folder; one that is there already is fine. */
static finops_code
make_one(const char *path, finops_error **err)
{
    struct stat st;

    if (mkdir(path, 0777) == 0)
        return FINOPS_OK;
    if (errno != EEXIST)
        return fo_error_errno(err, errno, "create folder %s", path);
    if (stat(path, &st) != 0)
        return fo_error_errno(err, errno, "create folder %s", path);
    if (!S_ISDIR(st.st_mode))
        return fo_error_set(err, FINOPS_E_EXISTS, "create folder %s: a file of that name exists", path);
    return FINOPS_OK;
}

finops_code
fo_mkdirs(const char *path, finops_error **err)
{
    FO_AUTO(fo_freep) char *copy = NULL;
    struct stat st;

    assert(path);

    if (path[0] == '\0' || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
        return FINOPS_OK;
    copy = fo_strdup(path);
    if (!copy)
        return fo_error_oom(err);
    for (char *p = copy + 1; *p; p++) {
        finops_code rc;

        if (*p != '/' || p[1] == '/' || p[1] == '\0')
            continue;
        *p = '\0';
        rc = make_one(copy, err);
        *p = '/';
        if (rc != FINOPS_OK)
            return rc;
    }
    return make_one(copy, err);
}

finops_code
fo_mkdirs_for(const char *path, finops_error **err)
{
    FO_AUTO(fo_freep) char *folder = NULL;

    assert(path);

    folder = fo_path_folder(path);
    if (!folder)
        return fo_error_oom(err);
    return fo_mkdirs(folder, err);
}
