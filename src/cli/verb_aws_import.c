/* finops aws import-cur: load billing exports into the database. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "billing/import.h"
#include "cli/aws_place.h"
#include "cli/cli.h"
#include "cli/storage.h"
#include "cli/verb_aws.h"
#include "config/config.h"

typedef struct import_options {
    char **file;
    bool dry_run;
    bool force;
    bool land;
    char *atomic;
    int64_t jobs;
} import_options;

static const finops_option options[] = {
    { "file", FINOPS_OPT_LIST, offsetof(import_options, file), .arg = "PATH",
      .help =
          "Bare report file to load, without a manifest; may be given again, and further paths may follow" },
    { "dry_run", FINOPS_OPT_BOOL, offsetof(import_options, dry_run), .value = "false",
      .help = "Show what would be loaded and write nothing" },
    { "force", FINOPS_OPT_BOOL, offsetof(import_options, force), .value = "false",
      .help = "Load the selected months again although they are loaded, each replaced in one step" },
    { "land", FINOPS_OPT_BOOL, offsetof(import_options, land), .value = "false",
      .help = "Before a month is loaded, keep its raw files in the storage bronze" },
    { "atomic", FINOPS_OPT_ENUM, offsetof(import_options, atomic), .value = "month", .allow = "month all",
      .help = "What is there as a whole or not at all: each month, or all months of the run together" },
    { "jobs", FINOPS_OPT_INT, offsetof(import_options, jobs), .value = "0", .min = 0, .max = 256, .arg = "N",
      .help = "Threads that read and write; 0: one a core" },
    { 0 }
};

static const char *const config_keys[] = { "aws.bucket",
                                           "aws.prefix",
                                           "aws.export_name",
                                           "aws.cur_version",
                                           "aws.export_format",
                                           "aws.start_date",
                                           "aws.end_date",
                                           "aws.table_strategy",
                                           "aws.column_mapping",
                                           "aws.dataset_name",
                                           "aws.reset",
                                           "aws.region",
                                           "aws.endpoint_url",
                                           "aws.addressing",
                                           "database.backend",
                                           "database.duckdb.database_path",
                                           NULL };

/* What the events gather. */
typedef struct import_view {
    fo_cli *cli;
    fo_table *table;
    const fo_import_options *import;
    const char *backend; /* the one at work */
    bool several;        /* backends: each line names its own */
    unsigned exports;
    fo_lander lander;
    bool failed_memory;
} import_view;

static void
import_log_failure(const fo_import_event *e)
{
    const fo_field fields[] = { { "hint", finops_error_hint(e->error) } };

    fo_log_fields(FO_LOG_ERROR, fields, fields[0].value ? 1 : 0, "%s %s: %s", e->export_name, e->period,
                  finops_error_text(e->error));
}

static void
import_event(const fo_import_event *e, void *arg)
{
    import_view *view = arg;
    char rows[24], files[24], seconds[24], rounded[24];
    bool pending = !e->done && (e->action == FO_IMPORT_LOAD || e->action == FO_IMPORT_REPLACE ||
                                e->action == FO_IMPORT_RELOAD);
    const import_options *o = view->cli->options;

    if (pending && !o->dry_run)
        return;
    fo_progress_clear(view->cli);
    snprintf(rows, sizeof(rows), "%" PRId64, e->rows);
    snprintf(files, sizeof(files), "%" PRId64, e->files);
    snprintf(seconds, sizeof(seconds), "%.2f", e->seconds);
    snprintf(rounded, sizeof(rounded), "%" PRId64, e->rounded);
    const bool loaded = e->done && !e->error;
    const char *const cells[] = { view->backend,
                                  e->export_name,
                                  e->period,
                                  fo_import_action_name(e->action),
                                  e->version_id,
                                  files,
                                  loaded ? rows : NULL,
                                  loaded ? e->totals : NULL,
                                  loaded ? rounded : NULL,
                                  e->done ? seconds : NULL,
                                  e->error ? finops_error_text(e->error) : NULL };
    if (!fo_table_add(view->table, view->several ? cells : cells + 1))
        view->failed_memory = true;
    if (e->error)
        import_log_failure(e);
    else if (e->rounded > 0)
        fo_warn("%s %s: %" PRId64 " amounts had more than 18 decimals and were rounded", e->export_name,
                e->period, e->rounded);
}

static void
import_source_failure(const finops_error *error, void *arg)
{
    import_view *view = arg;

    fo_progress_clear(view->cli);
    fo_log_error(error);
}

static void
import_progress(double fraction, const char *what, void *arg)
{
    import_view *view = arg;

    fo_progress_show(view->cli, fraction, "%s", what);
}

