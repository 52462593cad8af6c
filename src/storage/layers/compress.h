/* What the layer is told; see compress.c. */
#ifndef FO_STORAGE_COMPRESS_LAYER_H
#define FO_STORAGE_COMPRESS_LAYER_H

#include "storage/layers/layer.h"

typedef struct fo_compress_config {
    char *format;      /* "none", "gzip", "zstd" */
    int64_t level;     /* of zstd */
    uint64_t min_size; /* bytes; what is smaller is left alone */
    uint64_t limit;    /* bytes that an object may have when it is read */
} fo_compress_config;

#endif
