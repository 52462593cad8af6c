/* What the layer is told; see breaker.c. */
#ifndef FO_STORAGE_BREAKER_LAYER_H
#define FO_STORAGE_BREAKER_LAYER_H

#include "resilience/breaker.h"
#include "storage/layers/layer.h"

typedef struct fo_breaker_config {
    int64_t failures;            /* in a row; 0: no breaker */
    int64_t pause;               /* seconds, the first */
    const fo_layer_clock *clock; /* of no option: tests */
} fo_breaker_config;

/* False: there is no such layer in the stack. */
bool fo_breaker_layer_state(const fo_stage *stage, fo_breaker_state *ret);

#endif
