/* Costs by one dimension. The database groups, what is summed, ordered and cut further is here. */
#include "analytics/report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analytics_sql.h"
#include "base/clock.h"
#include "base/mem.h"

#define MONTHS_BESIDE 2 /* a few lines of a bill are of days beside its months */

static void
block_done(fo_report_block *block)
{
    for (size_t i = 0; i < block->n; i++)
        fo_free(block->rows[i].key);
    fo_free(block->rows);
    fo_free(block->currency);
}

void
fo_report_done(fo_report *report)
{
    for (size_t i = 0; i < report->n; i++)
        block_done(&report->blocks[i]);
    fo_free(report->blocks);
    *report = (fo_report){ 0 };
}

bool
fo_report_shift(const char *period, int months, char ret[8])
{
    char text[FO_TIME_TEXT];
    int index;

    if (!fo_period_parse(period, &index))
        return false;
    snprintf(ret, 8, "%.7s", fo_period_format(index + months, text));
    return true;
}

static finops_code
report_amount(const char *text, fo_decimal *ret, finops_error **err)
{
    fo_decimal_result got = fo_decimal_parse(text, strlen(text), ret);

    if (got == FO_DECIMAL_BAD || got == FO_DECIMAL_RANGE)
        return fo_error_set(err, FINOPS_E_INTERNAL, "the database answered with %s where an amount should be",
                            text);
    return FINOPS_OK;
}

static finops_code
report_block(fo_report *report, const char *currency, fo_report_block **ret, finops_error **err)
{
    for (size_t i = 0; i < report->n; i++) {
        if (strcmp(report->blocks[i].currency, currency) == 0) {
            *ret = &report->blocks[i];
            return FINOPS_OK;
        }
    }
    if (!fo_grow((void **)&report->blocks, &report->cap, report->n + 1, sizeof(*report->blocks)))
        return fo_error_oom(err);
    fo_report_block *block = &report->blocks[report->n];
    *block = (fo_report_block){ .currency = fo_strdup(currency) };
    if (!block->currency)
        return fo_error_oom(err);
    report->n++;
    *ret = block;
    return FINOPS_OK;
}

finops_code
fo_report_add(fo_report *report, const char *currency, const char *key, const char *cost,
              const char *previous, int64_t lines, finops_error **err)
{
    fo_report_row row = { .lines = lines, .has_previous = previous != NULL };
    fo_report_block *block = NULL;

    assert(report && currency);
    finops_code rc = cost ? report_amount(cost, &row.cost, err) : FINOPS_OK;
    if (rc == FINOPS_OK && previous)
        rc = report_amount(previous, &row.previous, err);
    if (rc == FINOPS_OK)
        rc = report_block(report, currency, &block, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!fo_grow((void **)&block->rows, &block->cap, block->n + 1, sizeof(row)))
        return fo_error_oom(err);
    row.key = key ? fo_strdup(key) : NULL;
    if (key && !row.key)
        return fo_error_oom(err);
    block->rows[block->n++] = row;
    return FINOPS_OK;
}

/* Keys in order, those without one last. */
static int
row_by_key(const void *a, const void *b)
{
    const fo_report_row *x = a, *y = b;

    if (!x->key || !y->key)
        return !x->key - !y->key;
    return strcmp(x->key, y->key);
}

static int
row_by_cost(const void *a, const void *b)
{
    const fo_report_row *x = a, *y = b;

    if (x->cost != y->cost)
        return x->cost > y->cost ? -1 : 1;
    if (x->previous != y->previous)
        return x->previous > y->previous ? -1 : 1;
    return row_by_key(a, b);
}

static finops_code
row_sum(fo_report_row *into, const fo_report_row *row, finops_error **err)
{
    if (!fo_decimal_add(into->cost, row->cost, &into->cost) ||
        !fo_decimal_add(into->previous, row->previous, &into->previous))
        return fo_error_set(err, FINOPS_E_DATA, "the costs add up to more than 20 digits before the point");
    into->lines += row->lines;
    into->has_previous |= row->has_previous;
    return FINOPS_OK;
}

static finops_code
block_finish(fo_report_block *block, fo_report_unit unit, size_t top, finops_error **err)
{
    fo_report_row others = { 0 };
    size_t keep = block->n;
    finops_code rc = FINOPS_OK;

    if (block->n == 0)
        return rc;
    qsort(block->rows, block->n, sizeof(*block->rows), row_by_cost);
    if (top > 0 && top < block->n)
        keep = top;
    for (size_t i = 0; rc == FINOPS_OK && i < block->n; i++)
        rc = row_sum(&block->total, &block->rows[i], err);
    for (size_t i = keep; rc == FINOPS_OK && i < block->n; i++)
        rc = row_sum(&others, &block->rows[i], err);
    if (unit != FO_REPORT_OTHER)
        qsort(block->rows, keep, sizeof(*block->rows), row_by_key);
    if (rc != FINOPS_OK || keep == block->n)
        return rc;
    others.others = block->n - keep;
    for (size_t i = keep; i < block->n; i++)
        fo_free(block->rows[i].key);
    block->rows[keep] = others;
    block->n = keep + 1;
    return FINOPS_OK;
}

