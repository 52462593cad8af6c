/*
 * Storage in the memory of this process, with every feature but presigned addresses: what the interface
 * means, for tests and benches. No configuration knows it.
 */
#ifndef FO_STORAGE_MEMORY_DRIVER_H
#define FO_STORAGE_MEMORY_DRIVER_H

#include "finops/sys/storage_driver.h"

/* open() takes no config: NULL. Each storage is a place of its own. */
extern const finops_storage_driver fo_memory_driver;

#endif
