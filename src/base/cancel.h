/* A stop request that signal handlers may set and long work polls. */
#ifndef FO_BASE_CANCEL_H
#define FO_BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct fo_cancel {
    atomic_int requested;
} fo_cancel;

static inline void
fo_cancel_request(fo_cancel *c)
{
    atomic_store(&c->requested, 1);
}
static inline bool
fo_cancelled(const fo_cancel *c)
{
    return c && atomic_load(&c->requested) != 0;
}

#endif
