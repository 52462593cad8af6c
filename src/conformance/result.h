/* What the suite read: any result as texts, and the judgement whether a text is the value that was meant. */
#ifndef FO_CONFORMANCE_RESULT_H
#define FO_CONFORMANCE_RESULT_H

#include "base/str.h"
#include "finops/sys/database_driver.h"

typedef struct fo_result {
    fo_strv names;
    fo_strv formats; /* of Arrow, one a column */
    fo_strv cells;   /* row by row; NULL is NULL */
    size_t n_columns;
    size_t n_rows;
    size_t n_batches;
} fo_result;

void fo_result_done(fo_result *result);

/*
 * Reads the stream to its end, checks each batch against the rules of Arrow, and releases it. Numbers come as
 * decimal text, bytes as hex, dates and times as ISO, nested values as JSON. Errors keep the stream's code.
 */
finops_code fo_result_read(struct ArrowArrayStream *stream, fo_result *ret, finops_error **err);
/* The same, keeping nothing but the number of rows. */
finops_code fo_result_count(struct ArrowArrayStream *stream, int64_t *ret_rows, finops_error **err);

/* NULL when the cell is NULL, or there is none. */
const char *fo_result_cell(const fo_result *result, size_t row, size_t column);

/*
 * Whether `got`, as any database may print it, is the value `want` of a column of this kind: "t" is true,
 * "1.50" is 1.5 for decimals, a timestamp may carry a zone, JSON may be ordered otherwise. `single` compares
 * doubles as the floats they were.
 */
bool fo_value_same(finops_column_type kind, bool single, const char *want, const char *got);

#endif
