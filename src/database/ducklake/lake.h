/* Inside of the driver: one configuration of a lake. */
#ifndef FO_DATABASE_DUCKLAKE_LAKE_H
#define FO_DATABASE_DUCKLAKE_LAKE_H

#include <stdatomic.h>

#include "base/clock.h"
#include "database/duckdb/shared.h"
#include "database/ducklake/driver.h"

typedef enum fo_lake_catalog { FO_LAKE_DUCKDB, FO_LAKE_SQLITE, FO_LAKE_POSTGRESQL } fo_lake_catalog;

/* What an engine needs to know to have the lake. */
typedef struct fo_lake_plan {
    fo_instance_plan base; /* first */
    fo_lake_catalog catalog;
    char *address;                 /* of the catalog: a path, or what libpq takes */
    char *data_path;               /* ends with '/' */
    struct fo_lake_remote *remote; /* of a data_path in object storage, else NULL */
    bool data_told;                /* data_path was set by the user */
    char *names_path;              /* of the file of views; "": none */
    char *compression;
    bool encrypted;
    bool many_partitions; /* of a month: one for each account */
    int64_t chunk_size;
    int64_t claim_timeout;       /* seconds */
    int64_t version;             /* the state that is read; -1: the newest, or that at `time` */
    char time[FO_TIME_TEXT + 4]; /* "": the newest */
} fo_lake_plan;

typedef struct fo_lake_lock fo_lake_lock;

/* remote.c: the files are in object storage. */
typedef struct fo_lake_remote fo_lake_remote;
bool fo_lake_is_remote(const char *data_path);
/* FINOPS_E_UNSUPPORTED: for such addresses. */
finops_code fo_lake_remote_new(const fo_ducklake_settings *settings, const char *data_path,
                               fo_lake_remote **ret, finops_error **err);
void fo_lake_remote_free(fo_lake_remote *remote);
/* data_path as the engine knows it, and the extension that takes it there; borrowed. */
const char *fo_lake_remote_path(const fo_lake_remote *remote);
const char *fo_lake_remote_extension(const fo_lake_remote *remote);
/* Before statements that read or write files: makes credentials known to the engine, unless it has them. NULL
 * for either is fine. */
finops_code fo_lake_remote_tell(fo_lake_remote *remote, fo_conn *conn, const finops_call *call,
                                finops_error **err);

/* names.c: makes the file of views anew. */
void fo_lake_write_names(fo_conn *conn, const char *path);

/* lock.c */

typedef struct fo_lake {
    fo_duckdb base; /* first */
    fo_lake_plan plan;
    char *partition_strategy;
    pthread_mutex_t locks_lock; /* for the next six; lease.c has the thread */
    fo_lake_lock *locks;
    struct pg_conn *spare; /* a connection to the catalog's server that holds no lock, or NULL */
    pthread_cond_t wake;
    pthread_t beat;
    bool beats, ending;
    atomic_bool renamed; /* tables or views were made, changed or dropped: the file of views is old */
} fo_lake;

/* Whether it is a past state that is read. */
static inline bool
fo_lake_is_past(const fo_lake_plan *plan)
{
    return plan->version >= 0 || *plan->time;
}

/* attach.c: loads what is needed and attaches the lake; connections that are opened later begin in it. */
finops_code fo_lake_attach(fo_engine *engine, bool read_only, const fo_instance_plan *plan,
                           finops_error **err);

/* load.c */
finops_code fo_lake_write(void *conn, const finops_write *write, const finops_source *source,
                          finops_write_result *ret, finops_error **err);
finops_code fo_lake_replace(void *conn, const finops_partition *partition, const finops_source *source,
                            finops_write_result *ret, finops_error **err);
/* stage.c */
finops_code fo_lake_stage(void *conn, const finops_partition *partition, const finops_source *source,
                          finops_staged *ret, finops_error **err);
void fo_lake_unstage(void *conn, const finops_staged *staged);
/* In the caller's transaction, once the old rows are gone. */
finops_code fo_lake_take_staged(fo_conn *conn, const finops_partition *partition, const finops_staged *staged,
                                finops_error **err);

/* lock.c */
/* While a lake is attached to write, which may make it: two at once would both make its tables. */
finops_code fo_lake_catalog_lock(const fo_lake_plan *plan, fo_lake_lock **ret, finops_error **err);
void fo_lake_catalog_unlock(fo_lake_lock *lock);
finops_code fo_lake_lock_take(void *conn, const char *name, const finops_call *call, finops_error **err);
finops_code fo_lake_lock_release(void *conn, const char *name, finops_error **err);
void fo_lake_disconnect(void *conn);
/* lease.c */
/* The address of a server by which it knows what belongs to this process. NULL: no memory. */
char *fo_lake_named_address(const char *address);
void fo_lake_locks_init(fo_lake *lake);
void fo_lake_locks_done(fo_lake *lake);

#endif
