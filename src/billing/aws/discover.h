/* Finds the billing exports of a bucket or folder: which exports there are, and each month's current
 * manifest. */
#ifndef FO_BILLING_AWS_DISCOVER_H
#define FO_BILLING_AWS_DISCOVER_H

#include "billing/aws/manifest.h"
#include "billing/schema.h"
#include "config/settings.h"
#include "engine/files.h"

/* Where exports are looked for. */
typedef struct fo_bill_source {
    char *base;   /* the bucket: "s3://name", or what holds a copy of one: an absolute folder,
                     "az://container/folder";   keys are relative to it */
    char *bucket; /* name of an S3 bucket, NULL for a copy */
    char *prefix; /* below base, without slashes at its ends; "" for all */
    bool remote;  /* of a service: each file costs a round trip */
} fo_bill_source;

/* Reads aws->bucket ("name", "s3://name/prefix", "az://container/folder", "file:///path", a path with a '/'
 * in it) and aws->prefix. */
finops_code fo_bill_source_parse(const fo_aws_settings *aws, fo_bill_source *ret, finops_error **err);
void fo_bill_source_done(fo_bill_source *source);

/* One month of an export as the provider delivers it now. */
typedef struct fo_delivery {
    char period[8];
    char *manifest_address;
    char *landed; /* of landed files: the folder that holds their keys, relative to the base; else NULL */
    fo_manifest_place place;
    fo_manifest *manifest; /* NULL when it cannot be used: `error` says why */
    finops_error *error;
} fo_delivery;

typedef struct fo_export {
    char *name;
    char *source_uri; /* "s3://bucket/prefix/export" or "file:///…/export": what makes two exports of one name
                         differ */
    fo_layout layout;
    fo_delivery *deliveries; /* by period, oldest first */
    size_t n_deliveries;
} fo_export;

typedef struct fo_exports {
    fo_export *items; /* by name, then source */
    size_t n;
} fo_exports;

/*
 * Lists the exports that fit aws->export_name and aws->cur_version, their months from start_date to end_date.
 * `read` false leaves the manifests unread. An unreadable manifest is kept as that delivery's error and does
 * not stop the others.
 */
finops_code fo_exports_discover(fo_files *files, const fo_aws_settings *aws, bool read,
                                const fo_cancel *cancel, fo_exports *ret, finops_error **err);
void fo_exports_done(fo_exports *exports);

/* Address of a data file: base + "/" + key. */
finops_code fo_bill_address(const fo_bill_source *source, const char *key, fo_str *ret, finops_error **err);
/* The data files of a delivery whose manifest could be used. The list is the caller's to free; its addresses
 * live in *addresses, its labels in the manifest. */
finops_code fo_delivery_files(const fo_delivery *delivery, const fo_bill_source *source, fo_strv *addresses,
                              fo_bill_file **ret, finops_error **err);

#endif
