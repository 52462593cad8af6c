/* Inside of the driver: a connection, and what its files share. */
#ifndef FO_DATABASE_DUCKDB_DRIVER_INTERNAL_H
#define FO_DATABASE_DUCKDB_DRIVER_INTERNAL_H

#include <pthread.h>

#include "config/settings.h"
#include "database/duckdb/driver.h"
#include "database/duckdb/instance.h"

/* One configuration. */
typedef struct fo_duckdb {
    fo_duckdb_settings settings; /* its texts are copies */
    pthread_mutex_t lock;
    fo_instance *memory; /* under lock; of a database in memory, once there was a connection */
} fo_duckdb;

typedef struct fo_duckdb_link {
    fo_duckdb *database;
    fo_link *link;
    bool read_only;
    bool transaction; /* the caller's is open */
    bool measured;    /* the engine measures progress on this connection */
} fo_duckdb_link;

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
