/* Which parts came, and that a commit that is repeated tells what the first one stored. */
#include "storage/file_upload.h"

#include <assert.h>

#include "base/mem.h"
#include "storage/object.h"

#define PARTS_MAX 100000
#define PART_MAX ((size_t)5 << 30)

/* ---- parts ---- */

struct fo_part {
    int64_t offset;
    int64_t size; /* negative: not sent */
};

static void
parts_init(fo_parts *parts)
{
    *parts = (fo_parts){ 0 };
    (void)pthread_mutex_init(&parts->lock, NULL);
}

static void
parts_done(fo_parts *parts)
{
    (void)pthread_mutex_destroy(&parts->lock);
    fo_free(parts->items);
}

static finops_code
part_check(unsigned number, int64_t offset, size_t n, finops_error **err)
{
    int64_t end;

    if (number < 1 || number > PARTS_MAX || n > PART_MAX || offset < 0 ||
        __builtin_add_overflow(offset, (int64_t)n, &end))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u: a number, size or offset that cannot be",
                            number);
    return FINOPS_OK;
}

static finops_code
parts_note(fo_parts *parts, unsigned number, int64_t offset, size_t n, finops_error **err)
{
    bool grown;

    (void)pthread_mutex_lock(&parts->lock);
    grown = fo_grow((void **)&parts->items, &parts->cap, number, sizeof(*parts->items));
    if (grown) {
        for (; parts->n < number; parts->n++)
            parts->items[parts->n] = (fo_part){ .size = -1 };
        parts->items[number - 1] = (fo_part){ .offset = offset, .size = (int64_t)n };
    }
    (void)pthread_mutex_unlock(&parts->lock);
    return grown ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
parts_check(const fo_parts *parts, unsigned n, int64_t size, finops_error **err)
{
    int64_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        if (i >= parts->n || parts->items[i].size < 0)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u was never sent", i + 1);
        if (parts->items[i].offset != at)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u does not begin where the one before ends",
                                i + 1);
        at += parts->items[i].size;
    }
    if (at != size)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the parts come to %lld bytes, not %lld", (long long)at,
                            (long long)size);
    return FINOPS_OK;
}

/* ---- uploads ---- */

static void
upload_close(finops_upload *upload)
{
    fo_file_upload *u = (fo_file_upload *)upload;

    u->ops->done(u);
    finops_object_done(&u->stored);
    fo_put_copy_done(&u->put);
    parts_done(&u->parts);
    fo_free(u);
}

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    fo_file_upload *u = (fo_file_upload *)upload;
    finops_code rc = part_check(number, offset, n, err);

    if (rc == FINOPS_OK && u->stored.key)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload is finished");
    if (rc == FINOPS_OK)
        rc = u->ops->write(u, number, offset, data, n, call, err);
    return rc == FINOPS_OK ? parts_note(&u->parts, number, offset, n, err) : rc;
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    fo_file_upload *u = (fo_file_upload *)upload;
    finops_code rc = fo_call_check(call, err);

    if (rc == FINOPS_OK && !u->stored.key) {
        u->put.put.call = call;
        rc = parts_check(&u->parts, parts, size, err);
        if (rc == FINOPS_OK)
            rc = u->ops->store(u, &u->put.put, size, &u->stored, err);
    }
    return rc == FINOPS_OK && ret ? finops_object_copy(&u->stored, ret, err) : rc;
}

finops_code
fo_file_upload_init(fo_file_upload *u, const fo_file_upload_ops *ops, const finops_put *put,
                    finops_error **err)
{
    assert(ops->write && ops->store && ops->done);

    u->base = (finops_upload){ .min_part = 1,
                               .max_part = PART_MAX,
                               .max_parts = PARTS_MAX,
                               .part = upload_part,
                               .commit = upload_commit,
                               .close = upload_close };
    u->ops = ops;
    parts_init(&u->parts);
    return fo_put_copy_make(put, &u->put, err);
}

finops_code
fo_file_upload_begun(fo_file_upload *u, finops_code rc, finops_upload **ret)
{
    if (rc == FINOPS_OK)
        *ret = &u->base;
    else
        u->base.close(&u->base);
    return rc;
}
