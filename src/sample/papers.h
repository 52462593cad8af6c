/* The checked options, where files go, manifests and the record of what was written. */
#ifndef FO_SAMPLE_PAPERS_H
#define FO_SAMPLE_PAPERS_H

#include <jansson.h>

#include "base/str.h"
#include "sample/columns.h"

/* Checked options with their texts owned; read back from expected.json for a restatement. */
typedef struct plan {
    fo_sample_options o;
    char *texts[8];
    int first_period;
    bool v1, parquet, create_new;
    char *bucket_dir; /* out/bucket */
    char *export_key; /* prefix/export, relative to the bucket */
} plan;

finops_code fo_sample_plan_init(plan *p, const fo_sample_options *options, finops_error **err);
void fo_sample_plan_done(plan *p);
json_t *fo_sample_plan_json(const plan *p); /* NULL: no memory */
/* Takes what `record` says over the options, all but out, restate, cancel and report. */
finops_code fo_sample_plan_from(plan *p, const fo_sample_options *options, const json_t *record,
                                finops_error **err);

/* Keys, relative to the bucket, of one version of one month. */
typedef struct delivery {
    char assembly[96]; /* assembly or execution id */
    char *data;        /* folder of the data files */
    char *manifest;    /* the manifest that names the current version */
    char *history;     /* this version's own manifest, NULL: none */
} delivery;

finops_code fo_sample_delivery_init(delivery *d, const plan *p, uint64_t key, int period, int version,
                                    finops_error **err);
void fo_sample_delivery_done(delivery *d);
finops_code fo_sample_manifest(const plan *p, const world *w, const columns *c, const delivery *d, int period,
                               const fo_strv *files, fo_str *ret, finops_error **err);
/* The month's part of expected.json; NULL: no memory. */
json_t *fo_sample_totals_json(const world *w, const month_lines *m, const delivery *d, const fo_strv *files);
/* JSON text with a final newline, appended. */
finops_code fo_sample_dump(const json_t *j, fo_str *ret, finops_error **err);

#endif
