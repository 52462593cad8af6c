/*
 * Reading compressed objects. From the beginning it is one request: the first bytes tell what it is and how
 * large. From the middle the table at the end is read first, unless it is known.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/str.h"
#include "storage/layers/compress_internal.h"
#include "storage/object.h"

typedef struct open_reader {
    finops_reader base;
    finops_reader *below;
    finops_object object; /* owns what base.object shows */
    uint8_t head[FO_HEAD_MAX];
    size_t head_n, head_at; /* read to see what it is, and to be read again */
    fo_unpacker *unpacker;  /* NULL: it is not compressed */
    int64_t skip, left;     /* plain bytes */
    bool whole;             /* nothing comes after `left` */
} open_reader;

/* ---- bytes ---- */

static finops_code
stored_bytes(void *arg, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    open_reader *r = arg;
    size_t kept = r->head_n - r->head_at;

    if (kept == 0)
        return r->below->read(r->below, buffer, n, ret_n, err);
    if (kept > n)
        kept = n;
    memcpy(buffer, r->head + r->head_at, kept);
    r->head_at += kept;
    *ret_n = kept;
    return FINOPS_OK;
}

static finops_code
wrong_size(const open_reader *r, const char *what, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_CORRUPT, "%s has %s bytes than it says it was compressed from",
                        r->object.key, what);
}

static finops_code
plain_bytes(open_reader *r, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    finops_code rc = r->unpacker ? fo_unpacker_read(r->unpacker, buffer, n, ret_n, err)
                                 : stored_bytes(r, buffer, n, ret_n, err);

    return rc == FINOPS_OK || !r->unpacker || rc != FINOPS_E_CORRUPT
               ? rc
               : fo_error_wrap(err, rc, "%s", r->object.key);
}

static finops_code
skip_some(open_reader *r, finops_error **err)
{
    uint8_t waste[8192];

    while (r->skip > 0) {
        size_t n = r->skip < (int64_t)sizeof(waste) ? (size_t)r->skip : sizeof(waste), got = 0;
        finops_code rc = plain_bytes(r, waste, n, &got, err);
        if (rc != FINOPS_OK)
            return rc;
        if (got == 0)
            return wrong_size(r, "fewer", err);
        r->skip -= (int64_t)got;
    }
    return FINOPS_OK;
}

/* After the last byte the checksum is read, and that there is no more. */
static finops_code
finish(open_reader *r, finops_error **err)
{
    uint8_t more;
    size_t got = 0;
    finops_code rc = FINOPS_OK;

    if (r->whole)
        rc = plain_bytes(r, &more, 1, &got, err);
    if (rc == FINOPS_OK && got > 0)
        return r->unpacker ? wrong_size(r, "more", err) : FINOPS_OK;
    r->whole = false;
    return rc;
}

static finops_code
open_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    open_reader *r = (open_reader *)reader;
    size_t got = 0;
    finops_code rc = r->skip > 0 ? skip_some(r, err) : FINOPS_OK;

    if (rc != FINOPS_OK)
        return rc;
    if (r->left == 0) {
        rc = finish(r, err);
        if (rc == FINOPS_OK)
            *ret_n = 0;
        return rc;
    }
    if ((int64_t)n > r->left)
        n = (size_t)r->left;
    rc = plain_bytes(r, buffer, n, &got, err);
    if (rc == FINOPS_OK && got == 0)
        rc = wrong_size(r, "fewer", err);
    if (rc != FINOPS_OK)
        return rc;
    r->left -= (int64_t)got;
    *ret_n = got;
    return FINOPS_OK;
}

static void
open_close(finops_reader *reader)
{
    open_reader *r = (open_reader *)reader;

    if (!r)
        return;
    fo_unpacker_free(r->unpacker);
    if (r->below)
        r->below->close(r->below);
    finops_object_done(&r->object);
    fo_free(r);
}

/* ---- tables ---- */

static fo_kept_table *
kept_place(fo_compress_self *self, const char *key)
{
    return &self->kept[fo_fnv1a(key, strlen(key)) % FO_TABLES_KEPT];
}

static void
table_done(fo_kept_table *t)
{
    fo_free(t->key);
    fo_free(t->version);
    fo_frames_done(&t->frames);
}

/* Where a range lies. */
typedef struct aim {
    fo_codec codec;
    int64_t plain;          /* the object's size */
    int64_t offset, length; /* of the range */
    int64_t from, n, skip;  /* stored bytes, and plain ones before the range */
    bool to_end;
    char *version;
} aim;

static void
aim_frames(const fo_kept_table *t, aim *a)
{
    int64_t stored = (int64_t)fo_head_size(t->codec), plain = 0;
    size_t i = 0;

    while (i < t->frames.n && plain + t->frames.items[i].plain <= a->offset) {
        stored += t->frames.items[i].stored;
        plain += t->frames.items[i++].plain;
    }
    a->from = stored;
    a->skip = a->offset - plain;
    while (i < t->frames.n && plain < a->offset + a->length) {
        stored += t->frames.items[i].stored;
        plain += t->frames.items[i++].plain;
    }
    a->n = stored - a->from;
}

