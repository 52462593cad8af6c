/*
 * A stage of storage that fails as a test tells it to, around one that works: what no real service can be
 * made to do at the moment wanted. Any thread.
 */
#ifndef STORAGE_FAULTY_H
#define STORAGE_FAULTY_H

#include <stdatomic.h>
#include <stdbool.h>

#include "storage/layers/layer.h"

/* The next `times` calls of an operation. */
typedef struct faulty_fault {
    atomic_uint times;
    finops_code code;
    bool tells_when;
    int64_t retry_after_us; /* when it tells */
    bool done;              /* what was asked for is done before the answer is lost */
    int64_t after;          /* bytes of a reader, objects of a listing, that come before it */
    unsigned every;         /* of a batch: every n-th key fails with the code, and the call does not */
    bool hangs;             /* until the call's deadline or cancellation */
} faulty_fault;

typedef struct faulty {
    fo_pass pass;
    faulty_fault on[FO_OP_COUNT_];
    faulty_fault body; /* of a reader that was opened */
    atomic_uint calls[FO_OP_COUNT_];
    atomic_int inside, inside_max;
    int64_t hold_us;         /* how long a call takes, for real */
    uint64_t more;           /* FINOPS_STORAGE_* it claims besides */
    atomic_uint keys;        /* that batches were asked to remove */
    atomic_ulong bytes_read; /* by readers */
} faulty;

/* Takes over *below, and gives the stage that fails. */
faulty *faulty_over(fo_stage below, fo_stage *ret);
/* A memory storage below. */
faulty *faulty_memory(fo_stage *ret);
void faulty_fail(faulty *f, fo_storage_op op, unsigned times, finops_code code);
void faulty_body(faulty *f, unsigned times, finops_code code, int64_t after);

#endif
