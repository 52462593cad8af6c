/* Reading what is in several places: from the first that answers, and on from another when it stops. */
#include <string.h>

#include "base/str.h"
#include "storage/layers/replicate_internal.h"

/* The order in which they are asked for a key: who missed a write of it comes last. */
static size_t
order_for(fo_replicate_self *r, const char *key, size_t order[FO_REPLICAS_MAX])
{
    size_t n = 0;

    for (int missed = 0; missed < 2; missed++)
        for (size_t i = 0; i < r->n; i++)
            if (fo_replicate_has_missed(r, i, key) == (missed == 1))
                order[n++] = i;
    return n;
}

/* A no that others may contradict: where most decide, one that has none may have missed it. */
static bool
asks_on(const fo_replicate_self *r, finops_code rc, size_t *nos)
{
    if (rc != FINOPS_E_NOT_FOUND)
        return fo_replicate_is_down(rc);
    return r->mode == FO_REPLICATE_QUORUM && ++*nos < fo_replicate_need(r);
}

/* The first failure is told, but a no is an answer. */
static void
keep_reason(finops_code rc, finops_error *why, finops_code *kept, finops_error **kept_why)
{
    if (*kept == FINOPS_OK || rc == FINOPS_E_NOT_FOUND) {
        finops_error_free(*kept_why);
        *kept = rc;
        *kept_why = why;
    } else {
        finops_error_free(why);
    }
}

static finops_code
hand_over(finops_code rc, finops_error *why, finops_error **err)
{
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

finops_code
fo_replicate_stat(void *self, const char *key, const finops_call *call, finops_object *ret,
                  finops_error **err)
{
    fo_replicate_self *r = self;
    size_t order[FO_REPLICAS_MAX], n = order_for(r, key, order), nos = 0;
    finops_error *kept_why = NULL;
    finops_code kept = FINOPS_OK, rc;

    for (size_t i = 0; i < n; i++) {
        finops_object object = { 0 };
        finops_error *why = NULL;
        rc = CALL(r, order[i], stat)(OF(r, order[i]), key, call, &object, &why);
        if (rc == FINOPS_OK) {
            atomic_fetch_add(&r->fallbacks, i > 0);
            finops_error_free(kept_why);
            rc = fo_version_of(order[i], &object, err);
            if (rc == FINOPS_OK)
                *ret = object;
            else
                finops_object_done(&object);
            return rc;
        }
        keep_reason(rc, why, &kept, &kept_why);
        if (!asks_on(r, rc, &nos))
            break;
    }
    return hand_over(kept, kept_why, err);
}

typedef struct replica_reader {
    finops_reader base;
    finops_reader *below;
    fo_replicate_self *layer;
    finops_object object; /* owns what base.object shows */
    const finops_call *call;
    size_t replica;
    unsigned tried; /* a bit for each that failed */
    int64_t done;
} replica_reader;

static bool
same_content(const finops_object *a, const finops_object *b)
{
    if (a->size != b->size)
        return false;
    if (a->checksum && b->checksum)
        return strcmp(a->checksum, b->checksum) == 0;
    return fo_streq(a->etag, b->etag) && a->etag;
}

/* The rest comes from another one that has the same. */
static bool
go_on_elsewhere(replica_reader *r)
{
    fo_replicate_self *l = r->layer;
    const finops_get rest = { .key = r->object.key,
                              .offset = r->base.offset + r->done,
                              .length = r->base.length - r->done,
                              .call = r->call };

    r->tried |= 1u << r->replica;
    for (size_t i = 0; i < l->n; i++) {
        finops_reader *reader = NULL;
        if (r->tried >> i & 1 || CALL(l, i, read)(OF(l, i), &rest, &reader, NULL) != FINOPS_OK)
            continue;
        if (same_content(&reader->object, &r->object)) {
            r->below->close(r->below);
            r->below = reader;
            r->replica = i;
            atomic_fetch_add(&l->fallbacks, 1);
            return true;
        }
        reader->close(reader);
    }
    return false;
}

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    replica_reader *r = (replica_reader *)reader;
    size_t got = 0;

    for (;;) {
        finops_error *why = NULL;
        finops_code rc = r->below->read(r->below, buffer, n, &got, &why);
        if (rc == FINOPS_OK)
            break;
        /* Bytes that were damaged may have been handed out: then it is too late. */
        if (!fo_replicate_is_down(rc) || (rc == FINOPS_E_CORRUPT && r->done > 0) ||
            r->done == r->base.length || !go_on_elsewhere(r))
            return hand_over(rc, why, err);
        finops_error_free(why);
    }
    r->done += (int64_t)got;
    *ret_n = got;
    return FINOPS_OK;
}