static finops_code
aim_with(const fo_kept_table *t, const finops_get *get, aim *a, finops_error **err)
{
    finops_code rc = fo_get_resolve(get, t->plain, &a->offset, &a->length, err);

    if (rc != FINOPS_OK)
        return rc;
    a->codec = t->codec;
    a->plain = t->plain;
    if (t->codec == FO_CODEC_NONE) {
        a->from = a->offset;
        a->n = a->length;
    } else {
        aim_frames(t, a);
    }
    a->version = t->version ? fo_strdup(t->version) : NULL;
    return t->version && !a->version ? fo_error_oom(err) : FINOPS_OK;
}

static finops_code
check_limit(const fo_compress_self *self, const char *key, int64_t size, finops_error **err)
{
    finops_code rc;

    if (size < 0 || (uint64_t)size <= self->limit)
        return FINOPS_OK;
    rc = fo_error_set(err, FINOPS_E_DATA,
                      "%s would become %" PRId64 " bytes, and at most %" PRIu64 " are read", key, size,
                      self->limit);
    fo_error_hint(err, "compress.limit allows more");
    return rc;
}

static finops_code
read_tail(fo_compress_self *self, const finops_get *get, size_t want, uint8_t *tail, size_t *ret_n,
          finops_object *ret, finops_error **err)
{
    finops_get end = { .key = get->key,
                       .suffix = (int64_t)want,
                       .if_version = get->if_version,
                       .unless_version = get->unless_version,
                       .call = get->call };
    finops_reader *reader = NULL;
    size_t got = 1;
    finops_code rc = fo_stage_read(&self->pass.below, &end, &reader, err);

    if (rc != FINOPS_OK)
        return rc;
    for (*ret_n = 0; rc == FINOPS_OK && got > 0 && *ret_n < want; *ret_n += got) {
        got = 0;
        rc = reader->read(reader, tail + *ret_n, want - *ret_n, &got, err);
    }
    if (rc == FINOPS_OK)
        rc = finops_object_copy(&reader->object, ret, err);
    reader->close(reader);
    return rc;
}

static finops_code
table_of_tail(const uint8_t *tail, size_t n, const finops_object *object, fo_kept_table *t, size_t *ret_need,
              finops_error **err)
{
    finops_code rc = fo_frames_read_table(tail, n, object->size, &t->codec, ret_need, &t->frames, err);

    t->stored = object->size;
    t->plain = t->codec == FO_CODEC_NONE ? object->size : (int64_t)fo_frames_plain(&t->frames);
    return rc;
}

