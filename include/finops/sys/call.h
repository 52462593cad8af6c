/* How a call that may take long is limited, watched and stopped; the same for databases and storage. */
#ifndef FINOPS_SYS_CALL_H
#define FINOPS_SYS_CALL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What every call that may take long is told. A driver polls `cancelled` and looks at the deadline at least
 * each 100 ms while it waits or streams; nobody does it for the driver. Past the deadline the call ends with
 * FINOPS_E_TIMEOUT, when cancelled with FINOPS_E_CANCELLED. Either way nothing of it remains.
 *
 * The callbacks may come from any thread, one at a time. `arg` must live until the call has returned, and
 * where it gave a stream, a reader or an upload until that is released.
 */
typedef struct finops_call {
    int64_t deadline_us;          /* of CLOCK_MONOTONIC in microseconds; 0: none */
    bool (*cancelled)(void *arg); /* may be NULL */
    /* How far it is: fraction negative when unknown; rows of a table, bytes of an object. May be NULL. */
    void (*progress)(double fraction, int64_t done, void *arg);
    void *arg;
} finops_call;

#ifdef __cplusplus
}
#endif
#endif
