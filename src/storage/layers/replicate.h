/* What the layer is told, and what is found when its storages are compared; see replicate.c. */
#ifndef FO_STORAGE_REPLICATE_LAYER_H
#define FO_STORAGE_REPLICATE_LAYER_H

#include "storage/layers/layer.h"

typedef enum fo_replicate_mode {
    FO_REPLICATE_ALL = 0,      /* a write is done when it is done everywhere */
    FO_REPLICATE_QUORUM,       /* ... in more than half of the places */
    FO_REPLICATE_PRIMARY_FIRST /* ... in the first; the others follow as they can */
} fo_replicate_mode;

typedef struct fo_replicate_config {
    char **to; /* addresses of the others; NULL: no replicas */
    char *mode;
    /* Of no option, from who opens storages: an address becomes a storage, with the layers below this one. */
    finops_code (*open)(void *arg, const char *address, finops_storage **ret, finops_error **err);
    void *open_arg;
} fo_replicate_config;

/* Over stages that are there already, the first being the primary; takes them over on success. At least 2, at
 * most 9. */
finops_code fo_replicate_over(fo_replicate_mode mode, const fo_stage *stages, size_t n, fo_stage *ret,
                              finops_error **err);

typedef struct fo_replicate_figures {
    size_t replicas;
    uint64_t behind[9]; /* writes that a replica missed */
    uint64_t fallbacks; /* reads that another than the first answered */
} fo_replicate_figures;
/* False: there is no such layer in the stack. Any thread. */
bool fo_replicate_read_figures(const fo_stage *stage, fo_replicate_figures *ret);

/* A key of which not all replicas have the same: bit n of `has` is set when the n-th has what is right, of
 * `differs` when it has something else; neither: it has none. */
typedef struct fo_divergence {
    const char *key;
    unsigned has, differs;
    bool should_be; /* false: what is right is that there is none */
    bool repaired;
} fo_divergence;
typedef bool (*fo_each_divergence)(const fo_divergence *what, void *arg);

/*
 * Compares the replicas below a prefix, and with `repair` makes them the same: as the first is where it comes
 * first, else as most are, and where that is undecided an object is kept. All replicas must answer.
 * FINOPS_E_UNSUPPORTED: there is no such layer in the stack.
 */
finops_code fo_replicate_compare(const fo_stage *stage, const char *prefix, bool repair,
                                 const finops_call *call, fo_each_divergence each, void *arg,
                                 finops_error **err);

#endif
