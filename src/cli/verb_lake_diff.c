/* finops lake diff: what the provider changed in the bill between two states of a lake. */
#include <stdio.h>
#include <string.h>

#include "analytics/money.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "billing/lake_diff.h"
#include "billing/lake_states.h"
#include "cli/moment.h"

#define BY_MAX 16
#define FIGURES 9
#define CELLS_MAX (BY_MAX + FIGURES)
/* Rows of a table for people that nobody limited. */
#define TABLE_ROWS 1000

typedef struct diff_options {
    char *from;
    char *to;
    char *period;
    char *by;
    char *cost;
    int64_t limit;
} diff_options;

static const finops_option options[] = {
    { "from", FINOPS_OPT_STRING, offsetof(diff_options, from), .flags = FINOPS_OPT_REQUIRED, .arg = "STATE",
      .help =
          "Older state: its number, its tag, or a time, of which 2026-11-03 is the end of that day, UTC" },
    { "to", FINOPS_OPT_STRING, offsetof(diff_options, to), .arg = "STATE",
      .help = "Newer state; unset, the newest" },
    { "period", FINOPS_OPT_DATE, offsetof(diff_options, period), .arg = "YYYY-MM",
      .help = "Only this month; unset, all that differ" },
    { "by", FINOPS_OPT_STRING, offsetof(diff_options, by), .value = "service", .arg = "WHAT,...",
      .help = "service, account, usage_type, region, line_item_type, resource, operation, payer, month, "
              "export, tag:KEY, several at once; total: one row for each currency" },
    { "cost", FINOPS_OPT_ENUM, offsetof(diff_options, cost), .value = "unblended",
      .allow = "unblended net amortized", .help = "Cost that is compared" },
    { "limit", FINOPS_OPT_INT, offsetof(diff_options, limit), .value = "0", .min = 0, .max = 1000000000,
      .arg = "N",
      .help = "Show the N largest changes of each currency and add up the rest in one row; 0 shows all, a "
              "table the first 1000" },
    { 0 }
};

static const char *const config_keys[] = { "aws.export_name", "aws.dataset_name", "database.backend", NULL };

/* ---- the command line ---- */

static finops_code
check_by(const char *name, finops_error **err)
{
    const char *const *names = fo_lake_diff_dimensions();
    size_t n = 0;

    for (; names[n]; n++)
        if (fo_streq(name, names[n]))
            return FINOPS_OK;
    if (fo_starts(name, "tag:") && name[4])
        return FINOPS_OK;
    const char *near = fo_nearest(name, names, n);
    finops_code rc = fo_error_set(err, FINOPS_E_USAGE, "--by %s: nothing to group by is called that", name);
    if (near)
        fo_error_hint(err, "did you mean %s?", near);
    else
        fo_error_hint(err, "%s", options[3].help);
    return rc;
}

static finops_code
read_by(const char *text, fo_strv *by, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv words = FO_STRV_INIT;
    finops_code rc = fo_strv_split(&words, text, ',') ? FINOPS_OK : fo_error_oom(err);

    if (rc != FINOPS_OK || fo_streq(text, "total"))
        return rc;
    for (size_t i = 0; rc == FINOPS_OK && i < words.n; i++) {
        rc = check_by(words.items[i], err);
        if (rc == FINOPS_OK && (fo_strv_has(by, words.items[i]) || by->n == BY_MAX))
            rc = fo_error_set(err, FINOPS_E_USAGE, "--by %s: each may be named once, and %d of them", text,
                              BY_MAX);
        if (rc == FINOPS_OK && !fo_strv_add(by, words.items[i]))
            rc = fo_error_oom(err);
    }
    return rc;
}

/* ---- rows ---- */

static finops_code
print_data(fo_cli *cli, fo_database *db, const char *sql, finops_error **err)
{
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = fo_database_stream(db, sql, &stream, err);

    fo_progress_clear(cli);
    return rc == FINOPS_OK ? fo_render_stream(cli, &stream, err) : rc;
}

/* Money for people. */
static const char *
money(const char *text, bool change, char buf[FO_MONEY_TEXT])
{
    fo_decimal v;

    if (!text || fo_decimal_parse(text, strlen(text), &v) > FO_DECIMAL_ROUNDED)
        return text;
    return change ? fo_money_change_format(v, buf) : fo_money_format(v, buf);
}

/* The name of what a row is about, in its first cell. */
static const char *
row_name(const fo_rows *rows, size_t i, const char *dimension, char buf[48])
{
    switch (fo_rows_int(rows, i, FO_LAKE_DIFF_KIND)) {
    case FO_LAKE_DIFF_REST:
        snprintf(buf, 48, "(%.24s others)", fo_rows_text(rows, i, FO_LAKE_DIFF_OTHERS));
        return buf;
    case FO_LAKE_DIFF_TOTAL:
        return "total";
    default:
        return fo_starts(dimension, "tag:") ? "(untagged)" : "(none)";
    }
}

static bool
add_row(const fo_rows *rows, size_t i, const fo_strv *by, fo_table *table)
{
    const char *cells[CELLS_MAX] = { 0 };
    char name[48], amounts[3][FO_MONEY_TEXT];
    const size_t head = FO_LAKE_DIFF_HEAD, n = by->n, at = head + n + 1;
    bool group = fo_rows_int(rows, i, FO_LAKE_DIFF_KIND) == FO_LAKE_DIFF_MOVER;

    for (size_t d = 0; d < n; d++) {
        cells[d] = fo_rows_text(rows, i, head + d);
        if (group ? !cells[d] : d == 0)
            cells[d] = row_name(rows, i, by->items[d], name);
    }
    cells[n] = fo_rows_text(rows, i, head + n);
    for (size_t k = 0; k < 3; k++)
        cells[n + 1 + k] = money(fo_rows_text(rows, i, at + k), k == 2, amounts[k]);
    for (size_t k = 3; k + 1 < FIGURES; k++)
        cells[n + 1 + k] = fo_rows_text(rows, i, at + k);
    return fo_table_add(table, cells);
}

