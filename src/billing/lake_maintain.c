/* Expiring states and putting files in order. */
#include "billing/lake_maintain.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "billing/lake_catalog.h"
#include "billing/lake_states.h"

#define ATTEMPTS 20
#define PAUSE_NS 100000000L
/* Of a file's rows that are deleted, before it is written anew. */
#define DELETED_PART "0.5"

finops_code
fo_lake_patiently(fo_database *database, const char *sql, const fo_param *params, size_t n, fo_rows **ret,
                  finops_error **err)
{
    static const struct timespec pause = { .tv_nsec = PAUSE_NS };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = FINOPS_OK;

    for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
        finops_error_freep(&why);
        rc = ret ? fo_database_query(database, sql, params, n, ret, &why)
                 : fo_database_exec(database, sql, params, n, NULL, &why);
        if (rc != FINOPS_E_TRANSIENT || fo_cancelled(fo_database_cancel(database)))
            break;
        (void)nanosleep(&pause, NULL);
    }
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

/* ---- states ---- */

/* "1, 2, 3" of the states that go. */
static finops_code
states_that_go(fo_database *db, const fo_lake_maintain_options *o, fo_str *ret, size_t *ret_n,
               finops_error **err)
{
    int64_t age = o->expire_us > o->grace_us ? o->expire_us : o->grace_us;
    char before[FO_TIME_TEXT];
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    bool tags = false;
    finops_code rc = fo_lake_has_tags(db, &tags, err);

    fo_str_addf(&sql,
                "SELECT snapshot_id FROM (SELECT snapshot_id, snapshot_time, row_number() OVER (ORDER BY "
                "snapshot_id DESC) AS n FROM ducklake_snapshots(current_database())) WHERE n > %" PRId64
                " AND snapshot_time < '%s'::TIMESTAMPTZ AND snapshot_id NOT IN (%s) ORDER BY 1",
                o->keep > 1 ? o->keep : 1, fo_time_format(fo_clock_now() - age, before),
                fo_lake_tagged_sql(tags));
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_query(db, fo_str_z(&sql), NULL, 0, &rows, err);
    *ret_n = rc == FINOPS_OK ? fo_rows_count(rows) : 0;
    for (size_t i = 0; i < *ret_n; i++)
        fo_str_addf(ret, "%s%s", i ? ", " : "", fo_rows_text(rows, i, 0));
    return rc == FINOPS_OK ? fo_str_check(ret, err) : rc;
}

static finops_code
expire(fo_database *db, const fo_lake_maintain_options *o, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str states = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *gone = NULL;
    size_t n = 0;

    if (o->expire_us < 0 && o->keep < 0)
        return FINOPS_OK;
    finops_code rc = states_that_go(db, o, &states, &n, err);
    if (rc == FINOPS_OK && n > 0 && !o->dry_run) {
        fo_str_addf(&sql,
                    "SELECT count(*) FROM ducklake_expire_snapshots(current_database(), versions => [%s])",
                    fo_str_z(&states));
        rc = fo_str_check(&sql, err);
        if (rc == FINOPS_OK)
            rc = fo_lake_patiently(db, fo_str_z(&sql), NULL, 0, &gone, err);
    }
    if (rc == FINOPS_OK)
        o->each(&(fo_lake_step){ "expire states", NULL, (int64_t)n, -1, -1, -1, -1 }, o->arg);
    return rc;
}

/* ---- files ---- */

typedef struct order {
    const char *step;
    const char *sql;   /* schema, table, rows, files before, files after */
    const char *maybe; /* the same, of what a look into the catalog finds */
} order;

static const order orders[] = {
    { "flush rows",
      "SELECT schema_name, table_name, rows_flushed, NULL, NULL FROM "
      "ducklake_flush_inlined_data(current_database())",
      NULL },
    { "rewrite files",
      "SELECT schema_name, table_name, NULL, files_processed, files_created FROM "
      "ducklake_rewrite_data_files(current_database(), delete_threshold => " DELETED_PART ")",
      "SELECT s.schema_name, t.table_name, NULL, count(*), NULL FROM " FO_LAKE_CATALOG
      "ducklake_data_file f JOIN " FO_LAKE_CATALOG
      "ducklake_delete_file d ON d.data_file_id = f.data_file_id AND d.end_snapshot IS NULL "
      "JOIN " FO_LAKE_CATALOG
      "ducklake_table t ON t.table_id = f.table_id AND t.end_snapshot IS NULL JOIN " FO_LAKE_CATALOG
      "ducklake_schema s ON s.schema_id = t.schema_id WHERE f.end_snapshot IS NULL AND d.delete_count >= "
      "f.record_count * " DELETED_PART " GROUP BY 1, 2 ORDER BY 1, 2" },
    { "merge files",
      "SELECT schema_name, table_name, NULL, files_processed, files_created FROM "
      "ducklake_merge_adjacent_files(current_database())",
      NULL },
};

/* Tables are made and dropped while this is at work, and rows deleted: who loses tries again. */
static finops_code
put_in_order(fo_database *db, const order *what, const fo_lake_maintain_options *o, finops_error **err)
{
    const char *sql = o->dry_run ? what->maybe : what->sql;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = sql ? fo_lake_patiently(db, sql, NULL, 0, &rows, err) : FINOPS_OK;

    for (size_t i = 0; sql && rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        FO_AUTO(fo_freep)
        char *table = fo_format("%s.%s", fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1));
        fo_lake_step step = { what->step, table, -1, -1, -1, -1, -1 };

        if (!table)
            return fo_error_oom(err);
        if (fo_rows_text(rows, i, 2))
            step.rows = fo_rows_int(rows, i, 2);
        if (fo_rows_text(rows, i, 3))
            step.files_removed = fo_rows_int(rows, i, 3);
        if (fo_rows_text(rows, i, 4))
            step.files_written = fo_rows_int(rows, i, 4);
        o->each(&step, o->arg);
    }
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "%s", what->step);
}

/*
 * Only when no other process has the lake open: the extension (1.5.5) drops places of rows in the catalog
 * that others know of, which then fail, and an importer beside whom files are merged or written anew may
 * crash.
 */
static finops_code
files(fo_database *db, const fo_lake_maintain_options *o, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (!o->alone) {
        o->each(&(fo_lake_step){ "leave files: not alone", NULL, -1, -1, -1, -1, -1 }, o->arg);
        return rc;
    }
    for (size_t i = 0; rc == FINOPS_OK && i < FO_COUNT(orders); i++)
        rc = put_in_order(db, &orders[i], o, err);
    return rc;
}

finops_code
fo_lake_maintain(fo_database *database, const fo_lake_maintain_options *options, finops_error **err)
{
    assert(database && options && options->each);
    finops_code rc = fo_database_lock(database, FO_LAKE_STATES_LOCK, 0, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = expire(database, options, err);
    if (rc == FINOPS_OK)
        rc = files(database, options, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_remove_files(database, fo_clock_now() - options->grace_us, options->dry_run,
                                  options->each, options->arg, err);
    fo_database_unlock(database, FO_LAKE_STATES_LOCK);
    return rc;
}
