/* The slots that only hand on, and how a layer is put on top of a stage. */
#include "storage/layers/layer.h"

#include <assert.h>
#include <string.h>

#include "base/str.h"

/* From the driver outwards. Retrying is outside of the limits, so that every attempt is one request, and
 * inside of the breaker, so that it counts calls that failed for good. What changes the bytes is outside of
 * all that speaks to the service; what is kept on disk is what the caller reads. */
const fo_layer *const fo_layers[] = {
    &fo_deadline_layer, &fo_limits_layer,   &fo_retry_layer, &fo_breaker_layer, &fo_replicate_layer,
    &fo_encrypt_layer,  &fo_compress_layer, &fo_cache_layer, &fo_metrics_layer, NULL,
};

/* ---- handing on ---- */

#define BELOW(slot) ((const fo_pass *)self)->below.driver->slot
#define HERE ((const fo_pass *)self)->below.self

static uint64_t
pass_features(void *self)
{
    return BELOW(features)(HERE) & ~((const fo_pass *)self)->less;
}

/* One row a slot: name, parameters, arguments. All that are optional, then those that are not. */
#define OPTIONAL_SLOTS(X)                                                                                    \
    X(upload, (void *self, const finops_put *put, finops_upload **ret, finops_error **err),                  \
      (HERE, put, ret, err))                                                                                 \
    X(write, (void *self, const finops_put *put, finops_writer **ret, finops_error **err),                   \
      (HERE, put, ret, err))                                                                                 \
    X(remove_many,                                                                                           \
      (void *self, const char *const *keys, size_t n, const finops_call *call, finops_each_removed each,     \
       void *arg, finops_error **err),                                                                       \
      (HERE, keys, n, call, each, arg, err))                                                                 \
    X(copy, (void *self, const finops_copy *copy, finops_object *ret, finops_error **err),                   \
      (HERE, copy, ret, err))                                                                                \
    X(move, (void *self, const finops_copy *move, finops_error **err), (HERE, move, err))                    \
    X(presign, (void *self, const finops_presign *presign, char **ret, finops_error **err),                  \
      (HERE, presign, ret, err))                                                                             \
    X(sweep,                                                                                                 \
      (void *self, const char *prefix, int64_t before_us, const finops_call *call, finops_each_object each,  \
       void *arg, finops_error **err),                                                                       \
      (HERE, prefix, before_us, call, each, arg, err))
#define REQUIRED_SLOTS(X)                                                                                    \
    X(stat, (void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err),  \
      (HERE, key, call, ret, err))                                                                           \
    X(list, (void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err),   \
      (HERE, list, each, arg, err))                                                                          \
    X(read, (void *self, const finops_get *get, finops_reader **ret, finops_error **err),                    \
      (HERE, get, ret, err))                                                                                 \
    X(put,                                                                                                   \
      (void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,                    \
       finops_error **err),                                                                                  \
      (HERE, put, data, n, ret, err))                                                                        \
    X(remove, (void *self, const finops_remove *remove, finops_error **err), (HERE, remove, err))

#define PASS(slot, parameters, arguments)                                                                    \
    static finops_code pass_##slot parameters                                                                \
    {                                                                                                        \
        return BELOW(slot) arguments;                                                                        \
    }
OPTIONAL_SLOTS(PASS)
REQUIRED_SLOTS(PASS)

static void
pass_close(void *self)
{
    fo_pass *pass = self;

    if (!pass)
        return;
    if (pass->done)
        pass->done(pass);
    fo_stage_close(&pass->below);
    fo_free(pass);
}

/* ---- stacking ---- */

static int
rank(const fo_layer *layer)
{
    for (int i = 0; fo_layers[i]; i++)
        if (fo_layers[i] == layer)
            return i;
    return -1; /* of a test */
}

static const fo_pass *
pass_of(const fo_stage *stage)
{
    return stage->driver && stage->driver->close == pass_close ? stage->self : NULL;
}

static finops_code
check_order(const fo_layer *layer, const fo_stage *below, finops_error **err)
{
    const fo_pass *under = pass_of(below);

    if (!under || rank(layer) < 0 || rank(under->layer) < rank(layer))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_CONFIG, "the layer %s cannot be around %s%s", layer->name,
                        under->layer->name, under->layer == layer ? " once more" : ": it belongs below it");
}

