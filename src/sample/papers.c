/*
 * Where the files of a delivery go, the manifests that name them, and the sample's own record of what it
 * wrote.
 */
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "sample/papers.h"

/* "20260901-20261001" */
static void
period_folder(int period, char buf[40])
{
    (void)snprintf(buf, 40, "%04d%02d01-%04d%02d01", period / 12, period % 12 + 1, (period + 1) / 12,
                   (period + 1) % 12 + 1);
}

/* Early versions come on the 28th, the bill on the 4th of the next month, corrections day by day after it. */
static void
delivery_assembly(delivery *d, const plan *p, uint64_t key, int period, int version)
{
    fo_civil c = { .year = period / 12,
                   .month = (unsigned)(period % 12) + 1,
                   .day = 28,
                   .hour = 4,
                   .minute = 30,
                   .second = 15 };
    char uuid[37];

    if (version > 0)
        c = (fo_civil){ .year = (period + 1) / 12,
                        .month = (unsigned)((period + 1) % 12) + 1,
                        .day = 3 + (unsigned)version % 25,
                        .hour = 7,
                        .minute = 15,
                        .second = (unsigned)(20 + version % 40) };
    if (p->v1)
        (void)snprintf(d->assembly, sizeof(d->assembly), "%04d%02u%02uT%02u%02u%02uZ", c.year, c.month, c.day,
                       c.hour, c.minute, c.second);
    else
        (void)snprintf(d->assembly, sizeof(d->assembly), "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ-%s", c.year,
                       c.month, c.day, c.hour, c.minute, c.second, (unsigned)(key % 1000),
                       fo_sample_uuid(key, (uint64_t)period, (uint64_t)version + 1, uuid));
}

static void
delivery_v1(delivery *d, const plan *p, int period)
{
    const char *e = p->o.export_name;
    char folder[40];

    period_folder(period, folder);
    d->manifest = fo_format("%s/%s/%s-Manifest.json", p->export_key, folder, e);
    if (p->parquet) {
        d->data = fo_format("%s/%s/year=%d/month=%d", p->export_key, e, period / 12, period % 12 + 1);
        return;
    }
    d->data = fo_format("%s/%s/%s", p->export_key, folder, d->assembly);
    d->history = fo_format("%s/%s/%s/%s-Manifest.json", p->export_key, folder, d->assembly, e);
}

static void
delivery_v2(delivery *d, const plan *p, int period)
{
    const char *e = p->o.export_name;
    char month[FO_TIME_TEXT];

    (void)fo_period_format(period, month);
    d->manifest = fo_format("%s/metadata/BILLING_PERIOD=%s/%s-Manifest.json", p->export_key, month, e);
    if (!p->create_new) {
        d->data = fo_format("%s/data/BILLING_PERIOD=%s", p->export_key, month);
        return;
    }
    d->data = fo_format("%s/data/BILLING_PERIOD=%s/%s", p->export_key, month, d->assembly);
    d->history =
        fo_format("%s/metadata/BILLING_PERIOD=%s/%s/%s-Manifest.json", p->export_key, month, d->assembly, e);
}

finops_code
fo_sample_delivery_init(delivery *d, const plan *p, uint64_t key, int period, int version, finops_error **err)
{
    bool keeps = p->v1 ? !p->parquet : p->create_new;

    *d = (delivery){ 0 };
    delivery_assembly(d, p, key, period, version);
    if (p->v1)
        delivery_v1(d, p, period);
    else
        delivery_v2(d, p, period);
    if (d->data && d->manifest && (d->history || !keeps))
        return FINOPS_OK;
    fo_sample_delivery_done(d);
    return fo_error_oom(err);
}

void
fo_sample_delivery_done(delivery *d)
{
    fo_free(d->data);
    fo_free(d->manifest);
    fo_free(d->history);
    *d = (delivery){ 0 };
}

/* --- manifests --- */

