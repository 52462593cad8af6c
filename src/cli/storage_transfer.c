/*
 * One object from a place to another: by the service, from or to a file in parts at once, or through here.
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/storage.h"

static finops_code
to_file(const fo_transfer_job *job, finops_object *ret, finops_error **err)
{
    const finops_get get = { .key = job->from_key, .length = -1, .call = job->call };
    const finops_transfer transfer = { .durable = job->move, .size = job->size > 0 ? job->size : 0 };
    FO_AUTO(fo_freep) char *file = fo_path_join(job->to->root, job->to_key);
    finops_code rc;

    if (!file)
        return fo_error_oom(err);
    if (!fo_path_is_below(job->to_key))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s cannot be the path of a file", job->to_key);
    rc = fo_mkdirs_for(file, err);
    if (rc == FINOPS_OK)
        rc = finops_storage_download_file(job->from->storage, &get, file, &transfer, ret, err);
    return rc;
}

static finops_put
put_of(const fo_transfer_job *job)
{
    return (finops_put){ .key = job->to_key,
                         .size = -1,
                         .content_type = job->content_type,
                         .metadata = job->metadata,
                         .n_metadata = job->n_metadata,
                         .create_only = job->create_only,
                         .call = job->call };
}

static finops_code
from_file(const fo_transfer_job *job, finops_object *ret, finops_error **err)
{
    const finops_put put = put_of(job);
    FO_AUTO(fo_freep) char *file = fo_path_join(job->from->root, job->from_key);

    return file ? finops_storage_upload_file(job->to->storage, file, &put, NULL, ret, err)
                : fo_error_oom(err);
}

static bool
says_something(const fo_transfer_job *job)
{
    return job->content_type || job->n_metadata > 0;
}

static finops_code
copy_object(const fo_transfer_job *job, finops_object *ret, finops_error **err)
{
    const fo_spot *from = job->from, *to = job->to;
    bool same = from->storage == to->storage;

    if (same && !says_something(job) && (finops_storage_features(to->storage) & FINOPS_STORAGE_COPY)) {
        const finops_copy copy = {
            .from = job->from_key, .to = job->to_key, .create_only = job->create_only, .call = job->call
        };
        return finops_storage_copy(to->storage, &copy, ret, err);
    }
    if (to->root && !from->root && !job->create_only)
        return to_file(job, ret, err);
    if (from->root && !to->root)
        return from_file(job, ret, err);
    const finops_put put = put_of(job);
    return finops_storage_copy_to(from->storage, job->from_key, to->storage, &put, NULL, ret, err);
}

/* The original goes only when the copy is seen to be whole, and when it is still what was copied. */
static finops_code
move_object(const fo_transfer_job *job, finops_object *ret, finops_error **err)
{
    FO_AUTO(finops_object_done) finops_object before = { 0 }, after = { 0 };
    finops_storage *from = job->from->storage;
    finops_code rc = finops_storage_stat(from, job->from_key, job->call, &before, err);

    if (rc == FINOPS_OK)
        rc = copy_object(job, ret, err);
    if (rc == FINOPS_OK)
        rc = finops_storage_stat(job->to->storage, job->to_key, job->call, &after, err);
    if (rc != FINOPS_OK)
        return rc;
    if (after.size != before.size ||
        (after.checksum && before.checksum && fo_starts(after.checksum, "crc64nvme:") &&
         fo_starts(before.checksum, "crc64nvme:") && strcmp(after.checksum, before.checksum) != 0))
        return fo_error_set(err, FINOPS_E_CORRUPT, "the copy %s is not what %s is; both are kept",
                            job->to_key, job->from_key);
    bool can = (finops_storage_features(from) & FINOPS_STORAGE_REMOVE_IF) != 0;
    const finops_remove remove = { .key = job->from_key,
                                   .if_version = can ? before.version : NULL,
                                   .call = job->call };
    return finops_storage_delete_file(from, &remove, err);
}

finops_code
fo_transfer_object(const fo_transfer_job *job, int64_t *ret_size, finops_error **err)
{
    FO_AUTO(finops_object_done) finops_object object = { .size = -1 };
    finops_code rc;

    if (!job->move)
        rc = copy_object(job, &object, err);
    else if (job->from->storage != job->to->storage)
        rc = move_object(job, &object, err);
    else {
        const finops_copy move = {
            .from = job->from_key, .to = job->to_key, .create_only = job->create_only, .call = job->call
        };
        rc = finops_storage_move(job->to->storage, &move, err);
    }
    if (rc == FINOPS_OK && ret_size)
        *ret_size = object.size >= 0 ? object.size : job->size;
    return rc;
}
