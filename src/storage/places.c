/* Storages opened with what the configuration says of them. */
#include "storage/places.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define LAYERS_MAX 32

/* A driver while its tables are looked at. */
typedef struct held {
    const finops_storage_driver *driver;
    fo_driver_token *token;
} held;

static void
held_done(held *h)
{
    fo_registry_release_driver(h->token);
}

static finops_code
hold_scheme(finops_registry *registry, const char *scheme, held *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    finops_code rc = fo_registry_storage_of_scheme(registry, scheme, &name, err);

    if (rc == FINOPS_OK)
        rc = fo_registry_acquire_storage(registry, fo_str_z(&name), &ret->driver, &ret->token, err);
    return rc;
}

/* What the parts of an address are options of. */
static size_t
given_by(const finops_storage_driver *driver, const fo_storage_address *parts, finops_setting given[2])
{
    size_t n = 0;

    if (driver->place_option && *parts->place)
        given[n++] = (finops_setting){ driver->place_option, parts->place };
    if (driver->prefix_option && *parts->rest)
        given[n++] = (finops_setting){ driver->prefix_option, parts->rest };
    return n;
}

static finops_code
open_with(finops_registry *registry, const char *address, const fo_place_settings *found,
          const finops_setting *more, size_t n_more, finops_storage **ret, finops_error **err)
{
    FO_AUTO(fo_freep) finops_setting *all = fo_array(found->n + n_more + 1, sizeof(*all));

    if (!all)
        return fo_error_oom(err);
    for (size_t i = 0; i < found->n; i++)
        all[i] = (finops_setting){ found->items[i].name, found->items[i].value };
    for (size_t i = 0; i < n_more; i++) /* what comes later wins */
        all[found->n + i] = more[i];
    return finops_storage_open(registry, address, all, found->n + n_more, ret, err);
}

/* [network] says how often a request is sent again; `more` may say otherwise. */
static finops_code
open_retrying(finops_registry *registry, const fo_settings *settings, const char *address,
              const fo_place_settings *found, const finops_setting *more, size_t n_more, finops_storage **ret,
              finops_error **err)
{
    FO_AUTO(fo_freep)
    char *attempts = settings ? fo_format("%lld", (long long)settings->network.retries + 1) : NULL;
    FO_AUTO(fo_freep) finops_setting *all = fo_array(n_more + 1, sizeof(*all));
    size_t n = 0;

    if (!all || (settings && !attempts))
        return fo_error_oom(err);
    if (attempts)
        all[n++] = (finops_setting){ "retry.attempts", attempts };
    for (size_t i = 0; i < n_more; i++)
        all[n++] = more[i];
    return open_with(registry, address, found, all, n, ret, err);
}

finops_code
fo_storage_open_address(finops_registry *registry, const fo_settings *settings, const char *address,
                        const finops_setting *more, size_t n_more, finops_storage **ret, finops_error **err)
{
    FO_AUTO(fo_storage_address_done) fo_storage_address parts = { 0 };
    FO_AUTO(fo_place_settings_done) fo_place_settings found = { 0 };
    FO_AUTO(held_done) held h = { 0 };
    finops_setting given[2];
    finops_code rc;

    assert(registry && address && ret);
    rc = fo_storage_address_parse(address, &parts, err);
    if (rc == FINOPS_OK)
        rc = hold_scheme(registry, parts.scheme, &h, err);
    if (rc == FINOPS_OK && settings) {
        const fo_place_table table = { .options = h.driver->options, .config_size = h.driver->config_size };
        rc = fo_config_address(settings, h.driver->name, &table, given, given_by(h.driver, &parts, given),
                               &found, err);
    }
    return rc == FINOPS_OK ? open_retrying(registry, settings, address, &found, more, n_more, ret, err) : rc;
}

/* ---- places with a name ---- */

