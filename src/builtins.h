/* Every driver the program comes with. */
#ifndef FO_BUILTINS_H
#define FO_BUILTINS_H

#include "finops/sys/database_driver.h"
#include "finops/sys/storage_driver.h"

/* Ends with NULL. A driver without open() is one that was compiled out: its name says so. */
extern const finops_database_driver *const fo_database_builtin[];
extern const finops_storage_driver *const fo_storage_builtin[];

#endif
