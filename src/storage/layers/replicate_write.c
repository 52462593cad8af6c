/* Uploads and batches to several places. */
#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "storage/layers/replicate_internal.h"

/* ---- uploads ---- */

typedef struct replica_upload {
    finops_upload base;
    fo_replicate_self *layer;
    char *key;
    finops_upload *below[FO_REPLICAS_MAX]; /* NULL: it never began there */
    atomic_bool lost[FO_REPLICAS_MAX];     /* it began, and failed */
} replica_upload;

static bool
goes_on(replica_upload *u, size_t i)
{
    return u->below[i] && !atomic_load(&u->lost[i]);
}

static void
lose(replica_upload *u, size_t i)
{
    bool expected = false;

    if (atomic_compare_exchange_strong(&u->lost[i], &expected, true))
        fo_replicate_missed(u->layer, i, u->key);
}

/* Whether enough are left after a failure, and the one that comes first among them where it has to be. */
static bool
enough(replica_upload *u)
{
    size_t left = 0;

    for (size_t i = 0; i < u->layer->n; i++)
        left += goes_on(u, i);
    return left >= fo_replicate_need(u->layer) &&
           (u->layer->mode != FO_REPLICATE_PRIMARY_FIRST || goes_on(u, 0));
}

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    replica_upload *u = (replica_upload *)upload;

    for (size_t i = 0; i < u->layer->n; i++) {
        finops_error *why = NULL;
        finops_code rc;
        if (!goes_on(u, i))
            continue;
        rc = u->below[i]->part(u->below[i], number, offset, data, n, call, &why);
        if (rc == FINOPS_OK)
            continue;
        /* Left alone a cancelled upload is not missed by anybody. */
        if (rc != FINOPS_E_CANCELLED)
            lose(u, i);
        if (rc == FINOPS_E_CANCELLED || !enough(u)) {
            if (err)
                *err = FO_TAKE(why);
            finops_error_free(why);
            return rc;
        }
        finops_error_free(why);
    }
    return FINOPS_OK;
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    replica_upload *u = (replica_upload *)upload;
    fo_everywhere e = { .self = u->layer, .key = u->key };

    for (size_t i = 0; i < u->layer->n; i++) {
        finops_error *why = NULL;
        if (!goes_on(u, i))
            continue;
        finops_code rc =
            u->below[i]->commit(u->below[i], parts, size, call, fo_everywhere_asks(&e, ret), &why);
        if (!fo_everywhere_add(&e, i, rc, why))
            break;
    }
    return fo_everywhere_give(&e, ret, err);
}

static void
upload_close(finops_upload *upload)
{
    replica_upload *u = (replica_upload *)upload;

    if (!u)
        return;
    for (size_t i = 0; i < FO_REPLICAS_MAX; i++)
        if (u->below[i])
            u->below[i]->close(u->below[i]);
    fo_free(u->key);
    fo_free(u);
}

static void
common_sizes(replica_upload *u)
{
    finops_upload *b = &u->base;

    *b = (finops_upload){ .max_part = SIZE_MAX, .max_parts = UINT32_MAX };
    b->part = upload_part;
    b->commit = upload_commit;
    b->close = upload_close;
    for (size_t i = 0; i < u->layer->n; i++) {
        const finops_upload *one = u->below[i];
        if (!one)
            continue;
        b->min_part = one->min_part > b->min_part ? one->min_part : b->min_part;
        b->max_part = one->max_part < b->max_part ? one->max_part : b->max_part;
        b->part_unit = one->part_unit > b->part_unit ? one->part_unit : b->part_unit; /* powers of two */
        b->max_parts = one->max_parts < b->max_parts ? one->max_parts : b->max_parts;
    }
}

/* The condition is the first one's to check. */
static finops_code
begin(replica_upload *u, const finops_put *put, finops_error **err)
{
    fo_replicate_self *r = u->layer;
    fo_everywhere e = { .self = r, .key = put->key, .conditional = put->if_version || put->create_only };
    finops_put what = *put;
    size_t first = 0;

    if (!fo_version_split(r, put->if_version, &first, &what.if_version))
        return fo_no_version(put->key, err);
    if (first != 0)
        return fo_error_set(err, FINOPS_E_PRECONDITION,
                            "%s: the version is of another place than the one that decides", put->key);
    for (size_t i = 0; i < r->n; i++) {
        finops_error *why = NULL;
        finops_code rc = CALL(r, i, upload)(OF(r, i), &what, &u->below[i], &why);
        if (!fo_everywhere_add(&e, i, rc, why))
            break;
        what.if_version = NULL;
        what.create_only = false;
    }
    return fo_everywhere_end(&e, err);
}

finops_code
fo_replicate_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    replica_upload *u = fo_zalloc(sizeof(*u));
    finops_code rc = FINOPS_OK;

    if (u)
        u->key = fo_strdup(put->key);
    if (!u || !u->key) {
        fo_free(u);
        return fo_error_oom(err);
    }
    u->layer = self;
    rc = begin(u, put, err);
    common_sizes(u);
    if (rc == FINOPS_OK)
        *ret = &u->base;
    else
        upload_close(&u->base);
    return rc;
}

/* ---- batches ---- */

typedef struct batch {
    size_t replica, n;
    fo_replicate_self *self;
    const char *const *keys;
    unsigned char *done; /* places where each is gone */
    finops_error **why;  /* the first reason of each */
    bool *told;          /* by this replica */
} batch;

static void
removed(size_t i, const finops_error *err, void *arg)
{
    batch *b = arg;

    assert(i < b->n);
    b->told[i] = true;
    if (!err) {
        b->done[i]++;
        return;
    }
    fo_replicate_missed(b->self, b->replica, b->keys[i]);
    if (!b->why[i])
        (void)fo_error_set(&b->why[i], finops_error_code(err), "%s", finops_error_text(err));
}

static void
remove_from(batch *b, size_t replica, const finops_call *call)
{
    fo_replicate_self *r = b->self;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc;

    b->replica = replica;
    memset(b->told, 0, b->n * sizeof(*b->told));
    rc = fo_stage_remove_many(&r->replicas[replica].stage, b->keys, b->n, call, removed, b, &why);
    for (size_t i = 0; rc != FINOPS_OK && i < b->n; i++)
        if (!b->told[i])
            removed(i, why, b);
}

finops_code
fo_replicate_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                         finops_each_removed each, void *arg, finops_error **err)
{
    fo_replicate_self *r = self;
    batch b = { .self = r, .n = n, .keys = keys };
    bool good;

    if (n == 0)
        return FINOPS_OK;
    b.done = fo_array(n + 1, sizeof(*b.done));
    b.why = fo_array(n + 1, sizeof(*b.why));
    b.told = fo_array(n + 1, sizeof(*b.told));
    good = b.done && b.why && b.told;
    for (size_t i = 0; good && i < r->n; i++)
        remove_from(&b, i, call);
    for (size_t i = 0; good && i < n; i++) {
        if (each)
            each(i, b.done[i] >= fo_replicate_need(r) ? NULL : b.why[i], arg);
        finops_error_free(b.why[i]);
    }
    fo_free(b.done);
    fo_free(b.why);
    fo_free(b.told);
    return good ? FINOPS_OK : fo_error_oom(err);
}
