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

static const char *const config_keys[] = { "aws.export_name", "aws.dataset_name", FO_DATABASE_KEYS, NULL };

typedef struct prune_view {
    fo_cli *cli;
    const char *before;
    fo_table *table;
    const char *backend; /* the one at work; NULL: there is one only */
} prune_view;

static void
prune_each(const fo_pruned_month *month, void *arg)
{
    const prune_view *view = arg;
    char rows[24];

    snprintf(rows, sizeof(rows), "%" PRId64, month->rows);
    const char *const cells[] = { view->backend, month->export_name, month->period, month->table_name, rows };
    if (!fo_table_add(view->table, view->backend ? cells : cells + 1))
        fo_warn("%s %s is not shown: out of memory", month->export_name, month->period);
}

/* Bills that go to several databases are old in each of them. */
static finops_code
prune_one(fo_settings *settings, bool several, void *arg, finops_error **err)
{
    prune_view *view = arg;
    const prune_options *o = view->cli->options;
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    finops_code rc = fo_database_open_writer(settings, view->cli->cancel, &db, err);

    if (rc != FINOPS_OK)
        return rc;
    view->backend = several ? settings->database.backend : NULL;
    rc = fo_bills_prune(db, settings->aws.dataset_name, settings->aws.export_name, view->before, o->dry_run,
                        prune_each, view, err);
    view->backend = NULL;
    return rc;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = {
        { "backend", NULL, false },
        { "export_name", "export", false },
        { "billing_period", "period", false },
        { "table_name", "table", false },
        { "rows", NULL, true },
    };
    const prune_options *o = cli->options;
    const fo_aws_settings *aws = &cli->settings->aws;
    FO_AUTO(fo_strv_done) fo_strv backends = FO_STRV_INIT;
    FO_AUTO(fo_table_freep) fo_table *table = NULL;
    char before[8], question[128];
    int index;
    bool yes = true;
    finops_code rc = fo_settings_backends(cli->settings, FO_DATASET_BILLS, &backends, err);

    if (rc != FINOPS_OK)
        return rc;
    size_t skip = backends.n > 1 ? 0 : 1;
    table = fo_table_new(columns + skip, FO_COUNT(columns) - skip);
    if (!table)
        return fo_error_oom(err);
    snprintf(before, sizeof(before), "%.7s", o->before);
    if (!fo_period_parse(before, &index))
        return fo_error_set(err, FINOPS_E_USAGE, "--before %s is no month, write YYYY-MM", o->before);
    snprintf(question, sizeof(question), "Remove all months before %s%s%.40s?", before,
             aws->export_name ? " of export " : "", aws->export_name ? aws->export_name : "");
    rc = o->dry_run ? FINOPS_OK : fo_cli_confirm(cli, question, &yes, err);
    if (rc != FINOPS_OK || !yes)
        return rc;
    prune_view view = { .cli = cli, .before = before, .table = table };
    rc = fo_cli_each_backend(cli, FO_DATASET_BILLS, prune_one, &view, err);
    if (rc != FINOPS_OK && rc != FINOPS_E_PARTIAL)
        return rc;
    finops_code printed = fo_table_print(cli, table, rc == FINOPS_OK ? err : NULL);
    return rc == FINOPS_OK ? printed : rc;
}

const fo_verb fo_verb_aws_prune = {
    .name = "aws prune",
    .summary = "Remove the months before a given one",
    .help = "Drops the tables of old months and takes them out of the unified view and the current state, in "
            "one step an export. The ledger, a few "
            "rows a month, stays. Later imports leave pruned months alone; --force loads them again.\n\n"
            "Bills that go to several databases ([routing], or --backend with commas) are pruned in each of "
            "them.\n\n"
            "Exit status: 0 all done, 1 nothing was, 3 some of several databases failed.",
    .examples = "finops aws prune --before 2024-01 --yes\n  # in cron, after the import\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(prune_options),
    .flags = FO_VERB_ROWS | FO_VERB_ASKS,
    .run = run,
};
