/* How one column of a result becomes an Arrow array. */
#ifndef FO_DATABASE_POSTGRESQL_ROWS_INTERNAL_H
#define FO_DATABASE_POSTGRESQL_ROWS_INTERNAL_H

#include <nanoarrow/nanoarrow.h>

#include "database/postgresql/postgresql_internal.h"

typedef enum fo_pg_cell_kind {
    PG_CELL_TEXT = 0,
    PG_CELL_BOOL_TEXT, /* "true" and "false" */
    PG_CELL_BOOL,
    PG_CELL_INT,
    PG_CELL_DOUBLE,
    PG_CELL_DECIMAL,
    PG_CELL_ANY_DECIMAL, /* text until the values are seen */
    PG_CELL_DATE,
    PG_CELL_TIMESTAMP,
    PG_CELL_BYTES
} fo_pg_cell_kind;

typedef struct fo_pg_cell {
    fo_pg_cell_kind kind;
    enum ArrowType arrow; /* of INT and DOUBLE: the width */
    int precision, scale;
    bool zone;
} fo_pg_cell;

/* The column of a type of the catalog. */
fo_pg_cell fo_pg_cell_of(unsigned oid, int typmod);
/* Sets the Arrow type. 0, or an errno. */
int fo_pg_cell_schema(const fo_pg_cell *cell, struct ArrowSchema *schema);
/* Appends one value as the server prints it. */
finops_code fo_pg_cell_add(const fo_pg_cell *cell, struct ArrowArray *array, const char *text, size_t n,
                           finops_error **err);
/* 0; EINVAL when it is no number or does not fit exactly; ENOMEM. */
int fo_pg_decimal_add(struct ArrowArray *array, const char *text, size_t n, int precision, int scale);

#endif
