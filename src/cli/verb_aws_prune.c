/* finops aws prune: remove old months. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "billing/retention.h"
#include "cli/cli.h"

typedef struct prune_options {
    char *before;
    bool dry_run;
} prune_options;

static const finops_option options[] = {
    { "before", FINOPS_OPT_DATE, offsetof(prune_options, before), .flags = FINOPS_OPT_REQUIRED,
      .arg = "YYYY-MM", .help = "First month that stays" },
    { "dry_run", FINOPS_OPT_BOOL, offsetof(prune_options, dry_run), .value = "false",
      .help = "Show what would be removed and remove nothing" },
    { 0 }
};

static const char *const config_keys[] = { "aws.export_name", "aws.dataset_name",
                                           "database.duckdb.database_path", NULL };

static void
prune_each(const fo_pruned_month *month, void *arg)
{
    char rows[24];

    snprintf(rows, sizeof(rows), "%" PRId64, month->rows);
    const char *const cells[] = { month->export_name, month->period, month->table_name, rows };
    if (!fo_table_add(arg, cells))
        fo_warn("%s %s is not shown: out of memory", month->export_name, month->period);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = {
        { "export_name", "export", false },
        { "billing_period", "period", false },
        { "table_name", "table", false },
        { "rows", NULL, true },
    };
    const prune_options *o = cli->options;
    const fo_aws_settings *aws = &cli->settings->aws;
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    char before[8], question[128];
    int index;
    bool yes = true;

    if (!table)
        return fo_error_oom(err);
    snprintf(before, sizeof(before), "%.7s", o->before);
    if (!fo_period_parse(before, &index))
        return fo_error_set(err, FINOPS_E_USAGE, "--before %s is no month, write YYYY-MM", o->before);
    snprintf(question, sizeof(question), "Remove all months before %s%s%.40s?", before,
             aws->export_name ? " of export " : "", aws->export_name ? aws->export_name : "");
    finops_code rc = o->dry_run ? FINOPS_OK : fo_cli_confirm(cli, question, &yes, err);
    if (rc != FINOPS_OK || !yes)
        return rc;
    rc = fo_database_open_writer(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_bills_prune(db, aws->dataset_name, aws->export_name, before, o->dry_run, prune_each, table,
                            err);
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

const fo_verb fo_verb_aws_prune = {
    .name = "aws prune",
    .summary = "Remove the months before a given one",
    .help = "Drops the tables of old months and takes them out of the unified view and the current state, in "
            "one step an export. The ledger, a few "
            "rows a month, stays. Later imports leave pruned months alone; --force loads them again.",
    .examples = "finops aws prune --before 2024-01 --yes\n  # in cron, after the import\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(prune_options),
    .flags = FO_VERB_ROWS | FO_VERB_ASKS,
    .run = run,
};
