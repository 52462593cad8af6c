/* What the files of the comparison of two states share. */
#ifndef FO_BILLING_LAKE_DIFF_INTERNAL_H
#define FO_BILLING_LAKE_DIFF_INTERNAL_H

#include "billing/colnames.h"
#include "billing/lake_diff.h"
#include "billing/lines_internal.h"

/* What a dimension is where there is no column for it (cost.c). */
#define FO_DIFF_NONE "CAST(NULL AS VARCHAR)"

/* The rows of one export in one state. */
typedef struct fo_diff_side {
    fo_lines_view table; /* the table's columns, and those that stand for keys of its tags */
    fo_strv tag_values;  /* for each column behind the table's own: its expression */
    size_t n_own;        /* columns of the table */
    int64_t state;
    bool empty; /* the state has no such table: the other one's columns, without rows */
} fo_diff_side;

void fo_diff_side_done(fo_diff_side *side);

/* Reads the columns of the table in its state; with `names`, also the keys of its tags. */
finops_code fo_diff_side_open(fo_database *database, const char *export_name, const char *schema,
                              const char *table, int64_t state, const fo_colnames *names, fo_diff_side *ret,
                              finops_error **err);

typedef struct fo_diff_pair {
    const fo_diff_side *sides[2]; /* old, new */
    fo_str dimensions[2];         /* "expression AS d1, expression AS d2, " of each */
    const char *where;            /* condition on billing_period */
    fo_cost_model cost;
    fo_strv gaps; /* for each of fo_diff_key_parts(): months in which one side alone has nothing of it,
                     "'2026-05'" */
} fo_diff_pair;

/*
 * Fills pair->gaps: a column that came later is NULL in the rows of before, and says nothing about them.
 * Reads what the key is made of, once.
 */
finops_code fo_diff_gaps(fo_database *database, fo_diff_pair *pair, finops_error **err);
/* What the lines' key is made of on one side, in the same order on both, *ret_n expressions; then columns of
 * tags, and the price of a unit as the last. False: no memory. */
bool fo_diff_key_parts(const fo_diff_pair *pair, int side, fo_strv *ret, size_t *ret_n);
/* Adds the table of the side as it was. */
void fo_diff_add_table(const fo_diff_side *side, fo_str *sql);

/*
 * Adds the SELECT of one side's lines: dimensions, currency, cost, price, h1 and h2, which are the same for
 * lines that are alike, and n, -1 or 1.
 */
void fo_diff_lines(const fo_diff_pair *pair, int side, fo_str *sql);

/* The expression that a dimension's name stands for, NULL where the side has no such column. False: there is
 * no such name. */
bool fo_diff_dimension(const fo_diff_side *side, const char *name, fo_str *sql);

/* Adds "WITH ... " over these lines of n dimensions: what fo_lake_diff_rows() reads from. */
void fo_diff_statement(const char *lines, size_t n, fo_str *sql);
/* Lines, but none. */
void fo_diff_no_lines(size_t n, fo_str *sql);

#endif
