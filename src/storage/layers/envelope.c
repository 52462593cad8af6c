/* AES-256-GCM by OpenSSL. */
#include "storage/layers/envelope.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>

static const uint8_t magic[8] = { 0x89, 'F', 'O', 'E', 'N', 'C', '1', '\n' };

#define NONCE FO_NONCE
#define TAG 16
#define NONCES_WITH_KEY 4 /* that a small object needs are fetched with its key */
#define AT_ID 8
#define AT_NONCE 24
#define AT_KEY 40 /* what is before it is authenticated with it */
#define AT_TAG 72

static finops_code
refused(finops_error **err)
{
    return fo_error_set(err, FINOPS_E_INTERNAL, "the crypto library refused AES-256-GCM");
}

static void
number_put(uint8_t to[8], uint64_t n)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = (uint8_t)(n >> (56 - 8 * i));
}

void
fo_envelope_done(fo_envelope *e)
{
    EVP_CIPHER_CTX_free(e->context);
    *e = (fo_envelope){ 0 };
}

static finops_code
begin(fo_envelope *e, EVP_CIPHER *cipher, const uint8_t *key, bool seals, finops_error **err)
{
    e->seals = seals;
    e->context = EVP_CIPHER_CTX_new();
    if (!e->context)
        return fo_error_oom(err);
    if (EVP_CipherInit_ex(e->context, cipher, NULL, key, NULL, seals) == 1)
        return FINOPS_OK;
    fo_envelope_done(e);
    return refused(err);
}

/* ---- one piece ---- */

static bool
seal(EVP_CIPHER_CTX *c, const uint8_t *nonce, const void *with, size_t n_with, const void *data, size_t n,
     uint8_t *ret, uint8_t *ret_tag)
{
    int got = 0;

    return EVP_EncryptInit_ex(c, NULL, NULL, NULL, nonce) == 1 &&
           EVP_EncryptUpdate(c, NULL, &got, with, (int)n_with) == 1 &&
           (n == 0 || EVP_EncryptUpdate(c, ret, &got, data, (int)n) == 1) &&
           EVP_EncryptFinal_ex(c, ret + n, &got) == 1 &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, ret_tag) == 1;
}

static bool
unseal(EVP_CIPHER_CTX *c, const uint8_t *nonce, const void *with, size_t n_with, const uint8_t *sealed,
       size_t n, const uint8_t *tag, void *ret)
{
    uint8_t expected[TAG];
    int got = 0;

    memcpy(expected, tag, TAG);
    return EVP_DecryptInit_ex(c, NULL, NULL, NULL, nonce) == 1 &&
           EVP_DecryptUpdate(c, NULL, &got, with, (int)n_with) == 1 &&
           (n == 0 || EVP_DecryptUpdate(c, ret, &got, sealed, (int)n) == 1) &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, expected) == 1 &&
           EVP_DecryptFinal_ex(c, (uint8_t *)ret + n, &got) == 1;
}

typedef struct place {
    uint8_t bytes[9];
} place;

static place
place_of(uint64_t number, bool end)
{
    place p;

    number_put(p.bytes, number);
    p.bytes[8] = end;
    return p;
}

finops_code
fo_chunk_seal(fo_envelope *e, uint64_t number, bool end, const void *data, size_t n, uint8_t *ret,
              finops_error **err)
{
    place p = place_of(number, end);

    assert(e->seals && n <= FO_CHUNK);
    if (e->n_nonces == 0) {
        if (RAND_bytes(e->nonces[0], sizeof(e->nonces)) != 1)
            return refused(err);
        e->n_nonces = FO_NONCES;
    }
    memcpy(ret, e->nonces[--e->n_nonces], NONCE);
    if (!seal(e->context, ret, p.bytes, sizeof(p.bytes), data, n, ret + NONCE, ret + NONCE + n))
        return refused(err);
    return FINOPS_OK;
}

bool
fo_chunk_open(fo_envelope *e, uint64_t number, bool end, const uint8_t *sealed, size_t n, void *ret)
{
    place p = place_of(number, end);

    assert(!e->seals && n <= FO_CHUNK);
    return unseal(e->context, sealed, p.bytes, sizeof(p.bytes), sealed + NONCE, n, sealed + NONCE + n, ret);
}

finops_code
fo_end_seal(fo_envelope *e, uint64_t size, uint8_t ret[FO_END], finops_error **err)
{
    uint8_t number[8];

    number_put(number, size);
    return fo_chunk_seal(e, fo_chunks(size), true, number, sizeof(number), ret, err);
}

