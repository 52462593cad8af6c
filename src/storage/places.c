/* Storages opened with what the configuration says of them. */
#include "storage/places.h"

#include <assert.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/place.h"

/* What the configuration has for the driver of an address. */
static finops_code
address_settings(finops_registry *registry, const fo_settings *settings, const char *address,
                 fo_place_settings *ret, finops_error **err)
{
    FO_AUTO(fo_storage_address_done) fo_storage_address parts = { 0 };
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    const finops_storage_driver *driver = NULL;
    fo_driver_token *token = NULL;
    finops_code rc = fo_storage_address_parse(address, &parts, err);

    if (rc == FINOPS_OK)
        rc = fo_registry_storage_of_scheme(registry, parts.scheme, &name, err);
    if (rc == FINOPS_OK)
        rc = fo_registry_acquire_storage(registry, fo_str_z(&name), &driver, &token, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_config_address(settings, driver->name, driver->options, ret, err);
    fo_registry_release_driver(token);
    return rc;
}

finops_code
fo_storage_open_address(finops_registry *registry, const fo_settings *settings, const char *address,
                        const finops_setting *more, size_t n_more, finops_storage **ret, finops_error **err)
{
    FO_AUTO(fo_place_settings_done) fo_place_settings found = { 0 };
    FO_AUTO(fo_freep) finops_setting *all = NULL;
    finops_code rc = FINOPS_OK;

    assert(registry && address && ret);
    if (settings)
        rc = address_settings(registry, settings, address, &found, err);
    if (rc != FINOPS_OK)
        return rc;
    all = fo_array(found.n + n_more + 1, sizeof(*all));
    if (!all)
        return fo_error_oom(err);
    for (size_t i = 0; i < found.n; i++)
        all[i] = found.items[i];
    for (size_t i = 0; i < n_more; i++) /* what comes later wins */
        all[found.n + i] = more[i];
    return finops_storage_open(registry, address, all, found.n + n_more, ret, err);
}
