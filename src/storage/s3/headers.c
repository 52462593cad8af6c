/* Headers that go out with an object, and what those that come back say of it. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "storage/s3/s3_internal.h"

#define META "x-amz-meta-"

void
s3_header(s3_headers *h, const char *name, const char *value)
{
    if (!value)
        return;
    if (h->n == S3_HEADERS) {
        h->failed = true;
        return;
    }
    h->items[h->n++] = (fo_http_header){ name, value };
}

void
s3_header_text(s3_headers *h, const char *name, fo_str *value)
{
    char *text = fo_str_take(value);

    *value = FO_STR_MAX(S3_TEXT_MAX);
    if (text && fo_strv_take(&h->texts, text))
        s3_header(h, name, text);
    else
        h->failed = true;
}

/* HTTP drops blanks at the ends of a value, so that it would not come back as it was. */
static bool
comes_back(const char *value)
{
    size_t n = strlen(value);

    return n == 0 || (!strchr(" \t", value[0]) && !strchr(" \t", value[n - 1]));
}

static finops_code
add_metadata(const finops_put *put, s3_headers *h, finops_error **err)
{
    if (put->n_metadata > S3_HEADERS / 2)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: more than %d entries of metadata", put->key,
                            S3_HEADERS / 2);
    for (size_t i = 0; i < put->n_metadata; i++) {
        char *name = fo_format(META "%s", put->metadata[i].name);

        if (!name || !fo_strv_take(&h->texts, name))
            return fo_error_oom(err);
        if (!comes_back(put->metadata[i].value))
            return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: metadata %s begins or ends with a blank",
                                put->key, put->metadata[i].name);
        s3_header(h, name, put->metadata[i].value);
    }
    return FINOPS_OK;
}

void
s3_headers_of_key(const s3_storage *s, s3_headers *h)
{
    if (!s->c_key)
        return;
    s3_header(h, "x-amz-server-side-encryption-customer-algorithm", "AES256");
    s3_header(h, "x-amz-server-side-encryption-customer-key", s->c_key);
    s3_header(h, "x-amz-server-side-encryption-customer-key-md5", s->c_key_md5);
}

void
s3_headers_of_source(const s3_storage *s, const char *source, const char *etag, s3_headers *h)
{
    s3_header(h, "x-amz-copy-source", source);
    s3_header(h, "x-amz-copy-source-if-match", etag);
    if (!s->c_key)
        return;
    s3_header(h, "x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256");
    s3_header(h, "x-amz-copy-source-server-side-encryption-customer-key", s->c_key);
    s3_header(h, "x-amz-copy-source-server-side-encryption-customer-key-md5", s->c_key_md5);
}

finops_code
s3_headers_of_put(const s3_storage *s, const finops_put *put, s3_headers *h, finops_error **err)
{
    s3_header(h, "content-type", put->content_type);
    s3_header(h, "content-encoding", put->content_encoding);
    s3_header(h, "cache-control", put->cache_control);
    s3_header(h, "x-amz-server-side-encryption", s->sse);
    s3_header(h, "x-amz-server-side-encryption-aws-kms-key-id", s->kms_key);
    s3_headers_of_key(s, h);
    return add_metadata(put, h, err);
}

void
s3_headers_of_condition(const finops_put *put, s3_headers *h)
{
    FO_AUTO(fo_str_done) fo_str etag = FO_STR_MAX(S3_TEXT_MAX);

    if (put->create_only)
        s3_header(h, "if-none-match", "*");
    if (put->if_version) {
        fo_str_addf(&etag, "\"%s\"", put->if_version);
        s3_header_text(h, "if-match", &etag);
    }
}

/* ---- what comes back ---- */

static const char *
keep(s3_info *info, char *text)
{
    if (text && fo_strv_take(&info->texts, text))
        return text;
    info->failed = true;
    return NULL;
}

static void
each_metadata(const char *name, const char *value, void *arg)
{
    s3_info *info = arg;
    finops_object *o = &info->object;

    if (!fo_grow((void **)&info->metadata, &info->cap, o->n_metadata + 1, sizeof(*info->metadata))) {
        info->failed = true;
        return;
    }
    info->metadata[o->n_metadata++] = (finops_metadata){ name + strlen(META), value };
}

static const char *
etag_of(s3_info *info, const char *etag)
{
    size_t n = etag ? strlen(etag) : 0;

    if (n < 2 || etag[0] != '"' || etag[n - 1] != '"')
        return etag;
    return keep(info, fo_strndup(etag + 1, n - 2));
}

static const char *
checksum_of(s3_info *info, const fo_http_exchange *e)
{
    const char *type = fo_http_header_value(e, "x-amz-checksum-type");

    if (type && strcmp(type, "FULL_OBJECT") != 0)
        return NULL;
    for (int i = S3_SUM_CRC64NVME; i <= S3_SUM_CRC32C; i++) {
        const char *base64 = fo_http_header_value(e, s3_sum_header((s3_sum)i));
        fo_str text = FO_STR_MAX(S3_TEXT_MAX);

        if (base64 && s3_sum_text((s3_sum)i, base64, &text))
            return keep(info, fo_str_take(&text));
        fo_str_done(&text);
    }
    return NULL;
}

/* The object's own; how it was sent is none of it, which some services keep all the same: "aws-chunked,gzip".
 */
static const char *
encoding_of(const fo_http_exchange *e)
{
    const char *text = fo_http_header_value(e, "content-encoding");

    if (!text || !fo_starts(text, S3_CHUNKED))
        return text;
    text += strlen(S3_CHUNKED);
    return *text == ',' ? text + 1 + strspn(text + 1, " ") : *text ? text - strlen(S3_CHUNKED) : NULL;
}

/* "bytes 0-9/100": the size of the whole. */
static int64_t
size_of(const fo_http_exchange *e)
{
    const char *range = fo_http_header_value(e, "content-range");
    const char *slash = range ? strrchr(range, '/') : NULL;
    unsigned long long v;

    if (slash && fo_parse_u64(slash + 1, &v) && v <= INT64_MAX)
        return (int64_t)v;
    return fo_http_length(e);
}

finops_code
s3_info_make(const fo_http_exchange *e, const char *key, s3_info *ret, finops_error **err)
{
    const char *modified = fo_http_header_value(e, "last-modified");
    finops_object *o = &ret->object;

    *ret = (s3_info){ .object = { .key = key, .modified_us = -1 } };
    o->size = size_of(e);
    if (modified && !fo_http_date_parse(modified, &o->modified_us))
        o->modified_us = -1;
    o->etag = etag_of(ret, fo_http_header_value(e, "etag"));
    o->version = o->etag;
    o->checksum = checksum_of(ret, e);
    o->content_type = fo_http_header_value(e, "content-type");
    o->content_encoding = encoding_of(e);
    o->cache_control = fo_http_header_value(e, "cache-control");
    fo_http_each_header(e, META, each_metadata, ret);
    o->metadata = ret->metadata;
    if (!ret->failed)
        return FINOPS_OK;
    s3_info_done(ret);
    return fo_error_oom(err);
}

void
s3_info_done(s3_info *info)
{
    fo_strv_done(&info->texts);
    fo_free(info->metadata);
    *info = (s3_info){ 0 };
}
