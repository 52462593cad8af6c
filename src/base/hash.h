/* SHA-256 (OpenSSL underneath). */
#ifndef FO_BASE_HASH_H
#define FO_BASE_HASH_H

#include <stddef.h>

#include "base/error.h"

#define FO_SHA256_HEX 65 /* 64 digits and the NUL */

typedef struct fo_sha256 fo_sha256;

fo_sha256 *fo_sha256_new(void); /* NULL: no memory */
void fo_sha256_add(fo_sha256 *h, const void *p, size_t n);
void fo_sha256_end(fo_sha256 *h, char hex[FO_SHA256_HEX]); /* lower case; only fo_sha256_free may follow */
void fo_sha256_free(fo_sha256 *h);
void fo_sha256_freep(fo_sha256 **h);
/* The digest of one block; fo_sha256_end gives "" should the crypto library refuse, which this reports. */
finops_code fo_sha256_hex(const void *p, size_t n, char hex[FO_SHA256_HEX], finops_error **err);

#endif
