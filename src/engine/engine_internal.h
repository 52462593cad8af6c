/* Inside of the engine: what its files share. Files outside src/engine see engine.h. */
#ifndef FO_ENGINE_ENGINE_INTERNAL_H
#define FO_ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>

#include "engine/engine.h"
#include "finops/sys/database_driver.h"

struct fo_csv_state;
struct fo_keys_state;

struct fo_engine {
    duckdb_database db;
    char *home;           /* the attached database that connections begin in; NULL: the engine's own */
    pthread_mutex_t lock; /* guards the loading of extensions and the two members below */
    unsigned loaded;      /* bit i: extension i of extension.c's table */
    unsigned secrets;     /* counts the secrets made, whose names must differ */
    pthread_mutex_t conns_lock;
    fo_conn *conns; /* that are open, under conns_lock */
};

struct fo_conn {
    fo_engine *engine;
    duckdb_connection native;
    idx_t id;                   /* among the connections of the engine */
    fo_conn *next;              /* of the engine's, under conns_lock */
    struct fo_csv_state *csv;   /* belongs to the CSV reader */
    struct fo_keys_state *keys; /* belongs to finops_keys() */
    _Atomic int64_t rounded;    /* by finops_exact() */
    pthread_mutex_t lock;       /* guards all below */
    pthread_cond_t wake;
    pthread_cond_t asked; /* `asking` came to 0 */
    pthread_t watcher;    /* interrupts the statement that runs when `cancel` is requested */
    bool watching;        /* the thread exists */
    bool asleep;          /* it waits for a signal */
    bool quit;
    unsigned running; /* statements and open streams to interrupt */
    const fo_cancel *cancel;
    finops_call call; /* all zero: none */
    unsigned asking;  /* functions of the call that run just now */
    finops_code stop; /* why what runs has to end; FINOPS_OK: it has not */
};

/*
 * The functions of the CSV reader, of exact decimals and of map keys, registered on every engine while it
 * opens. `conn` closes afterwards, the functions stay. What they read and note is the connection's whose
 * statement they are part of.
 */
finops_code fo_csv_register(fo_engine *engine, duckdb_connection conn, finops_error **err);
finops_code fo_exact_register(fo_engine *engine, duckdb_connection conn, finops_error **err);
finops_code fo_keys_register(fo_engine *engine, duckdb_connection conn, finops_error **err);
/* A connection's part of them. NULL: no memory. Both take NULL. */
struct fo_csv_state *fo_csv_state_new(void);
void fo_csv_state_free(struct fo_csv_state *state);
struct fo_keys_state *fo_keys_state_new(void);
void fo_keys_state_free(struct fo_keys_state *state);
/* While a function is bound: the connection that does it, NULL for one that fo_conn_open() did not make.
 * Takes the context. */
fo_conn *fo_conn_of(fo_engine *engine, duckdb_client_context context);

/* error.c */

/*
 * Sets *err from what the engine said: its class as a code, its text, and advice where there is some. `type`
 * may be DUCKDB_ERROR_INVALID when only the text is known: the text then tells the class.
 */
finops_code fo_engine_error(finops_error **err, duckdb_error_type type, const char *text);
/*
 * Whether the text tells of a remote store's answer: then what to say of it in one line, its code, and advice
 * or NULL. error_http.c
 */
bool fo_engine_http(const char *text, fo_str *ret_text, finops_code *ret_code, const char **ret_hint);
/* Takes the error data and destroys it. FINOPS_OK when it holds no error. */
finops_code fo_engine_error_data(finops_error **err, duckdb_error_data data);
/* The error of a failed result, which stays the caller's. */
finops_code fo_engine_error_result(finops_error **err, duckdb_result *result);

/* watch.c: brackets a running statement, so that a cancel or its deadline reaches it. */

void fo_watch_init(fo_conn *conn);
void fo_watch_done(fo_conn *conn);
/* FINOPS_E_CANCELLED or _TIMEOUT, with no bracket opened, when it should have ended before it began. */
finops_code fo_watch_begin(fo_conn *conn, finops_error **err);
void fo_watch_end(fo_conn *conn);
/* FINOPS_OK, or why what runs has to end, as an error. */
finops_code fo_watch_check(fo_conn *conn, finops_error **err);
/* What rc and *err of the statement that runs become when it was made to end. */
finops_code fo_watch_outcome(fo_conn *conn, finops_code rc, finops_error **err);

/* conn.c */

/* Prepares one statement and binds its parameters; the caller destroys *ret. */
finops_code fo_conn_prepare(fo_conn *conn, const char *sql, const fo_param *params, size_t n,
                            duckdb_prepared_statement *ret, finops_error **err);

#endif
