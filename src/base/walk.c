/* All files below a folder. A list of folders still to visit takes the place of recursion, so depth costs no
 * stack. */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"

typedef enum kind { KIND_OTHER, KIND_FILE, KIND_FOLDER } kind;

typedef struct walk {
    const char *root; /* for messages */
    int fd;
    fo_strv folders; /* relative to root, "" is root itself; grows while it is visited */
    fo_strv files;
} walk;

static void
dir_closep(DIR **d)
{
    if (*d)
        (void)closedir(*d);
}

static void
walk_done(walk *w)
{
    fo_fd_closep(&w->fd);
    fo_strv_done(&w->folders);
    fo_strv_done(&w->files);
}

/* What an entry is, links to files followed. An entry that is gone or a link that leads nowhere is nothing.
 */
static kind
kind_of(DIR *dir, const struct dirent *e)
{
    struct stat st;

    if (e->d_type == DT_REG)
        return KIND_FILE;
    if (e->d_type == DT_DIR)
        return KIND_FOLDER;
    if (e->d_type != DT_LNK && e->d_type != DT_UNKNOWN)
        return KIND_OTHER;
    if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return KIND_OTHER;
    if (S_ISDIR(st.st_mode))
        return KIND_FOLDER;
    if (S_ISLNK(st.st_mode) && fstatat(dirfd(dir), e->d_name, &st, 0) != 0)
        return KIND_OTHER;
    return S_ISREG(st.st_mode) ? KIND_FILE : KIND_OTHER;
}

static finops_code
add_entry(walk *w, DIR *dir, const char *folder, const struct dirent *e, finops_error **err)
{
    kind k = kind_of(dir, e);

    if (k == KIND_OTHER || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
        return FINOPS_OK;
    if (!fo_strv_take(k == KIND_FILE ? &w->files : &w->folders, fo_path_join(folder, e->d_name)))
        return fo_error_oom(err);
    return FINOPS_OK;
}

/* Opens a folder of the walk. One that vanished or became a link meanwhile gives NULL without an error. */
static finops_code
open_folder(const walk *w, const char *folder, DIR **ret, finops_error **err)
{
    bool is_root = folder[0] == '\0';
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (is_root ? 0 : O_NOFOLLOW);
    int fd = openat(w->fd, is_root ? "." : folder, flags);
    DIR *dir;
    int errnum;

    if (fd < 0 && !is_root && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return FINOPS_OK;
    if (fd < 0)
        return fo_error_errno(err, errno, "list folder %s/%s", w->root, folder);
    dir = fdopendir(fd);
    if (!dir) {
        errnum = errno;
        (void)close(fd);
        return fo_error_errno(err, errnum, "list folder %s/%s", w->root, folder);
    }
    *ret = dir;
    return FINOPS_OK;
}

static finops_code
visit(walk *w, const char *folder, finops_error **err)
{
    FO_AUTO(dir_closep) DIR *dir = NULL;
    const struct dirent *e;
    finops_code rc;

    rc = open_folder(w, folder, &dir, err);
    if (rc != FINOPS_OK || !dir)
        return rc;
    while (errno = 0, (e = readdir(dir)) != NULL) {
        rc = add_entry(w, dir, folder, e, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    if (errno != 0)
        return fo_error_errno(err, errno, "list folder %s/%s", w->root, folder);
    return FINOPS_OK;
}

finops_code
fo_walk(const char *root, fo_strv *ret, finops_error **err)
{
    FO_AUTO(walk_done) walk w = { .root = root, .fd = -1 };

    assert(root && ret);

    w.fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w.fd < 0)
        return fo_error_errno(err, errno, "list folder %s", root);
    if (!fo_strv_add(&w.folders, ""))
        return fo_error_oom(err);
    for (size_t i = 0; i < w.folders.n; i++) {
        finops_code rc = visit(&w, w.folders.items[i], err);

        if (rc != FINOPS_OK)
            return rc;
    }
    fo_strv_sort(&w.files);
    fo_strv_done(ret);
    *ret = w.files;
    w.files = FO_STRV_INIT;
    return FINOPS_OK;
}
