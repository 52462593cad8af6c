/* What a report shows of a line. */
#ifndef FO_SAMPLE_COLUMNS_H
#define FO_SAMPLE_COLUMNS_H

#include "base/str.h"
#include "sample/lines.h"

typedef enum column_type {
    COLUMN_TEXT,
    COLUMN_NUMBER,
    COLUMN_TIME,
    COLUMN_MAP,
    COLUMN_NUMBER_MAP
} column_type;

/* What a column's value depends on; values of one product or resource are rendered once. */
typedef enum column_scope {
    SCOPE_LINE,
    SCOPE_PRODUCT,
    SCOPE_TAGGED,
    SCOPE_RESERVATION,
    SCOPE_PLAN
} column_scope;

typedef struct column {
    const char *category; /* v1 only */
    const char *name;
    column_type type;
    column_scope scope;
    int field;
    int arg;
} column;

typedef struct columns {
    column *items;
    size_t n;
    bool v1;
} columns;

finops_code fo_sample_columns_new(bool v1, columns *ret, finops_error **err);
void fo_sample_columns_done(columns *c);
/* "lineItem/UsageType" or, as Parquet has it, "line_item_usage_type". */
void fo_sample_column_name(const columns *c, const column *col, bool parquet, fo_str *ret);
const char *fo_sample_column_manifest_type(const columns *c, const column *col);

typedef enum value_kind {
    VALUE_NONE,
    VALUE_TEXT,
    VALUE_NUMBER,
    VALUE_TIME,
    VALUE_INTERVAL,
    VALUE_ID,
    VALUE_MAP,
    VALUE_DISCOUNT
} value_kind;

typedef struct value {
    value_kind kind;
    const char *text;
    int64_t number;          /* ticks or microseconds */
    const char *const *keys; /* VALUE_MAP: n keys with values; a NULL key or value is absent */
    const char *const *values;
    size_t n;
} value;

value fo_sample_value(const month_lines *m, const line *l, const column *col);

#define SAMPLE_ID 52
void fo_sample_line_id(const month_lines *m, const line *l, char buf[SAMPLE_ID]);
#define SAMPLE_TIME 24
size_t fo_sample_time(int64_t micros, bool millis, char buf[SAMPLE_TIME + 1]);

#endif
