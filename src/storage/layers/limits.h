/* What the layer is told; see limits.c. */
#ifndef FO_STORAGE_LIMITS_LAYER_H
#define FO_STORAGE_LIMITS_LAYER_H

#include "storage/layers/layer.h"

typedef struct fo_limits_config {
    int64_t rate;        /* requests a second; 0: any */
    int64_t concurrency; /* requests at once; 0: any */
    bool adaptive;
    const fo_layer_clock *clock; /* of no option: tests */
} fo_limits_config;

/* Requests at once that are allowed now; 0: there is no such limit in the stack. */
unsigned fo_limits_now(const fo_stage *stage);

#endif
