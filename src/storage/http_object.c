/* Objects over HTTP: their headers, out and in, and their bytes. */
#include "storage/http_object.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/crc.h"
#include "base/mem.h"
#include "storage/object.h"

#define VALUE_MAX ((size_t)1 << 20)

/* ---- statuses ---- */

finops_code
fo_http_code_of(int status)
{
    switch (status) {
    case 304:
        return FINOPS_E_UNCHANGED;
    case 401:
        return FINOPS_E_AUTH;
    case 403:
        return FINOPS_E_DENIED;
    case 404:
        return FINOPS_E_NOT_FOUND;
    case 405:
    case 501:
        return FINOPS_E_UNSUPPORTED;
    case 408:
    case 409:
        return FINOPS_E_TRANSIENT;
    case 412:
        return FINOPS_E_PRECONDITION;
    case 416:
        return FINOPS_E_RANGE;
    case 429:
    case 503:
        return FINOPS_E_THROTTLED;
    default:
        return status >= 500 ? FINOPS_E_TRANSIENT : status >= 400 ? FINOPS_E_ARGUMENT : FINOPS_E_CONFIG;
    }
}

/* ---- out ---- */

void
fo_headers_add(fo_headers *h, const char *name, const char *value)
{
    assert(h && name);

    if (!value)
        return;
    if (h->n == FO_HEADERS_MAX)
        h->too_many = true;
    else
        h->items[h->n++] = (fo_http_header){ name, value };
}

void
fo_headers_take(fo_headers *h, const char *name, fo_str *value)
{
    char *text = fo_str_take(value);

    if (text && fo_strv_take(&h->texts, text))
        fo_headers_add(h, name, text);
    else
        h->failed = true;
}

void
fo_headers_addf(fo_headers *h, const char *name, const char *fmt, ...)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(VALUE_MAX);
    va_list ap;

    va_start(ap, fmt);
    fo_str_addv(&text, fmt, ap);
    va_end(ap);
    fo_headers_take(h, name, &text);
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

finops_code
fo_headers_add_metadata(fo_headers *h, const char *prefix, const finops_metadata *m, finops_error **err)
{
    size_t n = strlen(m->value);
    char *name;

    if (n > 0 && (is_blank(m->value[0]) || is_blank(m->value[n - 1])))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "metadata %s begins or ends with a blank", m->name);
    name = fo_format("%s%s", prefix, m->name);
    if (!name || !fo_strv_take(&h->texts, name))
        return fo_error_oom(err);
    fo_headers_add(h, name, m->value);
    return FINOPS_OK;
}

finops_code
fo_headers_check(const fo_headers *h, finops_error **err)
{
    if (h->failed)
        return fo_error_oom(err);
    if (h->too_many)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "more metadata than a request has room for");
    return FINOPS_OK;
}

void
fo_headers_done(fo_headers *h)
{
    fo_strv_done(&h->texts);
    *h = (fo_headers){ 0 };
}

void
fo_headers_add_range(fo_headers *h, const char *name, const finops_get *get)
{
    if (get->suffix > 0)
        fo_headers_addf(h, name, "bytes=-%" PRId64, get->suffix);
    else if (get->length > 0 && get->length <= INT64_MAX - get->offset)
        fo_headers_addf(h, name, "bytes=%" PRId64 "-%" PRId64, get->offset, get->offset + get->length - 1);
    else if (get->offset > 0)
        fo_headers_addf(h, name, "bytes=%" PRId64 "-", get->offset);
}

void
fo_headers_add_version(fo_headers *h, const char *name, const char *version)
{
    if (version)
        fo_headers_addf(h, name, "\"%s\"", version);
}

/* ---- in ---- */

static const char *
keep(fo_http_object *o, char *text)
{
    if (text && fo_strv_take(&o->texts, text))
        return text;
    o->failed = true;
    return NULL;
}

static void
each_metadata(const char *name, const char *value, void *arg)
{
    fo_http_object *o = arg;
    char *own = fo_strdup(name + strlen(o->spelling->metadata));

    if (own && o->spelling->metadata_name && !o->spelling->metadata_name(own)) {
        fo_free(own);
        return;
    }
    if (!keep(o, own))
        return;
    if (!fo_grow((void **)&o->metadata, &o->cap, o->object.n_metadata + 1, sizeof(*o->metadata))) {
        o->failed = true;
        return;
    }
    o->metadata[o->object.n_metadata++] = (finops_metadata){ own, value };
}

static const char *
without_quotes(fo_http_object *o, const char *etag)
{
    size_t n = etag ? strlen(etag) : 0;

    if (n < 2 || etag[0] != '"' || etag[n - 1] != '"')
        return etag;
    return keep(o, fo_strndup(etag + 1, n - 2));
}

