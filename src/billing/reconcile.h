/*
 * Reconciliation: the provider's files, its manifest, the month's table and the ledger must tell the same
 * rows and sums.
 *
 * The database is only read, and the files go through an engine of their own, so that it runs beside an
 * import.
 */
#ifndef FO_BILLING_RECONCILE_H
#define FO_BILLING_RECONCILE_H

#include "base/cancel.h"
#include "base/str.h"
#include "config/settings.h"
#include "engine/files.h"

typedef enum fo_reconcile_verdict {
    FO_RECONCILE_AGREES,
    FO_RECONCILE_NO_LEDGER, /* loaded by the earlier tool: nothing to compare with */
    FO_RECONCILE_DRIFT
} fo_reconcile_verdict;

const char *fo_reconcile_verdict_name(fo_reconcile_verdict verdict);

/* One month. The words of a place are "agree" or what is wrong or missing there; `detail` says it in numbers.
 */
typedef struct fo_reconciled {
    char *export_name;
    char *period;
    char *version_id; /* loaded; NULL for a month that is delivered and not loaded */
    fo_reconcile_verdict verdict;
    int64_t rows; /* by the ledger */
    char *totals; /* unblended, "12.50 USD", by the ledger */
    const char *files, *manifest, *table, *ledger;
    fo_str detail;
} fo_reconciled;

typedef struct fo_reconciliation {
    fo_reconciled *items; /* by export, then period */
    size_t n, cap;
    unsigned drift;
} fo_reconciliation;

typedef struct fo_reconcile_options {
    const fo_settings *settings;
    fo_files_places *places; /* how files of services are opened; NULL: only those of this machine */
    const char *period;      /* NULL: every month */
    const fo_cancel *cancel;
    void (*progress)(const char *export_name, const char *period,
                     void *arg); /* before files are read; may be NULL */
    void (*warning)(const char *text, void *arg);
    void *arg;
} fo_reconcile_options;

/* Differences are in the result, not in the code: an error is a reconciliation that could not be done. */
finops_code fo_reconcile_run(const fo_reconcile_options *options, fo_reconciliation *ret, finops_error **err);
void fo_reconciliation_done(fo_reconciliation *r);

#endif
