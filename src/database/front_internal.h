/* Shared by the files of the front door (front*.c, session*.c, pool.c, health.c) and their tests only. */
#ifndef FO_DATABASE_FRONT_INTERNAL_H
#define FO_DATABASE_FRONT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/str.h"
#include "database/audit.h"
#include "database/audit_table.h"
#include "database/session.h"
#include "finops/database.h"
#include "registry/registry.h"
#include "resilience/breaker.h"
#include "resilience/retry.h"

typedef struct fo_pool fo_pool;
typedef struct fo_monitor fo_monitor;

struct finops_database {
    const finops_database_driver *driver;
    fo_driver_token *token; /* NULL: the driver is no registry's (tests, benches) */
    void *self;
    finops_capabilities capabilities;
    fo_pool *pool;
    fo_breaker breaker; /* of connecting */
    fo_retry_budget budget;
    pthread_mutex_t health_lock; /* for the next three */
    finops_health health;        /* of the last check */
    int64_t health_us;           /* when that was; 0: never */
    fo_monitor *monitor;
    fo_audit *audit;             /* NULL: no file */
    fo_audit_table *audit_table; /* NULL: no table */
    atomic_uint refs;            /* its opener and each session that is out */
};

/* A connection, in the pool or out of it. */
struct finops_session {
    finops_database *database;
    void *conn;
    unsigned flags;              /* FINOPS_CONNECT_* */
    bool in_transaction;         /* begun by finops_session_begin() */
    bool opened;                 /* a transaction was begun by a statement */
    bool used;                   /* something was done with it since it was acquired */
    bool suspect;                /* a call failed: look before it is used again */
    bool spent;                  /* not to be used again */
    bool commit_unknown;         /* of the last commit */
    bool recording;              /* a call is under way that is recorded as one */
    unsigned locks;              /* taken and not given back */
    const fo_cancel *cancel;     /* of `call` */
    finops_call call;            /* of what names none */
    pthread_mutex_t cancel_lock; /* for the next four, and `conn` while a call runs: see cancel.c */
    unsigned depth;              /* of calls that run: one may be made of others */
    bool streams;                /* the last one gave a stream */
    finops_call inner, guard;    /* what the caller gave, and what the driver gets */
    atomic_bool stop;            /* finops_session_cancel() was called */
    int64_t born_us, idle_us;    /* monotonic: connected, given back */
    finops_session *next;        /* in the pool */
};

/* Zero stands for the default. */
typedef struct fo_front_options {
    finops_pool_options pool;
    fo_breaker_options breaker;
    const char *audit_file;  /* NULL: nothing is recorded in a file */
    const char *audit_table; /* NULL: nothing is recorded in the database */
} fo_front_options;

/* Opens the driver with a filled config, and takes over the token on success: what was filled by the driver's
 * option table is cleared by it, too. options may be NULL. */
finops_code fo_front_open(const finops_database_driver *driver, fo_driver_token *token, const void *config,
                          const fo_front_options *options, finops_database **ret, finops_error **err);
void fo_front_ref(finops_database *database);
void fo_front_unref(finops_database *database);
/* Ends the monitor's thread. */
void fo_monitor_stop(finops_database *database);
/* A new connection, tried again as long as that can help, but not begun once more past retry_until_us (0: no
 * limit). How long one attempt takes is the call's and the driver's business: a driver may wait for a lock.
 */
finops_code fo_front_connect(finops_database *database, unsigned flags, const finops_call *call,
                             int64_t retry_until_us, void **ret_conn, finops_error **err);
/*
 * Puts a new connection in the place of one that was lost. Only where nothing is lost with it, no
 * transaction, no lock, no table of its own: in a session that reads, or one that was not used yet. False: it
 * was not lost, it may not be, or there is no other.
 */
bool fo_front_reconnect(finops_session *session, const finops_call *call);
/*
 * Around what a driver does that may take long: the call to give it, which finops_session_cancel() ends. What
 * is called inside gets the same one. leave: whether a stream is out, whose reading can be cancelled, too;
 * end: it is not any more. move: a running call goes on with another connection.
 */
const finops_call *fo_call_enter(finops_session *session, const finops_call *call);
void fo_call_leave(finops_session *session, bool streams);
void fo_call_end(finops_session *session);
void fo_call_move(finops_session *session, void *conn);
/* Whether a connection still answers. */
bool fo_front_alive(finops_database *database, void *conn);

/* "schema"."table" in the database's quotes, or "schema__table" where there are no schemas. */
void fo_front_table(const finops_capabilities *c, const char *schema, const char *table, fo_str *ret);
void fo_front_ident(const finops_capabilities *c, const char *name, fo_str *ret);
/* The schema that tables without one are in, as drivers are told it: "main", "public"; NULL: none. */
const char *fo_front_own_schema(const finops_capabilities *c);
/* A stream that comes in is consumed, whatever happens. */
void fo_front_source_release(const finops_source *source);
/* DELETE and write in one transaction. The source is consumed. */
finops_code fo_front_replace(finops_session *session, const finops_partition *partition,
                             const finops_source *source, finops_write_result *ret, finops_error **err);
finops_code fo_front_unsupported(const finops_database *database, const char *what, finops_error **err);

/* One call on its way into the audit log. What it calls itself is not recorded on top. */
typedef struct fo_record {
    bool on, refused;
    bool streams; /* rows are still to be read: nothing else can run on the connection */
    int64_t start_us;
    char operation[FO_AUDIT_NAME], object[FO_AUDIT_NAME];
} fo_record;

/* Nothing may be changed while changes cannot be recorded: a failure is the call's. In any case
 * fo_record_end() follows, which returns rc. */
finops_code fo_record_begin(finops_session *session, fo_record *record, const char *operation,
                            finops_error **err);
/* The same of a statement, unless it only reads. */
finops_code fo_record_statement(finops_session *session, fo_record *record, const char *sql,
                                finops_error **err);
void fo_record_object(fo_record *record, const char *schema, const char *table, const char *part);
finops_code fo_record_end(finops_session *session, fo_record *record, finops_code rc, int64_t rows);
/* Whether changes are recorded at all. */
bool fo_records(const finops_session *session);
/* Before a transaction: nothing of it could be recorded in the table until it ends. */
finops_code fo_record_ready(finops_session *session, finops_error **err);
/* Writes into the table what could not be written before. With no transaction open and no stream out. */
void fo_record_flush(finops_session *session);

finops_code fo_pool_new(finops_database *database, const finops_pool_options *options, fo_pool **ret,
                        finops_error **err);
/* Closes what is idle and too old, and connects until `min` connections are open. */
void fo_pool_maintain(fo_pool *pool);
/* Closes idle connections and ends all waiting; nothing is handed out from here on. */
void fo_pool_close(fo_pool *pool);
/* No session is out any more. */
void fo_pool_free(fo_pool *pool);
finops_code fo_pool_acquire(fo_pool *pool, unsigned flags, const finops_call *call, finops_session **ret,
                            finops_error **err);
void fo_pool_release(fo_pool *pool, finops_session *session);
void fo_pool_figures(fo_pool *pool, finops_pool_figures *ret);

#endif
