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

/* The statement that makes a table with the columns of the stream. */
finops_code fo_pg_table_sql(const fo_pg_encoder *e, const fo_pg_new_table *what, fo_str *sql,
                            finops_error **err);
finops_code fo_pg_table_create(fo_pg_conn *c, const fo_pg_encoder *e, const fo_pg_new_table *what,
                               finops_error **err);
/* A name that no other table has: the prefix, "_" and 16 digits that stand for the texts. */
finops_code fo_pg_name_for(const char *prefix, const char *what, const char *more, char ret[PG_IDENT_MAX + 1],
                           finops_error **err);
/* One for rows on their way into a table, which no other importer has either. */
finops_code fo_pg_stage_name(const fo_pg_conn *c, const char *table, char ret[PG_IDENT_MAX + 1],
                             finops_error **err);
/* Adds the columns of the stream that `columns` has not. */
finops_code fo_pg_table_widen(fo_pg_conn *c, const fo_pg_encoder *e, const fo_pg_columns_list *columns,
                              const char *schema, const char *table, finops_error **err);
/* The columns of a table that is made when it does not exist: then nobody else makes it before the
 * transaction ends. */
finops_code fo_pg_table_find(fo_pg_conn *c, const char *schema, const char *table, fo_pg_columns_list *ret,
                             finops_error **err);

/* ahead.c: a stream that is read by a thread of its own once it has shown to be long. */

#define FO_PG_CONNECTIONS_MAX 16

typedef struct fo_pg_batch {
    struct ArrowArray array;
    int64_t rows;   /* stays when the array is moved away; negative: there is none */
    int64_t before; /* rows of the stream before it */
} fo_pg_batch;
#define FO_PG_BATCH_NONE ((fo_pg_batch){ .rows = -1 })

typedef struct fo_pg_ahead {
    struct ArrowArrayStream *stream; /* borrowed */
    pthread_t thread;
    bool running;
    unsigned batches;
    pthread_mutex_t mutex; /* over all that follows, but for the last three while nothing is told */
    pthread_cond_t changed;
    fo_pg_batch queue[FO_PG_CONNECTIONS_MAX]; /* ready */
    size_t first, n;
    unsigned takers;
    unsigned taken;    /* batches in the hands of takers */
    int64_t rows;      /* read so far */
    int64_t rows_held; /* ready and taken */
    bool told;         /* the stream is at its end; errnum and why say how */
    bool stop;
    bool end;
    int errnum;
    char *why;
} fo_pg_ahead;

void fo_pg_ahead_init(fo_pg_ahead *a, struct ArrowArrayStream *stream);
/*
 * The next batch; io->array stays released at the end. *io is what the taker was given before (or
 * FO_PG_BATCH_NONE), which counts as done with. Any failure of the stream, and what stops the call.
 */
finops_code fo_pg_ahead_next(fo_pg_ahead *a, fo_pg_conn *c, fo_pg_batch *io, finops_error **err);
/* Reads so many rows and keeps them, before anything is taken; false: the stream has no more. */
bool fo_pg_ahead_is_long(fo_pg_ahead *a, int64_t rows);
/* From now on so many threads take batches. False: there is no thread to read for them. */
bool fo_pg_ahead_share(fo_pg_ahead *a, unsigned takers);
/* Waits for the batch that is being read. Does not release the stream. */
void fo_pg_ahead_done(fo_pg_ahead *a);

/* write.c */

/* A stream while it is copied, or one connection's part of it. */
typedef struct fo_pg_copy {
    fo_pg_conn *conn;
    struct ArrowArrayStream *stream; /* NULL in a part */
    fo_pg_ahead own_ahead;
    fo_pg_ahead *ahead; /* the whole stream's */
    fo_pg_encoder encoder;
    fo_pg_columns_list columns; /* of the table; the encoder borrows of it */
    struct ArrowSchema schema;
    fo_pg_conn *helpers[FO_PG_CONNECTIONS_MAX]; /* copy beside conn, into a table that they made */
    size_t n_helpers;
    _Atomic int64_t *sent; /* rows, by all connections */
    _Atomic int64_t own_sent;
    int64_t rows;
    int64_t bytes;
    bool complete; /* all of them are sent; else the result of the COPY says why not */
} fo_pg_copy;

/* Takes the stream over and reads its schema; fo_pg_copy_done() releases it. */
finops_code fo_pg_copy_init(fo_pg_copy *copy, fo_pg_conn *c, const finops_source *source, finops_error **err);
void fo_pg_copy_done(fo_pg_copy *copy);
/* Of a part: all but the stream and the connections. */
void fo_pg_copy_part_done(fo_pg_copy *copy);
/* COPY of the whole stream into a table that is there, its columns matched by name. */
finops_code fo_pg_copy_run(fo_pg_copy *copy, const char *schema, const char *table, finops_error **err);
/*
 * Its steps on one connection: the COPY begins, takes the rows that no other takes, and ends, with success
 * or, when rc is not FINOPS_OK, telling the server that it failed.
 */
finops_code fo_pg_copy_start(fo_pg_copy *copy, const char *schema, const char *table, finops_error **err);
finops_code fo_pg_copy_rows(fo_pg_copy *copy, finops_error **err);
finops_code fo_pg_copy_end(fo_pg_copy *copy, finops_code rc, finops_error **err);

/* stage.c: a table that rows are copied into before the transaction takes it in */

/*
 * Makes the table `name` by the statement. When the stream is long and several connections are configured,
 * helpers are connected and the first makes it, so that all see it; the transaction that runs on the copy's
 * connection holds a lock which says that somebody cares for it. Otherwise it is made in the transaction.
 */
finops_code fo_pg_stage_make(fo_pg_copy *copy, const char *name, const char *sql, finops_error **err);
/* Whether the table would be made by a helper. Reads the begin of the stream. */
bool fo_pg_stage_wanted(fo_pg_copy *copy);
/* Drops tables of transactions that are no more. Nothing that fails here matters. */
void fo_pg_stage_sweep(fo_pg_conn *c);
/* The same beside the open transaction, over a connection of its own when there is anything to drop. */
finops_code fo_pg_stage_sweep_beside(fo_pg_conn *c, finops_error **err);

/* parallel.c: the stream through the copy's connection and its helpers at once */
finops_code fo_pg_parallel_run(fo_pg_copy *copy, const char *schema, const char *table, finops_error **err);

#endif