static void
fill(fo_pass *pass, const finops_storage_driver *slots)
{
    const finops_storage_driver *below = pass->below.driver;
    finops_storage_driver *d = &pass->driver;

    *d = *below;
    d->size = sizeof(*d);
    d->open = NULL;
    d->close = pass_close;
    d->features = slots->features ? slots->features : pass_features;
#define FILL(slot, parameters, arguments) d->slot = slots->slot ? slots->slot : pass_##slot;
    REQUIRED_SLOTS(FILL)
#define FILL_IF_THERE(slot, parameters, arguments)                                                           \
    d->slot = !below->slot ? NULL : slots->slot ? slots->slot : pass_##slot;
    OPTIONAL_SLOTS(FILL_IF_THERE)
}

void *
fo_pass_new(const fo_layer *layer, size_t size, const finops_storage_driver *slots, fo_stage below,
            finops_code *ret_rc, finops_error **err)
{
    fo_pass *pass;

    assert(layer && size >= sizeof(*pass) && slots && below.driver);
    *ret_rc = check_order(layer, &below, err);
    if (*ret_rc != FINOPS_OK)
        return NULL;
    pass = fo_zalloc(size);
    if (!pass) {
        *ret_rc = fo_error_oom(err);
        return NULL;
    }
    pass->below = below;
    pass->layer = layer;
    fill(pass, slots);
    return pass;
}

void
fo_pass_drop(fo_pass *pass)
{
    if (!pass)
        return;
    if (pass->done)
        pass->done(pass);
    fo_free(pass);
}

fo_stage
fo_pass_stage(fo_pass *pass)
{
    return (fo_stage){ .driver = &pass->driver, .self = pass };
}

void *
fo_pass_find(const fo_stage *stage, const fo_layer *layer)
{
    const fo_pass *pass;

    for (pass = pass_of(stage); pass && pass->layer != layer;)
        pass = pass_of(&pass->below);
    return (void *)(uintptr_t)pass;
}

fo_stage
fo_pass_bottom(const fo_stage *stage)
{
    while (pass_of(stage))
        stage = &pass_of(stage)->below;
    return *stage;
}

/* ---- streams ---- */

void
fo_pass_reader_close(finops_reader *reader)
{
    fo_pass_reader *r = (fo_pass_reader *)reader;

    if (r && r->below)
        r->below->close(r->below);
    fo_free(r);
}

void
fo_pass_reader_ready(fo_pass_reader *r, void *layer,
                     finops_code (*read)(finops_reader *reader, void *buffer, size_t n, size_t *ret_n,
                                         finops_error **err))
{
    r->base = *r->below;
    r->base.read = read;
    r->base.close = fo_pass_reader_close;
    r->layer = layer;
}

void
fo_pass_upload_close(finops_upload *upload)
{
    fo_pass_upload *u = (fo_pass_upload *)upload;

    if (u && u->below)
        u->below->close(u->below);
    fo_free(u);
}

void
fo_pass_upload_ready(fo_pass_upload *u, void *layer,
                     finops_code (*part)(finops_upload *upload, unsigned number, int64_t offset,
                                         const void *data, size_t n, const finops_call *call,
                                         finops_error **err),
                     finops_code (*commit)(finops_upload *upload, unsigned parts, int64_t size,
                                           const finops_call *call, finops_object *ret, finops_error **err))
{
    u->base = *u->below;
    u->base.part = part;
    u->base.commit = commit;
    u->base.close = fo_pass_upload_close;
    u->layer = layer;
}

/* ---- what layers share ---- */

const char *
fo_storage_op_name(fo_storage_op op)
{
    static const char *const names[] = { "stat",   "list", "read",    "put",   "remove",
                                         "upload", "part", "commit",  "write", "remove_many",
                                         "copy",   "move", "presign", "sweep" };

    static_assert(FO_COUNT(names) == FO_OP_COUNT_, "every operation has a name");
    assert((unsigned)op < FO_OP_COUNT_);
    return names[op];
}

void
fo_object_hide(finops_object *object, const char *name_prefix)
{
    /* The array lies in the block that the object owns. */
    finops_metadata *m = (finops_metadata *)(uintptr_t)object->metadata;
    size_t kept = 0;

    assert(object->owned || object->n_metadata == 0);
    for (size_t i = 0; i < object->n_metadata; i++)
        if (!fo_starts(m[i].name, name_prefix))
            m[kept++] = m[i];
    object->n_metadata = kept;
    if (kept == 0)
        object->metadata = NULL;
}

const char *
fo_object_metadata(const finops_object *object, const char *name)
{
    for (size_t i = 0; i < object->n_metadata; i++)
        if (fo_streq(object->metadata[i].name, name))
            return object->metadata[i].value;
    return NULL;
}