finops_code
fo_report_finish(fo_report *report, fo_report_unit unit, size_t top, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < report->n; i++)
        rc = block_finish(&report->blocks[i], unit, top, err);
    return rc;
}

/* "column IN ('a', 'b')", nothing for an empty list. */
static void
report_in(const char *before, const char *column, const fo_strv *list, const char *after, fo_str *sql)
{
    if (!list || list->n == 0)
        return;
    fo_str_addf(sql, "%s%s IN (", before, column);
    for (size_t i = 0; i < list->n; i++) {
        fo_str_add(sql, i ? ", " : "");
        fo_sql_literal(sql, list->items[i]);
    }
    fo_str_addf(sql, ")%s", after);
}

/* "WHEN '2026-01' THEN …" for the days of a month; a 31st that the later month lacks stays itself. */
static void
report_days_of(const char *month, const char *later, fo_str *sql)
{
    int index = 0;

    (void)fo_period_parse(later, &index);
    fo_str_addf(
        sql,
        " WHEN '%s' THEN CASE WHEN substr(day, 9, 2) <= '%02u' THEN '%s-' || substr(day, 9, 2) ELSE day END",
        month, fo_days_in_month(index / 12, (unsigned)(index % 12) + 1), later);
}

/* The key of a line of an earlier month under the month or day it is compared with. Plain cases: no two
 * databases reckon with months alike. */
static void
report_key(const fo_report_options *o, int first, int last, int shift, fo_str *sql)
{
    bool month = o->unit == FO_REPORT_MONTH;
    char at[FO_TIME_TEXT], later[FO_TIME_TEXT];

    if (shift == 0 || o->unit == FO_REPORT_OTHER) {
        fo_str_addf(sql, "%s AS key", o->column);
        return;
    }
    fo_str_add(sql, month ? "CASE period" : "CASE substr(day, 1, 7)");
    for (int i = first - MONTHS_BESIDE; i <= last + MONTHS_BESIDE; i++) {
        fo_period_format(i, at);
        fo_period_format(i + shift, later);
        if (month)
            fo_str_addf(sql, " WHEN '%s' THEN '%s'", at, later);
        else
            report_days_of(at, later, sql);
    }
    fo_str_addf(sql, " ELSE %s END AS key", month ? "period" : "day");
}

static void
report_stretch(const fo_report_options *o, const char *from, const char *to, int shift, fo_str *sql)
{
    int first = 0, last = 0;

    (void)fo_period_parse(from, &first);
    (void)fo_period_parse(to, &last);
    fo_str_addf(sql, "SELECT currency, %s AS before, cost, ", shift ? "true" : "false");
    report_key(o, first, last, shift, sql);
    fo_str_add(sql, " FROM lines WHERE period BETWEEN ");
    fo_sql_literal(sql, from);
    fo_str_add(sql, " AND ");
    fo_sql_literal(sql, to);
    report_in(" AND ", "account", o->accounts, "", sql);
    report_in(" AND NOT coalesce(", "lower(line_item_type)", o->exclude, ", false)", sql);
}

static finops_code
report_sql(const fo_report_options *o, fo_str *sql, finops_error **err)
{
    char from[8], to[8];
    int first = 0, last = 0;

    if (!fo_period_parse(o->from, &first) || !fo_period_parse(o->to, &last) || first > last)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s..%s is no stretch of months", o->from, o->to);
    fo_str_addf(sql, "WITH lines AS NOT MATERIALIZED (%s), chosen AS NOT MATERIALIZED (", o->lines);
    report_stretch(o, o->from, o->to, 0, sql);
    if (o->compare) {
        int shift = o->unit == FO_REPORT_MONTH ? 1 : last - first + 1;
        fo_report_shift(o->from, -shift, from);
        fo_report_shift(o->to, -shift, to);
        fo_str_add(sql, " UNION ALL ");
        report_stretch(o, from, to, shift, sql);
    }
    fo_str_add(sql, ") ");
    fo_str_add(sql, fo_sql_report);
    return fo_str_check(sql, err);
}

finops_code
fo_report_run(fo_database *database, const fo_report_options *options, fo_report *ret, finops_error **err)
{
    FO_AUTO(fo_report_done) fo_report report = { 0 };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert(database && options && options->lines && options->column && ret);
    finops_code rc = report_sql(options, &sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(database, fo_str_z(&sql), &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        rc = fo_report_add(&report, fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1),
                           fo_rows_text(rows, i, 2), fo_rows_text(rows, i, 3), fo_rows_int(rows, i, 4), err);
    if (rc == FINOPS_OK)
        rc = fo_report_finish(&report, options->unit, options->top, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = report;
    report = (fo_report){ 0 };
    return FINOPS_OK;
}
