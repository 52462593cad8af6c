/* Files of lines: each appears whole under its name. */
#ifndef FO_SAMPLE_WRITERS_H
#define FO_SAMPLE_WRITERS_H

#include "base/cancel.h"
#include "sample/columns.h"

/* One file of at most max_rows lines; *ret_rows gets how many it has, less at the end of the month. */
typedef struct file_job {
    month_lines *lines;
    const columns *columns;
    const char *path; /* final name; the file appears there whole */
    int64_t max_rows;
    const fo_cancel *cancel;
    void (*tick)(void *arg, int64_t rows); /* rows of this file so far */
    void *arg;
} file_job;

finops_code fo_sample_write_csv(const file_job *job, int64_t *ret_rows, finops_error **err);
finops_code fo_sample_write_parquet(const file_job *job, int64_t *ret_rows, finops_error **err);

/* gzip.c: a gzip file that appears under its name when it is whole. */
typedef struct fo_gzip fo_gzip;
finops_code fo_gzip_open(const char *path, fo_gzip **ret, finops_error **err);
finops_code fo_gzip_write(fo_gzip *z, const void *p, size_t n, finops_error **err);
finops_code fo_gzip_commit(fo_gzip *z, finops_error **err);
/* Without commit nothing is left behind. */
void fo_gzip_free(fo_gzip *z);
void fo_gzip_freep(fo_gzip **z);
/* fsync of path ".part", then its final name. */
finops_code fo_sample_publish(const char *part, const char *path, finops_error **err);

#endif
