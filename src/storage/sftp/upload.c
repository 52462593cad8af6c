/* Uploads in parts: one file, written at the parts' offsets by any number of threads. */
#include "base/mem.h"
#include "storage/object.h"
#include "storage/parts.h"
#include "storage/put_copy.h"
#include "storage/sftp/driver_internal.h"

typedef struct sf_upload {
    finops_upload base;
    sf_new *file;
    fo_put_copy put;
    fo_parts parts;
    finops_object stored; /* by a commit; its key is NULL before */
} sf_upload;

static void
upload_close(finops_upload *upload)
{
    sf_upload *u = (sf_upload *)upload;

    sf_new_free(u->file);
    finops_object_done(&u->stored);
    fo_put_copy_done(&u->put);
    fo_parts_done(&u->parts);
    fo_free(u);
}

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    sf_upload *u = (sf_upload *)upload;
    finops_code rc = fo_parts_check_one(number, offset, n, err);

    if (rc == FINOPS_OK && u->stored.key)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload is finished");
    if (rc == FINOPS_OK)
        rc = sf_new_write(u->file, data, n, offset, call, err);
    return rc == FINOPS_OK ? fo_parts_note(&u->parts, number, offset, n, err) : rc;
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    sf_upload *u = (sf_upload *)upload;
    finops_code rc = fo_call_check(call, err);

    if (rc == FINOPS_OK && !u->stored.key) {
        u->put.put.call = call;
        rc = fo_parts_check(&u->parts, parts, size, err);
        if (rc == FINOPS_OK)
            rc = sf_new_commit(u->file, &u->put.put, size, &u->stored, err);
    }
    return rc == FINOPS_OK && ret ? finops_object_copy(&u->stored, ret, err) : rc;
}

finops_code
sf_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    sf_storage *s = self;
    sf_upload *u;
    finops_code rc = sf_put_check(s, put, err);

    if (rc != FINOPS_OK)
        return rc;
    u = fo_zalloc(sizeof(*u));
    if (!u)
        return fo_error_oom(err);
    u->base = (finops_upload){ .min_part = 1,
                               .max_part = FO_PART_MAX,
                               .max_parts = FO_PARTS_MAX,
                               .part = upload_part,
                               .commit = upload_commit,
                               .close = upload_close };
    fo_parts_init(&u->parts);
    rc = fo_put_copy_make(put, &u->put, err);
    if (rc == FINOPS_OK)
        rc = sf_new_begin(s, put->key, put->call, &u->file, err);
    if (rc != FINOPS_OK) {
        upload_close(&u->base);
        return rc;
    }
    *ret = &u->base;
    return FINOPS_OK;
}
