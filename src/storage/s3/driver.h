/* Amazon S3 and what is compatible with it. */
#ifndef FO_STORAGE_S3_DRIVER_H
#define FO_STORAGE_S3_DRIVER_H

#include "finops/sys/storage_driver.h"

extern const finops_storage_driver fo_s3_driver;

#endif
