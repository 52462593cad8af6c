/* finops sample: bills to try things with. */
#include <stddef.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "finops/sys/option.h"
#include "sample/sample.h"

typedef struct sample_flags {
    char *out, *format, *cur_version, *start, *export_name, *bucket, *prefix, *delivery, *restate;
    int64_t rows, months, accounts, seed, file_rows;
} sample_flags;

#define AT(field) offsetof(sample_flags, field)

static const finops_option sample_options[] = {
    { "out", FINOPS_OPT_STRING, AT(out), .flags = FINOPS_OPT_REQUIRED, .arg = "DIR",
      .help = "Folder to write to: new, empty, or an earlier sample, which is replaced." },
    { "rows", FINOPS_OPT_INT, AT(rows), .value = "10000", .min = 300, .max = 50000000,
      .help = "Lines of each month; from 200000 on a bill is by the hour, below by the day." },
    { "months", FINOPS_OPT_INT, AT(months), .value = "6", .min = 1, .max = 36, .help = "Number of months." },
    { "accounts", FINOPS_OPT_INT, AT(accounts), .value = "5", .min = 1, .max = 500,
      .help = "Number of accounts, the payer included." },
    { "seed", FINOPS_OPT_INT, AT(seed), .value = "1", .help = "Another seed gives another company." },
    { "format", FINOPS_OPT_ENUM, AT(format), .value = "parquet", .allow = "csv parquet",
      .help = "Format of the report's files." },
    { "cur_version", FINOPS_OPT_ENUM, AT(cur_version), .value = "v2", .allow = "v1 v2",
      .help = "Generation of the report: v1 is the legacy Cost and Usage Report, v2 a Data Export." },
    { "start", FINOPS_OPT_STRING, AT(start), .arg = "YYYY-MM",
      .help = "First month; by default the last one is the month before this." },
    { "export_name", FINOPS_OPT_STRING, AT(export_name), .value = "sample-cur", .arg = "NAME",
      .help = "Name of the report." },
    { "bucket", FINOPS_OPT_STRING, AT(bucket), .value = "sample-billing", .arg = "NAME",
      .help = "Name of the bucket, a folder below DIR." },
    { "prefix", FINOPS_OPT_STRING, AT(prefix), .value = "exports",
      .help = "Prefix of the report in the bucket; may be empty." },
    { "delivery", FINOPS_OPT_ENUM, AT(delivery), .value = "overwrite", .allow = "overwrite create-new",
      .help = "For v2: write over earlier versions or keep them." },
    { "file_rows", FINOPS_OPT_INT, AT(file_rows), .value = "1000000", .min = 1, .max = 50000000,
      .help = "Most lines of one file." },
    { "restate", FINOPS_OPT_STRING, AT(restate), .arg = "YYYY-MM",
      .help = "Write the next version of this month of the sample in DIR, made as that sample was; other "
              "flags do not count." },
    { 0 }
};

static void
sample_report(void *arg, const fo_sample_progress *p)
{
    double done = p->rows_total > 0 ? (double)p->rows_done / (double)p->rows_total : 0;

    fo_progress_show(arg, done, "writing %s", p->period);
}

static void
sample_told(const fo_cli *cli, const sample_flags *f, const fo_sample_result *r)
{
    if (cli->quiet)
        return;
    (void)fprintf(cli->out, "%lld lines in %lld %s, %s to %s\n", (long long)r->rows, (long long)r->files,
                  r->files == 1 ? "file" : "files", r->first, r->last);
    (void)fprintf(cli->out, "totals: %s/expected.json\n", f->out);
    (void)fprintf(cli->out, "import: finops aws import-cur --bucket %s --prefix '%s' --export-name %s\n",
                  r->bucket, r->prefix, r->export_name);
}

static finops_code
sample_run(fo_cli *cli, finops_error **err)
{
    const sample_flags *f = cli->options;
    fo_sample_result result = { 0 };
    fo_sample_options o = {
        .out = f->out,
        .rows = f->rows,
        .months = f->months,
        .accounts = f->accounts,
        .seed = f->seed,
        .format = f->format,
        .cur_version = f->cur_version,
        .start = f->start,
        .export_name = f->export_name,
        .bucket = f->bucket,
        .prefix = f->prefix,
        .delivery = f->delivery,
        .restate = f->restate,
        .file_rows = f->file_rows,
        .cancel = cli->cancel,
        .report = sample_report,
        .arg = cli,
    };
    finops_code rc = fo_sample_write(&o, &result, err);

    fo_progress_clear(cli);
    if (rc == FINOPS_OK)
        sample_told(cli, f, &result);
    fo_sample_result_done(&result);
    return rc;
}

const fo_verb fo_verb_sample = {
    .name = "sample",
    .summary = "Write realistic AWS bills to try things with",
    .help = "The bills have every kind of line, several accounts, tags of all sorts, a savings plan, "
            "reservations, a discount "
            "program, credits and taxes, and lie as AWS delivers them below DIR/BUCKET. The same flags give "
            "the same bytes. "
            "DIR/expected.json has the exact totals of every month.\n\n"
            "The last month but one has been restated: csv files of v1 and v2 with --delivery create-new "
            "keep its superseded "
            "version beside the current one. --restate makes the next version of any month.",
    .examples = "finops sample --out sample\n  # six months of 10,000 lines\n"
                "finops sample --out old --cur-version v1 --format csv --rows 100000 --months 12\n  # a "
                "legacy report\n"
                "finops sample --out sample --restate 2026-08\n  # the provider corrects a month: import "
                "again, then look at aws diff\n",
    .options = sample_options,
    .options_size = sizeof(sample_flags),
    .flags = FO_VERB_NO_CONFIG,
    .run = sample_run,
};
