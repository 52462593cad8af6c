/* What a provider changed between two versions of a month, by the ledger: the old rows need not be there any
 * more. */
#ifndef FO_BILLING_DIFF_H
#define FO_BILLING_DIFF_H

#include "billing/cost.h"
#include "database/database.h"

typedef struct fo_diff_options {
    const char *export_name; /* NULL: the only one that has the period */
    const char *period;
    const char *from, *to; /* versions or the beginnings of their names; NULL: the last complete one before
                              `to`, the current one */
    fo_cost_model cost;
} fo_diff_options;

/* Texts are exact decimals; one that is NULL stands for lines that are not in that version. */
typedef struct fo_diff {
    char *export_name;
    char *from, *to; /* whole version ids */
    /* account_id, service, line_item_type, currency, old, new, change, old_rows, new_rows: what differs,
     * largest absolute change first. */
    fo_rows *rows;
    fo_rows *totals; /* currency, old, new, change, old_rows, new_rows: of everything, also what is equal */
} fo_diff;

/*
 * FINOPS_E_NOT_FOUND when the month is not loaded, has one version only, or a version has no ledger;
 * FINOPS_E_USAGE when the export must be named or a beginning fits several versions.
 */
finops_code fo_diff_run(fo_database *database, const fo_diff_options *options, fo_diff *ret,
                        finops_error **err);
void fo_diff_done(fo_diff *diff);

#endif
