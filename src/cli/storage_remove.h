/* Many objects removed: shared by rm and sync. */
#ifndef FO_CLI_STORAGE_REMOVE_H
#define FO_CLI_STORAGE_REMOVE_H

#include "cli/storage.h"

typedef struct fo_removal {
    fo_work *work;
    finops_storage *storage;
    fo_table *plan;        /* of --dry-run; NULL: it is done */
    const fo_entry *items; /* of this turn */
    size_t n;
    uint64_t removed, failed; /* objects; under work->lock while it runs */
    finops_code rc;           /* of the first that failed */
} fo_removal;

/* Removes these; what failed is told and counted. */
finops_code fo_removal_run(fo_removal *removal, const fo_entry *items, size_t n, finops_error **err);
/* FINOPS_E_PARTIAL when some failed and some did not. */
finops_code fo_removal_result(const fo_removal *removal, finops_error **err);

#endif
