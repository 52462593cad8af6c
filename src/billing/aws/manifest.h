/*
 * Manifests of AWS billing exports: what a delivery consists of.
 *
 * v1 (legacy Cost and Usage Report): <prefix>/<export>/YYYYMMDD-YYYYMMDD/<export>-Manifest.json with
 * assemblyId and reportKeys. v2 (Data Exports, CUR 2.0 and FOCUS):
 * <prefix>/<export>/metadata/BILLING_PERIOD=YYYY-MM/<export>-Manifest.json with executionId and dataFiles.
 * Copies one folder deeper belong to one assembly or execution and are history.
 */
#ifndef FO_BILLING_AWS_MANIFEST_H
#define FO_BILLING_AWS_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/str.h"

#define FO_MANIFEST_MAX ((size_t)16 << 20) /* bytes; real ones are tens of kilobytes */
#define FO_MANIFEST_FILES_MAX 20000

typedef enum fo_layout { FO_LAYOUT_V1 = 1, FO_LAYOUT_V2 = 2 } fo_layout;

/* Where a manifest lies, read off its key. */
typedef struct fo_manifest_place {
    fo_layout layout;
    char *export_name;
    char *root;      /* the export's folder relative to the bucket, without slashes at its ends:
                        "cur/acme/acme-cur" */
    char period[8];  /* "YYYY-MM" */
    char *execution; /* the folder below the period for a history copy, else NULL */
} fo_manifest_place;

/* *ret_is is false, and nothing allocated, for keys that are no manifest of these layouts. */
finops_code fo_manifest_locate(const char *key, bool *ret_is, fo_manifest_place *ret, finops_error **err);
void fo_manifest_place_done(fo_manifest_place *place);

typedef struct fo_manifest {
    char *version_id; /* assemblyId or executionId */
    char *account;    /* payer, or NULL */
    char *bucket;     /* of dataFiles (v2) or the "bucket" member (v1); NULL when not said */
    bool parquet;     /* content type; CSV otherwise */
    char format[16];  /* "v1", "v2", or for a FOCUS table "focus-1.0" */
    fo_strv keys;     /* data files relative to the bucket, in order, no leading '/' */
} fo_manifest;

/*
 * Reads manifest text. Every file must lie below root (place->root): "..", another bucket, other schemes,
 * control characters and other folders are FINOPS_E_DATA naming the entry. `label` is how messages name the
 * manifest.
 */
finops_code fo_manifest_parse(const char *text, size_t len, const fo_manifest_place *place, const char *label,
                              fo_manifest **ret, finops_error **err);
void fo_manifest_free(fo_manifest *manifest);
void fo_manifest_freep(fo_manifest **manifest);

#endif
