/*
 * Checksums of rows, made of the Arrow batches as they pass: the same whatever database they come from, and
 * whatever order the rows are in. A map and the JSON object of the same keys count as one, and so do 1.5
 * and 1.500.
 */
#ifndef FO_BILLING_MIGRATE_VERIFY_H
#define FO_BILLING_MIGRATE_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/decimal.h"
#include "base/error.h"
#include "base/str.h"
#include "finops/arrow.h"

/* One column of the rows that passed. */
typedef struct fo_check_column {
    char *name;
    struct fo_cell *cell; /* how its values are read */
    uint64_t sum;         /* of the values' hashes, NULL as a value of its own */
    bool decimal;
    fo_decimal total; /* of a decimal column, to the last digit, modulo 2^128 */
    int scale;
} fo_check_column;

typedef struct fo_check {
    fo_strv json;    /* columns whose texts are JSON; the caller names them before the rows pass */
    fo_strv amounts; /* those of them whose texts are amounts */
    fo_check_column *columns;
    size_t n;
    int64_t rows;
    uint64_t whole; /* sum of the hashes of whole rows: no value changed places with another row's */
    uint64_t *hashes;
    size_t cap;
    void (*passed)(int64_t rows, void *arg); /* told how many rows passed so far; may be NULL */
    void *arg;
} fo_check;

void fo_check_done(fo_check *check);
/* Rows read from the stream from here on are counted. It is wrapped where it stands; on failure it is
 * released. */
finops_code fo_check_tee(struct ArrowArrayStream *stream, fo_check *check, finops_error **err);
/* Reads all rows. Consumes the stream. */
finops_code fo_check_read(struct ArrowArrayStream *stream, fo_check *check, finops_error **err);
/* FINOPS_E_DRIFT, which says what differs, unless both had the same rows in columns of the same order. */
finops_code fo_check_same(const fo_check *source, const fo_check *target, finops_error **err);
size_t fo_check_decimals(const fo_check *check);

#endif
