/* Removing bills: whole exports (reset) and old months (prune). */
#ifndef FO_BILLING_RETENTION_H
#define FO_BILLING_RETENTION_H

#include "billing/import.h"

/* One month that was, or in a dry run would be, removed. */
typedef struct fo_pruned_month {
    const char *export_name;
    const char *period;
    const char *table_name;
    int64_t rows;
} fo_pruned_month;

/*
 * Removes the months before `before` ("YYYY-MM") of one export, or of all when export_name is NULL: tables,
 * state and view change in one transaction an export. The ledger stays. Later imports leave such months alone
 * unless forced.
 */
finops_code fo_bills_prune(fo_database *database, const char *dataset, const char *export_name,
                           const char *before, bool dry_run,
                           void (*each)(const fo_pruned_month *month, void *arg), void *arg,
                           finops_error **err);

#endif