static fo_table *
new_table(const fo_strv *by)
{
    static const fo_table_column figures[FIGURES] = {
        { "currency", NULL, false },
        { "old", NULL, true },
        { "new", NULL, true },
        { "change", NULL, true },
        { "old_rows", "old rows", true },
        { "new_rows", "new rows", true },
        { "added", NULL, true },
        { "removed", NULL, true },
        { "repriced", NULL, true },
    };
    fo_table_column columns[CELLS_MAX];

    for (size_t d = 0; d < by->n; d++)
        columns[d] = (fo_table_column){ by->items[d], NULL, false };
    memcpy(columns + by->n, figures, sizeof(figures));
    return fo_table_new(columns, by->n + FIGURES);
}

static finops_code
print_table(fo_cli *cli, fo_database *db, const char *sql, const fo_strv *by, finops_error **err)
{
    FO_AUTO(fo_table_freep) fo_table *table = new_table(by);
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = table ? fo_database_rows(db, sql, &rows, err) : fo_error_oom(err);

    fo_progress_clear(cli);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        if (!add_row(rows, i, by, table))
            rc = fo_error_oom(err);
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

static finops_code
print_diff(fo_cli *cli, fo_database *db, const fo_lake_diff *diff, const fo_strv *by, finops_error **err)
{
    const diff_options *o = cli->options;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    bool people = cli->format == FO_FORMAT_TABLE;
    int64_t limit = people && !o->limit ? TABLE_ROWS : o->limit;

    fo_lake_diff_rows(diff, by, limit, people, &sql);
    finops_code rc = fo_str_check(&sql, err);
    for (size_t i = 0; i < diff->notes.n; i++)
        fo_warn("%s", diff->notes.items[i]);
    if (rc != FINOPS_OK)
        return rc;
    return people ? print_table(cli, db, fo_str_z(&sql), by, err) : print_data(cli, db, fo_str_z(&sql), err);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    const diff_options *o = cli->options;
    FO_AUTO(fo_strv_done) fo_strv by = FO_STRV_INIT;
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_lake_diff_done) fo_lake_diff diff = { 0 };
    char from[FO_TIME_TEXT], to[FO_TIME_TEXT];
    char period[8];
    finops_code rc = read_by(o->by, &by, err);

    snprintf(period, sizeof(period), "%.7s", o->period ? o->period : "");
    fo_lake_diff_options what = { .dataset = cli->settings->aws.dataset_name,
                                  .export_name = cli->settings->aws.export_name,
                                  .period = o->period ? period : NULL,
                                  .cost = fo_streq(o->cost, "net")         ? FO_COST_NET
                                          : fo_streq(o->cost, "amortized") ? FO_COST_AMORTIZED
                                                                           : FO_COST_UNBLENDED,
                                  .by = &by };
    if (rc == FINOPS_OK)
        rc = fo_moment_check(cli, err);
    if (rc == FINOPS_OK)
        rc = fo_database_open_reader(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_state_find(db, o->from, &what.from, err);
    if (rc == FINOPS_OK)
        rc = o->to ? fo_lake_state_find(db, o->to, &what.to, err) : fo_lake_state_newest(db, &what.to, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_state_time(db, what.from, from, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_state_time(db, what.to, to, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_diff_open(db, &what, &diff, err);
    if (rc != FINOPS_OK)
        return rc;
    if (cli->format == FO_FORMAT_TABLE)
        fprintf(cli->out, "%s, %s, %s cost: state %lld of %s -> %lld of %s\n", diff.exports, diff.months,
                o->cost, (long long)what.from, from, (long long)what.to, to);
    (void)fflush(cli->out);
    fo_progress_show(cli, -1, "comparing the lines of both states");
    return print_diff(cli, db, &diff, &by, err);
}

const fo_verb fo_verb_lake_diff = {
    .name = "lake diff",
    .summary = "Show what the provider changed in the bill between two states of a lake",
    .help =
        "Providers restate months, and give line items new ids when they do. This matches the lines of both "
        "states by what they are (payer, account, line item type, service, usage type, operation, resource, "
        "region, currency, charge period, pricing terms, tags) and counts, for each group, the lines that "
        "were added, those that were removed, and those that are there as before at another cost or price, "
        "with the difference of the cost to the last digit, the largest first. Groups in which nothing "
        "differs are not shown. Of lines that are alike it counts how many there are.\n\n"
        "Only months that differ are read, and old and new are their costs. Tables show rounded money and "
        "end with the totals of those months; json and csv have every digit, and no total, so that rows can "
        "be added up: --by total gives the totals alone.",
    .examples = "finops lake diff --from 22 --backend ducklake\n  # services, state 22 against the newest\n"
                "finops lake diff --from 2026-11-03 --to 2026-11-10 --period 2026-10 --by account,tag:team "
                "--limit 20 --backend ducklake\n  # what a week changed in October\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(diff_options),
    .flags = FO_VERB_ROWS,
    .run = run,
};
