/* Load state, in SQL; the statements are in sql/state_*.sql. */
#include "database/state.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "database_sql.h"

#define INT_TEXT 24
#define STATE_LOCK "finops state"

/*
 * Whether the tables are as this version has them. A server is asked first: ALTER TABLE waits for every
 * reader of the table, and makes all who come after it wait, too.
 */
static finops_code
state_is_there(fo_database *database, bool *ret, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_database_query(database, fo_sql_state_there, NULL, 0, &rows, err);

    if (rc == FINOPS_OK)
        *ret = fo_rows_int(rows, 0, 0) == 5;
    return rc;
}

/* The statements that make the tables; a lake knows no keys, so their clauses are left out. */
static finops_code
state_script(bool keys, fo_str *ret, finops_error **err)
{
    static const char key[] = ",\n    PRIMARY KEY (";
    const char *from = fo_sql_state_schema, *at;

    while (!keys && (at = strstr(from, key))) {
        fo_str_addn(ret, from, (size_t)(at - from));
        from = strchr(at + sizeof(key) - 1, ')') + 1;
    }
    fo_str_add(ret, from);
    return fo_str_check(ret, err);
}

static bool
state_is_in_lake(fo_database *database)
{
    return fo_database_can(database, FINOPS_DATABASE_TIME_TRAVEL) &&
           fo_database_dialect(database) == FINOPS_DIALECT_DUCKDB;
}

/*
 * Each load changes a few rows. In a lake they go to the catalog, not to files of their own, which every
 * reader of the state would have to open. Only where the tables are made, not altered: see state_schema.sql.
 */
static finops_code
state_keep_in_catalog(fo_database *database, finops_error **err)
{
    static const char option[] =
        "CALL set_option('data_inlining_row_limit', '200', schema => 'billing_state')";
    bool there = false;
    finops_code rc = fo_database_has(database, "billing_state", "load_state", &there, err);

    if (rc != FINOPS_OK || there)
        return rc;
    return fo_database_exec(database, option, NULL, 0, NULL, err);
}

static finops_code
state_make(fo_database *database, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str script = FO_STR_INIT;
    finops_code rc = state_script(!fo_database_can(database, FINOPS_DATABASE_NO_KEYS), &script, err);

    if (rc == FINOPS_OK && state_is_in_lake(database))
        rc = state_keep_in_catalog(database, err);
    return rc == FINOPS_OK ? fo_database_script(database, fo_str_z(&script), err) : rc;
}

/* A word of state_view.sql and what it is here. */
typedef struct state_word {
    const char *word;
    const char *meaning;
} state_word;

static void
state_put_in(const char *from, const state_word *words, size_t n, fo_str *ret)
{
    for (size_t i = 0; *from; i = 0) {
        while (i < n && !fo_starts(from, words[i].word))
            i++;
        if (i < n)
            fo_str_add(ret, words[i].meaning);
        else
            fo_str_addc(ret, *from);
        from += i < n ? strlen(words[i].word) : 1;
    }
}

