/* The ledger: what a version of a month adds up to, by account, service, line item type and currency. */
#ifndef FO_BILLING_LEDGER_H
#define FO_BILLING_LEDGER_H

#include "billing/cost.h"
#include "engine/engine.h"

/*
 * Adds "SELECT account_id, service, line_item_type, currency, row_count, unblended, net, amortized FROM
 * <from> GROUP BY …"; `from` is any relation text that has the columns.
 */
void fo_ledger_select(const fo_cost_columns *columns, const char *from, fo_str *sql);

#endif