bool
fo_end_open(fo_envelope *e, uint64_t size, const uint8_t sealed[FO_END])
{
    uint8_t wanted[8], number[8];

    number_put(wanted, size);
    return fo_chunk_open(e, fo_chunks(size), true, sealed, sizeof(number), number) &&
           memcmp(number, wanted, sizeof(number)) == 0;
}

/* ---- the header ---- */

finops_code
fo_envelope_again(fo_envelope *ret, EVP_CIPHER *cipher, const uint8_t key[FO_KEY_SIZE], finops_error **err)
{
    return begin(ret, cipher, key, true, err);
}

finops_code
fo_envelope_new(fo_envelope *ret, EVP_CIPHER *cipher, const fo_master_key *master,
                uint8_t ret_header[FO_HEADER], uint8_t ret_key[FO_KEY_SIZE], finops_error **err)
{
    uint8_t random[NONCE + FO_KEY_SIZE + NONCES_WITH_KEY * NONCE], *h = ret_header;
    fo_envelope wrapping = { 0 };
    finops_code rc;
    bool good;

    memset(h, 0, FO_HEADER);
    memcpy(h, magic, sizeof(magic));
    memcpy(h + AT_ID, master->id, FO_KEY_ID_SIZE);
    if (RAND_bytes(random, sizeof(random)) != 1)
        return refused(err);
    memcpy(h + AT_NONCE, random, NONCE);
    memcpy(ret_key, random + NONCE, FO_KEY_SIZE);
    rc = begin(&wrapping, cipher, master->key, true, err);
    if (rc != FINOPS_OK)
        return rc;
    good = seal(wrapping.context, h + AT_NONCE, h, AT_KEY, ret_key, FO_KEY_SIZE, h + AT_KEY, h + AT_TAG);
    fo_envelope_done(&wrapping);
    rc = good ? begin(ret, cipher, ret_key, true, err) : refused(err);
    ret->n_nonces = NONCES_WITH_KEY;
    memcpy(ret->nonces, random + NONCE + FO_KEY_SIZE, sizeof(random) - NONCE - FO_KEY_SIZE);
    OPENSSL_cleanse(random, sizeof(random));
    return rc;
}

static finops_code
not_on_ring(const char *id, const char *what, finops_error **err)
{
    finops_code rc = fo_error_set(err, FINOPS_E_DENIED,
                                  "%s is encrypted with the key \"%s\", which is not there", what, id);

    fo_error_hint(err, "add it to the file of encrypt.key_file, below the key that new objects get");
    return rc;
}

finops_code
fo_envelope_open(fo_envelope *ret, EVP_CIPHER *cipher, const fo_keyring *ring,
                 const uint8_t header[FO_HEADER], const char *what, finops_error **err)
{
    char id[FO_KEY_ID_SIZE + 1] = { 0 };
    fo_envelope wrapping = { 0 };
    const fo_master_key *master;
    uint8_t key[FO_KEY_SIZE];
    finops_code rc;
    bool good;

    if (memcmp(header, magic, sizeof(magic)) != 0)
        return fo_error_set(err, FINOPS_E_CORRUPT, "%s is not encrypted, or damaged", what);
    memcpy(id, header + AT_ID, FO_KEY_ID_SIZE);
    master = fo_keyring_find(ring, id);
    if (!master) {
        for (char *c = id; *c; c++) /* it may be damaged; a log gets no control characters */
            *c = *c >= ' ' && *c < 0x7f ? *c : '?';
        return not_on_ring(id, what, err);
    }
    rc = begin(&wrapping, cipher, master->key, false, err);
    if (rc != FINOPS_OK)
        return rc;
    good = unseal(wrapping.context, header + AT_NONCE, header, AT_KEY, header + AT_KEY, FO_KEY_SIZE,
                  header + AT_TAG, key);
    fo_envelope_done(&wrapping);
    if (good)
        rc = begin(ret, cipher, key, false, err);
    OPENSSL_cleanse(key, sizeof(key));
    return good ? rc
                : fo_error_set(err, FINOPS_E_DENIED,
                               "the key \"%s\" does not open %s: it is another key of that name, or the "
                               "object's first bytes are damaged",
                               master->id, what);
}

int64_t
fo_plain_size(int64_t sealed)
{
    uint64_t body, chunks;

    if (sealed < (int64_t)(FO_HEADER + FO_END))
        return -1;
    body = (uint64_t)sealed - FO_HEADER - FO_END;
    chunks = body / FO_SEALED + (body % FO_SEALED != 0);
    if (chunks > 0 && body - (chunks - 1) * FO_SEALED <= FO_CHUNK_MORE)
        return -1;
    return (int64_t)(body - chunks * FO_CHUNK_MORE);
}
