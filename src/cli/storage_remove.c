/* Many objects removed, some hundreds in one call and several calls at once. */
#include "cli/storage_remove.h"

#include <inttypes.h>

#include "base/log.h"
#include "base/mem.h"

#define CHUNK 250 /* so that several workers have some of a turn */

typedef struct chunk {
    fo_removal *removal;
    size_t told;
    const char *keys[CHUNK];
} chunk;

static void
each_removed(size_t index, const finops_error *why, void *arg)
{
    chunk *c = arg;
    fo_removal *removal = c->removal;

    (void)index;
    c->told++;
    pthread_mutex_lock(&removal->work->lock);
    if (!why)
        removal->removed++;
    else {
        removal->failed++;
        if (removal->rc == FINOPS_OK)
            removal->rc = finops_error_code(why);
    }
    pthread_mutex_unlock(&removal->work->lock);
    if (why)
        fo_log_error(why);
}

static finops_code
remove_chunk(fo_work *work, size_t index, const finops_call *call, void *arg, finops_error **err)
{
    fo_removal *removal = arg;
    FO_AUTO(fo_freep) chunk *c = fo_zalloc(sizeof(*c));
    size_t first = index * CHUNK, n = removal->n - first < CHUNK ? removal->n - first : CHUNK;
    finops_code rc;

    if (!c)
        return fo_error_oom(err);
    c->removal = removal;
    for (size_t i = 0; i < n; i++)
        c->keys[i] = removal->items[first + i].key;
    rc = finops_storage_delete_many(removal->storage, c->keys, n, call, each_removed, c, err);
    if (rc != FINOPS_OK && c->told == n) { /* and so was each failure */
        finops_error_freep(err);
        rc = FINOPS_OK;
    }
    if (rc != FINOPS_OK) {
        pthread_mutex_lock(&work->lock);
        removal->failed += n - c->told;
        pthread_mutex_unlock(&work->lock);
    }
    return rc;
}

finops_code
fo_removal_run(fo_removal *removal, const fo_entry *items, size_t n, finops_error **err)
{
    removal->items = items;
    removal->n = n;
    for (size_t i = 0; removal->plan && i < n; i++)
        if (!fo_storage_plan_add(removal->plan, "delete", items[i].key, NULL, items[i].size))
            return fo_error_oom(err);
    if (removal->plan)
        return FINOPS_OK;
    return fo_work_run(removal->work, (n + CHUNK - 1) / CHUNK, remove_chunk, removal, err);
}

finops_code
fo_removal_result(const fo_removal *removal, finops_error **err)
{
    const fo_work *work = removal->work;

    if (fo_cancelled(work->cli->cancel))
        return fo_error_set(err, FINOPS_E_CANCELLED, "stopped; %" PRIu64 " objects were removed before",
                            removal->removed);
    if (removal->failed == 0 && work->failed == 0)
        return FINOPS_OK;
    if (removal->removed == 0)
        return fo_error_set(err, removal->rc != FINOPS_OK ? removal->rc : work->rc, "no object was removed");
    if (removal->failed > 0)
        return fo_error_set(err, FINOPS_E_PARTIAL, "%" PRIu64 " of %" PRIu64 " objects were not removed",
                            removal->failed, removal->failed + removal->removed);
    return fo_error_set(err, FINOPS_E_PARTIAL, "only %" PRIu64 " objects were removed", removal->removed);
}
