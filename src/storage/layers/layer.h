/*
 * What every layer is made of. A layer writes the slots it changes; the others hand the call to the stage
 * below, and what is not there below is not there above either.
 *
 *     static const finops_storage_driver slots = { .stat = retry_stat, .put = retry_put };
 *
 *     static finops_code
 *     retry_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
 *     {
 *         finops_code rc = FINOPS_OK;
 *         retry_layer *r = fo_pass_new(&fo_retry_layer, sizeof(*r), &slots, below, &rc, err);
 *         if (!r)
 *             return rc;
 *         ...
 *         *ret = fo_pass_stage(&r->pass);
 *         return FINOPS_OK;
 *     }
 */
#ifndef FO_STORAGE_LAYER_H
#define FO_STORAGE_LAYER_H

#include "base/error.h"
#include "base/mem.h"
#include "storage/stage.h"

/* From the driver outwards; each is one file of this folder. */
extern const fo_layer fo_deadline_layer, fo_limits_layer, fo_retry_layer, fo_breaker_layer,
    fo_replicate_layer, fo_encrypt_layer, fo_compress_layer, fo_cache_layer, fo_metrics_layer;

/* First member of what a layer is. */
typedef struct fo_pass {
    finops_storage_driver driver; /* the slots of this very stage */
    fo_stage below;
    const fo_layer *layer;
    uint64_t less;            /* FINOPS_STORAGE_* it takes away */
    void (*done)(void *self); /* frees what the layer has besides; may be NULL */
} fo_pass;

/*
 * Zeroed memory of `size` bytes whose first member is an fo_pass over `below`. NULL: no memory, or a layer
 * that belongs below one that is there already (FINOPS_E_CONFIG); *ret_rc says which.
 */
void *fo_pass_new(const fo_layer *layer, size_t size, const finops_storage_driver *slots, fo_stage below,
                  finops_code *ret_rc, finops_error **err);
/* When wrap() fails after all: frees the layer and leaves `below` to the caller. */
void fo_pass_drop(fo_pass *pass);
fo_stage fo_pass_stage(fo_pass *pass);
/* The layer of that kind in a stack, the outermost; NULL. */
void *fo_pass_find(const fo_stage *stage, const fo_layer *layer);
/* What lies below all layers: the driver. */
fo_stage fo_pass_bottom(const fo_stage *stage);

/* The slot of the stage below: FO_BELOW(r, stat)(FO_SELF(r), key, ...). */
#define FO_BELOW(l, slot) ((l)->pass.below.driver->slot)
#define FO_SELF(l) ((l)->pass.below.self)

/*
 * First member of a layer's reader: what is below says what it is, and the layer's read() is asked.
 *
 *     rc = FO_BELOW(l, read)(FO_SELF(l), get, &r->pass.below, err);
 *     ...
 *     fo_pass_reader_ready(&r->pass, l, reader_read);
 *     *ret = &r->pass.base;
 */
typedef struct fo_pass_reader {
    finops_reader base;
    finops_reader *below;
    void *layer;
} fo_pass_reader;
void fo_pass_reader_ready(fo_pass_reader *reader, void *layer,
                          finops_code (*read)(finops_reader *reader, void *buffer, size_t n, size_t *ret_n,
                                              finops_error **err));
/* The close() of it: what is below, and its memory. NULL is fine. */
void fo_pass_reader_close(finops_reader *reader);

/* The same of an upload. */
typedef struct fo_pass_upload {
    finops_upload base;
    finops_upload *below;
    void *layer;
} fo_pass_upload;
void fo_pass_upload_ready(fo_pass_upload *upload, void *layer,
                          finops_code (*part)(finops_upload *upload, unsigned number, int64_t offset,
                                              const void *data, size_t n, const finops_call *call,
                                              finops_error **err),
                          finops_code (*commit)(finops_upload *upload, unsigned parts, int64_t size,
                                                const finops_call *call, finops_object *ret,
                                                finops_error **err));
void fo_pass_upload_close(finops_upload *upload);

/* What time is for a layer; tests bring their own. NULL: the real one. */
typedef struct fo_layer_clock {
    int64_t (*now_us)(void);
    void (*sleep_us)(int64_t us);
    uint32_t (*random)(uint32_t n);
} fo_layer_clock;

/* What is counted apart. */
typedef enum fo_storage_op {
    FO_OP_STAT = 0,
    FO_OP_LIST,
    FO_OP_READ,
    FO_OP_PUT,
    FO_OP_REMOVE,
    FO_OP_UPLOAD, /* begun */
    FO_OP_PART,
    FO_OP_COMMIT,
    FO_OP_WRITE,
    FO_OP_REMOVE_MANY,
    FO_OP_COPY,
    FO_OP_MOVE,
    FO_OP_PRESIGN,
    FO_OP_SWEEP,
    FO_OP_COUNT_
} fo_storage_op;
const char *fo_storage_op_name(fo_storage_op op);

/* Takes what begins so out of the metadata of an object that owns its texts (finops_object_copy()). */
void fo_object_hide(finops_object *object, const char *name_prefix);
/* The value of an object's metadata, NULL. */
const char *fo_object_metadata(const finops_object *object, const char *name);

#endif
