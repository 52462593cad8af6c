/* finops config show|check|schema: what the configuration says and where each value comes from. */
#include "base/mem.h"
#include "cli/cli_internal.h"

static finops_code
show_run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "key", NULL, false },
                                               { "value", NULL, false },
                                               { "origin", NULL, false } };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    const fo_config_row *rows = NULL;
    size_t n = 0;
    finops_code rc;

    if (!table)
        return fo_error_oom(err);
    rc = fo_config_rows(cli->config, &rows, &n, err);
    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (!fo_table_add(table, (const char *const[]){ rows[i].key, rows[i].value, rows[i].origin }))
            return fo_error_oom(err);
    return fo_table_print(cli, table, err);
}

/* Loading has checked everything by the time this runs. */
static finops_code
check_run(fo_cli *cli, finops_error **err)
{
    const char *path = fo_config_path(cli->config);

    (void)err;
    if (path)
        (void)fprintf(cli->out, "%s is fine\n", path);
    else
        (void)fprintf(cli->out, "no configuration file found; environment and defaults are fine\n");
    return FINOPS_OK;
}

static finops_code
schema_run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_code rc = fo_config_schema(&text, err);

    if (rc == FINOPS_OK && text.len > 0 && text.data[text.len - 1] != '\n')
        fo_str_addc(&text, '\n');
    return rc == FINOPS_OK ? fo_out_flush(cli->out, &text, err) : rc;
}

const fo_verb fo_verb_config_show = {
    .name = "config show",
    .summary = "Show every setting, its value and where the value comes from",
    .help = "A flag beats the environment, the environment beats the file, the file beats the default. "
            "Secrets are shown "
            "as <redacted>.",
    .examples = "finops config show\n  # all settings\n"
                "finops config show --config prod.toml --format json\n  # those of one file, for a program\n",
    .config_keys = (const char *const[]){ FO_DATABASE_KEYS, NULL },
    .flags = FO_VERB_ROWS,
    .run = show_run,
};

const fo_verb fo_verb_config_check = {
    .name = "config check",
    .summary = "Read the configuration and say what is wrong with it",
    .help = "Every unknown key, wrong type and value out of range is named with file and line. Nothing is "
            "connected to; "
            "\"finops doctor\" does that.",
    .examples = "finops config check --config prod.yaml\n  # exit status 2 when it cannot be used\n",
    .run = check_run,
};

const fo_verb fo_verb_config_schema = {
    .name = "config schema",
    .summary = "Print the JSON schema of the configuration file",
    .help = "Editors that know JSON Schema complete and check config.toml and config.yaml with it.",
    .examples = "finops config schema > finops.schema.json\n  # for the editor\n",
    .flags = FO_VERB_NO_CONFIG,
    .run = schema_run,
};
