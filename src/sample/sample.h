/*
 * Sample bills: realistic AWS Cost and Usage Reports in the layouts AWS delivers, made from a seed.
 *
 * The same options give the same bytes. Beside the bills stands expected.json with exact totals of every
 * month, added up as integers while the lines are made. Money is a whole number of 1e-10 dollars with at
 * most 15 digits, so that the doubles of a Parquet file read back as the same decimals.
 */
#ifndef FO_SAMPLE_SAMPLE_H
#define FO_SAMPLE_SAMPLE_H

#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

#define FO_SAMPLE_PERIOD 8 /* bytes of "YYYY-MM" with its NUL */

typedef struct fo_sample_progress {
    const char *period; /* month being written, "2026-10" */
    int64_t rows_done;  /* of all rows of this run */
    int64_t rows_total;
} fo_sample_progress;

typedef struct fo_sample_options {
    const char *out;  /* folder that becomes or holds the sample */
    int64_t rows;     /* lines of each month, 300 .. 50,000,000 */
    int64_t months;   /* 1 .. 36 */
    int64_t accounts; /* the payer included, 1 .. 500 */
    int64_t seed;
    const char *format;      /* "csv", "parquet" */
    const char *cur_version; /* "v1", "v2" */
    const char *start;       /* first month "YYYY-MM"; NULL: the last one is the month before the clock's */
    const char *export_name;
    const char *bucket;
    const char *prefix;      /* "" for none */
    const char *delivery;    /* v2: "overwrite" or "create-new"; NULL: overwrite */
    const char *restate;     /* a month of the sample in `out` that gets its next version, all other options
                                being those the sample was made with; NULL: write a new sample */
    int64_t file_rows;       /* most lines of one file; 0: 1,000,000 */
    const fo_cancel *cancel; /* may be NULL */
    void (*report)(void *arg, const fo_sample_progress *progress); /* may be NULL; called now and then */
    void *arg;
} fo_sample_options;

typedef struct fo_sample_result {
    char first[FO_SAMPLE_PERIOD]; /* first and last month written */
    char last[FO_SAMPLE_PERIOD];
    int64_t rows;  /* written, superseded versions included */
    int64_t files; /* data files written */
    char *bucket;  /* folder that stands for the bucket; freed by fo_sample_result_done */
    char *prefix;
    char *export_name;
} fo_sample_result;

/*
 * Writes <out>/<bucket>/<prefix>/<export>/ and <out>/expected.json. An earlier sample in `out` is replaced;
 * a folder that holds anything else is FINOPS_E_EXISTS. Data files appear whole and before the manifest that
 * names them. One month, the last but one, has an earlier version where the layout keeps those (v1 csv and
 * v2 create-new). FINOPS_E_USAGE: an option is out of range. FINOPS_E_NOT_FOUND: restate without sample or
 * month. FINOPS_E_CANCELLED: stopped; the next run into `out` begins anew.
 */
finops_code fo_sample_write(const fo_sample_options *options, fo_sample_result *ret, finops_error **err);
void fo_sample_result_done(fo_sample_result *result);

#endif
