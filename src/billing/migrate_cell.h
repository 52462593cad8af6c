/* Hashes of single values of Arrow arrays. */
#ifndef FO_BILLING_MIGRATE_CELL_H
#define FO_BILLING_MIGRATE_CELL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/error.h"
#include "finops/arrow.h"

struct ArrowArrayView; /* nanoarrow */

/* How the values of an array are read. */
typedef struct fo_cell {
    int type;         /* enum ArrowType */
    int64_t multiply; /* a time of this unit to microseconds */
    int64_t divide;
    int scale;    /* of a decimal */
    bool amounts; /* of JSON whose texts are numbers: they count as such */
    bool json;    /* its texts are JSON */
    char **names; /* of a struct's fields */
    struct fo_cell **children;
    size_t n;
} fo_cell;

finops_code fo_cell_make(const struct ArrowSchema *schema, fo_cell **ret, finops_error **err);
void fo_cell_free(fo_cell *cell);
/* FINOPS_E_DATA: a text that is to be JSON is none. */
finops_code fo_cell_hash(const fo_cell *cell, const struct ArrowArrayView *view, int64_t i, uint64_t *ret,
                         finops_error **err);
/* The digits of a decimal. */
fo_decimal fo_cell_decimal(const struct ArrowArrayView *view, int64_t i);

uint64_t fo_hash_mix(uint64_t a, uint64_t b);

#endif
