/*
 * Writing compressed. The first frame of a stream decides whether it is worth it: what does not become
 * smaller is stored as it is.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "storage/layers/compress_internal.h"
#include "storage/put_copy.h"

#define PACKED_MAX ((size_t)1 << 40)

/* ---- what is compressed ---- */

static bool
looks_compressed(const uint8_t *p, size_t n)
{
    static const struct {
        const char *bytes;
        size_t n;
    } begins[] = { { "\x1f\x8b", 2 },
                   { "\x28\xb5\x2f\xfd", 4 },
                   { "PAR1", 4 },
                   { "PK\x03\x04", 4 },
                   { "BZh", 3 },
                   { "\xfd"
                     "7zXZ",
                     5 },
                   { "\x04\x22\x4d\x18", 4 },
                   { "7z\xbc\xaf", 4 },
                   { "\x89PNG", 4 },
                   { "\xff\xd8\xff", 3 } };

    for (size_t i = 0; i < FO_COUNT(begins); i++)
        if (n >= begins[i].n && memcmp(p, begins[i].bytes, begins[i].n) == 0)
            return true;
    return false;
}

static bool
type_is_compressed(const char *type)
{
    static const char *const types[] = { "image/",
                                         "video/",
                                         "audio/",
                                         "application/gzip",
                                         "application/x-gzip",
                                         "application/zstd",
                                         "application/zip",
                                         "application/vnd.apache.parquet",
                                         "application/x-parquet",
                                         "application/x-bzip2",
                                         "application/x-xz" };

    for (size_t i = 0; type && i < FO_COUNT(types); i++)
        if (fo_starts(type, types[i]))
            return true;
    return false;
}

/* By name and type alone. */
static bool
is_left_alone(const finops_put *put)
{
    return fo_compress_passes(put->key) || type_is_compressed(put->content_type) ||
           (put->content_encoding && *put->content_encoding && !fo_streq(put->content_encoding, "identity"));
}

/* What begins like one of ours would be read as one: it is compressed whatever it is. */
static bool
must(const uint8_t *p, size_t n)
{
    int64_t size;

    return fo_head_read(p, n, &size) != FO_CODEC_NONE;
}

/* ---- metadata ---- */

typedef struct told_put {
    finops_put put;
    finops_metadata *metadata;
    char size[24];
} told_put;

static finops_code
tell(const fo_compress_self *self, const finops_put *put, int64_t plain, int64_t stored, told_put *ret,
     finops_error **err)
{
    size_t n = put->n_metadata;

    *ret = (told_put){ .put = *put };
    ret->put.size = stored;
    if (!(fo_stage_features(&self->pass.below) & FINOPS_STORAGE_METADATA))
        return FINOPS_OK;
    ret->metadata = fo_array(n + 2, sizeof(*ret->metadata));
    if (!ret->metadata)
        return fo_error_oom(err);
    if (n > 0)
        memcpy(ret->metadata, put->metadata, n * sizeof(*ret->metadata));
    ret->metadata[n++] = (finops_metadata){ FO_CODEC_NAME, self->codec == FO_CODEC_GZIP ? "gzip" : "zstd" };
    if (plain >= 0) {
        (void)snprintf(ret->size, sizeof(ret->size), "%" PRId64, plain);
        ret->metadata[n++] = (finops_metadata){ FO_CODEC_SIZE, ret->size };
    }
    ret->put.metadata = ret->metadata;
    ret->put.n_metadata = n;
    return FINOPS_OK;
}

/* ---- whole objects ---- */

