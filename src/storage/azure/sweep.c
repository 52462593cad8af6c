/*
 * Uploads that nobody finished. Their blocks cannot be removed as such: where there is no object yet, an
 * empty one is made of none of them, which drops them, and removed again. It is not touched when somebody
 * else made one meanwhile, nor when blocks of others are among them. Those beside an object go with its next
 * commit, or after a week.
 */
#include <string.h>

#include "base/mem.h"
#include "storage/azure/azure_internal.h"
#include "storage/object.h"

/* Keys that may have blocks and no object, gathered first: while listing, the storage is not used. */
static bool
gather(const finops_object *o, void *arg)
{
    fo_strv *keys = arg;

    return o->size > 0 || fo_strv_add(keys, o->key);
}

static finops_code
drop_blocks(azure_storage *s, const char *key, const finops_call *call, finops_error **err)
{
    FO_AUTO(finops_object_done) finops_object made = { 0 };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_upload *upload = NULL;
    finops_code rc = azure_upload_begin(s, &(finops_put){ .key = key, .create_only = true }, &upload, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = upload->commit(upload, 0, 0, call, &made, &why);
    upload->close(upload);
    if (rc == FINOPS_OK) {
        const finops_remove remove = { .key = key, .if_version = made.version, .call = call };
        rc = azure_remove(s, &remove, &why);
    }
    if (rc == FINOPS_OK || rc == FINOPS_E_EXISTS || rc == FINOPS_E_PRECONDITION)
        return FINOPS_OK;
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

static finops_code
sweep_one(azure_storage *s, const char *key, int64_t before_us, const finops_call *call,
          finops_each_object each, void *arg, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    azure_blocks blocks;
    finops_object o = { .key = key };
    finops_code rc = azure_uncommitted(s, key, call, &blocks, &why);

    if (rc == FINOPS_E_NOT_FOUND)
        return FINOPS_OK;
    if (rc != FINOPS_OK) {
        if (err)
            *err = FO_TAKE(why);
        return rc;
    }
    if (blocks.committed || blocks.n == 0 || blocks.n_ours < blocks.n || blocks.begun_us >= before_us)
        return FINOPS_OK;
    o.size = blocks.size;
    o.modified_us = blocks.begun_us;
    return !each || each(&o, arg) ? drop_blocks(s, key, call, err) : FINOPS_OK;
}

finops_code
azure_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
            finops_each_object each, void *arg, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv keys = { 0 };
    const finops_list list = { .prefix = prefix, .call = call };
    finops_code rc = azure_list_with(self, &list, "uncommittedblobs", gather, &keys, err);

    for (size_t i = 0; i < keys.n && rc == FINOPS_OK; i++)
        rc = sweep_one(self, keys.items[i], begun_before_us, call, each, arg, err);
    return rc;
}
