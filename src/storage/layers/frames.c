/* Heads and tables. RFC 1952 has gzip's extra fields; numbers are little endian in both formats. */
#include "storage/layers/frames.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

static const char word[8] = "finops1";

#define ZSTD_SKIPPABLE_HEAD 0x184D2A50u
#define ZSTD_SKIPPABLE_TABLE 0x184D2A5Eu
#define ZSTD_SEEKABLE 0x8F92EAB1u
#define ZSTD_HEAD 24u
#define ZSTD_FOOTER 9u
#define GZIP_HEAD 42u           /* also the size of the last member */
#define GZIP_EXTRA 16u          /* where the extra field's bytes begin */
#define GZIP_OVER 26u           /* of an empty member with an extra field, besides it */
#define GZIP_TABLE_FRAMES 8000u /* of one member: an extra field has 65,535 bytes at most */
#define FRAMES_MAX ((size_t)1 << 26)

/* ---- numbers ---- */

static void
put32(fo_str *to, uint32_t n)
{
    for (unsigned i = 0; i < 4; i++)
        fo_str_addc(to, (char)(n >> 8 * i));
}

static void
put64(fo_str *to, uint64_t n)
{
    put32(to, (uint32_t)n);
    put32(to, (uint32_t)(n >> 32));
}

static uint32_t
get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t
get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

/* ---- lists of frames ---- */

void
fo_frames_done(fo_frames *frames)
{
    fo_free(frames->items);
    *frames = (fo_frames){ 0 };
}

finops_code
fo_frames_add(fo_frames *frames, fo_frame frame, finops_error **err)
{
    void *items = frames->items;

    if (!fo_grow(&items, &frames->cap, frames->n + 1, sizeof(*frames->items)))
        return fo_error_oom(err);
    frames->items = items;
    frames->items[frames->n++] = frame;
    return FINOPS_OK;
}

uint64_t
fo_frames_plain(const fo_frames *frames)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < frames->n; i++)
        sum += frames->items[i].plain;
    return sum;
}

static uint64_t
frames_stored(const fo_frames *frames)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < frames->n; i++)
        sum += frames->items[i].stored;
    return sum;
}

/* ---- heads ---- */

/* An empty member up to its extra field of n bytes, of which the first four are the name and the rest's size.
 */
static void
gzip_begin(fo_str *to, const char name[2], size_t n)
{
    static const char fixed[] = { 0x1f, (char)0x8b, 8, 4, 0, 0, 0, 0, 0, (char)0xff };

    fo_str_addn(to, fixed, sizeof(fixed));
    fo_str_addc(to, (char)(n + 4));
    fo_str_addc(to, (char)((n + 4) >> 8));
    fo_str_addn(to, name, 2);
    fo_str_addc(to, (char)n);
    fo_str_addc(to, (char)(n >> 8));
}

static void
gzip_end(fo_str *to)
{
    static const char empty[10] = { 3, 0 };

    fo_str_addn(to, empty, sizeof(empty));
}

size_t
fo_head_size(fo_codec codec)
{
    return codec == FO_CODEC_GZIP ? GZIP_HEAD : ZSTD_HEAD;
}

void
fo_head_add(fo_codec codec, int64_t size, fo_str *to)
{
    if (codec == FO_CODEC_GZIP) {
        gzip_begin(to, "FO", 16);
    } else {
        put32(to, ZSTD_SKIPPABLE_HEAD);
        put32(to, 16);
    }
    fo_str_addn(to, word, sizeof(word));
    put64(to, (uint64_t)(size < 0 ? -1 : size));
    if (codec == FO_CODEC_GZIP)
        gzip_end(to);
}

fo_codec
fo_head_read(const void *bytes, size_t n, int64_t *ret_size)
{
    static const uint8_t gzip[4] = { 0x1f, 0x8b, 8, 4 }, zstd[4] = { 0x50, 0x2a, 0x4d, 0x18 };
    FO_AUTO(fo_str_done) fo_str like = FO_STR_INIT;

    if (n < 4 || (memcmp(bytes, gzip, 4) != 0 && memcmp(bytes, zstd, 4) != 0))
        return FO_CODEC_NONE;
    for (fo_codec codec = FO_CODEC_GZIP; codec <= FO_CODEC_ZSTD; codec++) {
        size_t size = fo_head_size(codec), at = codec == FO_CODEC_GZIP ? GZIP_EXTRA + 8 : 16;
        const uint8_t *number = (const uint8_t *)bytes + at;
        if (n < size)
            continue;
        fo_str_clear(&like);
        fo_head_add(codec, (int64_t)get64(number), &like);
        if (!fo_str_ok(&like) || (int64_t)get64(number) < -1 || memcmp(bytes, like.data, size) != 0)
            continue;
        *ret_size = (int64_t)get64(number);
        return codec;
    }
    return FO_CODEC_NONE;
}

/* ---- tables ---- */

