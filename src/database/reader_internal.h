/* Inside of the reader of records: its columns and what SQL is made of them. */
#ifndef FO_DATABASE_READER_INTERNAL_H
#define FO_DATABASE_READER_INTERNAL_H

#include "database/reader.h"
#include "engine/records.h"

typedef enum fo_data_format { FO_DATA_NONE, FO_DATA_NDJSON, FO_DATA_CSV, FO_DATA_PARQUET } fo_data_format;

typedef struct fo_data_column_info {
    char *name;
    char *type;  /* as the engine spells it */
    bool given;  /* is to be converted to the type, and refused where it cannot be */
    bool absent; /* NDJSON: no record has it */
    bool nested; /* Parquet: the file has no scalar there */
    bool exact;  /* NDJSON, nested: its numbers are read digit by digit */
    char *only;  /* the one value it may have; NULL: any */
} fo_data_column_info;

struct fo_data_reader {
    fo_data_format format;
    fo_engine *engine;
    fo_conn *conn;
    fo_files *files;
    fo_records_job job;
    fo_records_file *inputs;
    fo_strv addresses, labels;
    fo_strv paths; /* Parquet: where the engine reads each */
    fo_data_column_info *columns;
    size_t n_columns, cap_columns;
};

/* The column's name and type are copied. */
finops_code fo_data_add(fo_data_reader *reader, const char *name, const char *type, bool given,
                        finops_error **err);
/* FINOPS_E_USAGE about a column that the files have not; `what` is what was said of it. */
finops_code fo_data_no_column(const fo_data_reader *reader, const char *what, const char *name,
                              finops_error **err);
/* Position of a column, upper and lower case being one; -1: none. */
int fo_data_find(const fo_data_reader *reader, const char *name);
/* How the engine spells a type that somebody wrote; FINOPS_E_USAGE when it knows none. */
finops_code fo_data_type_spelled(fo_data_reader *reader, const char *type, char **ret, finops_error **err);

/* MAP, STRUCT, LIST. */
bool fo_data_is_nested(const char *type);

/* "FROM (…)" of NDJSON: file, line, record, problem, ok (an object) and exact. */
void fo_data_objects(fo_str *sql);
/* The records of NDJSON: file, line, record, problem, and x0, x1 … a column, its text as it is written. */
void fo_data_ndjson_values(const fo_data_reader *reader, fo_str *sql);
/* A condition: `cast`, which is x cast to the nested type, has lost no member. */
void fo_data_nested_kept(const char *type, const char *cast, const char *x, fo_str *sql);
/* A condition: every value of `x` over all rows, where there is one, is a number that DOUBLE gives back. */
void fo_data_all_doubles(const char *x, fo_str *sql);
/* Guessed nested columns get types that hold all digits of all their numbers. */
finops_code fo_data_nested_numbers(fo_data_reader *reader, finops_error **err);
/*
 * The statement that yields file, line, record, reason (why it is refused, or NULL) and every column's value
 * as v0, v1 …
 */
finops_code fo_data_rows_sql(const fo_data_reader *reader, fo_str *sql, finops_error **err);

/* infer.c */
finops_code fo_data_infer_ndjson(fo_data_reader *reader, const fo_data_files *files, finops_error **err);
finops_code fo_data_infer_csv(fo_data_reader *reader, const fo_data_files *files, finops_error **err);
finops_code fo_data_infer_parquet(fo_data_reader *reader, const fo_data_files *files, finops_error **err);

#endif
