/* finops completion bash|zsh|fish */
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"

static finops_code
completion_run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_code rc = fo_completion_script(&text, cli->args[0], err);

    return rc == FINOPS_OK ? fo_out_flush(cli->out, &text, err) : rc;
}

const fo_verb fo_verb_completion = {
    .name = "completion",
    .args = "bash|zsh|fish",
    .summary = "Print the completion script of a shell",
    .examples = "finops completion bash > /etc/bash_completion.d/finops\n  # for every user\n"
                "source <(finops completion zsh)\n  # for this shell\n"
                "finops completion fish > ~/.config/fish/completions/finops.fish\n  # for yourself\n",
    .min_args = 1,
    .max_args = 1,
    .flags = FO_VERB_NO_CONFIG,
    .run = completion_run,
};