static finops_code
pack(const fo_compress_self *self, const uint8_t *data, size_t n, fo_str *to, finops_error **err)
{
    fo_packer *packer = NULL;
    fo_frames frames = { 0 };
    finops_code rc = fo_packer_new(self->codec, self->level, &packer, err);

    fo_head_add(self->codec, (int64_t)n, to);
    for (size_t at = 0; rc == FINOPS_OK && at < n; at += FO_FRAME) {
        size_t part = n - at < FO_FRAME ? n - at : FO_FRAME, before = to->len;
        rc = fo_packer_frame(packer, data + at, part, to, err);
        if (rc == FINOPS_OK)
            rc = fo_frames_add(&frames, (fo_frame){ (uint32_t)(to->len - before), (uint32_t)part }, err);
    }
    fo_frames_add_table(self->codec, &frames, to);
    fo_packer_free(packer);
    fo_frames_done(&frames);
    return rc == FINOPS_OK && !fo_str_ok(to) ? fo_error_oom(err) : rc;
}

static finops_code
put_packed(fo_compress_self *self, const finops_put *put, const fo_str *packed, size_t n, finops_object *ret,
           finops_error **err)
{
    told_put told;
    finops_code rc = tell(self, put, (int64_t)n, (int64_t)packed->len, &told, err);

    if (rc == FINOPS_OK)
        rc = FO_BELOW(self, put)(FO_SELF(self), &told.put, packed->data, packed->len, ret, err);
    fo_free(told.metadata);
    if (rc == FINOPS_OK && ret)
        fo_compress_show(ret, (int64_t)n);
    return rc;
}

finops_code
fo_compress_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                finops_error **err)
{
    fo_compress_self *c = self;
    FO_AUTO(fo_str_done) fo_str packed = FO_STR_MAX(PACKED_MAX);
    bool forced = !fo_compress_passes(put->key) && must(data, n);
    finops_code rc;

    if (!forced && (is_left_alone(put) || n < c->min_size || looks_compressed(data, n)))
        return FO_BELOW(c, put)(FO_SELF(c), put, data, n, ret, err);
    rc = pack(c, data, n, &packed, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!forced && packed.len >= n)
        return FO_BELOW(c, put)(FO_SELF(c), put, data, n, ret, err);
    return put_packed(c, put, &packed, n, ret, err);
}

/* ---- streams ---- */

typedef struct pack_writer {
    finops_writer base;
    fo_compress_self *layer;
    fo_put_copy put;
    finops_writer *below; /* NULL: not decided yet */
    fo_packer *packer;    /* NULL: it is stored as it is */
    fo_frames frames;
    fo_str packed;
    int64_t written;
    size_t n; /* of room */
    uint8_t room[FO_FRAME];
} pack_writer;

static finops_code
send_packed(pack_writer *w, finops_error **err)
{
    finops_code rc;

    if (!fo_str_ok(&w->packed))
        return fo_error_oom(err);
    rc = w->below->write(w->below, w->packed.data, w->packed.len, err);
    fo_str_clear(&w->packed);
    return rc;
}

static finops_code
pack_frame(pack_writer *w, finops_error **err)
{
    size_t before = w->packed.len;
    finops_code rc = w->n > 0 ? fo_packer_frame(w->packer, w->room, w->n, &w->packed, err) : FINOPS_OK;

    if (rc == FINOPS_OK && w->n > 0)
        rc = fo_frames_add(&w->frames, (fo_frame){ (uint32_t)(w->packed.len - before), (uint32_t)w->n }, err);
    w->n = 0;
    return rc;
}

static finops_code
open_below(pack_writer *w, bool packed, finops_error **err)
{
    const finops_put *put = &w->put.put;
    told_put told = { .put = *put };
    finops_code rc = packed ? tell(w->layer, put, put->size, -1, &told, err) : FINOPS_OK;

    if (rc == FINOPS_OK)
        rc = fo_stage_write(&w->layer->pass.below, &told.put, NULL, &w->below, err);
    fo_free(told.metadata);
    return rc;
}

