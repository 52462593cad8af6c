/* Amazon S3 and what is compatible with it. */
#ifndef FO_STORAGE_S3_DRIVER_H
#define FO_STORAGE_S3_DRIVER_H

#include "engine/files.h"
#include "finops/sys/storage_driver.h"

extern const finops_storage_driver fo_s3_driver;

/* How the engine's own reader of S3 reads what this storage reads; ret->possible is false where it cannot. */
finops_code fo_s3_native(void *self, const finops_call *call, fo_files_native *ret, finops_error **err);

#endif
