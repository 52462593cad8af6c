/* finops backends list: every driver there is, built in or a plugin. */
#include "base/mem.h"
#include "cli/backends.h"

static const char *const config_keys[] = { "database.plugin_path", NULL };

static finops_code
row_add(const fo_cli *cli, finops_registry *registry, const fo_backends_entry *e, fo_table *table,
        finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str features = FO_STR_INIT;
    finops_capabilities c;

    if (e->status == FINOPS_DRIVER_READY && fo_backends_capabilities(cli, registry, e->name, &c))
        fo_backends_features(c.features, &features);
    const char *const cells[] = {
        e->name,   e->version[0] ? e->version : NULL,    fo_backends_status_name(e->status),
        e->origin, e->problem ? e->problem : e->summary, features.len ? fo_str_z(&features) : NULL
    };
    return fo_str_ok(&features) && fo_table_add(table, cells) ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "name", NULL, false },    { "version", NULL, false },
                                               { "status", NULL, false },  { "origin", NULL, false },
                                               { "summary", NULL, false }, { "capabilities", NULL, false } };
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    FO_AUTO(fo_backends_list_done) fo_backends_list list = { 0 };
    finops_code rc;

    if (!table)
        return fo_error_oom(err);
    rc = fo_backends_registry(cli, &registry, err);
    if (rc == FINOPS_OK)
        rc = fo_backends_list_all(registry, &list, err);
    for (size_t i = 0; rc == FINOPS_OK && i < list.n; i++)
        rc = row_add(cli, registry, &list.items[i], table, err);
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

const fo_verb fo_verb_backends_list = {
    .name = "backends list",
    .summary = "List the databases finops can work with, and where each comes from",
    .help =
        "Built-in drivers and the plugins found in [database] plugin_path. A plugin that cannot be used is "
        "listed "
        "as broken, with the reason in place of its summary; it stops nothing else. Nothing is connected to.",
    .examples = "finops backends list\n  # all of them\n"
                "finops backends list --plugin-path ./plugins --format json\n  # with plugins of a folder\n",
    .config_keys = config_keys,
    .flags = FO_VERB_ROWS,
    .run = run,
};
