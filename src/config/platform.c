/* [platform]: how configurations before [storage.<name>] say where raw files are kept. */
#include <string.h>

#include "base/mem.h"
#include "config/place_internal.h"

bool
fo_platform_has_place(const fo_settings *settings)
{
    const fo_platform_bronze_settings *b = &settings->bronze;

    return b->s3_bucket || b->azure_container || b->local_path;
}

static const char *
env_value(const fo_settings *settings, const char *name)
{
    const char *const *env = fo_raw_env(settings->backends);
    size_t n = name ? strlen(name) : 0;

    for (; n > 0 && *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=' && (*env)[n + 1])
            return *env + n + 1;
    return NULL;
}

/* An option whose value is in the environment variable that is named. */
static finops_code
preset_env(const fo_settings *settings, fo_place *place, const char *option, const char *variable,
           finops_error **err)
{
    const char *value = env_value(settings, variable);
    FO_AUTO(fo_freep) char *origin = value ? fo_format("env %s", variable) : NULL;

    if (!value)
        return FINOPS_OK;
    return origin ? fo_place_settings_add(&place->preset, option, value, origin, false, err)
                  : fo_error_oom(err);
}

typedef struct named_variable {
    const char *option, *variable;
} named_variable;

static finops_code
preset_all(const fo_settings *settings, fo_place *place, const named_variable *variables, size_t n,
           finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < n; i++)
        rc = preset_env(settings, place, variables[i].option, variables[i].variable, err);
    return rc;
}

static finops_code
s3_place(const fo_settings *settings, fo_place *place, finops_error **err)
{
    const fo_platform_s3_settings *s = &settings->s3_connection;
    const named_variable variables[] = { { "endpoint_url", s->endpoint_url_env },
                                         { "access_key_id", s->access_key_env },
                                         { "secret_access_key", s->secret_key_env },
                                         { "session_token", s->session_token_env } };
    finops_code rc = preset_all(settings, place, variables, FO_COUNT(variables), err);

    if (rc == FINOPS_OK && env_value(settings, s->endpoint_url_env))
        rc =
            fo_place_settings_add(&place->preset, "addressing", "path", "platform.s3_connection", false, err);
    return rc;
}

static finops_code
azure_place(const fo_settings *settings, fo_place *place, finops_error **err)
{
    const fo_platform_azure_settings *a = &settings->azure_connection;
    const char *account = settings->bronze.azure_storage_account;
    const named_variable variables[] = { { "connection_string", a->connection_string_env },
                                         { "account_key", a->account_key_env },
                                         { "sas_token", a->sas_token_env },
                                         { "tenant_id", a->tenant_id_env },
                                         { "client_id", a->client_id_env },
                                         { "client_secret", a->client_secret_env } };
    finops_code rc = preset_all(settings, place, variables, FO_COUNT(variables), err);

    if (rc == FINOPS_OK && account)
        rc = fo_place_settings_add(&place->preset, "account", account,
                                   "platform.bronze.azure_storage_account", false, err);
    return rc;
}

/* "s3://bucket/prefix"; what is missing is told by its key. */
static finops_code
set_address(fo_place *place, const char *scheme, const char *key, const char *where, const char *prefix,
            finops_error **err)
{
    if (!where)
        return fo_error_set(err, FINOPS_E_CONFIG, "platform.bronze.%s: must be set, storage_backend wants it",
                            key);
    while (prefix && *prefix == '/')
        prefix++;
    place->address =
        fo_format("%s://%s%s%s", scheme, where, prefix && *prefix ? "/" : "", prefix ? prefix : "");
    place->origin = fo_format("platform.bronze.%s", key);
    return place->address && place->origin ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_platform_place(const fo_settings *settings, fo_place *ret, finops_error **err)
{
    const fo_platform_bronze_settings *b = &settings->bronze;
    finops_code rc;

    if (!b->storage_enabled) {
        rc = fo_error_set(err, FINOPS_E_CONFIG, "the storage bronze is switched off");
        fo_error_hint(err, "platform.bronze.storage_enabled = true switches it on");
        return rc;
    }
    if (fo_streq(b->storage_backend, "local"))
        return set_address(ret, "file", "local_path", b->local_path, NULL, err);
    if (fo_streq(b->storage_backend, "azure")) {
        rc = set_address(ret, "az", "azure_container", b->azure_container, b->azure_prefix, err);
        return rc == FINOPS_OK ? azure_place(settings, ret, err) : rc;
    }
    rc = set_address(ret, "s3", "s3_bucket", b->s3_bucket, b->s3_prefix, err);
    return rc == FINOPS_OK ? s3_place(settings, ret, err) : rc;
}
