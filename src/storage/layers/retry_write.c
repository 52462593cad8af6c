/*
 * Writing again: what was stored although its answer was lost is known by a mark in its metadata; a part that
 * failed is sent alone, and of a batch the keys that failed.
 */
#include "storage/layers/retry_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define WRITE_ID_SIZE 33

/* A put with a mark in its metadata, where a condition could be met by the very same put. */
typedef struct marked_put {
    finops_put put;
    finops_metadata *metadata;
    char id[WRITE_ID_SIZE];
    bool marked;
} marked_put;

static finops_code
mark(const fo_retry_self *r, const finops_put *put, const finops_call *call, marked_put *ret,
     finops_error **err)
{
    *ret = (marked_put){ .put = *put };
    ret->put.call = call;
    ret->marked = (put->create_only || put->if_version) &&
                  (fo_stage_features(&r->pass.below) & FINOPS_STORAGE_METADATA) != 0;
    if (!ret->marked)
        return FINOPS_OK;
    ret->metadata = fo_array(put->n_metadata + 1, sizeof(*ret->metadata));
    if (!ret->metadata)
        return fo_error_oom(err);
    for (size_t i = 0; i + 1 < sizeof(ret->id); i++)
        ret->id[i] = "0123456789abcdef"[arc4random_uniform(16)];
    if (put->n_metadata > 0)
        memcpy(ret->metadata, put->metadata, put->n_metadata * sizeof(*ret->metadata));
    ret->metadata[put->n_metadata] = (finops_metadata){ .name = FO_WRITE_ID, .value = ret->id };
    ret->put.metadata = ret->metadata;
    ret->put.n_metadata++;
    return FINOPS_OK;
}

/* The condition is not met any more; perhaps because an attempt whose answer was lost has met it. */
static bool
is_ours(fo_retry_self *r, const marked_put *m, fo_retrying *t, finops_object *ret)
{
    finops_object found = { 0 };
    bool ours;

    if (!t->doubt || !m->marked)
        return false;
    if (FO_BELOW(r, stat)(FO_SELF(r), m->put.key, &t->call, &found, NULL) != FINOPS_OK)
        return false;
    ours = fo_streq(fo_object_metadata(&found, FO_WRITE_ID), m->id);
    if (ours && ret) {
        fo_object_hide(&found, FO_WRITE_ID);
        *ret = found;
    } else {
        finops_object_done(&found);
    }
    return ours;
}

static bool
is_lost_condition(finops_code rc)
{
    return rc == FINOPS_E_EXISTS || rc == FINOPS_E_PRECONDITION;
}

finops_code
fo_retry_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
             finops_error **err)
{
    fo_retry_self *r = self;
    marked_put m;
    finops_code rc;
    fo_retrying t;

    fo_retrying_begin(&t, r, FO_OP_PUT, put->key, put->call);
    rc = mark(r, put, &t.call, &m, err);
    if (rc != FINOPS_OK)
        return rc;
    do
        rc = FO_BELOW(r, put)(FO_SELF(r), &m.put, data, n, ret, &t.why);
    while (fo_retrying_again(&t, rc));
    if (is_lost_condition(rc) && is_ours(r, &m, &t, ret))
        rc = FINOPS_OK;
    else if (is_lost_condition(rc) && t.doubt)
        fo_error_hint(&t.why, "an attempt whose answer was lost may have written it");
    else if (rc == FINOPS_OK && ret)
        fo_object_hide(ret, FO_WRITE_ID);
    fo_free(m.metadata);
    return fo_retrying_end(&t, rc, err);
}

typedef struct retry_upload {
    fo_pass_upload pass;
    char *key;
} retry_upload;

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    retry_upload *u = (retry_upload *)upload;
    finops_code rc;
    fo_retrying t;

    fo_retrying_begin(&t, u->pass.layer, FO_OP_PART, u->key, call);
    do
        rc = u->pass.below->part(u->pass.below, number, offset, data, n, &t.call, &t.why);
    while (fo_retrying_again(&t, rc));
    return fo_retrying_end(&t, rc, err);
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    retry_upload *u = (retry_upload *)upload;
    finops_code rc;
    fo_retrying t;

    fo_retrying_begin(&t, u->pass.layer, FO_OP_COMMIT, u->key, call);
    do
        rc = u->pass.below->commit(u->pass.below, parts, size, &t.call, ret, &t.why);
    while (fo_retrying_again(&t, rc));
    return fo_retrying_end(&t, rc, err);
}

static void
upload_close(finops_upload *upload)
{
    retry_upload *u = (retry_upload *)upload;

    if (u)
        fo_free(u->key);
    fo_pass_upload_close(upload);
}

