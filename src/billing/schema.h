/*
 * What a month's files hold and what becomes of it: the columns of each file, the columns of the table, and
 * the statement that reads the one as the other, typed by the dictionary.
 */
#ifndef FO_BILLING_SCHEMA_H
#define FO_BILLING_SCHEMA_H

#include "billing/colnames.h"
#include "billing/columns.h"
#include "engine/csv.h"
#include "engine/files.h"
#include "database/statement.h"

/* One data file. */
typedef struct fo_bill_input {
    char *address;
    char *path;      /* Parquet: where the engine reads it, good until the files are forgotten */
    char *label;     /* how messages name it */
    fo_strv headers; /* as the file spells them */
    fo_strv types;   /* Parquet: the engine's type of each; CSV: empty */
    int *targets;    /* index of the table's column for each header */
    int64_t rows;    /* Parquet: rows by its footer; -1 for CSV, where reading tells */
    int64_t bytes;   /* stored size */
} fo_bill_input;

/* One column of the table. */
typedef struct fo_bill_column {
    char *name;
    fo_column_kind kind;
    bool nested;  /* MAP, STRUCT or LIST in the files: kept so */
    bool plain;   /* something else in some of the files */
    bool as_text; /* both, or the table has it as text: what is nested becomes JSON text */
    char *stored; /* its type in a table that is there, as DuckDB spells it; NULL: there is none */
} fo_bill_column;

typedef struct fo_bill_schema {
    fo_bill_input *inputs;
    size_t n_inputs;
    fo_bill_column *columns;
    size_t n_columns;
    bool parquet;
    bool focus;
    char *table; /* that the rows are added to, if it is there: fo_bill_schema_fit() */
    fo_strv warnings;
} fo_bill_schema;

typedef struct fo_bill_file {
    const char *address;
    const char *label;
} fo_bill_file;

/* Reads the headers of all files and assigns their columns. A missing or unreadable file is named by the
 * error. */
finops_code fo_bill_schema_read(fo_conn *conn, fo_files *files, const fo_bill_file *list, size_t n,
                                bool parquet, fo_colnames *names, fo_bill_schema *ret, finops_error **err);
void fo_bill_schema_done(fo_bill_schema *schema);
/*
 * Holds the columns against those of the table that the rows are added to, where it is there: values are
 * brought into the types it has, and the statement fails on those that would lose something.
 */
finops_code fo_bill_schema_fit(fo_bill_schema *schema, fo_database *database, const char *dataset,
                               const char *table, finops_error **err);
/* Whether a type, as DuckDB spells it, is a MAP, STRUCT or LIST. */
bool fo_bill_nested(const char *type);
/* Index of a column, or -1. */
int fo_bill_schema_find(const fo_bill_schema *schema, const char *name);

/*
 * Adds "SELECT … FROM …" that yields the table's columns. It runs between fo_bill_job_begin and
 * fo_bill_job_end.
 */
finops_code fo_bill_schema_select(const fo_bill_schema *schema, fo_str *sql, finops_error **err);

/* What the CSV reader works on; for Parquet it is empty. */
typedef struct fo_bill_job {
    fo_csv_job job;
    fo_csv_file *inputs;
    fo_csv_column *columns;
} fo_bill_job;

/* Before a statement that holds fo_bill_schema_select runs on a connection of the engine. */
finops_code fo_bill_job_begin(fo_conn *reader, const fo_bill_schema *schema, fo_files *files,
                              const fo_cancel *cancel, fo_bill_job *ret, finops_error **err);
/* After it: rc and *err are what the statement came to; the reader's own account of a failure replaces the
 * engine's, and files that changed under it are a failure. The job's counts stay readable. */
finops_code fo_bill_job_end(fo_conn *reader, const fo_bill_schema *schema, fo_files *files, finops_code rc,
                            finops_error **err);
void fo_bill_job_done(fo_bill_job *job);

/* Which column of the files became which of the table, {"lineItem/UsageType": "line_item_usage_type"}, and
 * which of its columns had another name in other months; free() it. */
finops_code fo_bill_schema_mappings(const fo_bill_schema *schema, const fo_colnames *names, char **ret,
                                    finops_error **err);

/* Adds the condition that is true of values of the header's column that the table's cannot keep; nothing
 * where it keeps all. `column` is quoted. */
void fo_bill_misfit(const fo_bill_column *target, const char *column, const char *type, fo_str *sql);
/*
 * After Parquet files could not be loaded: looks for the value that is to blame, and makes it what *err says:
 * its column, what that is, the value, file and row. False: *err stays as it was.
 */
bool fo_bill_blame(fo_engine *engine, const fo_bill_schema *schema, finops_error **err);

/* SHA-256 over the table's column names and types, sorted. */
finops_code fo_bill_schema_hash(const fo_bill_schema *schema, char hex[65], finops_error **err);

#endif
