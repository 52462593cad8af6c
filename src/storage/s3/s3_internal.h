/* The parts of the driver for S3: a storage, a request, what an answer says. */
#ifndef FO_STORAGE_S3_INTERNAL_H
#define FO_STORAGE_S3_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/str.h"
#include "finops/sys/storage_driver.h"
#include "net/credentials.h"
#include "net/http_options.h"
#include "net/sigv4.h"
#include "net/xml.h"
#include "storage/http_object.h"

#define S3_TEXT_MAX (1u << 20)    /* bytes of an address or of an error's document */
#define S3_ANSWER_MAX (64u << 20) /* bytes of any other document */
#define S3_REGION 64
#define S3_CHUNKED "aws-chunked" /* a content encoding */
#define S3_MIB (1ull << 20)
#define S3_GIB (1ull << 30)

/* How content is checked by the service. */
typedef enum s3_sum { S3_SUM_CRC64NVME, S3_SUM_CRC32C, S3_SUM_MD5, S3_SUM_NONE } s3_sum;

/* How what is sent is signed. */
typedef enum s3_signing {
    S3_SIGN_UNSIGNED, /* a checksum and TLS keep it: as a whole only where it has none */
    S3_SIGN_WHOLE,    /* by its digest, before the first byte goes out */
    S3_SIGN_CHUNKED   /* chunk by chunk, while it goes out */
} s3_signing;

typedef struct s3_chunks s3_chunks;

typedef struct s3_config {
    char *bucket, *prefix, *region, *endpoint_url, *addressing;
    char *profile, *access_key_id, *secret_access_key, *session_token;
    char *sse, *sse_kms_key_id, *sse_c_key;
    bool requester_pays;
    char *checksum, *payload_signing;
    uint64_t part_size, copy_max;
    fo_http_settings network;
} s3_config;

typedef struct s3_storage {
    char *bucket;
    char *prefix;   /* "" or "a/b/" */
    char *endpoint; /* "https://host[:port][/path]"; NULL: of Amazon's, by the region */
    bool path_style;
    s3_signing signing;
    bool chunk_parts; /* parts go in chunks all the same, when the service shows that it understood */
    char *sse, *kms_key;
    char *c_key, *c_key_md5; /* base64 */
    bool requester_pays;
    s3_sum sum;
    size_t part_size;
    int64_t copy_max;
    fo_http_client *http;
    fo_sigv4 *signer;
    fo_aws_chain *chain;
    char *profile;
    char *proxy, *no_proxy, *ca_file; /* NULL: none; as the engine would have to be told */

    /* What was learned from the service. */
    pthread_mutex_t lock;      /* of the region */
    char region[S3_REGION];    /* "": not known yet */
    atomic_llong skew_us;      /* its clock less ours */
    atomic_bool knows_no_sums; /* of the newer headers */
    atomic_bool knows_no_chunks;
    atomic_bool bucket_seen; /* it exists */
} s3_storage;

typedef struct s3_request {
    const char *method;
    const char *key;   /* relative to the prefix; NULL: the bucket */
    const char *query; /* escaped; NULL: none */
    fo_headers headers;
    const void *body;
    size_t body_size;
    bool has_body;
    bool with_sums; /* among the headers are those that old services refuse */
    bool chunked;   /* signed in chunks, with this checksum behind them */
    s3_sum sum;
    s3_chunks *chunks;
    const finops_call *call;

    /* What came back, also when the request failed. */
    int status;
    char code[64];      /* "NoSuchKey"; "" */
    bool resent;        /* it may have been done before it failed */
    uint64_t sum_value; /* of what went out in chunks */
    int64_t skew_us;    /* what was known of the clocks when it was signed */
} s3_request;

/* ---- request.c ---- */

/* Sends it and gives the answer when its status is of success, or 304. The service's own address, region,
 * clock and fresh credentials are learned on the way and the request is sent again then. */
finops_code s3_send(s3_storage *s, s3_request *r, fo_http_exchange **ret, finops_error **err);
/* The same, and the document that came. */
finops_code s3_send_for_xml(s3_storage *s, s3_request *r, fo_xml **ret, finops_error **err);
/* The same, and no more of it. */
finops_code s3_send_only(s3_storage *s, s3_request *r, finops_error **err);
void s3_request_done(s3_request *r);
finops_code s3_presign(void *self, const finops_presign *presign, char **ret_url, finops_error **err);

