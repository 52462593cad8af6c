/* Importing bills by their manifests. */
#include "billing/import.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "billing/aws/discover.h"
#include "billing/column_mapping.h"
#include "billing/import_internal.h"

const char *
fo_import_action_name(fo_import_action action)
{
    static const char *const names[] = {
        [FO_IMPORT_LOAD] = "load",       [FO_IMPORT_REPLACE] = "replace", [FO_IMPORT_RELOAD] = "reload",
        [FO_IMPORT_CURRENT] = "current", [FO_IMPORT_PRUNED] = "pruned",   [FO_IMPORT_FAILED] = "failed",
        [FO_IMPORT_UNDONE] = "undone",   [FO_IMPORT_HELD] = "held",
    };

    return names[action];
}

/* A source that cannot be is found out before a database is made for it. */
static finops_code
import_check_source(const fo_aws_settings *aws, finops_error **err)
{
    FO_AUTO(fo_bill_source_done) fo_bill_source source = { 0 };
    finops_code rc = fo_bill_source_parse(aws, &source, err);

    if (rc == FINOPS_OK && !source.remote && !aws->place && access(source.base, R_OK | X_OK) != 0)
        rc = fo_error_errno(err, errno, "list folder %s", source.base);
    return rc;
}

/* Before anything is made, too. */
static finops_code
import_check_mapping(const fo_aws_settings *aws, finops_error **err)
{
    FO_AUTO(fo_column_mapping_done) fo_column_mapping mapping = { 0 };

    return aws->column_mapping ? fo_column_mapping_read(aws->column_mapping, &mapping, err) : FINOPS_OK;
}

static finops_code
import_check_sources(const fo_import_options *o, finops_error **err)
{
    finops_code rc = import_check_mapping(&o->settings->aws, err);

    for (size_t i = 0; rc == FINOPS_OK && i < o->settings->n_exports; i++)
        rc = import_check_mapping(&o->settings->exports[i], err);
    if (rc != FINOPS_OK)
        return rc;
    /* Of several sources one may be away; the others are imported all the same. */
    if (o->n_paths > 0 || o->settings->n_exports > 0)
        return FINOPS_OK;
    return import_check_source(&o->settings->aws, err);
}

void
fo_import_export_done(fo_import_export *ex)
{
    fo_identity_done(&ex->identity);
    fo_colnames_free(ex->names);
}

finops_code
fo_import_identify(fo_import *im, fo_import_export *ex, finops_error **err)
{
    fo_identity identity = { 0 };

    while (im->met.n > ex->met_before) /* its own name, of an earlier try */
        fo_free(im->met.items[--im->met.n]);
    finops_code rc = fo_identity_resolve(im->known, &im->met, ex->found_name, ex->source_uri, &identity, err);
    if (rc != FINOPS_OK)
        return rc;
    if (identity.warning && !ex->identity.warning && im->options->warning)
        im->options->warning(identity.warning, im->options->arg);
    fo_identity_done(&ex->identity);
    ex->identity = identity;
    ex->target = (fo_bill_target){ .schema = ex->aws->dataset_name,
                                   .vendor = FO_VENDOR_AWS,
                                   .export_name = ex->identity.export_name,
                                   .table_base = ex->identity.table_base,
                                   .single = fo_streq(ex->aws->table_strategy, "single") };
    return FINOPS_OK;
}

finops_code
fo_import_export_open(fo_import *im, const fo_aws_settings *aws, const char *export_name,
                      const char *source_uri, fo_import_export *ret, finops_error **err)
{
    FO_AUTO(fo_import_export_done)
    fo_import_export ex = {
        .aws = aws, .found_name = export_name, .source_uri = source_uri, .met_before = im->met.n
    };
    finops_code rc = fo_import_identify(im, &ex, err);

    if (rc == FINOPS_OK && aws->reset && !im->options->dry_run)
        rc = fo_import_reset(im->database, aws->dataset_name, ex.identity.export_name, err);
    if (rc == FINOPS_OK && im->database && !im->options->dry_run)
        rc = fo_import_need_database(im, &ex, err);
    if (rc != FINOPS_OK)
        return rc;
    im->summary.exports++;
    *ret = ex;
    ex = (fo_import_export){ 0 };
    return FINOPS_OK;
}

/* Whether the delivery's file format is the one asked for. */
static bool
import_format_fits(const fo_aws_settings *aws, const fo_manifest *m)
{
    return !aws->export_format || fo_streq(aws->export_format, m->parquet ? "parquet" : "csv");
}

