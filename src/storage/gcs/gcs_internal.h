/* The parts of the driver for Google Cloud Storage. */
#ifndef FO_STORAGE_GCS_INTERNAL_H
#define FO_STORAGE_GCS_INTERNAL_H

#include <jansson.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/str.h"
#include "finops/sys/storage_driver.h"
#include "net/http_options.h"
#include "storage/gcs/auth.h"
#include "storage/http_object.h"

#define GCS_TEXT_MAX ((size_t)1 << 20)
#define GCS_ANSWER_MAX ((size_t)64 << 20)

typedef struct gcs_config {
    char *bucket, *prefix, *endpoint_url;
    gcs_auth_config auth;
    fo_http_settings network;
} gcs_config;

typedef struct gcs_storage {
    char *bucket;
    char *prefix;   /* "" or "a/b/" */
    char *endpoint; /* "https://storage.googleapis.com" */
    gcs_auth *auth;
    fo_http_client *http;
    atomic_bool bucket_seen; /* it exists */
} gcs_storage;

typedef struct gcs_request {
    const char *method;
    const char *url; /* whole; gcs_url() makes it */
    const char *key; /* for messages; NULL: the bucket */
    fo_headers headers;
    const void *body;
    size_t body_size;
    bool has_body;
    bool resume; /* 308 is an answer as well */
    const finops_call *call;
    int status;  /* what came back */
    bool resent; /* it may have been done before it failed */
} gcs_request;

extern const fo_http_spelling gcs_spelling;

/* "endpoint/storage/v1/b/bucket[/o[/key]]", and `more`, appended. key "" is "/o" alone, NULL the bucket. */
finops_code gcs_url(const gcs_storage *s, const char *key, const char *more, fo_str *ret, finops_error **err);
/* "&ifGenerationMatch=..." of a put, appended. */
void gcs_add_condition(bool create_only, const char *if_version, fo_str *ret);
finops_code gcs_send(gcs_storage *s, gcs_request *r, fo_http_exchange **ret, finops_error **err);
/* The same, and the document that came; *ret may be NULL where there is none. */
finops_code gcs_send_for_json(gcs_storage *s, gcs_request *r, json_t **ret, finops_error **err);
void gcs_request_done(gcs_request *r);
/* A condition of a put that was not met; one that this very put may have met before its connection broke is
 * left to who tries again. */
finops_code gcs_condition(const finops_put *put, bool resent, finops_code rc, finops_error **err);

/* An object of a document; `key` relative to the prefix. The texts are its own. */
finops_code gcs_object_of(const json_t *json, const char *key, finops_object *ret, finops_error **err);
/* The document that describes a new object. */
finops_code gcs_document_of(const gcs_storage *s, const finops_put *put, const uint32_t *crc32c, fo_str *ret,
                            finops_error **err);

/* A page of a listing; texts are its own. */
typedef struct gcs_page {
    finops_object *items;
    size_t n, cap;
} gcs_page;

/* Objects and prefixes below the storage's own, by bytes; to be done on failure as well. */
finops_code gcs_page_read(const gcs_storage *s, const json_t *json, gcs_page *ret, finops_error **err);
void gcs_page_done(gcs_page *page);

finops_code gcs_stat(void *self, const char *key, const finops_call *call, finops_object *ret,
                     finops_error **err);
finops_code gcs_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
finops_code gcs_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                    finops_error **err);
finops_code gcs_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err);
finops_code gcs_list(void *self, const finops_list *list, finops_each_object each, void *arg,
                     finops_error **err);
finops_code gcs_remove(void *self, const finops_remove *remove, finops_error **err);
finops_code gcs_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err);
finops_code gcs_presign(void *self, const finops_presign *presign, char **ret_url, finops_error **err);

#endif
