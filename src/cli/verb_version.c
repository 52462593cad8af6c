/* finops version */
#include <stdio.h>

#include "cli/cli.h"
#include "engine/engine.h"

static finops_code
version_run(fo_cli *cli, finops_error **err)
{
    (void)err; /* main notices a failed write */
    (void)fprintf(cli->out, "finops %s\n", FINOPS_VERSION);
    if (cli->verbose)
        (void)fprintf(cli->out, "duckdb %s\n", duckdb_library_version());
    return FINOPS_OK;
}

const fo_verb fo_verb_version = {
    .name = "version",
    .summary = "Print the version; with --verbose that of the engine, too",
    .flags = FO_VERB_NO_CONFIG,
    .run = version_run,
};