static finops_code
import_delivery(fo_import *im, fo_import_export *ex, const fo_bill_source *source, const fo_export *e,
                fo_delivery *d, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv addresses = FO_STRV_INIT;
    FO_AUTO(fo_freep) fo_bill_file *files = NULL;
    fo_import_month month = { .period = d->period, .version_id = "unknown", .format = "unknown" };

    if (d->manifest && !import_format_fits(ex->aws, d->manifest))
        return FINOPS_OK;
    if (d->manifest && d->manifest->keys.n == 0) {
        fo_error_set(&d->error, FINOPS_E_DATA, "manifest %s lists no files", d->manifest_address);
    }
    if (d->manifest && !d->error && !d->landed && im->options->land && !im->options->dry_run &&
        im->options->land(ex->aws, source, e, d, im->options->arg, &d->error) == FINOPS_E_CANCELLED) {
        if (err)
            *err = FO_TAKE(d->error);
        return FINOPS_E_CANCELLED;
    }
    month.broken = d->error;
    if (d->manifest) {
        finops_code rc = fo_delivery_files(d, source, &addresses, &files, err);
        if (rc != FINOPS_OK)
            return rc;
        month.version_id = d->manifest->version_id;
        month.format = d->manifest->format;
        month.parquet = d->manifest->parquet;
        month.delivered = true;
        month.files = files;
        month.n_files = d->manifest->keys.n;
    }
    return fo_import_month_run(im, ex, &month, err);
}

finops_code
fo_import_delivered_version(fo_import *im, const fo_import_export *ex, const char *period, char **ret,
                            finops_error **err)
{
    FO_AUTO(fo_exports_done) fo_exports exports = { 0 };
    FO_AUTO(fo_freep) char *name = fo_strdup(ex->found_name);
    FO_AUTO(fo_freep) char *month = fo_strdup(period);
    fo_aws_settings one = *ex->aws; /* borrows its texts */

    if (!name || !month)
        return fo_error_oom(err);
    one.export_name = name;
    one.start_date = one.end_date = month;
    finops_code rc = fo_exports_discover(im->files, &one, true, im->options->cancel, &exports, err);
    for (size_t i = 0; rc == FINOPS_OK && i < exports.n; i++) {
        const fo_export *e = &exports.items[i];

        if (!fo_streq(e->source_uri, ex->source_uri) || e->n_deliveries == 0 || !e->deliveries[0].manifest)
            continue;
        *ret = fo_strdup(e->deliveries[0].manifest->version_id);
        return *ret ? FINOPS_OK : fo_error_oom(err);
    }
    return rc;
}

/* Whether any month has files of the format asked for; a month that cannot be read counts, it is to be told.
 */
static bool
import_export_fits(const fo_aws_settings *aws, const fo_export *e)
{
    for (size_t i = 0; i < e->n_deliveries; i++)
        if (!e->deliveries[i].manifest || import_format_fits(aws, e->deliveries[i].manifest))
            return true;
    return false;
}

static finops_code
import_one_export(fo_import *im, const fo_aws_settings *aws, const fo_bill_source *source, fo_export *e,
                  finops_error **err)
{
    FO_AUTO(fo_import_export_done) fo_import_export ex = { 0 };
    finops_code rc = fo_import_export_open(im, aws, e->name, e->source_uri, &ex, err);

    for (size_t i = 0; rc == FINOPS_OK && i < e->n_deliveries; i++)
        rc = import_delivery(im, &ex, source, e, &e->deliveries[i], err);
    return rc;
}

static finops_code
import_nothing_found(const fo_aws_settings *aws, finops_error **err)
{
    const char *prefix = aws->prefix && *aws->prefix ? aws->prefix : NULL;
    finops_code rc = fo_error_set(
        err, FINOPS_E_NOT_FOUND, "no %s%s in %s%s%s", aws->export_name ? "export " : "billing export",
        aws->export_name ? aws->export_name : "", aws->bucket ? aws->bucket : "any source",
        prefix ? " below " : "", prefix ? prefix : "");

    fo_error_hint(err, "'finops aws list-exports' shows what is there; check --bucket, --prefix, the dates, "
                       "--cur-version and --export-format");
    return rc;
}

/* Imports what one source delivers; *found counts its exports. */
static finops_code
import_source(fo_import *im, const fo_aws_settings *aws, size_t *found, finops_error **err)
{
    FO_AUTO(fo_bill_source_done) fo_bill_source source = { 0 };
    FO_AUTO(fo_exports_done) fo_exports exports = { 0 };
    finops_code rc = fo_bill_source_parse(aws, &source, err);

    if (rc == FINOPS_OK)
        rc = fo_import_open_files(im, aws, err);
    if (rc == FINOPS_OK)
        rc = fo_exports_discover(im->files, aws, true, im->options->cancel, &exports, err);
    if (rc != FINOPS_OK)
        return rc;
    im->by_source = true;
    for (size_t i = 0; rc == FINOPS_OK && i < exports.n; i++) {
        if (!import_export_fits(aws, &exports.items[i])) /* before a reset would drop what cannot come back */
            continue;
        ++*found;
        rc = import_one_export(im, aws, &source, &exports.items[i], err);
    }
    im->by_source = false;
    return fo_import_lanes_end(im, rc, err);
}

