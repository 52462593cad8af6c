/* finops report: what was spent, by one dimension. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "analytics/money.h"
#include "analytics/report.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "billing/lines.h"
#include "billing/missing.h"
#include "cli/cli.h"
#include "cli/moment.h"

#define BAR_WIDTH 20
#define CELLS 9

typedef struct report_options {
    char *by;
    char *period;
    char **account;
    char *cost;
    char **exclude;
    int64_t top;
    bool compare;
    fo_moment moment;
} report_options;

static const finops_option options[] = {
    { "by", FINOPS_OPT_STRING, offsetof(report_options, by), .value = "service", .arg = "WHAT",
      .help = "service, account, region, usage_type, line_item_type, export, day, month, or tag:KEY" },
    { "period", FINOPS_OPT_STRING, offsetof(report_options, period), .arg = "YYYY-MM",
      .help = "Month, or first and last as 2026-01..2026-03; unset, the newest that is loaded, and with --by "
              "month all" },
    { "account", FINOPS_OPT_LIST, offsetof(report_options, account), .arg = "ID",
      .help = "Only this account; may be given again" },
    { "cost", FINOPS_OPT_ENUM, offsetof(report_options, cost), .value = "unblended",
      .allow = "unblended net amortized",
      .help = "unblended is what was billed, net is after negotiated discounts, amortized spreads "
              "commitments over their use" },
    { "exclude", FINOPS_OPT_LIST, offsetof(report_options, exclude), .arg = "TYPE",
      .help = "Line item types to leave out, such as tax,credit,refund" },
    { "top", FINOPS_OPT_INT, offsetof(report_options, top), .value = "0", .min = 0, .max = 1000000,
      .arg = "N", .help = "Show the N largest and add up the rest in one row; 0 shows all" },
    { "compare", FINOPS_OPT_BOOL, offsetof(report_options, compare), .value = "false",
      .help = "Show the month before beside it, and the change" },
    FO_MOMENT_OPTIONS(report_options),
    { 0 }
};

static const char *const config_keys[] = { "aws.export_name", "aws.dataset_name", FO_DATABASE_KEYS, NULL };

/* What --by may name and the column of the lines it stands for. */
static const struct {
    const char *name, *column;
    fo_report_unit unit;
} dimensions[] = {
    { "service", "service", FO_REPORT_OTHER },
    { "account", "account", FO_REPORT_OTHER },
    { "region", "region", FO_REPORT_OTHER },
    { "usage_type", "usage_type", FO_REPORT_OTHER },
    { "line_item_type", "line_item_type", FO_REPORT_OTHER },
    { "export", "export_name", FO_REPORT_OTHER },
    { "day", "day", FO_REPORT_DAY },
    { "month", "period", FO_REPORT_MONTH },
};

/* Line item types of AWS bills, and the charge categories of FOCUS, that --exclude takes. */
static const char *const line_types[] = {
    "usage",
    "discountedusage",
    "savingsplancoveredusage",
    "savingsplannegation",
    "savingsplanrecurringfee",
    "savingsplanupfrontfee",
    "rifee",
    "fee",
    "credit",
    "refund",
    "tax",
    "edpdiscount",
    "privateratediscount",
    "bundleddiscount",
    "sppdiscount",
    "rivolumediscount",
    "discount",
    "purchase",
    "adjustment",
};

/* The command line, understood. */
typedef struct view {
    const char *name;    /* of the dimension, for headings and keys: "service", "tag" */
    const char *tag_key; /* NULL unless it is a tag */
    fo_report_options report;
    fo_cost_model cost;
    fo_strv accounts, exclude;
    char from[8], to[8];
} view;

static void
view_done(view *v)
{
    fo_strv_done(&v->accounts);
    fo_strv_done(&v->exclude);
}

static finops_code
read_by(const char *by, view *v, finops_error **err)
{
    const char *names[FO_COUNT(dimensions)];

    if (fo_starts(by, "tag:") && by[4]) {
        v->name = v->report.column = "tag";
        v->tag_key = by + 4;
        return FINOPS_OK;
    }
    for (size_t i = 0; i < FO_COUNT(dimensions); i++) {
        names[i] = dimensions[i].name;
        if (!fo_streq(by, names[i]))
            continue;
        v->name = names[i];
        v->report.column = dimensions[i].column;
        v->report.unit = dimensions[i].unit;
        return FINOPS_OK;
    }
    const char *near = fo_nearest(by, names, FO_COUNT(names));
    finops_code rc = fo_error_set(err, FINOPS_E_USAGE, "--by %s: nothing to group by is called that", by);
    if (near)
        fo_error_hint(err, "did you mean %s?", near);
    else
        fo_error_hint(err, "%s", options[0].help);
    return rc;
}

