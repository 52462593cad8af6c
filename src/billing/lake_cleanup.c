/* What writers left that failed or were killed. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "billing/import_internal.h"
#include "billing/lake_maintain.h"
#include "billing/lake_states.h"

#define MARGIN_US INT64_C(60000000) /* between the clocks of an importer and of the files */

static int64_t
bytes_on_disk(const fo_rows *paths)
{
    int64_t bytes = 0;
    struct stat st;

    for (size_t i = 0; i < fo_rows_count(paths); i++)
        if (stat(fo_rows_text(paths, i, 0), &st) == 0)
            bytes += st.st_size;
    return bytes;
}

/* Of objects the engine asks for the size, a request each. Nothing depends on it: -1 when one cannot be had.
 */
static int64_t
bytes_of(fo_database *db, const fo_rows *paths)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *found = NULL;

    if (fo_rows_count(paths) == 0 || !strstr(fo_rows_text(paths, 0, 0), "://"))
        return bytes_on_disk(paths);
    fo_str_add(&sql, "SELECT CAST(sum(size) AS BIGINT) FROM read_blob([");
    for (size_t i = 0; i < fo_rows_count(paths); i++) {
        fo_str_add(&sql, i ? ", " : "");
        fo_sql_literal(&sql, fo_rows_text(paths, i, 0));
    }
    fo_str_add(&sql, "])");
    if (!fo_str_ok(&sql) || fo_database_query(db, fo_str_z(&sql), NULL, 0, &found, NULL) != FINOPS_OK)
        return -1;
    return fo_rows_int(found, 0, 0);
}

/* Looks first: what is gone has no size. */
static finops_code
remove_by(fo_database *db, const char *step, const char *function, int64_t before_us, bool dry_run,
          fo_lake_each_step *each, void *arg, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *found = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *gone = NULL;
    char before[FO_TIME_TEXT];

    fo_time_format(before_us, before);
    FO_AUTO(fo_freep)
    char *look =
        fo_format("SELECT path FROM %s(current_database(), dry_run => true, older_than => '%s'::TIMESTAMPTZ)",
                  function, before);
    FO_AUTO(fo_freep)
    char *sql = fo_format("SELECT path FROM %s(current_database(), older_than => '%s'::TIMESTAMPTZ)",
                          function, before);
    if (!look || !sql)
        return fo_error_oom(err);
    finops_code rc = fo_lake_patiently(db, look, NULL, 0, &found, err);
    if (rc != FINOPS_OK)
        return rc;
    int64_t bytes = bytes_of(db, found);
    if (!dry_run && fo_rows_count(found) > 0)
        rc = fo_lake_patiently(db, sql, NULL, 0, &gone, err);
    if (rc == FINOPS_OK)
        each(&(fo_lake_step){ step, NULL, -1, -1, (int64_t)fo_rows_count(gone ? gone : found), -1, bytes },
             arg);
    return rc;
}

finops_code
fo_lake_remove_files(fo_database *database, int64_t before_us, bool dry_run, fo_lake_each_step *each,
                     void *arg, finops_error **err)
{
    return remove_by(database, "remove old files", "ducklake_cleanup_old_files", before_us, dry_run, each,
                     arg, err);
}

/* ---- attempts that nobody works on ---- */

typedef struct cleanup {
    fo_database *db;
    int64_t before_us; /* files that are younger stay */
    bool dry_run;
    fo_lake_each_step *each;
    void *arg;
} cleanup;

/* export, period, version, microseconds of its start, the start as it is written */
static const char unfinished_sql[] = "SELECT export_name, billing_period, version_id, "
                                     "epoch_us(load_timestamp), CAST(load_timestamp AS VARCHAR) "
                                     "FROM billing_state.load_state WHERE vendor = '" FO_VENDOR_AWS
                                     "' AND NOT load_completed AND error_message IS "
                                     "NULL AND claimed_by IS NOT NULL ORDER BY 1, 2, 3";

static finops_code
end_attempt(const cleanup *c, const fo_rows *rows, size_t i, finops_error **err)
{
    static const char sql[] =
        "UPDATE billing_state.load_state SET claimed_by = NULL, claim_expires = load_timestamp WHERE vendor "
        "= "
        "'" FO_VENDOR_AWS
        "' AND export_name = $1 AND billing_period = $2 AND version_id = $3 AND load_timestamp "
        "= $4::TIMESTAMP AND NOT load_completed AND error_message IS NULL";
    const fo_param params[] = { fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1), fo_rows_text(rows, i, 2),
                                fo_rows_text(rows, i, 4) };
    FO_AUTO(fo_freep) char *name = fo_format("%s %s", params[0], params[1]);
    finops_code rc = name ? FINOPS_OK : fo_error_oom(err);

    if (rc == FINOPS_OK && !c->dry_run)
        rc = fo_lake_patiently(c->db, sql, params, FO_COUNT(params), NULL, err);
    if (rc == FINOPS_OK)
        c->each(&(fo_lake_step){ "end attempt", name, -1, -1, -1, -1, -1 }, c->arg);
    return rc;
}

/* Whoever has the lock of the month is at work, and its files are younger than its start. */
static finops_code
judge_attempt(cleanup *c, const fo_rows *rows, size_t i, finops_error **err)
{
    const fo_version_key key = { FO_VENDOR_AWS, fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1), NULL };
    FO_AUTO(fo_freep) char *lock = fo_month_lock_name(&key);
    FO_AUTO(finops_error_freep) finops_error *busy = NULL;
    int64_t begun = fo_rows_int(rows, i, 3) - MARGIN_US;

    if (!lock)
        return fo_error_oom(err);
    finops_code rc = fo_database_lock(c->db, lock, 1, &busy);
    if (rc == FINOPS_E_BUSY) {
        c->before_us = begun < c->before_us ? begun : c->before_us;
        return FINOPS_OK;
    }
    if (rc == FINOPS_OK) {
        rc = end_attempt(c, rows, i, err);
        fo_database_unlock(c->db, lock);
    } else if (err) {
        *err = FO_TAKE(busy);
    }
    return rc;
}

static finops_code
end_attempts(cleanup *c, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    bool has = false;
    finops_code rc = fo_database_has(c->db, "billing_state", "load_state", &has, err);

    if (rc != FINOPS_OK || !has)
        return rc;
    rc = fo_database_query(c->db, unfinished_sql, NULL, 0, &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        rc = judge_attempt(c, rows, i, err);
    return rc;
}

finops_code
fo_lake_cleanup(fo_database *database, int64_t older_than_us, bool dry_run, fo_lake_each_step *each,
                void *arg, finops_error **err)
{
    cleanup c = { database, fo_clock_now() - older_than_us, dry_run, each, arg };

    assert(database && each);
    finops_code rc = fo_database_lock(database, FO_LAKE_STATES_LOCK, 0, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = end_attempts(&c, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_remove_files(database, c.before_us, dry_run, each, arg, err);
    if (rc == FINOPS_OK)
        rc = remove_by(database, "remove leftovers", "ducklake_delete_orphaned_files", c.before_us, dry_run,
                       each, arg, err);
    fo_database_unlock(database, FO_LAKE_STATES_LOCK);
    return rc;
}
