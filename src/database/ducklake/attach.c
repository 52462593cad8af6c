/* Attaching a lake to an engine. https://ducklake.select/docs/stable/duckdb/usage/connecting */
#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "database/ducklake/lake.h"

/* A setting of the lake, as it is kept in its catalog. */
typedef struct lake_option {
    const char *name;
    const char *value;
} lake_option;

static finops_code
load_extensions(fo_engine *engine, const fo_lake_plan *plan, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (plan->encrypted) /* brings the cipher that may write */
        rc = fo_engine_load_extension(engine, "httpfs", err);
    if (rc == FINOPS_OK && plan->remote)
        rc = fo_engine_load_extension(engine, fo_lake_remote_extension(plan->remote), err);
    if (rc == FINOPS_OK && plan->catalog == FO_LAKE_SQLITE)
        rc = fo_engine_load_extension(engine, "sqlite_scanner", err);
    if (rc == FINOPS_OK && plan->catalog == FO_LAKE_POSTGRESQL)
        rc = fo_engine_load_extension(engine, "postgres_scanner", err);
    if (rc == FINOPS_OK)
        rc = fo_engine_load_extension(engine, "ducklake", err);
    if (rc != FINOPS_OK && err)
        fo_error_hint(err,
                      "install the extensions of this version of finops again, or keep the bills in a DuckDB "
                      "file: --backend duckdb");
    return rc;
}

/* Whether there is no lake yet; of a server only the catalog can tell, and does. */
static bool
is_new(const fo_lake_plan *plan)
{
    return plan->catalog != FO_LAKE_POSTGRESQL && access(plan->address, F_OK) != 0;
}

static void
attach_sql(const fo_lake_plan *plan, bool read_only, fo_str *sql)
{
    static const char *const schemes[] = { "ducklake:", "ducklake:sqlite:", "ducklake:postgres:" };
    FO_AUTO(fo_str_done) fo_str address = FO_STR_INIT;
    bool fresh = is_new(plan) && !fo_lake_is_past(plan);
    const char *between = " (";

    fo_str_addf(&address, "%s%s", schemes[plan->catalog], plan->address);
    fo_str_add(sql, "ATTACH ");
    fo_sql_literal(sql, fo_str_z(&address));
    fo_str_add(sql, " AS " FO_LAKE);
    /* A lake that is there knows where its files are. */
    if (fresh || plan->data_told || plan->catalog == FO_LAKE_POSTGRESQL) {
        fo_str_addf(sql, "%sDATA_PATH ", between);
        fo_sql_literal(sql, plan->data_path);
        between = ", ";
    }
    if (fresh && plan->encrypted) {
        fo_str_addf(sql, "%sENCRYPTED", between);
        between = ", ";
    }
    if (read_only || fo_lake_is_past(plan)) {
        fo_str_addf(sql, "%sREAD_ONLY", between);
        between = ", ";
    }
    if (plan->version >= 0)
        fo_str_addf(sql, ", SNAPSHOT_VERSION %lld", (long long)plan->version);
    else if (*plan->time)
        fo_str_addf(sql, ", SNAPSHOT_TIME '%s'", plan->time);
    if (between[0] == ',')
        fo_str_addc(sql, ')');
    if (!fo_str_ok(&address))
        sql->failed = true;
}

/* Said again only where it changed: each time it is said is written into the catalog. */
static finops_code
set_option(fo_conn *conn, const fo_rows *had, const lake_option *option, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    for (size_t i = 0; i < fo_rows_count(had); i++)
        if (fo_streq(fo_rows_text(had, i, 0), option->name) &&
            fo_streq(fo_rows_text(had, i, 1), option->value))
            return FINOPS_OK;
    fo_str_add(&sql, "CALL " FO_LAKE ".set_option(");
    fo_sql_literal(&sql, option->name);
    fo_str_add(&sql, ", ");
    fo_sql_literal(&sql, option->value);
    fo_str_addc(&sql, ')');
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_exec(conn, fo_str_z(&sql), err) : rc;
}

/* A lake is encrypted or not from its first day on. What may write its files has to be loaded in time. */
static finops_code
check_encryption(fo_engine *engine, const fo_lake_plan *plan, const fo_rows *had, finops_error **err)
{
    for (size_t i = 0; i < fo_rows_count(had); i++) {
        if (!fo_streq(fo_rows_text(had, i, 0), "encrypted"))
            continue;
        if (fo_streq(fo_rows_text(had, i, 1), "true"))
            return fo_engine_load_extension(engine, "httpfs", err);
        if (!plan->encrypted)
            return FINOPS_OK;
        (void)fo_error_set(err, FINOPS_E_CONFIG, "enable_encryption: the lake is there and is not encrypted");
        fo_error_hint(err, "an encrypted lake is a new one: name another catalog and another data_path");
        return FINOPS_E_CONFIG;
    }
    return FINOPS_OK;
}

