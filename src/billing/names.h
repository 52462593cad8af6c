/* Names bill tables and columns get in the database. */
#ifndef FO_BILLING_NAMES_H
#define FO_BILLING_NAMES_H

#include "base/error.h"
#include "base/str.h"

/*
 * The export's part of its table names: lower case, separators to '_', other characters dropped, "export_" in
 * front when it does not begin with a letter, at most 50 characters. "Acme CUR-hourly" -> "acme_cur_hourly".
 */
finops_code fo_bill_table_base(const char *export_name, fo_str *ret, finops_error **err);

/* "<base>_<YYYY>_<MM>" for the period "YYYY-MM". */
finops_code fo_bill_table_name(const char *base, const char *period, fo_str *ret, finops_error **err);

/* "acme_2024_11" -> "acme"; the one table of all months is its own base. */
void fo_bill_base_of(const char *table, const char *period, fo_str *ret);

/*
 * A header in snake case, as the providers' own tables spell it: an underscore before each capital,
 * everything else that is no letter or digit to one underscore ("lineItem/UnblendedCost" ->
 * "line_item_unblended_cost", "savingsPlan/SavingsPlanARN" -> "savings_plan_savings_plan_a_r_n"). Letters
 * beyond ASCII are kept as they are. "column" when nothing is left.
 */
finops_code fo_bill_column_name(const char *header, fo_str *ret, finops_error **err);

/* "<name>_<first 6 hex digits of the SHA-256 of text>". */
finops_code fo_bill_suffixed(const char *name, const char *text, fo_str *ret, finops_error **err);

/*
 * The name as a database of short identifiers keeps it: itself within `max` bytes (0: no limit), else its
 * beginning with the first 6 hex digits of its own SHA-256 behind, never cut within a character.
 */
finops_code fo_bill_cut(const char *name, size_t max, fo_str *ret, finops_error **err);

#endif
