/* finops lake rollback: months as they were in an earlier state. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "billing/lake_rollback.h"
#include "billing/lake_states.h"
#include "cli/moment.h"

typedef struct rollback_options {
    char *to;
    char *period;
    bool hold;
    bool dry_run;
} rollback_options;

static const finops_option options[] = {
    { "to", FINOPS_OPT_STRING, offsetof(rollback_options, to), .flags = FINOPS_OPT_REQUIRED, .arg = "STATE",
      .help = "The state: a number, see lake snapshots, a tag, see lake tags, or a time" },
    { "period", FINOPS_OPT_DATE, offsetof(rollback_options, period), .arg = "YYYY-MM",
      .help = "This billing period alone" },
    { "hold", FINOPS_OPT_BOOL, offsetof(rollback_options, hold), .value = "false",
      .help = "Imports leave these months as they are, until --force" },
    { "dry_run", FINOPS_OPT_BOOL, offsetof(rollback_options, dry_run), .value = "false",
      .help = "Show what would change and change nothing" },
    { 0 }
};
static const char *const config_keys[] = { "aws.export_name", "aws.dataset_name", "database.backend", NULL };

static finops_code
print(fo_cli *cli, const fo_rows *months, finops_error **err)
{
    static const fo_table_column columns[] = {
        { "export_name", "export", false },      { "billing_period", "period", false },
        { "version_id", "version", false },      { "rows", NULL, true },
        { "from_version", "instead of", false }, { "from_rows", NULL, true },
    };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));

    if (!table)
        return fo_error_oom(err);
    for (size_t i = 0; i < fo_rows_count(months); i++) {
        const char *const cells[] = { fo_rows_text(months, i, 0), fo_rows_text(months, i, 1),
                                      fo_rows_text(months, i, 2), fo_rows_text(months, i, 3),
                                      fo_rows_text(months, i, 5), fo_rows_text(months, i, 6) };
        if (!fo_table_add(table, cells))
            return fo_error_oom(err);
    }
    return fo_table_print(cli, table, err);
}

/* Asks, and does it. */
static finops_code
roll_back(fo_cli *cli, fo_database *db, const fo_lake_rollback_options *what, const fo_rows *months,
          finops_error **err)
{
    char question[160];
    bool yes = true;
    int64_t now;
    size_t n = fo_rows_count(months);

    (void)snprintf(question, sizeof(question), "Roll %zu month%s back to state %" PRId64 "?", n,
                   n == 1 ? "" : "s", what->state);
    finops_code rc = fo_cli_confirm(cli, question, &yes, err);
    if (rc != FINOPS_OK || !yes)
        return rc;
    fo_progress_show(cli, -1, "copying %zu month%s of state %" PRId64, n, n == 1 ? "" : "s", what->state);
    rc = fo_lake_rollback(db, what, months, err);
    fo_progress_clear(cli);
    if (rc == FINOPS_OK)
        rc = fo_lake_state_newest(db, &now, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_info("%zu month%s as in state %" PRId64 " again, which is state %" PRId64 " now", n,
            n == 1 ? " is" : "s are", what->state, now);
    return print(cli, months, err);
}

static finops_code
read_period(const rollback_options *o, char ret[8], finops_error **err)
{
    int index;

    if (!o->period)
        return FINOPS_OK;
    (void)snprintf(ret, 8, "%.7s", o->period);
    if (fo_period_parse(ret, &index))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_USAGE, "--period %s is no month, write YYYY-MM", o->period);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    const rollback_options *o = cli->options;
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *months = NULL;
    char period[8] = "";
    fo_lake_rollback_options what = { .dataset = cli->settings->aws.dataset_name,
                                      .export_name = cli->settings->aws.export_name,
                                      .period = o->period ? period : NULL,
                                      .state_name = o->to,
                                      .hold = o->hold };
    finops_code rc = read_period(o, period, err);

    if (rc == FINOPS_OK)
        rc = fo_moment_check(cli, err);
    if (rc == FINOPS_OK)
        rc = fo_database_open_writer(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_state_find(db, o->to, &what.state, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_rollback_plan(db, &what, &months, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_rows_count(months) == 0)
        fo_info("nothing differs from state %" PRId64, what.state);
    return o->dry_run || fo_rows_count(months) == 0 ? print(cli, months, err)
                                                    : roll_back(cli, db, &what, months, err);
}

const fo_verb fo_verb_lake_rollback = {
    .name = "lake rollback",
    .summary = "Make months of a lake what they were in an earlier state",
    .help =
        "Rows, ledger and load state of the months become what they were, in one transaction that makes a "
        "new state: nothing is lost, and rolling back can itself be rolled back. Without --period it is "
        "every "
        "month whose loaded version differs; a month that was not there then goes. Columns that came since "
        "stay, and are NULL.\n\n"
        "The next import replaces a month by the provider's newest version again. With --hold it leaves it "
        "alone, until 'aws import-cur --force' or another rollback of the month without --hold.",
    .examples =
        "finops lake rollback --to month-close-2026-10 --period 2026-10 --hold --backend ducklake --yes\n"
        "  # October as it was closed, whatever the provider delivers\n"
        "finops lake rollback --to 22 --dry-run --backend ducklake\n  # what would change\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(rollback_options),
    .flags = FO_VERB_ROWS | FO_VERB_ASKS,
    .run = run,
};
