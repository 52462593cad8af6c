/* What the verbs of `finops backends` share: the registry of the program and how drivers are put in words. */
#include "cli/backends.h"

#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "database/session.h"

finops_code
fo_backends_path(const fo_cli *cli, fo_str *ret, finops_error **err)
{
    return fo_registry_plugin_path(cli->settings ? cli->settings->database.plugin_path : NULL, ret, err);
}

/* Folders that somebody named are there; the one beside the program need not be. */
static finops_code
warn_missing_folders(const fo_cli *cli, finops_error **err)
{
    const char *path = cli->settings ? cli->settings->database.plugin_path : NULL;
    FO_AUTO(fo_strv_done) fo_strv folders = FO_STRV_INIT;
    struct stat st;

    if (path && !fo_strv_split(&folders, path, ':'))
        return fo_error_oom(err);
    for (size_t i = 0; i < folders.n; i++)
        if (*folders.items[i] && (stat(folders.items[i], &st) != 0 || !S_ISDIR(st.st_mode)))
            fo_warn("there is no folder %s, which plugin_path names", folders.items[i]);
    return FINOPS_OK;
}

finops_code
fo_backends_registry(const fo_cli *cli, finops_registry **ret, finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(fo_str_done) fo_str path = FO_STR_INIT;
    finops_code rc = finops_registry_new(&registry, err);

    if (rc == FINOPS_OK)
        rc = warn_missing_folders(cli, err);
    if (rc == FINOPS_OK)
        rc = fo_backends_path(cli, &path, err);
    if (rc == FINOPS_OK)
        rc = finops_registry_discover(registry, fo_str_z(&path), NULL, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(registry);
    return rc;
}

const char *
fo_backends_status_name(finops_driver_status status)
{
    static const char *const names[] = { "ready", "draining", "broken", "absent" };

    return (size_t)status < FO_COUNT(names) ? names[status] : "unknown";
}

const char *
fo_backends_dialect_name(finops_dialect dialect)
{
    static const char *const names[] = { "generic", "duckdb", "postgresql" };

    return (size_t)dialect < FO_COUNT(names) ? names[dialect] : "unknown";
}

void
fo_backends_features(uint64_t features, fo_str *ret)
{
    static const char *const names[] = {
        "transactions", "ddl_in_transaction", "reads_files",    "nested", "time_travel", "concurrent_writers",
        "schemas",      "views_pin_tables",   "exact_decimals", "server", "no_keys"
    };
    bool first = true;

    for (size_t i = 0; i < FO_COUNT(names); i++)
        if (features & (UINT64_C(1) << i)) {
            fo_str_addf(ret, "%s%s", first ? "" : " ", names[i]);
            first = false;
        }
}

/* What must be set and has no default gets a word: nothing is opened by it. */
static finops_code
config_pretend(const finops_option *table, void *config)
{
    finops_code rc = table ? fo_option_defaults(table, config, NULL) : FINOPS_OK;

    for (const finops_option *o = table; rc == FINOPS_OK && o && o->name; o++)
        if ((o->flags & FINOPS_OPT_REQUIRED) && o->type == FINOPS_OPT_STRING && !o->value)
            rc = fo_option_set(o, config, "unknown", NULL);
    return rc;
}

static bool
capabilities_unconfigured(const finops_database_driver *driver, finops_capabilities *ret)
{
    FO_AUTO(fo_freep) void *config = fo_zalloc(driver->config_size ? driver->config_size : 1);
    void *self = NULL;
    bool ok = config && config_pretend(driver->options, config) == FINOPS_OK &&
              driver->open(config, &self, NULL) == FINOPS_OK;

    if (ok) {
        driver->capabilities(self, ret);
        driver->close(self);
    }
    if (config && driver->options)
        fo_option_clear(driver->options, config);
    return ok;
}

bool
fo_backends_capabilities(const fo_cli *cli, finops_registry *registry, const char *name,
                         finops_capabilities *ret)
{
    const finops_database_driver *driver = NULL;
    fo_driver_token *token = NULL;
    finops_database *database = NULL;
    bool ok;

    if (fo_database_open_settings(registry, cli->settings, name, &database, NULL) == FINOPS_OK) {
        finops_database_capabilities(database, ret);
        finops_database_close(database);
        return true;
    }
    if (fo_registry_acquire_driver(registry, name, &driver, &token, NULL) != FINOPS_OK)
        return false;
    ok = capabilities_unconfigured(driver, ret);
    fo_registry_release_driver(token);
    return ok;
}

static void
entry_add(const finops_driver_info *info, void *arg)
{
    fo_backends_list *list = arg;
    fo_backends_entry *e;

    if (info->kind != FINOPS_KIND_DATABASE)
        return;
    if (list->failed || !fo_grow((void **)&list->items, &list->cap, list->n + 1, sizeof(*list->items))) {
        list->failed = true;
        return;
    }
    e = &list->items[list->n++];
    *e = (fo_backends_entry){ .name = fo_strdup(info->name),
                              .version = fo_strdup(info->version),
                              .summary = fo_strdup(info->summary),
                              .origin = fo_strdup(info->origin),
                              .problem = info->problem ? fo_strdup(info->problem) : NULL,
                              .status = info->status,
                              .handles = info->handles,
                              .driver = info->driver };
    list->failed = !e->name || !e->version || !e->summary || !e->origin || (info->problem && !e->problem);
}

void
fo_backends_list_done(fo_backends_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        fo_free(list->items[i].name);
        fo_free(list->items[i].version);
        fo_free(list->items[i].summary);
        fo_free(list->items[i].origin);
        fo_free(list->items[i].problem);
    }
    fo_free(list->items);
    *list = (fo_backends_list){ 0 };
}

finops_code
fo_backends_list_all(finops_registry *registry, fo_backends_list *ret, finops_error **err)
{
    fo_backends_list list = { 0 };

    finops_registry_each(registry, entry_add, &list);
    if (list.failed) {
        fo_backends_list_done(&list);
        return fo_error_oom(err);
    }
    *ret = list;
    return FINOPS_OK;
}

const fo_backends_entry *
fo_backends_find(const fo_backends_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (fo_streq(list->items[i].name, name))
            return &list->items[i];
    return NULL;
}

finops_code
fo_backends_routed(const fo_cli *cli, fo_strv *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv findings = FO_STRV_INIT;
    finops_code rc = fo_settings_backends(cli->settings, FO_DATASET_BILLS, ret, err);

    if (rc == FINOPS_OK)
        rc = fo_settings_backends(cli->settings, FO_DATASET_FINDINGS, &findings, err);
    for (size_t i = 0; rc == FINOPS_OK && i < findings.n; i++)
        if (!fo_strv_has(ret, findings.items[i]) && !fo_strv_add(ret, findings.items[i]))
            rc = fo_error_oom(err);
    return rc;
}
