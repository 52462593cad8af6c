/* Where serve.h was before the driver of DuckDB had a folder of its own. */
#ifndef FO_DATABASE_SERVE_H
#define FO_DATABASE_SERVE_H

#include "database/duckdb/serve.h"

#endif
