/* A plugin's file: which version of it this is, and who may write it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "registry/registry_internal.h"

/* A folder that anyone may write to is fine above when only owners may rename there: /tmp. */
static finops_code
check_one(const char *path, bool above, finops_error **err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return fo_error_errno(err, errno, "look at %s", path);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return fo_error_set(err, FINOPS_E_DENIED, "%s belongs to another user (uid %u)", path,
                            (unsigned)st.st_uid);
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(above && S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX))) {
        (void)fo_error_set(err, FINOPS_E_DENIED, "%s can be written by others (mode %04o)", path,
                           (unsigned)st.st_mode & 07777);
        fo_error_hint(err, "chmod go-w %s", path);
        return FINOPS_E_DENIED;
    }
    return FINOPS_OK;
}

/* The first `strict` of: the path with its links resolved, its folder, the folder above … up to "/". */
static finops_code
check_chain(const char *path, unsigned strict, finops_error **err)
{
    char *real = realpath(path, NULL); /* the system's memory */
    finops_code rc;

    if (!real)
        return fo_error_errno(err, errno, "look at %s", path);
    for (unsigned depth = 0;; depth++) {
        char *slash = strrchr(real, '/');

        rc = check_one(real, depth >= strict, err);
        if (rc != FINOPS_OK || strcmp(real, "/") == 0)
            break;
        slash[slash == real] = '\0'; /* "/x" leaves "/" */
    }
    free(real);
    return rc;
}

/* Whoever may change a link may choose what it leads to: the folder it lies in counts as the file's own does.
 */
finops_code
fo_plugin_check_owner(const char *path, finops_error **err)
{
    FO_AUTO(fo_freep) char *folder = fo_strndup(path, (size_t)(fo_path_base(path) - path));
    finops_code rc = folder ? check_chain(path, 2, err) : fo_error_oom(err);

    return rc == FINOPS_OK ? check_chain(folder[0] ? folder : ".", 1, err) : rc;
}

static fo_file_id
id_of(const struct stat *st)
{
    return (fo_file_id){ st->st_dev, st->st_ino, st->st_size, st->st_mtim };
}

bool
fo_file_id_at(int fd, fo_file_id *ret)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    *ret = id_of(&st);
    return true;
}

finops_code
fo_file_id_of(const char *path, fo_file_id *ret, finops_error **err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return fo_error_errno(err, errno, "look at %s", path);
    if (!S_ISREG(st.st_mode))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s is no file", path);
    *ret = id_of(&st);
    return FINOPS_OK;
}

bool
fo_file_id_same(const fo_file_id *a, const fo_file_id *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}
