/* Costs of a stretch of months by one dimension, a block a currency, with the stretch before it. */
#ifndef FO_ANALYTICS_REPORT_H
#define FO_ANALYTICS_REPORT_H

#include "base/decimal.h"
#include "database/database.h"

typedef enum fo_report_unit { FO_REPORT_OTHER, FO_REPORT_DAY, FO_REPORT_MONTH } fo_report_unit;

typedef struct fo_report_options {
    const char
        *lines; /* SELECT of the lines: period, day, account, line_item_type, currency, cost and `column` */
    const char *column; /* what costs are grouped by */
    fo_report_unit
        unit; /* days and months are in order of time; others in order of cost, the largest first */
    const char *from, *to; /* "YYYY-MM", both in */
    bool compare; /* also the stretch before: as many months, or the month before each for FO_REPORT_MONTH */
    const fo_strv *accounts; /* only these; none: all */
    const fo_strv *exclude;  /* line item types left out, any case */
    size_t top;              /* that many rows, the rest in one more; 0: all */
} fo_report_options;

typedef struct fo_report_row {
    char *key;           /* NULL: lines that have none */
    fo_decimal cost;     /* of the months asked for */
    fo_decimal previous; /* of those before */
    int64_t lines;       /* of the months asked for */
    bool has_previous;
    size_t others; /* that many rows are in this one; 0: it is a row of its own */
} fo_report_row;

typedef struct fo_report_block {
    char *currency; /* "" when the bill names none */
    fo_report_row *rows;
    size_t n, cap;
    fo_report_row total;
} fo_report_block;

typedef struct fo_report {
    fo_report_block *blocks; /* by currency */
    size_t n, cap;
} fo_report;

/* Runs the statement. */
finops_code fo_report_run(fo_database *database, const fo_report_options *options, fo_report *ret,
                          finops_error **err);
void fo_report_done(fo_report *report);

/* What fo_report_run does with the rows: adds one (NULL amounts: no line there), and when all are in, orders,
 * cuts and sums. */
finops_code fo_report_add(fo_report *report, const char *currency, const char *key, const char *cost,
                          const char *previous, int64_t lines, finops_error **err);
finops_code fo_report_finish(fo_report *report, fo_report_unit unit, size_t top, finops_error **err);

/* "YYYY-MM" moved by `months`. False for what is no month. */
bool fo_report_shift(const char *period, int months, char ret[8]);

#endif
