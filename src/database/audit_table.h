/*
 * The audit log in a table of the database that was changed: a row for every entry, numbered from 1, each
 * with its own SHA-256 and that of the row before it.
 *
 * What a transaction did is written after its end, in a transaction of its own, so that it is there also when
 * all else was rolled back. Any number of threads and processes may append to one table: a lock of the
 * database puts them in turn where it has locks, and the numbers are its primary key, so that no two rows can
 * follow the same one. What cannot be written is kept and tried again; until it is written,
 * fo_audit_table_ready() fails and nothing more is changed.
 */
#ifndef FO_DATABASE_AUDIT_TABLE_H
#define FO_DATABASE_AUDIT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "database/audit.h"
#include "finops/database.h"

typedef struct fo_audit_table fo_audit_table;

/* name: "schema.table", or "table" of the database's own schema. Nothing is connected yet. */
finops_code fo_audit_table_new(const char *name, fo_audit_table **ret, finops_error **err) FO_MUST_USE;
/* What was never written is said on standard error. NULL is fine. */
void fo_audit_table_free(fo_audit_table *table);

/* Told after it was done, well or not; fo_audit_table_flush() writes it. Any thread. */
void fo_audit_table_add(fo_audit_table *table, const fo_audit_event *event);
/* Whether fo_audit_table_flush() has something to do. Any thread. */
bool fo_audit_table_waiting(fo_audit_table *table);
/*
 * Makes the table where it is missing and writes what waits, in a transaction of its own. The session writes,
 * has no transaction open and no stream out.
 */
finops_code fo_audit_table_flush(fo_audit_table *table, finops_session *session,
                                 finops_error **err) FO_MUST_USE;
/* The same before anything is changed: quick when nothing waits and the table is known to be there. */
finops_code fo_audit_table_ready(fo_audit_table *table, finops_session *session,
                                 finops_error **err) FO_MUST_USE;

/*
 * Reads a whole table. FINOPS_E_CORRUPT names the first row that was changed, removed, put in or moved.
 * FINOPS_E_NOT_FOUND: there is no such table. known: as with fo_audit_verify().
 */
finops_code fo_audit_table_verify(finops_session *session, const char *name, const char *known,
                                  fo_audit_summary *ret, finops_error **err) FO_MUST_USE;

#endif