/* The words of a list flag, at commas too, in lower case when asked for. */
static finops_code
read_words(char *const *items, bool lower, fo_strv *ret, finops_error **err)
{
    for (; items && *items; items++) {
        FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;
        if (!fo_strv_split(&parts, *items, ','))
            return fo_error_oom(err);
        for (size_t i = 0; i < parts.n; i++) {
            for (char *p = parts.items[i]; lower && *p; p++)
                *p = fo_lower(*p);
            if (*parts.items[i] && !fo_strv_add(ret, parts.items[i]))
                return fo_error_oom(err);
        }
    }
    return FINOPS_OK;
}

static finops_code
check_exclude(const fo_strv *words, finops_error **err)
{
    for (size_t i = 0; i < words->n; i++) {
        bool known = false;
        for (size_t k = 0; k < FO_COUNT(line_types); k++)
            known |= fo_streq(words->items[i], line_types[k]);
        if (known)
            continue;
        const char *near = fo_nearest(words->items[i], line_types, FO_COUNT(line_types));
        finops_code rc = fo_error_set(err, FINOPS_E_USAGE, "--exclude %s: no line item type is called that",
                                      words->items[i]);
        if (near)
            fo_error_hint(err, "did you mean %s?", near);
        else
            fo_error_hint(err, "'finops report --by line_item_type' shows the types there are");
        return rc;
    }
    return FINOPS_OK;
}

/* "2026-01", "2026-01-15" (its month), "2026-01..2026-03". */
static finops_code
read_period(const char *text, view *v, finops_error **err)
{
    const char *dots = strstr(text, "..");
    const char *last = dots ? dots + 2 : text;
    int from, to;

    snprintf(v->from, sizeof(v->from), "%.7s", text);
    snprintf(v->to, sizeof(v->to), "%.7s", last);
    if (fo_period_parse(v->from, &from) && fo_period_parse(v->to, &to) && from <= to &&
        (!dots || dots == text + 7) && (strlen(last) == 7 || (!dots && strlen(last) == 10)))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_USAGE, "--period %s is no month, write YYYY-MM or YYYY-MM..YYYY-MM",
                        text);
}

static finops_code
view_read(const report_options *o, view *v, finops_error **err)
{
    finops_code rc = read_by(o->by, v, err);

    if (rc == FINOPS_OK)
        rc = read_words(o->account, false, &v->accounts, err);
    if (rc == FINOPS_OK)
        rc = read_words(o->exclude, true, &v->exclude, err);
    if (rc == FINOPS_OK)
        rc = check_exclude(&v->exclude, err);
    if (rc == FINOPS_OK && o->period)
        rc = read_period(o->period, v, err);
    v->cost = fo_streq(o->cost, "net")         ? FO_COST_NET
              : fo_streq(o->cost, "amortized") ? FO_COST_AMORTIZED
                                               : FO_COST_UNBLENDED;
    v->report.from = v->from;
    v->report.to = v->to;
    v->report.compare = o->compare;
    v->report.accounts = &v->accounts;
    v->report.exclude = &v->exclude;
    v->report.top = (size_t)o->top;
    return rc;
}

/* ---- rows for programs ---- */

static const char *
exact(fo_decimal v, char buf[FO_DECIMAL_TEXT])
{
    return fo_decimal_format(v, buf);
}

