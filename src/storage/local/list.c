/* Listings: the folders and files behind storage/tree.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"
#include "storage/object.h"
#include "storage/tree.h"

typedef struct lister {
    local_storage *l;
    int root;
    char version[LOCAL_VERSION];
} lister;

static bool
entry_is_folder(int folder, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool
is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* ---- folders ---- */

static int
open_folder(const lister *s, DIR *parent, const char *path)
{
    if (parent)
        return openat(dirfd(parent), fo_path_base(path), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (!path[0])
        return fcntl(s->root, F_DUPFD_CLOEXEC, 0);
    return local_open_below(s->l, s->root, path, O_RDONLY | O_DIRECTORY);
}

static finops_code
tree_enter(void *arg, void *parent, const char *path, void **ret, finops_error **err)
{
    lister *s = arg;
    int fd = open_folder(s, parent, path);
    DIR *dir;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return FINOPS_OK;
    if (fd < 0)
        return local_error(s->l, errno, "list", path, err);
    dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return fo_error_errno(err, errno, "list %s/%s", s->l->root, path);
    }
    *ret = dir;
    return FINOPS_OK;
}

static void
tree_leave(void *arg, void *folder)
{
    (void)arg;
    (void)closedir(folder);
}

static finops_code
tree_names(void *arg, void *folder, fo_tree_names *to, finops_error **err)
{
    const lister *s = arg;
    const struct dirent *e;

    rewinddir(folder);
    while (errno = 0, (e = readdir(folder)) != NULL) {
        finops_code rc = fo_tree_name(to, e->d_name, entry_is_folder(dirfd(folder), e), NULL, err);

        if (rc != FINOPS_OK)
            return rc;
    }
    return errno == 0 ? FINOPS_OK : local_error(s->l, errno, "list", "", err);
}

static bool has_object(int folder, const char *name);

static bool
entry_is_object(int folder, const struct dirent *e)
{
    struct stat st;

    if (is_dots(e->d_name) || fo_file_is_hidden(e->d_name))
        return false;
    if (entry_is_folder(folder, e))
        return has_object(folder, e->d_name);
    return e->d_type == DT_REG || (fstatat(folder, e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode));
}

static bool
has_object(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    bool found = false;

    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return errno == EACCES;
    }
    while (!found && (e = readdir(dir)) != NULL)
        found = entry_is_object(fd, e);
    (void)closedir(dir);
    return found;
}

static finops_code
tree_has_object(void *arg, void *folder, const char *path, bool *ret, finops_error **err)
{
    (void)arg, (void)err;
    *ret = has_object(dirfd(folder), fo_path_base(path));
    return FINOPS_OK;
}

/* ---- files ---- */

static void
describe(lister *s, const struct stat *st, finops_object *ret, bool *ret_is)
{
    ret->size = st->st_size;
    ret->modified_us = local_modified(st);
    ret->version = ret->etag = local_version(st, s->version);
    *ret_is = true;
}

/* What a link stands for. A file outside is told of, too, so that nobody takes it for missing: reading it
 * says what is wrong. */
static void
look_link(lister *s, int folder, const char *name, finops_object *ret, bool *ret_is)
{
    FO_AUTO(fo_fd_closep) int fd = local_open_object(s->l, s->root, ret->key);
    bool outside = fd < 0 && errno == EXDEV;
    struct stat st;

    if (outside)
        *ret_is = fstatat(folder, name, &st, 0) == 0 && S_ISREG(st.st_mode);
    else if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        describe(s, &st, ret, ret_is);
}

static finops_code
tree_look(void *arg, void *folder, const char *name, const void *note, finops_object *ret, bool *ret_is,
          finops_error **err)
{
    struct stat st;

    (void)note, (void)err;
    if (fstatat(dirfd(folder), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return FINOPS_OK;
    if (S_ISREG(st.st_mode))
        describe(arg, &st, ret, ret_is);
    else if (S_ISLNK(st.st_mode))
        look_link(arg, dirfd(folder), name, ret, ret_is);
    return FINOPS_OK;
}

finops_code
local_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    lister s = { .l = self, .root = local_root(self) };
    const fo_tree tree = { .arg = &s,
                           .names_max = s.l->names_max,
                           .enter = tree_enter,
                           .leave = tree_leave,
                           .names = tree_names,
                           .look = tree_look,
                           .has_object = tree_has_object };
    finops_code rc;

    if (s.root < 0 && errno == ENOENT)
        return FINOPS_OK;
    if (s.root < 0)
        return errno == ENOTDIR ? fo_error_set(err, FINOPS_E_CONFIG, "%s is no folder", s.l->root)
                                : fo_error_errno(err, errno, "list %s", s.l->root);
    rc = fo_tree_list(&tree, list, each, arg, err);
    (void)close(s.root);
    return rc;
}
