/*
 * One storage in several places. A write goes to each, one after the other, the first one deciding about its
 * conditions; a read is answered by the first that can.
 *
 * A replica that missed a write is known to be behind for that key while this process lives, and is asked
 * last; for good it is put right by fo_replicate_compare().
 */
#include "storage/layers/replicate.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/str.h"
#include "storage/layers/replicate_internal.h"
#include "storage/storage.h"

static const finops_option replicate_options[] = {
    { "to", FINOPS_OPT_LIST, offsetof(fo_replicate_config, to), .arg = "ADDRESS",
      .help = "Write everything to these places, too, and read from them when the first does not answer." },
    { "mode", FINOPS_OPT_ENUM, offsetof(fo_replicate_config, mode), .value = "all",
      .allow = "all quorum primary_first",
      .help = "When a write is done: in all places, in more than half of them, or in the first." },
    { 0 },
};

/* ---- what is missed ---- */

static size_t
bit_of(const char *key)
{
    return fo_fnv1a(key, strlen(key)) % FO_MISSED_BITS;
}

void
fo_replicate_missed(fo_replicate_self *self, size_t replica, const char *key)
{
    fo_replica *r = &self->replicas[replica];
    size_t bit = bit_of(key);

    atomic_fetch_add(&r->behind, 1);
    atomic_fetch_or(&r->missed[bit / 64], 1ull << bit % 64);
}

bool
fo_replicate_has_missed(fo_replicate_self *self, size_t replica, const char *key)
{
    size_t bit = bit_of(key);

    return atomic_load(&self->replicas[replica].missed[bit / 64]) >> bit % 64 & 1;
}

bool
fo_replicate_is_down(finops_code code)
{
    switch (code) {
    case FINOPS_E_TRANSIENT:
    case FINOPS_E_THROTTLED:
    case FINOPS_E_TIMEOUT:
    case FINOPS_E_BREAKER_OPEN:
    case FINOPS_E_AUTH:
    case FINOPS_E_DENIED:
    case FINOPS_E_IO:
    case FINOPS_E_CONFIG:
    case FINOPS_E_CORRUPT:
        return true;
    default:
        return false;
    }
}

size_t
fo_replicate_need(const fo_replicate_self *self)
{
    return self->mode == FO_REPLICATE_ALL ? self->n : self->mode == FO_REPLICATE_QUORUM ? self->n / 2 + 1 : 1;
}

/* ---- versions ---- */

finops_code
fo_version_of(size_t replica, finops_object *object, finops_error **err)
{
    finops_object with = *object, copy = { 0 };
    FO_AUTO(fo_freep) char *version = NULL;
    finops_code rc;

    if (!object->version)
        return FINOPS_OK;
    version = fo_format("%zu:%s", replica, object->version);
    if (!version)
        return fo_error_oom(err);
    with.version = version;
    rc = finops_object_copy(&with, &copy, err);
    if (rc != FINOPS_OK)
        return rc;
    finops_object_done(object);
    *object = copy;
    return FINOPS_OK;
}

bool
fo_version_split(const fo_replicate_self *self, const char *version, size_t *ret_replica,
                 const char **ret_rest)
{
    *ret_replica = 0;
    *ret_rest = NULL;
    if (!version)
        return true;
    if (!fo_is_digit(version[0]) || version[1] != ':' || (size_t)(version[0] - '0') >= self->n)
        return false;
    *ret_replica = (size_t)(version[0] - '0');
    *ret_rest = version + 2;
    return true;
}

finops_code
fo_no_version(const char *key, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_PRECONDITION, "%s: it is another version", key);
}

/* ---- everywhere ---- */

bool
fo_everywhere_add(fo_everywhere *e, size_t replica, finops_code rc, finops_error *why)
{
    bool decides = !e->asked_first;

    e->asked_first = true;
    if (rc == FINOPS_OK) {
        if (e->done++ == 0)
            e->giver = replica;
        return true;
    }
    e->failed++;
    if (e->rc == FINOPS_OK) {
        e->rc = rc;
        e->why = why;
    } else {
        finops_error_free(why);
    }
    fo_debug("replica %zu of %zu missed %s: %s", replica, e->self->n, e->key, finops_code_name(rc));
    /* The first one's no is everybody's; and where it comes first, so is its failure. */
    if (decides && (!fo_replicate_is_down(rc) || e->conditional || e->self->mode != FO_REPLICATE_QUORUM))
        return false;
    fo_replicate_missed(e->self, replica, e->key);
    return true;
}