/* Rows of the ledger are written with the month and never changed: their state is the load's. */
static finops_code
state_view(fo_database *database, finops_error **err)
{
    bool postgresql = fo_database_dialect(database) == FINOPS_DIALECT_POSTGRESQL;
    bool lake = state_is_in_lake(database);
    const state_word words[] = {
        { "NOW_UTC", postgresql ? "now() AT TIME ZONE 'UTC'" : "make_timestamp(epoch_us(now()))" },
        { "SNAPSHOT_OF_LOAD",
          lake ? "(SELECT max(l.snapshot_id) FROM billing_state.ledger AS l WHERE l.vendor = s.vendor AND "
                 "l.export_name = s.export_name AND l.billing_period = s.billing_period AND l.version_id = "
                 "s.version_id)"
               : "CAST(NULL AS BIGINT)" },
    };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    bool there = false;
    finops_code rc = fo_database_has(database, "billing_state", "load_states", &there, err);

    if (rc != FINOPS_OK || there)
        return rc;
    state_put_in(strstr(fo_sql_state_view, "CREATE"), words, FO_COUNT(words), &sql);
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(database, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

finops_code
fo_state_prepare(fo_database *database, finops_error **err)
{
    bool there = false;
    finops_code rc = FINOPS_OK;

    if (fo_database_can(database, FINOPS_DATABASE_SERVER) ||
        fo_database_can(database, FINOPS_DATABASE_NO_KEYS))
        rc = state_is_there(database, &there, err);
    if (rc != FINOPS_OK || there)
        return rc;
    rc = fo_database_make_schema(database, "billing_state", err);
    if (rc == FINOPS_OK)
        rc = fo_database_lock(database, STATE_LOCK, 0, err);
    if (rc == FINOPS_OK) {
        rc = state_make(database, err);
        if (rc == FINOPS_OK)
            rc = state_view(database, err);
        fo_database_unlock(database, STATE_LOCK);
    }
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "prepare the state tables");
}

finops_code
fo_state_is_version_loaded(fo_database *database, const fo_version_key *key, bool *ret, finops_error **err)
{
    const fo_param params[] = { key->vendor, key->export_name, key->period, key->version_id };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_database_query(database, fo_sql_state_loaded, params, FO_COUNT(params), &rows, err);

    if (rc != FINOPS_OK)
        return rc;
    *ret = fo_rows_int(rows, 0, 0) > 0;
    return FINOPS_OK;
}

/* "host:pid": who works on a version, for people who look into the table. */
static void
state_claimant(char *buf, size_t size)
{
    char host[65] = "";

    gethostname(host, sizeof(host) - 1);
    snprintf(buf, size, "%s:%ld", host, (long)getpid());
}

finops_code
fo_state_start_load(fo_database *database, const fo_version_key *key, const char *format,
                    const char *source_uri, const char *file_paths, finops_error **err)
{
    char now[FO_TIME_TEXT], claimant[96];

    assert(format);
    fo_time_format(fo_clock_now(), now);
    state_claimant(claimant, sizeof(claimant));
    const fo_param params[] = { key->vendor, key->export_name, key->period,    key->version_id, format,
                                now,         source_uri,       FINOPS_VERSION, claimant,        file_paths };
    bool keys = !fo_database_can(database, FINOPS_DATABASE_NO_KEYS);
    int64_t changed = 1;
    finops_code rc = fo_database_exec(database, keys ? fo_sql_state_start : fo_sql_state_restart, params,
                                      FO_COUNT(params), keys ? NULL : &changed, err);
    if (rc == FINOPS_OK && changed == 0)
        rc = fo_database_exec(database, fo_sql_state_begin, params, FO_COUNT(params), NULL, err);
    return rc == FINOPS_OK
               ? rc
               : fo_error_wrap(err, rc, "record the start of %s %s", key->export_name, key->period);
}

static finops_code
state_mapping(fo_database *database, const fo_version_key *key, const fo_load_result *result, const char *now,
              finops_error **err)
{
    const fo_param params[] = { key->version_id, result->schema_hash, result->column_mappings, now };

    return fo_database_exec(database, fo_sql_state_mapping, params, FO_COUNT(params), NULL, err);
}

finops_code
fo_state_complete_load(fo_database *database, const fo_version_key *key, const fo_load_result *result,
                       finops_error **err)
{
    char now[FO_TIME_TEXT], rows[INT_TEXT], files[INT_TEXT], bytes[INT_TEXT];
    const fo_param others[] = { key->vendor, key->export_name, key->period, key->version_id };
    int64_t changed = 0;

    fo_time_format(fo_clock_now(), now);
    snprintf(rows, sizeof(rows), "%" PRId64, result->rows);
    snprintf(files, sizeof(files), "%" PRId64, result->files);
    snprintf(bytes, sizeof(bytes), "%" PRId64, result->bytes_read);
    const fo_param params[] = { key->vendor,
                                key->export_name,
                                key->period,
                                key->version_id,
                                now,
                                rows,
                                files,
                                bytes,
                                result->total_cost,
                                result->currency,
                                result->table_name,
                                result->schema_hash,
                                result->payer_account_id };
    finops_code rc = fo_database_exec(database, fo_sql_state_uncurrent, others, FO_COUNT(others), NULL, err);
    if (rc == FINOPS_OK)
        rc = fo_database_exec(database, fo_sql_state_complete, params, FO_COUNT(params), &changed, err);
    if (rc == FINOPS_OK && changed != 1)
        rc = fo_error_set(err, FINOPS_E_INTERNAL, "%" PRId64 " rows changed where one was started", changed);
    if (rc == FINOPS_OK && result->column_mappings)
        rc = state_mapping(database, key, result, now, err);
    return rc == FINOPS_OK ? rc
                           : fo_error_wrap(err, rc, "record %s %s as loaded", key->export_name, key->period);
}

finops_code
fo_state_fail_load(fo_database *database, const fo_version_key *key, const char *message, finops_error **err)
{
    const fo_param params[] = { key->vendor, key->export_name, key->period, key->version_id, message };
    finops_code rc = fo_database_exec(database, fo_sql_state_fail, params, FO_COUNT(params), NULL, err);

    return rc == FINOPS_OK
               ? rc
               : fo_error_wrap(err, rc, "record the failure of %s %s", key->export_name, key->period);
}

finops_code
fo_state_fail_abandoned(fo_database *database, const fo_version_key *key, finops_error **err)
{
    const fo_param month[] = { key->vendor, key->export_name, key->period };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    char us[96];
    finops_code rc = fo_database_query(database, fo_sql_state_abandoned, month, FO_COUNT(month), &rows, err);

    state_claimant(us, sizeof(us));
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        const fo_version_key one = { key->vendor, key->export_name, key->period, fo_rows_text(rows, i, 0) };
        FO_AUTO(fo_freep)
        char *why = fo_format("%s ended before it was done; taken over by %s", fo_rows_text(rows, i, 1), us);

        rc = why ? fo_state_fail_load(database, &one, why, err) : fo_error_oom(err);
    }
    return rc;
}

finops_code
fo_state_current_versions(fo_database *database, const char *vendor, const char *export_name, fo_rows **ret,
                          finops_error **err)
{
    const fo_param params[] = { vendor, export_name };

    return fo_database_query(database, fo_sql_state_current, params, FO_COUNT(params), ret, err);
}

finops_code
fo_state_version_history(fo_database *database, const char *vendor, const char *export_name,
                         const char *period, fo_rows **ret, finops_error **err)
{
    const fo_param params[] = { vendor, export_name, period };

    return fo_database_query(database, fo_sql_state_history, params, FO_COUNT(params), ret, err);
}
