/* What is kept of a file beside its bytes, in extended attributes:
 * https://man7.org/linux/man-pages/man7/xattr.7.html */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"

#define NAME_TYPE "user.finops.content-type"
#define NAME_ENCODING "user.finops.content-encoding"
#define NAME_CACHE "user.finops.cache-control"
#define NAME_META "user.finops.meta."
#define NAMES_MAX ((size_t)64 << 10)

/* ---- does the file system keep them ---- */

/* Asked with a question that changes nothing: an attribute that is not there, or none can be. The folder may
 * not be there yet; then its parents are asked, and later again. */
bool
local_keeps_attributes(local_storage *l)
{
    int known = atomic_load(&l->attributes);
    FO_AUTO(fo_freep) char *path = NULL;
    bool keeps;

    if (known != 0)
        return known > 0;
    path = fo_strdup(l->root);
    if (!path)
        return false;
    keeps = getxattr(path, "user.finops.probe", NULL, 0) >= 0 || errno == ENODATA;
    if (keeps || errno != ENOENT) {
        atomic_store(&l->attributes, keeps ? 1 : -1);
        return keeps;
    }
    for (char *slash; !keeps && errno == ENOENT && (slash = strrchr(path, '/')) != NULL;) {
        slash[slash == path] = '\0';
        keeps = getxattr(path, "user.finops.probe", NULL, 0) >= 0 || errno == ENODATA;
        if (slash == path)
            break;
    }
    return keeps;
}

/* ---- versions ---- */

static int64_t
nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

const char *
local_version(const struct stat *st, char buf[LOCAL_VERSION])
{
    (void)snprintf(buf, LOCAL_VERSION, "%" PRIx64 "-%" PRIx64 "-%" PRIx64 "-%" PRIx64, (uint64_t)st->st_ino,
                   (uint64_t)nanoseconds(st->st_mtim), (uint64_t)nanoseconds(st->st_ctim),
                   (uint64_t)st->st_size);
    return buf;
}

int64_t
local_modified(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
}

/* ---- reading ---- */

void
local_meta_done(local_meta *m)
{
    fo_strv_done(&m->texts);
    fo_free(m->items);
    *m = (local_meta){ 0 };
}

/* The value of one attribute, which m owns; NULL with FINOPS_OK when it went away meanwhile. */
static finops_code
value_read(int fd, const char *name, local_meta *m, const char **ret, finops_error **err)
{
    ssize_t n = fgetxattr(fd, name, NULL, 0);
    FO_AUTO(fo_freep) char *value = NULL;

    if (n < 0)
        return FINOPS_OK;
    value = fo_zalloc((size_t)n + 1);
    if (!value)
        return fo_error_oom(err);
    n = fgetxattr(fd, name, value, (size_t)n);
    if (n < 0)
        return FINOPS_OK;
    if (!fo_strv_take(&m->texts, FO_TAKE(value)))
        return fo_error_oom(err);
    *ret = m->texts.items[m->texts.n - 1];
    return FINOPS_OK;
}

static finops_code
item_add(local_meta *m, const char *name, const char *value, finops_error **err)
{
    if (!fo_strv_add(&m->texts, name) ||
        !fo_grow((void **)&m->items, &m->cap, m->object.n_metadata + 1, sizeof(*m->items)))
        return fo_error_oom(err);
    m->items[m->object.n_metadata++] = (finops_metadata){ m->texts.items[m->texts.n - 1], value };
    m->object.metadata = m->items;
    return FINOPS_OK;
}

static finops_code
attribute_read(int fd, const char *name, local_meta *m, finops_error **err)
{
    static const struct {
        const char *name;
        size_t offset;
    } known[] = { { NAME_TYPE, offsetof(finops_object, content_type) },
                  { NAME_ENCODING, offsetof(finops_object, content_encoding) },
                  { NAME_CACHE, offsetof(finops_object, cache_control) } };
    const char *value = NULL;
    finops_code rc;

    for (size_t i = 0; i < FO_COUNT(known); i++)
        if (strcmp(name, known[i].name) == 0)
            return value_read(fd, name, m, (const char **)(void *)((char *)&m->object + known[i].offset),
                              err);
    if (!fo_starts(name, NAME_META))
        return FINOPS_OK;
    rc = value_read(fd, name, m, &value, err);
    return rc == FINOPS_OK && value ? item_add(m, name + strlen(NAME_META), value, err) : rc;
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const finops_metadata *)a)->name, ((const finops_metadata *)b)->name);
}

static finops_code
attributes_read(int fd, local_meta *m, finops_error **err)
{
    ssize_t n = flistxattr(fd, NULL, 0);
    FO_AUTO(fo_freep) char *names = NULL;
    finops_code rc = FINOPS_OK;

    if (n <= 0 || (size_t)n > NAMES_MAX)
        return FINOPS_OK;
    names = fo_zalloc((size_t)n + 1);
    if (!names)
        return fo_error_oom(err);
    n = flistxattr(fd, names, (size_t)n);
    for (const char *name = names; rc == FINOPS_OK && name < names + n; name += strlen(name) + 1)
        rc = attribute_read(fd, name, m, err);
    if (m->object.n_metadata > 1)
        qsort(m->items, m->object.n_metadata, sizeof(*m->items), by_name);
    return rc;
}

finops_code
local_meta_read(const local_storage *l, int fd, const struct stat *st, const char *key, local_meta *ret,
                finops_error **err)
{
    finops_code rc = FINOPS_OK;

    *ret = (local_meta){ 0 };
    ret->object.key = key;
    ret->object.size = st->st_size;
    ret->object.modified_us = local_modified(st);
    ret->object.version = ret->object.etag = local_version(st, ret->version);
    if (atomic_load(&l->attributes) >= 0)
        rc = attributes_read(fd, ret, err);
    if (rc != FINOPS_OK)
        local_meta_done(ret);
    return rc;
}

/* ---- writing ---- */

finops_code
local_meta_check(local_storage *l, const finops_put *put, finops_error **err)
{
    if (put->n_metadata == 0 || local_keeps_attributes(l))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                        "the file system of %s keeps no metadata (extended attributes)", l->root);
}

static finops_code
attribute_write(const local_storage *l, int fd, const char *name, const char *value, finops_error **err)
{
    if (!value || fsetxattr(fd, name, value, strlen(value), 0) == 0 || errno == ENOTSUP)
        return FINOPS_OK;
    if (errno == E2BIG || errno == ERANGE || errno == ENAMETOOLONG)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the file system of %s cannot keep so much metadata",
                            l->root);
    return fo_error_errno(err, errno, "keep metadata");
}

finops_code
local_meta_write(const local_storage *l, int fd, const finops_object *o, finops_error **err)
{
    finops_code rc = attribute_write(l, fd, NAME_TYPE, o->content_type, err);

    if (rc == FINOPS_OK)
        rc = attribute_write(l, fd, NAME_ENCODING, o->content_encoding, err);
    if (rc == FINOPS_OK)
        rc = attribute_write(l, fd, NAME_CACHE, o->cache_control, err);
    for (size_t i = 0; i < o->n_metadata && rc == FINOPS_OK; i++) {
        FO_AUTO(fo_freep) char *name = fo_format("%s%s", NAME_META, o->metadata[i].name);

        rc = name ? attribute_write(l, fd, name, o->metadata[i].value, err) : fo_error_oom(err);
    }
    return rc;
}
