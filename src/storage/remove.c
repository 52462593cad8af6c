/* Removing: one object, many, all below a prefix. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "storage/front.h"

#define BATCH 1000u /* keys of one request */

finops_code
finops_storage_delete_file(finops_storage *storage, const finops_remove *remove, finops_error **err)
{
    const fo_stage *s = &storage->stage;
    finops_code rc = fo_storage_key_check(remove->key, err);

    if (rc == FINOPS_OK && remove->if_version && !(fo_stage_features(s) & FINOPS_STORAGE_REMOVE_IF))
        rc = fo_stage_unsupported(s, "removing one version", err);
    if (rc == FINOPS_OK)
        rc = s->driver->remove(s->self, remove, err);
    return fo_storage_wrap(storage, rc, "remove", remove->key, err);
}

/* What becomes of the keys, counted and passed on with their number in the whole list. */
typedef struct outcome {
    size_t first; /* of this batch */
    uint64_t failed;
    finops_code rc; /* of the first that failed */
    char why[300];
    finops_each_removed each;
    void *arg;
} outcome;

static void
one_removed(size_t index, const finops_error *err, void *arg)
{
    outcome *o = arg;

    if (err && o->failed++ == 0) {
        o->rc = finops_error_code(err);
        (void)snprintf(o->why, sizeof(o->why), "%s", finops_error_text(err));
    }
    if (o->each)
        o->each(o->first + index, err, o->arg);
}

static finops_code
failures(const outcome *o, size_t n, finops_error **err)
{
    if (o->failed == 0)
        return FINOPS_OK;
    return fo_error_set(err, o->failed == n ? o->rc : FINOPS_E_PARTIAL,
                        "%" PRIu64 " of %zu objects were not removed, the first because: %s", o->failed, n,
                        o->why);
}

finops_code
finops_storage_delete_many(finops_storage *storage, const char *const *keys, size_t n,
                           const finops_call *call, finops_each_removed each, void *arg, finops_error **err)
{
    outcome o = { .each = each, .arg = arg };
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < n; i++)
        rc = fo_storage_key_check(keys[i], err);
    for (size_t i = 0; rc == FINOPS_OK && i < n; i += BATCH) {
        o.first = i;
        rc = fo_stage_remove_many(&storage->stage, keys + i, n - i < BATCH ? n - i : BATCH, call, one_removed,
                                  &o, err);
    }
    if (rc == FINOPS_OK)
        rc = failures(&o, n, err);
    return fo_storage_wrap(storage, rc, "remove from", NULL, err);
}

typedef struct gathering {
    fo_strv keys;
    bool failed;
} gathering;

static bool
gather(const finops_object *object, void *arg)
{
    gathering *g = arg;

    g->failed = !fo_strv_add(&g->keys, object->key);
    return !g->failed && g->keys.n < BATCH;
}

/* Each page is listed anew from where the last one ended: nothing may be removed while a listing runs. */
finops_code
finops_storage_delete_prefix(finops_storage *storage, const char *prefix, const finops_call *call,
                             uint64_t *ret_n, finops_error **err)
{
    FO_AUTO(fo_freep) char *last = NULL;
    finops_list list = { .prefix = prefix, .call = call };
    finops_code rc = FINOPS_OK;
    uint64_t removed = 0;
    bool more = true;

    if (!prefix || !*prefix)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "no prefix: that would remove everything");
    while (rc == FINOPS_OK && more) {
        gathering g = { .keys = FO_STRV_INIT };
        rc = finops_storage_list_files(storage, &list, gather, &g, err);
        if (rc == FINOPS_OK && g.failed)
            rc = fo_error_oom(err);
        if (rc == FINOPS_OK && g.keys.n > 0)
            rc = finops_storage_delete_many(storage, (const char *const *)g.keys.items, g.keys.n, call, NULL,
                                            NULL, err);
        more = g.keys.n == BATCH;
        if (rc == FINOPS_OK && more) {
            fo_free(last);
            last = FO_TAKE(g.keys.items[g.keys.n - 1]);
            list.start_after = last;
        }
        removed += g.keys.n;
        fo_strv_done(&g.keys);
    }
    if (rc == FINOPS_OK && ret_n)
        *ret_n = removed;
    return rc;
}
