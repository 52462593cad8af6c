/* Writes a sample: the months of a new one, or the next version of one month of an earlier one. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "sample/papers.h"
#include "sample/writers.h"

#define RECORD "expected.json"
#define RECORD_MAX ((size_t)256 << 20)
#define GENERATOR "finops sample"

typedef struct job {
    plan plan;
    world *world;
    columns columns;
    json_t *record;
    char *record_path;
    fo_sample_result result;
    char period[FO_TIME_TEXT]; /* being written */
    int64_t rows_before;       /* of finished files */
    int64_t rows_total;
} job;

static void
job_done(job *j)
{
    fo_sample_plan_done(&j->plan);
    fo_sample_world_free(j->world);
    fo_sample_columns_done(&j->columns);
    json_decref(j->record);
    fo_free(j->record_path);
    fo_sample_result_done(&j->result);
}

void
fo_sample_result_done(fo_sample_result *result)
{
    fo_free(result->bucket);
    fo_free(result->prefix);
    fo_free(result->export_name);
    *result = (fo_sample_result){ 0 };
}

static void
job_tick(void *arg, int64_t rows)
{
    job *j = arg;
    fo_sample_progress p = { .period = j->period,
                             .rows_done = j->rows_before + rows,
                             .rows_total = j->rows_total };

    if (j->plan.o.report)
        j->plan.o.report(j->plan.o.arg, &p);
}

/* --- one version of one month --- */

static finops_code
write_text(const job *j, const char *key, const fo_str *text, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = fo_path_join(j->plan.bucket_dir, key);
    finops_code rc;

    if (!path)
        return fo_error_oom(err);
    rc = fo_mkdirs_for(path, err);
    if (rc == FINOPS_OK)
        rc = fo_file_write_atomic(path, text->data, text->len, 0644, err);
    return rc;
}

static finops_code
write_file(job *j, month_lines *m, const char *key, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = fo_path_join(j->plan.bucket_dir, key);
    file_job f = { .lines = m,
                   .columns = &j->columns,
                   .path = path,
                   .max_rows = j->plan.o.file_rows,
                   .cancel = j->plan.o.cancel,
                   .tick = job_tick,
                   .arg = j };
    int64_t rows;
    finops_code rc;

    if (!path)
        return fo_error_oom(err);
    rc = j->plan.parquet ? fo_sample_write_parquet(&f, &rows, err) : fo_sample_write_csv(&f, &rows, err);
    if (rc != FINOPS_OK)
        return rc;
    j->rows_before += rows;
    j->result.rows += rows;
    j->result.files++;
    return FINOPS_OK;
}