static void
import_warning(const char *text, void *arg)
{
    import_view *view = arg;

    fo_progress_clear(view->cli);
    fo_warn("%s", text);
}

static finops_code
import_land(const fo_aws_settings *aws, const struct fo_bill_source *source, const struct fo_export *export,
            const struct fo_delivery *delivery, void *arg, finops_error **err)
{
    import_view *view = arg;

    return fo_lander_land(&view->lander, aws, source, export, delivery, err);
}

/* Opened before anything is loaded: a place that cannot be is told at once. */
static finops_code
import_lander(import_view *view, fo_import_options *import, finops_error **err)
{
    const import_options *o = view->cli->options;

    if (!o->land)
        return FINOPS_OK;
    if (import->n_paths > 0)
        return fo_error_set(err, FINOPS_E_USAGE,
                            "--land keeps what manifests list, and bare files have none");
    import->land = import_land;
    return fo_lander_open(view->cli, "bronze", &view->lander, err);
}

static void
import_landed(const fo_cli *cli, const import_view *view)
{
    const import_options *o = cli->options;
    const fo_land_counts *c = &view->lander.counts;

    if (o->land && !o->dry_run && !cli->quiet)
        fo_info("%" PRIu64 " raw files landed (%" PRId64 " bytes), %" PRIu64 " were there", c->files,
                c->bytes, c->skipped);
}

/* "--file a --file b c": all of them, in order. */
static finops_code
import_paths(const fo_cli *cli, fo_strv *ret, finops_error **err)
{
    const import_options *o = cli->options;

    for (char **file = o->file; file && *file; file++)
        if (!fo_strv_add(ret, *file))
            return fo_error_oom(err);
    if (cli->n_args > 0 && ret->n == 0)
        return fo_error_set(err, FINOPS_E_USAGE, "bare files go with --file: finops aws import-cur --file %s",
                            cli->args[0]);
    for (size_t i = 0; i < cli->n_args; i++)
        if (!fo_strv_add(ret, cli->args[i]))
            return fo_error_oom(err);
    return FINOPS_OK;
}

