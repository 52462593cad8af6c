/* Uploads in parts: one file, written at the parts' offsets by any number of threads. */
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "storage/file_upload.h"
#include "storage/local/driver_internal.h"

typedef struct local_upload {
    fo_file_upload base;
    local_new file;
} local_upload;

static finops_code
upload_write(fo_file_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
             const finops_call *call, finops_error **err)
{
    (void)number;
    return local_new_write(&((local_upload *)upload)->file, data, n, offset, call, err);
}

static finops_code
upload_store(fo_file_upload *upload, const finops_put *put, int64_t size, finops_object *ret,
             finops_error **err)
{
    local_new *file = &((local_upload *)upload)->file;

    if (ftruncate(file->fd, size) != 0) /* a part sent again may be shorter */
        return local_error(file->l, errno, "write", file->key, err);
    return local_new_commit(file, put, ret, err);
}

static void
upload_done(fo_file_upload *upload)
{
    local_new_done(&((local_upload *)upload)->file);
}

finops_code
local_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    static const fo_file_upload_ops ops = { upload_write, upload_store, upload_done };
    local_storage *l = self;
    local_upload *u;
    finops_code rc = local_meta_check(l, put, err);

    if (rc != FINOPS_OK)
        return rc;
    u = fo_zalloc(sizeof(*u));
    if (!u)
        return fo_error_oom(err);
    u->file = LOCAL_NEW_INIT;
    rc = fo_file_upload_init(&u->base, &ops, put, err);
    if (rc == FINOPS_OK)
        rc = local_new_begin(l, put->key, put->call, &u->file, err);
    return fo_file_upload_begun(&u->base, rc, ret);
}