static void
gzip_table(const fo_frames *frames, fo_str *to)
{
    size_t begin = to->len;

    for (size_t i = 0; i < frames->n; i++) {
        size_t left = frames->n - i;
        if (i % GZIP_TABLE_FRAMES == 0)
            gzip_begin(to, "FT", 8 * (left < GZIP_TABLE_FRAMES ? left : GZIP_TABLE_FRAMES));
        put32(to, frames->items[i].stored);
        put32(to, frames->items[i].plain);
        if (i % GZIP_TABLE_FRAMES == GZIP_TABLE_FRAMES - 1 || left == 1)
            gzip_end(to);
    }
    begin = to->len - begin;
    gzip_begin(to, "FE", 16);
    fo_str_addn(to, word, sizeof(word));
    put32(to, (uint32_t)frames->n);
    put32(to, (uint32_t)begin);
    gzip_end(to);
}

/* The head is a frame of the seekable format, of no bytes. */
static void
zstd_table(const fo_frames *frames, fo_str *to)
{
    put32(to, ZSTD_SKIPPABLE_TABLE);
    put32(to, (uint32_t)(8 * (frames->n + 1) + ZSTD_FOOTER));
    put32(to, ZSTD_HEAD);
    put32(to, 0);
    for (size_t i = 0; i < frames->n; i++) {
        put32(to, frames->items[i].stored);
        put32(to, frames->items[i].plain);
    }
    put32(to, (uint32_t)(frames->n + 1));
    fo_str_addc(to, 0);
    put32(to, ZSTD_SEEKABLE);
}

void
fo_frames_add_table(fo_codec codec, const fo_frames *frames, fo_str *to)
{
    assert(codec != FO_CODEC_NONE);
    if (codec == FO_CODEC_GZIP)
        gzip_table(frames, to);
    else
        zstd_table(frames, to);
}

static finops_code
get_frames(const uint8_t *p, size_t n, fo_frames *ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < n && rc == FINOPS_OK; i++, p += 8)
        rc = fo_frames_add(ret, (fo_frame){ get32(p), get32(p + 4) }, err);
    return rc;
}

static size_t
gzip_table_size(size_t frames)
{
    return 8 * frames + GZIP_OVER * (frames / GZIP_TABLE_FRAMES + (frames % GZIP_TABLE_FRAMES != 0));
}

/* Frames and bytes of the table, last member included; 0 when this is no end of one. */
static size_t
gzip_tail(const uint8_t *tail, size_t n, size_t *ret_frames)
{
    FO_AUTO(fo_str_done) fo_str like = FO_STR_INIT;
    const uint8_t *end = tail + n - GZIP_HEAD;

    if (n < GZIP_HEAD)
        return 0;
    gzip_begin(&like, "FE", 16);
    fo_str_addn(&like, word, sizeof(word));
    if (!fo_str_ok(&like) || memcmp(end, like.data, like.len) != 0)
        return 0;
    *ret_frames = get32(end + GZIP_EXTRA + 8);
    if (*ret_frames > FRAMES_MAX || get32(end + GZIP_EXTRA + 12) != gzip_table_size(*ret_frames))
        return 0;
    return gzip_table_size(*ret_frames) + GZIP_HEAD;
}

static size_t
zstd_tail(const uint8_t *tail, size_t n, size_t *ret_frames)
{
    const uint8_t *end = tail + n - ZSTD_FOOTER;
    uint32_t frames;

    if (n < ZSTD_FOOTER || get32(end + 5) != ZSTD_SEEKABLE || end[4] != 0)
        return 0;
    frames = get32(end);
    if (frames == 0 || frames > FRAMES_MAX)
        return 0;
    *ret_frames = frames - 1;
    return 8 + 8 * (size_t)frames + ZSTD_FOOTER;
}

static finops_code
gzip_frames(const uint8_t *table, size_t n, fo_frames *ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    while (n > 0 && rc == FINOPS_OK) {
        size_t now = n < GZIP_TABLE_FRAMES ? n : GZIP_TABLE_FRAMES;
        rc = get_frames(table + GZIP_EXTRA, now, ret, err);
        table += 8 * now + GZIP_OVER;
        n -= now;
    }
    return rc;
}

finops_code
fo_frames_read_table(const uint8_t *tail, size_t n, int64_t stored, fo_codec *ret, size_t *ret_need,
                     fo_frames *ret_frames, finops_error **err)
{
    size_t frames = 0, size = gzip_tail(tail, n, &frames);
    fo_codec codec = size ? FO_CODEC_GZIP : FO_CODEC_ZSTD;
    finops_code rc;

    if (!size)
        size = zstd_tail(tail, n, &frames);
    *ret = FO_CODEC_NONE;
    *ret_need = 0;
    if (!size || (int64_t)size > stored)
        return FINOPS_OK;
    *ret = codec;
    *ret_need = size;
    if (size > n)
        return FINOPS_OK;
    rc = codec == FO_CODEC_GZIP ? gzip_frames(tail + n - size, frames, ret_frames, err)
                                : get_frames(tail + n - size + 16, frames, ret_frames, err);
    /* An end that only looks like one does not add up. */
    if (rc == FINOPS_OK && fo_head_size(codec) + frames_stored(ret_frames) + size != (uint64_t)stored) {
        *ret = FO_CODEC_NONE;
        fo_frames_done(ret_frames);
    }
    return rc;
}