static const char *
checksum_of(fo_http_object *o, const fo_http_exchange *e)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(VALUE_MAX);

    if (!o->spelling->checksum)
        return NULL;
    o->spelling->checksum(e, &text);
    return text.len > 0 ? keep(o, fo_str_take(&text)) : NULL;
}

/* "bytes 0-9/100": the size of the whole; without one the answer is the whole. */
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
fo_http_object_make(const fo_http_exchange *e, const char *key, const fo_http_spelling *spelling,
                    fo_http_object *ret, finops_error **err)
{
    const char *modified = fo_http_header_value(e, "last-modified");
    finops_object *o = &ret->object;

    *ret = (fo_http_object){ .object = { .key = key, .modified_us = -1 }, .spelling = spelling };
    o->size = size_of(e);
    if (modified && !fo_http_date_parse(modified, &o->modified_us))
        o->modified_us = -1;
    o->etag = without_quotes(ret, fo_http_header_value(e, "etag"));
    o->version = spelling->version ? fo_http_header_value(e, spelling->version) : o->etag;
    o->checksum = checksum_of(ret, e);
    o->content_type = fo_http_header_value(e, "content-type");
    o->content_encoding = fo_http_header_value(e, "content-encoding");
    if (o->content_encoding && spelling->encoding)
        o->content_encoding = spelling->encoding(o->content_encoding);
    o->cache_control = fo_http_header_value(e, "cache-control");
    fo_http_each_header(e, spelling->metadata, each_metadata, ret);
    o->metadata = ret->metadata;
    if (!ret->failed)
        return FINOPS_OK;
    fo_http_object_done(ret);
    return fo_error_oom(err);
}

void
fo_http_object_done(fo_http_object *o)
{
    fo_strv_done(&o->texts);
    fo_free(o->metadata);
    *o = (fo_http_object){ 0 };
}

/* ---- the reader ---- */

typedef struct http_reader {
    finops_reader base;
    fo_http_object about;
    fo_http_exchange *exchange;
    char *key;
    int64_t skip, left; /* before the first byte that was asked for; of those */
    bool verify, crc64; /* the whole object comes, and its sum is known: of which kind */
    uint64_t want, have;
} http_reader;

static void
reader_close(finops_reader *reader)
{
    http_reader *r = (http_reader *)reader;

    if (!r)
        return;
    fo_http_end(r->exchange);
    fo_http_object_done(&r->about);
    fo_free(r->key);
    fo_free(r);
}

/* Of a service that answers with all of it whatever was asked for. */
static finops_code
skip(http_reader *r, finops_error **err)
{
    char buffer[16384];
    finops_code rc = FINOPS_OK;

    while (r->skip > 0 && rc == FINOPS_OK) {
        size_t n = 0, most = r->skip < (int64_t)sizeof(buffer) ? (size_t)r->skip : sizeof(buffer);

        rc = fo_http_read(r->exchange, buffer, most, &n, err);
        if (rc == FINOPS_OK && n == 0)
            rc = fo_error_set(err, FINOPS_E_TRANSIENT, "%s: the answer ended before its range", r->key);
        r->skip -= (int64_t)n;
    }
    return rc;
}

static finops_code
at_end(http_reader *r, size_t *ret_n, finops_error **err)
{
    if (r->left > 0)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "%s: the answer ended %" PRId64 " bytes early", r->key,
                            r->left);
    if (r->verify && r->have != r->want)
        return fo_error_set(err, FINOPS_E_CORRUPT, "%s: what came has not the checksum it was stored with",
                            r->key);
    *ret_n = 0;
    return FINOPS_OK;
}

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    http_reader *r = (http_reader *)reader;
    size_t got = 0;
    finops_code rc = r->skip > 0 ? skip(r, err) : FINOPS_OK;

    if (rc != FINOPS_OK)
        return rc;
    if (r->left == 0)
        return at_end(r, ret_n, err);
    if ((uint64_t)r->left < n)
        n = (size_t)r->left;
    rc = fo_http_read(r->exchange, buffer, n, &got, err);
    if (rc != FINOPS_OK)
        return rc;
    if (got == 0)
        return at_end(r, ret_n, err);
    r->left -= (int64_t)got;
    if (r->verify)
        r->have = r->crc64 ? fo_crc64nvme(r->have, buffer, got) : fo_crc32c((uint32_t)r->have, buffer, got);
    /* The last bytes are not given before the sum is known to be right. */
    if (r->left == 0 && r->verify && r->have != r->want)
        return at_end(r, ret_n, err);
    *ret_n = got;
    return FINOPS_OK;
}

