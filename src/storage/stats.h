/* What several storages did, kept when they are closed: for whoever tells the user of it. */
#ifndef FO_STORAGE_STATS_H
#define FO_STORAGE_STATS_H

#include "storage/layers/breaker.h"
#include "storage/layers/cache.h"
#include "storage/layers/metrics.h"
#include "storage/storage.h"

typedef struct fo_storage_stat {
    char *address;
    fo_storage_figures figures;
    bool has_breaker, has_cache;
    fo_breaker_state breaker; /* of the one that was closed last */
    fo_cache_figures cache;
} fo_storage_stat;

/* All zero is fine: nothing yet. */
typedef struct fo_storage_stats {
    fo_storage_stat *items; /* an address once */
    size_t n, cap;
    bool failed; /* no memory: some are missing */
} fo_storage_stats;

/* Adds what the storage did since it was opened, just before it is closed; one that counts nothing, or that
 * did nothing, is left out. NULL for either is fine. One thread at a time. */
void fo_storage_stats_add(fo_storage_stats *stats, const finops_storage *storage);
void fo_storage_stats_done(fo_storage_stats *stats);

#endif
