/* What the published adbc.h of the fetched dependencies includes for the Arrow structs: ours are the same. */
#include "finops/arrow.h"
