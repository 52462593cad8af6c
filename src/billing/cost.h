/*
 * Cost models and dimensions of a bill as SQL expressions over the columns it has.
 *
 * unblended: what was billed. net: after negotiated discounts. amortized: commitments spread over their use.
 * One definition, used by the ledger, reports and reconciliation alike; CUR and FOCUS columns both.
 */
#ifndef FO_BILLING_COST_H
#define FO_BILLING_COST_H

#include <stdbool.h>

#include "base/str.h"

typedef enum fo_cost_model { FO_COST_UNBLENDED, FO_COST_NET, FO_COST_AMORTIZED } fo_cost_model;

typedef enum fo_dimension {
    FO_DIMENSION_ACCOUNT,
    FO_DIMENSION_SERVICE,
    FO_DIMENSION_LINE_ITEM_TYPE,
    FO_DIMENSION_CURRENCY,
    FO_DIMENSION_REGION,
    FO_DIMENSION_USAGE_TYPE,
    FO_DIMENSION_PAYER
} fo_dimension;

/* The columns of the relation the expressions are for. */
typedef struct fo_cost_columns {
    const fo_strv *names;
} fo_cost_columns;

bool fo_cost_has(const fo_cost_columns *columns, const char *name);
bool fo_cost_is_focus(const fo_cost_columns *columns);
/* DECIMAL(38,18); never NULL. Missing effective-cost columns fall back to the unblended cost, row by row. */
void fo_cost_amount(const fo_cost_columns *columns, fo_cost_model model, fo_str *sql);
/* VARCHAR or NULL. */
void fo_cost_dimension(const fo_cost_columns *columns, fo_dimension dimension, fo_str *sql);

#endif