/* The first frame is there: is it worth it? */
static finops_code
decide(pack_writer *w, finops_error **err)
{
    const finops_put *put = &w->put.put;
    size_t n = w->n;
    finops_code rc = fo_packer_new(w->layer->codec, w->layer->level, &w->packer, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_head_add(w->layer->codec, put->size, &w->packed);
    rc = pack_frame(w, err);
    if (rc == FINOPS_OK && !must(w->room, n) && (looks_compressed(w->room, n) || w->packed.len >= n)) {
        fo_packer_free(FO_TAKE(w->packer));
        fo_str_clear(&w->packed);
        rc = open_below(w, false, err);
        return rc == FINOPS_OK ? w->below->write(w->below, w->room, n, err) : rc;
    }
    if (rc == FINOPS_OK)
        rc = open_below(w, true, err);
    return rc == FINOPS_OK ? send_packed(w, err) : rc;
}

static finops_code
full(pack_writer *w, finops_error **err)
{
    finops_code rc;

    if (!w->below)
        return decide(w, err);
    if (w->packer) {
        rc = pack_frame(w, err);
        return rc == FINOPS_OK ? send_packed(w, err) : rc;
    }
    rc = w->below->write(w->below, w->room, w->n, err);
    w->n = 0;
    return rc;
}

static finops_code
writer_write(finops_writer *writer, const void *data, size_t n, finops_error **err)
{
    pack_writer *w = (pack_writer *)writer;
    const uint8_t *from = data;
    int64_t size = w->put.put.size;

    if (size >= 0 && (uint64_t)n > (uint64_t)(size - w->written))
        return fo_error_set(err, FINOPS_E_DATA, "%s: more bytes came than the %" PRId64 " that were promised",
                            w->put.put.key, size);
    w->written += (int64_t)n;
    while (n > 0) {
        size_t part = FO_FRAME - w->n < n ? FO_FRAME - w->n : n;
        memcpy(w->room + w->n, from, part);
        w->n += part;
        from += part;
        n -= part;
        if (w->n == FO_FRAME) {
            finops_code rc = full(w, err);
            if (rc != FINOPS_OK)
                return rc;
            w->n = 0;
        }
    }
    return FINOPS_OK;
}

static finops_code
writer_commit(finops_writer *writer, finops_object *ret, finops_error **err)
{
    pack_writer *w = (pack_writer *)writer;
    int64_t size = w->put.put.size;
    finops_code rc = FINOPS_OK;

    if (size >= 0 && w->written != size)
        return fo_error_set(err, FINOPS_E_DATA, "%s: %" PRId64 " bytes came of the %" PRId64 " promised",
                            w->put.put.key, w->written, size);
    if (!w->below) { /* small enough to be one */
        w->put.put.size = w->written;
        return fo_compress_put(w->layer, &w->put.put, w->room, w->n, ret, err);
    }
    if (w->n > 0)
        rc = full(w, err);
    if (rc == FINOPS_OK && w->packer) {
        fo_frames_add_table(w->layer->codec, &w->frames, &w->packed);
        rc = send_packed(w, err);
    }
    if (rc == FINOPS_OK)
        rc = w->below->commit(w->below, ret, err);
    if (rc == FINOPS_OK && ret)
        fo_compress_show(ret, w->written);
    return rc;
}

static void
writer_close(finops_writer *writer)
{
    pack_writer *w = (pack_writer *)writer;

    if (!w)
        return;
    if (w->below)
        w->below->close(w->below);
    fo_packer_free(w->packer);
    fo_frames_done(&w->frames);
    fo_str_done(&w->packed);
    fo_put_copy_done(&w->put);
    fo_free(w);
}

finops_code
fo_compress_write(void *self, const finops_put *put, finops_writer **ret, finops_error **err)
{
    fo_compress_self *c = self;
    pack_writer *w;
    finops_code rc;

    if (is_left_alone(put))
        return fo_stage_write(&c->pass.below, put, NULL, ret, err);
    w = fo_zalloc(sizeof(*w));
    if (!w)
        return fo_error_oom(err);
    w->base = (finops_writer){ .write = writer_write, .commit = writer_commit, .close = writer_close };
    w->layer = c;
    w->packed = FO_STR_MAX(PACKED_MAX);
    rc = fo_put_copy_make(put, &w->put, err);
    if (rc == FINOPS_OK)
        *ret = &w->base;
    else
        writer_close(&w->base);
    return rc;
}
