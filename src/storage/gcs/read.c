/* What is there, and its bytes. https://cloud.google.com/storage/docs/json_api/v1/objects */
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/gcs/gcs_internal.h"
#include "storage/object.h"

/* "crc32c:<hex>" of the service's base64, highest byte first. */
static bool
sum_of(const char *base64, size_t n, fo_str *ret)
{
    FO_AUTO(fo_freep) char *text = fo_strndup(base64, n);
    FO_AUTO(fo_str_done) fo_str bytes = FO_STR_MAX(FO_SHA256_BYTES);
    char hex[FO_SHA256_HEX];

    if (!text || !fo_base64_decode(&bytes, text) || bytes.len != 4)
        return false;
    fo_hex(bytes.data, bytes.len, hex);
    fo_str_addf(ret, "crc32c:%s", hex);
    return true;
}

/* "crc32c=AAAAAA==,md5=..." */
static void
checksum(const fo_http_exchange *e, fo_str *ret)
{
    const char *hash = fo_http_header_value(e, "x-goog-hash");
    const char *crc = hash ? strstr(hash, "crc32c=") : NULL;

    if (crc)
        (void)sum_of(crc + 7, strcspn(crc + 7, ","), ret);
}

const fo_http_spelling gcs_spelling = { .metadata = "x-goog-meta-",
                                        .checksum = checksum,
                                        .version = "x-goog-generation" };

static const char *
text(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static size_t
metadata_of(const json_t *json, finops_metadata **ret)
{
    json_t *all = json_object_get(json, "metadata"), *value;
    size_t n = 0, most = json_object_size(all);
    const char *name;

    *ret = most > 0 ? fo_array(most, sizeof(**ret)) : NULL;
    if (!*ret)
        return 0;
    json_object_foreach(all, name, value) if (json_is_string(value))(*ret)[n++] =
        (finops_metadata){ name, json_string_value(value) };
    return n;
}

finops_code
gcs_object_of(const json_t *json, const char *key, finops_object *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sum = FO_STR_MAX(FO_SHA256_HEX);
    FO_AUTO(fo_freep) finops_metadata *metadata = NULL;
    const char *updated = text(json, "updated"), *size = text(json, "size"), *crc = text(json, "crc32c");
    finops_object o = { .key = key, .size = -1, .modified_us = -1 };
    unsigned long long v;

    if (size && fo_parse_u64(size, &v) && v <= INT64_MAX)
        o.size = (int64_t)v;
    if (updated && !fo_time_parse(updated, strlen(updated), &o.modified_us))
        o.modified_us = -1;
    o.version = text(json, "generation");
    o.etag = text(json, "etag");
    if (crc && sum_of(crc, strlen(crc), &sum))
        o.checksum = fo_str_z(&sum);
    o.content_type = text(json, "contentType");
    o.content_encoding = text(json, "contentEncoding");
    o.cache_control = text(json, "cacheControl");
    o.n_metadata = metadata_of(json, &metadata);
    o.metadata = metadata;
    return finops_object_copy(&o, ret, err);
}

finops_code
gcs_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    gcs_storage *s = self;
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(GCS_TEXT_MAX);
    gcs_request r = { .method = "GET", .key = key, .call = call };
    json_t *json = NULL;
    finops_code rc = gcs_url(s, key, "", &url, err);

    r.url = fo_str_z(&url);
    if (rc == FINOPS_OK)
        rc = gcs_send_for_json(s, &r, &json, err);
    if (rc == FINOPS_OK)
        rc = gcs_object_of(json, key, ret, err);
    json_decref(json);
    return rc;
}

/* A reader of no bytes: the range cannot be asked for, or was refused. */
typedef struct nothing_reader {
    finops_reader base;
    finops_object object;
} nothing_reader;

static finops_code
nothing_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    (void)reader;
    (void)buffer;
    (void)n;
    (void)err;
    *ret_n = 0;
    return FINOPS_OK;
}

static void
nothing_close(finops_reader *reader)
{
    nothing_reader *r = (nothing_reader *)reader;

    finops_object_done(&r->object);
    fo_free(r);
}

static finops_code
read_nothing(gcs_storage *s, const finops_get *get, finops_reader **ret, finops_error **err)
{
    nothing_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc = r ? gcs_stat(s, get->key, get->call, &r->object, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = fo_get_check(get, r->object.version, err);
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, r->object.size, &r->base.offset, &r->base.length, err);
    if (rc == FINOPS_OK && r->base.length > 0)
        rc = fo_error_set(err, FINOPS_E_RANGE, "gcs GET %s: the service refuses the range", get->key);
    if (rc != FINOPS_OK) {
        if (r)
            nothing_close(&r->base);
        return rc;
    }
    r->base.object = r->object;
    r->base.read = nothing_read;
    r->base.close = nothing_close;
    *ret = &r->base;
    return FINOPS_OK;
}

finops_code
gcs_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    gcs_storage *s = self;
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(GCS_TEXT_MAX);
    FO_AUTO(gcs_request_done) gcs_request r = { .method = "GET", .key = get->key, .call = get->call };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    fo_http_exchange *e = NULL;
    finops_code rc = gcs_url(s, get->key, "?alt=media", &url, err);

    if (rc != FINOPS_OK)
        return rc;
    if (get->suffix <= 0 && get->length == 0)
        return read_nothing(s, get, ret, err);
    gcs_add_condition(false, get->if_version, &url);
    if (get->unless_version) {
        fo_str_add(&url, "&ifGenerationNotMatch=");
        fo_url_escape(&url, get->unless_version, false);
    }
    rc = fo_str_check(&url, err);
    r.url = fo_str_z(&url);
    fo_headers_add(&r.headers, "accept-encoding", "gzip"); /* as it is stored, never unpacked on the way */
    fo_headers_add_range(&r.headers, "range", get);
    if (rc == FINOPS_OK)
        rc = gcs_send(s, &r, &e, &why);
    if (rc == FINOPS_E_RANGE)
        return read_nothing(s, get, ret, err); /* of an empty object perhaps */
    if (rc == FINOPS_OK)
        return fo_http_reader_new(e, get, &gcs_spelling, false, ret, err);
    if (err)
        *err = FO_TAKE(why);
    return rc;
}
