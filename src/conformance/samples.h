/* One Arrow type with the values a database must keep. */
#ifndef FO_CONFORMANCE_SAMPLES_H
#define FO_CONFORMANCE_SAMPLES_H

#include "conformance/trial.h"

enum {
    FO_SAMPLE_SINGLE = 1 << 0,     /* float: kept to its 24 bits */
    FO_SAMPLE_MAY_REFUSE = 1 << 1, /* rare: a driver may say "not supported", never change a value */
    FO_SAMPLE_NO_TEXT = 1 << 2,    /* databases print it each in their own way */
    FO_SAMPLE_WIDE = 1 << 3        /* needs more than 64 bits or 38 digits: another type may hold it */
};

typedef struct fo_sample {
    const char *label;
    const char *format; /* see batch.h */
    finops_column_type kind;
    unsigned flags;
    const char *values[12]; /* what Arrow stores; NULL stands for NULL, the list ends with FO_SAMPLE_END */
    const char *wanted[12]; /* how they read where that differs from values */
} fo_sample;

extern const char fo_sample_end[];
#define FO_SAMPLE_END fo_sample_end

extern const fo_sample fo_samples[];
extern const size_t fo_n_samples;

size_t fo_sample_count(const fo_sample *sample);
/* The text a value must read as; NULL: NULL. */
const char *fo_sample_wanted(const fo_sample *sample, size_t i);
/* Precision and scale of a decimal's format; 0 and 0 for others. */
void fo_sample_digits(const fo_sample *sample, int *ret_precision, int *ret_scale);

#endif