static finops_code
data_row(const view *v, const fo_report_block *block, const fo_report_row *row, fo_table *table,
         finops_error **err)
{
    char cost[FO_DECIMAL_TEXT], before[FO_DECIMAL_TEXT], change[FO_DECIMAL_TEXT], lines[24], period[24];
    char share[FO_MONEY_TEXT], percent[FO_MONEY_TEXT];
    fo_decimal size = row->previous < 0 ? -row->previous : row->previous;
    bool has_share = fo_percent(row->cost, block->total.cost, 2, share);
    bool has_percent = row->has_previous && fo_percent(row->cost - row->previous, size, 2, percent);
    bool one = fo_streq(v->from, v->to);

    snprintf(lines, sizeof(lines), "%" PRId64, row->lines);
    snprintf(period, sizeof(period), "%s%s%s", v->from, one ? "" : "..", one ? "" : v->to);
    const char *const cells[CELLS] = { *block->currency ? block->currency : NULL,
                                       period,
                                       row->others ? "(others)" : row->key,
                                       exact(row->cost, cost),
                                       has_share ? share : NULL,
                                       lines,
                                       row->has_previous ? exact(row->previous, before) : NULL,
                                       exact(row->cost - row->previous, change),
                                       has_percent ? percent : NULL };
    return fo_table_add(table, cells) ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
print_data(fo_cli *cli, const view *v, const fo_report *report, finops_error **err)
{
    const fo_table_column columns[CELLS] = {
        { "currency", NULL, false },     { "period", NULL, false },       { v->name, NULL, false },
        { "cost", NULL, true },          { "share_percent", NULL, true }, { "lines", NULL, true },
        { "previous_cost", NULL, true }, { "change", NULL, true },        { "change_percent", NULL, true },
    };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, v->report.compare ? CELLS : CELLS - 3);
    finops_code rc = table ? FINOPS_OK : fo_error_oom(err);

    for (size_t b = 0; rc == FINOPS_OK && b < report->n; b++)
        for (size_t i = 0; rc == FINOPS_OK && i < report->blocks[b].n; i++)
            rc = data_row(v, &report->blocks[b], &report->blocks[b].rows[i], table, err);
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

/* ---- rows for people ---- */

static const char *
key_text(const view *v, const fo_report_row *row, bool total, char buf[48])
{
    if (total)
        return "total";
    if (row->others) {
        snprintf(buf, 48, row->others == 1 ? "(%zu other)" : "(%zu others)", row->others);
        return buf;
    }
    if (row->key)
        return row->key;
    return v->tag_key ? "(untagged)" : "(none)";
}

/* "12.5%", NULL where there is nothing to divide by. */
static const char *
percent_text(fo_decimal part, fo_decimal whole, char buf[FO_MONEY_TEXT])
{
    char number[FO_MONEY_TEXT];

    if (!fo_percent(part, whole, 1, number))
        return NULL;
    snprintf(buf, FO_MONEY_TEXT, "%.40s%%", number);
    return buf;
}

static finops_code
people_row(const view *v, const fo_report_block *block, const fo_report_row *row, fo_decimal most,
           fo_table *table, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str bar = FO_STR_INIT;
    char key[48], cost[FO_MONEY_TEXT], before[FO_MONEY_TEXT], change[FO_MONEY_TEXT], share[FO_MONEY_TEXT],
        percent[FO_MONEY_TEXT];
    bool total = row == &block->total, compare = v->report.compare;
    fo_decimal size = row->previous < 0 ? -row->previous : row->previous;
    const char *cells[7] = { key_text(v, row, total, key), fo_money_format(row->cost, cost) };
    size_t n = 2;

    cells[n++] = percent_text(row->cost, block->total.cost, share);
    if (compare) {
        cells[n++] = row->has_previous ? fo_money_format(row->previous, before) : NULL;
        cells[n++] = fo_money_change_format(row->cost - row->previous, change);
        cells[n++] = row->has_previous ? percent_text(row->cost - row->previous, size, percent) : NULL;
    }
    if (!total && !row->others)
        fo_bar(row->cost, most, BAR_WIDTH, &bar);
    finops_code rc = fo_str_check(&bar, err);
    cells[n] = fo_str_z(&bar);
    if (rc != FINOPS_OK)
        return rc;
    return fo_table_add(table, cells) ? FINOPS_OK : fo_error_oom(err);
}

static void
print_title(fo_cli *cli, const view *v, const fo_report_block *block, const char *cost, bool first)
{
    bool one = fo_streq(v->from, v->to);

    fprintf(cli->out, "%s%s %s%s%s, %s cost by %s%s%s", first ? "" : "\n",
            *block->currency ? block->currency : "(no currency)", v->from, one ? "" : "..", one ? "" : v->to,
            cost, v->name, v->tag_key ? " " : "", v->tag_key ? v->tag_key : "");
    for (size_t i = 0; i < v->exclude.n; i++)
        fprintf(cli->out, "%s%s", i ? ", " : ", without ", v->exclude.items[i]);
    fputc('\n', cli->out);
}

static finops_code
print_block(fo_cli *cli, const view *v, const fo_report_block *block, bool first, finops_error **err)
{
    const fo_table_column plain[] = {
        { v->name, NULL, false },
        { "cost", NULL, true },
        { "share", NULL, true },
        { "bar", "", false },
    };
    const fo_table_column compared[] = {
        { v->name, NULL, false }, { "cost", NULL, true },   { "share", NULL, true }, { "before", NULL, true },
        { "change", NULL, true }, { "percent", "%", true }, { "bar", "", false },
    };
    const bool compare = v->report.compare;
    FO_AUTO(fo_table_freep)
    fo_table *table =
        fo_table_new(compare ? compared : plain, compare ? FO_COUNT(compared) : FO_COUNT(plain));
    const report_options *o = cli->options;
    fo_decimal most = 0;
    finops_code rc = table ? FINOPS_OK : fo_error_oom(err);

    for (size_t i = 0; i < block->n; i++) {
        fo_decimal size = block->rows[i].cost < 0 ? -block->rows[i].cost : block->rows[i].cost;
        if (block->rows[i].others) /* a heap of rows would make every other bar small */
            continue;
        most = size > most ? size : most;
    }
    for (size_t i = 0; rc == FINOPS_OK && i < block->n; i++)
        rc = people_row(v, block, &block->rows[i], most, table, err);
    if (rc == FINOPS_OK)
        rc = people_row(v, block, &block->total, most, table, err);
    if (rc != FINOPS_OK)
        return rc;
    print_title(cli, v, block, o->cost, first);
    return fo_table_print(cli, table, err);
}

static finops_code
print_report(fo_cli *cli, const view *v, const fo_report *report, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (cli->format != FO_FORMAT_TABLE || report->n == 0)
        return print_data(cli, v, report, err);
    for (size_t i = 0; rc == FINOPS_OK && i < report->n; i++)
        rc = print_block(cli, v, &report->blocks[i], i == 0, err);
    return rc;
}

/* ---- the whole ---- */

/* The months to show when none was named, and a clear word when the one named is not there. */
static finops_code
settle_period(const fo_lines *lines, view *v, finops_error **err)
{
    finops_code rc;

    if (!*v->from) {
        bool all = v->report.unit == FO_REPORT_MONTH;
        snprintf(v->from, sizeof(v->from), "%.7s", all ? lines->first_period : lines->last_period);
        snprintf(v->to, sizeof(v->to), "%.7s", lines->last_period);
        return FINOPS_OK;
    }
    if (strcmp(v->to, lines->first_period) >= 0 && strcmp(v->from, lines->last_period) <= 0)
        return FINOPS_OK;
    rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "no bill of %s is loaded", v->from);
    fo_error_hint(err, "loaded are %s to %s", lines->first_period, lines->last_period);
    return rc;
}