finops_code
fo_retry_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    fo_retry_self *r = self;
    finops_put what = *put;
    retry_upload *u = fo_zalloc(sizeof(*u));
    finops_code rc;
    fo_retrying t;

    if (u)
        u->key = fo_strdup(put->key);
    if (!u || !u->key) {
        fo_free(u);
        return fo_error_oom(err);
    }
    fo_retrying_begin(&t, r, FO_OP_UPLOAD, put->key, put->call);
    what.call = &t.call;
    do
        rc = FO_BELOW(r, upload)(FO_SELF(r), &what, &u->pass.below, &t.why);
    while (fo_retrying_again(&t, rc));
    if (rc == FINOPS_OK) {
        fo_pass_upload_ready(&u->pass, r, upload_part, upload_commit);
        u->pass.base.close = upload_close;
        *ret = &u->pass.base;
    } else {
        upload_close(&u->pass.base);
    }
    return fo_retrying_end(&t, rc, err);
}

/* ---- a batch with the keys that failed ---- */

typedef struct batch {
    fo_retrying trial;
    finops_each_removed each;
    void *arg;
    const char **keys; /* that are left */
    size_t *index;     /* of each among the caller's */
    finops_error **why;
    bool *told; /* of those of the attempt that runs */
    size_t n;
    finops_code rc; /* the worst luck of a key */
} batch;

/* What may be tried again is kept back. */
static void
removed(size_t i, const finops_error *err, void *arg)
{
    batch *b = arg;
    finops_code rc = finops_error_code(err);

    assert(i < b->n);
    if (fo_retry_helps(rc)) {
        (void)fo_error_set(&b->why[i], rc, "%s", finops_error_text(err));
        if (b->rc != FINOPS_E_THROTTLED)
            b->rc = rc;
        return;
    }
    b->told[i] = true;
    if (b->each)
        b->each(b->index[i], err, b->arg);
}

static void
keep_what_is_left(batch *b)
{
    size_t left = 0;

    for (size_t i = 0; i < b->n; i++) {
        if (b->told[i])
            continue;
        finops_error *why = FO_TAKE(b->why[i]);
        b->keys[left] = b->keys[i];
        b->index[left] = b->index[i];
        b->why[left++] = why;
    }
    b->n = left;
    memset(b->told, 0, b->n * sizeof(*b->told));
}

static finops_code
batch_once(batch *b)
{
    const fo_retry_self *r = b->trial.layer;
    finops_code rc;

    for (size_t i = 0; i < b->n; i++)
        finops_error_freep(&b->why[i]);
    b->rc = FINOPS_OK;
    rc = FO_BELOW(r, remove_many)(FO_SELF(r), b->keys, b->n, &b->trial.call, removed, b, &b->trial.why);
    keep_what_is_left(b);
    if (rc == FINOPS_OK && b->n > 0 && b->rc != FINOPS_OK)
        rc = fo_error_set(&b->trial.why, b->rc, "%s", finops_error_text(b->why[0]));
    return rc;
}

/* The keys whose own failure is known are told it; the others have the call's. */
static finops_code
batch_tell(batch *b, finops_code rc)
{
    bool all = true;

    for (size_t i = 0; i < b->n; i++) {
        all = all && b->why[i];
        if (b->why[i] && b->each)
            b->each(b->index[i], b->why[i], b->arg);
    }
    return all ? FINOPS_OK : rc;
}

static bool
batch_init(batch *b, const char *const *keys, size_t n)
{
    b->keys = fo_array(n, sizeof(*b->keys));
    b->index = fo_array(n, sizeof(*b->index));
    b->why = fo_array(n, sizeof(*b->why));
    b->told = fo_array(n, sizeof(*b->told));
    if (!b->keys || !b->index || !b->why || !b->told)
        return false;
    b->n = n;
    for (size_t i = 0; i < n; i++) {
        b->keys[i] = keys[i];
        b->index[i] = i;
    }
    return true;
}

static void
batch_done(batch *b)
{
    for (size_t i = 0; b->why && i < b->n; i++)
        finops_error_free(b->why[i]);
    fo_free(b->keys);
    fo_free(b->index);
    fo_free(b->why);
    fo_free(b->told);
}

finops_code
fo_retry_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                     finops_each_removed each, void *arg, finops_error **err)
{
    batch b = { .each = each, .arg = arg };
    finops_code rc;

    if (n == 0)
        return FINOPS_OK;
    if (!batch_init(&b, keys, n)) {
        batch_done(&b);
        return fo_error_oom(err);
    }
    fo_retrying_begin(&b.trial, self, FO_OP_REMOVE_MANY, keys[0], call);
    do
        rc = batch_once(&b);
    while (fo_retrying_again(&b.trial, rc));
    if (rc != FINOPS_OK)
        rc = batch_tell(&b, rc);
    batch_done(&b);
    return fo_retrying_end(&b.trial, rc, err);
}
