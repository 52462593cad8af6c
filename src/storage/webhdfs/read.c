/* What is there, and its bytes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "storage/object.h"
#include "storage/webhdfs/driver_internal.h"

#define OPEN_TRIES 32

bool
wh_status_of(const json_t *json, wh_status *ret)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    const json_t *length = json_object_get(json, "length"), *time = json_object_get(json, "modificationTime");

    if (!type || !json_is_integer(length) || !json_is_integer(time))
        return false;
    *ret = (wh_status){ .is_folder = strcmp(type, "DIRECTORY") == 0,
                        .is_file = strcmp(type, "FILE") == 0,
                        .size = json_integer_value(length),
                        .modified_ms = json_integer_value(time),
                        .number = json_integer_value(json_object_get(json, "fileId")) };
    return true;
}

const char *
wh_version(const wh_status *st, char buf[WH_VERSION_TEXT])
{
    (void)snprintf(buf, WH_VERSION_TEXT, "%" PRIx64 "-%" PRIx64 "-%" PRIx64, (uint64_t)st->number,
                   (uint64_t)st->size, (uint64_t)st->modified_ms);
    return buf;
}

finops_object
wh_object(const char *key, const wh_status *st, char buf[WH_VERSION_TEXT])
{
    finops_object o = { .key = key, .size = st->size, .modified_us = st->modified_ms * 1000 };

    o.version = o.etag = wh_version(st, buf);
    return o;
}

finops_code
wh_look(wh_storage *s, const char *path, const finops_call *call, wh_status *ret, finops_error **err)
{
    const wh_request r = { .method = "GET", .op = "GETFILESTATUS", .path = path, .call = call };
    WH_JSON json = NULL;
    finops_code rc = wh_ask(s, &r, &json, err);

    if (rc != FINOPS_OK)
        return rc;
    if (!wh_status_of(json_object_get(json, "FileStatus"), ret))
        return fo_error_set(err, FINOPS_E_CORRUPT, "webhdfs GETFILESTATUS %s: no status came", path);
    return FINOPS_OK;
}

finops_code
wh_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    wh_storage *s = self;
    FO_AUTO(fo_freep) char *path = wh_path(s, key);
    char version[WH_VERSION_TEXT];
    finops_object object;
    wh_status st;
    finops_code rc = path ? fo_file_key_check(key, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = wh_look(s, path, call, &st, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!st.is_file) /* a folder: it is there, and no object */
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "%s is no file", key);
    object = wh_object(key, &st, version);
    return finops_object_copy(&object, ret, err);
}

typedef struct wh_reader {
    finops_reader base;
    char *key, *path;
    char version[WH_VERSION_TEXT];
    fo_http_exchange *exchange; /* NULL: no byte comes */
    int64_t left;
} wh_reader;

static void
reader_close(finops_reader *reader)
{
    wh_reader *r = (wh_reader *)reader;

    fo_http_end(r->exchange);
    fo_free(r->key);
    fo_free(r->path);
    fo_free(r);
}

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    wh_reader *r = (wh_reader *)reader;
    size_t got = 0;
    finops_code rc = FINOPS_OK;

    if ((uint64_t)r->left < n)
        n = (size_t)r->left;
    if (n > 0)
        rc = fo_http_read(r->exchange, buffer, n, &got, err);
    if (rc != FINOPS_OK)
        return rc;
    if (got == 0 && n > 0)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "%s: the answer ended %lld bytes early", r->key,
                            (long long)r->left);
    r->left -= (int64_t)got;
    *ret_n = got;
    return FINOPS_OK;
}

/* A file keeps its number, and one that replaces it has another: the bytes that come are those of the file
 * that was looked at when it is still there after they began to come. */
static finops_code
reader_begin(wh_storage *s, wh_reader *r, const finops_call *call, bool *ret_again, finops_error **err)
{
    FO_AUTO(fo_freep)
    char *query = fo_format("&offset=%lld&length=%lld", (long long)r->base.offset, (long long)r->base.length);
    const wh_request open = { .method = "GET", .op = "OPEN", .path = r->path, .query = query, .call = call };
    char version[WH_VERSION_TEXT];
    wh_status after;
    finops_code rc;

    if (r->base.length == 0)
        return FINOPS_OK;
    rc = query ? wh_send(s, &open, &r->exchange, err) : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = wh_look(s, r->path, call, &after, err);
    *ret_again = rc == FINOPS_OK && !fo_streq(wh_version(&after, version), r->version);
    return rc;
}

static finops_code
reader_aim(wh_storage *s, wh_reader *r, const finops_get *get, bool *ret_again, finops_error **err)
{
    wh_status st;
    finops_code rc = wh_look(s, r->path, get->call, &st, err);

    *ret_again = false;
    if (rc == FINOPS_OK && !st.is_file)
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "%s is %s", r->key, st.is_folder ? "a folder" : "no file");
    if (rc != FINOPS_OK)
        return rc;
    r->base.object = wh_object(r->key, &st, r->version);
    rc = fo_get_check(get, r->version, err);
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, st.size, &r->base.offset, &r->base.length, err);
    r->left = r->base.length;
    return rc == FINOPS_OK ? reader_begin(s, r, get->call, ret_again, err) : rc;
}

/* Until nobody replaces the file while it is opened. */
static finops_code
reader_open(wh_storage *s, wh_reader *r, const finops_get *get, finops_error **err)
{
    bool again = true;
    finops_code rc = FINOPS_OK;

    for (int i = 0; again && rc == FINOPS_OK; i++) {
        fo_http_endp(&r->exchange);
        rc = i < OPEN_TRIES ? reader_aim(s, r, get, &again, err)
                            : fo_error_set(err, FINOPS_E_TRANSIENT, "%s is replaced all the time", r->key);
    }
    return rc;
}

finops_code
wh_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    wh_storage *s = self;
    wh_reader *r;
    finops_code rc = fo_file_key_check(get->key, err);

    if (rc != FINOPS_OK)
        return rc;
    r = fo_zalloc(sizeof(*r));
    if (!r)
        return fo_error_oom(err);
    r->base.read = reader_read;
    r->base.close = reader_close;
    r->key = fo_strdup(get->key);
    r->path = wh_path(s, get->key);
    rc = r->key && r->path ? reader_open(s, r, get, err) : fo_error_oom(err);
    if (rc != FINOPS_OK) {
        reader_close(&r->base);
        return rc;
    }
    *ret = &r->base;
    return FINOPS_OK;
}
