/* Copying and moving: by the service, or through here with what was written looked at before anything goes.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "storage/front.h"
#include "storage/writer.h"

#define BUFFER ((size_t)1 << 20)

static finops_code
copy_check(const finops_copy *copy, finops_error **err)
{
    finops_code rc = fo_storage_key_check(copy->from, err);

    if (rc == FINOPS_OK)
        rc = fo_storage_key_check(copy->to, err);
    if (rc == FINOPS_OK && strcmp(copy->from, copy->to) == 0)
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "%s onto itself", copy->from);
    return rc;
}

finops_code
finops_storage_copy(finops_storage *storage, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    finops_code rc = copy_check(copy, err);

    if (rc == FINOPS_OK)
        rc = fo_stage_copy(&storage->stage, copy, ret, err);
    return fo_storage_wrap(storage, rc, "copy", copy->from, err);
}

/* ---- through here ---- */

static finops_code
fill(finops_reader *reader, void *room, size_t n, size_t *ret_n, finops_error **err)
{
    size_t done = 0, got = 1;
    finops_code rc = FINOPS_OK;

    while (rc == FINOPS_OK && done < n && got > 0) {
        rc = reader->read(reader, (char *)room + done, n - done, &got, err);
        done += rc == FINOPS_OK ? got : 0;
    }
    *ret_n = done;
    return rc;
}

static finops_code
pump(finops_reader *reader, finops_writer *writer, finops_error **err)
{
    FO_AUTO(fo_freep) char *buffer = NULL;
    finops_code rc = FINOPS_OK;
    int64_t left = reader->length;

    while (rc == FINOPS_OK && left > 0) {
        void *room = NULL;
        size_t n = 0;
        bool direct = fo_writer_space(writer, &room, &n, &rc, err);
        if (!direct && !buffer && !(buffer = fo_alloc(BUFFER)))
            return fo_error_oom(err);
        if (!direct) {
            room = buffer;
            n = BUFFER;
        }
        if (rc == FINOPS_OK)
            rc = fill(reader, room, (int64_t)n < left ? n : (size_t)left, &n, err);
        if (rc == FINOPS_OK && n == 0)
            return fo_error_set(err, FINOPS_E_TRANSIENT, "%" PRId64 " bytes are missing at the end", left);
        if (rc == FINOPS_OK && direct)
            fo_writer_advance(writer, n);
        else if (rc == FINOPS_OK)
            rc = writer->write(writer, room, n, err);
        left -= (int64_t)n;
    }
    return rc;
}

/* What the copy has of the original, unless the caller says something else. */
static finops_put
put_like(const finops_object *object, const finops_put *put, const finops_storage *to)
{
    finops_put like = *put;

    like.size = object->size;
    if (!like.content_type)
        like.content_type = object->content_type;
    if (!like.content_encoding)
        like.content_encoding = object->content_encoding;
    if (!like.cache_control)
        like.cache_control = object->cache_control;
    if (like.n_metadata == 0 && (finops_storage_features(to) & FINOPS_STORAGE_METADATA)) {
        like.metadata = object->metadata;
        like.n_metadata = object->n_metadata;
    }
    return like;
}

static finops_code
through_here(finops_storage *from, const finops_get *get, finops_storage *to, const finops_put *put,
             const finops_transfer *transfer, finops_object *ret, finops_error **err)
{
    finops_reader *reader = NULL;
    finops_writer *writer = NULL;
    finops_code rc = finops_storage_read(from, get, &reader, err);

    if (rc != FINOPS_OK)
        return rc;
    const finops_put like = put_like(&reader->object, put, to);
    rc = finops_storage_write(to, &like, transfer, &writer, err);
    if (rc == FINOPS_OK)
        rc = pump(reader, writer, err);
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, ret, err);
    if (writer)
        writer->close(writer);
    reader->close(reader);
    return rc;
}

finops_code
finops_storage_copy_to(finops_storage *from, const char *from_key, finops_storage *to, const finops_put *put,
                       const finops_transfer *transfer, finops_object *ret, finops_error **err)
{
    const finops_get get = { .key = from_key, .length = -1, .call = put->call };

    if (from == to && strcmp(from_key, put->key) == 0)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s onto itself", from_key);
    return through_here(from, &get, to, put, transfer, ret, err);
}

/* ---- moving ---- */

static finops_code
copy_any_way(finops_storage *storage, const finops_copy *move, finops_object *ret, finops_error **err)
{
    const finops_get get = {
        .key = move->from, .length = -1, .if_version = move->if_version, .call = move->call
    };
    const finops_put put = { .key = move->to, .create_only = move->create_only, .call = move->call };

    if (finops_storage_features(storage) & FINOPS_STORAGE_COPY)
        return fo_stage_copy(&storage->stage, move, ret, err);
    return through_here(storage, &get, storage, &put, NULL, ret, err);
}

/* The original goes only when the copy is seen to be as long, and with the same checksum where both tell. */
static finops_code
copy_is_whole(finops_storage *storage, const finops_object *before, const finops_copy *move,
              finops_error **err)
{
    FO_AUTO(finops_object_done) finops_object after = { 0 };
    finops_code rc = finops_storage_stat(storage, move->to, move->call, &after, err);

    if (rc != FINOPS_OK)
        return rc;
    bool same = after.size == before->size &&
                (!after.checksum || !before->checksum || strcmp(after.checksum, before->checksum) == 0);
    return same ? FINOPS_OK
                : fo_error_set(err, FINOPS_E_CORRUPT, "the copy %s is not what %s is; both are kept",
                               move->to, move->from);
}

static finops_code
move_by_copy(finops_storage *storage, const finops_copy *move, finops_error **err)
{
    FO_AUTO(finops_object_done) finops_object before = { 0 };
    finops_code rc = finops_storage_stat(storage, move->from, move->call, &before, err);

    if (rc == FINOPS_OK && move->if_version && !fo_streq(move->if_version, before.version))
        rc = fo_error_set(err, FINOPS_E_PRECONDITION, "%s is another version", move->from);
    if (rc != FINOPS_OK)
        return rc;
    finops_copy pinned = *move;
    pinned.if_version = before.version;
    rc = copy_any_way(storage, &pinned, NULL, err);
    if (rc == FINOPS_OK)
        rc = copy_is_whole(storage, &before, move, err);
    if (rc != FINOPS_OK)
        return rc;
    bool can = (finops_storage_features(storage) & FINOPS_STORAGE_REMOVE_IF) != 0;
    const finops_remove remove = { .key = move->from,
                                   .if_version = can ? before.version : NULL,
                                   .call = move->call };
    return finops_storage_delete_file(storage, &remove, err);
}

finops_code
finops_storage_move(finops_storage *storage, const finops_copy *move, finops_error **err)
{
    finops_code rc = copy_check(move, err);

    if (rc == FINOPS_OK && (finops_storage_features(storage) & FINOPS_STORAGE_MOVE))
        rc = fo_stage_move(&storage->stage, move, err);
    else if (rc == FINOPS_OK)
        rc = move_by_copy(storage, move, err);
    return fo_storage_wrap(storage, rc, "move", move->from, err);
}
