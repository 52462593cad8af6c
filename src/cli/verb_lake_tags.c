/* finops lake tag, tags, untag: names of states. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "billing/lake_states.h"
#include "cli/moment.h"

typedef struct tag_options {
    fo_moment moment;
} tag_options;

static const finops_option options[] = { FO_MOMENT_OPTIONS(tag_options), { 0 } };
static const char *const config_keys[] = { "database.backend", NULL };

static finops_code
run_tag(fo_cli *cli, finops_error **err)
{
    const tag_options *o = cli->options;
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    int64_t state = 0;
    finops_code rc = fo_moment_check(cli, err);

    if (rc == FINOPS_OK)
        rc = fo_database_open_plain(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_moment_state(db, &o->moment, &state, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_tag(db, cli->args[0], state, err);
    if (rc == FINOPS_OK)
        fo_info("%s names state %" PRId64, cli->args[0], state);
    return rc;
}

static finops_code
run_tags(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "name", NULL, false },
                                               { "snapshot_id", NULL, true },
                                               { "created_at", NULL, false },
                                               { "created_by", NULL, false } };
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    finops_code rc = table ? fo_moment_check(cli, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = fo_database_open_plain_reader(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_tags(db, &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        const char *const cells[] = { fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1),
                                      fo_rows_text(rows, i, 2), fo_rows_text(rows, i, 3) };
        if (!fo_table_add(table, cells))
            rc = fo_error_oom(err);
    }
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

static finops_code
run_untag(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    finops_code rc = fo_moment_check(cli, err);

    if (rc == FINOPS_OK)
        rc = fo_database_open_plain(cli->settings, cli->cancel, &db, err);
    return rc == FINOPS_OK ? fo_lake_untag(db, cli->args[0], err) : rc;
}

const fo_verb fo_verb_lake_tag = {
    .name = "lake tag",
    .args = "NAME",
    .summary = "Give a state of a lake a name that keeps it",
    .help = "The name stands for the state wherever one is asked for, and the state is not expired while it "
            "has one. Without --version or --at it is the newest state.",
    .examples = "finops lake tag month-close-2026-10 --backend ducklake\n  # the lake as it is now\n"
                "finops report --version month-close-2026-10 --backend ducklake\n  # the bill as it was\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(tag_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_tag,
};

const fo_verb fo_verb_lake_tags = {
    .name = "lake tags",
    .summary = "Show the names of states of a lake",
    .examples = "finops lake tags --backend ducklake\n  # names, states, who gave them when\n",
    .config_keys = config_keys,
    .flags = FO_VERB_ROWS,
    .run = run_tags,
};

const fo_verb fo_verb_lake_untag = {
    .name = "lake untag",
    .args = "NAME",
    .summary = "Take a name from a state of a lake",
    .help = "The state stays until it is expired.",
    .examples = "finops lake untag month-close-2026-10 --backend ducklake\n  # the name is free again\n",
    .config_keys = config_keys,
    .min_args = 1,
    .max_args = 1,
    .run = run_untag,
};
