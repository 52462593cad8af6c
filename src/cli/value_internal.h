/* What value_type.c makes of an Arrow schema and value.c reads values by. */
#ifndef FO_CLI_VALUE_INTERNAL_H
#define FO_CLI_VALUE_INTERNAL_H

#include "cli/render.h"

#define FO_VALUE_SCALE_MAX 38 /* as many digits as 128 bits hold */

typedef enum value_kind {
    V_NULL,
    V_BOOL,
    V_INT,
    V_UINT,
    V_FLOAT,
    V_DOUBLE,
    V_DECIMAL,
    V_TEXT,
    V_BYTES,
    V_TEXT_VIEW,
    V_BYTES_VIEW,
    V_FIXED,
    V_DATE,
    V_DATE_MS,
    V_TIME,
    V_TIMESTAMP,
    V_DURATION,
    V_MONTHS,
    V_DAY_TIME,
    V_INTERVAL,
    V_LIST,
    V_LIST_VIEW,
    V_FIXED_LIST,
    V_STRUCT,
    V_MAP,
    V_DENSE_UNION,
    V_SPARSE_UNION
} value_kind;

struct fo_value_type {
    value_kind kind;
    unsigned width; /* bytes of one value or of one offset; items of a fixed list */
    int scale;      /* decimals: digits after the point; times: digits of a second's fraction */
    bool zone;      /* timestamps: a point in time, stored as UTC */
    char *name;     /* as a member of a struct */
    fo_value_type **children;
    size_t n;
    fo_value_type *dictionary; /* of what the integers stand for */
};

#endif
