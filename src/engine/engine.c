/* Opening and closing the embedded database. */
#include "engine/engine_internal.h"

#include <assert.h>

#include "base/mem.h"

/* A setting of the database by its name, and its value. */
static bool
set(duckdb_config config, const char *name, const char *value)
{
    return duckdb_set_config(config, name, value) == DuckDBSuccess;
}

/*
 * Nothing is ever downloaded, unsigned extensions stay refused (the default), secrets live as long as the
 * process.
 */
static bool
set_always(duckdb_config config)
{
    return set(config, "autoinstall_known_extensions", "false") &&
           set(config, "autoload_known_extensions", "false") &&
           set(config, "allow_community_extensions", "false") && set(config, "errors_as_json", "false") &&
           set(config, "custom_user_agent", "finops/" FINOPS_VERSION);
}

static finops_code
set_options(duckdb_config config, const fo_engine_options *options, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str memory = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str threads = FO_STR_INIT;
    bool ok = set_always(config);

    fo_str_addf(&memory, "%llu B", (unsigned long long)options->memory_limit);
    fo_str_addf(&threads, "%u", options->threads);
    if (!fo_str_ok(&memory) || !fo_str_ok(&threads))
        return fo_error_oom(err);
    ok = ok && set(config, "allow_persistent_secrets", options->secret_directory ? "true" : "false");
    if (options->secret_directory)
        ok = ok && set(config, "secret_directory", options->secret_directory);
    if (options->read_only)
        ok = ok && set(config, "access_mode", "READ_ONLY");
    if (options->memory_limit)
        ok = ok && set(config, "memory_limit", memory.data);
    if (options->threads)
        ok = ok && set(config, "threads", threads.data);
    if (options->temp_directory)
        ok = ok && set(config, "temp_directory", options->temp_directory);
    return ok ? FINOPS_OK
              : fo_error_set(err, FINOPS_E_INTERNAL, "the engine does not know one of its settings");
}

static finops_code
open_database(fo_engine *engine, const fo_engine_options *options, finops_error **err)
{
    duckdb_config config = NULL;
    char *text = NULL;
    finops_code rc;

    if (duckdb_create_config(&config) != DuckDBSuccess)
        return fo_error_oom(err);
    rc = set_options(config, options, err);
    if (rc == FINOPS_OK && duckdb_open_ext(options->path, &engine->db, config, &text) != DuckDBSuccess) {
        rc = fo_engine_error(err, DUCKDB_ERROR_INVALID, text);
        rc = fo_error_wrap(err, rc, "open database %s", options->path ? options->path : "in memory");
    }
    duckdb_free(text);
    duckdb_destroy_config(&config);
    return rc;
}

/* What every connection shares and the configuration above cannot say. */
static finops_code
set_up(fo_engine *engine, finops_error **err)
{
    duckdb_connection conn = NULL;
    duckdb_result result = { 0 };
    finops_code rc = FINOPS_OK;

    if (duckdb_connect(engine->db, &conn) != DuckDBSuccess)
        return fo_error_set(err, FINOPS_E_DATABASE, "the engine refuses a connection");
    if (duckdb_query(conn, "SET GLOBAL TimeZone = 'UTC'", &result) != DuckDBSuccess)
        rc = fo_engine_error_result(err, &result);
    duckdb_destroy_result(&result);
    if (rc == FINOPS_OK)
        rc = fo_csv_register(engine, conn, err);
    if (rc == FINOPS_OK)
        rc = fo_exact_register(engine, conn, err);
    if (rc == FINOPS_OK)
        rc = fo_keys_register(engine, conn, err);
    duckdb_disconnect(&conn);
    return rc;
}

finops_code
fo_engine_open(const fo_engine_options *options, fo_engine **ret, finops_error **err)
{
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    finops_code rc;

    assert(options && ret);
    engine = fo_zalloc(sizeof(*engine));
    if (!engine)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&engine->lock, NULL);
    (void)pthread_mutex_init(&engine->conns_lock, NULL);
    rc = open_database(engine, options, err);
    if (rc == FINOPS_OK)
        rc = set_up(engine, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = FO_TAKE(engine);
    return FINOPS_OK;
}

finops_code
fo_engine_set_home(fo_engine *engine, const char *database, finops_error **err)
{
    char *home = fo_strdup(database);

    if (!home)
        return fo_error_oom(err);
    fo_free(engine->home);
    engine->home = home;
    return FINOPS_OK;
}

void
fo_engine_close(fo_engine *engine)
{
    if (!engine)
        return;
    assert(!engine->conns);
    duckdb_close(&engine->db);
    (void)pthread_mutex_destroy(&engine->lock);
    (void)pthread_mutex_destroy(&engine->conns_lock);
    fo_free(engine->home);
    fo_free(engine);
}

void
fo_engine_closep(fo_engine **engine)
{
    fo_engine_close(*engine);
    *engine = NULL;
}
