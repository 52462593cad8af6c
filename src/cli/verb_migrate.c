/* finops migrate: bills from one database to another. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "billing/migrate.h"
#include "cli/cli.h"

typedef struct migrate_options {
    char *from, *to;
    char *from_path, *to_path;
    bool dry_run;
    bool force;
} migrate_options;

static const finops_option options[] = {
    { "from", FINOPS_OPT_STRING, offsetof(migrate_options, from), .flags = FINOPS_OPT_REQUIRED,
      .arg = "BACKEND",
      .help = "Where the bills are: duckdb, ducklake, postgresql, adbc or a plugin, by its section of the "
              "configuration; it is only read" },
    { "to", FINOPS_OPT_STRING, offsetof(migrate_options, to), .flags = FINOPS_OPT_REQUIRED, .arg = "BACKEND",
      .help = "Where they go" },
    { "from_path", FINOPS_OPT_STRING, offsetof(migrate_options, from_path), .arg = "FILE",
      .help = "Another file than database_path of the source's section (duckdb, ducklake)" },
    { "to_path", FINOPS_OPT_STRING, offsetof(migrate_options, to_path), .arg = "FILE",
      .help = "Another file than database_path of the target's section (duckdb, ducklake); the files of such "
              "a lake "
              "are beside it" },
    { "dry_run", FINOPS_OPT_BOOL, offsetof(migrate_options, dry_run), .value = "false",
      .help = "Show what would be copied and write nothing" },
    { "force", FINOPS_OPT_BOOL, offsetof(migrate_options, force), .value = "false",
      .help = "Replace months that the target has in a version which the source never had" },
    { 0 }
};

static const char *const config_keys[] = { "aws.export_name", "aws.dataset_name", "aws.table_strategy",
                                           NULL };

typedef struct migrate_view {
    fo_cli *cli;
    fo_table *table;
    int64_t begin; /* of the rows; 0: none came yet */
    bool any;      /* something was looked at, and is in the table */
    bool failed_memory;
} migrate_view;

static void
log_failure(const fo_migrate_event *e)
{
    const fo_field fields[] = { { "hint", finops_error_hint(e->error) } };

    fo_log_fields(FO_LOG_ERROR, fields, fields[0].value ? 1 : 0, "%s %s: %s", e->export_name, e->period,
                  finops_error_text(e->error));
}

/* "3 columns, 2 sums": what was compared. */
static void
show_verified(const fo_migrate_event *e, char *ret, size_t size)
{
    ret[0] = '\0';
    if (e->done && !e->error && e->columns > 0)
        (void)snprintf(ret, size, "%zu columns, %zu sums", e->columns, e->sums);
}

static void
migrate_event(const fo_migrate_event *e, void *arg)
{
    migrate_view *view = arg;
    char rows[24] = "", seconds[24] = "", verified[64];

    view->any = true;
    fo_progress_clear(view->cli);
    if (e->rows >= 0 && !e->error)
        snprintf(rows, sizeof(rows), "%" PRId64, e->rows);
    if (e->done)
        snprintf(seconds, sizeof(seconds), "%.2f", e->seconds);
    show_verified(e, verified, sizeof(verified));
    const char *const cells[] = { e->object,
                                  e->export_name,
                                  e->period,
                                  fo_migrate_action_name(e->action),
                                  *rows ? rows : NULL,
                                  *verified ? verified : NULL,
                                  *seconds ? seconds : NULL,
                                  e->error ? finops_error_text(e->error) : NULL };
    view->failed_memory |= !fo_table_add(view->table, cells);
    if (e->error)
        log_failure(e);
}

/* "2 min 5 s": of the rows that are left at the pace of those that passed. */
static void
time_left(int64_t elapsed_us, int64_t done, int64_t total, char *ret, size_t size)
{
    double left = (double)elapsed_us / 1e6 * (double)(total - done) / (double)done;

    if (done <= 0 || done > total || elapsed_us < 500000)
        (void)snprintf(ret, size, "time left unknown yet");
    else if (left < 60)
        (void)snprintf(ret, size, "about %.0f s left", left);
    else if (left < 3600)
        (void)snprintf(ret, size, "about %.0f min left", left / 60);
    else
        (void)snprintf(ret, size, "about %.1f h left", left / 3600);
}

static void
migrate_progress(int64_t done, int64_t total, const char *what, void *arg)
{
    migrate_view *view = arg;
    int64_t now = fo_clock_monotonic();
    char left[64];

    if (view->begin == 0)
        view->begin = now;
    time_left(now - view->begin, done, total, left, sizeof(left));
    fo_progress_show(view->cli, total > 0 ? (double)done / (double)total : -1, "%s, %" PRId64 " rows, %s",
                     what, done, left);
}

/* The settings of one side: the backend alone, and its file where the command line names one. */
static finops_code
side(const fo_settings *settings, char *backend, char *path, const char *flag, fo_settings *ret,
     finops_error **err)
{
    *ret = *settings;
    ret->database.backend = backend;
    ret->routing.bills = NULL;
    if (!path)
        return FINOPS_OK;
    if (fo_streq(backend, "duckdb")) {
        ret->duckdb.database_path = path;
        return FINOPS_OK;
    }
    if (fo_streq(backend, "ducklake") &&
        (!ret->ducklake.catalog || !fo_starts(ret->ducklake.catalog, "postgres"))) {
        ret->ducklake.database_path = path;
        ret->ducklake.data_path = NULL;
        if (ret->ducklake.duckdb_path && *ret->ducklake.duckdb_path)
            ret->ducklake.duckdb_path = NULL;
        return FINOPS_OK;
    }
    return fo_error_set(err, FINOPS_E_USAGE, "%s: bills of %s are not in a file", flag, backend);
}

