/* What the layer is told; see deadline.c. */
#ifndef FO_STORAGE_DEADLINE_LAYER_H
#define FO_STORAGE_DEADLINE_LAYER_H

#include <stdint.h>

typedef struct fo_deadline_config {
    int64_t timeout;    /* seconds; 0: none */
    int64_t timeout_us; /* of no option: tests */
} fo_deadline_config;

#endif
