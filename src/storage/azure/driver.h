/* Azure Blob Storage, and Data Lake Storage Gen2 over it. */
#ifndef FO_STORAGE_AZURE_DRIVER_H
#define FO_STORAGE_AZURE_DRIVER_H

#include "finops/sys/storage_driver.h"

extern const finops_storage_driver fo_azure_driver;

#endif
