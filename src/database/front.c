/*
 * The front door: a driver with its configuration becomes a database with a pool. What a driver leaves out is
 * in session.c and partition.c, how connections are kept in pool.c.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/config_internal.h"
#include "database/front_internal.h"
#include "resilience/deadline.h"

/* The registry is being written: a program linked without it must still link. */
extern __typeof__(fo_registry_acquire_driver) fo_registry_acquire_driver __attribute__((weak));
extern __typeof__(fo_registry_release_driver) fo_registry_release_driver __attribute__((weak));

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
    database->driver->close(database->self);
    if (database->token)
        fo_registry_release_driver(database->token);
    fo_free(database);
}

finops_code
fo_front_open(const finops_database_driver *driver, fo_driver_token *token, const void *config,
              const finops_pool_options *pool, finops_database **ret, finops_error **err)
{
    finops_database *database = fo_zalloc(sizeof(*database));
    finops_code rc;

    assert(driver && ret);

    if (!database) {
        if (token)
            fo_registry_release_driver(token);
        return fo_error_oom(err);
    }
    database->driver = driver;
    database->token = token;
    atomic_init(&database->refs, 1);
    rc = driver->open(config, &database->self, err);
    if (rc == FINOPS_OK)
        rc = fo_pool_new(database, pool, &database->pool, err);
    if (rc != FINOPS_OK) {
        database_free(database);
        return rc;
    }
    driver->capabilities(database->self, &database->capabilities);
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

static finops_code
unknown_option(const finops_database_driver *driver, const char *name, finops_error **err)
{
    const char *words[256], *nearest;
    size_t n = 0;

    for (const finops_option *o = driver->options; o && o->name && n < FO_COUNT(words); o++)
        words[n++] = o->name;
    nearest = fo_nearest(name, words, n);
    (void)fo_error_set(err, FINOPS_E_CONFIG, "%s has no option %s", driver->name, name);
    if (nearest)
        fo_error_hint(err, "did you mean %s", nearest);
    return FINOPS_E_CONFIG;
}

static finops_code
config_set(const finops_database_driver *driver, void *config, const finops_setting *setting,
           finops_error **err)
{
    int row;
    finops_code rc;

    if (!setting->name || !setting->value)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a setting of %s has no name or no value", driver->name);
    row = driver->options ? fo_option_index(driver->options, setting->name) : -1;
    if (row < 0)
        return unknown_option(driver, setting->name, err);
    rc = fo_option_set(&driver->options[row], config, setting->value, err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "%s.%s", driver->name, setting->name);
}

/* What must be set and what must come together. */
static finops_code
config_check(const finops_database_driver *driver, const void *config, finops_error **err)
{
    for (const finops_option *o = driver->options; o && o->name; o++) {
        bool set = fo_option_is_set(o, config);
        int needed = set && o->needs ? fo_option_index(driver->options, o->needs) : -1;

        if (!set && (o->flags & FINOPS_OPT_REQUIRED))
            return fo_error_set(err, FINOPS_E_CONFIG, "%s.%s must be set", driver->name, o->name);
        if (needed >= 0 && !fo_option_is_set(&driver->options[needed], config))
            return fo_error_set(err, FINOPS_E_CONFIG, "%s.%s needs %s, which is not set", driver->name,
                                o->name, o->needs);
    }
    return FINOPS_OK;
}

static finops_code
config_fill(const finops_database_driver *driver, const finops_setting *settings, size_t n, void *config,
            finops_error **err)
{
    finops_code rc = driver->options ? fo_option_defaults(driver->options, config, err) : FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < n; i++)
        rc = config_set(driver, config, &settings[i], err);
    return rc == FINOPS_OK ? config_check(driver, config, err) : rc;
}

finops_code
finops_database_open(finops_registry *registry, const char *backend, const finops_setting *settings,
                     size_t n_settings, const finops_pool_options *pool, finops_database **ret,
                     finops_error **err)
{
    const finops_database_driver *driver;
    fo_driver_token *token;
    void *config;
    finops_code rc;

    if (!registry || !backend || (!settings && n_settings) || !ret)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a database needs a registry and the name of a backend");
    rc = fo_registry_acquire_driver(registry, backend, &driver, &token, err);
    if (rc != FINOPS_OK)
        return rc;
    config = fo_zalloc(driver->config_size ? driver->config_size : 1);
    rc = config ? config_fill(driver, settings, n_settings, config, err) : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = fo_front_open(driver, FO_TAKE(token), config, pool, ret, err);
    if (config && driver->options)
        fo_option_clear(driver->options, config);
    fo_free(config);
    if (token)
        fo_registry_release_driver(token);
    return rc;
}

finops_code
fo_database_open_settings(finops_registry *registry, const fo_settings *settings, const char *backend,
                          finops_database **ret, finops_error **err)
{
    const finops_database_driver *driver;
    fo_driver_token *token;
    finops_code rc;

    assert(registry && settings && ret);

    if (!backend)
        backend = settings->database.backend;
    rc = fo_registry_acquire_driver(registry, backend, &driver, &token, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!fo_streq(backend, "duckdb")) {
        fo_registry_release_driver(token);
        return fo_error_set(err, FINOPS_E_CONFIG, "%s cannot be configured yet", backend);
    }
    return fo_front_open(driver, token, &settings->duckdb, NULL, ret, err);
}

void
finops_database_close(finops_database *database)
{
    if (!database)
        return;
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

finops_code
fo_front_unsupported(const finops_database *database, const char *what, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s not supported by %s", what, database->driver->name);
}

finops_code
fo_front_connect(finops_database *database, unsigned flags, const finops_call *call, void **ret_conn,
                 finops_error **err)
{
    return database->driver->connect(database->self, flags, call, ret_conn, err);
}

bool
fo_front_alive(finops_database *database, void *conn)
{
    const finops_call call = { .deadline_us = fo_deadline_in(5 * 1000000) };
    const finops_statement ask = { .sql = "SELECT 1", .call = &call };

    if (database->driver->is_alive)
        return database->driver->is_alive(conn);
    return database->driver->execute(conn, &ask, NULL, NULL, NULL) == FINOPS_OK;
}

/* The general way of asking how a backend does: connect and SELECT 1. */
static finops_code
health_ask(finops_database *database, const finops_call *call, finops_health *ret, finops_error **err)
{
    const finops_statement ask = { .sql = "SELECT 1", .call = call };
    int64_t start = fo_clock_monotonic();
    finops_session *session = NULL;
    finops_code rc = fo_pool_acquire(database->pool, 0, call, &session, err);

    if (rc == FINOPS_OK)
        rc = finops_session_execute(session, &ask, NULL, NULL, err);
    finops_session_release(session);
    ret->latency_ms = (double)(fo_clock_monotonic() - start) / 1000;
    return rc;
}

finops_code
finops_database_health(finops_database *database, const finops_call *call, finops_health *ret,
                       finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_health health = { .state = FINOPS_HEALTH_UP };
    finops_code rc;

    if (!database || !ret)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "health of no database");
    rc = database->driver->health ? database->driver->health(database->self, call, &health, &why)
                                  : health_ask(database, call, &health, &why);
    if (rc == FINOPS_E_CANCELLED || rc == FINOPS_E_MEMORY)
        return fo_error_set(err, rc, "%s", finops_error_text(why));
    if (rc != FINOPS_OK) {
        health.state = FINOPS_HEALTH_DOWN;
        (void)snprintf(health.detail, sizeof(health.detail), "%s", finops_error_text(why));
    }
    *ret = health;
    return FINOPS_OK;
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
