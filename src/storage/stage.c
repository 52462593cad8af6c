/* What a stage has no slot for. */
#include "storage/stage.h"

#include <assert.h>

#include "base/mem.h"

finops_code
fo_stage_unsupported(const fo_stage *s, const char *what, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s is not supported by %s", what, s->driver->name);
}

void
fo_stage_close(fo_stage *stage)
{
    if (stage->driver)
        stage->driver->close(stage->self);
    *stage = (fo_stage){ 0 };
}

static bool
has(const fo_stage *s, uint64_t feature)
{
    return (fo_stage_features(s) & feature) != 0;
}

/* Where the service has no suffix: its size is asked, and what is read is that version. */
static finops_code
read_suffix(const fo_stage *s, const finops_get *get, finops_reader **ret, finops_error **err)
{
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    finops_get range = *get;
    finops_code rc = s->driver->stat(s->self, get->key, get->call, &object, err);

    if (rc != FINOPS_OK)
        return rc;
    range.suffix = 0;
    range.offset = object.size > get->suffix ? object.size - get->suffix : 0;
    range.length = -1;
    if (!range.if_version)
        range.if_version = object.version;
    return s->driver->read(s->self, &range, ret, err);
}

finops_code
fo_stage_read(const fo_stage *s, const finops_get *get, finops_reader **ret, finops_error **err)
{
    bool general = get->suffix > 0 && !has(s, FINOPS_STORAGE_SUFFIX);

    return general ? read_suffix(s, get, ret, err) : s->driver->read(s->self, get, ret, err);
}

finops_code
fo_stage_upload(const fo_stage *s, const finops_put *put, finops_upload **ret, finops_error **err)
{
    assert(put && ret);
    if (!s->driver->upload || !has(s, FINOPS_STORAGE_PARTS))
        return fo_stage_unsupported(s, "an upload in parts", err);
    return s->driver->upload(s->self, put, ret, err);
}

finops_code
fo_stage_copy(const fo_stage *s, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    assert(copy);
    if (!s->driver->copy || !has(s, FINOPS_STORAGE_COPY))
        return fo_stage_unsupported(s, "copy", err);
    return s->driver->copy(s->self, copy, ret, err);
}

finops_code
fo_stage_move(const fo_stage *s, const finops_copy *move, finops_error **err)
{
    assert(move);
    if (!s->driver->move || !has(s, FINOPS_STORAGE_MOVE))
        return fo_stage_unsupported(s, "an atomic move", err);
    return s->driver->move(s->self, move, err);
}

finops_code
fo_stage_presign(const fo_stage *s, const finops_presign *presign, char **ret, finops_error **err)
{
    assert(presign && ret);
    if (!s->driver->presign || !has(s, FINOPS_STORAGE_PRESIGN))
        return fo_stage_unsupported(s, "presign", err);
    return s->driver->presign(s->self, presign, ret, err);
}

finops_code
fo_stage_sweep(const fo_stage *s, const char *prefix, int64_t begun_before_us, const finops_call *call,
               finops_each_object each, void *arg, finops_error **err)
{
    if (!s->driver->sweep || !has(s, FINOPS_STORAGE_SWEEP))
        return fo_stage_unsupported(s, "sweeping unfinished uploads", err);
    return s->driver->sweep(s->self, prefix, begun_before_us, call, each, arg, err);
}

static finops_code
remove_one(const fo_stage *s, const char *key, const finops_call *call, finops_error **err)
{
    const finops_remove remove = { .key = key, .call = call };

    return s->driver->remove(s->self, &remove, err);
}

finops_code
fo_stage_remove_many(const fo_stage *s, const char *const *keys, size_t n, const finops_call *call,
                     finops_each_removed each, void *arg, finops_error **err)
{
    finops_error *one = NULL;

    if (s->driver->remove_many)
        return s->driver->remove_many(s->self, keys, n, call, each, arg, err);
    for (size_t i = 0; i < n; i++) {
        finops_code rc = remove_one(s, keys[i], call, &one);
        if (rc == FINOPS_E_CANCELLED || rc == FINOPS_E_TIMEOUT) {
            if (err)
                *err = one;
            else
                finops_error_free(one);
            return rc;
        }
        if (each)
            each(i, one, arg);
        finops_error_free(one);
        one = NULL;
    }
    return FINOPS_OK;
}
