/*
 * The options of a sample: checked, owned, and kept in its record so that a later restatement can use them
 * again.
 */
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "sample/papers.h"

#define FILE_ROWS INT64_C(1000000)

static finops_code
check_range(const char *name, int64_t v, int64_t min, int64_t max, finops_error **err)
{
    if (v >= min && v <= max)
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_USAGE, "%s %" PRId64 " is not between %" PRId64 " and %" PRId64, name,
                        v, min, max);
}

static finops_code
check_word(const char *name, const char *v, const char *a, const char *b, finops_error **err)
{
    if (fo_streq(v, a) || fo_streq(v, b))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_USAGE, "%s '%s' is neither %s nor %s", name, v ? v : "", a, b);
}

static bool
is_name(const char *z, size_t n, const char *others)
{
    for (size_t i = 0; i < n; i++) {
        if (!fo_is_alpha(z[i]) && !fo_is_digit(z[i]) && !strchr(others, z[i]))
            return false;
    }
    return n > 0 && z[0] != '.';
}

static bool
is_lower(const char *z)
{
    for (; *z; z++) {
        if (*z >= 'A' && *z <= 'Z')
            return false;
    }
    return true;
}

static bool
is_prefix(const char *z)
{
    while (*z) {
        size_t n = strcspn(z, "/");

        if (!is_name(z, n, "_.!*'()-"))
            return false;
        z += n;
        if (*z == '/' && *++z == '\0')
            return false;
    }
    return true;
}

static finops_code
check_names(const fo_sample_options *o, finops_error **err)
{
    if (!o->export_name || strlen(o->export_name) > 128 ||
        !is_name(o->export_name, strlen(o->export_name), "_.-"))
        return fo_error_set(err, FINOPS_E_USAGE,
                            "export name '%s' is not 1 to 128 letters, digits, '_', '-' and '.'",
                            o->export_name ? o->export_name : "");
    if (!o->bucket || strlen(o->bucket) < 3 || strlen(o->bucket) > 63 ||
        !is_name(o->bucket, strlen(o->bucket), ".-") || !is_lower(o->bucket))
        return fo_error_set(err, FINOPS_E_USAGE,
                            "bucket '%s' is not 3 to 63 lower-case letters, digits, '-' and '.'",
                            o->bucket ? o->bucket : "");
    if (strlen(o->prefix) > 512 || !is_prefix(o->prefix))
        return fo_error_set(err, FINOPS_E_USAGE,
                            "prefix '%s' is not a path of plain names without '/' at its ends", o->prefix);
    return FINOPS_OK;
}

static finops_code
check_options(const fo_sample_options *o, finops_error **err)
{
    finops_code rc = check_range("rows", o->rows, 300, 50000000, err);

    if (rc == FINOPS_OK)
        rc = check_range("months", o->months, 1, 36, err);
    if (rc == FINOPS_OK)
        rc = check_range("accounts", o->accounts, 1, 500, err);
    if (rc == FINOPS_OK)
        rc = check_range("rows of a file", o->file_rows, 1, INT64_MAX, err);
    if (rc == FINOPS_OK)
        rc = check_word("format", o->format, "csv", "parquet", err);
    if (rc == FINOPS_OK)
        rc = check_word("report version", o->cur_version, "v1", "v2", err);
    if (rc == FINOPS_OK)
        rc = check_word("delivery", o->delivery, "overwrite", "create-new", err);
    if (rc == FINOPS_OK)
        rc = check_names(o, err);
    return rc;
}

static finops_code
plan_start(plan *p, finops_error **err)
{
    fo_civil now;
    int last;

    if (p->o.start) {
        if (!fo_period_parse(p->o.start, &p->first_period))
            return fo_error_set(err, FINOPS_E_USAGE, "start '%s' is not a month such as 2026-05", p->o.start);
    } else {
        fo_civil_from_micros(fo_clock_now(), &now);
        p->first_period = now.year * 12 + (int)now.month - 1 - (int)p->o.months;
    }
    last = p->first_period + (int)p->o.months - 1;
    if (p->first_period < 2000 * 12 || last >= 2100 * 12)
        return fo_error_set(err, FINOPS_E_USAGE,
                            "the months of the sample are not all between 2000 and 2099");
    return FINOPS_OK;
}

