/*
 * gzip by ISA-L's igzip, which decodes about twice as fast as zlib. Its own gzip mode stops after one member,
 * so the members are walked here: header, deflate data, trailer, and again. RFC 1952 describes the format.
 */
#include "engine/inflate.h"

#include <assert.h>
#include <isa-l/igzip_lib.h>
#include <limits.h>

#include "base/mem.h"

typedef enum inflate_stage {
    INFLATE_START, /* before a member, or at the end */
    INFLATE_HEADER,
    INFLATE_BODY,    /* deflate data and the trailer after it */
    INFLATE_PADDING, /* zeros after the last member */
    INFLATE_END
} inflate_stage;

struct fo_inflate {
    struct inflate_state isal;
    struct isal_gzip_header header; /* kept over calls: ISA-L resumes a header in it */
    fo_inflate_source source;
    void *arg;
    inflate_stage stage;
    size_t members;
    bool ended; /* the source is used up */
    size_t size;
    uint8_t input[];
};

fo_inflate *
fo_inflate_new(fo_inflate_source source, void *arg, size_t input_size)
{
    fo_inflate *z;

    assert(source && input_size > 0 && input_size <= INT_MAX);

    z = fo_zalloc(sizeof(*z) + input_size);
    if (!z)
        return NULL;
    isal_inflate_init(&z->isal);
    z->source = source;
    z->arg = arg;
    z->size = input_size;
    return z;
}

void
fo_inflate_free(fo_inflate *z)
{
    fo_free(z);
}

void
fo_inflate_freep(fo_inflate **z)
{
    fo_inflate_free(*z);
    *z = NULL;
}

/* Fetches input when there is none left; at the end of the source there is none afterwards either. */
static finops_code
inflate_fill(fo_inflate *z, finops_error **err)
{
    size_t n = 0;
    finops_code rc;

    if (z->isal.avail_in > 0 || z->ended)
        return FINOPS_OK;

    rc = z->source(z->arg, z->input, z->size, &n, err);
    if (rc != FINOPS_OK)
        return rc;
    assert(n <= z->size);
    z->ended = n == 0;
    z->isal.next_in = z->input;
    z->isal.avail_in = (uint32_t)n;
    return FINOPS_OK;
}

static finops_code
inflate_truncated(finops_error **err)
{
    return fo_error_set(err, FINOPS_E_CORRUPT, "gzip data ends in the middle: the file is truncated");
}

static finops_code
inflate_bad(int isal_rc, finops_error **err)
{
    switch (isal_rc) {
    case ISAL_INCORRECT_CHECKSUM:
        return fo_error_set(err, FINOPS_E_CORRUPT, "gzip checksum or length does not match the data");
    case ISAL_UNSUPPORTED_METHOD:
        return fo_error_set(err, FINOPS_E_CORRUPT, "gzip header names a method that is not deflate");
    case ISAL_INVALID_WRAPPER:
        return fo_error_set(err, FINOPS_E_CORRUPT, "gzip header is damaged");
    default:
        return fo_error_set(err, FINOPS_E_CORRUPT, "gzip data is damaged");
    }
}

/* Decides by the first byte what comes: a member, padding or the end. */
static finops_code
inflate_start(fo_inflate *z, finops_error **err)
{
    if (z->isal.avail_in == 0) {
        if (z->members == 0)
            return fo_error_set(err, FINOPS_E_CORRUPT, "gzip file is empty");
        z->stage = INFLATE_END;
    } else if (*z->isal.next_in == 0x1f) {
        uint8_t *next_in = z->isal.next_in;
        uint32_t avail_in = z->isal.avail_in;

        isal_inflate_reset(&z->isal);
        isal_gzip_header_init(&z->header);
        z->isal.next_in = next_in;
        z->isal.avail_in = avail_in;
        z->isal.crc_flag = ISAL_GZIP_NO_HDR_VER;
        z->stage = INFLATE_HEADER;
    } else if (z->members == 0) {
        return fo_error_set(err, FINOPS_E_CORRUPT, "not a gzip file");
    } else {
        z->stage = INFLATE_PADDING;
    }
    return FINOPS_OK;
}

static finops_code
inflate_header(fo_inflate *z, finops_error **err)
{
    int rc;

    if (z->isal.avail_in == 0)
        return inflate_truncated(err);

    rc = isal_read_gzip_header(&z->isal, &z->header);
    if (rc == ISAL_END_INPUT)
        return FINOPS_OK;
    if (rc != ISAL_DECOMP_OK)
        return inflate_bad(rc, err);
    z->stage = INFLATE_BODY;
    return FINOPS_OK;
}

/* Decodes into what output the state has; the trailer is checked by ISA-L when it comes to it. */
static finops_code
inflate_body(fo_inflate *z, finops_error **err)
{
    uint32_t room = z->isal.avail_out;
    bool had_input = z->isal.avail_in > 0;
    int rc = isal_inflate(&z->isal);

    if (rc != ISAL_DECOMP_OK && rc != ISAL_END_INPUT)
        return inflate_bad(rc, err);
    if (z->isal.block_state == ISAL_BLOCK_FINISH) {
        z->members++;
        z->stage = INFLATE_START;
    } else if (!had_input && z->isal.avail_out == room) {
        return inflate_truncated(err);
    }
    return FINOPS_OK;
}

static finops_code
inflate_padding(fo_inflate *z, finops_error **err)
{
    for (; z->isal.avail_in > 0; z->isal.avail_in--, z->isal.next_in++)
        if (*z->isal.next_in != 0)
            return fo_error_set(err, FINOPS_E_CORRUPT,
                                "bytes after the last gzip member are neither a member nor zeros");
    if (z->ended)
        z->stage = INFLATE_END;
    return FINOPS_OK;
}

static finops_code
inflate_step(fo_inflate *z, finops_error **err)
{
    finops_code rc = inflate_fill(z, err);

    if (rc != FINOPS_OK)
        return rc;
    switch (z->stage) {
    case INFLATE_START:
        return inflate_start(z, err);
    case INFLATE_HEADER:
        return inflate_header(z, err);
    case INFLATE_BODY:
        return inflate_body(z, err);
    case INFLATE_PADDING:
        return inflate_padding(z, err);
    case INFLATE_END:
        break;
    }
    return FINOPS_OK;
}

finops_code
fo_inflate_read(fo_inflate *z, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    assert(z && buf && n > 0 && ret_n);

    if (n > INT_MAX)
        n = INT_MAX;
    z->isal.next_out = buf;
    z->isal.avail_out = (uint32_t)n;
    while (z->isal.avail_out > 0 && z->stage != INFLATE_END) {
        uint8_t *next_out = z->isal.next_out;
        uint32_t avail_out = z->isal.avail_out;
        finops_code rc = inflate_step(z, err);

        if (rc != FINOPS_OK)
            return rc;
        /* A new member's reset may forget where the output goes. */
        if (z->stage == INFLATE_HEADER) {
            z->isal.next_out = next_out;
            z->isal.avail_out = avail_out;
        }
    }
    *ret_n = n - z->isal.avail_out;
    return FINOPS_OK;
}
