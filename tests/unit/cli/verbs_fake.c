/* The list of verbs that tests see instead of verbs.c. */
#include "cli_test.h"

static const finops_option load_rows[] = {
    { "file", FINOPS_OPT_LIST, offsetof(load_options, files), .arg = "PATH", .help = "File to load." },
    { "jobs", FINOPS_OPT_INT, offsetof(load_options, jobs), .value = "2", .min = 1, .max = 64,
      .help = "Files read side by side." },
    { "force", FINOPS_OPT_BOOL, offsetof(load_options, force), .help = "Load again what is there." },
    { "verify", FINOPS_OPT_BOOL, offsetof(load_options, verify), .value = "true", .help = "Count again." },
    { "mode", FINOPS_OPT_ENUM, offsetof(load_options, mode), .value = "slow", .allow = "slow fast",
      .help = "How." },
    { "from", FINOPS_OPT_DATE, offsetof(load_options, from), .help = "First month." },
    { "to", FINOPS_OPT_DATE, offsetof(load_options, to), .needs = "from", .help = "Last month." },
    { 0 }
};

static finops_code
nothing(fo_cli *cli, finops_error **err)
{
    (void)cli;
    (void)err;
    return FINOPS_OK;
}

static const fo_verb load = {
    .name = "bill load",
    .args = "[PATH...]",
    .summary = "Load a bill.",
    .help = "It is 'loaded' with care.",
    .examples = "finops bill load a.csv\n  # one file\n",
    .config_keys =
        (const char *const[]){ "aws.bucket", "aws.export_name", "aws.secret_access_key", "aws.reset", NULL },
    .options = load_rows,
    .options_size = sizeof(load_options),
    .max_args = 3,
    .flags = FO_VERB_ASKS,
    .run = nothing,
};
static const fo_verb show = {
    .name = "bill show", .summary = "Show bills.", .flags = FO_VERB_ROWS, .run = nothing
};
static const fo_verb query = { .name = "query",
                               .args = "SQL",
                               .summary = "Ask.",
                               .min_args = 1,
                               .max_args = 1,
                               .flags = FO_VERB_ROWS | FO_VERB_STREAM,
                               .run = nothing };
static const fo_verb secret = { .name = "inner",
                                .args = "one|two",
                                .summary = "Not for people.",
                                .min_args = 1,
                                .max_args = 1,
                                .flags = FO_VERB_HIDDEN,
                                .run = nothing };

const fo_verb *const fo_verbs[] = { &load, &show, &query, &secret, NULL };

void
caught_open(caught *c, fo_out_format format)
{
    *c = (caught){ .cli = { .format = format, .verb = &query, .quiet = true } };
    c->cli.out = open_memstream(&c->text, &c->len);
    assert_non_null(c->cli.out);
}

const char *
caught_text(caught *c)
{
    assert_int_equal(fflush(c->cli.out), 0);
    return c->text;
}

void
caught_done(caught *c)
{
    if (c->cli.out)
        (void)fclose(c->cli.out);
    free(c->text);
}
