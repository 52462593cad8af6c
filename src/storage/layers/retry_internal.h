/* One call with its attempts, for the files of the retry layer. */
#ifndef FO_STORAGE_RETRY_INTERNAL_H
#define FO_STORAGE_RETRY_INTERNAL_H

#include <stdatomic.h>

#include "resilience/retry.h"
#include "storage/layers/retry.h"

/* Metadata that tells an own write from another's when its reply was lost. Never seen above this layer. */
#define FO_WRITE_ID "finops-write"

typedef struct fo_retry_self {
    fo_pass pass;
    fo_retry_options options;
    fo_retry_budget budget;
    int64_t timeout_us;
    atomic_uint_fast64_t attempts[FO_OP_COUNT_], retries[FO_OP_COUNT_];
} fo_retry_self;

typedef struct fo_retrying {
    fo_retry_self *layer;
    fo_storage_op op;
    const char *key;
    finops_call call; /* of every attempt */
    fo_retry retry;
    int64_t begun_us; /* this attempt */
    bool damaged;     /* it came damaged once: the second time it lies there like that */
    bool doubt;       /* an attempt that failed may have done it all the same */
    bool counted;     /* the attempt that runs, when it began to stream */
    bool last;        /* another attempt would not help */
    bool handed_out;  /* bytes of it went to the caller already */
    finops_error *why;
} fo_retrying;

/*
 *     fo_retrying_begin(&t, r, FO_OP_STAT, key, call);
 *     do
 *         rc = FO_BELOW(r, stat)(FO_SELF(r), key, &t.call, ret, &t.why);
 *     while (fo_retrying_again(&t, rc));
 *     return fo_retrying_end(&t, rc, err);
 */
void fo_retrying_begin(fo_retrying *t, fo_retry_self *layer, fo_storage_op op, const char *key,
                       const finops_call *call);
/* Counts and logs the attempt; true after the pause when there is to be another. */
bool fo_retrying_again(fo_retrying *t, finops_code rc);
/* Something came: what fails next is counted from the start. */
void fo_retrying_moved(fo_retrying *t);
finops_code fo_retrying_end(fo_retrying *t, finops_code rc, finops_error **err);

finops_code fo_retry_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                         finops_error **err);
finops_code fo_retry_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err);
finops_code fo_retry_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                                 finops_each_removed each, void *arg, finops_error **err);
finops_code fo_retry_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
finops_code fo_retry_list(void *self, const finops_list *list, finops_each_object each, void *arg,
                          finops_error **err);

#endif
