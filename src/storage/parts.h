/* The parts of an upload that goes into one file: which were sent, and that they come to a whole. */
#ifndef FO_STORAGE_PARTS_H
#define FO_STORAGE_PARTS_H

#include <pthread.h>

#include "base/error.h"

#define FO_PARTS_MAX 100000
#define FO_PART_MAX ((size_t)5 << 30)

typedef struct fo_part fo_part;
typedef struct fo_parts {
    pthread_mutex_t lock; /* parts come from several threads */
    fo_part *items;       /* number - 1 is the index */
    size_t n, cap;
} fo_parts;

void fo_parts_init(fo_parts *parts);
void fo_parts_done(fo_parts *parts);
/* FINOPS_E_ARGUMENT: a number, size or offset that cannot be. */
finops_code fo_parts_check_one(unsigned number, int64_t offset, size_t n, finops_error **err);
/* It was sent. Once more replaces what was noted before. */
finops_code fo_parts_note(fo_parts *parts, unsigned number, int64_t offset, size_t n, finops_error **err);
/* That parts 1..n follow one another and come to this size; from one thread. */
finops_code fo_parts_check(const fo_parts *parts, unsigned n, int64_t size, finops_error **err);

#endif
