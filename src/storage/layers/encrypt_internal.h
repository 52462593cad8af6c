/* What the files of the encryption layer share. */
#ifndef FO_STORAGE_ENCRYPT_INTERNAL_H
#define FO_STORAGE_ENCRYPT_INTERNAL_H

#include <pthread.h>

#include "storage/layers/encrypt.h"
#include "storage/layers/envelope.h"

#define FO_HEADERS_KEPT 64

/* The header of an object that was read from its middle, so that the next range of it is one request. */
typedef struct fo_kept_header {
    char *key, *version;
    int64_t sealed_size;
    uint8_t header[FO_HEADER];
} fo_kept_header;

typedef struct fo_encrypt_self {
    fo_pass pass;
    fo_keyring ring;
    EVP_CIPHER *cipher;
    pthread_mutex_t lock; /* of what follows */
    fo_kept_header kept[FO_HEADERS_KEPT];
} fo_encrypt_self;

finops_code fo_encrypt_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
finops_code fo_encrypt_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err);

/* n bytes from chunk `number` on, whose sealed bytes are appended at *to, which moves behind them. */
finops_code fo_encrypt_chunks(fo_envelope *e, uint64_t number, const void *data, size_t n, uint8_t **to,
                              finops_error **err);
/* As the caller sees it: its own size, and no checksum, which is of the sealed bytes. False: it is none of
 * ours. */
bool fo_encrypt_show(finops_object *object);

#endif
