/* finops storage backends: the services there are, and what each can be told. */
#include <string.h>

#include "base/mem.h"
#include "cli/backends.h"
#include "cli/storage.h"
#include "storage/layers/layer.h"

static const char *const config_keys[] = { "database.plugin_path", NULL };

typedef struct view {
    fo_table *table;
    const char *name; /* of the one that is described; NULL: all are listed */
    bool found;
    bool failed;
} view;

static void
list_one(const finops_driver_info *info, void *arg)
{
    view *v = arg;
    const finops_storage_driver *d = info->storage;
    const char *schemes = d ? d->schemes ? d->schemes : d->name : NULL;
    const char *const cells[] = { info->name,
                                  info->version && *info->version ? info->version : NULL,
                                  fo_backends_status_name(info->status),
                                  info->origin,
                                  schemes,
                                  info->problem ? info->problem : info->summary };

    if (info->kind == FINOPS_KIND_STORAGE)
        v->failed = v->failed || !fo_table_add(v->table, cells);
}

static const char *
type_name(const finops_option *o)
{
    static const char *const names[] = { "text", "true or false", "number", "size", "word", "date", "list" };

    return o->type == FINOPS_OPT_ENUM && o->allow ? o->allow
           : (size_t)o->type < FO_COUNT(names)    ? names[o->type]
                                                  : "text";
}

static void
options_add(view *v, const char *layer, const finops_option *table)
{
    for (const finops_option *o = table; o && o->name && !v->failed; o++) {
        FO_AUTO(fo_freep) char *name = layer ? fo_format("%s.%s", layer, o->name) : fo_strdup(o->name);
        const char *const cells[] = { name, type_name(o), (o->flags & FINOPS_OPT_REQUIRED) ? "yes" : NULL,
                                      o->value, o->help };

        v->failed = !name || !fo_table_add(v->table, cells);
    }
}

static void
describe_one(const finops_driver_info *info, void *arg)
{
    view *v = arg;

    if (info->kind != FINOPS_KIND_STORAGE || !fo_streq(info->name, v->name) || !info->storage)
        return;
    v->found = true;
    options_add(v, NULL, info->storage->options);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column list[] = { { "name", NULL, false },    { "version", NULL, false },
                                            { "status", NULL, false },  { "origin", NULL, false },
                                            { "schemes", NULL, false }, { "summary", NULL, false } };
    static const fo_table_column options[] = { { "option", NULL, false },
                                               { "value", NULL, false },
                                               { "required", NULL, false },
                                               { "default", NULL, false },
                                               { "meaning", NULL, false } };
    bool one = cli->n_args == 1;
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(fo_table_freep)
    fo_table *table = one ? fo_table_new(options, FO_COUNT(options)) : fo_table_new(list, FO_COUNT(list));
    view v = { .table = table, .name = one ? cli->args[0] : NULL };
    finops_code rc = table ? fo_backends_registry(cli, &registry, err) : fo_error_oom(err);

    if (rc != FINOPS_OK)
        return rc;
    finops_registry_each(registry, one ? describe_one : list_one, &v);
    if (one && !v.found) {
        rc = fo_error_set(err, FINOPS_E_USAGE, "no storage backend is called %s", v.name);
        fo_error_hint(err, "finops storage backends lists those there are");
        return rc;
    }
    for (size_t i = 0; one && fo_layers[i]; i++)
        options_add(&v, fo_layers[i]->name, fo_layers[i]->options);
    return v.failed ? fo_error_oom(err) : fo_table_print(cli, table, err);
}

const fo_verb fo_verb_storage_backends = {
    .name = "storage backends",
    .args = "[NAME]",
    .summary = "List the services objects can be kept in, or the options of one",
    .help = "Built-in drivers and plugins, with the schemes of their addresses. With a NAME its options, and "
            "those of the layers around every storage, which are written with the layer in front, such as "
            "retry.attempts. Nothing is connected to.",
    .examples = "finops storage backends\n  # all of them\n"
                "finops storage backends local\n  # what one can be told\n",
    .config_keys = config_keys,
    .max_args = 1,
    .flags = FO_VERB_ROWS,
    .run = run,
};
