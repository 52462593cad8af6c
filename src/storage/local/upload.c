/* Uploads in parts: one file, written at the parts' offsets by any number of threads. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "storage/local/driver_internal.h"
#include "storage/object.h"
#include "storage/put_copy.h"

#define PARTS_MAX 100000
#define PART_MAX ((size_t)5 << 30)

typedef struct part {
    int64_t offset;
    int64_t size; /* negative: not sent */
} part;

typedef struct local_upload {
    finops_upload base;
    local_new file;
    fo_put_copy put;
    pthread_mutex_t lock; /* of the parts */
    part *parts;          /* number - 1 is the index */
    size_t n, cap;
    finops_object stored; /* by a commit; its key is NULL before */
} local_upload;

static void
upload_close(finops_upload *upload)
{
    local_upload *u = (local_upload *)upload;

    local_new_done(&u->file);
    finops_object_done(&u->stored);
    fo_put_copy_done(&u->put);
    (void)pthread_mutex_destroy(&u->lock);
    fo_free(u->parts);
    fo_free(u);
}

static finops_code
part_note(local_upload *u, unsigned number, int64_t offset, size_t size, finops_error **err)
{
    bool grown;

    (void)pthread_mutex_lock(&u->lock);
    grown = fo_grow((void **)&u->parts, &u->cap, number, sizeof(*u->parts));
    if (grown) {
        for (; u->n < number; u->n++)
            u->parts[u->n] = (part){ .size = -1 };
        u->parts[number - 1] = (part){ .offset = offset, .size = (int64_t)size };
    }
    (void)pthread_mutex_unlock(&u->lock);
    return grown ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    local_upload *u = (local_upload *)upload;
    int64_t end;
    finops_code rc;

    if (number < 1 || number > PARTS_MAX || n > PART_MAX || offset < 0 ||
        __builtin_add_overflow(offset, (int64_t)n, &end))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u: a number, size or offset that cannot be",
                            number);
    if (u->stored.key)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload is finished");
    rc = local_new_write(&u->file, data, n, offset, call, err);
    return rc == FINOPS_OK ? part_note(u, number, offset, n, err) : rc;
}

/* That parts 1..n follow one another and come to this size. */
static finops_code
parts_check(const local_upload *u, unsigned n, int64_t size, finops_error **err)
{
    int64_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        if (i >= u->n || u->parts[i].size < 0)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u was never sent", i + 1);
        if (u->parts[i].offset != at)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u does not begin where the one before ends",
                                i + 1);
        at += u->parts[i].size;
    }
    if (at != size)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the parts come to %lld bytes, not %lld", (long long)at,
                            (long long)size);
    return FINOPS_OK;
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    local_upload *u = (local_upload *)upload;
    finops_code rc = fo_call_check(call, err);

    if (rc == FINOPS_OK && !u->stored.key) {
        u->put.put.call = call;
        rc = parts_check(u, parts, size, err);
        if (rc == FINOPS_OK && ftruncate(u->file.fd, size) != 0) /* a part sent again may be shorter */
            rc = local_error(u->file.l, errno, "write", u->file.key, err);
        if (rc == FINOPS_OK)
            rc = local_new_commit(&u->file, &u->put.put, &u->stored, err);
    }
    return rc == FINOPS_OK && ret ? finops_object_copy(&u->stored, ret, err) : rc;
}

finops_code
local_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    local_storage *l = self;
    local_upload *u;
    finops_code rc = local_meta_check(l, put, err);

    if (rc != FINOPS_OK)
        return rc;
    u = fo_zalloc(sizeof(*u));
    if (!u)
        return fo_error_oom(err);
    u->base = (finops_upload){ .min_part = 1,
                               .max_part = PART_MAX,
                               .max_parts = PARTS_MAX,
                               .part = upload_part,
                               .commit = upload_commit,
                               .close = upload_close };
    u->file = LOCAL_NEW_INIT;
    (void)pthread_mutex_init(&u->lock, NULL);
    rc = fo_put_copy_make(put, &u->put, err);
    if (rc == FINOPS_OK)
        rc = local_new_begin(l, put->key, put->call, &u->file, err);
    if (rc != FINOPS_OK) {
        upload_close(&u->base);
        return rc;
    }
    *ret = &u->base;
    return FINOPS_OK;
}