/* Those of places of the configuration by their addresses. */
static finops_code
import_files(fo_storage_sources *sources, const fo_strv *paths, fo_strv *texts, fo_strv *ret,
             finops_error **err)
{
    for (size_t i = 0; i < paths->n; i++) {
        const char *file = NULL;
        finops_code rc = fo_cli_source_file(sources, paths->items[i], texts, &file, err);

        if (rc != FINOPS_OK)
            return rc;
        if (!fo_strv_add(ret, file))
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

static finops_code
import_confirm_reset(fo_cli *cli, bool *ret_go, finops_error **err)
{
    const import_options *o = cli->options;
    char question[256];

    *ret_go = true;
    if (!cli->settings->aws.reset || o->dry_run)
        return FINOPS_OK;
    if (fo_streq(o->atomic, "all"))
        return fo_error_set(err, FINOPS_E_USAGE,
                            "--reset drops what is there before it loads: it cannot go with --atomic all");
    snprintf(question, sizeof(question), "Drop all tables and state of %s%s before loading?",
             cli->settings->aws.export_name ? "export " : "every selected export",
             cli->settings->aws.export_name ? cli->settings->aws.export_name : "");
    return fo_cli_confirm(cli, question, ret_go, err);
}

static finops_code
import_summarise(const fo_cli *cli, const fo_import_summary *s, bool dry_run)
{
    if (!cli->quiet && !dry_run && s->exports > 0)
        fo_info("%u month%s loaded, %u already current, %u failed", s->loaded, s->loaded == 1 ? "" : "s",
                s->current, s->failed);
    return FINOPS_OK;
}

/* One backend's import. */
static finops_code
import_into(fo_settings *settings, bool several, void *arg, finops_error **err)
{
    import_view *view = arg;
    fo_import_options import = *view->import;
    fo_import_summary summary = { 0 };
    const import_options *o = view->cli->options;

    if (o->jobs > 0)
        settings->duckdb.threads = o->jobs;
    import.settings = settings;
    view->backend = settings->database.backend;
    finops_code rc = fo_import_run(&import, &summary, err);
    view->backend = NULL;

    fo_progress_clear(view->cli);
    if (several)
        fo_info("%s:", settings->database.backend);
    import_summarise(view->cli, &summary, import.dry_run);
    view->exports += summary.exports;
    return rc;
}

static const fo_table_column columns[] = {
    { "backend", NULL, false },
    { "export_name", "export", false },
    { "billing_period", "period", false },
    { "action", NULL, false },
    { "version_id", "version", false },
    { "files", NULL, true },
    { "rows", NULL, true },
    { "total_cost", "unblended cost", false },
    { "rounded", NULL, true },
    { "seconds", NULL, true },
    { "error", NULL, false },
};

/* Imports into each backend and prints what came of it; *view has its table. */
static finops_code
import_and_tell(fo_cli *cli, import_view *view, fo_import_options *import, finops_error **err)
{
    finops_code printed, rc;

    view->import = import;
    rc = import_lander(view, import, err);
    if (rc == FINOPS_OK)
        rc = fo_cli_each_backend(cli, FO_DATASET_BILLS, import_into, view, err);
    import_landed(cli, view);
    fo_lander_done(&view->lander);
    if (view->failed_memory && rc == FINOPS_OK)
        rc = fo_error_oom(err);
    if (rc != FINOPS_OK && view->exports == 0)
        return rc;
    printed = fo_table_print(cli, view->table, rc == FINOPS_OK ? err : NULL);
    return rc == FINOPS_OK ? printed : rc;
}

/* The table is that of one backend or of several; *several tells. */
static finops_code
import_table(fo_cli *cli, bool *several, fo_table **ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv backends = FO_STRV_INIT;
    finops_code rc = fo_settings_backends(cli->settings, FO_DATASET_BILLS, &backends, err);
    size_t skip;

    if (rc != FINOPS_OK)
        return rc;
    *several = backends.n > 1;
    skip = *several ? 0 : 1;
    *ret = fo_table_new(columns + skip, FO_COUNT(columns) - skip);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    const import_options *o = cli->options;
    FO_AUTO(fo_table_freep) fo_table *table = NULL;
    FO_AUTO(fo_strv_done) fo_strv paths = FO_STRV_INIT, files = FO_STRV_INIT, texts = FO_STRV_INIT;
    FO_AUTO(fo_storage_sources_done) fo_storage_sources sources = { 0 };
    import_view view = { .cli = cli };
    bool go = true;
    finops_code rc = import_table(cli, &view.several, &table, err);

    if (rc == FINOPS_OK)
        rc = import_paths(cli, &paths, err);
    if (rc == FINOPS_OK)
        rc = import_confirm_reset(cli, &go, err);
    if (rc == FINOPS_OK)
        rc = fo_cli_sources(cli, &sources, err);
    if (rc == FINOPS_OK)
        rc = import_files(&sources, &paths, &texts, &files, err);
    if (rc != FINOPS_OK || !go)
        return rc;
    view.table = table;
    view.lander.stats = &sources.stats;
    rc = import_and_tell(cli, &view,
                         &(fo_import_options){ .places = &sources.files,
                                               .force = o->force,
                                               .dry_run = o->dry_run,
                                               .all_or_none = fo_streq(o->atomic, "all"),
                                               .paths = files.items,
                                               .n_paths = files.n,
                                               .cancel = cli->cancel,
                                               .event = import_event,
                                               .warning = import_warning,
                                               .failure = import_source_failure,
                                               .progress = cli->progress ? import_progress : NULL,
                                               .arg = &view },
                         err);
    if (cli->verbose)
        fo_storage_stats_print(cli, &sources.stats, false);
    return rc;
}

const fo_verb fo_verb_aws_import = {
    .name = "aws import-cur",
    .args = "[PATH...]",
    .summary = "Load AWS billing exports into the database",
    .help =
        "Finds the Cost and Usage Reports (v1) and Data Exports (v2, CUR 2.0 and FOCUS) of a bucket, or of a "
        "copy of one in a folder or another service (az://container/folder), compares each month's "
        "current version with what is loaded, and loads what is new. A month is replaced in one step: "
        "readers see the old or the new "
        "one, and a month that fails leaves what was there. Every month is verified against its files.\n\n"
        "With --land the raw files of every month, as AWS wrote them, are copied to the storage bronze of "
        "the "
        "configuration before the month is loaded, under "
        "system=aws/table=cur/export=NAME/period=YYYY-MM/version=ID, and compared by size and checksum; what "
        "is "
        "there already stays. \"--bucket bronze:\" imports from there.\n\n"
        "--backend may name several, separated by commas: each is loaded with a state of its own, and one "
        "that is "
        "down leaves the others complete.\n\n"
        "Exit status: 0 all done, 1 nothing could be loaded, 3 some months or backends failed, or the import "
        "was "
        "stopped after some were loaded.",
    .examples =
        "finops aws import-cur --bucket s3://acme-billing --prefix cur\n  # every export below the prefix\n"
        "finops aws import-cur --bucket ./mirror --export-name acme-cur --start-date 2026-01\n  # one export "
        "of a local copy\n"
        "finops aws import-cur --file report-00001.csv.gz report-00002.csv.gz --export-name acme\n  # files "
        "without a manifest\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(import_options),
    .max_args = 10000,
    .flags = FO_VERB_ROWS | FO_VERB_ASKS,
    .run = run,
};
