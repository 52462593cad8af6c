/* finops help [COMMAND] */
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"

static finops_code
help_run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    fo_found found = { 0 };
    finops_code rc;

    rc = fo_verb_find(cli->args, cli->n_args, &found, err);
    if (rc != FINOPS_OK)
        return rc;
    if (found.verb && found.used < cli->n_args)
        return fo_error_set(err, FINOPS_E_USAGE, "unknown command \"%s %s\"", cli->args[0], cli->args[1]);
    if (found.verb)
        rc = fo_help_verb(&text, found.verb, cli->width, cli->colour, err);
    else if (found.group)
        rc = fo_help_group(&text, found.group, cli->width, cli->colour, err);
    else
        rc = fo_help_overview(&text, cli->width, cli->colour, err);
    return rc == FINOPS_OK ? fo_out_flush(cli->out, &text, err) : rc;
}

const fo_verb fo_verb_help = {
    .name = "help",
    .args = "[COMMAND]",
    .summary = "Explain a command, or list all of them",
    .max_args = 2,
    .examples = "finops help query\n  # what query can do\n",
    .flags = FO_VERB_NO_CONFIG,
    .run = help_run,
};
