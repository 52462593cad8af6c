/*
 * Records out of files, of any tool, as rows: the design's finops_data_reader. A file of NDJSON, CSV or
 * Parquet, local or of a service, becomes an Arrow stream with typed columns, which a session writes. The
 * general way, for every backend; it reads with an engine of its own, in memory, of bounded size.
 *
 * Nothing is guessed of money and nothing is lost on the way. A column that was given a type gets exactly the
 * value that is written in the file, digit by digit; a value that does not fit (letters in a number, more
 * decimals than the type has, half of a whole number) is refused with its file and line. Without a type:
 * numbers are the narrowest of BIGINT, DECIMAL(38,0), DOUBLE and DECIMAL(38,s) that keeps every digit (inside
 * objects BIGINT or DOUBLE); NDJSON texts are VARCHAR, objects STRUCT; other CSV fields are BOOLEAN,
 * DATE or TIMESTAMP when every one is written like that, else VARCHAR ("007" is text).
 *
 * A reader belongs to one thread at a time.
 */
#ifndef FO_DATABASE_READER_H
#define FO_DATABASE_READER_H

#include "config/settings.h"
#include "engine/engine.h"
#include "engine/files.h"

typedef struct fo_data_reader fo_data_reader;

/* "cost" and "DECIMAL(38,18)": a type of the engine. */
typedef struct fo_data_type {
    const char *column;
    const char *type;
} fo_data_type;

/* What to read. Borrowed for the call. */
typedef struct fo_data_files {
    const char *const *paths; /* of this machine, file://, or addresses of services: s3://, az:// */
    size_t n_paths;
    const fo_data_type *types; /* of columns that are not to be inferred */
    size_t n_types;
} fo_data_files;

/* settings, places and cancel (both may be NULL) are borrowed until it closes; without places files of this
 * machine are read and no others. */
finops_code fo_data_reader_open(const fo_settings *settings, fo_files_places *places, const fo_cancel *cancel,
                                fo_data_reader **ret, finops_error **err);
void fo_data_reader_close(fo_data_reader *reader);
void fo_data_reader_closep(fo_data_reader **reader);

/*
 * Looks at the files and settles their columns; once a reader. Several files are one table: columns of the
 * same name are one, what a file lacks is NULL. FINOPS_E_NOT_FOUND, FINOPS_E_DATA (no header, no records, a
 * type that does not exist is FINOPS_E_USAGE).
 */
finops_code fo_data_read_ndjson(fo_data_reader *reader, const fo_data_files *files, finops_error **err);
finops_code fo_data_read_csv(fo_data_reader *reader, const fo_data_files *files, finops_error **err);
finops_code fo_data_read_parquet(fo_data_reader *reader, const fo_data_files *files, finops_error **err);

/* The columns that were settled. Borrowed; *ret_given: the type was told, not inferred. */
size_t fo_data_columns(const fo_data_reader *reader);
const char *fo_data_column(const fo_data_reader *reader, size_t i, const char **ret_type, bool *ret_given);
/* No record has it: it is there because its type was told. */
bool fo_data_column_absent(const fo_data_reader *reader, size_t i);
/* Gives a column another type, of the table it goes to; not before it was settled. */
finops_code fo_data_set_type(fo_data_reader *reader, size_t i, const char *type, finops_error **err);

/* Refuses every record whose column has not this value. FINOPS_E_USAGE: no such column. */
finops_code fo_data_require(fo_data_reader *reader, const char *column, const char *value,
                            finops_error **err);

/*
 * Writes the records that will be refused as NDJSON (file, line, reason, record) and tells how many. The file
 * is new or replaced. FINOPS_E_USAGE: it is one of those that are read.
 */
finops_code fo_data_rejects(fo_data_reader *reader, const char *path, int64_t *ret_n, finops_error **err);
/*
 * The rows. Refused records are left out, or (strict) the first of them fails the stream, whose error
 * fo_data_error() knows. Release the stream before the next call.
 */
finops_code fo_data_stream(fo_data_reader *reader, bool strict, struct ArrowArrayStream *ret,
                           finops_error **err);
/* After what consumed the stream gave rc: the reader's own code and error when it was the reader that failed.
 */
finops_code fo_data_error(fo_data_reader *reader, finops_code rc, finops_error **err);

#endif
