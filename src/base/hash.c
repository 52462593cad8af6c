/* SHA-256 by OpenSSL's EVP interface, which picks the processor's own instructions. */
#include "base/hash.h"

#include <assert.h>
#include <openssl/evp.h>

#include "base/mem.h"

#define SHA256_BYTES 32

struct fo_sha256 {
    EVP_MD_CTX *ctx;
    bool failed;
};

static void
to_hex(const unsigned char *p, size_t n, char *hex)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *hex++ = digits[p[i] >> 4];
        *hex++ = digits[p[i] & 15];
    }
    *hex = '\0';
}

fo_sha256 *
fo_sha256_new(void)
{
    FO_AUTO(fo_sha256_freep) fo_sha256 *h = fo_zalloc(sizeof(*h));

    if (!h)
        return NULL;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1)
        return NULL;
    return FO_TAKE(h);
}

void
fo_sha256_add(fo_sha256 *h, const void *p, size_t n)
{
    assert(h && (p || n == 0));

    if (n > 0 && EVP_DigestUpdate(h->ctx, p, n) != 1)
        h->failed = true;
}

void
fo_sha256_end(fo_sha256 *h, char hex[FO_SHA256_HEX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    assert(h && hex);

    hex[0] = '\0';
    if (!h->failed && EVP_DigestFinal_ex(h->ctx, digest, &n) == 1 && n == SHA256_BYTES)
        to_hex(digest, n, hex);
}

void
fo_sha256_free(fo_sha256 *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    fo_free(h);
}

void
fo_sha256_freep(fo_sha256 **h)
{
    assert(h);
    fo_sha256_free(*h);
    *h = NULL;
}

finops_code
fo_sha256_hex(const void *p, size_t n, char hex[FO_SHA256_HEX], finops_error **err)
{
    FO_AUTO(fo_sha256_freep) fo_sha256 *h = fo_sha256_new();
    char text[FO_SHA256_HEX];

    assert(hex);

    if (!h)
        return fo_error_oom(err);
    fo_sha256_add(h, p, n);
    fo_sha256_end(h, text);
    if (text[0] == '\0')
        return fo_error_set(err, FINOPS_E_INTERNAL, "sha-256 of %zu bytes: the crypto library refused", n);
    for (size_t i = 0; i < FO_SHA256_HEX; i++)
        hex[i] = text[i];
    return FINOPS_OK;
}