static bool
is_default(const fo_config *config, const char *key)
{
    const fo_config_row *rows;
    size_t n;

    if (fo_config_rows(config, &rows, &n, NULL) != FINOPS_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if (fo_streq(rows[i].key, key))
            return fo_streq(rows[i].origin, "default");
    return false;
}

/* Where both sides are engines in this process, each has half of what it would have alone, unless that is
 * set. */
static void
share_memory(const fo_config *config, fo_settings *from, fo_settings *to)
{
    fo_settings *const sides[] = { from, to };

    for (size_t i = 0; i < FO_COUNT(sides); i++)
        if (!fo_streq(sides[i]->database.backend, "duckdb") &&
            !fo_streq(sides[i]->database.backend, "ducklake"))
            return;
    for (size_t i = 0; i < FO_COUNT(sides); i++) {
        if (is_default(config, "database.duckdb.memory_limit"))
            sides[i]->duckdb.memory_limit /= 2;
        if (is_default(config, "database.ducklake.performance.memory_limit"))
            sides[i]->ducklake.memory_limit /= 2;
    }
}

static finops_code
migrate(migrate_view *view, finops_error **err)
{
    const fo_cli *cli = view->cli;
    const migrate_options *o = cli->options;
    fo_settings from, to;
    fo_migrate_options migrate = { .from = &from,
                                   .to = &to,
                                   .export_name = cli->settings->aws.export_name,
                                   .dry_run = o->dry_run,
                                   .force = o->force,
                                   .cancel = cli->cancel,
                                   .event = migrate_event,
                                   .progress = cli->progress ? migrate_progress : NULL,
                                   .arg = view };
    fo_migrate_summary summary = { 0 };
    finops_code rc = side(cli->settings, o->from, o->from_path, "--from-path", &from, err);

    if (rc == FINOPS_OK)
        rc = side(cli->settings, o->to, o->to_path, "--to-path", &to, err);
    if (rc == FINOPS_OK) {
        share_memory(cli->config, &from, &to);
        rc = fo_migrate_run(&migrate, &summary, err);
    }
    fo_progress_clear(view->cli);
    if (!cli->quiet && !o->dry_run && summary.copied + summary.current + summary.failed > 0)
        fo_info("%u month%s copied and verified, %u already there, %u failed", summary.copied,
                summary.copied == 1 ? "" : "s", summary.current, summary.failed);
    if (!cli->quiet && summary.left > 0)
        fo_info("%u table%s no bills: left out", summary.left, summary.left == 1 ? " holds" : "s hold");
    return rc;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = {
        { "object", NULL, false },
        { "export_name", "export", false },
        { "billing_period", "period", false },
        { "action", NULL, false },
        { "rows", NULL, true },
        { "verified", NULL, false },
        { "seconds", NULL, true },
        { "error", NULL, false },
    };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    migrate_view view = { .cli = cli, .table = table };

    if (!table)
        return fo_error_oom(err);
    finops_code rc = migrate(&view, &why);
    finops_code printed = FINOPS_OK;
    if (view.failed_memory)
        return fo_error_oom(err);
    if (rc == FINOPS_OK || view.any)
        printed = fo_table_print(cli, table, err);
    if (printed != FINOPS_OK || rc == FINOPS_OK)
        return printed;
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

const fo_verb fo_verb_migrate = {
    .name = "migrate",
    .summary = "Copy all bills into another database",
    .help = "Copies the months of every export with their load state, history and ledger from one backend to "
            "another, "
            "and makes the views that the target has of them. The source is only read. Names of tables "
            "follow the "
            "target: a table for each month in a DuckDB file or a PostgreSQL server (or one, with "
            "--table-strategy "
            "single), one table with views of its months in a lake.\n\n"
            "Each month is one transaction. Before it is committed it is read back, and compared with what "
            "was read: "
            "rows, the exact sum of every decimal column, a checksum of every column and of whole rows. A "
            "month that "
            "differs fails, and the target is without it.\n\n"
            "Months the target has in the source's version are left alone: the same command again goes on "
            "where one was "
            "stopped, or brings what was loaded since. Two migrations, or a migration and an import, never "
            "work on one "
            "month at once.\n\n"
            "Tables that hold no bills (records of finops load, bookkeeping of other tools, such as "
            "_dlt_loads) are not "
            "copied; the report names them.\n\n"
            "Exit status: 0 all is there, 1 nothing was copied, 3 some months failed or it was stopped.",
    .examples = "finops migrate --from duckdb --to ducklake --dry-run\n  # what would be done\n"
                "finops migrate --from duckdb --to ducklake\n  # all months into a lake\n"
                "finops migrate --from duckdb --from-path old.duckdb --to duckdb --to-path new.duckdb\n"
                "  # from one file into another\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(migrate_options),
    .flags = FO_VERB_ROWS,
    .run = run,
};