static finops_code
write_data(job *j, month_lines *m, const delivery *d, fo_strv *files, finops_error **err)
{
    int64_t n = (m->rows + j->plan.o.file_rows - 1) / j->plan.o.file_rows;

    for (int64_t i = 1; i <= n; i++) {
        char *key = fo_format("%s/%s-%05lld.%s", d->data, j->plan.o.export_name, (long long)i,
                              j->plan.parquet ? "snappy.parquet" : "csv.gz");
        finops_code rc;

        if (!key || !fo_strv_take(files, key))
            return fo_error_oom(err);
        rc = write_file(j, m, files->items[files->n - 1], err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
write_manifests(const job *j, const delivery *d, int period, const fo_strv *files, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_code rc = fo_sample_manifest(&j->plan, j->world, &j->columns, d, period, files, &text, err);

    if (rc == FINOPS_OK && d->history)
        rc = write_text(j, d->history, &text, err);
    if (rc == FINOPS_OK)
        rc = write_text(j, d->manifest, &text, err);
    return rc;
}

/* Files of the version before that the new one did not write over, where versions share a folder. */
static void
remove_stale(const job *j, const json_t *before, const fo_strv *files)
{
    size_t i;
    json_t *name;

    json_array_foreach(json_object_get(before, "files"), i, name)
    {
        FO_AUTO(fo_freep) char *path = fo_path_join(j->plan.bucket_dir, json_string_value(name));

        if (path && !fo_strv_has(files, json_string_value(name)))
            (void)unlink(path);
    }
}

/* Puts the month into the record; what was there is superseded. */
static finops_code
record_month(job *j, json_t *month, json_t *before, finops_error **err)
{
    json_t *months = json_object_get(j->record, "months"), *old;
    bool ok = month != NULL;

    if (ok && before) {
        old = json_object_get(before, "superseded");
        old = old ? json_incref(old) : json_array();
        (void)json_object_del(before, "superseded");
        ok = json_array_append(old, before) == 0 && json_object_set(month, "superseded", old) == 0;
        json_decref(old);
    }
    ok = ok && json_object_set(months, j->period, month) == 0;
    json_decref(month);
    return ok ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
write_version(job *j, int period, month_lines *m, const delivery *d, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv files = FO_STRV_INIT;
    json_t *before;
    finops_code rc = write_data(j, m, d, &files, err);

    if (rc == FINOPS_OK)
        rc = write_manifests(j, d, period, &files, err);
    if (rc != FINOPS_OK)
        return rc;
    before = json_incref(json_object_get(json_object_get(j->record, "months"), j->period));
    if (before && !d->history)
        remove_stale(j, before, &files);
    rc = record_month(j, fo_sample_totals_json(j->world, m, d, &files), before, err);
    json_decref(before);
    return rc;
}

static finops_code
write_month(job *j, int period, int version, finops_error **err)
{
    FO_AUTO(fo_sample_delivery_done) delivery d = { 0 };
    FO_AUTO(fo_sample_lines_done) month_lines m = { 0 };
    finops_code rc;

    (void)fo_period_format(period, j->period);
    fo_sample_world_month(j->world, period);
    rc = fo_sample_lines_init(&m, j->world, period, version, err);
    if (rc == FINOPS_OK)
        rc = fo_sample_delivery_init(&d, &j->plan, j->world->key, period, version, err);
    if (rc == FINOPS_OK)
        rc = write_version(j, period, &m, &d, err);
    return rc;
}

/* --- the record --- */

static finops_code
record_write(const job *j, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(RECORD_MAX);
    finops_code rc = fo_sample_dump(j->record, &text, err);

    if (rc == FINOPS_OK)
        rc = fo_file_write_atomic(j->record_path, text.data, text.len, 0644, err);
    return rc;
}

static finops_code
record_new(job *j, finops_error **err)
{
    json_decref(j->record);
    j->record = json_pack("{ss sb so s{}}", "generator", GENERATOR, "complete", 0, "options",
                          fo_sample_plan_json(&j->plan), "months");
    if (!j->record)
        return fo_error_oom(err);
    return record_write(j, err);
}

/* FINOPS_E_NOT_FOUND: no record; FINOPS_E_DATA: a file of that name that is none of ours. */
static finops_code
record_read(job *j, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(RECORD_MAX);
    finops_code rc = fo_file_read(j->record_path, RECORD_MAX, &text, err);

    if (rc != FINOPS_OK)
        return rc;
    j->record = json_loadb(fo_str_z(&text), text.len, 0, NULL);
    if (!fo_streq(json_string_value(json_object_get(j->record, "generator")), GENERATOR))
        return fo_error_set(err, FINOPS_E_DATA, "%s was not written by " GENERATOR, j->record_path);
    return FINOPS_OK;
}

/* --- the folder --- */

static bool
is_sample_file(const char *name, const char *root, const char *export_name)
{
    const char *base = fo_path_base(name);

    if (fo_streq(name, RECORD))
        return true;
    return fo_starts(name, root) && fo_starts(base, export_name) &&
           (fo_ends(base, "-Manifest.json") || fo_ends(base, ".csv.gz") || fo_ends(base, ".parquet") ||
            fo_ends(base, ".part"));
}

static finops_code
refuse_folder(const job *j, const char *name, finops_error **err)
{
    finops_code rc =
        fo_error_set(err, FINOPS_E_EXISTS, "%s holds %s, which is no part of a sample", j->plan.o.out, name);

    fo_error_hint(err, "name a new or empty folder with --out");
    return rc;
}

/* Removes a file and the folders it leaves empty, up to the sample's own. */
static finops_code
remove_file(const job *j, const char *name, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = fo_path_join(j->plan.o.out, name);
    size_t root = strlen(j->plan.o.out) + 1;
    char *slash;

    if (!path)
        return fo_error_oom(err);
    if (unlink(path) < 0)
        return fo_error_set(err, FINOPS_E_IO, "remove %s of the earlier sample", path);
    while ((slash = strrchr(path, '/')) != NULL && (size_t)(slash - path) >= root) {
        *slash = '\0';
        if (rmdir(path) < 0)
            break;
    }
    return FINOPS_OK;
}

static finops_code
clear_folder(const job *j, const fo_strv *found, finops_error **err)
{
    const json_t *o = json_object_get(j->record, "options");
    const char *bucket = json_string_value(json_object_get(o, "bucket"));
    const char *prefix = json_string_value(json_object_get(o, "prefix"));
    const char *name = json_string_value(json_object_get(o, "export_name"));
    FO_AUTO(fo_freep)
    char *root = fo_format("%s/%s%s%s/", bucket ? bucket : "", prefix ? prefix : "",
                           prefix && *prefix ? "/" : "", name ? name : "");

    if (!root)
        return fo_error_oom(err);
    for (size_t i = 0; i < found->n; i++) {
        if (!name || !is_sample_file(found->items[i], root, name))
            return refuse_folder(j, found->items[i], err);
    }
    for (size_t i = 0; i < found->n; i++) {
        /* The record goes last: it tells a later run that what is left is a sample's. */
        finops_code rc = fo_streq(found->items[i], RECORD) ? FINOPS_OK : remove_file(j, found->items[i], err);

        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
prepare_folder(job *j, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv found = FO_STRV_INIT;
    finops_code rc = fo_mkdirs(j->plan.o.out, err);

    if (rc == FINOPS_OK)
        rc = fo_walk(j->plan.o.out, &found, err);
    if (rc != FINOPS_OK || found.n == 0)
        return rc;
    if (!fo_strv_has(&found, RECORD))
        return refuse_folder(j, found.items[0], err);
    rc = record_read(j, err);
    return rc == FINOPS_OK ? clear_folder(j, &found, err) : rc;
}

/* --- the two ways --- */

static finops_code
job_open(job *j, finops_error **err)
{
    finops_code rc = fo_sample_world_new(&j->plan.o, j->plan.first_period, &j->world, err);

    if (rc == FINOPS_OK)
        rc = fo_sample_columns_new(j->plan.v1, &j->columns, err);
    return rc;
}

static finops_code
write_months(job *j, finops_error **err)
{
    int first = j->plan.first_period, n = (int)j->plan.o.months;
    int restated = first + (n > 1 ? n - 2 : 0);
    bool keeps = j->plan.v1 ? !j->plan.parquet : j->plan.create_new;
    finops_code rc = FINOPS_OK;

    j->rows_total = j->plan.o.rows * (n + keeps);
    for (int p = first; rc == FINOPS_OK && p < first + n; p++) {
        if (p == restated && keeps)
            rc = write_month(j, p, 0, err);
        if (rc == FINOPS_OK)
            rc = write_month(j, p, 1, err);
    }
    return rc;
}

static finops_code
sample_new(job *j, const fo_sample_options *options, finops_error **err)
{
    char text[FO_TIME_TEXT];
    finops_code rc = fo_sample_plan_init(&j->plan, options, err);

    if (rc != FINOPS_OK)
        return rc;
    j->record_path = fo_path_join(j->plan.o.out, RECORD);
    if (!j->record_path)
        return fo_error_oom(err);
    rc = job_open(j, err);
    if (rc == FINOPS_OK)
        rc = prepare_folder(j, err);
    if (rc == FINOPS_OK)
        rc = record_new(j, err);
    if (rc == FINOPS_OK)
        rc = write_months(j, err);
    if (rc != FINOPS_OK)
        return rc;
    (void)snprintf(j->result.first, sizeof(j->result.first), "%.7s",
                   fo_period_format(j->plan.first_period, text));
    (void)snprintf(j->result.last, sizeof(j->result.last), "%.7s", j->period);
    return FINOPS_OK;
}

static finops_code
restate_version(const job *j, const char *month, int *ret_period, int *ret_version, finops_error **err)
{
    json_t *months = json_object_get(j->record, "months");
    const json_t *before = json_object_get(months, month);

    if (!fo_period_parse(month, ret_period))
        return fo_error_set(err, FINOPS_E_USAGE, "month to restate '%s' is not a month such as 2026-05",
                            month);
    if (!before) {
        finops_code rc =
            fo_error_set(err, FINOPS_E_NOT_FOUND, "the sample in %s has no month %s", j->plan.o.out, month);

        fo_error_hint(err, "its months are listed in %s", j->record_path);
        return rc;
    }
    *ret_version = (int)json_integer_value(json_object_get(before, "version")) + 1;
    return FINOPS_OK;
}

static finops_code
sample_restate(job *j, const fo_sample_options *options, finops_error **err)
{
    int period = 0, version = 0;
    finops_code rc;

    if (!options->out || !*options->out)
        return fo_error_set(err, FINOPS_E_USAGE, "no folder of the sample to restate");
    j->record_path = fo_path_join(options->out, RECORD);
    if (!j->record_path)
        return fo_error_oom(err);
    rc = record_read(j, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "find the sample in %s", options->out);
    rc = fo_sample_plan_from(&j->plan, options, j->record, err);
    if (rc == FINOPS_OK)
        rc = restate_version(j, options->restate, &period, &version, err);
    if (rc == FINOPS_OK)
        rc = job_open(j, err);
    if (rc != FINOPS_OK)
        return rc;
    j->rows_total = j->plan.o.rows;
    (void)snprintf(j->result.first, sizeof(j->result.first), "%.7s", options->restate);
    (void)snprintf(j->result.last, sizeof(j->result.last), "%.7s", options->restate);
    return write_month(j, period, version, err);
}

static finops_code
job_finish(job *j, fo_sample_result *ret, finops_error **err)
{
    finops_code rc =
        json_object_set_new(j->record, "complete", json_true()) == 0 ? FINOPS_OK : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = record_write(j, err);
    if (rc != FINOPS_OK)
        return rc;
    j->result.bucket = fo_strdup(j->plan.bucket_dir);
    j->result.prefix = fo_strdup(j->plan.o.prefix);
    j->result.export_name = fo_strdup(j->plan.o.export_name);
    if (!j->result.bucket || !j->result.prefix || !j->result.export_name)
        return fo_error_oom(err);
    *ret = j->result;
    j->result = (fo_sample_result){ 0 };
    return FINOPS_OK;
}

finops_code
fo_sample_write(const fo_sample_options *options, fo_sample_result *ret, finops_error **err)
{
    FO_AUTO(job_done) job j = { 0 };
    finops_code rc = options->restate ? sample_restate(&j, options, err) : sample_new(&j, options, err);

    return rc == FINOPS_OK ? job_finish(&j, ret, err) : rc;
}