/* One request, and another for a table of more than 4 KiB. */
static finops_code
fetch_table(fo_compress_self *self, const finops_get *get, fo_kept_table *t, finops_error **err)
{
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    FO_AUTO(fo_freep) uint8_t *tail = fo_alloc(FO_TAIL_FIRST);
    size_t n = 0, need = 0;
    finops_get again = *get;
    finops_code rc = tail ? read_tail(self, get, FO_TAIL_FIRST, tail, &n, &object, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = table_of_tail(tail, n, &object, t, &need, err);
    if (rc == FINOPS_OK && need > n) {
        fo_free(tail);
        tail = fo_alloc(need);
        again.if_version = object.version;
        again.unless_version = NULL;
        finops_object_done(&object);
        rc = tail ? read_tail(self, &again, need, tail, &n, &object, err) : fo_error_oom(err);
        if (rc == FINOPS_OK)
            rc = table_of_tail(tail, n, &object, t, &need, err);
    }
    if (rc == FINOPS_OK)
        rc = check_limit(self, get->key, t->codec ? t->plain : -1, err);
    if (rc != FINOPS_OK)
        return rc;
    t->key = fo_strdup(get->key);
    t->version = object.version ? fo_strdup(object.version) : NULL;
    return t->key && (t->version || !object.version) ? FINOPS_OK : fo_error_oom(err);
}

/* By what is kept of it; *ret_kept says so. */
static finops_code
find_range(fo_compress_self *self, const finops_get *get, bool fresh, aim *a, bool *ret_kept,
           finops_error **err)
{
    fo_kept_table t = { 0 }, old;
    fo_kept_table *place;
    finops_code rc;

    (void)pthread_mutex_lock(&self->lock);
    place = kept_place(self, get->key);
    *ret_kept = !fresh && place->version && fo_streq(place->key, get->key) &&
                (!get->if_version || fo_streq(place->version, get->if_version));
    rc = *ret_kept ? aim_with(place, get, a, err) : FINOPS_OK;
    (void)pthread_mutex_unlock(&self->lock);
    if (*ret_kept)
        return rc;
    rc = fetch_table(self, get, &t, err);
    if (rc == FINOPS_OK)
        rc = aim_with(&t, get, a, err);
    old = t;
    if (rc == FINOPS_OK && t.version) {
        (void)pthread_mutex_lock(&self->lock);
        old = *place;
        *place = t;
        (void)pthread_mutex_unlock(&self->lock);
    }
    table_done(&old);
    return rc;
}

finops_code
fo_compress_size(fo_compress_self *self, const finops_get *get, int64_t *ret, finops_error **err)
{
    const finops_get all = {
        .key = get->key, .length = -1, .if_version = get->if_version, .call = get->call
    };
    bool kept = false;
    aim a = { 0 };
    finops_code rc = find_range(self, &all, !get->if_version, &a, &kept, err);

    fo_free(a.version);
    if (rc == FINOPS_OK)
        *ret = a.plain;
    return rc;
}

/* ---- opening ---- */

static finops_code
ready(open_reader *r, const char *key, int64_t plain, int64_t offset, int64_t length, finops_error **err)
{
    finops_object seen = r->below->object;
    finops_code rc;

    seen.key = key;
    rc = finops_object_copy(&seen, &r->object, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_compress_show(&r->object, plain);
    r->left = length;
    r->base = (finops_reader){
        .object = r->object, .offset = offset, .length = length, .read = open_read, .close = open_close
    };
    return FINOPS_OK;
}

static finops_code
open_range(fo_compress_self *self, const finops_get *get, bool fresh, open_reader *r, bool *ret_kept,
           finops_error **err)
{
    aim a = { 0 };
    finops_code rc = find_range(self, get, fresh, &a, ret_kept, err);
    finops_get stored = { .key = get->key, .if_version = a.version, .call = get->call };

    stored.offset = a.from;
    stored.length = a.n;
    if (rc == FINOPS_OK)
        rc = FO_BELOW(self, read)(FO_SELF(self), &stored, &r->below, err);
    if (rc == FINOPS_OK && a.codec != FO_CODEC_NONE)
        rc = fo_unpacker_new(a.codec, stored_bytes, r, &r->unpacker, err);
    if (rc == FINOPS_OK)
        rc = ready(r, get->key, a.plain, a.offset, a.length, err);
    r->skip = a.skip;
    fo_free(a.version);
    return rc;
}

static finops_code
open_middle(fo_compress_self *self, const finops_get *get, open_reader *r, finops_error **err)
{
    bool kept = false;
    finops_code rc = open_range(self, get, get->unless_version != NULL, r, &kept, err);

    if (rc != FINOPS_E_PRECONDITION || !kept || get->if_version)
        return rc;
    if (err)
        finops_error_freep(err);
    return open_range(self, get, true, r, &kept, err);
}

/* How much is asked for to unpack so many bytes: zstd gives whole blocks, and what does not shrink grows a
 * little. */
static int64_t
enough(int64_t plain)
{
    const int64_t block = 131072;

    if (plain < 0 || plain > INT64_MAX / 2)
        return -1;
    plain = (plain / block + 1) * block;
    return plain + plain / 64 + 4096;
}

static finops_code
peek(open_reader *r, finops_error **err)
{
    size_t got = 1;

    while (r->head_n < sizeof(r->head) && got > 0) {
        finops_code rc;
        got = 0;
        rc = r->below->read(r->below, r->head + r->head_n, sizeof(r->head) - r->head_n, &got, err);
        if (rc != FINOPS_OK)
            return rc;
        r->head_n += got;
    }
    return FINOPS_OK;
}

/* The head does not say how large it is: the table does. */
static finops_code
size_by_table(fo_compress_self *self, const finops_get *get, const open_reader *r, int64_t *ret,
              finops_error **err)
{
    const finops_get version = { .key = get->key, .if_version = r->below->object.version, .call = get->call };

    return fo_compress_size(self, &version, ret, err);
}

static finops_code
open_start(fo_compress_self *self, const finops_get *get, open_reader *r, finops_error **err)
{
    finops_get stored = *get;
    int64_t plain = -1, offset = 0, length = 0;
    fo_codec codec;
    finops_code rc;

    stored.length = enough(get->length);
    rc = FO_BELOW(self, read)(FO_SELF(self), &stored, &r->below, err);
    if (rc == FINOPS_OK)
        rc = peek(r, err);
    if (rc != FINOPS_OK)
        return rc;
    codec = fo_head_read(r->head, r->head_n, &plain);
    if (codec != FO_CODEC_NONE && plain < 0)
        rc = size_by_table(self, get, r, &plain, err);
    if (codec == FO_CODEC_NONE)
        plain = r->below->object.size;
    else if (rc == FINOPS_OK)
        rc = check_limit(self, get->key, plain, err);
    if (rc == FINOPS_OK && codec != FO_CODEC_NONE)
        rc = fo_unpacker_new(codec, stored_bytes, r, &r->unpacker, err);
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, plain, &offset, &length, err);
    r->whole = length == plain;
    return rc == FINOPS_OK ? ready(r, get->key, plain, offset, length, err) : rc;
}

finops_code
fo_compress_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    fo_compress_self *c = self;
    open_reader *r;
    finops_code rc;

    if (fo_compress_passes(get->key))
        return fo_stage_read(&c->pass.below, get, ret, err);
    r = fo_zalloc(sizeof(*r));
    if (!r)
        return fo_error_oom(err);
    rc = get->offset == 0 && get->suffix == 0 ? open_start(c, get, r, err) : open_middle(c, get, r, err);
    if (rc == FINOPS_OK)
        *ret = &r->base;
    else
        open_close(&r->base);
    return rc;
}
