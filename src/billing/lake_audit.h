/* What happened in a lake: one state, and all imports. Texts of statements, so that a verb streams their
 * rows. */
#ifndef FO_BILLING_LAKE_AUDIT_H
#define FO_BILLING_LAKE_AUDIT_H

#include "base/str.h"
#include "database/statement.h"

/*
 * Every attempt to load a month and every return to a state, oldest first: time, action (import, rollback),
 * export_name, billing_period, version_id, status (completed, failed, rolled_back, started), finished,
 * author, snapshot_id, rows, files, cost, currency, source, file_paths, error. sql/lake_history.sql says how
 * it is put together. export_name and period: NULL means all.
 */
finops_code fo_lake_history_sql(fo_database *database, const char *export_name, const char *period,
                                fo_str *ret, finops_error **err);

/*
 * One state, a row a table that it changed: snapshot_id, time, author, message, table_name,
 * rows_added, rows_removed, files_added, files_removed (NULL: of a table that is gone), changes, details.
 * Rows are those of the change feed, where a changed row is removed and added.
 */
finops_code fo_lake_show_sql(fo_database *database, int64_t state, fo_str *ret, finops_error **err);

#endif
