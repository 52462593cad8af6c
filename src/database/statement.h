/*
 * Statements on the user's database, whatever database it is: the part of database.h that the bills are built
 * on.
 *
 * Statements are in standard words where there are any; what differs is asked of fo_database_dialect().
 * Parameters are texts, $1 first; a statement casts where it needs another type.
 */
#ifndef FO_DATABASE_STATEMENT_H
#define FO_DATABASE_STATEMENT_H

#include "database/database.h"
#include "finops/sys/database_driver.h"

/* Runs one statement; *ret_changed (may be NULL) gets the rows changed. */
finops_code fo_database_exec(fo_database *database, const char *sql, const fo_param *params, size_t n,
                             int64_t *ret_changed, finops_error **err);
/* Runs every statement of a text; they end with ";" at the end of a line. */
finops_code fo_database_script(fo_database *database, const char *sql, finops_error **err);
/* Rows of one statement, every cell as text. */
finops_code fo_database_query(fo_database *database, const char *sql, const fo_param *params, size_t n,
                              fo_rows **ret, finops_error **err);

/*
 * A lake tells conflicts by table: of two transactions that both change rows of one, however far apart, one
 * fails at its commit. So those who change rows or tables there do it one at a time: by a lock that
 * fo_database_begin() takes for its transaction and fo_database_exec() for its statement, or these for more
 * than that. It is the last that is taken: who holds it waits for no other lock. Elsewhere nothing happens.
 */
finops_code fo_database_alone(fo_database *database, finops_error **err);
void fo_database_alone_end(fo_database *database);

finops_code fo_database_begin(fo_database *database, finops_error **err);
/* Not stopped by a cancel: a commit that is stopped while it tidies up would be told as a failure although
 * others see its rows. */
finops_code fo_database_commit(fo_database *database, finops_error **err);
/* Runs also when the user asked to stop. */
void fo_database_rollback(fo_database *database);

/* Who made the transaction that is open and what for, where states of the database are kept with that;
 * nothing elsewhere. details: JSON. */
finops_code fo_database_annotate(fo_database *database, const char *message, const char *details,
                                 finops_error **err);

/* The author that it names, "user@host"; NULL: no memory. The caller frees it. */
char *fo_database_author(void);

/* What is asked to stop the statements from now on; NULL: nothing. */
void fo_database_set_cancel(fo_database *database, const fo_cancel *cancel);
const fo_cancel *fo_database_cancel(const fo_database *database);

void fo_database_capabilities(fo_database *database, finops_capabilities *ret);
bool fo_database_can(fo_database *database, uint64_t features);
finops_dialect fo_database_dialect(fo_database *database);

/* Whether tables and views can be made and changed in the transaction that changes rows: in a lake they
 * cannot. A backend that merely does not claim it for others who read meanwhile is taken at its word of doing
 * it. */
bool fo_database_tables_in_transaction(fo_database *database);

/* Names of the columns of a table or view, and their types as the database spells them (ret_types may be
 * NULL); none when it does not exist. */
finops_code fo_database_columns(fo_database *database, const char *schema, const char *table,
                                fo_strv *ret_names, fo_strv *ret_types, finops_error **err);
finops_code fo_database_replace(fo_database *database, const finops_partition *partition,
                                const finops_source *source, finops_write_result *ret, finops_error **err);

/*
 * Where writers take turns and the partition allows it, writes the rows before the transaction: *ret is then
 * the source of fo_database_replace(). Elsewhere ret->where is NULL, nothing was done, and the rows are the
 * source. The caller gives it back in any case.
 */
finops_code fo_database_stage(fo_database *database, const finops_partition *partition,
                              const finops_source *source, finops_staged *ret, finops_error **err);
void fo_database_unstage(fo_database *database, finops_staged *staged);

/* A lock of the database between importers, by name; where the database has none, nothing happens: one
 * process writes. Waits wait_us (0: as long as it takes), then FINOPS_E_BUSY. */
finops_code fo_database_lock(fo_database *database, const char *name, int64_t wait_us, finops_error **err);
void fo_database_unlock(fo_database *database, const char *name);

/* Makes a schema that is not there; nothing where the database has none. Outside a transaction. */
finops_code fo_database_make_schema(fo_database *database, const char *schema, finops_error **err);

/* Takes a new connection in place of one that was lost; the old one stays when there is none to be had. */
finops_code fo_database_reconnect(fo_database *database, finops_error **err);

#endif
