/* The keys of the encryption layer: the first seals what is written, all of them open what is read. */
#ifndef FO_STORAGE_KEYRING_H
#define FO_STORAGE_KEYRING_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define FO_KEY_SIZE 32
#define FO_KEY_ID_SIZE 16 /* bytes of a name, filled up with zeros */

typedef struct fo_master_key {
    char id[FO_KEY_ID_SIZE + 1];
    uint8_t key[FO_KEY_SIZE];
} fo_master_key;

typedef struct fo_keyring {
    fo_master_key *keys;
    size_t n, cap;
} fo_keyring;

/*
 * Adds keys, a line each: "name:key", the key as 64 hexadecimal digits or 44 of base64; lines that are empty
 * or begin with '#' are passed over. `where` is for messages, which never quote a key. FINOPS_E_CONFIG.
 */
finops_code fo_keyring_add(fo_keyring *ring, const char *lines, const char *where, finops_error **err);
/* From a file, which is refused when others may read it: FINOPS_E_CONFIG. */
finops_code fo_keyring_read(fo_keyring *ring, const char *path, finops_error **err);
/* NULL: there is none of that name. */
const fo_master_key *fo_keyring_find(const fo_keyring *ring, const char *id);
/* Overwrites and frees them. */
void fo_keyring_done(fo_keyring *ring);

#endif
