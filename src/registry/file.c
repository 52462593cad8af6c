/* A plugin's file: which version of it this is. */
#include <errno.h>
#include <sys/stat.h>

#include "registry/registry_internal.h"

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
