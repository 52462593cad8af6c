/*
 * Finding and mending differences between replicas: their listings are walked side by side, a page of each at
 * a time, so that memory does not grow with what there is.
 */
#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "storage/layers/replicate_internal.h"

#define PAGE 500u
#define BLOCK ((size_t)65536)

/* A page of one replica's listing. */
typedef struct side {
    finops_object objects[PAGE];
    size_t n, at;
    bool ended;
} side;

typedef struct walk {
    fo_replicate_self *self;
    const char *prefix;
    const finops_call *call;
    side *sides;
    fo_str last; /* key that was looked at */
} walk;

static bool
page_add(const finops_object *object, void *arg)
{
    side *s = arg;

    if (s->n == PAGE || finops_object_copy(object, &s->objects[s->n], NULL) != FINOPS_OK) {
        s->ended = false;
        return false;
    }
    s->n++;
    return true;
}

static finops_code
fill(walk *w, size_t i, finops_error **err)
{
    side *s = &w->sides[i];
    const finops_list list = { .prefix = w->prefix,
                               .start_after = w->last.len > 0 ? fo_str_z(&w->last) : NULL,
                               .call = w->call };
    finops_code rc;

    if (s->at < s->n || s->ended)
        return FINOPS_OK;
    for (size_t j = 0; j < s->n; j++)
        finops_object_done(&s->objects[j]);
    s->n = s->at = 0;
    s->ended = true;
    rc = CALL(w->self, i, list)(OF(w->self, i), &list, page_add, s, err);
    if (rc == FINOPS_OK && s->n == 0 && !s->ended)
        return fo_error_oom(err);
    return rc;
}

/* The smallest key that is next anywhere; NULL: done. */
static finops_code
next_key(walk *w, const char **ret, finops_error **err)
{
    *ret = NULL;
    for (size_t i = 0; i < w->self->n; i++) {
        const side *s = &w->sides[i];
        finops_code rc = fill(w, i, err);
        if (rc != FINOPS_OK)
            return rc;
        if (s->at < s->n && (!*ret || strcmp(s->objects[s->at].key, *ret) < 0))
            *ret = s->objects[s->at].key;
    }
    return FINOPS_OK;
}

/* ---- the same or not ---- */