finops_code
fo_everywhere_end(fo_everywhere *e, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (e->done < fo_replicate_need(e->self)) {
        rc = e->rc ? e->rc
                   : fo_error_set(&e->why, FINOPS_E_TRANSIENT, "%s: too few replicas are left", e->key);
        if (e->done > 0) {
            rc = fo_error_wrap(&e->why, rc, "%s: done in %zu of %zu places", e->key, e->done, e->self->n);
            fo_error_hint(&e->why, "the places differ now; the same write, made again, makes them the same");
        }
        if (err)
            *err = FO_TAKE(e->why);
    }
    finops_error_freep(&e->why);
    return rc;
}

finops_object *
fo_everywhere_asks(fo_everywhere *e, const finops_object *ret)
{
    return ret && e->done == 0 ? &e->made : NULL;
}

finops_code
fo_everywhere_give(fo_everywhere *e, finops_object *ret, finops_error **err)
{
    finops_code rc = fo_everywhere_end(e, err);

    if (rc == FINOPS_OK && ret)
        rc = fo_version_of(e->giver, &e->made, err);
    if (rc == FINOPS_OK && ret)
        *ret = e->made;
    else
        finops_object_done(&e->made);
    return rc;
}

/* The order in which they are asked: the one that decides first. */
static size_t
nth(size_t first, size_t i)
{
    return i == 0 ? first : i <= first ? i - 1 : i;
}

static finops_code
replicate_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
              finops_error **err)
{
    fo_replicate_self *r = self;
    fo_everywhere e = { .self = r, .key = put->key, .conditional = put->if_version || put->create_only };
    finops_put what = *put;
    size_t first = 0;

    if (!fo_version_split(r, put->if_version, &first, &what.if_version))
        return fo_no_version(put->key, err);
    for (size_t i = 0; i < r->n; i++) {
        finops_error *why = NULL;
        size_t at = nth(first, i);
        finops_code rc = CALL(r, at, put)(OF(r, at), &what, data, n, fo_everywhere_asks(&e, ret), &why);
        if (!fo_everywhere_add(&e, at, rc, why))
            break;
        what.if_version = NULL;
        what.create_only = false;
    }
    return fo_everywhere_give(&e, ret, err);
}

static finops_code
replicate_remove(void *self, const finops_remove *remove, finops_error **err)
{
    fo_replicate_self *r = self;
    fo_everywhere e = { .self = r, .key = remove->key, .conditional = remove->if_version };
    finops_remove what = *remove;
    size_t first = 0;

    if (!fo_version_split(r, remove->if_version, &first, &what.if_version))
        return fo_no_version(remove->key, err);
    for (size_t i = 0; i < r->n; i++) {
        finops_error *why = NULL;
        size_t at = nth(first, i);
        finops_code rc = CALL(r, at, remove)(OF(r, at), &what, &why);
        if (!fo_everywhere_add(&e, at, rc, why))
            break;
        what.if_version = NULL;
    }
    return fo_everywhere_end(&e, err);
}

static finops_code
replicate_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    fo_replicate_self *r = self;
    fo_everywhere e = { .self = r, .key = copy->to, .conditional = copy->if_version || copy->create_only };
    finops_copy what = *copy;
    size_t first = 0;

    if (!fo_version_split(r, copy->if_version, &first, &what.if_version))
        return fo_no_version(copy->from, err);
    for (size_t i = 0; i < r->n; i++) {
        finops_error *why = NULL;
        size_t at = nth(first, i);
        finops_code rc = CALL(r, at, copy)(OF(r, at), &what, fo_everywhere_asks(&e, ret), &why);
        if (!fo_everywhere_add(&e, at, rc, why))
            break;
        what.if_version = NULL;
        what.create_only = false;
    }
    return fo_everywhere_give(&e, ret, err);
}

static finops_code
replicate_sweep(void *self, const char *prefix, int64_t before_us, const finops_call *call,
                finops_each_object each, void *arg, finops_error **err)
{
    fo_replicate_self *r = self;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < r->n && rc == FINOPS_OK; i++)
        rc = CALL(r, i, sweep)(OF(r, i), prefix, before_us, call, each, arg, err);
    return rc;
}

/* What all of them can. */
static uint64_t
replicate_features(void *self)
{
    const fo_replicate_self *r = self;
    uint64_t features = UINT64_MAX, any = 0;

    for (size_t i = 0; i < r->n; i++) {
        uint64_t one = fo_stage_features(&r->replicas[i].stage);
        features &= one;
        any |= one;
    }
    return (features & ~r->pass.less) | (any & (FINOPS_STORAGE_PARTS_IN_ORDER | FINOPS_STORAGE_PARTS_STAY));
}

/* ---- the layer ---- */

