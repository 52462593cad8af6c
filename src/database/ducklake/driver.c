/* The driver of DuckLake: what differs from a DuckDB file is how the engine comes to its tables. */
#include "database/ducklake/driver.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "config/config.h"
#include "database/ducklake/lake.h"

#define FEATURES                                                                                             \
    (FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_READS_FILES | FINOPS_DATABASE_NESTED |                   \
     FINOPS_DATABASE_SCHEMAS | FINOPS_DATABASE_EXACT_DECIMALS | FINOPS_DATABASE_TIME_TRAVEL |                \
     FINOPS_DATABASE_NO_KEYS)

/* The extension that reaches PostgreSQL asks for secrets that were kept, and fails where that is switched
 * off: it is shown a folder that is not there. */
#define NO_SECRETS "/nonexistent/finops"

static void
lake_close(void *self)
{
    fo_lake *lake = self;

    if (!lake)
        return;
    fo_lake_locks_done(lake);
    fo_duckdb_done(&lake->base);
    fo_free(lake->plan.address);
    fo_free(lake->plan.data_path);
    fo_free(lake->plan.names_path);
    fo_lake_remote_free(lake->plan.remote);
    fo_free(lake->plan.compression);
    fo_free(lake->partition_strategy);
    fo_free(lake);
}

static finops_code
lake_catalog(const char *text, fo_lake_catalog *ret, finops_error **err)
{
    if (fo_streq(text, "duckdb"))
        *ret = FO_LAKE_DUCKDB;
    else if (fo_streq(text, "sqlite"))
        *ret = FO_LAKE_SQLITE;
    else if (fo_starts(text, "postgresql://") || fo_starts(text, "postgres://"))
        *ret = FO_LAKE_POSTGRESQL;
    else
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "catalog: expected duckdb, sqlite or postgresql://user@host/database");
    return FINOPS_OK;
}

/* The folder of the files, absolute: the catalog keeps it, and is opened from other folders, too. */
static finops_code
lake_data_path(const fo_ducklake_settings *settings, const char *catalog_path, char **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *folder = NULL;

    if (!settings->data_path)
        folder = fo_format("%s.files", catalog_path);
    else if (fo_lake_is_remote(settings->data_path))
        folder = fo_strdup(settings->data_path);
    else
        folder = fo_path_absolute(settings->data_path);
    if (folder)
        *ret = fo_format("%s%s", folder, fo_ends(folder, "/") ? "" : "/");
    return folder && *ret ? FINOPS_OK : fo_error_oom(err);
}

/* "data/finops.ducklake" -> "data/finops-ducklake.duckdb" */
static char *
lake_names_path(const fo_ducklake_settings *settings, const char *catalog_path)
{
    static const char ending[] = ".ducklake";
    size_t n = strlen(catalog_path) - (fo_ends(catalog_path, ending) ? sizeof(ending) - 1 : 0);

    if (settings->duckdb_path)
        return *settings->duckdb_path ? fo_path_absolute(settings->duckdb_path) : fo_strdup("");
    return fo_format("%.*s-ducklake.duckdb", (int)n, catalog_path);
}

/* A date is the end of that day. */
static finops_code
lake_moment(const fo_ducklake_settings *settings, fo_lake_plan *plan, finops_error **err)
{
    const char *text = settings->snapshot_time;
    int64_t micros;

    plan->version = settings->snapshot_version;
    if (!text)
        return FINOPS_OK;
    if (plan->version >= 0)
        return fo_error_set(err, FINOPS_E_CONFIG, "snapshot_version and snapshot_time cannot both be set");
    if (!fo_time_parse_until(text, strlen(text), &micros))
        return fo_error_set(
            err, FINOPS_E_CONFIG,
            "snapshot_time: expected a time such as 2026-11-03 or 2026-11-03T12:00:00Z, found \"%.40s\"",
            settings->snapshot_time);
    fo_time_format(micros, plan->time);
    return FINOPS_OK;
}

