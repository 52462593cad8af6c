/*
 * What lets requests through and ends: fetched when it is first needed, and renewed ahead of its end by one
 * caller while the others go on with what they have. A renewal that fails keeps what there is as long as it
 * is good. Any thread.
 */
#ifndef FO_NET_RENEWAL_H
#define FO_NET_RENEWAL_H

#include <stdint.h>

#include "base/error.h"
#include "finops/sys/call.h"

typedef struct fo_renewal fo_renewal;

/* Values are counted by those who hold them; none that changes. */
typedef struct fo_renewal_ops {
    /* What is fetched counts as held once. *ret_expires_us: 0: never. */
    finops_code (*fetch)(void *arg, const finops_call *call, void **ret, int64_t *ret_expires_us,
                         finops_error **err);
    void (*hold)(void *value);
    void (*release)(void *value);
    const char *what; /* "credentials", for messages */
} fo_renewal_ops;

/* NULL: no memory. */
fo_renewal *fo_renewal_new(const fo_renewal_ops *ops, void *arg);
void fo_renewal_free(fo_renewal *renewal); /* nobody is in it; NULL is fine */
/* The value of now, held for the caller. */
finops_code fo_renewal_get(fo_renewal *renewal, const finops_call *call, void **ret, finops_error **err);
/* It is of no use any more: the next caller fetches another, unless somebody has done so. `is` tells whether
 * a value is the one that is meant. */
void fo_renewal_drop(fo_renewal *renewal, bool (*is)(const void *value, const void *meant),
                     const void *meant);

#endif
