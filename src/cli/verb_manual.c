/* finops manual man|markdown: what the build installs as finops(1) and keeps as docs/reference/cli.md. */
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"

static finops_code
manual_run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_code rc;

    if (strcmp(cli->args[0], "man") == 0)
        rc = fo_manual_man(&text, err);
    else if (strcmp(cli->args[0], "markdown") == 0)
        rc = fo_manual_markdown(&text, err);
    else
        rc =
            fo_error_set(err, FINOPS_E_USAGE, "manual comes as man or markdown, not as \"%s\"", cli->args[0]);
    return rc == FINOPS_OK ? fo_out_flush(cli->out, &text, err) : rc;
}

const fo_verb fo_verb_manual = {
    .name = "manual",
    .args = "man|markdown",
    .summary = "Write the manual of all commands.",
    .min_args = 1,
    .max_args = 1,
    .flags = FO_VERB_NO_CONFIG | FO_VERB_HIDDEN,
    .run = manual_run,
};
