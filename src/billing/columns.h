/*
 * The dictionary of bill columns: what type a column has in our tables, known by name, never sniffed.
 *
 * Sources: the AWS CUR data dictionary
 * (https://docs.aws.amazon.com/cur/latest/userguide/data-dictionary.html), the CUR 2.0 column list of Data
 * Exports, and FOCUS 1.0 to 1.2 (https://focus.finops.org/focus-specification/). Names are compared without
 * underscores, because providers split words differently ("SavingsPlanARN", "savings_plan_a_r_n").
 */
#ifndef FO_BILLING_COLUMNS_H
#define FO_BILLING_COLUMNS_H

#include <stdbool.h>

typedef enum fo_column_kind {
    FO_COLUMN_TEXT,
    FO_COLUMN_DECIMAL,    /* costs, rates, amounts: DECIMAL(38,18) */
    FO_COLUMN_TIMESTAMP,  /* UTC */
    FO_COLUMN_MAP,        /* MAP(VARCHAR, VARCHAR); text holds a JSON object */
    FO_COLUMN_MAP_DECIMAL /* MAP(VARCHAR, DECIMAL(38,18)) */
} fo_column_kind;

typedef struct fo_column_entry {
    const char *name; /* as our tables spell it */
    fo_column_kind kind;
} fo_column_entry;

/* The entry of a snake-case name, or NULL: unknown columns are text. */
const fo_column_entry *fo_column_find(const char *name);

/* SQL type of a kind. */
const char *fo_column_sql_type(fo_column_kind kind);

#endif
