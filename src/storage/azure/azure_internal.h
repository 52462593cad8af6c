/* The parts of the driver for Azure: a storage, a request, what an answer says. */
#ifndef FO_STORAGE_AZURE_INTERNAL_H
#define FO_STORAGE_AZURE_INTERNAL_H

#include <stdatomic.h>

#include "base/error.h"
#include "base/str.h"
#include "finops/sys/storage_driver.h"
#include "net/http_options.h"
#include "net/xml.h"
#include "storage/azure/auth.h"
#include "storage/http_object.h"

#define AZURE_TEXT_MAX ((size_t)1 << 20)    /* bytes of an address or of an error's document */
#define AZURE_ANSWER_MAX ((size_t)64 << 20) /* bytes of any other document */
#define AZURE_KIB ((int64_t)1 << 10)
#define AZURE_MIB ((int64_t)1 << 20)
#define AZURE_META "x-ms-meta-"
#define AZURE_SUM_META "finops_crc64nvme" /* our own checksum of the whole, in its metadata */

typedef enum azure_sum { AZURE_SUM_MD5, AZURE_SUM_CRC64, AZURE_SUM_NONE } azure_sum;

typedef struct azure_config {
    char *container, *prefix;
    char *endpoint_url, *endpoint_suffix;
    bool hierarchical;
    azure_auth_config auth;
    char *checksum;
    fo_http_settings network;
} azure_config;

typedef struct azure_storage {
    char *container;
    char *prefix;   /* "" or "a/b/" */
    char *endpoint; /* "https://account.blob.core.windows.net", "http://127.0.0.1:10000/devstoreaccount1" */
    char *dfs;      /* of the same account with folders, "https://account.dfs.core.windows.net"; NULL: flat */
    char *host_account, *host_endpoint; /* of such an address; NULL */
    azure_auth *auth;
    azure_sum sum;
    fo_http_client *http;
} azure_storage;

typedef struct azure_request {
    const char *method;
    const char *key;   /* relative to the prefix; NULL: the container */
    const char *query; /* escaped; NULL: none */
    fo_headers headers;
    const void *body;
    size_t body_size;
    bool has_body;
    bool dfs;  /* to that service */
    bool once; /* never sent again by the connection's doing */
    const finops_call *call;

    /* What came back, also when the request failed. */
    int status;
    char code[64]; /* "BlobNotFound"; "" */
    bool resent;   /* it may have been done before it failed */
} azure_request;

extern const fo_http_spelling azure_spelling;

/* ---- request.c ---- */

/* "https://account.../container[/prefix key]", without a query. */
finops_code azure_place(const azure_storage *s, const char *key, fo_str *ret, finops_error **err);
/* Sends it and gives the answer when its status is of success. */
finops_code azure_send(azure_storage *s, azure_request *r, fo_http_exchange **ret, finops_error **err);
/* The same, and no more of it. */
finops_code azure_send_only(azure_storage *s, azure_request *r, finops_error **err);
/* The same, and the document that came. */
finops_code azure_send_for_xml(azure_storage *s, azure_request *r, fo_xml **ret, finops_error **err);
void azure_request_done(azure_request *r);

/* ---- error.c ---- */

/* The error of an answer that is none of success; reads its document. */
finops_code azure_failure(const azure_storage *s, azure_request *r, fo_http_exchange *e, finops_error **err);
finops_code azure_code_of(int status, const char *code);
/* What a condition of a put that was not met means; one that this very put may have met before its
 * connection broke is left to who tries again. */
finops_code azure_condition(const finops_put *put, const azure_request *r, finops_code rc,
                            finops_error **err);

/* ---- put.c ---- */

/* What goes with a new object; `kind` is "x-ms-blob-" for the names of the content's headers. */
finops_code azure_headers_of_put(const finops_put *put, fo_headers *h, finops_error **err);
void azure_headers_of_condition(const finops_put *put, fo_headers *h);
/* How the service checks the body that goes out. */
finops_code azure_add_sum(const azure_storage *s, azure_request *r, finops_error **err);
/* Our own checksum, in the metadata. */
void azure_add_own_sum(fo_headers *h, uint64_t crc64);
/* What was put, for the caller; texts of `e`. */
finops_code azure_object_of_put(const fo_http_exchange *e, const char *key, int64_t size,
                                const uint64_t *crc64, finops_object *ret, finops_error **err);

/* ---- blocks.c ---- */

/* The blocks of an object that nobody committed yet. */
typedef struct azure_blocks {
    size_t n, n_ours;
    int64_t size;
    int64_t begun_us; /* of our latest; -1: none */
    bool committed;   /* there is an object, too */
} azure_blocks;
finops_code azure_uncommitted(azure_storage *s, const char *key, const finops_call *call, azure_blocks *ret,
                              finops_error **err);

/* ---- the slots ---- */

finops_code azure_stat(void *self, const char *key, const finops_call *call, finops_object *ret,
                       finops_error **err);
finops_code azure_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
finops_code azure_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                      finops_error **err);
finops_code azure_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err);
finops_code azure_list(void *self, const finops_list *list, finops_each_object each, void *arg,
                       finops_error **err);
finops_code azure_remove(void *self, const finops_remove *remove, finops_error **err);
finops_code azure_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                              finops_each_removed each, void *arg, finops_error **err);
finops_code azure_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err);
finops_code azure_move(void *self, const finops_copy *move, finops_error **err);
finops_code azure_presign(void *self, const finops_presign *presign, char **ret_url, finops_error **err);
finops_code azure_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
                        finops_each_object each, void *arg, finops_error **err);

/* ---- list.c, for the sweep as well ---- */

/* A page of a listing; texts are its own, or the document's. */
typedef struct azure_page {
    finops_object *items;
    size_t n, cap;
    fo_strv texts;
    char *marker; /* NULL: the last page */
} azure_page;

/* Objects and prefixes below the storage's own, by bytes; to be done on failure as well. */
finops_code azure_page_read(const azure_storage *s, const fo_xml *xml, azure_page *ret, finops_error **err);
void azure_page_done(azure_page *page);

/* `include` as the service wants it ("uncommittedblobs"); NULL: none. */
finops_code azure_list_with(azure_storage *s, const finops_list *list, const char *include,
                            finops_each_object each, void *arg, finops_error **err);

#endif
