/* What the layer is told, and what it counted; see retry.c. */
#ifndef FO_STORAGE_RETRY_LAYER_H
#define FO_STORAGE_RETRY_LAYER_H

#include "storage/layers/layer.h"

typedef struct fo_retry_config {
    int64_t attempts;            /* in all; 1: the layer is left out */
    int64_t timeout;             /* seconds for all attempts of a call that has no deadline; 0: none */
    const fo_layer_clock *clock; /* of no option: tests */
} fo_retry_config;

/* Of a stack with such a layer in it; any thread. False: there is none. */
typedef struct fo_attempts {
    uint64_t attempts[FO_OP_COUNT_]; /* requests, the first included */
    uint64_t retries[FO_OP_COUNT_];
    int budget; /* what is left of 500 */
} fo_attempts;
bool fo_retry_attempts(const fo_stage *stage, fo_attempts *ret);

#endif
