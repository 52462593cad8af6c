/*
 * What the catalog of a lake tells about its states: the tables they have, and which months differ between
 * two of them.
 *
 * https://ducklake.select/docs/stable/specification/introduction: the catalog's tables are a public format.
 */
#ifndef FO_BILLING_LAKE_CATALOG_H
#define FO_BILLING_LAKE_CATALOG_H

#include "base/clock.h"
#include "database/database.h"

/* The catalog's own tables, of the lake that is the connection's home. */
#define FO_LAKE_CATALOG "__ducklake_metadata_finops_lake."

/*
 * A query of every state: snapshot_id, time (UTC), author, message, changes, details. changes has names where
 * the catalog has numbers: "tables_deleted_from: a.b; tables_inserted_into: a.b, a.c"; what states that
 * expired took along stays a number.
 */
extern const char fo_lake_states_sql[];

/* When the state came to be, UTC, for people: "2026-11-21 23:09:22". */
finops_code fo_lake_state_time(fo_database *database, int64_t state, char ret[FO_TIME_TEXT],
                               finops_error **err);

/* A table of one state. */
typedef struct fo_lake_table {
    int64_t id;
    char *schema; /* NULL: the state has no such table */
} fo_lake_table;

/* Finds a table by name: in `schema` before others. */
finops_code fo_lake_table_find(fo_database *database, int64_t state, const char *schema, const char *name,
                               fo_lake_table *ret, finops_error **err);
void fo_lake_table_done(fo_lake_table *table);

/* Whether the state's table `schema`.`name` has this column. */
finops_code fo_lake_has_column(fo_database *database, int64_t state, const char *schema, const char *name,
                               const char *column, bool *ret, finops_error **err);

/*
 * First and last billing periods of what differs in the table `id` between the two states, in order; rows
 * whose months are not known, and columns that went or changed, count as any month: *ret_all, and no rows.
 * More than what differs may be named (files that were only written anew), never less.
 */
finops_code fo_lake_months(fo_database *database, int64_t id, int64_t from, int64_t to, fo_rows **ret,
                           bool *ret_all, finops_error **err);

#endif