static finops_code
hold_place(finops_registry *registry, const fo_place *place, fo_storage_address *parts, held *ret,
           finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (place->address) {
        rc = fo_storage_address_parse(place->address, parts, err);
        if (rc == FINOPS_OK)
            rc = hold_scheme(registry, parts->scheme, ret, err);
    } else
        rc = fo_registry_acquire_storage(registry, place->backend, &ret->driver, &ret->token, err);
    if (rc == FINOPS_OK && place->backend && strcmp(place->backend, ret->driver->name) != 0)
        rc = fo_error_set(err, FINOPS_E_CONFIG, "backend is %s and the address is one of %s", place->backend,
                          ret->driver->name);
    if (rc == FINOPS_OK || rc == FINOPS_E_MEMORY)
        return rc;
    return fo_error_wrap(err, FINOPS_E_CONFIG, "%s: storage.%s",
                         place->origin ? place->origin : "configuration", place->name);
}

/* "s3://bucket/prefix" of what the options say. */
static char *
address_of(const finops_storage_driver *driver, const fo_place_settings *settings)
{
    const char *schemes = driver->schemes ? driver->schemes : driver->name;
    const char *place = driver->place_option ? fo_place_settings_value(settings, driver->place_option) : NULL;
    const char *rest =
        driver->prefix_option ? fo_place_settings_value(settings, driver->prefix_option) : NULL;

    while (place && rest && *rest == '/')
        rest++;
    return fo_format("%.*s://%s%s%s", (int)strcspn(schemes, " "), schemes, place ? place : "",
                     place && rest && *rest ? "/" : "", rest ? rest : "");
}

finops_code
fo_storage_place_settings(finops_registry *registry, const fo_settings *settings, const char *name,
                          char **ret_address, char **ret_origin, fo_place_settings *ret, finops_error **err)
{
    FO_AUTO(fo_storage_address_done) fo_storage_address parts = { 0 };
    FO_AUTO(fo_place_done) fo_place place = { 0 };
    FO_AUTO(held_done) held h = { 0 };
    fo_place_table tables[LAYERS_MAX];
    finops_setting given[2];
    size_t n = 1, n_given;
    finops_code rc = fo_config_place(settings, name, &place, err);

    if (rc == FINOPS_OK)
        rc = hold_place(registry, &place, &parts, &h, err);
    if (rc != FINOPS_OK)
        return rc;
    tables[0] = (fo_place_table){ NULL, h.driver->options, h.driver->config_size };
    for (size_t i = 0; fo_layers[i] && n < LAYERS_MAX; i++)
        tables[n++] =
            (fo_place_table){ fo_layers[i]->name, fo_layers[i]->options, fo_layers[i]->config_size };
    n_given = place.address ? given_by(h.driver, &parts, given) : 0;
    rc = fo_config_place_settings(settings, &place, tables, n, given, n_given, ret, err);
    if (rc != FINOPS_OK) {
        fo_error_hint(err, "finops storage backends %s tells its options", h.driver->name);
        return rc;
    }
    *ret_address = place.address ? FO_TAKE(place.address) : address_of(h.driver, ret);
    if (ret_origin)
        *ret_origin = FO_TAKE(place.origin);
    return *ret_address ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_storage_open_place_at(finops_registry *registry, const fo_settings *settings, const char *name,
                         const char *at, finops_storage **ret, finops_error **err)
{
    FO_AUTO(fo_place_settings_done) fo_place_settings found = { 0 };
    FO_AUTO(fo_freep) char *address = NULL;
    finops_code rc;

    assert(registry && settings && name && ret);
    rc = fo_storage_place_settings(registry, settings, name, &address, NULL, &found, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = open_with(registry, at ? at : address, &found, NULL, 0, ret, err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "storage %s", name);
}

finops_code
fo_storage_open_place(finops_registry *registry, const fo_settings *settings, const char *name,
                      finops_storage **ret, finops_error **err)
{
    return fo_storage_open_place_at(registry, settings, name, NULL, ret, err);
}