/* One of several sources: what is wrong with it is told and does not stop the others, unless the whole run
 * must stop. */
static finops_code
import_one_source(fo_import *im, const fo_aws_settings *aws, size_t *found, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = import_source(im, aws, found, &why);

    if (rc == FINOPS_OK)
        return rc;
    if (rc == FINOPS_E_CANCELLED || im->lost) {
        if (err)
            *err = FO_TAKE(why);
        return rc;
    }
    im->failed_sources++;
    if (im->first_failure == FINOPS_OK)
        im->first_failure = rc;
    if (im->options->failure)
        im->options->failure(why, im->options->arg);
    return FINOPS_OK;
}

/* [[aws.exports]] when there are any, those that a chosen name fits; else [aws]. */
static finops_code
import_sources(fo_import *im, finops_error **err)
{
    const fo_settings *s = im->options->settings;
    const char *name = s->aws.export_name;
    size_t found = 0;
    finops_code rc = FINOPS_OK;

    if (s->n_exports == 0)
        rc = import_source(im, &s->aws, &found, err);
    for (size_t i = 0; rc == FINOPS_OK && i < s->n_exports; i++) {
        const fo_aws_settings *one = &s->exports[i];
        if (name && one->export_name && !fo_streq(name, one->export_name))
            continue;
        im->source = *one; /* outlives the files opened by it */
        im->source.export_name = name ? s->aws.export_name : one->export_name;
        rc = import_one_source(im, &im->source, &found, err);
    }
    if (rc == FINOPS_OK && found == 0 && im->failed_sources == 0)
        rc = import_nothing_found(
            s->n_exports == 0 ? &s->aws : &(fo_aws_settings){ .export_name = s->aws.export_name }, err);
    return rc;
}

static finops_code
import_files(fo_import *im, finops_error **err)
{
    finops_code rc = fo_import_open_files(im, &im->options->settings->aws, err);

    return rc == FINOPS_OK ? fo_import_paths(im, err) : rc;
}

/* What the run as a whole comes to. */
static finops_code
import_verdict(const fo_import *im, finops_error **err)
{
    const fo_import_summary *s = &im->summary;
    unsigned fine = s->loaded + s->current;

    if (s->failed == 0 && im->failed_sources == 0)
        return FINOPS_OK;
    if (fine == 0 && s->failed == 0)
        return fo_error_set(err, im->first_failure, "no source could be read");
    if (fine == 0)
        return fo_error_set(err, im->first_failure, "%s",
                            s->failed == 1 ? "the month could not be loaded" : "no month could be loaded");
    if (s->failed == 0)
        return fo_error_set(err, FINOPS_E_PARTIAL,
                            "%u of the sources could not be read; the others are loaded", im->failed_sources);
    return fo_error_set(err, FINOPS_E_PARTIAL, "%u of %u months failed; the others are loaded", s->failed,
                        s->failed + fine);
}

/* What was published before the stop is there to stay: that is less than all and more than nothing. */
static finops_code
import_stopped(const fo_import *im, finops_error **err)
{
    unsigned n = im->summary.loaded;

    if (n == 0)
        return FINOPS_E_CANCELLED;
    (void)fo_error_set(err, FINOPS_E_PARTIAL, "stopped on request; %u month%s loaded before that", n,
                       n == 1 ? " was" : "s were");
    fo_error_hint(err, "run the same command again for the rest");
    return FINOPS_E_PARTIAL;
}

finops_code
fo_import_run(const fo_import_options *options, fo_import_summary *ret, finops_error **err)
{
    FO_AUTO(fo_import_done) fo_import im = { .options = options };

    assert(options && options->settings && ret);
    finops_code rc = fo_database_check_bills(options->settings, err);
    if (rc == FINOPS_OK)
        rc = import_check_sources(options, err);
    if (rc == FINOPS_OK)
        rc = fo_import_open(&im, err);
    if (rc == FINOPS_OK)
        rc = options->all_or_none && !options->dry_run
                 ? fo_import_all_run(&im, options->n_paths > 0 ? import_files : import_sources, err)
             : options->n_paths > 0 ? import_files(&im, err)
                                    : import_sources(&im, err);
    *ret = im.summary;
    if (rc == FINOPS_E_CANCELLED)
        return import_stopped(&im, err);
    return rc == FINOPS_OK ? import_verdict(&im, err) : rc;
}