/* "crc64nvme:<hex>" or "crc32c:<hex>". */
static bool
sum_parse(http_reader *r, const char *checksum)
{
    const char *hex = checksum ? strchr(checksum, ':') : NULL;

    if (!hex)
        return false;
    r->crc64 = fo_starts(checksum, "crc64nvme:");
    if (!r->crc64 && !fo_starts(checksum, "crc32c:"))
        return false;
    for (hex++; *hex; hex++)
        r->want = r->want << 4 | (uint64_t)(fo_is_digit(*hex) ? *hex - '0' : *hex - 'a' + 10);
    return true;
}

/* The first byte of "bytes 10-19/100"; -1: there is no such header. */
static int64_t
range_begin(const fo_http_exchange *e)
{
    const char *text = fo_http_header_value(e, "content-range");
    int64_t v = 0;

    if (!text || !fo_starts(text, "bytes ") || !fo_is_digit(text[6]))
        return -1;
    for (text += 6; fo_is_digit(*text) && v < INT64_MAX / 16; text++)
        v = v * 10 + (*text - '0');
    return v;
}

/* Which of the bytes that come are those that were asked for. */
static finops_code
reader_range(http_reader *r, const finops_get *get, finops_error **err)
{
    int64_t size = r->base.object.size, comes = fo_http_length(r->exchange);
    int64_t begin = fo_http_status(r->exchange) == 206 ? range_begin(r->exchange) : 0;
    finops_code rc;

    if (size < 0 || comes < 0 || begin < 0)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "read %s: the answer does not say how long it is",
                            get->key);
    /* There are services that take no notice of a condition. */
    rc = r->base.object.version ? fo_get_check(get, r->base.object.version, err) : FINOPS_OK;
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, size, &r->base.offset, &r->base.length, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "read %s", get->key);
    r->skip = r->base.offset - begin;
    r->left = r->base.length;
    if (r->skip < 0 || r->skip + r->left > comes)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "read %s: the answer is another range", get->key);
    r->verify = r->left == size && sum_parse(r, r->base.object.checksum);
    return FINOPS_OK;
}

/* A range that could not be asked for, or was refused: right for no bytes only. */
static finops_code
reader_nothing(http_reader *r, const finops_get *get, finops_error **err)
{
    finops_code rc = fo_get_check(get, r->base.object.version, err);

    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, r->base.object.size, &r->base.offset, &r->base.length, err);
    if (rc == FINOPS_OK && r->base.length > 0 && get->length != 0)
        rc = fo_error_set(err, FINOPS_E_RANGE, "the service refuses the range");
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "read %s", get->key);
}

finops_code
fo_http_reader_new(fo_http_exchange *exchange, const finops_get *get, const fo_http_spelling *spelling,
                   bool head, finops_reader **ret, finops_error **err)
{
    http_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc;

    if (!r) {
        fo_http_end(exchange);
        return fo_error_oom(err);
    }
    r->exchange = exchange;
    r->base.read = reader_read;
    r->base.close = reader_close;
    r->key = fo_strdup(get->key);
    rc = r->key ? fo_http_object_make(exchange, r->key, spelling, &r->about, err) : fo_error_oom(err);
    r->base.object = r->about.object;
    if (rc == FINOPS_OK)
        rc = head ? reader_nothing(r, get, err) : reader_range(r, get, err);
    if (rc != FINOPS_OK) {
        reader_close(&r->base);
        return rc;
    }
    *ret = &r->base;
    return FINOPS_OK;
}

/* ---- the service ---- */

finops_code
fo_http_endpoint(const char *text, const char *option, char **ret, finops_error **err)
{
    FO_AUTO(fo_url_done) fo_url url = { 0 };
    finops_code rc = fo_url_parse(text, &url, err);
    size_t n;

    if (rc != FINOPS_OK)
        return fo_error_wrap(err, FINOPS_E_CONFIG, "%s", option);
    if ((strcmp(url.scheme, "https") != 0 && strcmp(url.scheme, "http") != 0) || !*url.host || url.user ||
        url.query)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s must be https://host or http://host[:port]", option);
    n = strlen(url.path);
    while (n > 0 && url.path[n - 1] == '/')
        n--;
    if (url.port == 0 || url.port == (strcmp(url.scheme, "https") == 0 ? 443 : 80))
        *ret = fo_format("%s://%s%.*s", url.scheme, url.host, (int)n, url.path);
    else
        *ret = fo_format("%s://%s:%d%.*s", url.scheme, url.host, url.port, (int)n, url.path);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}
