/* Uploads in parts: one file, written at the parts' offsets by any number of threads. */
#include "base/mem.h"
#include "storage/file_upload.h"
#include "storage/sftp/driver_internal.h"

typedef struct sf_upload {
    fo_file_upload base;
    sf_new *file;
} sf_upload;

static finops_code
upload_write(fo_file_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
             const finops_call *call, finops_error **err)
{
    (void)number;
    return sf_new_write(((sf_upload *)upload)->file, data, n, offset, call, err);
}

static finops_code
upload_store(fo_file_upload *upload, const finops_put *put, int64_t size, finops_object *ret,
             finops_error **err)
{
    return sf_new_commit(((sf_upload *)upload)->file, put, size, ret, err);
}

static void
upload_done(fo_file_upload *upload)
{
    sf_new_free(((sf_upload *)upload)->file);
}

finops_code
sf_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    static const fo_file_upload_ops ops = { upload_write, upload_store, upload_done };
    sf_storage *s = self;
    sf_upload *u;
    finops_code rc = sf_put_check(s, put, err);

    if (rc != FINOPS_OK)
        return rc;
    u = fo_zalloc(sizeof(*u));
    if (!u)
        return fo_error_oom(err);
    rc = fo_file_upload_init(&u->base, &ops, put, err);
    if (rc == FINOPS_OK)
        rc = sf_new_begin(s, put->key, put->call, &u->file, err);
    return fo_file_upload_begun(&u->base, rc, ret);
}
