/*
 * Bare report files: no manifest says which month they are or which version, so the rows and the bytes do.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "billing/import_internal.h"

#define SOURCE_PREFIX "file:" /* bare files have no source but the name they are given */
#define READ_BLOCK ((size_t)1 << 20)

static void
paths_sha256_freep(fo_sha256 **h)
{
    fo_sha256_free(*h);
}

static finops_code
paths_hash_file(fo_files *files, const char *address, char hex[FO_SHA256_HEX], finops_error **err)
{
    FO_AUTO(fo_file_closep) fo_file *file = NULL;
    FO_AUTO(paths_sha256_freep) fo_sha256 *h = fo_sha256_new();
    FO_AUTO(fo_freep) void *block = fo_alloc(READ_BLOCK);
    size_t n = 0;

    if (!h || !block)
        return fo_error_oom(err);
    finops_code rc = fo_file_open(files, address, &file, err);
    do {
        if (rc == FINOPS_OK)
            rc = fo_file_next(file, block, READ_BLOCK, &n, err);
        if (rc == FINOPS_OK)
            fo_sha256_add(h, block, n);
    } while (rc == FINOPS_OK && n > 0);
    if (rc == FINOPS_OK)
        fo_sha256_end(h, hex);
    return rc;
}

/* SHA-256 over names and contents, in order of the names. */
static finops_code
paths_version(fo_files *files, const fo_bill_file *list, size_t n, char hex[FO_SHA256_HEX],
              finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv lines = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    for (size_t i = 0; i < n; i++) {
        char one[FO_SHA256_HEX];
        finops_code rc = paths_hash_file(files, list[i].address, one, err);
        if (rc != FINOPS_OK)
            return rc;
        char *line = fo_format("%s %s", fo_path_base(list[i].label), one);
        if (!line || !fo_strv_take(&lines, line))
            return fo_error_oom(err);
    }
    fo_strv_sort(&lines);
    for (size_t i = 0; i < lines.n; i++)
        fo_str_addf(&text, "%s\n", lines.items[i]);
    finops_code rc = fo_str_check(&text, err);
    return rc == FINOPS_OK ? fo_sha256_hex(fo_str_z(&text), text.len, hex, err) : rc;
}

/* "dir/acme-cur-00001.csv.gz" -> "acme-cur-00001". */
static char *
paths_default_name(const char *path)
{
    const char *base = fo_path_base(path);

    return fo_strndup(base, strcspn(base, "."));
}

/* Absolute addresses, which live in *addresses. All files must be of one format. */
static finops_code
paths_files(const fo_import *im, fo_strv *addresses, fo_bill_file **ret, bool *ret_parquet,
            finops_error **err)
{
    size_t n = im->options->n_paths;
    FO_AUTO(fo_freep) fo_bill_file *files = fo_array(n, sizeof(*files));
    bool parquet = fo_ends(im->options->paths[0], ".parquet");

    if (!files)
        return fo_error_oom(err);
    for (size_t i = 0; i < n; i++) {
        const char *path = im->options->paths[i];
        char *address = fo_files_is_remote(path)
                            ? fo_strdup(path)
                            : fo_path_absolute(fo_starts(path, "file://") ? path + 7 : path);
        if (!address || !fo_strv_take(addresses, address))
            return fo_error_oom(err);
        if (fo_ends(path, ".parquet") != parquet)
            return fo_error_set(err, FINOPS_E_USAGE,
                                "%s and %s are of different formats; import them one after the other",
                                im->options->paths[0], path);
    }
    for (size_t i = 0; i < n; i++)
        files[i] = (fo_bill_file){ .address = addresses->items[i], .label = im->options->paths[i] };
    *ret = FO_TAKE(files);
    *ret_parquet = parquet;
    return FINOPS_OK;
}

/* The expression that tells a row's billing period. */
static finops_code
paths_period_sql(const fo_bill_schema *schema, fo_str *sql, finops_error **err)
{
    static const char *const sources[] = { "bill_billing_period_start_date", "billing_period_start",
                                           "line_item_usage_start_date", "charge_period_start" };
    bool any = false;

    for (size_t i = 0; i < FO_COUNT(sources); i++) {
        if (fo_bill_schema_find(schema, sources[i]) < 0)
            continue;
        fo_str_addf(sql, "%s%s", any ? ", " : "strftime(coalesce(", sources[i]);
        any = true;
    }
    fo_str_add(sql, "), '%Y-%m')");
    if (!any)
        return fo_error_set(err, FINOPS_E_DATA,
                            "%s is no bill: it has no column that tells the billing period",
                            schema->inputs[0].label);
    return fo_str_check(sql, err);
}

