/*
 * The driver of DuckLake: tables in Parquet files, and a catalog that says which files they are at each
 * moment. https://ducklake.select/docs/stable/specification/introduction
 */
#ifndef FO_DATABASE_DUCKLAKE_DRIVER_H
#define FO_DATABASE_DUCKLAKE_DRIVER_H

#include "finops/sys/database_driver.h"

/* Its config is fo_ducklake_settings. Connections are those of the DuckDB driver and begin in the lake, which
 * is attached under the name FO_LAKE. */
extern const finops_database_driver fo_ducklake_driver;

#define FO_LAKE "finops_lake"

#endif
