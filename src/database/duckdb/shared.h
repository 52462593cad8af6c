/* A connection, and the slots of the driver; that of a lake builds on them. */
#ifndef FO_DATABASE_DUCKDB_SHARED_H
#define FO_DATABASE_DUCKDB_SHARED_H

#include <pthread.h>

#include "config/settings.h"
#include "database/duckdb/driver.h"
#include "database/duckdb/instance.h"

/* One configuration; also the first member of that of a lake, whose driver shares the functions below. */
typedef struct fo_duckdb {
    fo_duckdb_settings settings;  /* its texts are copies */
    const fo_instance_plan *plan; /* borrowed; NULL: the file is the engine's own */
    const char *product;          /* static text: what health says it is */
    bool in_memory;               /* no file that one process holds */
    pthread_mutex_t lock;
    fo_instance *memory; /* under lock; of in_memory, once there was a connection */
} fo_duckdb;

typedef struct fo_duckdb_link {
    fo_duckdb *database;
    fo_link *link;
    bool read_only;
    bool transaction; /* the caller's is open */
    bool measured;    /* the engine measures progress on this connection */
} fo_duckdb_link;

/* driver.c: slots of the driver. */
finops_code fo_duckdb_init(fo_duckdb *database, const fo_duckdb_settings *settings, finops_error **err);
void fo_duckdb_done(fo_duckdb *database);
finops_code fo_duckdb_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn,
                              finops_error **err);
void fo_duckdb_disconnect(void *conn);
finops_code fo_duckdb_execute(void *conn, const finops_statement *statement,
                              struct ArrowArrayStream *ret_stream, int64_t *ret_changed, finops_error **err);
finops_code fo_duckdb_begin(void *conn, finops_error **err);
finops_code fo_duckdb_commit(void *conn, bool *ret_unknown_outcome, finops_error **err);
finops_code fo_duckdb_rollback(void *conn, finops_error **err);
bool fo_duckdb_is_alive(void *conn);
void fo_duckdb_cancel(void *conn);
finops_code fo_duckdb_health(void *self, const finops_call *call, finops_health *ret, finops_error **err);

/* Brackets a call, see fo_link_begin; refuses a connection that only reads. */
finops_code fo_duckdb_begin_call(fo_duckdb_link *c, const finops_call *call, fo_conn **ret,
                                 finops_error **err);
/* fit.c: FINOPS_E_DATA for two columns of one name, however they are spelled. */
finops_code fo_duckdb_names_differ(const struct ArrowSchema *schema, finops_error **err);
/* FINOPS_E_DATA when a column of the table that `where` selects in duckdb_columns() would round the rows. */
finops_code fo_duckdb_fits(fo_conn *conn, const char *where, const struct ArrowSchema *schema,
                           finops_error **err);
/* load.c */
finops_code fo_duckdb_write(void *conn, const finops_write *write, const finops_source *source,
                            finops_write_result *ret, finops_error **err);
finops_code fo_duckdb_replace(void *conn, const finops_partition *partition, const finops_source *source,
                              finops_write_result *ret, finops_error **err);
/* catalog.c */
finops_code fo_duckdb_columns(void *conn, const char *schema, const char *table, finops_each_column each,
                              void *arg, finops_error **err);
finops_code fo_duckdb_tables(void *conn, const char *schema, finops_each_name each, void *arg,
                             finops_error **err);

/* lock.c */
finops_code fo_duckdb_lock(void *conn, const char *name, const finops_call *call, finops_error **err);
finops_code fo_duckdb_unlock(void *conn, const char *name, finops_error **err);

#endif