static finops_code
warn_overlaps(fo_database *db, const fo_lines *lines, const view *v, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv warnings = FO_STRV_INIT;
    finops_code rc = fo_lines_overlaps(db, lines, v->from, v->to, &warnings, err);

    for (size_t i = 0; i < warnings.n; i++)
        fo_warn("%s", warnings.items[i]);
    return rc;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(view_done) view v = { 0 };
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_lines_done) fo_lines lines = { 0 };
    FO_AUTO(fo_report_done) fo_report report = { 0 };
    const fo_aws_settings *aws = &cli->settings->aws;
    const report_options *o = cli->options;
    fo_settings past;
    const fo_settings *settings = NULL;
    finops_code rc = view_read(cli->options, &v, err);

    if (rc == FINOPS_OK)
        rc = fo_moment_settings(cli, &o->moment, &past, &settings, err);
    if (rc == FINOPS_OK)
        rc = fo_database_open_reader(settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK) {
        const fo_lines_options what = { .dataset = aws->dataset_name,
                                        .export_name = aws->export_name,
                                        .cost = v.cost,
                                        .tag_key = v.tag_key };
        rc = fo_lines_open(db, &what, &lines, err);
    }
    if (rc == FINOPS_OK)
        rc = settle_period(&lines, &v, err);
    if (rc == FINOPS_OK)
        rc = warn_overlaps(db, &lines, &v, err);
    v.report.lines = lines.sql;
    if (rc == FINOPS_OK)
        rc = fo_report_run(db, &v.report, &report, err);
    if (rc != FINOPS_OK)
        return fo_bill_explain_missing(db, rc, err);
    return print_report(cli, &v, &report, err);
}

const fo_verb fo_verb_report = {
    .name = "report",
    .summary = "Show what was spent, by service, account, tag and more",
    .help = "Adds up the loaded bills of a month by one dimension, each currency for itself, with the share "
            "of the total. --compare puts "
            "the month before beside it; with --period FIRST..LAST as many months before, and with --by "
            "month or day the same month "
            "or day one month earlier.\n\n"
            "A tag's key is written as in the cloud account: tag:team, tag:user:team, tag:aws:createdBy. "
            "Tables show rounded money; json and csv "
            "have every digit, and no total, so that rows can be added up. Works while an import runs, from "
            "the months published so far.",
    .examples = "finops report\n  # the newest month by service\n"
                "finops report --by account --period 2026-01 --compare\n  # accounts, and what changed "
                "against December\n"
                "finops report --by tag:team --cost amortized --exclude tax,credit,refund --top 10\n  # "
                "teams, commitments spread\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(report_options),
    .flags = FO_VERB_ROWS,
    .run = run,
};
