/*
 * Load state: one row for each version of a billing period that was ever attempted, in
 * billing_state.load_state. Every function runs on the writer's connection; complete_load belongs in the
 * transaction that publishes the data.
 */
#ifndef FO_DATABASE_STATE_H
#define FO_DATABASE_STATE_H

#include "database/statement.h"

/* One version of one billing period of one export. Borrowed texts. */
typedef struct fo_version_key {
    const char *vendor;
    const char *export_name;
    const char *period; /* "YYYY-MM" */
    const char *version_id;
} fo_version_key;

/* What a load published. */
typedef struct fo_load_result {
    int64_t rows;
    int64_t files;
    int64_t bytes_read;
    const char *total_cost; /* decimal text; NULL when there is more than one currency */
    const char *currency;   /* "USD", or "EUR,USD" */
    const char *table_name;
    const char *schema_hash;
    const char *payer_account_id; /* several: "1,2"; NULL: the bill names none */
    const char *column_mappings;  /* JSON: {"column of the files": "column of the table"} */
} fo_load_result;

/* Creates or extends the state tables; safe to run again. */
finops_code fo_state_prepare(fo_database *database, finops_error **err);
finops_code fo_state_is_version_loaded(fo_database *database, const fo_version_key *key, bool *ret,
                                       finops_error **err);
/* format: "v1", "v2", "focus-1.0"…; file_paths: a JSON array, may be NULL */
finops_code fo_state_start_load(fo_database *database, const fo_version_key *key, const char *format,
                                const char *source_uri, const char *file_paths, finops_error **err);
finops_code fo_state_complete_load(fo_database *database, const fo_version_key *key,
                                   const fo_load_result *result, finops_error **err);
finops_code fo_state_fail_load(fo_database *database, const fo_version_key *key, const char *message,
                               finops_error **err);
/* Attempts at the month that nobody works on any more: its lock is ours. Tells them as failed. */
finops_code fo_state_fail_abandoned(fo_database *database, const fo_version_key *key, finops_error **err);
/* Rows of sql/state_current.sql; export_name may be NULL. */
finops_code fo_state_current_versions(fo_database *database, const char *vendor, const char *export_name,
                                      fo_rows **ret, finops_error **err);
/* Rows of sql/state_history.sql. */
finops_code fo_state_version_history(fo_database *database, const char *vendor, const char *export_name,
                                     const char *period, fo_rows **ret, finops_error **err);

#endif
