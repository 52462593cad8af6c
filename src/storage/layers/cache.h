/* What the layer is told, and what it did; see cache.c. */
#ifndef FO_STORAGE_CACHE_LAYER_H
#define FO_STORAGE_CACHE_LAYER_H

#include "storage/layers/layer.h"

typedef struct fo_cache_config {
    char *folder;        /* NULL: no cache */
    uint64_t size;       /* bytes of all entries */
    uint64_t max_object; /* bytes of one */
    int64_t fresh;       /* seconds for which nobody is asked whether an entry is still right */
} fo_cache_config;

typedef struct fo_cache_figures {
    uint64_t hits, misses, revalidated, corrupt, evicted;
} fo_cache_figures;
/* False: there is no such layer in the stack. Any thread. */
bool fo_cache_read_figures(const fo_stage *stage, fo_cache_figures *ret);

#endif
