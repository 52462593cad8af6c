/* finops config show|check|schema: what the configuration says and where each value comes from. */
#include "base/log.h"
#include "base/mem.h"
#include "cli/backends.h"
#include "cli/cli_internal.h"
#include "cli/storage_tables.h"
#include "storage/places.h"

static finops_code
add_row(fo_table *table, const char *place, const fo_place_setting *setting, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str shown = FO_STR_INIT;
    FO_AUTO(fo_freep) char *key = fo_format("storage.%s.%s", place, setting->name);

    fo_place_setting_show(setting, &shown);
    if (!key || !fo_str_ok(&shown) ||
        !fo_table_add(table, (const char *const[]){ key, fo_str_z(&shown), setting->origin }))
        return fo_error_oom(err);
    return FINOPS_OK;
}

/* One place, whose tables are its driver's and the layers'. Without a table for the rows it is checked only.
 */
static finops_code
show_place(const fo_cli *cli, finops_registry *registry, const char *name, fo_table *table,
           finops_error **err)
{
    FO_AUTO(fo_place_settings_done) fo_place_settings found = { 0 };
    FO_AUTO(fo_freep) char *address = NULL;
    FO_AUTO(fo_freep) char *origin = NULL;
    finops_code rc = fo_storage_place_settings(registry, cli->settings, name, &address, &origin, &found, err);

    if (rc != FINOPS_OK || !table)
        return rc;
    rc = add_row(table, name, &(fo_place_setting){ "address", address, origin, false }, err);
    for (size_t i = 0; rc == FINOPS_OK && i < found.n; i++)
        rc = add_row(table, name, &found.items[i], err);
    return rc;
}

/* All of them, also after one that is wrong; the last that is makes the error. */
static finops_code
show_places(const fo_cli *cli, fo_table *table, finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    finops_code all = FINOPS_OK, rc = fo_config_places(cli->settings, &names, err);

    if (rc == FINOPS_OK && names.n > 0)
        rc = fo_backends_registry(cli, &registry, err);
    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < names.n; i++) {
        FO_AUTO(finops_error_freep) finops_error *why = NULL;

        rc = show_place(cli, registry, names.items[i], table, &why);
        if (rc == FINOPS_OK)
            continue;
        if (all != FINOPS_OK) {
            fo_log_error(*err);
            finops_error_freep(err);
        }
        *err = FO_TAKE(why);
        all = rc;
    }
    return all;
}

static finops_code
show_run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "key", NULL, false },
                                               { "value", NULL, false },
                                               { "origin", NULL, false } };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    const fo_config_row *rows = NULL;
    size_t n = 0;
    finops_code rc;

    if (!table)
        return fo_error_oom(err);
    rc = fo_config_rows(cli->config, &rows, &n, err);
    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (!fo_table_add(table, (const char *const[]){ rows[i].key, rows[i].value, rows[i].origin }))
            return fo_error_oom(err);
    rc = show_places(cli, table, err);
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

/* Backends by name: those there are is not known before the plugins are looked at. */
static finops_code
check_backends(const fo_cli *cli, finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(fo_backends_list_done) fo_backends_list list = { 0 };
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    finops_code rc = fo_backends_routed(cli, &names, err);

    if (rc == FINOPS_OK)
        rc = fo_backends_registry(cli, &registry, err);
    if (rc == FINOPS_OK)
        rc = fo_backends_list_all(registry, &list, err);
    for (size_t i = 0; rc == FINOPS_OK && i < names.n; i++) {
        const fo_backends_entry *entry = fo_backends_find(&list, names.items[i]);

        if (entry && !entry->problem)
            continue;
        rc = entry ? fo_error_set(err, FINOPS_E_CONFIG, "database backend %s cannot be used: %s", entry->name,
                                  entry->problem)
                   : fo_error_set(err, FINOPS_E_CONFIG, "no database backend is called %s", names.items[i]);
        fo_error_hint(err, "finops backends list shows those there are");
    }
    return rc;
}

/* Loading has checked everything else by the time this runs. */
static finops_code
check_run(fo_cli *cli, finops_error **err)
{
    const char *path = fo_config_path(cli->config);
    finops_code rc = check_backends(cli, err);

    if (rc == FINOPS_OK)
        rc = show_places(cli, NULL, err);
    if (rc != FINOPS_OK)
        return rc;
    if (path)
        (void)fprintf(cli->out, "%s is fine\n", path);
    else
        (void)fprintf(cli->out, "no configuration file found; environment and defaults are fine\n");
    return FINOPS_OK;
}

static finops_code
schema_run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_code rc = fo_storage_tables_schema(&text, err);

    if (rc == FINOPS_OK && text.len > 0 && text.data[text.len - 1] != '\n')
        fo_str_addc(&text, '\n');
    return rc == FINOPS_OK ? fo_out_flush(cli->out, &text, err) : rc;
}

const fo_verb fo_verb_config_show = {
    .name = "config show",
    .summary = "Show every setting, its value and where the value comes from",
    .help = "A flag beats the environment, the environment beats the file, the file beats the default. "
            "Secrets are shown "
            "as <redacted>.",
    .examples = "finops config show\n  # all settings\n"
                "finops config show --config prod.toml --format json\n  # those of one file, for a program\n",
    .config_keys = (const char *const[]){ FO_DATABASE_KEYS, NULL },
    .flags = FO_VERB_ROWS,
    .run = show_run,
};

const fo_verb fo_verb_config_check = {
    .name = "config check",
    .summary = "Read the configuration and say what is wrong with it",
    .help = "Every unknown key, wrong type and value out of range is named with file and line, also of "
            "storages, and every "
            "database backend that there is not. Nothing is "
            "connected to; "
            "\"finops doctor\" does that.",
    .examples = "finops config check --config prod.yaml\n  # exit status 2 when it cannot be used\n",
    .run = check_run,
};

const fo_verb fo_verb_config_schema = {
    .name = "config schema",
    .summary = "Print the JSON schema of the configuration file",
    .help = "Editors that know JSON Schema complete and check config.toml and config.yaml with it.",
    .examples = "finops config schema > finops.schema.json\n  # for the editor\n",
    .flags = FO_VERB_NO_CONFIG,
    .run = schema_run,
};
