/* finops aws diff: what the provider changed between two versions of a month. */
#include <stdio.h>
#include <string.h>

#include "analytics/money.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "billing/diff.h"
#include "cli/cli.h"

#define COLUMNS 9

typedef struct diff_options {
    char *period;
    char *from;
    char *to;
    char *cost;
} diff_options;

static const finops_option options[] = {
    { "period", FINOPS_OPT_DATE, offsetof(diff_options, period), .flags = FINOPS_OPT_REQUIRED,
      .arg = "YYYY-MM", .help = "Month to look at" },
    { "from", FINOPS_OPT_STRING, offsetof(diff_options, from), .arg = "VERSION",
      .help = "Older version, or the beginning of its name; unset, the last complete one before --to" },
    { "to", FINOPS_OPT_STRING, offsetof(diff_options, to), .arg = "VERSION",
      .help = "Newer version; unset, the current one" },
    { "cost", FINOPS_OPT_ENUM, offsetof(diff_options, cost), .value = "unblended",
      .allow = "unblended net amortized", .help = "Cost that is compared" },
    { 0 }
};

static const char *const config_keys[] = { "aws.export_name", FO_DATABASE_KEYS, NULL };

/* Money for people; programs get the text as it is. */
static const char *
shown(const fo_cli *cli, const char *text, bool change, char buf[FO_MONEY_TEXT])
{
    fo_decimal v;

    if (cli->format != FO_FORMAT_TABLE || !text ||
        fo_decimal_parse(text, strlen(text), &v) > FO_DECIMAL_ROUNDED)
        return text;
    return change ? fo_money_change_format(v, buf) : fo_money_format(v, buf);
}

/* Columns `money` to `money` + 4 of a row hold old, new, change, old rows, new rows. */
static bool
add_row(const fo_cli *cli, const fo_rows *rows, size_t i, size_t money, const char *const heads[4],
        fo_table *table)
{
    char old[FO_MONEY_TEXT], new[FO_MONEY_TEXT], change[FO_MONEY_TEXT];
    const char *const cells[COLUMNS] = { heads[0],
                                         heads[1],
                                         heads[2],
                                         heads[3],
                                         shown(cli, fo_rows_text(rows, i, money), false, old),
                                         shown(cli, fo_rows_text(rows, i, money + 1), false, new),
                                         shown(cli, fo_rows_text(rows, i, money + 2), true, change),
                                         fo_rows_text(rows, i, money + 3),
                                         fo_rows_text(rows, i, money + 4) };

    return fo_table_add(table, cells);
}

static finops_code
fill(const fo_cli *cli, const fo_diff *diff, fo_table *table, finops_error **err)
{
    for (size_t i = 0; i < fo_rows_count(diff->rows); i++) {
        const char *const heads[4] = { fo_rows_text(diff->rows, i, 0), fo_rows_text(diff->rows, i, 1),
                                       fo_rows_text(diff->rows, i, 2), fo_rows_text(diff->rows, i, 3) };
        if (!add_row(cli, diff->rows, i, 4, heads, table))
            return fo_error_oom(err);
    }
    for (size_t i = 0; cli->format == FO_FORMAT_TABLE && i < fo_rows_count(diff->totals); i++) {
        const char *const heads[4] = { "total", NULL, NULL, fo_rows_text(diff->totals, i, 0) };
        if (!add_row(cli, diff->totals, i, 1, heads, table))
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[COLUMNS] = {
        { "account_id", "account", false },
        { "service", NULL, false },
        { "line_item_type", "type", false },
        { "currency", NULL, false },
        { "old", NULL, true },
        { "new", NULL, true },
        { "change", NULL, true },
        { "old_rows", "old rows", true },
        { "new_rows", "new rows", true },
    };
    const diff_options *o = cli->options;
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, COLUMNS);
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_diff_done) fo_diff diff = { 0 };
    char period[8];

    snprintf(period, sizeof(period), "%.7s", o->period);
    const fo_diff_options what = { .export_name = cli->settings->aws.export_name,
                                   .period = period,
                                   .from = o->from,
                                   .to = o->to,
                                   .cost = fo_streq(o->cost, "net")         ? FO_COST_NET
                                           : fo_streq(o->cost, "amortized") ? FO_COST_AMORTIZED
                                                                            : FO_COST_UNBLENDED };
    finops_code rc =
        table ? fo_database_open_reader(cli->settings, cli->cancel, &db, err) : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = fo_diff_run(db, &what, &diff, err);
    if (rc == FINOPS_OK)
        rc = fill(cli, &diff, table, err);
    if (rc != FINOPS_OK)
        return rc;
    if (cli->format == FO_FORMAT_TABLE)
        fprintf(cli->out, "%s %s, %s cost: %s -> %s\n", diff.export_name, period, o->cost, diff.from,
                diff.to);
    return fo_table_print(cli, table, err);
}

const fo_verb fo_verb_aws_diff = {
    .name = "aws diff",
    .summary = "Show what the provider changed between two versions of a month",
    .help = "Providers restate months. Every version that was loaded left its sums by account, service and "
            "line item type in the ledger; this "
            "compares two of them, the largest changes first, also when the old rows are gone. Rows that are "
            "equal are not shown; the total "
            "counts them.",
    .examples = "finops aws diff --period 2026-01\n  # what the last restatement of January changed\n"
                "finops aws diff --period 2026-01 --from 20260128 --to 20260204 --format csv\n  # two "
                "versions by the beginnings of their names\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(diff_options),
    .flags = FO_VERB_ROWS,
    .run = run,
};
