/*
 * Columns that the rows of a month have in one state alone.
 *
 * A lake has one table for all months. A column that comes with a later delivery is there for every month
 * from then on, and NULL in the rows of before. When such a month is delivered again, with the column, its
 * lines are what they were; so in months of which one state has nothing in a column, and the other has, the
 * column is no part of the key, as if the state had no such column at all.
 */
#include <string.h>

#include "base/mem.h"
#include "billing/lake_diff_internal.h"

/* Rows: the month, and for each part whether the side has anything of it there. */
static finops_code
look(fo_database *db, const fo_diff_pair *pair, int side, size_t *ret_n, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    size_t n_key;

    if (!fo_diff_key_parts(pair, side, &parts, &n_key))
        return fo_error_oom(err);
    *ret_n = parts.n;
    fo_str_add(&sql, "SELECT billing_period");
    for (size_t i = 0; i < parts.n; i++)
        fo_str_addf(&sql, ", count(%s) > 0", parts.items[i]);
    fo_str_add(&sql, " FROM (SELECT * FROM ");
    fo_diff_add_table(pair->sides[side], &sql);
    fo_str_addf(&sql, ") AS bill WHERE %s GROUP BY 1 ORDER BY 1", pair->where);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_rows(db, fo_str_z(&sql), ret, err) : rc;
}

/* The row of a month, or -1. */
static long
month_at(const fo_rows *rows, const char *month)
{
    for (size_t i = 0; month && i < fo_rows_count(rows); i++)
        if (fo_streq(fo_rows_text(rows, i, 0), month))
            return (long)i;
    return -1;
}

/* "'2026-05', '2026-06'" of one part. */
static finops_code
add_gap(const fo_rows *old, const fo_rows *new, size_t part, fo_strv *gaps, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str months = FO_STR_INIT;

    for (size_t i = 0; i < fo_rows_count(new); i++) {
        const char *month = fo_rows_text(new, i, 0);
        long at = month_at(old, month);

        if (at < 0 || fo_streq(fo_rows_text(old, (size_t)at, part + 1), fo_rows_text(new, i, part + 1)))
            continue;
        fo_str_add(&months, months.len ? ", " : "");
        fo_sql_literal(&months, month);
    }
    if (!fo_str_ok(&months) || !fo_strv_add(gaps, fo_str_z(&months)))
        return fo_error_oom(err);
    return FINOPS_OK;
}

finops_code
fo_diff_gaps(fo_database *database, fo_diff_pair *pair, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *old = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *new = NULL;
    size_t n = 0;
    finops_code rc;

    if (pair->sides[0]->empty || pair->sides[1]->empty)
        return FINOPS_OK;
    rc = look(database, pair, 0, &n, &old, err);
    if (rc == FINOPS_OK)
        rc = look(database, pair, 1, &n, &new, err);
    for (size_t i = 0; rc == FINOPS_OK && i < n; i++)
        rc = add_gap(old, new, i, &pair->gaps, err);
    return rc;
}
