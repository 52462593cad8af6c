/*
 * Sealing in parts: a part begins at a multiple of a chunk, and is sealed without the others. The end follows
 * the part that turns out to be the last one, which is therefore kept until there is a later one.
 */
#include <assert.h>
#include <openssl/crypto.h>
#include <string.h>

#include "storage/layers/encrypt_internal.h"

typedef struct sealed_part {
    unsigned number;
    int64_t offset; /* plain */
    size_t n;       /* plain */
    uint8_t *bytes;
    size_t size;
} sealed_part;

typedef struct sealed_upload {
    finops_upload base;
    finops_upload *below;
    fo_encrypt_self *layer;
    uint8_t header[FO_HEADER], key[FO_KEY_SIZE];
    pthread_mutex_t lock;
    sealed_part kept; /* the last one so far; bytes NULL: none */
    bool ended;       /* it was sent, with the end */
} sealed_upload;

static finops_code
send(sealed_upload *u, const sealed_part *p, const finops_call *call, finops_error **err)
{
    int64_t at = p->offset == 0 ? 0 : (int64_t)fo_chunk_at((uint64_t)p->offset / FO_CHUNK);

    return u->below->part(u->below, p->number, at, p->bytes, p->size, call, err);
}

static finops_code
seal_part(sealed_upload *u, sealed_part *p, const void *data, finops_error **err)
{
    size_t head = p->offset == 0 ? FO_HEADER : 0;
    fo_envelope e = { 0 };
    uint8_t *to;
    finops_code rc;

    p->size = head + p->n + (size_t)fo_chunks(p->n) * FO_CHUNK_MORE;
    p->bytes = fo_alloc(p->size + FO_END); /* with room for the end */
    if (!p->bytes)
        return fo_error_oom(err);
    if (head > 0)
        memcpy(p->bytes, u->header, FO_HEADER);
    to = p->bytes + head;
    rc = fo_envelope_again(&e, u->layer->cipher, u->key, err);
    if (rc == FINOPS_OK)
        rc = fo_encrypt_chunks(&e, (uint64_t)p->offset / FO_CHUNK, data, p->n, &to, err);
    fo_envelope_done(&e);
    return rc;
}

/* What is to be sent now: the part itself, or the one that was kept till now. */
static sealed_part
exchange(sealed_upload *u, sealed_part part)
{
    sealed_part out = part;

    (void)pthread_mutex_lock(&u->lock);
    if (!u->kept.bytes || part.number >= u->kept.number) {
        out = u->kept;
        u->kept = part;
    }
    if (out.bytes && out.number == u->kept.number) { /* sent again: it replaces the one before */
        fo_free(out.bytes);
        out = (sealed_part){ 0 };
    }
    (void)pthread_mutex_unlock(&u->lock);
    return out;
}

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    sealed_upload *u = (sealed_upload *)upload;
    sealed_part p = { .number = number, .offset = offset, .n = n };
    finops_code rc;

    if (u->ended)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload is finished");
    if (offset % (int64_t)FO_CHUNK != 0)
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "a part of an encrypted object begins at a multiple of %zu bytes", FO_CHUNK);
    rc = seal_part(u, &p, data, err);
    if (rc == FINOPS_OK) {
        p = exchange(u, p);
        rc = p.bytes ? send(u, &p, call, err) : FINOPS_OK;
    }
    fo_free(p.bytes);
    return rc;
}

static finops_code
send_last(sealed_upload *u, int64_t size, const finops_call *call, finops_error **err)
{
    sealed_part p = u->kept;
    fo_envelope e = { 0 };
    finops_code rc;

    if (p.offset + (int64_t)p.n != size)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the parts do not end where the object does");
    rc = fo_envelope_again(&e, u->layer->cipher, u->key, err);
    if (rc == FINOPS_OK)
        rc = fo_end_seal(&e, (uint64_t)size, p.bytes + p.size, err);
    fo_envelope_done(&e);
    p.size += FO_END;
    if (rc == FINOPS_OK)
        rc = send(u, &p, call, err);
    u->ended = rc == FINOPS_OK;
    return rc;
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    sealed_upload *u = (sealed_upload *)upload;
    finops_code rc = FINOPS_OK;

    if (!u->kept.bytes || u->kept.number != parts)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u is missing", parts);
    if (!u->ended) /* a commit may be repeated, the part was sent then */
        rc = send_last(u, size, call, err);
    if (rc == FINOPS_OK)
        rc = u->below->commit(u->below, parts, (int64_t)fo_sealed_size((uint64_t)size), call, ret, err);
    if (rc == FINOPS_OK && ret)
        (void)fo_encrypt_show(ret);
    return rc;
}

static void
upload_close(finops_upload *upload)
{
    sealed_upload *u = (sealed_upload *)upload;

    if (!u)
        return;
    if (u->below)
        u->below->close(u->below);
    fo_free(u->kept.bytes);
    OPENSSL_cleanse(u->key, sizeof(u->key));
    (void)pthread_mutex_destroy(&u->lock);
    fo_free(u);
}

static finops_code
begin(sealed_upload *u, const finops_put *put, finops_error **err)
{
    fo_encrypt_self *l = u->layer;
    finops_put sealed = *put;
    fo_envelope e = { 0 };
    finops_code rc = fo_envelope_new(&e, l->cipher, &l->ring.keys[0], u->header, u->key, err);

    fo_envelope_done(&e);
    if (rc != FINOPS_OK)
        return rc;
    if (put->size >= 0)
        sealed.size = (int64_t)fo_sealed_size((uint64_t)put->size);
    return FO_BELOW(l, upload)(FO_SELF(l), &sealed, &u->below, err);
}

/* What becomes at most so many bytes when it is sealed, with header and end. */
static size_t
plain_part(size_t sealed)
{
    return sealed > FO_HEADER + FO_END + FO_SEALED ? (sealed - FO_HEADER - FO_END) / FO_SEALED * FO_CHUNK
                                                   : sealed;
}

finops_code
fo_encrypt_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    sealed_upload *u = fo_zalloc(sizeof(*u));
    finops_code rc;

    if (!u)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&u->lock, NULL);
    u->layer = self;
    rc = begin(u, put, err);
    if (rc != FINOPS_OK) {
        upload_close(&u->base);
        return rc;
    }
    u->base = (finops_upload){ .min_part = u->below->min_part,
                               .part_unit = FO_CHUNK,
                               .max_part = plain_part(u->below->max_part),
                               .max_parts = u->below->max_parts,
                               .part = upload_part,
                               .commit = upload_commit,
                               .close = upload_close };
    *ret = &u->base;
    return FINOPS_OK;
}
