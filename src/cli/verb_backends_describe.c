/* finops backends describe: what a driver can do and what it can be told. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/backends.h"

static const char *const config_keys[] = { "database.plugin_path", NULL };

typedef struct page {
    fo_table *table;
    bool failed;
} page;

static void
row(page *p, const char *part, const char *name, const char *value, const char *type, const char *env,
    const char *help)
{
    const char *const cells[] = { part, name, value, type, env, help };

    p->failed = p->failed || !fo_table_add(p->table, cells);
}

static void
number_row(page *p, const char *name, unsigned value, const char *help)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%u", value);
    row(p, "capability", name, value ? text : "no limit", NULL, NULL, help);
}

static void
capability_rows(page *p, const finops_capabilities *c)
{
    FO_AUTO(fo_str_done) fo_str features = FO_STR_INIT;
    const char quote[2] = { c->quote, '\0' };

    fo_backends_features(c->features, &features);
    row(p, "capability", "features", fo_str_z(&features), NULL, NULL,
        "What it claims to do; tested by backends test");
    row(p, "capability", "dialect", fo_backends_dialect_name(c->dialect), NULL, NULL, "Its flavour of SQL");
    row(p, "capability", "quote", quote, NULL, NULL, "Around identifiers, doubled inside");
    number_row(p, "max_identifier", c->max_identifier, "Bytes of a name");
    number_row(p, "max_precision", c->max_precision, "Digits of a decimal");
    number_row(p, "max_parameters", c->max_parameters, "Parameters of one statement");
}

/* Sizes in the largest unit that divides them: 64MiB. */
static void
bound(const finops_option *o, int64_t value, fo_str *ret)
{
    static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;

    if (o->type == FINOPS_OPT_SIZE)
        for (; unit + 1 < FO_COUNT(units) && value >= 1024 && value % 1024 == 0; unit++)
            value /= 1024;
    fo_str_addf(ret, "%" PRId64 "%s", value, units[unit]);
}

static void
option_type(const finops_option *o, fo_str *ret)
{
    static const char *const names[] = {
        "text", "true or false", "whole number", "size", "", "date", "list"
    };

    if (o->type == FINOPS_OPT_ENUM)
        fo_str_add(ret, o->allow ? o->allow : "");
    else
        fo_str_add(ret, (size_t)o->type < FO_COUNT(names) ? names[o->type] : "text");
    if (o->max != 0) {
        fo_str_add(ret, ", ");
        bound(o, o->min, ret);
        fo_str_add(ret, " to ");
        bound(o, o->max, ret);
    }
    if (o->flags & FINOPS_OPT_SECRET)
        fo_str_add(ret, ", secret");
    if (o->flags & FINOPS_OPT_REQUIRED)
        fo_str_add(ret, ", required");
}

static finops_code
option_row(page *p, const char *backend, const finops_option *o, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str env = FO_STR_INIT, type = FO_STR_INIT, section = FO_STR_INIT;
    finops_code rc;

    fo_str_addf(&section, "database.%s", backend);
    option_type(o, &type);
    rc = fo_option_env_name(fo_str_z(&section), o->name, &env, err);
    if (rc != FINOPS_OK)
        return rc;
    if (o->env)
        fo_str_addf(&env, " %s", o->env);
    row(p, "option", o->name, o->value, fo_str_z(&type), fo_str_z(&env), o->help);
    return FINOPS_OK;
}

static finops_code
describe(const fo_cli *cli, finops_registry *registry, const fo_backends_entry *e, page *p,
         finops_error **err)
{
    finops_capabilities c;
    finops_code rc = FINOPS_OK;

    row(p, "driver", "name", e->name, NULL, NULL, e->summary[0] ? e->summary : NULL);
    row(p, "driver", "version", e->version, NULL, NULL, NULL);
    row(p, "driver", "origin", e->origin, NULL, NULL, NULL);
    row(p, "driver", "status", fo_backends_status_name(e->status), NULL, NULL, e->problem);
    if (!e->driver)
        return FINOPS_OK;
    if (fo_backends_capabilities(cli, registry, e->name, &c))
        capability_rows(p, &c);
    for (const finops_option *o = e->driver->options; rc == FINOPS_OK && o && o->name; o++)
        rc = option_row(p, e->name, o, err);
    return rc;
}

static finops_code
unknown(const fo_backends_list *list, const char *name, finops_error **err)
{
    const char *words[64], *nearest;
    size_t n = 0;

    for (; n < list->n && n < FO_COUNT(words); n++)
        words[n] = list->items[n].name;
    nearest = fo_nearest(name, words, n);
    (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "there is no backend %s", name);
    if (nearest)
        fo_error_hint(err, "did you mean %s", nearest);
    else
        fo_error_hint(err, "finops backends list shows those there are");
    return FINOPS_E_NOT_FOUND;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "part", NULL, false },  { "name", NULL, false },
                                               { "value", NULL, false }, { "type", NULL, false },
                                               { "env", NULL, false },   { "help", NULL, false } };
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    FO_AUTO(fo_backends_list_done) fo_backends_list list = { 0 };
    page p = { .table = table };
    const fo_backends_entry *found = NULL;
    finops_code rc;

    if (!table)
        return fo_error_oom(err);
    rc = fo_backends_registry(cli, &registry, err);
    if (rc == FINOPS_OK)
        rc = fo_backends_list_all(registry, &list, err);
    for (size_t i = 0; rc == FINOPS_OK && i < list.n; i++)
        if (fo_streq(list.items[i].name, cli->args[0]))
            found = &list.items[i];
    if (rc == FINOPS_OK)
        rc = found ? describe(cli, registry, found, &p, err) : unknown(&list, cli->args[0], err);
    if (rc == FINOPS_OK && p.failed)
        rc = fo_error_oom(err);
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

const fo_verb fo_verb_backends_describe = {
    .name = "backends describe",
    .args = "NAME",
    .summary = "Show what a database can do, and its options with types and defaults",
    .help =
        "The options are those of its section [database.NAME] of the configuration; each can be set by the "
        "environment, too. Nothing is connected to.",
    .examples = "finops backends describe postgresql\n  # its options and what it can do\n",
    .config_keys = config_keys,
    .min_args = 1,
    .max_args = 1,
    .flags = FO_VERB_ROWS,
    .run = run,
};