static void
reader_close(finops_reader *reader)
{
    replica_reader *r = (replica_reader *)reader;

    if (!r)
        return;
    if (r->below)
        r->below->close(r->below);
    finops_object_done(&r->object);
    fo_free(r);
}

static finops_code
reader_ready(replica_reader *r, const finops_get *get, finops_error **err)
{
    finops_object seen = r->below->object;
    finops_code rc;

    seen.key = get->key;
    rc = finops_object_copy(&seen, &r->object, err);
    if (rc == FINOPS_OK)
        rc = fo_version_of(r->replica, &r->object, err);
    r->base = (finops_reader){ .object = r->object,
                               .offset = r->below->offset,
                               .length = r->below->length,
                               .read = reader_read,
                               .close = reader_close };
    return rc;
}

/* A version is asked of the one it is of; that it is another there says nothing of a third. */
static finops_code
open_anywhere(replica_reader *r, const finops_get *get, finops_error **err)
{
    fo_replicate_self *l = r->layer;
    size_t order[FO_REPLICAS_MAX], n = order_for(l, get->key, order), nos = 0, one = 0, other = 0;
    finops_get what = *get;
    finops_error *kept_why = NULL;
    finops_code kept = FINOPS_OK;
    bool ours = fo_version_split(l, get->unless_version, &other, &what.unless_version);

    if (!fo_version_split(l, get->if_version, &one, &what.if_version))
        return fo_no_version(get->key, err);
    for (size_t i = 0; i < n; i++) {
        finops_error *why = NULL;
        r->replica = order[i];
        if (get->if_version && r->replica != one)
            continue;
        what.unless_version =
            get->unless_version && ours && r->replica == other ? get->unless_version + 2 : NULL;
        finops_code rc = CALL(l, r->replica, read)(OF(l, r->replica), &what, &r->below, &why);
        if (rc == FINOPS_OK) {
            atomic_fetch_add(&l->fallbacks, i > 0);
            finops_error_free(kept_why);
            return rc;
        }
        keep_reason(rc, why, &kept, &kept_why);
        if (!asks_on(l, rc, &nos))
            break;
    }
    /* Whoever asks for no version in particular may have it from another place. */
    if (get->if_version && fo_replicate_is_down(kept))
        kept = fo_error_wrap(&kept_why, FINOPS_E_PRECONDITION,
                             "the place that this version is of does not answer");
    return hand_over(kept, kept_why, err);
}

finops_code
fo_replicate_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    replica_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc;

    if (!r)
        return fo_error_oom(err);
    r->layer = self;
    r->call = get->call;
    rc = open_anywhere(r, get, err);
    if (rc == FINOPS_OK)
        rc = reader_ready(r, get, err);
    if (rc == FINOPS_OK)
        *ret = &r->base;
    else
        reader_close(&r->base);
    return rc;
}

/* ---- listing ---- */

typedef struct listing {
    finops_each_object each;
    void *arg;
    size_t replica;
    fo_str last;
} listing;

static bool
listed(const finops_object *object, void *arg)
{
    listing *l = arg;
    FO_AUTO(fo_freep) char *version = NULL;
    finops_object shown = *object;

    if (l->last.len > 0 && strcmp(object->key, fo_str_z(&l->last)) <= 0)
        return true;
    fo_str_clear(&l->last);
    fo_str_add(&l->last, object->key);
    version = object->version ? fo_format("%zu:%s", l->replica, object->version) : NULL;
    shown.version = version;
    return l->each(&shown, l->arg);
}

/* Another goes on after the last key when one stops answering. */
finops_code
fo_replicate_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    fo_replicate_self *r = self;
    listing l = { .each = each, .arg = arg, .last = FO_STR_INIT };
    finops_list what = *list;
    finops_error *kept_why = NULL;
    finops_code kept = FINOPS_OK, rc = FINOPS_E_INTERNAL;
    FO_AUTO(fo_freep) char *from = NULL;

    for (size_t i = 0; i < r->n && fo_str_ok(&l.last); i++) {
        finops_error *why = NULL;
        if (l.last.len > 0) {
            fo_free(from);
            from = fo_strdup(fo_str_z(&l.last));
            what.start_after = from;
        }
        l.replica = i;
        rc = CALL(r, i, list)(OF(r, i), &what, listed, &l, &why);
        atomic_fetch_add(&r->fallbacks, rc == FINOPS_OK && i > 0);
        if (rc == FINOPS_OK)
            break;
        keep_reason(rc, why, &kept, &kept_why);
        if (!fo_replicate_is_down(rc))
            break;
    }
    fo_str_done(&l.last);
    if (rc != FINOPS_OK)
        return hand_over(kept, kept_why, err);
    finops_error_free(kept_why);
    return FINOPS_OK;
}
