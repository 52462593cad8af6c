/* Lists of objects that are copied or moved: shared by cp, mv, get, put and sync. */
#ifndef FO_CLI_STORAGE_COPY_H
#define FO_CLI_STORAGE_COPY_H

#include "cli/storage.h"

typedef struct fo_pair {
    char *from, *to; /* keys */
    int64_t size;
} fo_pair;

typedef struct fo_pairs {
    fo_pair *items;
    size_t n, cap;
} fo_pairs;

void fo_pairs_clear(fo_pairs *pairs);
void fo_pairs_done(fo_pairs *pairs);
/* Takes `to` over, which may be NULL when there was no memory for it. */
finops_code fo_pairs_add(fo_pairs *pairs, const char *from, char *to, int64_t size, finops_error **err);

typedef struct fo_copy_totals {
    atomic_llong bytes;
} fo_copy_totals;

/* What is the same for all pairs. */
typedef struct fo_copy {
    fo_transfer_job job; /* from, to, move, ... */
    fo_work *work;
    fo_table *plan; /* of --dry-run; NULL: it is done */
    fo_copy_totals *totals;
} fo_copy;

/* Failures are counted in copy->work. */
finops_code fo_copy_pairs(const fo_copy *copy, const fo_pairs *pairs, finops_error **err);

/* A folder is not copied into itself, which would not end. */
finops_code fo_copy_overlap_check(const fo_spot *from, const char *from_prefix, const fo_spot *to,
                                  const char *to_prefix, finops_error **err);

#endif
