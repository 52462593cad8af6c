/* What copying, moving and syncing do with a list of objects: a transfer for each, at once. */
#include "cli/storage_copy.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

void
fo_pairs_clear(fo_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        fo_free(pairs->items[i].from);
        fo_free(pairs->items[i].to);
    }
    pairs->n = 0;
}

void
fo_pairs_done(fo_pairs *pairs)
{
    fo_pairs_clear(pairs);
    fo_free(pairs->items);
    *pairs = (fo_pairs){ 0 };
}

finops_code
fo_pairs_add(fo_pairs *pairs, const char *from, char *to, int64_t size, finops_error **err)
{
    fo_pair pair = { .from = fo_strdup(from), .to = to, .size = size };

    if (!pair.from || !pair.to ||
        !fo_grow((void **)&pairs->items, &pairs->cap, pairs->n + 1, sizeof(*pairs->items))) {
        fo_free(pair.from);
        fo_free(pair.to);
        return fo_error_oom(err);
    }
    pairs->items[pairs->n++] = pair;
    return FINOPS_OK;
}

typedef struct copying {
    const fo_copy *copy;
    const fo_pairs *pairs;
} copying;

static finops_code
copy_one(fo_work *work, size_t index, const finops_call *call, void *arg, finops_error **err)
{
    const copying *c = arg;
    fo_transfer_job job = c->copy->job;
    int64_t size = 0;
    const fo_pair *pair = &c->pairs->items[index];
    finops_code rc;

    job.from_key = pair->from;
    job.to_key = pair->to;
    job.size = pair->size;
    job.call = call;
    fo_work_enter(work, pair->size);
    rc = fo_transfer_object(&job, &size, err);
    fo_work_leave(work, pair->size);
    if (rc == FINOPS_OK && size > 0)
        atomic_fetch_add(&c->copy->totals->bytes, size);
    return rc;
}

static finops_code
plan(const fo_copy *copy, const fo_pairs *pairs, finops_error **err)
{
    for (size_t i = 0; i < pairs->n; i++)
        if (!fo_storage_plan_add(copy->plan, copy->job.move ? "move" : "copy", pairs->items[i].from,
                                 pairs->items[i].to, pairs->items[i].size))
            return fo_error_oom(err);
    return FINOPS_OK;
}

finops_code
fo_copy_pairs(const fo_copy *copy, const fo_pairs *pairs, finops_error **err)
{
    copying c = { copy, pairs };

    return copy->plan ? plan(copy, pairs, err) : fo_work_run(copy->work, pairs->n, copy_one, &c, err);
}

finops_code
fo_copy_overlap_check(const fo_spot *from, const char *from_prefix, const fo_spot *to, const char *to_prefix,
                      finops_error **err)
{
    if (from->storage != to->storage ||
        (!fo_starts(to_prefix, from_prefix) && !fo_starts(from_prefix, to_prefix)))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_USAGE, "%s and %s overlap", from->shown, to->shown);
}
