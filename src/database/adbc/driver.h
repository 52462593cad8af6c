/*
 * The ADBC backend: any database that has an ADBC 1.1 driver, a shared library of the operator's choice.
 * https://arrow.apache.org/adbc/
 */
#ifndef FO_DATABASE_ADBC_DRIVER_H
#define FO_DATABASE_ADBC_DRIVER_H

#include "finops/sys/database_driver.h"

extern const finops_database_driver fo_adbc_driver;

#endif