static json_t *
manifest_columns(const columns *c)
{
    json_t *all = json_array();

    for (size_t i = 0; all && i < c->n; i++) {
        const column *col = &c->items[i];
        const char *type = fo_sample_column_manifest_type(c, col);
        json_t *one =
            c->v1 ? json_pack("{ss ss ss}", "category", col->category, "name", col->name, "type", type)
                  : json_pack("{ss ss}", "name", col->name, "type", type);

        if (json_array_append_new(all, one) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static json_t *
manifest_files(const plan *p, const fo_strv *files)
{
    json_t *all = json_array();
    json_t *one;

    for (size_t i = 0; all && i < files->n; i++) {
        one = p->v1 ? json_string(files->items[i]) : json_sprintf("s3://%s/%s", p->o.bucket, files->items[i]);
        if (json_array_append_new(all, one) != 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

static json_t *
manifest_v1(const plan *p, const world *w, const columns *c, const delivery *d, int period,
            const fo_strv *files)
{
    char start[FO_TIME_TEXT], end[FO_TIME_TEXT], id[FO_SHA256_HEX];

    (void)snprintf(start, sizeof(start), "%04d%02d01T000000.000Z", period / 12, period % 12 + 1);
    (void)snprintf(end, sizeof(end), "%04d%02d01T000000.000Z", (period + 1) / 12, (period + 1) % 12 + 1);
    if (fo_sha256_hex(p->export_key, strlen(p->export_key), id, NULL) != FINOPS_OK)
        return NULL;
    return json_pack("{ss ss so ss ss ss ss ss s{ss ss} ss so s[]}", "assemblyId", d->assembly, "account",
                     w->accounts[0].id, "columns", manifest_columns(c), "charset", "UTF-8", "compression",
                     p->parquet ? "Parquet" : "GZIP", "contentType", p->parquet ? "Parquet" : "text/csv",
                     "reportId", id, "reportName", p->o.export_name, "billingPeriod", "start", start, "end",
                     end, "bucket", p->o.bucket, "reportKeys", manifest_files(p, files),
                     "additionalArtifactKeys");
}

static json_t *
manifest_query(const columns *c)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "SELECT ");
    for (size_t i = 0; i < c->n; i++)
        fo_str_addf(&sql, "%s%s", i > 0 ? ", " : "", c->items[i].name);
    fo_str_add(&sql, " FROM COST_AND_USAGE_REPORT");
    return fo_str_ok(&sql) ? json_string(fo_str_z(&sql)) : NULL;
}

static json_t *
manifest_v2(const plan *p, const world *w, const columns *c, const delivery *d, int period,
            const fo_strv *files)
{
    char month[FO_TIME_TEXT], uuid[37];

    (void)fo_period_format(period, month);
    return json_pack(
        "{ss so ss ss ss so s{s{ss ss ss ss}} s{so} so so}", "executionId", d->assembly, "exportArn",
        json_sprintf("arn:aws:bcm-data-exports:us-east-1:%s:export/%s-%s", w->accounts[0].id,
                     p->o.export_name, fo_sample_uuid(w->key, 'e', 0, uuid)),
        "exportName", p->o.export_name, "contentType", p->parquet ? "Parquet" : "text/csv", "compression",
        p->parquet ? "PARQUET" : "GZIP", "query", manifest_query(c), "tableConfigurations",
        "COST_AND_USAGE_REPORT", "INCLUDE_RESOURCES", "TRUE", "INCLUDE_SPLIT_COST_ALLOCATION_DATA", "FALSE",
        "TIME_GRANULARITY", w->step_hours == 24 ? "DAILY" : "HOURLY", "INCLUDE_MANUAL_DISCOUNT_COMPATIBILITY",
        "FALSE", "billingPeriod", "start", json_sprintf("%s-01T00:00:00.000Z", month), "columns",
        manifest_columns(c), "dataFiles", manifest_files(p, files));
}

finops_code
fo_sample_dump(const json_t *j, fo_str *ret, finops_error **err)
{
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

    if (!text)
        return fo_error_oom(err);
    fo_str_add(ret, text);
    fo_str_addc(ret, '\n');
    free(text);
    return fo_str_check(ret, err);
}

finops_code
fo_sample_manifest(const plan *p, const world *w, const columns *c, const delivery *d, int period,
                   const fo_strv *files, fo_str *ret, finops_error **err)
{
    json_t *j = p->v1 ? manifest_v1(p, w, c, d, period, files) : manifest_v2(p, w, c, d, period, files);
    finops_code rc = fo_sample_dump(j, ret, err);

    json_decref(j);
    return rc;
}

/* --- totals --- */

static json_t *
money(wide ticks)
{
    wide size = ticks < 0 ? -ticks : ticks;

    return json_sprintf("%s%lld.%010lld", ticks < 0 ? "-" : "", (long long)(size / TICKS),
                        (long long)(size % TICKS));
}

static json_t *
sums_json(const sums *s)
{
    return json_pack("{sI so so so}", "rows", (json_int_t)s->rows, "unblended", money(s->unblended), "net",
                     money(s->net), "amortized", money(s->amortized));
}

static bool
sums_set(json_t *group, const char *name, const sums *s)
{
    return s->rows == 0 || json_object_set_new(group, name, sums_json(s)) == 0;
}

/* Takes `group` whatever happens. */
static bool
group_set(json_t *month, const char *name, json_t *group, bool ok)
{
    if (!ok)
        json_decref(group);
    return ok && json_object_set_new(month, name, group) == 0;
}

static bool
totals_groups(json_t *month, const world *w, const totals *t)
{
    json_t *by = json_object();
    bool ok = by != NULL;

    for (size_t i = 0; i < SVC_COUNT; i++)
        ok = ok && sums_set(by, fo_sample_services[i].code, &t->service[i]);
    if (!group_set(month, "by_service", by, ok))
        return false;
    by = json_object();
    ok = by != NULL;
    for (size_t i = 0; i < LINE_TYPES; i++)
        ok = ok && sums_set(by, fo_sample_line_types[i], &t->type[i]);
    if (!group_set(month, "by_line_item_type", by, ok))
        return false;
    by = json_object();
    ok = by != NULL;
    for (size_t i = 0; i < w->n_accounts; i++)
        ok = ok && sums_set(by, w->accounts[i].id, &t->account[i]);
    return group_set(month, "by_account", by, ok);
}

json_t *
fo_sample_totals_json(const world *w, const month_lines *m, const delivery *d, const fo_strv *files)
{
    json_t *month = sums_json(&m->totals.all), *names = json_array();
    bool ok = month && names;

    for (size_t i = 0; ok && i < files->n; i++)
        ok = json_array_append_new(names, json_string(files->items[i])) == 0;
    ok = ok && json_object_set_new(month, "version", json_integer(m->version)) == 0 &&
         json_object_set_new(month, "assembly", json_string(d->assembly)) == 0 &&
         json_object_set_new(month, "currency", json_string("USD")) == 0 &&
         json_object_set(month, "files", names) == 0 && totals_groups(month, w, &m->totals);
    json_decref(names);
    if (ok)
        return month;
    json_decref(month);
    return NULL;
}
