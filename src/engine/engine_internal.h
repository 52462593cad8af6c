/* Inside of the engine: what its files share. Files outside src/engine see engine.h. */
#ifndef FO_ENGINE_ENGINE_INTERNAL_H
#define FO_ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>

#include "engine/engine.h"

struct fo_csv_state;
struct fo_exact_state;

struct fo_engine {
    duckdb_database db;
    pthread_mutex_t lock;    /* guards `loaded` and the loading of extensions */
    unsigned loaded;         /* bit i: extension i of extension.c's table */
    unsigned secrets;        /* counts fo_files, whose secrets need names of their own; guarded by `lock` */
    struct fo_csv_state *csv;     /* belongs to the CSV reader */
    struct fo_exact_state *exact; /* belongs to finops_exact() */
};

/*
 * The functions of the CSV reader and of exact decimals, registered on every engine while it opens. `conn` closes afterwards, the
 * functions stay. Each sets its slot of the engine. The matching unregister runs after the database was closed, also when its
 * register failed or never ran: the slot may be NULL.
 */
finops_code fo_csv_register(fo_engine *engine, duckdb_connection conn, finops_error **err);
void fo_csv_unregister(fo_engine *engine);
finops_code fo_exact_register(fo_engine *engine, duckdb_connection conn, finops_error **err);
void fo_exact_unregister(fo_engine *engine);

/* error.c */

/*
 * Sets *err from what the engine said: its class as a code, its text without secrets, and advice where there is some. `type` may be
 * DUCKDB_ERROR_INVALID when only the text is known: the text then tells the class.
 */
finops_code fo_engine_error(finops_error **err, duckdb_error_type type, const char *text);
/* Takes the error data and destroys it. FINOPS_OK when it holds no error. */
finops_code fo_engine_error_data(finops_error **err, duckdb_error_data data);
/* The error of a failed result, which stays the caller's. */
finops_code fo_engine_error_result(finops_error **err, duckdb_result *result);

#endif
