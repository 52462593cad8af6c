/*
 * Records of text files with the place each stands at: lines of NDJSON and records of CSV, stored plain or as
 * gzip. What the engine's own readers cannot give: which line a value came from, numbers exactly as they are
 * written (they read a JSON number as a double), and a bad line as a row of its own that tells what is wrong.
 *
 * The function finops_records() gives a row a record, in the order of the files:
 *
 *   file VARCHAR, line BIGINT   where it begins; file is the label
 *   record VARCHAR              as it stands; what is no UTF-8 becomes "?"
 *   problem VARCHAR             why it cannot be read; NULL: it can
 *   exact VARCHAR               NDJSON: the record with every number in quotes
 *   f0, f1, … VARCHAR           CSV: the fields; an empty one is NULL, "" the empty text
 *
 * Lines of blanks are no records, but of CSV files with one column. A record has at most 16 MiB.
 */
#ifndef FO_ENGINE_RECORDS_H
#define FO_ENGINE_RECORDS_H

#include "engine/engine.h"
#include "engine/files.h"

#define FO_RECORD_MAX ((size_t)16 << 20)

typedef struct fo_records_file {
    const char *address;
    const char *label;  /* how messages name it */
    const int *targets; /* CSV: field i of its header is column targets[i] */
    size_t n_fields;    /* of the header; 0: NDJSON */
} fo_records_file;

typedef struct fo_records_job {
    fo_files *files;
    const fo_records_file *inputs;
    size_t n_inputs;
    size_t n_columns;      /* f0 to f<n-1>; 0: NDJSON */
    finops_error *failure; /* of the last statement, whole; the caller frees it */
} fo_records_job;

/* Makes SELECT … FROM finops_records() read the job, on every connection of the engine. Once an engine; the
 * job must outlive it. */
finops_code fo_records_register(fo_conn *conn, fo_records_job *job, finops_error **err);
/* After a statement gave rc: the reader's own code and error when it was the reader that failed; else rc. */
finops_code fo_records_error(fo_records_job *job, finops_code rc, finops_error **err);

#endif
