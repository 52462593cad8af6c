/*
 * Streaming gzip that believes nothing: every member's header, CRC-32 and length are checked, several members
 * are one text, and what follows the last member may only be zero padding.
 *
 * An object belongs to one thread at a time.
 */
#ifndef FO_ENGINE_INFLATE_H
#define FO_ENGINE_INFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct fo_inflate fo_inflate;

/* Where the compressed bytes come from: up to n bytes into buf; *ret_n is 0 at the end only. */
typedef finops_code (*fo_inflate_source)(void *arg, void *buf, size_t n, size_t *ret_n, finops_error **err);

/* Reads its source in pieces of input_size bytes. NULL: no memory. */
fo_inflate *fo_inflate_new(fo_inflate_source source, void *arg, size_t input_size);
void fo_inflate_free(fo_inflate *z);
void fo_inflate_freep(fo_inflate **z);

/*
 * Up to n bytes of text; *ret_n is 0 only when the whole stream was read and found right. FINOPS_E_CORRUPT
 * says what is wrong with the stream, without naming it; an error of the source is passed on. Text already
 * returned came from a member not yet verified: nothing of a stream may be kept when a later call fails.
 */
finops_code fo_inflate_read(fo_inflate *z, void *buf, size_t n, size_t *ret_n, finops_error **err);

#endif
