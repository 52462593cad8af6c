/* Reading: from the file that was opened, whatever becomes of its name. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"
#include "storage/object.h"

finops_code
local_file_open(local_storage *l, const char *key, int *ret_fd, struct stat *ret_st, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int root = -1;
    FO_AUTO(fo_fd_closep) int fd = -1;
    finops_code rc = fo_file_key_check(key, err);

    if (rc != FINOPS_OK)
        return rc;
    root = local_root(l);
    fd = root < 0 ? -1 : local_open_object(l, root, key);
    if (fd < 0 || fstat(fd, ret_st) != 0)
        return errno == ENXIO ? fo_error_set(err, FINOPS_E_ARGUMENT, "%s/%s is no file", l->root, key)
                              : local_error(l, errno, "open", key, err);
    if (!S_ISREG(ret_st->st_mode))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s/%s is %s", l->root, key,
                            S_ISDIR(ret_st->st_mode) ? "a folder" : "no file");
    *ret_fd = fo_fd_take(&fd);
    return FINOPS_OK;
}

typedef struct local_reader {
    finops_reader base;
    local_meta meta;
    char *key;
    int fd;
    struct stat st;
    const finops_call *call;
    int64_t at, end;
} local_reader;

/* Somebody who writes into a file, where we only replace files, may have changed what was read already. */
static finops_code
still_the_same(const local_reader *r, finops_error **err)
{
    struct stat now;

    if (fstat(r->fd, &now) != 0)
        return fo_error_errno(err, errno, "read");
    if (now.st_size == r->st.st_size && now.st_mtim.tv_sec == r->st.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == r->st.st_mtim.tv_nsec)
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_PRECONDITION, "the file was changed while it was read");
}

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    local_reader *r = (local_reader *)reader;
    finops_code rc = fo_call_check(r->call, err);
    ssize_t got = 0;

    if (rc != FINOPS_OK)
        return rc;
    if (n > (uint64_t)(r->end - r->at))
        n = (size_t)(r->end - r->at);
    do
        got = n > 0 ? pread(r->fd, buffer, n, r->at) : 0;
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fo_error_errno(err, errno, "read");
    if (r->at + got == r->end || got == 0)
        rc = still_the_same(r, err);
    if (rc != FINOPS_OK)
        return rc;
    if (got == 0 && n > 0)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "the file ends at byte %lld", (long long)r->at);
    r->at += got;
    *ret_n = (size_t)got;
    return FINOPS_OK;
}

static void
reader_close(finops_reader *reader)
{
    local_reader *r = (local_reader *)reader;

    fo_fd_closep(&r->fd);
    local_meta_done(&r->meta);
    fo_free(r->key);
    fo_free(r);
}

static finops_code
reader_new(const local_storage *l, const finops_get *get, int *fd, const struct stat *st, finops_reader **ret,
           finops_error **err)
{
    local_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc;

    if (!r)
        return fo_error_oom(err);
    r->base.read = reader_read;
    r->base.close = reader_close;
    r->call = get->call;
    r->st = *st;
    r->fd = fo_fd_take(fd);
    r->key = fo_strdup(get->key);
    rc = r->key ? local_meta_read(l, r->fd, st, r->key, &r->meta, err) : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = fo_get_check(get, r->meta.object.version, err);
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, st->st_size, &r->base.offset, &r->base.length, err);
    if (rc != FINOPS_OK) {
        reader_close(&r->base);
        return rc;
    }
    r->base.object = r->meta.object;
    r->at = r->base.offset;
    r->end = r->at + r->base.length;
    *ret = &r->base;
    return FINOPS_OK;
}

finops_code
local_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    local_storage *l = self;
    FO_AUTO(fo_fd_closep) int fd = -1;
    struct stat st;
    finops_code rc = fo_call_check(get->call, err);

    if (rc == FINOPS_OK)
        rc = local_file_open(l, get->key, &fd, &st, err);
    if (rc != FINOPS_OK)
        return rc;
    return reader_new(l, get, &fd, &st, ret, err);
}