static bool
own(plan *p, size_t slot, const char **z)
{
    if (!*z)
        return true;
    p->texts[slot] = fo_strdup(*z);
    *z = p->texts[slot];
    return *z != NULL;
}

static bool
plan_own(plan *p)
{
    fo_sample_options *o = &p->o;

    return own(p, 0, &o->out) && own(p, 1, &o->format) && own(p, 2, &o->cur_version) &&
           own(p, 3, &o->start) && own(p, 4, &o->export_name) && own(p, 5, &o->bucket) &&
           own(p, 6, &o->prefix) && own(p, 7, &o->delivery);
}

static finops_code
plan_fill(plan *p, finops_error **err)
{
    finops_code rc;

    if (!p->o.prefix)
        p->o.prefix = "";
    if (!p->o.delivery)
        p->o.delivery = "overwrite";
    if (p->o.file_rows == 0)
        p->o.file_rows = FILE_ROWS;
    rc = check_options(&p->o, err);
    if (rc == FINOPS_OK)
        rc = plan_start(p, err);
    if (rc != FINOPS_OK)
        return rc;
    p->v1 = fo_streq(p->o.cur_version, "v1");
    p->parquet = fo_streq(p->o.format, "parquet");
    p->create_new = fo_streq(p->o.delivery, "create-new");
    if (p->v1 && p->create_new)
        return fo_error_set(err, FINOPS_E_USAGE,
                            "delivery create-new is for v2; v1 csv always keeps earlier versions");
    if (!plan_own(p))
        return fo_error_oom(err);
    p->bucket_dir = fo_path_join(p->o.out, p->o.bucket);
    p->export_key = fo_path_join(p->o.prefix, p->o.export_name);
    return p->bucket_dir && p->export_key ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_sample_plan_init(plan *p, const fo_sample_options *options, finops_error **err)
{
    finops_code rc;

    *p = (plan){ .o = *options };
    if (!options->out || !*options->out)
        return fo_error_set(err, FINOPS_E_USAGE, "no folder to write the sample to");
    rc = plan_fill(p, err);
    if (rc != FINOPS_OK)
        fo_sample_plan_done(p);
    return rc;
}

void
fo_sample_plan_done(plan *p)
{
    for (size_t i = 0; i < FO_COUNT(p->texts); i++)
        fo_free(p->texts[i]);
    fo_free(p->bucket_dir);
    fo_free(p->export_key);
    *p = (plan){ 0 };
}

json_t *
fo_sample_plan_json(const plan *p)
{
    char start[FO_TIME_TEXT];

    return json_pack("{sI sI sI sI ss ss ss ss ss ss ss sI}", "rows", (json_int_t)p->o.rows, "months",
                     (json_int_t)p->o.months, "accounts", (json_int_t)p->o.accounts, "seed",
                     (json_int_t)p->o.seed, "format", p->o.format, "cur_version", p->o.cur_version, "start",
                     fo_period_format(p->first_period, start), "export_name", p->o.export_name, "bucket",
                     p->o.bucket, "prefix", p->o.prefix, "delivery", p->o.delivery, "file_rows",
                     (json_int_t)p->o.file_rows);
}

finops_code
fo_sample_plan_from(plan *p, const fo_sample_options *options, const json_t *record, finops_error **err)
{
    fo_sample_options o = *options;
    json_int_t rows, months, accounts, seed, file_rows;
    json_t *values = json_object_get(record, "options");

    if (json_unpack(values, "{sI sI sI sI ss ss ss ss ss ss ss sI}", "rows", &rows, "months", &months,
                    "accounts", &accounts, "seed", &seed, "format", &o.format, "cur_version", &o.cur_version,
                    "start", &o.start, "export_name", &o.export_name, "bucket", &o.bucket, "prefix",
                    &o.prefix, "delivery", &o.delivery, "file_rows", &file_rows) != 0)
        return fo_error_set(err, FINOPS_E_DATA, "expected.json of %s does not say how its sample was made",
                            options->out);
    o.rows = rows;
    o.months = months;
    o.accounts = accounts;
    o.seed = seed;
    o.file_rows = file_rows;
    return fo_sample_plan_init(p, &o, err);
}
