/*
 * What the layers of a storage read back from a service that may have been tampered with: heads and tables of
 * compressed objects, their frames, headers of encrypted ones, and files of keys. The first byte says which.
 */
#include <string.h>

#include "base/mem.h"
#include "storage/layers/envelope.h"
#include "storage/layers/frames.h"
#include "storage/layers/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    const uint8_t *p;
    size_t n;
} input;

static finops_code
next_bytes(void *arg, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    input *in = arg;

    (void)err;
    *ret_n = in->n < n ? in->n : n;
    if (*ret_n > 0)
        memcpy(buffer, in->p, *ret_n);
    in->p += *ret_n;
    in->n -= *ret_n;
    return FINOPS_OK;
}

static void
table(const uint8_t *p, size_t n)
{
    fo_frames frames = { 0 };
    fo_codec codec = FO_CODEC_NONE;
    int64_t size = 0;
    size_t need = 0;

    (void)fo_head_read(p, n, &size);
    (void)fo_frames_read_table(p, n, (int64_t)n + 1000, &codec, &need, &frames, NULL);
    fo_frames_done(&frames);
    (void)fo_frames_read_table(p, n, (int64_t)n, &codec, &need, &frames, NULL);
    fo_frames_done(&frames);
}

static void
unpack(fo_codec codec, const uint8_t *p, size_t n)
{
    static char plain[4096];
    input in = { p, n };
    fo_unpacker *unpacker = NULL;
    size_t got = 1, all = 0;

    if (fo_unpacker_new(codec, next_bytes, &in, &unpacker, NULL) != FINOPS_OK)
        return;
    while (got > 0 && all < 1 << 20) {
        if (fo_unpacker_read(unpacker, plain, sizeof(plain), &got, NULL) != FINOPS_OK)
            break;
        all += got;
    }
    fo_unpacker_free(unpacker);
}

static void
keys(const uint8_t *p, size_t n)
{
    fo_keyring ring = { 0 };
    char *text = fo_strndup((const char *)p, n);

    if (text)
        (void)fo_keyring_add(&ring, text, "fuzz", NULL);
    fo_free(text);
    fo_keyring_done(&ring);
}

static void
header(const uint8_t *p, size_t n)
{
    static const char line[] = "k:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    fo_envelope envelope = { 0 };
    fo_keyring ring = { 0 };

    if (cipher && n >= FO_HEADER && fo_keyring_add(&ring, line, "fuzz", NULL) == FINOPS_OK)
        (void)fo_envelope_open(&envelope, cipher, &ring, p, "fuzz", NULL);
    fo_envelope_done(&envelope);
    fo_keyring_done(&ring);
    EVP_CIPHER_free(cipher);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    switch (data[0] % 5) {
    case 0:
        table(data + 1, size - 1);
        break;
    case 1:
        unpack(FO_CODEC_GZIP, data + 1, size - 1);
        break;
    case 2:
        unpack(FO_CODEC_ZSTD, data + 1, size - 1);
        break;
    case 3:
        keys(data + 1, size - 1);
        break;
    default:
        header(data + 1, size - 1);
        break;
    }
    return 0;
}
