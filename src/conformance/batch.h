/* Rows for the suite to write: Arrow streams built from tables of texts. */
#ifndef FO_CONFORMANCE_BATCH_H
#define FO_CONFORMANCE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finops/arrow.h"

/*
 * One column. `format` is that of the Arrow C data interface, or "@" and one for a dictionary of it, or
 * nested:
 * "+l(l)", "+s(a=l;b=u)", "+m(u;l)". A value is a text of what Arrow stores: whole numbers for dates and
 * timestamps, hex for bytes, "true" and "false", JSON for nested ones; NULL is NULL. Rows take the values in
 * turn. Without values each row holds its own number.
 */
typedef struct fo_batch_column {
    const char *name;
    const char *format;
    const char *const *values;
    size_t n_values;
} fo_batch_column;

enum {
    FO_BATCH_OFFSET = 1 << 0,       /* batches are slices: the whole batch starts at an offset */
    FO_BATCH_CHILD_OFFSET = 1 << 1, /* the columns do */
    FO_BATCH_BITMAP = 1 << 2,       /* a NULL bitmap also where nothing is NULL */
    FO_BATCH_EMPTY_BETWEEN = 1 << 3 /* an empty batch before each other */
};

typedef struct fo_batch_spec {
    const fo_batch_column *columns;
    size_t n_columns;
    int64_t rows;
    int64_t batch; /* rows of one batch; 0: all in one */
    unsigned flags;
    bool fails;                               /* ends in an error instead of the end */
    unsigned *released;                       /* counts releases; may be NULL */
    void (*on_batch)(int64_t row, void *arg); /* before each batch, with its first row; may be NULL */
    void *arg;
} fo_batch_spec;

#define FO_BATCH_FAILURE "the source broke off"

/* The stream borrows what the spec points to. False: no memory. */
bool fo_batch_stream(const fo_batch_spec *spec, struct ArrowArrayStream *ret);
/* The schema alone, to be released by the caller. */
bool fo_batch_schema(const fo_batch_spec *spec, struct ArrowSchema *ret);

#endif
