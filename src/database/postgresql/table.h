/* Tables that rows go into. */
#ifndef FO_DATABASE_POSTGRESQL_TABLE_H
#define FO_DATABASE_POSTGRESQL_TABLE_H

#include <pthread.h>

#include "database/postgresql/encode.h"

typedef struct fo_pg_new_table {
    const char *schema;
    const char *table;
    const char *partition_column; /* PARTITION BY LIST of it; NULL: a plain table */
    bool unlogged;
} fo_pg_new_table;

/* A table with the columns of the stream. */
finops_code fo_pg_table_create(fo_pg_conn *c, const fo_pg_encoder *e, const fo_pg_new_table *what,
                               finops_error **err);
/* Adds the columns of the stream that `columns` has not. */
finops_code fo_pg_table_widen(fo_pg_conn *c, const fo_pg_encoder *e, const fo_pg_columns_list *columns,
                              const char *schema, const char *table, finops_error **err);
/* The columns of a table that is made when it does not exist: then nobody else makes it before the
 * transaction ends. */
finops_code fo_pg_table_find(fo_pg_conn *c, const char *schema, const char *table, fo_pg_columns_list *ret,
                             finops_error **err);

/* ahead.c: a stream that is read by a thread of its own once it has shown to be long. */
typedef struct fo_pg_ahead {
    struct ArrowArrayStream *stream; /* borrowed */
    pthread_t thread;
    bool running;
    pthread_mutex_t mutex; /* over slot, told and stop */
    pthread_cond_t changed;
    struct ArrowArray slot; /* the batch that is ready */
    bool told;              /* the stream is at its end; errnum and why say how */
    bool stop;
    bool end; /* these three belong to who reads, until the end is told */
    int errnum;
    char *why;
    unsigned batches;
} fo_pg_ahead;

void fo_pg_ahead_init(fo_pg_ahead *a, struct ArrowArrayStream *stream);
/* The next batch; *ret stays released at the end. Any failure of the stream, and what stops the call. */
finops_code fo_pg_ahead_next(fo_pg_ahead *a, fo_pg_conn *c, struct ArrowArray *ret, finops_error **err);
/* Waits for the batch that is being read. Does not release the stream. */
void fo_pg_ahead_done(fo_pg_ahead *a);

/* write.c */

/* A stream while it is copied. */
typedef struct fo_pg_copy {
    fo_pg_conn *conn;
    struct ArrowArrayStream *stream;
    fo_pg_ahead ahead;
    fo_pg_encoder encoder;
    int64_t rows;
    int64_t bytes;
} fo_pg_copy;

/* Takes the stream over and reads its schema; fo_pg_copy_done() releases it. */
finops_code fo_pg_copy_init(fo_pg_copy *copy, fo_pg_conn *c, const finops_source *source, finops_error **err);
void fo_pg_copy_done(fo_pg_copy *copy);
/* COPY of the whole stream into a table that is there, its columns matched by name. */
finops_code fo_pg_copy_run(fo_pg_copy *copy, const char *schema, const char *table, finops_error **err);

#endif
