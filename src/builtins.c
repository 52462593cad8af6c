/* The only file that names every driver. */
#include "builtins.h"

#include <stddef.h>

#include "database/adbc/driver.h"
#include "database/duckdb/driver.h"
#include "database/ducklake/driver.h"
#include "database/postgresql/driver.h"
#include "storage/azure/driver.h"
#include "storage/gcs/driver.h"
#include "storage/local/driver.h"
#include "storage/s3/driver.h"
#include "storage/sftp/driver.h"
#include "storage/webhdfs/driver.h"

const finops_database_driver *const fo_database_builtin[] = {
    &fo_adbc_driver,
    &fo_duckdb_driver,
    &fo_ducklake_driver,
    &fo_postgresql_driver,
    NULL,
};

const finops_storage_driver *const fo_storage_builtin[] = {
    &fo_azure_driver,
    &fo_gcs_driver,
    &fo_local_driver,
    &fo_s3_driver,
    &fo_sftp_driver,
    &fo_webhdfs_driver,
    NULL,
};
