/* What a storage did; see metrics.c. */
#ifndef FO_STORAGE_METRICS_LAYER_H
#define FO_STORAGE_METRICS_LAYER_H

#include "base/str.h"
#include "storage/layers/layer.h"

#define FO_LATENCY_BUCKETS 32 /* the n-th: less than 2^n microseconds */

typedef struct fo_metrics_config {
    bool enabled;
} fo_metrics_config;

/* Of one operation. A reader and a writer count once, with the time that was spent in them. */
typedef struct fo_op_figures {
    uint64_t calls;    /* as the storage's user made them */
    uint64_t errors;   /* of them */
    uint64_t attempts; /* requests made for them below; calls without a retry layer */
    uint64_t retries;
    uint64_t bytes; /* of content */
    uint64_t total_us;
    uint64_t latency[FO_LATENCY_BUCKETS];
} fo_op_figures;

typedef struct fo_storage_figures {
    fo_op_figures ops[FO_OP_COUNT_];
    uint64_t bytes_in, bytes_out; /* read from and written to the storage */
    uint64_t codes[FINOPS_E_COUNT_];
    uint64_t open_readers, open_uploads; /* now; uploads and writers */
    int retry_budget;                    /* of 500; -1: no retry layer */
} fo_storage_figures;

/* A snapshot; any thread. False: there is no such layer in the stack. */
bool fo_metrics_read(const fo_stage *stage, fo_storage_figures *ret);
/* The microseconds that `share` (0.5, 0.99) of the calls stayed below: upper end of a bucket. */
uint64_t fo_metrics_percentile(const fo_op_figures *figures, double share);
/* As JSON, appended: operations that were used, codes that came. */
void fo_metrics_json(const fo_storage_figures *figures, fo_str *ret);

#endif