/* ---- chunks.c ---- */

/* What the request's `sum` and headers were made for; before it is signed, once. */
void s3_chunks_headers(s3_request *r);
const char *s3_chunks_payload(const s3_request *r);
/* Bytes that go out. */
size_t s3_chunks_size(const s3_request *r);
/* The body, after its request was signed. */
finops_code s3_chunks_begin(s3_storage *s, s3_request *r, const fo_sigv4_request *sign,
                            const fo_sigv4_headers *headers, fo_http_source *ret, finops_error **err);
void s3_chunks_free(s3_chunks *chunks);

/* ---- headers.c ---- */

finops_code s3_headers_of_put(const s3_storage *s, const finops_put *put, fo_headers *h, finops_error **err);
void s3_headers_of_condition(const finops_put *put, fo_headers *h);
/* The customer's key, for everything that touches content. */
void s3_headers_of_key(const s3_storage *s, fo_headers *h);
/* What is copied, "/bucket/key" escaped, and the ETag it must have, in quotes. */
void s3_headers_of_source(const s3_storage *s, const char *source, const char *etag, fo_headers *h);
/* How it says what it knows of an object. */
extern const fo_http_spelling s3_spelling;

/* ---- sum.c ---- */

/* The kind that is used with this service. */
s3_sum s3_sum_now(const s3_storage *s);
/* Of a block, as the header wants it: base64. */
finops_code s3_sum_make(s3_sum sum, const void *data, size_t n, fo_str *ret, finops_error **err);
void s3_sum_of_number(s3_sum sum, uint64_t value, fo_str *ret);
const char *s3_sum_header(s3_sum sum); /* "x-amz-checksum-crc64nvme", "content-md5"; NULL: none */
const char *s3_sum_name(s3_sum sum);   /* "CRC64NVME"; NULL: one of old services */
/* Adds it to a request with that body. */
finops_code s3_sum_add(const s3_storage *s, s3_request *r, finops_error **err);
/* "crc64nvme:<hex>" of the headers' base64, appended. False: none that counts for the whole object. */
bool s3_sum_text(s3_sum sum, const char *base64, fo_str *ret);
uint64_t s3_sum_update(s3_sum sum, uint64_t value, const void *data, size_t n);

/* ---- error.c ---- */

/* The error of an answer that is none of success; reads its document. */
finops_code s3_failure(s3_storage *s, s3_request *r, fo_http_exchange *e, char region[S3_REGION],
                       finops_error **err);
/* The error of a document in an answer that said 200. */
finops_code s3_failure_inside(s3_request *r, const fo_xml_node *error, const char *where, finops_error **err);
finops_code s3_code_of(int status, const char *code);

/* ---- the slots ---- */

finops_code s3_stat(void *self, const char *key, const finops_call *call, finops_object *ret,
                    finops_error **err);
finops_code s3_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
finops_code s3_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                   finops_error **err);
finops_code s3_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err);
finops_code s3_list(void *self, const finops_list *list, finops_each_object each, void *arg,
                    finops_error **err);
finops_code s3_remove(void *self, const finops_remove *remove, finops_error **err);
finops_code s3_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                           finops_each_removed each, void *arg, finops_error **err);
finops_code s3_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err);
finops_code s3_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
                     finops_each_object each, void *arg, finops_error **err);

/* A condition that was not met, as the interface calls it; one that this very put may have met before its
 * connection broke is left to who tries again. */
finops_code s3_condition(const finops_put *put, const s3_request *r, finops_code rc, finops_error **err);
finops_code s3_upload_begin(s3_storage *s, const finops_put *put, s3_sum sum, finops_upload **ret,
                            finops_error **err);
/* A part that the service copies; of an upload without sums, which some services do not make of copies. */
finops_code s3_upload_copy_part(finops_upload *upload, unsigned number, int64_t offset, int64_t n,
                                const char *source, const char *source_etag, const finops_call *call,
                                finops_error **err);

#endif