static finops_code
lake_remote(const fo_ducklake_settings *settings, fo_lake_plan *plan, finops_error **err)
{
    finops_code rc = fo_lake_remote_new(settings, plan->data_path, &plan->remote, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_free(plan->data_path);
    plan->data_path = fo_strdup(fo_lake_remote_path(plan->remote));
    return plan->data_path ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
lake_plan(fo_lake *lake, const fo_ducklake_settings *settings, finops_error **err)
{
    fo_lake_plan *plan = &lake->plan;
    FO_AUTO(fo_freep) char *path = NULL;
    finops_code rc = lake_catalog(settings->catalog ? settings->catalog : "duckdb", &plan->catalog, err);

    if (rc == FINOPS_OK)
        rc = fo_instance_path(lake->base.settings.database_path, &path, err);
    if (rc == FINOPS_OK)
        rc = lake_data_path(settings, path, &plan->data_path, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_lake_is_remote(plan->data_path))
        rc = lake_remote(settings, plan, err);
    if (rc != FINOPS_OK)
        return rc;
    plan->names_path = lake_names_path(settings, path);
    plan->address =
        plan->catalog == FO_LAKE_POSTGRESQL ? fo_lake_named_address(settings->catalog) : FO_TAKE(path);
    plan->compression = fo_strdup(settings->compression ? settings->compression : "zstd");
    lake->partition_strategy =
        fo_strdup(settings->partition_strategy ? settings->partition_strategy : "monthly");
    if (!plan->address || !plan->compression || !plan->names_path || !lake->partition_strategy)
        return fo_error_oom(err);
    rc = lake_moment(settings, plan, err);
    if (rc != FINOPS_OK)
        return rc;
    plan->data_told = settings->data_path != NULL;
    plan->encrypted = settings->enable_encryption;
    plan->many_partitions = fo_streq(lake->partition_strategy, "account");
    plan->chunk_size = settings->chunk_size;
    plan->claim_timeout = settings->claim_timeout;
    plan->base = (fo_instance_plan){ .set_up = fo_lake_attach,
                                     .checkpoint = "CHECKPOINT __ducklake_metadata_" FO_LAKE,
                                     .section = "database.ducklake" };
    if (plan->catalog == FO_LAKE_POSTGRESQL)
        plan->base.secret_directory = NO_SECRETS;
    return FINOPS_OK;
}

static finops_code
lake_open(const void *config, void **ret_self, finops_error **err)
{
    const fo_ducklake_settings *settings = config;
    fo_lake *lake = fo_zalloc(sizeof(*lake));

    assert(settings && ret_self);
    if (!lake)
        return fo_error_oom(err);
    fo_lake_locks_init(lake);
    const fo_duckdb_settings engine = { .database_path = settings->database_path,
                                        .memory_limit = settings->memory_limit,
                                        .threads = settings->threads,
                                        .temp_directory = settings->temp_directory,
                                        .lock_timeout = settings->lock_timeout };
    finops_code rc = fo_duckdb_init(&lake->base, &engine, err);
    if (rc == FINOPS_OK)
        rc = lake_plan(lake, settings, err);
    lake->base.plan = &lake->plan.base;
    lake->base.product = "DuckLake on DuckDB";
    lake->base.in_memory = lake->plan.catalog != FO_LAKE_DUCKDB || fo_lake_is_past(&lake->plan);
    if (rc == FINOPS_OK)
        *ret_self = lake;
    else
        lake_close(lake);
    return rc;
}

static void
lake_capabilities(void *self, finops_capabilities *ret)
{
    const fo_lake *lake = self;

    *ret = (finops_capabilities){ .features = FEATURES,
                                  .dialect = FINOPS_DIALECT_DUCKDB,
                                  .max_precision = 38,
                                  .max_parameters = 65535,
                                  .quote = '"' };
    if (lake && lake->plan.catalog == FO_LAKE_POSTGRESQL)
        ret->features |= FINOPS_DATABASE_CONCURRENT_WRITERS;
}

/* What changes tables, as load.c says why. */
static bool
changes_tables(const char *sql)
{
    static const char *const words[] = { "create", "alter", "drop" };

    sql += strspn(sql, " \t\r\n(");
    for (size_t i = 0; i < FO_COUNT(words); i++)
        if (strncasecmp(sql, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

static finops_code
lake_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn, finops_error **err)
{
    const fo_lake *lake = self;

    if (fo_lake_is_past(&lake->plan) && !(flags & FINOPS_CONNECT_READ_ONLY))
        return fo_error_set(err, FINOPS_E_USAGE, "a past state of a lake can only be read");
    return fo_duckdb_connect(self, flags, call, ret_conn, err);
}

static finops_code
lake_execute(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
             int64_t *ret_changed, finops_error **err)
{
    const fo_duckdb_link *c = conn;

    if (c->transaction && changes_tables(statement->sql))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "tables and views of a lake are not changed inside of a transaction");
    finops_code rc = fo_lake_remote_tell(((const fo_lake *)c->database)->plan.remote, fo_link_conn(c->link),
                                         statement->call, err);
    if (rc != FINOPS_OK)
        return rc;
    if (changes_tables(statement->sql))
        atomic_store(&((fo_lake *)c->database)->renamed, true);
    return fo_duckdb_execute(conn, statement, ret_stream, ret_changed, err);
}

/* The last of a run writes the names: until then more of them may come. */
static void
lake_disconnect(void *conn)
{
    fo_duckdb_link *c = conn;
    fo_lake *lake = c ? (fo_lake *)c->database : NULL;
    fo_conn *writer = c && !c->read_only ? fo_link_conn(c->link) : NULL;

    if (writer && *lake->plan.names_path && !c->transaction && atomic_exchange(&lake->renamed, false))
        fo_lake_write_names(writer, lake->plan.names_path);
    fo_lake_disconnect(conn);
}

const finops_database_driver fo_ducklake_driver = {
    .abi = FINOPS_DATABASE_ABI,
    .size = sizeof(finops_database_driver),
    .name = "ducklake",
    .version = FINOPS_VERSION,
    .summary =
        "Open Parquet files and a catalog of their states: time travel, and many machines on one lake.",
    .options = fo_ducklake_options,
    .config_size = sizeof(fo_ducklake_settings),
    .open = lake_open,
    .close = lake_close,
    .capabilities = lake_capabilities,
    .connect = lake_connect,
    .disconnect = lake_disconnect,
    .execute = lake_execute,
    .write = fo_lake_write,
    .columns = fo_duckdb_columns,
    .tables = fo_duckdb_tables,
    .begin = fo_duckdb_begin,
    .commit = fo_duckdb_commit,
    .rollback = fo_duckdb_rollback,
    .is_alive = fo_duckdb_is_alive,
    .cancel = fo_duckdb_cancel,
    .replace_partition = fo_lake_replace,
    .health = fo_duckdb_health,
    .lock = fo_lake_lock_take,
    .unlock = fo_lake_lock_release,
    .stage = fo_lake_stage,
    .unstage = fo_lake_unstage,
};
