/* finops backends check, finops storage check: would this plugin be taken? */
#include "base/mem.h"
#include "cli/backends.h"

typedef struct check {
    fo_table *table;
    const char *file;
    unsigned problems;
    bool failed; /* no memory */
} check;

static void
problem_add(const char *problem, void *arg)
{
    check *c = arg;
    const char *const cells[] = { c->file, "problem", problem };

    c->problems++;
    c->failed = c->failed || !fo_table_add(c->table, cells);
}

static finops_code
file_check(check *c, const char *file, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    unsigned before = c->problems;
    finops_code rc;

    c->file = file;
    rc = finops_plugin_check(file, problem_add, c, &why);
    if (rc != FINOPS_OK && c->problems == before) {
        if (rc == FINOPS_E_MEMORY || rc == FINOPS_E_CANCELLED) {
            *err = FO_TAKE(why);
            return rc;
        }
        problem_add(finops_error_text(why), c);
    }
    if (c->problems == before) {
        const char *const cells[] = { file, "ok", NULL };

        c->failed = c->failed || !fo_table_add(c->table, cells);
    }
    return c->failed ? fo_error_oom(err) : FINOPS_OK;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "file", NULL, false },
                                               { "result", NULL, false },
                                               { "detail", NULL, false } };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    check c = { .table = table };
    finops_code rc = table ? FINOPS_OK : fo_error_oom(err);

    for (size_t i = 0; rc == FINOPS_OK && i < cli->n_args; i++)
        rc = file_check(&c, cli->args[i], err);
    if (rc == FINOPS_OK)
        rc = fo_table_print(cli, table, err);
    if (rc == FINOPS_OK && c.problems)
        rc = fo_error_set(err, FINOPS_E_DATA, "%u problem%s found", c.problems, c.problems == 1 ? "" : "s");
    return rc;
}

const fo_verb fo_verb_backends_check = {
    .name = "backends check",
    .args = "FILE.so...",
    .summary = "Check whether a plugin can be used, and say why not",
    .help = "Loads the plugin in a process of its own, as finops does before it uses one: who may write the "
            "file, its "
            "symbol, the version of the interface, the functions a driver must have, its option table. What "
            "it can "
            "do, \"finops backends test\" shows.\n\n"
            "Exit status: 0 it can be used, 1 a problem was found.",
    .examples = "finops backends check ./finops_sqlite.so\n  # before it is put into plugin_path\n",
    .min_args = 1,
    .max_args = 100,
    .flags = FO_VERB_ROWS | FO_VERB_NO_CONFIG,
    .run = run,
};

const fo_verb fo_verb_storage_check = {
    .name = "storage check",
    .args = "FILE.so...",
    .summary = "Check whether a plugin of a storage can be used, and say why not",
    .help =
        "The same as \"finops backends check\", which takes plugins of both kinds: who may write the file, "
        "its symbol, the version of the interface, the functions a driver must have, its option table. "
        "What it can do, \"finops storage test\" shows.\n\n"
        "Exit status: 0 it can be used, 1 a problem was found.",
    .examples = "finops storage check ./finops_dropbox.so\n  # before it is put into plugin_path\n",
    .min_args = 1,
    .max_args = 100,
    .flags = FO_VERB_ROWS | FO_VERB_NO_CONFIG,
    .run = run,
};
