/*
 * How an encrypted object is laid out, and how a chunk of it is sealed and opened.
 *
 *     header    "\x89FOENC1\n", name of the master key (16), nonce (12), zeros (4),
 *               the object's own key, sealed by the master key (32 + 16); the header is authenticated by it
 *     chunks    of 65,536 bytes, the last one shorter; each: nonce (12), bytes, tag (16)
 *     end       a chunk of 8 bytes: the size of the object
 *
 * AES-256-GCM throughout. Each object has a random key, each chunk a random nonce; a chunk is authenticated
 * together with its number and whether it is the end. So a chunk that was changed, moved, left out or added
 * is found, and the size of an object follows from the size of what is stored.
 */
#ifndef FO_STORAGE_ENVELOPE_H
#define FO_STORAGE_ENVELOPE_H

#include <openssl/evp.h>

#include "storage/layers/keyring.h"

#define FO_CHUNK ((size_t)65536)
#define FO_CHUNK_MORE ((size_t)28) /* nonce and tag */
#define FO_SEALED (FO_CHUNK + FO_CHUNK_MORE)
#define FO_NONCE 12
#define FO_NONCES 16 /* fetched at once */
#define FO_HEADER ((size_t)88)
#define FO_END (FO_CHUNK_MORE + 8)

/* What an object is sealed and opened with; one thread. */
typedef struct fo_envelope {
    EVP_CIPHER_CTX *context;
    bool seals;
    unsigned n_nonces; /* that are left; the generator is asked for several at once */
    uint8_t nonces[FO_NONCES][FO_NONCE];
} fo_envelope;

void fo_envelope_done(fo_envelope *envelope);

/* A new object: its key, and its header. `cipher`: AES-256-GCM. */
finops_code fo_envelope_new(fo_envelope *ret, EVP_CIPHER *cipher, const fo_master_key *master,
                            uint8_t ret_header[FO_HEADER], uint8_t ret_key[FO_KEY_SIZE], finops_error **err);
/* One more that seals with a key of fo_envelope_new(), for another thread. */
finops_code fo_envelope_again(fo_envelope *ret, EVP_CIPHER *cipher, const uint8_t key[FO_KEY_SIZE],
                              finops_error **err);
/*
 * From a header. FINOPS_E_CORRUPT: it is none; FINOPS_E_DENIED: its key is not on the ring, or does not fit.
 * `what` is for messages.
 */
finops_code fo_envelope_open(fo_envelope *ret, EVP_CIPHER *cipher, const fo_keyring *ring,
                             const uint8_t header[FO_HEADER], const char *what, finops_error **err);

/* n bytes to n + FO_CHUNK_MORE. */
finops_code fo_chunk_seal(fo_envelope *e, uint64_t number, bool end, const void *data, size_t n, uint8_t *ret,
                          finops_error **err);
/* The other way; n is that of the plain bytes. False: it is not what was sealed. */
bool fo_chunk_open(fo_envelope *e, uint64_t number, bool end, const uint8_t *sealed, size_t n, void *ret);
finops_code fo_end_seal(fo_envelope *e, uint64_t size, uint8_t ret[FO_END], finops_error **err);
bool fo_end_open(fo_envelope *e, uint64_t size, const uint8_t sealed[FO_END]);

/* Chunks of an object of `size` bytes. */
static inline uint64_t
fo_chunks(uint64_t size)
{
    return size / FO_CHUNK + (size % FO_CHUNK != 0);
}
/* Where its chunk `number` begins when it is sealed. */
static inline uint64_t
fo_chunk_at(uint64_t number)
{
    return FO_HEADER + number * FO_SEALED;
}
/* What it takes when it is sealed. */
static inline uint64_t
fo_sealed_size(uint64_t size)
{
    return FO_HEADER + size + fo_chunks(size) * FO_CHUNK_MORE + FO_END;
}
/* The other way; -1: nothing sealed has that size. */
int64_t fo_plain_size(int64_t sealed);

#endif
