/*
 * What drivers of every kind have in common. A driver's struct begins with these members, so that one
 * registry holds them all.
 */
#ifndef FINOPS_SYS_DRIVER_H
#define FINOPS_SYS_DRIVER_H

#include <stddef.h>
#include <stdint.h>

#include "finops/sys/option.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum finops_driver_kind {
    FINOPS_KIND_DATABASE = 0, /* finops_database_driver */
    FINOPS_KIND_STORAGE,      /* finops_storage_driver */
    FINOPS_KIND_COUNT_        /* number of kinds; not a kind */
} finops_driver_kind;

typedef struct finops_driver {
    uint32_t abi;                 /* of the kind's own header */
    uint32_t size;                /* of the whole struct it was built with */
    const char *name;             /* unique among drivers of its kind */
    const char *version;          /* of the driver, "1.0.0" */
    const char *summary;          /* one sentence for lists */
    const finops_option *options; /* what it can be told; may be NULL */
    size_t config_size;           /* bytes the table fills in for open() */
} finops_driver;

#ifdef __cplusplus
}
#endif
#endif
