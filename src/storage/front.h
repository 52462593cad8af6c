/* Shared by the files of the front door. */
#ifndef FO_STORAGE_FRONT_H
#define FO_STORAGE_FRONT_H

#include "storage/storage.h"

struct finops_storage {
    fo_stage stage;
    fo_driver_token *token; /* NULL: the driver is no registry's */
    char *address;
};

/* "s3://bucket/prefix: key" in front of an error. */
finops_code fo_storage_wrap(const finops_storage *storage, finops_code rc, const char *what, const char *key,
                            finops_error **err);

#endif
