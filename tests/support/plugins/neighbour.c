/* A library that lies beside a plugin, which finds it by $ORIGIN. */
#include "finops/sys/plugin.h"

FINOPS_PLUGIN_EXPORT int neighbour(void);

int
neighbour(void)
{
    return 7;
}
