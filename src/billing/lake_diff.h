/*
 * What a provider changed in the bill between two states of a lake: lines added, removed and repriced, and
 * what that does to the cost, by dimension.
 *
 * A provider does not keep the ids of line items between versions, and an import replaces a month as a whole.
 * So lines are matched by what they are (lake_diff_side.c has the list), as a multiset: of n and m lines that
 * are alike, min(n, m) stayed.
 */
#ifndef FO_BILLING_LAKE_DIFF_H
#define FO_BILLING_LAKE_DIFF_H

#include "billing/cost.h"
#include "billing/lake_catalog.h"
#include "base/str.h"

typedef struct fo_lake_diff_options {
    const char *dataset;     /* schema where tables are looked for first */
    const char *export_name; /* NULL: all */
    const char *period;      /* "YYYY-MM"; NULL: all */
    fo_cost_model cost;
    int64_t from, to;  /* states that are there */
    const fo_strv *by; /* names of fo_lake_diff_dimensions(), "tag:KEY"; none: totals alone */
} fo_lake_diff_options;

typedef struct fo_lake_diff {
    char *sql;     /* its own */
    char *months;  /* "2026-05, 2026-07..2026-09", "all months", "no month" */
    char *exports; /* "sample-cur, other" */
    fo_strv notes; /* what the reader of the figures should know */
} fo_lake_diff;

/* Names that `by` may have besides tags, NULL-ended. */
const char *const *fo_lake_diff_dimensions(void);

/*
 * FINOPS_E_NOT_FOUND when no state has bills, the export or the period; FINOPS_E_USAGE, naming the nearest,
 * for a dimension or a tag that there is none of.
 */
finops_code fo_lake_diff_open(fo_database *database, const fo_lake_diff_options *options, fo_lake_diff *ret,
                              finops_error **err);
void fo_lake_diff_done(fo_lake_diff *diff);

/* What a row is about, and the columns before its dimensions. */
enum { FO_LAKE_DIFF_MOVER, FO_LAKE_DIFF_REST, FO_LAKE_DIFF_TOTAL };
enum { FO_LAKE_DIFF_KIND, FO_LAKE_DIFF_OTHERS, FO_LAKE_DIFF_HEAD };

/*
 * Adds the statement whose rows are the groups that differ, currency by currency, the largest absolute change
 * first: a column for each of `by`, then currency, old, new, change, old_rows, new_rows, added, removed,
 * repriced. With a limit (0: none) the groups beyond it are one row "(others)". Nothing in `by`: the totals.
 * `all`: with two columns before them, FO_LAKE_DIFF_KIND and how many groups the others are, and with a row
 * of totals behind each currency.
 */
void fo_lake_diff_rows(const fo_lake_diff *diff, const fo_strv *by, int64_t limit, bool all, fo_str *sql);

#endif
