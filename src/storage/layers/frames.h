/*
 * How a compressed object is laid out: as gzip or zstd that any tool reads, in frames of 256 KiB with a table
 * of them at the end, so that a range is read without what is before it.
 *
 *     head      an empty gzip member or a skippable zstd frame that says "finops1" and the object's size
 *     frames    gzip members, zstd frames
 *     table     gzip: empty members with it in their extra fields; zstd: the "seekable format"
 *               (github.com/facebook/zstd, contrib/seekable_format)
 */
#ifndef FO_STORAGE_FRAMES_H
#define FO_STORAGE_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "finops/sys/storage_driver.h"

#define FO_FRAME ((size_t)262144)    /* plain bytes of a frame; the last one is smaller */
#define FO_HEAD_MAX ((size_t)42)     /* bytes that tell what an object is */
#define FO_TAIL_FIRST ((size_t)4096) /* that are asked for to find the table */

typedef enum fo_codec { FO_CODEC_NONE = 0, FO_CODEC_GZIP, FO_CODEC_ZSTD } fo_codec;

typedef struct fo_frame {
    uint32_t stored, plain; /* bytes */
} fo_frame;

typedef struct fo_frames {
    fo_frame *items;
    size_t n, cap;
} fo_frames;

void fo_frames_done(fo_frames *frames);
finops_code fo_frames_add(fo_frames *frames, fo_frame frame, finops_error **err);
uint64_t fo_frames_plain(const fo_frames *frames);

size_t fo_head_size(fo_codec codec);
/* size negative: not known yet. */
void fo_head_add(fo_codec codec, int64_t size, fo_str *to);
/* What begins so; *ret_size is -1 when the head does not say. n may be any. */
fo_codec fo_head_read(const void *bytes, size_t n, int64_t *ret_size);

void fo_frames_add_table(fo_codec codec, const fo_frames *frames, fo_str *to);
/*
 * From the last n bytes of an object of `stored` bytes. FINOPS_OK with FO_CODEC_NONE: it is not compressed;
 * with *ret_need more than n: so many bytes are needed.
 */
finops_code fo_frames_read_table(const uint8_t *tail, size_t n, int64_t stored, fo_codec *ret,
                                 size_t *ret_need, fo_frames *ret_frames, finops_error **err);

/* ---- frames, one after the other; one thread ---- */

typedef struct fo_packer fo_packer;
finops_code fo_packer_new(fo_codec codec, int level, fo_packer **ret, finops_error **err);
void fo_packer_free(fo_packer *packer);
/* At most FO_FRAME bytes as a frame, appended. */
finops_code fo_packer_frame(fo_packer *packer, const void *data, size_t n, fo_str *to, finops_error **err);

typedef finops_code (*fo_unpacker_source)(void *arg, void *buffer, size_t n, size_t *ret_n,
                                          finops_error **err);
typedef struct fo_unpacker fo_unpacker;
finops_code fo_unpacker_new(fo_codec codec, fo_unpacker_source source, void *arg, fo_unpacker **ret,
                            finops_error **err);
void fo_unpacker_free(fo_unpacker *unpacker);
/* *ret_n is 0 at the end of the source only. FINOPS_E_CORRUPT. */
finops_code fo_unpacker_read(fo_unpacker *unpacker, void *buffer, size_t n, size_t *ret_n,
                             finops_error **err);

#endif
