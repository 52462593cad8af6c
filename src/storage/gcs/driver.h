/* Google Cloud Storage, by its JSON interface. */
#ifndef FO_STORAGE_GCS_DRIVER_H
#define FO_STORAGE_GCS_DRIVER_H

#include "finops/sys/storage_driver.h"

extern const finops_storage_driver fo_gcs_driver;

#endif
