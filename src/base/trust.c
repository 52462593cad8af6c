/*
 * Who may change what a path leads to: the file, the folders above it, and for each link on the way the
 * folder that it lies in.
 */
#include "base/trust.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define LINKS_MAX 40

static finops_code
check_user(const char *path, const struct stat *st, finops_error **err)
{
    if (st->st_uid == 0 || st->st_uid == geteuid())
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_DENIED, "%s belongs to another user (uid %u)", path,
                        (unsigned)st->st_uid);
}

/* A folder that anyone may write to is fine above when only owners may rename there: /tmp. */
static finops_code
check_one(const char *path, bool above, finops_error **err)
{
    struct stat st;
    finops_code rc;

    if (stat(path, &st) != 0)
        return fo_error_errno(err, errno, "look at %s", path);
    rc = check_user(path, &st, err);
    if (rc != FINOPS_OK)
        return rc;
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !(above && S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX))) {
        (void)fo_error_set(err, FINOPS_E_DENIED, "%s can be written by others (mode %04o)", path,
                           (unsigned)st.st_mode & 07777);
        fo_error_hint(err, "chmod go-w %s", path);
        return FINOPS_E_DENIED;
    }
    return FINOPS_OK;
}

/* The path with its links resolved, its folder, the folder above … up to "/"; the first `strict` of them may
 * not be like /tmp. */
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

/* "a/b" is in "a/", "b" in ".". NULL: no memory. */
static char *
folder_of(const char *path)
{
    const char *base = fo_path_base(path);

    return base > path ? fo_strndup(path, (size_t)(base - path)) : fo_strdup(".");
}

static finops_code check_links(const char *path, unsigned depth, finops_error **err);

/* Whoever may change a link may choose what it leads to: by owning it, or the folder it lies in. */
static finops_code
check_link(const char *path, const struct stat *st, unsigned depth, finops_error **err)
{
    FO_AUTO(fo_freep) char *folder = folder_of(path);
    FO_AUTO(fo_freep) char *next = NULL;
    char target[PATH_MAX];
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    finops_code rc;

    if (n < 0 || depth == LINKS_MAX)
        return fo_error_errno(err, n < 0 ? errno : ELOOP, "look at %s", path);
    target[n] = '\0';
    next = !folder ? NULL : target[0] == '/' ? fo_strdup(target) : fo_path_join(folder, target);
    if (!next)
        return fo_error_oom(err);
    rc = check_user(path, st, err);
    if (rc == FINOPS_OK)
        rc = check_chain(folder, 0, err);
    return rc == FINOPS_OK ? check_links(next, depth + 1, err) : rc;
}

/* Of every part of the path. */
static finops_code
check_links(const char *path, unsigned depth, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t n = 1; rc == FINOPS_OK && path[n - 1]; n++) {
        FO_AUTO(fo_freep) char *part = NULL;
        struct stat st;

        if ((path[n] && path[n] != '/') || path[n - 1] == '/')
            continue;
        part = fo_strndup(path, n);
        if (!part)
            return fo_error_oom(err);
        if (lstat(part, &st) != 0)
            return fo_error_errno(err, errno, "look at %s", part);
        if (S_ISLNK(st.st_mode))
            rc = check_link(part, &st, depth, err);
    }
    return rc;
}

finops_code
fo_trust_file(const char *path, finops_error **err)
{
    FO_AUTO(fo_freep) char *folder = folder_of(path);
    finops_code rc;

    assert(path);
    if (!folder)
        return fo_error_oom(err);
    rc = check_chain(path, 2, err);
    if (rc == FINOPS_OK)
        rc = check_chain(folder, 1, err);
    return rc == FINOPS_OK ? check_links(path, 0, err) : rc;
}