static finops_code
read_full(finops_reader *r, unsigned char *to, size_t *ret_n, finops_error **err)
{
    size_t got = 1;

    for (*ret_n = 0; *ret_n < BLOCK && got > 0; *ret_n += got) {
        finops_code rc;
        got = 0;
        rc = r->read(r, to + *ret_n, BLOCK - *ret_n, &got, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
same_bytes(finops_reader *a, finops_reader *b, bool *ret, finops_error **err)
{
    FO_AUTO(fo_freep) unsigned char *blocks = fo_alloc(2 * BLOCK);
    size_t n = 1, m = 1;
    finops_code rc = blocks ? FINOPS_OK : fo_error_oom(err);

    for (*ret = true; rc == FINOPS_OK && *ret && n > 0;) {
        rc = read_full(a, blocks, &n, err);
        if (rc == FINOPS_OK)
            rc = read_full(b, blocks + BLOCK, &m, err);
        *ret = n == m && rc == FINOPS_OK && memcmp(blocks, blocks + BLOCK, n) == 0;
    }
    return rc;
}

static finops_code
compare_bytes(walk *w, const char *key, size_t i, size_t j, bool *ret, finops_error **err)
{
    const finops_get get = { .key = key, .length = -1, .call = w->call };
    finops_reader *a = NULL, *b = NULL;
    finops_code rc = CALL(w->self, i, read)(OF(w->self, i), &get, &a, err);

    if (rc == FINOPS_OK)
        rc = CALL(w->self, j, read)(OF(w->self, j), &get, &b, err);
    if (rc == FINOPS_OK)
        rc = same_bytes(a, b, ret, err);
    if (a)
        a->close(a);
    if (b)
        b->close(b);
    return rc;
}

static const finops_object *
object_at(const walk *w, size_t i, const char *key)
{
    const side *s = &w->sides[i];

    return s->at < s->n && strcmp(s->objects[s->at].key, key) == 0 ? &s->objects[s->at] : NULL;
}

/* By checksum where both have one of the same kind, else by the bytes. */
static finops_code
is_same(walk *w, const char *key, size_t i, size_t j, bool *ret, finops_error **err)
{
    const finops_object *a = object_at(w, i, key), *b = object_at(w, j, key);
    size_t kind;

    *ret = a && b && a->size == b->size;
    if (!a && !b)
        *ret = true;
    if (!*ret || !a)
        return FINOPS_OK;
    kind = a->checksum ? strcspn(a->checksum, ":") : 0;
    if (kind > 0 && b->checksum && strncmp(a->checksum, b->checksum, kind + 1) == 0) {
        *ret = strcmp(a->checksum, b->checksum) == 0;
        return FINOPS_OK;
    }
    return compare_bytes(w, key, i, j, ret, err);
}

/* ---- what is right ---- */

/* Puts each replica into the class of the first that has the same. */
static finops_code
classify(walk *w, const char *key, size_t class[FO_REPLICAS_MAX], finops_error **err)
{
    for (size_t i = 0; i < w->self->n; i++) {
        class[i] = i;
        for (size_t j = 0; j < i; j++) {
            bool same = false;
            finops_code rc = class[j] == j ? is_same(w, key, j, i, &same, err) : FINOPS_OK;
            if (rc != FINOPS_OK)
                return rc;
            if (same) {
                class[i] = j;
                break;
            }
        }
    }
    return FINOPS_OK;
}

/* The replica whose state is right. */
static size_t
right_one(const walk *w, const char *key, const size_t class[FO_REPLICAS_MAX])
{
    size_t best = 0, most = 0;

    if (w->self->mode == FO_REPLICATE_PRIMARY_FIRST)
        return 0;
    for (size_t i = 0; i < w->self->n; i++) {
        size_t count = 0;
        for (size_t j = 0; j < w->self->n; j++)
            count += class[j] == i;
        /* As many here as there: the earlier, but an object rather than none. */
        if (count > most || (count == most && !object_at(w, best, key))) {
            most = count;
            best = i;
        }
    }
    return best;
}

/* ---- mending ---- */

static finops_code
pump(finops_reader *from, finops_writer *to, finops_error **err)
{
    FO_AUTO(fo_freep) unsigned char *block = fo_alloc(BLOCK);
    size_t n = 1;
    finops_code rc = block ? FINOPS_OK : fo_error_oom(err);

    while (rc == FINOPS_OK && n > 0) {
        rc = from->read(from, block, BLOCK, &n, err);
        if (rc == FINOPS_OK && n > 0)
            rc = to->write(to, block, n, err);
    }
    return rc == FINOPS_OK ? to->commit(to, NULL, err) : rc;
}

static finops_code
copy_object(walk *w, const char *key, size_t from, size_t to, finops_error **err)
{
    const finops_get get = { .key = key, .length = -1, .call = w->call };
    finops_reader *reader = NULL;
    finops_writer *writer = NULL;
    finops_code rc = CALL(w->self, from, read)(OF(w->self, from), &get, &reader, err);

    if (rc == FINOPS_OK) {
        const finops_object *o = &reader->object;
        const finops_put put = { .key = key,
                                 .size = reader->length,
                                 .content_type = o->content_type,
                                 .content_encoding = o->content_encoding,
                                 .cache_control = o->cache_control,
                                 .metadata = o->metadata,
                                 .n_metadata = o->n_metadata,
                                 .call = w->call };
        rc = fo_stage_write(&w->self->replicas[to].stage, &put, NULL, &writer, err);
    }
    if (rc == FINOPS_OK)
        rc = pump(reader, writer, err);
    if (writer)
        writer->close(writer);
    if (reader)
        reader->close(reader);
    return rc;
}

static finops_code
mend(walk *w, const char *key, size_t right, size_t i, finops_error **err)
{
    const finops_remove gone = { .key = key, .call = w->call };

    return object_at(w, right, key) ? copy_object(w, key, right, i, err)
                                    : CALL(w->self, i, remove)(OF(w->self, i), &gone, err);
}

static finops_code
look_at(walk *w, const char *key, bool repair, fo_each_divergence each, void *arg, bool *ret_more,
        finops_error **err)
{
    size_t class[FO_REPLICAS_MAX] = { 0 }, right;
    fo_divergence d = { .key = key };
    finops_code rc = classify(w, key, class, err);
    bool differs = false;

    if (rc != FINOPS_OK)
        return rc;
    right = right_one(w, key, class);
    d.should_be = object_at(w, right, key) != NULL;
    for (size_t i = 0; i < w->self->n; i++) {
        bool good = class[i] == class[right];
        d.has |= (unsigned)(good && d.should_be) << i;
        d.differs |= (unsigned)(!good && object_at(w, i, key)) << i;
        differs = differs || !good;
        if (!good && repair && rc == FINOPS_OK)
            rc = mend(w, key, right, i, err);
    }
    d.repaired = differs && repair && rc == FINOPS_OK;
    if (differs && each && rc == FINOPS_OK)
        *ret_more = each(&d, arg);
    return rc;
}

static void
step_over(walk *w, const char *key)
{
    fo_str_clear(&w->last);
    fo_str_add(&w->last, key);
    for (size_t i = 0; i < w->self->n; i++)
        if (object_at(w, i, fo_str_z(&w->last)))
            w->sides[i].at++;
}

/* All that was missed has been looked at. */
static void
forget_missed(fo_replicate_self *r)
{
    for (size_t i = 0; i < r->n; i++)
        for (size_t j = 0; j < FO_MISSED_BITS / 64; j++)
            atomic_store(&r->replicas[i].missed[j], 0);
}

finops_code
fo_replicate_compare(const fo_stage *stage, const char *prefix, bool repair, const finops_call *call,
                     fo_each_divergence each, void *arg, finops_error **err)
{
    walk w = { .self = fo_pass_find(stage, &fo_replicate_layer), .prefix = prefix, .call = call };
    const char *key = NULL;
    bool more = true;
    finops_code rc;

    if (!w.self)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "there are no replicas to compare");
    w.last = FO_STR_INIT;
    w.sides = fo_array(w.self->n, sizeof(*w.sides));
    rc = w.sides ? next_key(&w, &key, err) : fo_error_oom(err);
    while (rc == FINOPS_OK && key && more) {
        rc = look_at(&w, key, repair, each, arg, &more, err);
        step_over(&w, key);
        if (rc == FINOPS_OK && !fo_str_ok(&w.last))
            rc = fo_error_oom(err);
        if (rc == FINOPS_OK)
            rc = next_key(&w, &key, err);
    }
    if (rc == FINOPS_OK && repair && more && prefix[0] == '\0')
        forget_missed(w.self);
    for (size_t i = 0; w.sides && i < w.self->n; i++)
        for (size_t j = 0; j < w.sides[i].n; j++)
            finops_object_done(&w.sides[i].objects[j]);
    fo_free(w.sides);
    fo_str_done(&w.last);
    return rc;
}
