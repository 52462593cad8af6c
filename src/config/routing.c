/* Which backends a dataset goes to. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"

/* "duckdb, postgresql" -> its names; a name that is there twice counts once. */
static finops_code
routing_split(const char *list, fo_strv *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;

    if (!fo_strv_split(&parts, list, ','))
        return fo_error_oom(err);
    for (size_t i = 0; i < parts.n; i++) {
        const char *p = parts.items[i] + strspn(parts.items[i], " \t");
        size_t n = strcspn(p, " \t");
        FO_AUTO(fo_freep) char *name = fo_strndup(p, n);

        if (!name)
            return fo_error_oom(err);
        if (!*name || p[n + strspn(p + n, " \t")])
            return fo_error_set(err, FINOPS_E_CONFIG, "\"%s\" is no list of database backends", list);
        if (!fo_strv_has(ret, name) && !fo_strv_add(ret, name))
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

static const char *
routed_to(const fo_routing_settings *routing, fo_dataset dataset)
{
    switch (dataset) {
    case FO_DATASET_FINDINGS:
        return routing->findings;
    case FO_DATASET_RECORDS:
        return routing->records && *routing->records ? routing->records : routing->bills;
    default:
        return routing->bills;
    }
}

finops_code
fo_settings_backends(const fo_settings *settings, fo_dataset dataset, fo_strv *ret, finops_error **err)
{
    const char *routed = routed_to(&settings->routing, dataset);
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    finops_code rc;

    assert(settings && ret && ret->n == 0);
    rc = routing_split(routed && *routed ? routed : settings->database.backend, &names, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = names;
    names = FO_STRV_INIT;
    return FINOPS_OK;
}
