/*
 * Reading sealed objects: from the beginning in one request; from the middle the header first, unless it is
 * known, and then the chunks that the range lies in. What reaches the last byte reaches the end that says how
 * many there are. Nothing is handed out that was not authenticated.
 */
#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/str.h"
#include "storage/layers/encrypt_internal.h"
#include "storage/object.h"

typedef struct sealed_reader {
    finops_reader base;
    finops_reader *below;
    fo_envelope envelope;
    finops_object object; /* owns what base.object shows */
    uint64_t size;        /* of the object, plain */
    uint64_t chunk, last; /* next one, and the first that is not wanted */
    size_t skip;          /* bytes of the first chunk that are not wanted */
    int64_t left;         /* to be handed out */
    bool to_end, ended;
    size_t at, filled; /* of plain */
    uint8_t *plain, *sealed;
} sealed_reader;

static finops_code
damaged(const sealed_reader *r, const char *what, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_CORRUPT, "%s: %s of the encrypted object is damaged", r->object.key,
                        what);
}

static finops_code
read_exactly(finops_reader *from, void *to, size_t n, const char *key, finops_error **err)
{
    size_t done = 0, got = 1;

    while (done < n && got > 0) {
        finops_code rc = from->read(from, (uint8_t *)to + done, n - done, &got, err);
        if (rc != FINOPS_OK)
            return rc;
        done += got;
    }
    return done == n ? FINOPS_OK
                     : fo_error_set(err, FINOPS_E_CORRUPT, "%s: the encrypted object is cut off", key);
}

static finops_code
check_end(sealed_reader *r, finops_error **err)
{
    uint8_t end[FO_END];
    finops_code rc = read_exactly(r->below, end, sizeof(end), r->object.key, err);

    if (rc != FINOPS_OK)
        return rc;
    r->ended = true;
    return fo_end_open(&r->envelope, r->size, end) ? FINOPS_OK : damaged(r, "the end", err);
}

static finops_code
next_chunk(sealed_reader *r, finops_error **err)
{
    uint64_t rest = r->size - r->chunk * FO_CHUNK;
    size_t n = rest < FO_CHUNK ? (size_t)rest : FO_CHUNK;
    finops_code rc = read_exactly(r->below, r->sealed, n + FO_CHUNK_MORE, r->object.key, err);

    if (rc != FINOPS_OK)
        return rc;
    if (!fo_chunk_open(&r->envelope, r->chunk, false, r->sealed, n, r->plain))
        return damaged(r, "a chunk", err);
    r->chunk++;
    r->filled = n;
    r->at = r->skip;
    r->skip = 0;
    return r->chunk == r->last && r->to_end ? check_end(r, err) : FINOPS_OK;
}

static finops_code
sealed_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    sealed_reader *r = (sealed_reader *)reader;
    finops_code rc = FINOPS_OK;
    size_t ready;

    if (r->left > 0 && r->at == r->filled)
        rc = next_chunk(r, err);
    else if (r->left == 0 && r->to_end && !r->ended)
        rc = check_end(r, err);
    if (rc != FINOPS_OK) {
        r->at = r->filled = 0;
        return rc;
    }
    ready = r->filled - r->at;
    if ((int64_t)ready > r->left)
        ready = (size_t)r->left;
    if (ready > n)
        ready = n;
    if (ready > 0)
        memcpy(buffer, r->plain + r->at, ready);
    r->at += ready;
    r->left -= (int64_t)ready;
    *ret_n = ready;
    return FINOPS_OK;
}

static void
sealed_close(finops_reader *reader)
{
    sealed_reader *r = (sealed_reader *)reader;

    if (!r)
        return;
    if (r->below)
        r->below->close(r->below);
    fo_envelope_done(&r->envelope);
    finops_object_done(&r->object);
    fo_free(r->plain);
    fo_free(r);
}

/* ---- headers that are kept ---- */

static fo_kept_header *
kept_place(fo_encrypt_self *self, const char *key)
{
    return &self->kept[fo_fnv1a(key, strlen(key)) % FO_HEADERS_KEPT];
}

static void
keep_header(fo_encrypt_self *self, const char *key, const finops_object *object, const uint8_t *header)
{
    fo_kept_header new = { .key = fo_strdup(key),
                           .version = object->version ? fo_strdup(object->version) : NULL,
                           .sealed_size = object->size };
    fo_kept_header old = new;

    memcpy(new.header, header, FO_HEADER);
    if (new.key &&new.version) {
        (void)pthread_mutex_lock(&self->lock);
        fo_kept_header *place = kept_place(self, key);
        old = *place;
        *place = new;
        (void)pthread_mutex_unlock(&self->lock);
    }
    fo_free(old.key);
    fo_free(old.version);
}

/* ret_version is the caller's to free. */
static bool
kept_header(fo_encrypt_self *self, const finops_get *get, uint8_t *ret_header, int64_t *ret_size,
            char **ret_version)
{
    const fo_kept_header *place;
    bool found;

    (void)pthread_mutex_lock(&self->lock);
    place = kept_place(self, get->key);
    found = fo_streq(place->key, get->key) && (!get->if_version || fo_streq(place->version, get->if_version));
    if (found) {
        memcpy(ret_header, place->header, FO_HEADER);
        *ret_size = place->sealed_size;
        *ret_version = fo_strdup(place->version);
        found = *ret_version != NULL;
    }
    (void)pthread_mutex_unlock(&self->lock);
    return found;
}

