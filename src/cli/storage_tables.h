/* The pages of the configuration with the tables of the storages that are built in. */
#ifndef FO_CLI_STORAGE_TABLES_H
#define FO_CLI_STORAGE_TABLES_H

#include "base/str.h"

finops_code fo_storage_tables_schema(fo_str *ret, finops_error **err);
finops_code fo_storage_tables_reference(fo_str *ret, finops_error **err);

#endif
