/* The only file that names every driver. */
#include "builtins.h"

#include <stddef.h>

const finops_database_driver *const fo_database_builtin[] = {
    NULL,
};
