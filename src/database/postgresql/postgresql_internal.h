/*
 * What the files of the PostgreSQL driver share.
 *
 * connect.c opens sessions, wait.c waits for the server within a call's deadline, stall.c notices that it
 * waits for nothing, error.c tells what the server said, rows.c makes Arrow of results, catalog.c reads what
 * tables there are, encode*.c makes COPY's binary rows of Arrow, table.c makes and changes tables, write.c
 * copies, parallel.c does it over several connections into what stage.c made, partition.c swaps, session.c is
 * the rest.
 */
#ifndef FO_DATABASE_POSTGRESQL_INTERNAL_H
#define FO_DATABASE_POSTGRESQL_INTERNAL_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "finops/sys/database_driver.h"

#define PG_IDENT_MAX 63 /* bytes of a name: NAMEDATALEN - 1 of every server that is not built otherwise */
#define PG_KEYWORDS 24

/* Tables on their way: "finops_new_" and 16 digits. */
#define PG_STAGE_PREFIX "finops_new"
#define PG_IS_STAGE                                                                                          \
    "(c.relname LIKE 'finops\\_new\\_%' AND c.relname ~ '^" PG_STAGE_PREFIX "_[0-9a-f]{16}$' "               \
    "AND c.relkind = 'r' AND NOT c.relispartition)"

/* Types of the catalog that this driver knows; the numbers are fixed (pg_type.dat). */
enum {
    PG_BOOL = 16,
    PG_BYTEA = 17,
    PG_NAME = 19,
    PG_INT8 = 20,
    PG_INT2 = 21,
    PG_INT4 = 23,
    PG_TEXT = 25,
    PG_JSON = 114,
    PG_FLOAT4 = 700,
    PG_FLOAT8 = 701,
    PG_BPCHAR = 1042,
    PG_VARCHAR = 1043,
    PG_DATE = 1082,
    PG_TIME = 1083,
    PG_TIMESTAMP = 1114,
    PG_TIMESTAMPTZ = 1184,
    PG_NUMERIC = 1700,
    PG_UUID = 2950,
    PG_JSONB = 3802
};

/* A backend of the server whose connection is lost; it may not know. */
#define PG_LOST_MAX 16
typedef struct fo_pg_lost {
    char pid[12];
    char since[40];
} fo_pg_lost;

/* A configuration. Read only once it is open, but for what the mutex is over. */
typedef struct fo_pg_database {
    const char *keywords[PG_KEYWORDS + 1]; /* of PQconnectStartParams, the last NULL */
    char *values[PG_KEYWORDS + 1];
    size_t n_keywords;
    bool try_plain; /* nobody said how to use TLS: verified where the server has it, without where it has not
                     */
    int64_t connect_timeout_us;
    int64_t statement_timeout_ms; /* 0: the server's own */
    char *schema;                 /* searched first; NULL: the server's own path */
    int64_t stall_us;             /* of silence before the server is asked about it; 0: never */
    int64_t keepalives_idle;
    pthread_mutex_t mutex;
    fo_pg_lost lost[PG_LOST_MAX]; /* to be ended by who connects next */
    size_t n_lost;
    size_t copy_connections; /* that write a table which is made anew */
    bool brin;
} fo_pg_database;

/* A connection. `stop_asked` and `wake` are all that another thread touches. */
typedef struct fo_pg_conn {
    PGconn *pg;
    fo_pg_database *database;
    bool read_only;
    bool streaming; /* a stream of rows is out */
    bool broken;    /* gave no answer: not to be used again */
    bool staged;    /* its transaction has a table that others made, see stage.c */
    bool looks;     /* asks what became of another one: is not watched itself */
    char pid[12];   /* of its backend, "" when it cannot be asked for */
    char since[40];
    int64_t heard_us; /* when the server last said something */
    int64_t look_us;  /* when it is asked about, if nothing comes */
    unsigned strange; /* looks in a row that found something wrong */
    /* The call that runs. */
    finops_call call;
    finops_code stop;   /* why the server was asked to stop; FINOPS_OK: it was not */
    int64_t give_up_us; /* how long its answer to that is waited for */
    atomic_bool stop_asked;
    int wake; /* eventfd */
} fo_pg_conn;

/* connect.c */
finops_code fo_pg_open(const void *config, void **ret_self, finops_error **err);
void fo_pg_close(void *self);
finops_code fo_pg_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn,
                          finops_error **err);
void fo_pg_disconnect(void *conn);
/* To look after another connection: ends nothing and is not watched. */
finops_code fo_pg_connect_looker(fo_pg_database *db, const finops_call *call, void **ret_conn,
                                 finops_error **err);

/* stall.c: connections that are dead without knowing it */

/* From the row (pg_backend_pid, backend_start) of a new session. */
void fo_pg_backend_know(fo_pg_conn *c, const PGresult *row);
/* Keeps in mind that its backend may still be there. */
void fo_pg_backend_lost(fo_pg_conn *c);
/* Ends those that are kept in mind. */
void fo_pg_lost_end(fo_pg_conn *c);
/* Nothing came for long. FINOPS_OK: go on waiting; FINOPS_E_TRANSIENT: the connection is dead. */
finops_code fo_pg_stall_check(fo_pg_conn *c, finops_error **err);

/* wait.c: one call on a connection */

