/* Going back to a state of a lake: months as they were, as a new state. */
#ifndef FO_BILLING_LAKE_ROLLBACK_H
#define FO_BILLING_LAKE_ROLLBACK_H

#include "billing/publish.h"

/* claimed_by of a current version that imports leave alone. */
#define FO_LAKE_HOLD "hold"

typedef struct fo_lake_rollback_options {
    const char *dataset;     /* schema of the bills */
    const char *export_name; /* NULL: all */
    const char *period;      /* "YYYY-MM": this month, also when it has not changed; NULL: all that have */
    int64_t state;           /* that is gone back to */
    const char *state_name;  /* as the user called it */
    bool hold;               /* imports leave the months alone from then on */
} fo_lake_rollback_options;

/*
 * The months that differ from what they were: export_name, billing_period, then_version, then_rows,
 * then_table, now_version, now_rows, now_table; then_* are NULL for a month that was not there, now_* for one
 * that is not. FINOPS_E_NOT_FOUND: the state is gone, or older than the first bill.
 */
finops_code fo_lake_rollback_plan(fo_database *database, const fo_lake_rollback_options *options,
                                  fo_rows **ret, finops_error **err);
/*
 * Rows, ledger and load state of the planned months become what they were, in one transaction and so one new
 * state. Waits for importers that have one of them in hand. Columns that came since stay and are NULL; one
 * that went since is FINOPS_E_DATA, and nothing has changed.
 */
finops_code fo_lake_rollback(fo_database *database, const fo_lake_rollback_options *options,
                             const fo_rows *months, finops_error **err);

#endif
