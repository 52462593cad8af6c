/* Opening a place: its driver by the scheme of the address, its layers by the settings. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"
#include "storage/front.h"
#include "storage/layers/replicate.h"

/* Settings of one owner: the driver's have no point in their name, a layer's begin with "<layer>.". */
typedef struct own_settings {
    finops_setting *items;
    size_t n;
} own_settings;

static void
own_settings_done(own_settings *own)
{
    fo_free(own->items);
}

/* What is left of the name when it is a setting of this owner; NULL when it is not. layer NULL: the driver.
 */
static const char *
name_for(const char *name, const char *layer)
{
    const char *point = strchr(name, '.');
    size_t n = layer ? strlen(layer) : 0;

    if (!layer)
        return point ? NULL : name;
    return point && (size_t)(point - name) == n && strncmp(name, layer, n) == 0 ? point + 1 : NULL;
}

static finops_code
pick(const finops_setting *all, size_t n, const char *layer, size_t more, own_settings *ret,
     finops_error **err)
{
    ret->items = fo_array(n + more + 1, sizeof(*ret->items));
    if (!ret->items)
        return fo_error_oom(err);
    for (size_t i = 0; i < n; i++) {
        const char *name = all[i].name ? name_for(all[i].name, layer) : NULL;
        if (name)
            ret->items[ret->n++] = (finops_setting){ name, all[i].value };
    }
    return FINOPS_OK;
}

static bool
is_layer(const char *name)
{
    for (size_t i = 0; fo_layers[i]; i++)
        if (name_for(name, fo_layers[i]->name))
            return true;
    return false;
}

static finops_code
settings_check(const finops_setting *all, size_t n, finops_error **err)
{
    for (size_t i = 0; i < n; i++) {
        if (!all[i].name || !all[i].value)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "a setting has no name or no value");
        if (strchr(all[i].name, '.') && !is_layer(all[i].name))
            return fo_error_set(err, FINOPS_E_CONFIG, "%s is an option of no layer", all[i].name);
    }
    return FINOPS_OK;
}

/* A struct of the table's, filled; the caller frees it with config_free(). */
static finops_code
config_new(const finops_option *table, size_t size, const char *owner, const own_settings *own, void **ret,
           finops_error **err)
{
    void *config = fo_zalloc(size ? size : 1);
    finops_code rc;

    if (!config)
        return fo_error_oom(err);
    rc = fo_option_fill(table, owner, own->items, own->n, config, err);
    if (rc == FINOPS_OK) {
        *ret = config;
        return rc;
    }
    if (table)
        fo_option_clear(table, config);
    fo_free(config);
    return rc;
}

static void
config_free(const finops_option *table, void *config)
{
    if (config && table)
        fo_option_clear(table, config);
    fo_free(config);
}

/* What replicas are opened with. */
typedef struct opening {
    finops_registry *registry;
    const finops_setting *all;
    size_t n;
} opening;

/* The layers between a replica and the one that replicates are set for all of them alike. */
static finops_code
open_replica(void *arg, const char *address, finops_storage **ret, finops_error **err)
{
    static const fo_layer *const below[] = { &fo_deadline_layer, &fo_limits_layer, &fo_retry_layer,
                                             &fo_breaker_layer };
    const opening *o = arg;
    FO_AUTO(own_settings_done) own_settings own = { .items = fo_array(o->n + 1, sizeof(*own.items)) };

    if (!own.items)
        return fo_error_oom(err);
    for (size_t i = 0; i < o->n; i++)
        for (size_t j = 0; j < FO_COUNT(below); j++)
            if (name_for(o->all[i].name, below[j]->name))
                own.items[own.n++] = o->all[i];
    return finops_storage_open(o->registry, address, own.items, own.n, ret, err);
}

/* Wraps the stage in the layer, if the settings ask for it. */
static finops_code
wrap(const fo_layer *layer, const char *address, opening *o, fo_stage *stage, finops_error **err)
{
    FO_AUTO(own_settings_done) own_settings own = { 0 };
    void *config = NULL;
    finops_code rc = pick(o->all, o->n, layer->name, 0, &own, err);

    if (rc == FINOPS_OK)
        rc = config_new(layer->options, layer->config_size, layer->name, &own, &config, err);
    if (rc == FINOPS_OK && layer == &fo_replicate_layer) {
        ((fo_replicate_config *)config)->open = open_replica;
        ((fo_replicate_config *)config)->open_arg = o;
    }
    if (rc == FINOPS_OK)
        rc = layer->wrap(config, address, *stage, stage, err);
    config_free(layer->options, config);
    return rc;
}

