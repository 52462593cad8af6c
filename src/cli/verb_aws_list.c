/* finops aws list-exports and list-manifests: what the configured sources deliver. */
#include <stdio.h>

#include "base/mem.h"
#include "billing/import.h"
#include "cli/aws_place.h"
#include "cli/verb_aws.h"

const char *const fo_aws_source_keys[] = {
    "aws.bucket",   "aws.prefix", "aws.export_name",  "aws.cur_version", "aws.start_date",
    "aws.end_date", "aws.region", "aws.endpoint_url", "aws.addressing",  NULL
};

static finops_code
list_source(fo_cli *cli, fo_engine *engine, fo_files_places *places, const fo_aws_settings *aws, bool read,
            finops_code (*visit)(const fo_exports *, void *, finops_error **), void *arg, finops_error **err)
{
    FO_AUTO(fo_files_closep) fo_files *files = NULL;
    FO_AUTO(fo_exports_done) fo_exports exports = { 0 };
    const fo_files_options options = {
        .aws = aws, .network = &cli->settings->network, .places = places, .cancel = cli->cancel
    };
    finops_code rc = fo_files_open(engine, &options, &files, err);

    if (rc == FINOPS_OK)
        rc = fo_exports_discover(files, aws, read, cli->cancel, &exports, err);
    return rc == FINOPS_OK ? visit(&exports, arg, err) : rc;
}

finops_code
fo_aws_each_source(fo_cli *cli, bool read,
                   finops_code (*visit)(const fo_exports *exports, void *arg, finops_error **err), void *arg,
                   finops_error **err)
{
    const fo_settings *s = cli->settings;
    FO_AUTO(fo_storage_sources_done) fo_storage_sources sources = { 0 };
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    fo_engine_options memory = { .memory_limit = s->duckdb.memory_limit };
    size_t away = 0;
    finops_code rc = fo_engine_open(&memory, &engine, err);

    if (rc == FINOPS_OK)
        rc = fo_cli_sources(cli, &sources, err);
    if (rc == FINOPS_OK && s->n_exports == 0)
        return list_source(cli, engine, &sources.files, &s->aws, read, visit, arg, err);
    for (size_t i = 0; rc == FINOPS_OK && i < s->n_exports; i++) {
        FO_AUTO(finops_error_freep) finops_error *why = NULL;
        if (s->aws.export_name && !fo_streq(s->aws.export_name, s->exports[i].export_name))
            continue;
        if (list_source(cli, engine, &sources.files, &s->exports[i], read, visit, arg, &why) == FINOPS_OK)
            continue;
        fo_log_error(why); /* the other sources are listed all the same */
        away++;
    }
    if (rc == FINOPS_OK && away > 0)
        rc = fo_error_set(err, away < s->n_exports ? FINOPS_E_PARTIAL : FINOPS_E_NOT_FOUND,
                          "%zu of %zu sources could not be listed", away, s->n_exports);
    return rc;
}

/* What could be listed is shown, also when some source is away. */
static finops_code
list_print(fo_cli *cli, const fo_table *table, finops_code rc, finops_error **err)
{
    if (rc == FINOPS_OK)
        return fo_table_print(cli, table, err);
    if (rc == FINOPS_E_PARTIAL)
        fo_table_print(cli, table, NULL);
    return rc;
}

static finops_code
exports_visit(const fo_exports *exports, void *arg, finops_error **err)
{
    for (size_t i = 0; i < exports->n; i++) {
        const fo_export *e = &exports->items[i];
        char months[24];
        snprintf(months, sizeof(months), "%zu", e->n_deliveries);
        const char *const cells[] = { e->name,
                                      e->layout == FO_LAYOUT_V1 ? "v1" : "v2",
                                      months,
                                      e->deliveries[0].period,
                                      e->deliveries[e->n_deliveries - 1].period,
                                      e->source_uri };
        if (!fo_table_add(arg, cells))
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

static finops_code
run_exports(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = {
        { "export_name", "export", false }, { "cur_version", "version", false },
        { "months", NULL, true },           { "first_period", "first", false },
        { "last_period", "last", false },   { "source_uri", "source", false },
    };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    finops_code rc = table ? fo_aws_each_source(cli, false, exports_visit, table, err) : fo_error_oom(err);

    return list_print(cli, table, rc, err);
}

static finops_code
manifests_visit(const fo_exports *exports, void *arg, finops_error **err)
{
    for (size_t i = 0; i < exports->n; i++) {
        const fo_export *e = &exports->items[i];
        for (size_t j = 0; j < e->n_deliveries; j++) {
            const fo_delivery *d = &e->deliveries[j];
            char files[24] = "";
            if (d->manifest)
                snprintf(files, sizeof(files), "%zu", d->manifest->keys.n);
            const char *const cells[] = { e->name,
                                          d->period,
                                          d->manifest ? d->manifest->version_id : NULL,
                                          d->manifest ? d->manifest->format : NULL,
                                          d->manifest ? (d->manifest->parquet ? "parquet" : "csv") : NULL,
                                          d->manifest ? files : NULL,
                                          d->manifest_address,
                                          d->error ? finops_error_text(d->error) : NULL };
            if (!fo_table_add(arg, cells))
                return fo_error_oom(err);
        }
    }
    return FINOPS_OK;
}

static finops_code
run_manifests(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = {
        { "export_name", "export", false },
        { "billing_period", "period", false },
        { "version_id", "version", false },
        { "data_format_version", "format", false },
        { "export_format", "files as", false },
        { "files", NULL, true },
        { "manifest", NULL, false },
        { "error", NULL, false },
    };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    finops_code rc = table ? fo_aws_each_source(cli, true, manifests_visit, table, err) : fo_error_oom(err);

    return list_print(cli, table, rc, err);
}

const fo_verb fo_verb_aws_list_exports = {
    .name = "aws list-exports",
    .summary = "Show the billing exports of a bucket or folder",
    .help = "Looks for the manifests of Cost and Usage Reports (v1) and Data Exports (v2) below --bucket and "
            "--prefix, or in every "
            "source of the configuration. Nothing is loaded.",
    .examples = "finops aws list-exports --bucket s3://acme-billing\n  # all exports of a bucket\n",
    .config_keys = fo_aws_source_keys,
    .flags = FO_VERB_ROWS,
    .run = run_exports,
};

const fo_verb fo_verb_aws_list_manifests = {
    .name = "aws list-manifests",
    .summary = "Show each month's current manifest of the billing exports",
    .help = "Reads the current manifest of every month: version, format and number of files. A manifest that "
            "cannot be used is shown with "
            "the reason.",
    .config_keys = fo_aws_source_keys,
    .flags = FO_VERB_ROWS,
    .run = run_manifests,
};
