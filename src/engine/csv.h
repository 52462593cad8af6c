/*
 * The bill reader for CSV and csv.gz: a table function of the engine that verifies while it reads.
 *
 * Why not the engine's own reader: it does not check gzip's CRC, length or end mark, and typed as exact
 * decimals it is slower than sniffing. This one inflates whole members with their checks (ISA-L), cuts
 * records at line ends outside quotes, and fills typed vectors; files are read side by side, and one file's
 * blocks too.
 *
 * Strict: every record has as many fields as the header; the text is UTF-8 without NUL; a quote inside an
 * unquoted field is kept as it is; a quoted field ends at its quote ("" is one quote) and only a comma, line
 * end or end of file may follow. LF and CRLF, a UTF-8 byte order mark and a missing last line end are normal.
 * Empty fields are NULL. A record's bytes are at most 64 MiB.
 */
#ifndef FO_ENGINE_CSV_H
#define FO_ENGINE_CSV_H

#include "engine/engine.h"
#include "engine/files.h"

typedef enum fo_csv_type {
    FO_CSV_TEXT,      /* VARCHAR */
    FO_CSV_DECIMAL,   /* DECIMAL(38,18) */
    FO_CSV_TIMESTAMP, /* TIMESTAMP, UTC */
    FO_CSV_SKIP       /* not an output column */
} fo_csv_type;

/* One output column of the table. */
typedef struct fo_csv_column {
    const char *name;
    fo_csv_type type; /* never SKIP */
} fo_csv_column;

/* One file: column i of its header goes to output column targets[i], -1: skipped. Output columns without
 * source are NULL. */
typedef struct fo_csv_file {
    const char *address;
    const char *label; /* how messages name it */
    const int *targets;
    size_t n_fields; /* fields of the header */
} fo_csv_file;

typedef struct fo_csv_job {
    fo_files *files;
    const fo_csv_file *inputs;
    size_t n_inputs;
    const fo_csv_column *columns;
    size_t n_columns;
    const char *null_text; /* an unquoted field equal to it is NULL besides the empty one (FOCUS samples:
                              "NULL"); may be NULL */
    const fo_cancel *cancel;
    /* Filled while reading; read them when the statement is done. */
    _Atomic int64_t rows;       /* records */
    _Atomic int64_t rounded;    /* decimals whose digits beyond the 18th were rounded away */
    _Atomic int64_t bytes_read; /* of the files as stored */
} fo_csv_job;

/* Reads the header of a file: its fields, unquoted, in order. FINOPS_E_DATA names the file when there is
 * none. */
finops_code fo_csv_header(fo_files *files, const char *address, const char *label, fo_strv *ret,
                          int64_t *ret_size, finops_error **err);

/*
 * While a job is set on a connection, `SELECT … FROM finops_bill_csv()` reads it there; without one the
 * function refuses. The job must outlive the statement. A failure is kept whole, with its code:
 * fo_csv_failure hands it over after the statement failed (NULL: the statement failed for another reason).
 */
finops_code fo_csv_job_begin(fo_conn *conn, fo_csv_job *job, finops_error **err);
finops_error *fo_csv_failure(fo_conn *conn);
void fo_csv_job_end(fo_conn *conn);

/*
 * Registered on every engine: finops_exact(DOUBLE) -> DECIMAL(38,18), finops_exact(VARCHAR) ->
 * DECIMAL(38,18), finops_exact(MAP(VARCHAR, DOUBLE)) -> MAP(VARCHAR, DECIMAL(38,18)), by base/decimal.h; text
 * that is no number is an error; fo_exact_rounded returns (and zeroes) how many values of the connection's
 * statements lost digits since the last call.
 */
int64_t fo_exact_rounded(fo_conn *conn);

#endif
