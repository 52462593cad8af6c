/* finops lake maintain and cleanup: states and files that are no longer wanted. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "billing/lake_maintain.h"
#include "cli/moment.h"

typedef struct maintain_options {
    char *expire_older_than;
    int64_t keep;
    char *grace;
    char *older_than;
    bool alone;
    bool dry_run;
} maintain_options;

static const char *const config_keys[] = { "database.backend", NULL };

static const finops_option maintain_flags[] = {
    { "expire_older_than", FINOPS_OPT_STRING, offsetof(maintain_options, expire_older_than), .arg = "AGE",
      .help = "Expire states older than this: 30d, 12h, 15m" },
    { "keep", FINOPS_OPT_INT, offsetof(maintain_options, keep), .value = "-1", .min = -1, .max = 1000000000,
      .arg = "N", .help = "Expire no state of the newest N; without --expire-older-than, all others" },
    { "grace", FINOPS_OPT_STRING, offsetof(maintain_options, grace), .value = "1d", .arg = "AGE",
      .help = "No state younger than this is expired, and files stay for this long after their last state" },
    { "alone", FINOPS_OPT_BOOL, offsetof(maintain_options, alone), .value = "false",
      .help = "No other process has the lake open, files may be put in order (a catalog in a DuckDB file "
              "always is alone)" },
    { "dry_run", FINOPS_OPT_BOOL, offsetof(maintain_options, dry_run), .value = "false",
      .help = "Show what would be done and change nothing" },
    { 0 }
};

static const finops_option cleanup_flags[] = {
    { "older_than", FINOPS_OPT_STRING, offsetof(maintain_options, older_than), .value = "1d", .arg = "AGE",
      .help = "Only files older than this: 1d, 12h, 15m" },
    { "dry_run", FINOPS_OPT_BOOL, offsetof(maintain_options, dry_run), .value = "false",
      .help = "Show what would be removed and remove nothing" },
    { 0 }
};

static const fo_table_column columns[] = {
    { "step", NULL, false },       { "table", NULL, false },        { "states", NULL, true },
    { "rows", NULL, true },        { "files_removed", NULL, true }, { "files_written", NULL, true },
    { "bytes_freed", NULL, true },
};

typedef struct steps {
    fo_cli *cli;
    fo_table *table;
    bool full; /* no memory */
} steps;

static const char *
number(int64_t value, char buf[24])
{
    (void)snprintf(buf, 24, "%" PRId64, value);
    return value < 0 ? NULL : buf;
}

static void
each_step(const fo_lake_step *step, void *arg)
{
    steps *s = arg;
    char texts[5][24];
    const char *const cells[] = { step->step,
                                  step->table,
                                  number(step->states, texts[0]),
                                  number(step->rows, texts[1]),
                                  number(step->files_removed, texts[2]),
                                  number(step->files_written, texts[3]),
                                  number(step->bytes, texts[4]) };

    if (!fo_table_add(s->table, cells))
        s->full = true;
    fo_progress_show(s->cli, -1, "%s %s", step->step, step->table ? step->table : "");
}

static finops_code
read_age(const char *flag, const char *text, int64_t *ret, finops_error **err)
{
    if (!text || fo_duration_parse(text, ret))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_USAGE,
                        "%s: expected a time such as 30d, 12h, 15m or 45s, found \"%.40s\"", flag, text);
}

static finops_code
maintain(fo_cli *cli, fo_database *db, steps *s, finops_error **err)
{
    const maintain_options *o = cli->options;
    const char *catalog = cli->settings->ducklake.catalog;
    fo_lake_maintain_options what = { .expire_us = -1,
                                      .keep = o->keep,
                                      .alone = o->alone || !catalog || fo_streq(catalog, "duckdb"),
                                      .dry_run = o->dry_run,
                                      .each = each_step,
                                      .arg = s };
    finops_code rc = read_age("--expire-older-than", o->expire_older_than, &what.expire_us, err);

    if (rc == FINOPS_OK)
        rc = read_age("--grace", o->grace, &what.grace_us, err);
    return rc == FINOPS_OK ? fo_lake_maintain(db, &what, err) : rc;
}

static finops_code
cleanup(fo_cli *cli, fo_database *db, steps *s, finops_error **err)
{
    const maintain_options *o = cli->options;
    int64_t older_than = 0;
    finops_code rc = read_age("--older-than", o->older_than, &older_than, err);

    return rc == FINOPS_OK ? fo_lake_cleanup(db, older_than, o->dry_run, each_step, s, err) : rc;
}

static finops_code
run(fo_cli *cli, finops_code (*work)(fo_cli *, fo_database *, steps *, finops_error **), finops_error **err)
{
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    steps s = { .cli = cli, .table = table };
    finops_code rc = table ? fo_moment_check(cli, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = fo_database_open_plain(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = work(cli, db, &s, err);
    fo_progress_clear(cli);
    if (rc == FINOPS_OK && s.full)
        rc = fo_error_oom(err);
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

static finops_code
run_maintain(fo_cli *cli, finops_error **err)
{
    return run(cli, maintain, err);
}

static finops_code
run_cleanup(fo_cli *cli, finops_error **err)
{
    return run(cli, cleanup, err);
}

const fo_verb fo_verb_lake_maintain = {
    .name = "lake maintain",
    .summary = "Expire old states of a lake and put its files in order",
    .help =
        "Expires states by age and number, where that is asked for, never the newest one and never one with "
        "a tag. Then rows that the catalog holds are written into files, files that are mostly deleted are "
        "written anew, small ones are merged, and files that no state needs are removed. Every state that "
        "stays has the rows it had.\n\n"
        "A catalog in PostgreSQL or SQLite may be open elsewhere, and files are left as they are, unless "
        "--alone says that nobody else is there; the rest is done beside readers and writers. A file goes "
        "when its last state went longer ago than --grace, so that whoever reads it still can.\n\n"
        "A dry run shows the states and files that would go, and files that are mostly deleted; what expired "
        "states would free and which files would be merged it cannot know.",
    .examples = "finops lake maintain --expire-older-than 30d --keep 100 --backend ducklake\n  # in cron, "
                "each night\n",
    .config_keys = config_keys,
    .options = maintain_flags,
    .options_size = sizeof(maintain_options),
    .flags = FO_VERB_ROWS,
    .run = run_maintain,
};

const fo_verb fo_verb_lake_cleanup = {
    .name = "lake cleanup",
    .summary = "Remove what failed or killed writers left in a lake",
    .help =
        "Removes files that no state knows, and files of expired states, when they are older than "
        "--older-than, and never one that a state needs. Attempts to load a month that nobody works on any "
        "more are marked as ended. Files younger than an import that is at work stay; a time shorter than "
        "what other programs take to write a file would take it from under them.",
    .examples = "finops lake cleanup --backend ducklake --dry-run\n  # what there is\n",
    .config_keys = config_keys,
    .options = cleanup_flags,
    .options_size = sizeof(maintain_options),
    .flags = FO_VERB_ROWS,
    .run = run_cleanup,
};
