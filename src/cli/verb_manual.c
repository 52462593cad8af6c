/* finops manual man|markdown|configuration: finops(1), docs/reference/cli.md and
 * docs/reference/configuration.md. */
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"
#include "cli/storage_tables.h"

static const struct {
    const char *name;
    finops_code (*write)(fo_str *ret, finops_error **err);
} pages[] = {
    { "man", fo_manual_man },
    { "markdown", fo_manual_markdown },
    { "configuration", fo_storage_tables_reference },
};

static finops_code
manual_run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    for (size_t i = 0; i < FO_COUNT(pages); i++) {
        if (strcmp(cli->args[0], pages[i].name) == 0) {
            finops_code rc = pages[i].write(&text, err);

            return rc == FINOPS_OK ? fo_out_flush(cli->out, &text, err) : rc;
        }
    }
    return fo_error_set(err, FINOPS_E_USAGE, "manual comes as man, markdown or configuration, not as \"%s\"",
                        cli->args[0]);
}

const fo_verb fo_verb_manual = {
    .name = "manual",
    .args = "man|markdown|configuration",
    .summary = "Write the manual of all commands, or of the configuration",
    .min_args = 1,
    .max_args = 1,
    .flags = FO_VERB_NO_CONFIG | FO_VERB_HIDDEN,
    .run = manual_run,
};