/* Writers that meet try again at once and often; a loser of ten rounds, as it is set by itself, has not lost.
 */
static const char patience_sql[] =
    "SET GLOBAL ducklake_retry_wait_ms = 10; SET GLOBAL ducklake_retry_backoff = 1.1; "
    "SET GLOBAL ducklake_max_retry_count = 60";

/*
 * No rows of bills in the catalog: when states expire the extension (1.5.5) drops the places of rows of
 * altered tables there, and every process that knows the table from before fails from then on. Tables that
 * are never altered may: see database/state.c.
 */
static const lake_option no_rows_in_catalog = { "data_inlining_row_limit", "0" };

/*
 * Each thread that writes a table in partitions keeps so many rows in memory, 524,288 as the engine sets it
 * by itself. With a row group's worth a month takes a fraction of that. Many partitions at once, as accounts
 * are, would come in row groups of a few rows each: there it stays as it is.
 */
static finops_code
set_patience(fo_conn *conn, const fo_lake_plan *plan, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, patience_sql);
    if (!plan->many_partitions)
        fo_str_addf(&sql, "; SET GLOBAL partitioned_write_flush_threshold = %lld",
                    (long long)plan->chunk_size);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_conn_exec(conn, fo_str_z(&sql), err) : rc;
}

static finops_code
set_options(fo_engine *engine, fo_conn *conn, const fo_lake_plan *plan, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *had = NULL;
    FO_AUTO(fo_freep) char *rows = fo_format("%lld", (long long)plan->chunk_size);
    const lake_option options[] = { { "parquet_compression", plan->compression },
                                    { "parquet_row_group_size", rows },
                                    no_rows_in_catalog };
    finops_code rc = rows ? FINOPS_OK : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = fo_conn_rows(conn, "SELECT option_name, value FROM " FO_LAKE ".options() WHERE scope = 'GLOBAL'",
                          NULL, 0, &had, err);
    if (rc == FINOPS_OK)
        rc = check_encryption(engine, plan, had, err);
    for (size_t i = 0; rc == FINOPS_OK && i < FO_COUNT(options); i++)
        rc = set_option(conn, had, &options[i], err);
    return rc;
}

/* The address of a server may hold a password, and the engine repeats the statement it was given. */
static finops_code
hide_address(const fo_lake_plan *plan, finops_code rc, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *whole = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    size_t n = strlen(plan->address);
    const char *from, *at;

    if (rc == FINOPS_OK || plan->catalog != FO_LAKE_POSTGRESQL || !err || !*err)
        return rc;
    whole = FO_TAKE(*err);
    from = finops_error_text(whole);
    while ((at = strstr(from, plan->address))) {
        fo_str_addn(&text, from, (size_t)(at - from));
        fo_str_add(&text, "(catalog)");
        from = at + n;
    }
    fo_str_add(&text, from);
    (void)fo_error_set(err, rc, "%s", fo_str_ok(&text) ? fo_str_z(&text) : "the catalog cannot be attached");
    fo_error_hint(err, "see [database.ducklake] catalog");
    return rc;
}

static finops_code
attach(fo_engine *engine, fo_conn *conn, const fo_lake_plan *plan, bool read_only, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    fo_lake_lock *lock = NULL;
    finops_code rc = FINOPS_OK;

    if (fo_lake_is_past(plan) && is_new(plan))
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "there is no lake %s yet", plan->address);
    if (plan->catalog != FO_LAKE_POSTGRESQL)
        rc = fo_mkdirs_for(plan->address, err);
    if (rc == FINOPS_OK && plan->catalog != FO_LAKE_DUCKDB && !fo_lake_is_past(plan))
        rc = fo_lake_catalog_lock(plan, &lock, err);
    attach_sql(plan, read_only, &sql);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = hide_address(plan, fo_conn_exec(conn, fo_str_z(&sql), err), err);
    if (rc == FINOPS_OK)
        rc = set_patience(conn, plan, err);
    if (rc == FINOPS_OK && !read_only && !fo_lake_is_past(plan))
        rc = set_options(engine, conn, plan, err);
    fo_lake_catalog_unlock(lock);
    return rc;
}

finops_code
fo_lake_attach(fo_engine *engine, bool read_only, const fo_instance_plan *plan, finops_error **err)
{
    const fo_lake_plan *lake = (const fo_lake_plan *)plan;
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    finops_code rc = load_extensions(engine, lake, err);

    if (rc == FINOPS_OK)
        rc = fo_conn_open(engine, &conn, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_remote_tell(lake->remote, conn, NULL, err);
    if (rc == FINOPS_OK)
        rc = attach(engine, conn, lake, read_only, err);
    return rc == FINOPS_OK ? fo_engine_set_home(engine, FO_LAKE, err) : rc;
}
