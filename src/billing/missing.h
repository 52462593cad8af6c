/* A month's table that is gone although the load state knows it: another program has dropped it. */
#ifndef FO_BILLING_MISSING_H
#define FO_BILLING_MISSING_H

#include "database/database.h"

/*
 * When rc and *err say that a table does not exist, and it is one that holds loaded months, *err becomes an
 * error that names export and months and says how they come back. All else stays as it is, also when there is
 * no database. Returns the code.
 */
finops_code fo_bill_explain_missing(fo_database *database, finops_code rc, finops_error **err);

#endif
