/* The driver of DuckDB, and what the rest of the program may know of its connections. */
#ifndef FO_DATABASE_DUCKDB_DRIVER_H
#define FO_DATABASE_DUCKDB_DRIVER_H

#include "engine/engine.h"
#include "finops/sys/database_driver.h"

/*
 * Its config is fo_duckdb_settings. Writing connections of a process share the one open file; that file is
 * closed to other writers as long as one of them lives. database_path ":memory:" is a database in memory that
 * lives as long as `self`.
 */
extern const finops_database_driver fo_duckdb_driver;

/* Of a connection of this driver: what runs its statements; NULL for one that only reads. Borrowed. */
fo_engine *fo_duckdb_engine(void *conn);
fo_conn *fo_duckdb_conn(void *conn);
/*
 * The answers of these statements are kept beside the file when it is closed, see kept.h. Nothing happens for
 * a connection that only reads or a database in memory. Copied.
 */
void fo_duckdb_keep(void *conn, const char *const *statements, size_t n);

#endif
