/* Rows into a table, step by step: what the drivers of a DuckDB file and of a lake share. */
#ifndef FO_DATABASE_DUCKDB_LOAD_H
#define FO_DATABASE_DUCKDB_LOAD_H

#include "database/duckdb/shared.h"
#include "engine/scan.h"

/* One load while it runs. */
typedef struct fo_load {
    fo_duckdb_link *c;
    fo_conn *conn;
    const char *schema, *name;
    fo_str table;            /* both, quoted */
    fo_scan *scan;           /* NULL: the rows come from a SELECT of the caller */
    struct ArrowSchema rows; /* what the stream has; released: no stream */
    fo_str select;           /* what gives the rows */
    bool no_arrays;          /* lists of a fixed size become lists; set before fo_load_begin() */
    bool own;                /* the transaction is ours, not the caller's */
    int64_t begin;
} fo_load;

void fo_load_init(fo_load *l, fo_duckdb_link *c, const char *schema, const char *name);
/* Opens what gives the rows. Takes the stream. */
finops_code fo_load_begin(fo_load *l, const finops_source *source, const finops_call *call,
                          finops_error **err);
/* A transaction, unless the caller has one open. */
finops_code fo_load_transaction(fo_load *l, finops_error **err);
/* Keeps or undoes what was done; rc is what came of it. */
finops_code fo_load_end(fo_load *l, finops_code rc, int64_t rows, finops_write_result *ret,
                        finops_error **err);

/* One statement: `before`, the table, `between`, and what gives the rows when it is to be there. */
finops_code fo_load_run(fo_load *l, const char *before, const char *between, bool rows, int64_t *ret_rows,
                        finops_error **err);
finops_code fo_load_exists(fo_load *l, bool *ret, finops_error **err);
/* The schema, when it is not there. */
finops_code fo_load_schema(fo_load *l, finops_error **err);
/* That, and the table with the rows. */
finops_code fo_load_create(fo_load *l, int64_t *ret_rows, finops_error **err);
/* The columns that the rows have and the table has not, with their types. */
finops_code fo_load_missing(fo_load *l, fo_rows **ret, finops_error **err);
/* Gives the table the columns it lacks. */
finops_code fo_load_widen(fo_load *l, finops_error **err);
finops_code fo_load_append(fo_load *l, int64_t *ret_rows, finops_error **err);
/* The rows of the partition go. */
finops_code fo_load_delete(fo_load *l, const finops_partition *partition, finops_error **err);

#endif
