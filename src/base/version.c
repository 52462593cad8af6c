/* The library's own version, as the build names it. */
#include "finops/finops.h"

const char *
finops_version(void)
{
    return FINOPS_VERSION;
}
