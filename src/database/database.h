/*
 * The user's database as the commands use it: one session of the configured backend, with the front door and
 * the registry behind it. statement.h has what is done with it.
 *
 * Where only one process can write (DuckDB), opening to write waits for the other one, and readers are
 * answered by the process that writes; callers cannot tell the difference.
 */
#ifndef FO_DATABASE_DATABASE_H
#define FO_DATABASE_DATABASE_H

#include "base/cancel.h"
#include "config/settings.h"
#include "database/duckdb/kept.h"
#include "finops/database.h"
#include "engine/engine.h"

typedef struct fo_database fo_database;

/*
 * The front door of the backend that bills are read from, and the registry it stands on: the built-in
 * drivers, and the plugins when it is none of those. The caller closes the one and then frees the other.
 * Nothing is connected yet.
 */
finops_code fo_database_door(const fo_settings *settings, finops_registry **ret_registry,
                             finops_database **ret, finops_error **err);

/* FINOPS_E_CONFIG when that backend cannot hold bills: it has no schemas, or no transactions. Nothing is
 * connected. */
finops_code fo_database_check_bills(const fo_settings *settings, finops_error **err);

/* settings and cancel are borrowed until the database is closed. Writer and reader are for bills, and refuse
 * what fo_database_check_bills() does. */

/* Makes the database where that is a file, and the tables of the load state. DuckDB: waits lock_timeout
 * seconds for another writer, then FINOPS_E_BUSY. */
finops_code fo_database_open_writer(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret,
                                    finops_error **err);
/* The same of any database, without the tables of the load state: for what is no bill. */
finops_code fo_database_open_plain(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret,
                                   finops_error **err);
/* FINOPS_E_NOT_FOUND, with a hint, when there is no database yet. The plain one: of any database. */
finops_code fo_database_open_reader(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret,
                                    finops_error **err);
finops_code fo_database_open_plain_reader(const fo_settings *settings, const fo_cancel *cancel,
                                          fo_database **ret, finops_error **err);
/* Another session of the same database, for another thread; closed before `of`. Not of a reader. */
finops_code fo_database_open_beside(const fo_database *of, fo_database **ret, finops_error **err);
/* How many loads it is to be given at a time, each in a session of its own; at least 1. */
size_t fo_database_loads(const fo_database *database, const fo_settings *settings);
void fo_database_close(fo_database *database);
void fo_database_closep(fo_database **database);

/* A writer's connection and engine where the database reads bill files itself (FINOPS_DATABASE_READS_FILES);
 * else NULL. Borrowed. */
fo_conn *fo_database_conn(fo_database *database);
fo_engine *fo_database_engine(fo_database *database);

/* Rows of one read-only statement, reader or writer. Release the stream before the next call and before
 * closing. */
finops_code fo_database_stream(fo_database *database, const char *sql, struct ArrowArrayStream *ret,
                               finops_error **err);
/* The same for small results, every cell as text. */
finops_code fo_database_rows(fo_database *database, const char *sql, fo_rows **ret, finops_error **err);
/* Whether a relation exists: schema "billing_state", name "load_state". */
finops_code fo_database_has(fo_database *database, const char *schema, const char *name, bool *ret,
                            finops_error **err);

/* The answers of a few statements that only read. */
finops_code fo_database_answers(fo_database *database, const char *const *statements, size_t n, fo_kept **ret,
                                finops_error **err);
/* A writer's: keeps the answers of these statements, which are copied, beside the file when it closes.
 * Nothing happens where there is no file. */
void fo_database_keep(fo_database *database, const char *const *statements, size_t n);
/*
 * What a writer kept, without opening the database. *ret is NULL when nothing is known of the file as it is
 * now; *ret_exists says whether there is a file at all.
 */
finops_code fo_database_kept(const fo_settings *settings, fo_kept **ret, bool *ret_exists,
                             finops_error **err);

/* The session behind it. Borrowed. */
finops_session *fo_database_session(fo_database *database);

#endif
