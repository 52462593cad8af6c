/* Tables that rows go into. */
#ifndef FO_DATABASE_POSTGRESQL_TABLE_H
#define FO_DATABASE_POSTGRESQL_TABLE_H

#include "database/postgresql/encode.h"

typedef struct pg_new_table {
    const char *schema;
    const char *table;
    const char *partition_column; /* PARTITION BY LIST of it; NULL: a plain table */
    bool unlogged;
} pg_new_table;

/* A table with the columns of the stream. */
finops_code pg_table_create(pg_conn *c, const pg_encoder *e, const pg_new_table *what, finops_error **err);
/* Adds the columns of the stream that `columns` has not. */
finops_code pg_table_widen(pg_conn *c, const pg_encoder *e, const pg_columns_list *columns, const char *schema,
                           const char *table, finops_error **err);
/* The columns of a table that is made when it does not exist: then nobody else makes it before the transaction
 * ends. */
finops_code pg_table_find(pg_conn *c, const char *schema, const char *table, pg_columns_list *ret,
                          finops_error **err);

/* write.c */

/* A stream while it is copied. */
typedef struct pg_copy {
    pg_conn *conn;
    struct ArrowArrayStream *stream;
    pg_encoder encoder;
    int64_t rows;
    int64_t bytes;
} pg_copy;

/* Takes the stream over and reads its schema; pg_copy_done() releases it. */
finops_code pg_copy_init(pg_copy *copy, pg_conn *c, const finops_source *source, finops_error **err);
void pg_copy_done(pg_copy *copy);
/* COPY of the whole stream into a table that is there, its columns matched by name. */
finops_code pg_copy_run(pg_copy *copy, const char *schema, const char *table, finops_error **err);

#endif
