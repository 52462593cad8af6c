/*
 * Objects are sealed before they leave and opened when they come back; envelope.h has the layout. Names,
 * times, content types and metadata stay readable, sizes follow from what is stored.
 *
 * A new key goes first on the ring: it seals what is written from then on, the others go on opening what is
 * there.
 */
#include "storage/layers/encrypt.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/str.h"
#include "storage/layers/encrypt_internal.h"

static const finops_option encrypt_options[] = {
    { "key", FINOPS_OPT_STRING, offsetof(fo_encrypt_config, key), .flags = FINOPS_OPT_SECRET,
      .env = "FINOPS_ENCRYPTION_KEY",
      .help = "Encrypt what is written with this key, \"name:64 hexadecimal digits\"." },
    { "key_file", FINOPS_OPT_STRING, offsetof(fo_encrypt_config, key_file), .arg = "PATH",
      .help = "File of keys, a \"name:key\" in each line; the first encrypts, all of them decrypt." },
    { 0 },
};

bool
fo_encrypt_show(finops_object *object)
{
    int64_t size = fo_plain_size(object->size);

    object->size = size;
    object->checksum = NULL;
    return size >= 0;
}

static uint64_t
encrypt_features(void *self)
{
    const fo_encrypt_self *e = self;

    return (FO_BELOW(e, features)(FO_SELF(e)) | FINOPS_STORAGE_SUFFIX) & ~e->pass.less;
}

static finops_code
encrypt_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    fo_encrypt_self *e = self;
    finops_object object = { 0 };
    finops_code rc = FO_BELOW(e, stat)(FO_SELF(e), key, call, &object, err);

    if (rc != FINOPS_OK)
        return rc;
    if (!fo_encrypt_show(&object)) {
        finops_object_done(&object);
        return fo_error_set(err, FINOPS_E_CORRUPT, "%s is not encrypted, or damaged", key);
    }
    *ret = object;
    return FINOPS_OK;
}

typedef struct listing {
    finops_each_object each;
    void *arg;
} listing;

static bool
listed(const finops_object *object, void *arg)
{
    const listing *l = arg;
    finops_object shown = *object;

    if (!object->is_prefix)
        (void)fo_encrypt_show(&shown); /* of what is not encrypted the size is not known, -1 */
    return l->each(&shown, l->arg);
}

static finops_code
encrypt_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    fo_encrypt_self *e = self;
    listing l = { each, arg };

    return FO_BELOW(e, list)(FO_SELF(e), list, listed, &l, err);
}

finops_code
fo_encrypt_chunks(fo_envelope *e, uint64_t number, const void *data, size_t n, uint8_t **to,
                  finops_error **err)
{
    const uint8_t *from = data;

    while (n > 0) {
        size_t part = n < FO_CHUNK ? n : FO_CHUNK;
        finops_code rc = fo_chunk_seal(e, number++, false, from, part, *to, err);
        if (rc != FINOPS_OK)
            return rc;
        from += part;
        *to += part + FO_CHUNK_MORE;
        n -= part;
    }
    return FINOPS_OK;
}

static finops_code
seal_whole(fo_encrypt_self *self, const void *data, size_t n, uint8_t *ret, finops_error **err)
{
    uint8_t key[FO_KEY_SIZE], *to = ret + FO_HEADER;
    fo_envelope e = { 0 };
    finops_code rc = fo_envelope_new(&e, self->cipher, &self->ring.keys[0], ret, key, err);

    OPENSSL_cleanse(key, sizeof(key));
    if (rc == FINOPS_OK)
        rc = fo_encrypt_chunks(&e, 0, data, n, &to, err);
    if (rc == FINOPS_OK)
        rc = fo_end_seal(&e, n, to, err);
    fo_envelope_done(&e);
    return rc;
}

static finops_code
encrypt_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
            finops_error **err)
{
    fo_encrypt_self *e = self;
    finops_put sealed = *put;
    size_t size = (size_t)fo_sealed_size(n);
    uint8_t *bytes = fo_alloc(size);
    finops_code rc;

    if (!bytes)
        return fo_error_oom(err);
    sealed.size = (int64_t)size;
    rc = seal_whole(e, data, n, bytes, err);
    if (rc == FINOPS_OK)
        rc = FO_BELOW(e, put)(FO_SELF(e), &sealed, bytes, size, ret, err);
    fo_free(bytes);
    if (rc == FINOPS_OK && ret) {
        ret->size = (int64_t)n;
        ret->checksum = NULL;
    }
    return rc;
}

/* ---- the layer ---- */

static const finops_storage_driver slots = {
    .features = encrypt_features,
    .stat = encrypt_stat,
    .list = encrypt_list,
    .read = fo_encrypt_read,
    .put = encrypt_put,
    .upload = fo_encrypt_upload,
};

static void
encrypt_done(void *self)
{
    fo_encrypt_self *e = self;

    fo_keyring_done(&e->ring);
    EVP_CIPHER_free(e->cipher);
    for (size_t i = 0; i < FO_HEADERS_KEPT; i++) {
        fo_free(e->kept[i].key);
        fo_free(e->kept[i].version);
    }
    (void)pthread_mutex_destroy(&e->lock);
}

static finops_code
load_keys(fo_encrypt_self *e, const fo_encrypt_config *c, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (c->key)
        rc = fo_keyring_add(&e->ring, c->key, "encrypt.key", err);
    if (rc == FINOPS_OK && c->key_file)
        rc = fo_keyring_read(&e->ring, c->key_file, err);
    if (rc == FINOPS_OK && e->ring.n == 0)
        rc = fo_error_set(err, FINOPS_E_CONFIG, "%s holds no key", c->key_file ? c->key_file : "encrypt.key");
    return rc;
}

static finops_code
encrypt_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
{
    const fo_encrypt_config *c = config;
    finops_code rc = FINOPS_OK;
    fo_encrypt_self *e;

    if (!c->key && !c->key_file) {
        *ret = below;
        return FINOPS_OK;
    }
    e = fo_pass_new(&fo_encrypt_layer, sizeof(*e), &slots, below, &rc, err);
    if (!e)
        return rc;
    (void)pthread_mutex_init(&e->lock, NULL);
    e->pass.done = encrypt_done;
    /* A checksum or a signed address would be of the sealed bytes. */
    e->pass.less = FINOPS_STORAGE_CHECKSUM | FINOPS_STORAGE_PRESIGN;
    e->pass.driver.presign = NULL;
    e->pass.driver.write = NULL; /* the general one does it, in parts that are sealed here */
    e->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    rc = e->cipher ? load_keys(e, c, err)
                   : fo_error_set(err, FINOPS_E_UNSUPPORTED, "the crypto library has no AES-256-GCM");
    if (rc != FINOPS_OK) {
        fo_pass_drop(&e->pass);
        return fo_error_wrap(err, rc, "encrypt %s", address);
    }
    *ret = fo_pass_stage(&e->pass);
    return FINOPS_OK;
}

const fo_layer fo_encrypt_layer = {
    .name = "encrypt",
    .options = encrypt_options,
    .config_size = sizeof(fo_encrypt_config),
    .wrap = encrypt_wrap,
};