/* Every operation starts with this: FINOPS_E_CANCELLED or _TIMEOUT when it is over before it began. */
finops_code fo_pg_call_begin(fo_pg_conn *c, const finops_call *call, finops_error **err);
/* The same in the middle of one. */
finops_code fo_pg_call_check(fo_pg_conn *c, finops_error **err);
/*
 * Waits until the server says something or, with POLLOUT, takes something. When the call is cancelled or
 * late, the server is asked to stop and waited for a little longer; an error means that it did not answer.
 */
finops_code fo_pg_wait(fo_pg_conn *c, short events, finops_error **err);
/* Waits a moment without asking the server to stop: FINOPS_E_CANCELLED or _TIMEOUT when the call is over. */
finops_code fo_pg_wait_once(fo_pg_conn *c, short events, bool *ret_ready, finops_error **err);
/* The next result of what was sent; *ret NULL: no more. An error result is a result. */
finops_code fo_pg_next(fo_pg_conn *c, PGresult **ret, finops_error **err);
/* Reads and drops results until there are no more. */
void fo_pg_drain(fo_pg_conn *c);
/*
 * Sends one statement and waits for its end; *ret (may be NULL) is its last result. Parameters are texts.
 * Does not begin a call: several may belong to one.
 */
finops_code fo_pg_run(fo_pg_conn *c, const char *sql, const char *const *params, size_t n, PGresult **ret,
                      finops_error **err);
/* Rows a statement changed; -1: it does not say. */
int64_t fo_pg_changed(PGresult *result);
/* FINOPS_E_UNSUPPORTED when the result is the begin of a COPY, which is ended. */
finops_code fo_pg_copy_refuse(fo_pg_conn *c, const PGresult *result, finops_error **err);
/* A statement can switch writing on; this switches it off again before the next. */
finops_code fo_pg_keep_read_only(fo_pg_conn *c, finops_error **err);
/* Sends it only. */
finops_code fo_pg_send(fo_pg_conn *c, const char *sql, const char *const *params, size_t n,
                       finops_error **err);
void fo_pg_cancel(void *conn);
bool fo_pg_is_alive(void *conn);
bool fo_pg_in_transaction(const fo_pg_conn *c);
void fo_pg_clearp(PGresult **result); /* for FO_AUTO */

/* error.c */

/* What went wrong, from a result, or from the connection when the result is NULL. */
finops_code fo_pg_error(fo_pg_conn *c, const PGresult *result, finops_error **err);
/* Why a connection did not come about. */
finops_code fo_pg_connect_error(const fo_pg_conn *c, finops_error **err);
/* The class of an SQLSTATE. */
finops_code fo_pg_sqlstate_code(const char *sqlstate);

/* ident.c: the only places that put a name or a text into a statement */

/* "name" in quotes. FINOPS_E_DATA when the server would cut it. */
finops_code fo_pg_ident(fo_str *sql, const char *name, finops_error **err);
/* "schema"."table"; schema may be NULL. */
finops_code fo_pg_table(fo_str *sql, const char *schema, const char *table, finops_error **err);
void fo_pg_literal(fo_str *sql, const char *text);

/* rows.c */
finops_code fo_pg_execute(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
                          int64_t *ret_changed, finops_error **err);

/* catalog.c */
finops_code fo_pg_columns(void *conn, const char *schema, const char *table, finops_each_column each,
                          void *arg, finops_error **err);
finops_code fo_pg_tables(void *conn, const char *schema, finops_each_name each, void *arg,
                         finops_error **err);

/* A column that rows are written to. */
typedef struct fo_pg_column {
    char *name;
    unsigned oid; /* of the type below any domain */
    int typmod;   /* -1: none */
    char *native;
} fo_pg_column;
typedef struct fo_pg_columns_list {
    fo_pg_column *items;
    size_t n;
    size_t cap;
    bool exists; /* the table does */
} fo_pg_columns_list;
finops_code fo_pg_table_columns(fo_pg_conn *c, const char *schema, const char *table, fo_pg_columns_list *ret,
                                finops_error **err);
void fo_pg_columns_done(fo_pg_columns_list *list);

/* Precision and scale of a numeric's typmod; false when it has none. */
bool fo_pg_numeric_typmod(int typmod, int *ret_precision, int *ret_scale);

/* session.c */
finops_code fo_pg_begin(void *conn, finops_error **err);
finops_code fo_pg_commit(void *conn, bool *ret_unknown_outcome, finops_error **err);
finops_code fo_pg_rollback(void *conn, finops_error **err);
finops_code fo_pg_health(void *self, const finops_call *call, finops_health *ret, finops_error **err);
finops_code fo_pg_lock(void *conn, const char *name, const finops_call *call, finops_error **err);
finops_code fo_pg_unlock(void *conn, const char *name, finops_error **err);

/*
 * A transaction of the driver's own around several statements, none when the caller has one open.
 * fo_pg_own_end() commits when rc is FINOPS_OK and rolls back otherwise; it returns the outcome.
 */
finops_code fo_pg_own_begin(fo_pg_conn *c, bool *ret_own, finops_error **err);
finops_code fo_pg_own_end(fo_pg_conn *c, bool own, finops_code rc, finops_error **err);

/* write.c, partition.c */
finops_code fo_pg_write(void *conn, const finops_write *write, const finops_source *source,
                        finops_write_result *ret, finops_error **err);
finops_code fo_pg_replace_partition(void *conn, const finops_partition *partition,
                                    const finops_source *source, finops_write_result *ret,
                                    finops_error **err);

#endif
