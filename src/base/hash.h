/* Digests and HMAC, and how bytes are written as text (OpenSSL underneath). */
#ifndef FO_BASE_HASH_H
#define FO_BASE_HASH_H

#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

#define FO_SHA256_BYTES 32
#define FO_SHA256_HEX 65 /* 64 digits and the NUL */

typedef struct fo_sha256 fo_sha256;

fo_sha256 *fo_sha256_new(void); /* NULL: no memory */
void fo_sha256_add(fo_sha256 *h, const void *p, size_t n);
void fo_sha256_end(fo_sha256 *h, char hex[FO_SHA256_HEX]); /* lower case; only fo_sha256_free may follow */
void fo_sha256_free(fo_sha256 *h);
void fo_sha256_freep(fo_sha256 **h);
/* The digest of one block; fo_sha256_end gives "" should the crypto library refuse, which this reports. */
finops_code fo_sha256_hex(const void *p, size_t n, char hex[FO_SHA256_HEX], finops_error **err);

typedef enum fo_digest_kind { FO_MD5, FO_SHA1, FO_SHA256 } fo_digest_kind;
/* Of one block; *ret_n (may be NULL) of 16, 20 or 32 bytes. MD5 and SHA-1 are for formats that ask for them.
 */
finops_code fo_digest(fo_digest_kind kind, const void *p, size_t n, unsigned char ret[FO_SHA256_BYTES],
                      size_t *ret_n, finops_error **err);
finops_code fo_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n,
                           unsigned char ret[FO_SHA256_BYTES], finops_error **err);

/* Lower case, 2 * n digits and a NUL. */
void fo_hex(const void *p, size_t n, char *ret);
/* With '+', '/' and '='. */
void fo_base64(fo_str *ret, const void *p, size_t n);
/* False: it is not base64. Also takes '-' and '_', and a missing '='. */
bool fo_base64_decode(fo_str *ret, const char *text);

/* FNV-1a: for tables in memory, not against anybody. */
uint32_t fo_fnv1a(const void *p, size_t n);

#endif
