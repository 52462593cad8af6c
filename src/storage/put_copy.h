/* A finops_put that outlives the call it came in. */
#ifndef FO_STORAGE_PUT_COPY_H
#define FO_STORAGE_PUT_COPY_H

#include "base/error.h"
#include "finops/sys/storage_driver.h"

/* Its texts are its own; the call is the caller's. */
typedef struct fo_put_copy {
    finops_put put;
    finops_object texts; /* key, types and metadata */
    char *if_version;
} fo_put_copy;

finops_code fo_put_copy_make(const finops_put *put, fo_put_copy *ret, finops_error **err);
void fo_put_copy_done(fo_put_copy *copy);

#endif
