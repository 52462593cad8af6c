/*
 * Storage in a folder of this machine, or one that is mounted here.
 *
 * Keys are paths below the folder. No key leads out of it: no part of one may be a symbolic link but the
 * last, which may lead to a file below the folder (with links = "all" to any file), as what imports a bill
 * does. Objects are replaced by a rename, so that a reader goes on with the file it opened. Files whose names
 * begin with ".finops~" are ours on their way; nothing lists them.
 */
#ifndef FO_STORAGE_LOCAL_DRIVER_H
#define FO_STORAGE_LOCAL_DRIVER_H

#include <stdbool.h>

#include "finops/sys/storage_driver.h"

typedef struct fo_local_settings {
    char *path;
    char *links;
    bool durable;
} fo_local_settings;

extern const finops_storage_driver fo_local_driver;

#endif
