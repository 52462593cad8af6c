/* finops aws reconcile: do files, manifest, table and ledger agree? */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "billing/reconcile.h"
#include "cli/aws_place.h"
#include "cli/cli.h"

typedef struct reconcile_options {
    char *period;
} reconcile_options;

static const finops_option options[] = { { "period", FINOPS_OPT_DATE, offsetof(reconcile_options, period),
                                           .arg = "YYYY-MM", .help = "Only this month" },
                                         { 0 } };

static const char *const config_keys[] = { "aws.bucket",       "aws.prefix",     "aws.export_name",
                                           "aws.cur_version",  "aws.start_date", "aws.end_date",
                                           "aws.dataset_name", "aws.region",     "aws.endpoint_url",
                                           "aws.addressing",   FO_DATABASE_KEYS, NULL };

static void
show_progress(const char *export_name, const char *period, void *arg)
{
    fo_progress_show(arg, -1, "%s %s: reading the files again", export_name, period);
}

static void
show_warning(const char *text, void *arg)
{
    fo_progress_clear(arg);
    fo_warn("%s", text);
}

static finops_code
fill(const fo_reconciliation *r, fo_table *table, finops_error **err)
{
    for (size_t i = 0; i < r->n; i++) {
        const fo_reconciled *m = &r->items[i];
        char rows[24];
        snprintf(rows, sizeof(rows), "%" PRId64, m->rows);
        const char *const cells[] = { m->export_name,
                                      m->period,
                                      fo_reconcile_verdict_name(m->verdict),
                                      m->version_id,
                                      rows,
                                      m->totals,
                                      m->files,
                                      m->manifest,
                                      m->table,
                                      m->ledger,
                                      m->detail.len ? fo_str_z(&m->detail) : NULL };
        if (!fo_table_add(table, cells))
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = {
        { "export_name", "export", false },
        { "billing_period", "period", false },
        { "result", NULL, false },
        { "version_id", "version", false },
        { "rows", NULL, true },
        { "total_cost", "unblended cost", false },
        { "files", NULL, false },
        { "manifest", NULL, false },
        { "table", NULL, false },
        { "ledger", NULL, false },
        { "detail", NULL, false },
    };
    const reconcile_options *o = cli->options;
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    FO_AUTO(fo_reconciliation_done) fo_reconciliation result = { 0 };
    FO_AUTO(fo_storage_sources_done) fo_storage_sources sources = { 0 };
    char period[8] = "";

    if (!table)
        return fo_error_oom(err);
    if (o->period)
        snprintf(period, sizeof(period), "%.7s", o->period);
    finops_code rc = fo_cli_sources(cli, &sources, err);
    const fo_reconcile_options what = { .settings = cli->settings,
                                        .places = &sources.files,
                                        .period = *period ? period : NULL,
                                        .cancel = cli->cancel,
                                        .progress = show_progress,
                                        .warning = show_warning,
                                        .arg = cli };
    if (rc == FINOPS_OK)
        rc = fo_reconcile_run(&what, &result, err);
    fo_progress_clear(cli);
    if (rc == FINOPS_OK)
        rc = fill(&result, table, err);
    if (rc == FINOPS_OK)
        rc = fo_table_print(cli, table, err);
    if (rc == FINOPS_OK && result.drift > 0) {
        rc = fo_error_set(err, FINOPS_E_DRIFT, "%u of %zu months do not agree", result.drift, result.n);
        fo_error_hint(
            err, "the column detail says what differs; 'finops aws import-cur --force' loads a month again");
    }
    return rc;
}

const fo_verb fo_verb_aws_reconcile = {
    .name = "aws reconcile",
    .summary = "Compare the provider's files with what is loaded",
    .help = "For every month: are the rows and the unblended, net and amortized sums of the files, read "
            "again, those of the table and the "
            "ledger, and is the loaded version the manifest's current one? Only reads, and runs beside an "
            "import. Months that the earlier "
            "tool loaded have no ledger and are reported as that; files without a manifest are not read "
            "again.\n\n"
            "Exit status: 0 all agree, 1 something does not.",
    .examples = "finops aws reconcile\n  # every month of the configured sources\n"
                "finops aws reconcile --bucket s3://acme-billing --export-name acme-cur --period 2026-01\n  "
                "# one month\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(reconcile_options),
    .flags = FO_VERB_ROWS,
    .run = run,
};
