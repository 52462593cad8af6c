/*
 * The front door: a driver with its configuration becomes a database with a pool. What a driver leaves out is
 * in session.c and partition.c, how connections are kept in pool.c.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "database/front_internal.h"
#include "resilience/deadline.h"

#define MICROS 1000000LL
#define AUDIT_END_US (10 * MICROS)

void
finops_database_closep(finops_database **database)
{
    finops_database_close(*database);
    *database = NULL;
}

static void
database_free(finops_database *database)
{
    if (!database)
        return;
    fo_pool_free(database->pool);
    fo_breaker_done(&database->breaker);
    (void)pthread_mutex_destroy(&database->health_lock);
    fo_audit_close(database->audit);
    fo_audit_table_free(database->audit_table);
    database->driver->close(database->self);
    fo_registry_release_driver(database->token);
    fo_free(database);
}

finops_code
fo_front_open(const finops_database_driver *driver, fo_driver_token *token, const void *config,
              const fo_front_options *options, finops_database **ret, finops_error **err)
{
    const fo_front_options o = options ? *options : (fo_front_options){ 0 };
    finops_database *database = fo_zalloc(sizeof(*database));
    finops_code rc;

    assert(driver && ret);

    if (!database)
        return fo_error_oom(err);
    database->driver = driver;
    atomic_init(&database->refs, 1);
    fo_breaker_init(&database->breaker, &o.breaker);
    fo_retry_budget_init(&database->budget);
    (void)pthread_mutex_init(&database->health_lock, NULL);
    rc = driver->open(config, &database->self, err);
    if (rc == FINOPS_OK)
        rc = fo_pool_new(database, &o.pool, &database->pool, err);
    if (rc == FINOPS_OK && o.audit_file)
        rc = fo_audit_open(o.audit_file, &database->audit, err);
    if (rc == FINOPS_OK && o.audit_table)
        rc = fo_audit_table_new(o.audit_table, &database->audit_table, err);
    if (rc != FINOPS_OK) {
        database_free(database);
        return rc;
    }
    driver->capabilities(database->self, &database->capabilities);
    database->token = token;
    *ret = database;
    return FINOPS_OK;
}

void
fo_front_ref(finops_database *database)
{
    (void)atomic_fetch_add_explicit(&database->refs, 1, memory_order_relaxed);
}

void
fo_front_unref(finops_database *database)
{
    if (atomic_fetch_sub_explicit(&database->refs, 1, memory_order_acq_rel) == 1)
        database_free(database);
}

finops_code
finops_database_open(finops_registry *registry, const char *backend, const finops_setting *settings,
                     size_t n_settings, const finops_pool_options *pool, finops_database **ret,
                     finops_error **err)
{
    const finops_database_driver *driver;
    fo_driver_token *token;
    fo_front_options options = { 0 };
    void *config;
    finops_code rc;

    if (!registry || !backend || (!settings && n_settings) || !ret)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a database needs a registry and the name of a backend");
    rc = fo_registry_acquire_driver(registry, backend, &driver, &token, err);
    if (rc != FINOPS_OK)
        return rc;
    if (pool)
        options.pool = *pool;
    config = fo_zalloc(driver->config_size ? driver->config_size : 1);
    rc = config ? fo_option_fill(driver->options, driver->name, settings, n_settings, config, err)
                : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = fo_front_open(driver, token, config, &options, ret, err);
    if (config && driver->options)
        fo_option_clear(driver->options, config);
    fo_free(config);
    if (rc != FINOPS_OK)
        fo_registry_release_driver(token); /* last: the option table may be a plugin's */
    return rc;
}

/* Settings that were not filled from their tables are zero: the defaults. */
static fo_front_options
options_of(const fo_settings *settings)
{
    const fo_connection_settings *c = &settings->connections;

    return (fo_front_options){
        .pool = { .max = (unsigned)c->max,
                  .max_idle = (unsigned)c->max_idle,
                  .max_lifetime_us = c->max_lifetime * MICROS,
                  .acquire_us = c->acquire_timeout * MICROS },
        .breaker = { .failures = (unsigned)c->breaker_failures, .pause_us = c->breaker_pause * MICROS },
        .audit_file = settings->audit.file,
        .audit_table = settings->audit.table,
    };
}

void
fo_monitor_settings(const fo_settings *settings, finops_monitor_options *ret)
{
    ret->interval_us = settings->connections.health_interval * MICROS;
    ret->error_interval_us = settings->connections.health_interval_error * MICROS;
}

finops_code
fo_database_open_settings(finops_registry *registry, const fo_settings *settings, const char *backend,
                          finops_database **ret, finops_error **err)
{
    const fo_front_options options = options_of(settings);
    const finops_database_driver *driver;
    fo_driver_token *token;
    void *config = NULL;
    finops_code rc;

    assert(registry && settings && ret);

    if (!backend)
        backend = settings->database.backend;
    rc = fo_registry_acquire_driver(registry, backend, &driver, &token, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_config_backend(settings, backend, driver->options, driver->config_size, &config, err);
    if (rc == FINOPS_OK) {
        rc = fo_front_open(driver, token, config, &options, ret, err);
        fo_config_backend_free(driver->options, config);
    }
    if (rc != FINOPS_OK)
        fo_registry_release_driver(token);
    return rc;
}

/* What a lost connection could not write any more, another one may. */
static void
audit_end(finops_database *database)
{
    const finops_call call = { .deadline_us = fo_deadline_in(AUDIT_END_US) };
    finops_session *session;

    if (!database->audit_table || !fo_audit_table_waiting(database->audit_table) ||
        finops_session_acquire(database, 0, &call, &session, NULL) != FINOPS_OK)
        return;
    fo_record_flush(session);
    finops_session_release(session);
}

void
finops_database_close(finops_database *database)
{
    if (!database)
        return;
    fo_monitor_stop(database);
    audit_end(database);
    fo_pool_close(database->pool);
    fo_front_unref(database);
}

const char *
finops_database_backend(const finops_database *database)
{
    return database ? database->driver->name : "";
}

void
finops_database_capabilities(const finops_database *database, finops_capabilities *ret)
{
    if (database && ret)
        *ret = database->capabilities;
}

void
finops_database_pool(const finops_database *database, finops_pool_figures *ret)
{
    if (database && ret)
        fo_pool_figures(database->pool, ret);
}

const char *
fo_database_breaker(finops_database *database)
{
    return fo_breaker_state_name(fo_breaker_state_now(&database->breaker));
}

finops_code
fo_front_unsupported(const finops_database *database, const char *what, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s not supported by %s", what, database->driver->name);
}

void
fo_front_ident(const finops_capabilities *c, const char *name, fo_str *ret)
{
    char quote = c->quote ? c->quote : '"';

    fo_str_addc(ret, quote);
    for (const char *p = name; *p; p++) {
        if (*p == quote)
            fo_str_addc(ret, quote);
        fo_str_addc(ret, *p);
    }
    fo_str_addc(ret, quote);
}

void
fo_front_table(const finops_capabilities *c, const char *schema, const char *table, fo_str *ret)
{
    FO_AUTO(fo_str_done) fo_str flat = FO_STR_INIT;

    if (schema && !(c->features & FINOPS_DATABASE_SCHEMAS)) {
        fo_str_addf(&flat, "%s__%s", schema, table);
        ret->failed |= flat.failed;
        fo_front_ident(c, fo_str_z(&flat), ret);
        return;
    }
    if (schema) {
        fo_front_ident(c, schema, ret);
        fo_str_addc(ret, '.');
    }
    fo_front_ident(c, table, ret);
}
