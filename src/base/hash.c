/* Digests by OpenSSL's EVP interface, which picks the processor's own instructions. */
#include "base/hash.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"

#define HMAC_BLOCK 64

struct fo_sha256 {
    EVP_MD_CTX *ctx;
    bool failed;
};

/* Looked up once: that takes longer than a short text's digest. NULL: not in this library. */
static EVP_MD *digests[3];
static pthread_once_t digests_once = PTHREAD_ONCE_INIT;

static void
digests_fetch(void)
{
    digests[FO_MD5] = EVP_MD_fetch(NULL, "MD5", NULL);
    digests[FO_SHA1] = EVP_MD_fetch(NULL, "SHA1", NULL);
    digests[FO_SHA256] = EVP_MD_fetch(NULL, "SHA2-256", NULL);
}

static const EVP_MD *
digest_of(fo_digest_kind kind)
{
    (void)pthread_once(&digests_once, digests_fetch);
    return digests[kind];
}

void
fo_hex(const void *data, size_t n, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = data;

    assert((p || n == 0) && ret);

    for (size_t i = 0; i < n; i++) {
        *ret++ = digits[p[i] >> 4];
        *ret++ = digits[p[i] & 15];
    }
    *ret = '\0';
}

fo_sha256 *
fo_sha256_new(void)
{
    FO_AUTO(fo_sha256_freep) fo_sha256 *h = fo_zalloc(sizeof(*h));

    if (!h)
        return NULL;
    h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex(h->ctx, digest_of(FO_SHA256), NULL) != 1)
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
    if (!h->failed && EVP_DigestFinal_ex(h->ctx, digest, &n) == 1 && n == FO_SHA256_BYTES)
        fo_hex(digest, n, hex);
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

/* Of two blocks, one after the other. */
static finops_code
digest_two(const EVP_MD *md, const void *a, size_t a_n, const void *b, size_t b_n, unsigned char *ret,
           size_t *ret_n, finops_error **err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    bool good;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    if (!ctx)
        return fo_error_oom(err);
    good = md && EVP_DigestInit_ex(ctx, md, NULL) == 1 && (a_n == 0 || EVP_DigestUpdate(ctx, a, a_n) == 1) &&
           (b_n == 0 || EVP_DigestUpdate(ctx, b, b_n) == 1) && EVP_DigestFinal_ex(ctx, digest, &n) == 1 &&
           n <= FO_SHA256_BYTES;
    EVP_MD_CTX_free(ctx);
    if (!good)
        return fo_error_set(err, FINOPS_E_INTERNAL, "digest: the crypto library refused");
    memcpy(ret, digest, n);
    if (ret_n)
        *ret_n = n;
    return FINOPS_OK;
}

finops_code
fo_digest(fo_digest_kind kind, const void *p, size_t n, unsigned char ret[FO_SHA256_BYTES], size_t *ret_n,
          finops_error **err)
{
    assert((p || n == 0) && ret);
    return digest_two(digest_of(kind), p, n, NULL, 0, ret, ret_n, err);
}

/* RFC 2104. OpenSSL's own HMAC looks its parts up by name each time. */
finops_code
fo_hmac_sha256(const void *key, size_t key_n, const void *p, size_t n, unsigned char ret[FO_SHA256_BYTES],
               finops_error **err)
{
    const EVP_MD *md = digest_of(FO_SHA256);
    unsigned char inner[HMAC_BLOCK] = { 0 }, outer[HMAC_BLOCK], digest[FO_SHA256_BYTES];
    finops_code rc = FINOPS_OK;

    assert((key || key_n == 0) && (p || n == 0) && ret);

    if (key_n > HMAC_BLOCK)
        rc = digest_two(md, key, key_n, NULL, 0, inner, NULL, err);
    else if (key_n > 0)
        memcpy(inner, key, key_n);
    for (size_t i = 0; i < HMAC_BLOCK; i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    if (rc == FINOPS_OK)
        rc = digest_two(md, inner, HMAC_BLOCK, p, n, digest, NULL, err);
    if (rc == FINOPS_OK)
        rc = digest_two(md, outer, HMAC_BLOCK, digest, sizeof(digest), ret, NULL, err);
    explicit_bzero(inner, sizeof(inner));
    explicit_bzero(outer, sizeof(outer));
    return rc;
}

void
fo_base64(fo_str *ret, const void *data, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = data;

    assert(ret && (p || n == 0));

    for (size_t i = 0; i < n; i += 3) {
        unsigned v =
            (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? p[i + 2] : 0u);

        fo_str_addc(ret, digits[v >> 18]);
        fo_str_addc(ret, digits[v >> 12 & 63]);
        fo_str_addc(ret, i + 1 < n ? digits[v >> 6 & 63] : '=');
        fo_str_addc(ret, i + 2 < n ? digits[v & 63] : '=');
    }
}

static int
base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (fo_is_digit(c))
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

bool
fo_base64_decode(fo_str *ret, const char *text)
{
    size_t n = strlen(text), pad = 0;
    unsigned v = 0;

    assert(ret);

    while (n > 0 && text[n - 1] == '=' && pad < 2) {
        n--;
        pad++;
    }
    if (n % 4 == 1 || (pad > 0 && (n + pad) % 4 != 0))
        return false;
    for (size_t i = 0; i < n; i++) {
        int digit = base64_digit(text[i]);

        if (digit < 0)
            return false;
        v = v << 6 | (unsigned)digit;
        if (i % 4 > 0)
            fo_str_addc(ret, (char)(v >> (6 - 2 * (i % 4)) & 0xff));
    }
    return true;
}

uint32_t
fo_fnv1a(const void *p, size_t n)
{
    const unsigned char *bytes = p;
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}
