/*
 * One stage of a storage: a driver, or a layer around one, with its `self`. What a stage lacks is done the
 * general way here or answered with FINOPS_E_UNSUPPORTED, so that layers and the front door need not ask.
 */
#ifndef FO_STORAGE_STAGE_H
#define FO_STORAGE_STAGE_H

#include "base/error.h"
#include "finops/storage.h"

typedef struct fo_stage {
    const finops_storage_driver *driver;
    void *self;
} fo_stage;

void fo_stage_close(fo_stage *stage); /* twice is fine */

static inline uint64_t
fo_stage_features(const fo_stage *s)
{
    return s->driver->features(s->self);
}
/* "presign is not supported by local" */
finops_code fo_stage_unsupported(const fo_stage *s, const char *what, finops_error **err);

/* As the slot; a suffix that the service does not have is the size, and then a range of that version. */
finops_code fo_stage_read(const fo_stage *s, const finops_get *get, finops_reader **ret, finops_error **err);

/* As the slots of the same name; what a stage has no slot for is FINOPS_E_UNSUPPORTED, ... */
finops_code fo_stage_upload(const fo_stage *s, const finops_put *put, finops_upload **ret,
                            finops_error **err);
finops_code fo_stage_copy(const fo_stage *s, const finops_copy *copy, finops_object *ret, finops_error **err);
finops_code fo_stage_move(const fo_stage *s, const finops_copy *move, finops_error **err);
finops_code fo_stage_presign(const fo_stage *s, const finops_presign *presign, char **ret,
                             finops_error **err);
finops_code fo_stage_sweep(const fo_stage *s, const char *prefix, int64_t begun_before_us,
                           const finops_call *call, finops_each_object each, void *arg, finops_error **err);
/* ... one `remove` after the other, ... */
finops_code fo_stage_remove_many(const fo_stage *s, const char *const *keys, size_t n,
                                 const finops_call *call, finops_each_removed each, void *arg,
                                 finops_error **err);
/* ... or put, or an upload, as the bytes come (writer.c). transfer may be NULL. */
finops_code fo_stage_write(const fo_stage *s, const finops_put *put, const finops_transfer *transfer,
                           finops_writer **ret, finops_error **err);

/*
 * A layer: wraps the stage below it and is one. The features and slots it has are those of what is below,
 * less what it takes away. It owns `below` once wrap() has succeeded and closes it with itself.
 */
typedef struct fo_layer {
    const char *name;             /* "retry": its section, and the first part of "retry.attempts" */
    const finops_option *options; /* all have defaults */
    size_t config_size;
    /* *ret is `below` itself when the configuration does not ask for the layer. `address` is for messages. */
    finops_code (*wrap)(const void *config, const char *address, fo_stage below, fo_stage *ret,
                        finops_error **err);
} fo_layer;

/* From the driver outwards: deadline, limits, retry, breaker, replicate, encrypt, compress, cache, metrics.
 */
extern const fo_layer *const fo_layers[];

#endif
