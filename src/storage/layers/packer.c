/* Frames by ISA-L (gzip) and libzstd. */
#include <assert.h>
#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include "base/mem.h"
#include "engine/inflate.h"
#include "storage/layers/frames.h"

#define INPUT 65536
#define WINDOW_LOG_MAX                                                                                       \
    21 /* of a frame of ours; a larger one would be memory that somebody else decides on                     \
        */
#define GZIP_ROOM (FO_FRAME + FO_FRAME / 8 + 1024)

struct fo_packer {
    fo_codec codec;
    int level;
    ZSTD_CCtx *zstd;
    uint8_t *room;
    size_t room_size;
    uint8_t *level_buf;
};

void
fo_packer_free(fo_packer *p)
{
    if (!p)
        return;
    (void)ZSTD_freeCCtx(p->zstd);
    fo_free(p->room);
    fo_free(p->level_buf);
    fo_free(p);
}

finops_code
fo_packer_new(fo_codec codec, int level, fo_packer **ret, finops_error **err)
{
    fo_packer *p = fo_zalloc(sizeof(*p));

    if (!p)
        return fo_error_oom(err);
    p->codec = codec;
    p->level = level;
    p->room_size = codec == FO_CODEC_GZIP ? GZIP_ROOM : ZSTD_compressBound(FO_FRAME);
    p->room = fo_alloc(p->room_size);
    if (codec == FO_CODEC_ZSTD)
        p->zstd = ZSTD_createCCtx();
    else
        p->level_buf = fo_alloc(ISAL_DEF_LVL1_DEFAULT);
    if (!p->room || (!p->zstd && !p->level_buf)) {
        fo_packer_free(p);
        return fo_error_oom(err);
    }
    if (p->zstd) {
        (void)ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level);
        (void)ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1);
    }
    *ret = p;
    return FINOPS_OK;
}

static finops_code
gzip_frame(fo_packer *p, const void *data, size_t n, fo_str *to, finops_error **err)
{
    struct isal_zstream stream;

    isal_deflate_init(&stream);
    stream.level = 1;
    stream.level_buf = p->level_buf;
    stream.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
    stream.gzip_flag = IGZIP_GZIP;
    stream.end_of_stream = 1;
    stream.next_in = (uint8_t *)(uintptr_t)data;
    stream.avail_in = (uint32_t)n;
    stream.next_out = p->room;
    stream.avail_out = (uint32_t)p->room_size;
    if (isal_deflate(&stream) != COMP_OK || stream.avail_in > 0 || stream.internal_state.state != ZSTATE_END)
        return fo_error_set(err, FINOPS_E_INTERNAL, "gzip of %zu bytes found no room", n);
    fo_str_addn(to, (const char *)p->room, stream.total_out);
    return FINOPS_OK;
}

finops_code
fo_packer_frame(fo_packer *p, const void *data, size_t n, fo_str *to, finops_error **err)
{
    size_t size;

    assert(n > 0 && n <= FO_FRAME);
    if (p->codec == FO_CODEC_GZIP)
        return gzip_frame(p, data, n, to, err);
    size = ZSTD_compress2(p->zstd, p->room, p->room_size, data, n);
    if (ZSTD_isError(size))
        return fo_error_set(err, FINOPS_E_INTERNAL, "zstd of %zu bytes: %s", n, ZSTD_getErrorName(size));
    fo_str_addn(to, (const char *)p->room, size);
    return FINOPS_OK;
}

/* ---- and back ---- */

struct fo_unpacker {
    fo_inflate *gzip;
    ZSTD_DCtx *zstd;
    fo_unpacker_source source;
    void *arg;
    ZSTD_inBuffer in;
    bool ended, within; /* the source; a frame */
    uint8_t *input;
};

void
fo_unpacker_free(fo_unpacker *u)
{
    if (!u)
        return;
    fo_inflate_free(u->gzip);
    (void)ZSTD_freeDCtx(u->zstd);
    fo_free(u->input);
    fo_free(u);
}

finops_code
fo_unpacker_new(fo_codec codec, fo_unpacker_source source, void *arg, fo_unpacker **ret, finops_error **err)
{
    fo_unpacker *u = fo_zalloc(sizeof(*u));

    if (!u)
        return fo_error_oom(err);
    u->source = source;
    u->arg = arg;
    if (codec == FO_CODEC_GZIP) {
        u->gzip = fo_inflate_new(source, arg, INPUT);
    } else {
        u->zstd = ZSTD_createDCtx();
        u->input = fo_alloc(INPUT);
    }
    if (!u->gzip && (!u->zstd || !u->input)) {
        fo_unpacker_free(u);
        return fo_error_oom(err);
    }
    if (u->zstd)
        (void)ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    *ret = u;
    return FINOPS_OK;
}

static finops_code
fill(fo_unpacker *u, finops_error **err)
{
    size_t n = 0;
    finops_code rc;

    if (u->in.pos < u->in.size || u->ended)
        return FINOPS_OK;
    rc = u->source(u->arg, u->input, INPUT, &n, err);
    if (rc != FINOPS_OK)
        return rc;
    u->ended = n == 0;
    u->in = (ZSTD_inBuffer){ .src = u->input, .size = n };
    return FINOPS_OK;
}

/* What is ready inside comes first, then what is in the input, then the source is asked. */
static finops_code
zstd_read(fo_unpacker *u, ZSTD_outBuffer *out, finops_error **err)
{
    while (out->pos == 0) {
        finops_code rc;
        if (u->in.pos < u->in.size || u->within) {
            size_t left = ZSTD_decompressStream(u->zstd, out, &u->in);
            if (ZSTD_isError(left))
                return fo_error_set(err, FINOPS_E_CORRUPT, "zstd data is damaged: %s",
                                    ZSTD_getErrorName(left));
            u->within = left > 0;
        }
        if (out->pos > 0 || u->in.pos < u->in.size)
            continue;
        if (u->ended && u->within)
            return fo_error_set(err, FINOPS_E_CORRUPT, "zstd data ends in the middle");
        if (u->ended)
            return FINOPS_OK;
        rc = fill(u, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

finops_code
fo_unpacker_read(fo_unpacker *u, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    ZSTD_outBuffer out = { .dst = buffer, .size = n };
    finops_code rc;

    if (u->gzip)
        return fo_inflate_read(u->gzip, buffer, n, ret_n, err);
    rc = zstd_read(u, &out, err);
    if (rc == FINOPS_OK)
        *ret_n = out.pos;
    return rc;
}