static const finops_storage_driver slots = {
    .features = replicate_features,
    .stat = fo_replicate_stat,
    .list = fo_replicate_list,
    .read = fo_replicate_read,
    .put = replicate_put,
    .remove = replicate_remove,
    .upload = fo_replicate_upload,
    .copy = replicate_copy,
    .sweep = replicate_sweep,
};

static void
replica_close(fo_replica *r)
{
    if (r->storage)
        finops_storage_close(r->storage);
    else
        fo_stage_close(&r->stage);
}

static void
replicate_done(void *self)
{
    fo_replicate_self *r = self;

    for (size_t i = 1; i < r->n; i++) /* the first is `below` */
        replica_close(&r->replicas[i]);
}

/* Without a slot everywhere it is none. */
static void
common_slots(fo_replicate_self *r)
{
    finops_storage_driver *d = &r->pass.driver;

    d->remove_many = fo_replicate_remove_many;
    d->write = NULL;
    d->move = NULL;
    d->presign = NULL;
    for (size_t i = 0; i < r->n; i++) {
        const finops_storage_driver *one = r->replicas[i].stage.driver;
        d->upload = one->upload ? d->upload : NULL;
        d->copy = one->copy ? d->copy : NULL;
        d->sweep = one->sweep ? d->sweep : NULL;
    }
}

static fo_replicate_self *
replicate_new(fo_replicate_mode mode, fo_stage below, finops_code *ret_rc, finops_error **err)
{
    fo_replicate_self *r = fo_pass_new(&fo_replicate_layer, sizeof(*r), &slots, below, ret_rc, err);

    if (!r)
        return NULL;
    r->mode = mode;
    r->n = 1;
    r->replicas[0].stage = below;
    /* A move is not one step in several places, and a signed address leads to one of them. */
    r->pass.less = FINOPS_STORAGE_MOVE | FINOPS_STORAGE_PRESIGN;
    r->pass.done = replicate_done;
    return r;
}

finops_code
fo_replicate_over(fo_replicate_mode mode, const fo_stage *stages, size_t n, fo_stage *ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    fo_replicate_self *r;

    assert(n >= 2 && n <= FO_REPLICAS_MAX);
    r = replicate_new(mode, stages[0], &rc, err);
    if (!r)
        return rc;
    for (; r->n < n; r->n++)
        r->replicas[r->n].stage = stages[r->n];
    common_slots(r);
    *ret = fo_pass_stage(&r->pass);
    return FINOPS_OK;
}

static finops_code
open_replicas(fo_replicate_self *r, const fo_replicate_config *c, finops_error **err)
{
    for (char **to = c->to; *to; to++) {
        finops_storage *storage = NULL;
        finops_code rc;
        if (r->n == FO_REPLICAS_MAX)
            return fo_error_set(err, FINOPS_E_CONFIG, "more than %d replicas", FO_REPLICAS_MAX);
        rc = c->open(c->open_arg, *to, &storage, err);
        if (rc != FINOPS_OK)
            return rc;
        r->replicas[r->n].storage = storage;
        r->replicas[r->n++].stage = *fo_storage_stage(storage);
    }
    return FINOPS_OK;
}

static finops_code
replicate_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
{
    const fo_replicate_config *c = config;
    finops_code rc = FINOPS_OK;
    fo_replicate_self *r;

    if (!c->to || !c->to[0]) {
        *ret = below;
        return FINOPS_OK;
    }
    if (!c->open)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "replicate.to of %s: replicas cannot be opened here",
                            address);
    r = replicate_new(fo_streq(c->mode, "quorum")          ? FO_REPLICATE_QUORUM
                      : fo_streq(c->mode, "primary_first") ? FO_REPLICATE_PRIMARY_FIRST
                                                           : FO_REPLICATE_ALL,
                      below, &rc, err);
    if (!r)
        return rc;
    rc = open_replicas(r, c, err);
    if (rc != FINOPS_OK) {
        fo_pass_drop(&r->pass);
        return fo_error_wrap(err, rc, "a replica of %s", address);
    }
    common_slots(r);
    *ret = fo_pass_stage(&r->pass);
    return FINOPS_OK;
}

const fo_layer fo_replicate_layer = {
    .name = "replicate",
    .options = replicate_options,
    .config_size = sizeof(fo_replicate_config),
    .wrap = replicate_wrap,
};

bool
fo_replicate_read_figures(const fo_stage *stage, fo_replicate_figures *ret)
{
    fo_replicate_self *r = fo_pass_find(stage, &fo_replicate_layer);

    if (!r)
        return false;
    *ret = (fo_replicate_figures){ .replicas = r->n, .fallbacks = atomic_load(&r->fallbacks) };
    for (size_t i = 0; i < r->n; i++)
        ret->behind[i] = atomic_load(&r->replicas[i].behind);
    return true;
}