static finops_code
fetch_header(fo_encrypt_self *self, const finops_get *get, uint8_t *ret_header, int64_t *ret_size,
             char **ret_version, finops_error **err)
{
    finops_get head = *get;
    finops_reader *reader = NULL;
    finops_code rc;

    head.offset = head.suffix = 0;
    head.length = (int64_t)FO_HEADER;
    rc = FO_BELOW(self, read)(FO_SELF(self), &head, &reader, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = read_exactly(reader, ret_header, FO_HEADER, get->key, err);
    if (rc == FINOPS_OK) {
        *ret_size = reader->object.size;
        *ret_version = reader->object.version ? fo_strdup(reader->object.version) : NULL;
        keep_header(self, get->key, &reader->object, ret_header);
    }
    reader->close(reader);
    return rc;
}

/* ---- opening ---- */

static finops_code
prepare(sealed_reader *r, finops_error **err)
{
    size_t room = r->size < FO_CHUNK ? (size_t)r->size : FO_CHUNK;

    r->plain = fo_alloc(2 * room + FO_CHUNK_MORE);
    if (!r->plain)
        return fo_error_oom(err);
    r->sealed = r->plain + room;
    return FINOPS_OK;
}

static finops_code
describe(sealed_reader *r, const char *key, finops_error **err)
{
    finops_object seen = r->below->object;
    finops_code rc;

    seen.key = key;
    rc = finops_object_copy(&seen, &r->object, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!fo_encrypt_show(&r->object))
        return fo_error_set(err, FINOPS_E_CORRUPT, "%s is not encrypted, or damaged", key);
    r->size = (uint64_t)r->object.size;
    return FINOPS_OK;
}

/* Which chunks `length` bytes from `offset` lie in. */
static void
aim(sealed_reader *r, int64_t offset, int64_t length)
{
    uint64_t begin = (uint64_t)offset, end = begin + (uint64_t)length;

    r->chunk = begin / FO_CHUNK;
    r->last = length > 0 ? (end - 1) / FO_CHUNK + 1 : r->chunk;
    r->skip = (size_t)(begin % FO_CHUNK);
    r->left = length;
    r->to_end = end == r->size;
    r->base = (finops_reader){
        .object = r->object, .offset = offset, .length = length, .read = sealed_read, .close = sealed_close
    };
}

static finops_code
open_from_start(fo_encrypt_self *self, const finops_get *get, sealed_reader *r, finops_error **err)
{
    finops_get sealed = *get;
    uint8_t header[FO_HEADER];
    int64_t offset = 0, length = 0;
    finops_code rc;

    sealed.length = get->length < 0 || get->length > INT64_MAX / 2
                        ? -1
                        : (int64_t)(fo_chunk_at(fo_chunks((uint64_t)get->length)) + FO_END);
    rc = FO_BELOW(self, read)(FO_SELF(self), &sealed, &r->below, err);
    if (rc == FINOPS_OK)
        rc = describe(r, get->key, err);
    if (rc == FINOPS_OK)
        rc = read_exactly(r->below, header, sizeof(header), get->key, err);
    if (rc == FINOPS_OK)
        rc = fo_envelope_open(&r->envelope, self->cipher, &self->ring, header, get->key, err);
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, r->object.size, &offset, &length, err);
    if (rc == FINOPS_OK)
        aim(r, offset, length);
    return rc;
}

static finops_code
open_chunks(fo_encrypt_self *self, const finops_get *get, const uint8_t *header, int64_t sealed_size,
            const char *version, sealed_reader *r, finops_error **err)
{
    int64_t plain = fo_plain_size(sealed_size), offset = 0, length = 0;
    finops_get sealed = { .key = get->key, .if_version = version, .call = get->call };
    finops_code rc = FINOPS_OK;

    if (plain < 0)
        rc = fo_error_set(err, FINOPS_E_CORRUPT, "%s is not encrypted, or damaged", get->key);
    if (rc == FINOPS_OK)
        rc = fo_envelope_open(&r->envelope, self->cipher, &self->ring, header, get->key, err);
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, plain, &offset, &length, err);
    if (rc != FINOPS_OK)
        return rc;
    r->size = (uint64_t)plain;
    aim(r, offset, length);
    sealed.offset = (int64_t)fo_chunk_at(r->chunk);
    sealed.length = r->to_end ? sealed_size - sealed.offset : (int64_t)((r->last - r->chunk) * FO_SEALED);
    rc = FO_BELOW(self, read)(FO_SELF(self), &sealed, &r->below, err);
    if (rc == FINOPS_OK)
        rc = describe(r, get->key, err);
    if (rc == FINOPS_OK)
        aim(r, offset, length);
    return rc;
}

static finops_code
open_middle(fo_encrypt_self *self, const finops_get *get, sealed_reader *r, finops_error **err)
{
    FO_AUTO(fo_freep) char *version = NULL;
    uint8_t header[FO_HEADER];
    int64_t size = 0;
    finops_code rc;

    if (!get->unless_version && kept_header(self, get, header, &size, &version)) {
        rc = open_chunks(self, get, header, size, version, r, err);
        if (rc != FINOPS_E_PRECONDITION || get->if_version)
            return rc;
        if (err)
            finops_error_freep(err);
        fo_envelope_done(&r->envelope);
        fo_freep(&version);
    }
    rc = fetch_header(self, get, header, &size, &version, err);
    return rc == FINOPS_OK ? open_chunks(self, get, header, size, version, r, err) : rc;
}

finops_code
fo_encrypt_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    sealed_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc;

    if (!r)
        return fo_error_oom(err);
    rc = get->offset == 0 && get->suffix == 0 ? open_from_start(self, get, r, err)
                                              : open_middle(self, get, r, err);
    if (rc == FINOPS_OK)
        rc = prepare(r, err);
    if (rc == FINOPS_OK)
        *ret = &r->base;
    else
        sealed_close(&r->base);
    return rc;
}