/* An address has a bucket, container or host, or where the driver knows none a path. */
static finops_code
address_check(const finops_storage_driver *driver, const fo_storage_address *a, finops_error **err)
{
    if (driver->place_option && !*a->place)
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "the address %s://%.60s names no bucket, container or host", a->scheme, a->rest);
    if (!driver->place_option && *a->place)
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "the address of a path of %s is written %s:///%.60s/%.60s", driver->name,
                            a->scheme, a->place, a->rest);
    return FINOPS_OK;
}

/* What the address says goes before what is set: it was named for this place. */
static finops_code
driver_settings(const finops_storage_driver *driver, const fo_storage_address *address,
                const finops_setting *all, size_t n, own_settings *ret, finops_error **err)
{
    finops_code rc = address_check(driver, address, err);

    if (rc == FINOPS_OK)
        rc = pick(all, n, NULL, 2, ret, err);
    if (rc != FINOPS_OK)
        return rc;
    if (driver->place_option && *address->place)
        ret->items[ret->n++] = (finops_setting){ driver->place_option, address->place };
    if (driver->prefix_option && *address->rest)
        ret->items[ret->n++] = (finops_setting){ driver->prefix_option, address->rest };
    return FINOPS_OK;
}

static finops_code
open_driver(const finops_storage_driver *driver, const fo_storage_address *address, const finops_setting *all,
            size_t n, fo_stage *ret, finops_error **err)
{
    FO_AUTO(own_settings_done) own_settings own = { 0 };
    fo_stage stage = { .driver = driver };
    void *config = NULL;
    finops_code rc = driver_settings(driver, address, all, n, &own, err);

    if (rc == FINOPS_OK)
        rc = config_new(driver->options, driver->config_size, driver->name, &own, &config, err);
    if (rc == FINOPS_OK)
        rc = driver->open(config, &stage.self, err);
    config_free(driver->options, config);
    if (rc == FINOPS_OK)
        *ret = stage;
    return rc;
}

static finops_code
open_stack(const finops_storage_driver *driver, const fo_storage_address *parts, const char *address,
           opening *o, finops_storage **ret, finops_error **err)
{
    fo_stage stage = { 0 };
    finops_code rc = open_driver(driver, parts, o->all, o->n, &stage, err);

    for (size_t i = 0; rc == FINOPS_OK && fo_layers[i]; i++)
        rc = wrap(fo_layers[i], address, o, &stage, err);
    if (rc == FINOPS_OK)
        return fo_storage_over(&stage, address, ret, err);
    fo_stage_close(&stage);
    return rc;
}

static finops_code
acquire(finops_registry *registry, const char *scheme, const finops_storage_driver **ret,
        fo_driver_token **ret_token, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    finops_code rc = fo_registry_storage_of_scheme(registry, scheme, &name, err);

    return rc == FINOPS_OK ? fo_registry_acquire_storage(registry, fo_str_z(&name), ret, ret_token, err) : rc;
}

finops_code
finops_storage_open(finops_registry *registry, const char *address, const finops_setting *settings,
                    size_t n_settings, finops_storage **ret, finops_error **err)
{
    FO_AUTO(fo_storage_address_done) fo_storage_address parts = { 0 };
    const finops_storage_driver *driver = NULL;
    fo_driver_token *token = NULL;
    finops_code rc;

    if (!registry || !address || (!settings && n_settings) || !ret)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a storage needs a registry and an address");
    rc = fo_storage_address_parse(address, &parts, err);
    if (rc == FINOPS_OK)
        rc = settings_check(settings, n_settings, err);
    if (rc == FINOPS_OK)
        rc = acquire(registry, parts.scheme, &driver, &token, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = open_stack(driver, &parts, address,
                    &(opening){ .registry = registry, .all = settings, .n = n_settings }, ret, err);
    if (rc == FINOPS_OK)
        (*ret)->token = token;
    else
        fo_registry_release_driver(token);
    return rc;
}