/* Periods and their rows, by reading everything once. */
static finops_code
paths_periods(fo_import *im, const fo_bill_schema *schema, const char *period_sql, fo_rows **ret,
              finops_error **err)
{
    FO_AUTO(fo_bill_job_done) fo_bill_job job = { 0 };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc;

    fo_str_addf(&sql, "SELECT %s, count(*) FROM (", period_sql);
    rc = fo_bill_schema_select(schema, &sql, err);
    fo_str_add(&sql, ") AS files GROUP BY 1 ORDER BY 1 NULLS FIRST");
    if (rc == FINOPS_OK)
        rc = fo_bill_job_begin(im->reader, schema, im->files, im->options->cancel, &job, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_conn_rows(im->reader, fo_str_z(&sql), NULL, 0, ret, err);
    return fo_bill_job_end(im->reader, schema, im->files, rc, err);
}

static bool
paths_in_range(const fo_aws_settings *aws, const char *period)
{
    return (!aws->start_date || strncmp(period, aws->start_date, 7) >= 0) &&
           (!aws->end_date || strncmp(period, aws->end_date, 7) <= 0);
}

static const char *
paths_format(const fo_bill_schema *schema)
{
    if (!schema->focus)
        return fo_bill_schema_find(schema, "resource_tags") >= 0 ? "v2" : "v1";
    if (fo_bill_schema_find(schema, "invoice_id") >= 0)
        return "focus-1.2";
    return fo_bill_schema_find(schema, "capacity_reservation_id") >= 0 ? "focus-1.1" : "focus-1.0";
}

static finops_code
paths_load_period(fo_import *im, fo_import_export *ex, fo_import_month *month, const char *period_sql,
                  const char *period, int64_t rows, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str where = FO_STR_INIT;

    fo_str_addf(&where, "%s = ", period_sql);
    fo_sql_literal(&where, period);
    finops_code rc = fo_str_check(&where, err);
    if (rc != FINOPS_OK)
        return rc;
    month->period = period;
    month->where = fo_str_z(&where);
    month->expect_rows = rows;
    return fo_import_month_run(im, ex, month, err);
}

static finops_code
paths_load(fo_import *im, fo_import_export *ex, fo_import_month *month, const fo_bill_schema *schema,
           finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str period_sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *periods = NULL;
    finops_code rc = paths_period_sql(schema, &period_sql, err);

    if (rc == FINOPS_OK)
        rc = paths_periods(im, schema, fo_str_z(&period_sql), &periods, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_rows_count(periods) > 0 && !fo_rows_text(periods, 0, 0))
        return fo_error_set(err, FINOPS_E_DATA, "%" PRId64 " rows of %s have no billing period",
                            fo_rows_int(periods, 0, 1), schema->inputs[0].label);
    if (fo_rows_count(periods) == 0 && im->options->warning)
        im->options->warning("the files hold no rows: there is nothing to load", im->options->arg);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(periods); i++)
        if (paths_in_range(ex->aws, fo_rows_text(periods, i, 0)))
            rc = paths_load_period(im, ex, month, fo_str_z(&period_sql), fo_rows_text(periods, i, 0),
                                   fo_rows_int(periods, i, 1), err);
    return rc;
}

finops_code
fo_import_paths(fo_import *im, finops_error **err)
{
    const fo_aws_settings *aws = &im->options->settings->aws;
    FO_AUTO(fo_import_export_done) fo_import_export ex = { 0 };
    FO_AUTO(fo_bill_schema_done) fo_bill_schema schema = { 0 };
    FO_AUTO(fo_strv_done) fo_strv addresses = FO_STRV_INIT;
    FO_AUTO(fo_freep) fo_bill_file *files = NULL;
    FO_AUTO(fo_freep) char *name = NULL;
    FO_AUTO(fo_freep) char *source_uri = NULL;
    char version[FO_SHA256_HEX];
    bool parquet = false;

    if (im->options->dry_run)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "--dry-run plans by manifests; bare files have none");
    name = aws->export_name ? fo_strdup(aws->export_name) : paths_default_name(im->options->paths[0]);
    source_uri = name ? fo_format("%s%s", SOURCE_PREFIX, name) : NULL;
    if (!source_uri)
        return fo_error_oom(err);
    finops_code rc = paths_files(im, &addresses, &files, &parquet, err);
    if (rc == FINOPS_OK)
        rc = paths_version(im->files, files, im->options->n_paths, version, err);
    if (rc == FINOPS_OK)
        rc = fo_import_export_open(im, aws, name, source_uri, &ex, err);
    if (rc == FINOPS_OK)
        rc = fo_bill_schema_read(im->reader, im->files, files, im->options->n_paths, parquet, ex.names,
                                 &schema, err);
    if (rc == FINOPS_OK)
        rc = fo_import_fit(im, &ex, &schema, err);
    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; im->options->warning && i < schema.warnings.n; i++)
        im->options->warning(schema.warnings.items[i], im->options->arg);
    fo_import_month month = { .version_id = version,
                              .format = paths_format(&schema),
                              .files = files,
                              .n_files = im->options->n_paths,
                              .parquet = parquet,
                              .schema = &schema };
    return paths_load(im, &ex, &month, &schema, err);
}
