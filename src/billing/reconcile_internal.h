/* What the two halves of the reconciliation share: the database's side (reconcile.c) and the files'
 * (reconcile_files.c). */
#ifndef FO_BILLING_RECONCILE_INTERNAL_H
#define FO_BILLING_RECONCILE_INTERNAL_H

#include "billing/aws/discover.h"
#include "billing/cost.h"
#include "billing/reconcile.h"
#include "database/database.h"
#include "engine/engine.h"

typedef struct reconcile {
    const fo_reconcile_options *options;
    fo_database *database; /* a reader */
    fo_engine *engine;     /* in memory: for files */
    fo_conn *conn;         /* of engine */
    fo_rows *state;        /* current months, see RECONCILE_STATE_* */
    fo_rows *known;        /* export, source, first month ever attempted */
    fo_rows *pruned;       /* export, first month kept; NULL: none */
    bool *seen;            /* of each row of state: compared with a delivery */
    fo_reconciliation result;
} reconcile;

/* Columns of `state`. */
enum { STATE_EXPORT, STATE_PERIOD, STATE_VERSION, STATE_ROWS, STATE_TABLE, STATE_SOURCE, STATE_COMPLETED };

/* One delivered month and where its files are. */
typedef struct reconcile_delivery {
    fo_files *files;
    const fo_bill_source *source;
    const fo_delivery *delivery;
} reconcile_delivery;

/* currency, rows, unblended, net, amortized of the relation `from`, by the ledger's own statement. */
void fo_reconcile_sums_sql(const fo_cost_columns *columns, const char *from, fo_str *sql);
/* The same of a delivery's files, read again. */
finops_code fo_reconcile_files(reconcile *r, const char *export_name, const reconcile_delivery *d,
                               fo_rows **ret, finops_error **err);
/* Adds what differs between two such results to detail: "rows: 12 in the files, 13 in the ledger". True when
 * nothing does. */
bool fo_reconcile_same(const fo_rows *a, const char *name_a, const fo_rows *b, const char *name_b,
                       fo_str *detail);

/* Compares month i of the state; `d` is NULL when it was not found at the provider, for the reason `why_not`.
 */
finops_code fo_reconcile_month(reconcile *r, size_t i, const reconcile_delivery *d, const char *why_not,
                               finops_error **err);
/* A new, empty result. */
finops_code fo_reconcile_add(reconcile *r, const char *export_name, const char *period,
                             const char *version_id, fo_reconciled **ret, finops_error **err);

#endif
