/* The PostgreSQL backend: servers of version 12 and later, over libpq. */
#ifndef FO_DATABASE_POSTGRESQL_DRIVER_H
#define FO_DATABASE_POSTGRESQL_DRIVER_H

#include "finops/sys/database_driver.h"

extern const finops_database_driver fo_postgresql_driver;

#endif
