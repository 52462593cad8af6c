/* What the files of the driver share. */
#ifndef FO_STORAGE_WEBHDFS_DRIVER_INTERNAL_H
#define FO_STORAGE_WEBHDFS_DRIVER_INTERNAL_H

#include <jansson.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/str.h"
#include "net/http.h"
#include "storage/file_key.h"
#include "storage/folders.h"
#include "storage/webhdfs/driver.h"

#define WH_VERSION_TEXT 64
#define WH_JSON_MAX ((size_t)64 << 20)

typedef struct wh_storage {
    fo_http_client *http;
    char *base;   /* "http://host:9870/webhdfs/v1" */
    char *folder; /* "/a/b", or "" */
    char *who;    /* "&user.name=x", "&delegation=...", or "" */
    char **host_map;
    fo_folders folders;
    atomic_bool no_batch;   /* the server lists a folder in one answer only */
    atomic_bool no_replace; /* and cannot rename over a file */
} wh_storage;

/* ---- request.c ---- */

typedef struct wh_request {
    const char *method, *op;
    const char *path;  /* of the server, not escaped */
    const char *query; /* "&a=b", escaped; may be NULL */
    bool sends;        /* the body goes to where the server says */
    const void *body;
    size_t n;
    const finops_call *call;
} wh_request;

/* The server's path of a key; NULL: no memory. */
char *wh_path(const wh_storage *s, const char *key);
/* Both steps; what is no success is an error, as the server's exception says. */
finops_code wh_send(wh_storage *s, const wh_request *r, fo_http_exchange **ret, finops_error **err);
/* The same with its answer as JSON; *ret is NULL when there is none. */
finops_code wh_ask(wh_storage *s, const wh_request *r, json_t **ret, finops_error **err);
/* The same whose answer is yes or no; one that is empty is yes. */
finops_code wh_ask_bool(wh_storage *s, const wh_request *r, bool *ret, finops_error **err);
void wh_json_release(json_t **json);
#define WH_JSON __attribute__((cleanup(wh_json_release))) json_t *

/* ---- read.c ---- */

typedef struct wh_status {
    bool is_folder, is_file;
    int64_t size, modified_ms, number;
} wh_status;
/* False: there is something missing in it. */
bool wh_status_of(const json_t *json, wh_status *ret);
const char *wh_version(const wh_status *st, char buf[WH_VERSION_TEXT]);
/* Borrows key and buf. */
finops_object wh_object(const char *key, const wh_status *st, char buf[WH_VERSION_TEXT]);
finops_code wh_look(wh_storage *s, const char *path, const finops_call *call, wh_status *ret,
                    finops_error **err);
finops_code wh_stat(void *self, const char *key, const finops_call *call, finops_object *ret,
                    finops_error **err);
finops_code wh_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);

/* ---- write.c ---- */

finops_code wh_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                   finops_error **err);
finops_code wh_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err);
finops_code wh_remove(void *self, const finops_remove *remove, finops_error **err);
finops_code wh_move(void *self, const finops_copy *move, finops_error **err);
/* What is not there is gone. */
finops_code wh_delete(wh_storage *s, const char *path, const finops_call *call, finops_error **err);

/* ---- list.c ---- */

finops_code wh_list(void *self, const finops_list *list, finops_each_object each, void *arg,
                    finops_error **err);
finops_code wh_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
                     finops_each_object each, void *arg, finops_error **err);

#endif
