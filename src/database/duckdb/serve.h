/*
 * Read-only queries over a Unix socket beside the database file: what lets others read while one process
 * writes.
 *
 * The socket is "<database>.sock", mode 0600, and peers must be the same user or root. A connection carries
 * one request: "FOQ1", the statement's length (32 bits, little-endian), the statement; or "FOQ2", the same,
 * the number of parameters (32 bits), and each with its length, 0xffffffff for NULL. The answer is 'R' and an
 * Arrow IPC stream, or 'E', the code, the lengths of message and hint (32 bits each), message, hint. A stream
 * that ends early means that the writer was stopped.
 */
#ifndef FO_DATABASE_DUCKDB_SERVE_H
#define FO_DATABASE_DUCKDB_SERVE_H

#include "engine/engine.h"
#include "finops/sys/database_driver.h"

typedef struct fo_server fo_server;

/* Starts serving the engine's published data. The engine must outlive the server. */
finops_code fo_server_start(fo_engine *engine, const char *database_path, fo_server **ret,
                            finops_error **err);
/* Lets running queries finish for at most `patience_ms`, then interrupts them; removes the socket. NULL is
 * fine. */
void fo_server_stop(fo_server *server, int patience_ms);

/* A statement for another process. All but sql may be NULL; `call` and `stop` end it, and what they point to
 * has to live until its stream is released. */
typedef struct fo_remote_query {
    const char *sql;
    const char *const *params;
    size_t n_params;
    const finops_call *call; /* copied, what it points to is not */
    const fo_cancel *stop;
} fo_remote_query;

/* Runs one statement at the process that serves database_path. FINOPS_E_NOT_FOUND when nobody does. */
finops_code fo_remote_run(const char *database_path, const fo_remote_query *query,
                          struct ArrowArrayStream *ret, finops_error **err);
/* The same for a statement alone. */
finops_code fo_remote_stream(const char *database_path, const char *sql, struct ArrowArrayStream *ret,
                             finops_error **err);
/* Whether somebody serves it just now. */
bool fo_remote_reachable(const char *database_path);

#endif
