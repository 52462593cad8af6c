/* What is there, and its bytes. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "storage/object.h"
#include "storage/s3/s3_internal.h"

/* An answer to HEAD has no document: that the bucket is missing is found out by asking for it, unless
 * something of it was seen already. */
static finops_code
bucket_missing(s3_storage *s, const finops_call *call, finops_error **err)
{
    FO_AUTO(s3_request_done) s3_request r = { .method = "HEAD", .call = call };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;

    if (atomic_load(&s->bucket_seen))
        return FINOPS_OK;
    if (s3_send_only(s, &r, &why) == FINOPS_OK || r.status != 404)
        return FINOPS_OK;
    fo_error_set(err, FINOPS_E_CONFIG, "s3: there is no bucket %s", s->bucket);
    fo_error_hint(err, "create the bucket %s, or name another", s->bucket);
    return FINOPS_E_CONFIG;
}

static finops_code
missing(s3_storage *s, const finops_call *call, finops_error **err)
{
    finops_error *why = NULL;
    finops_code rc = bucket_missing(s, call, &why);

    if (rc == FINOPS_OK)
        return FINOPS_E_NOT_FOUND;
    if (err) {
        finops_error_free(*err);
        *err = why;
    } else {
        finops_error_free(why);
    }
    return rc;
}

/* With the exchange, whose headers the object may borrow. */
static finops_code
head(s3_storage *s, const char *key, const finops_call *call, fo_http_exchange **ret, finops_error **err)
{
    FO_AUTO(s3_request_done) s3_request r = { .method = "HEAD", .key = key, .call = call };
    finops_code rc;

    s3_headers_of_key(s, &r.headers);
    if (s3_sum_name(s3_sum_now(s)))
        s3_header(&r.headers, "x-amz-checksum-mode", "ENABLED");
    rc = s3_send(s, &r, ret, err);
    return rc == FINOPS_E_NOT_FOUND ? missing(s, call, err) : rc;
}

finops_code
s3_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(s3_info_done) s3_info info = { 0 };
    finops_code rc = head(self, key, call, &e, err);

    if (rc == FINOPS_OK)
        rc = s3_info_make(e, key, &info, err);
    return rc == FINOPS_OK ? finops_object_copy(&info.object, ret, err) : rc;
}

/* ---- the reader ---- */

typedef struct s3_reader {
    finops_reader base;
    s3_info info;
    fo_http_exchange *exchange; /* NULL: nothing comes */
    char *key;
    int64_t skip, left; /* before the first byte that was asked for; of those */
    bool verify;        /* the whole object comes, and its sum is known */
    s3_sum sum;
    uint64_t want, have;
} s3_reader;

static void
reader_close(finops_reader *reader)
{
    s3_reader *r = (s3_reader *)reader;

    if (!r)
        return;
    fo_http_end(r->exchange);
    s3_info_done(&r->info);
    fo_free(r->key);
    fo_free(r);
}

/* Of a service that answers with all of it whatever was asked for. */
static finops_code
skip(s3_reader *r, finops_error **err)
{
    char buffer[16384];
    finops_code rc = FINOPS_OK;

    while (r->skip > 0 && rc == FINOPS_OK) {
        size_t n = 0;

        rc = fo_http_read(r->exchange, buffer,
                          r->skip < (int64_t)sizeof(buffer) ? (size_t)r->skip : sizeof(buffer), &n, err);
        if (rc == FINOPS_OK && n == 0)
            rc = fo_error_set(err, FINOPS_E_TRANSIENT, "%s: the answer ended before its range", r->key);
        r->skip -= (int64_t)n;
    }
    return rc;
}

static finops_code
at_end(s3_reader *r, size_t *ret_n, finops_error **err)
{
    if (r->left > 0)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "%s: the answer ended %lld bytes early", r->key,
                            (long long)r->left);
    if (r->verify && r->have != r->want)
        return fo_error_set(err, FINOPS_E_CORRUPT, "%s: what came has not the checksum it was stored with",
                            r->key);
    *ret_n = 0;
    return FINOPS_OK;
}

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    s3_reader *r = (s3_reader *)reader;
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
        r->have = s3_sum_update(r->sum, r->have, buffer, got);
    /* The last bytes are not given before the sum is known to be right. */
    if (r->left == 0 && r->verify && r->have != r->want)
        return at_end(r, ret_n, err);
    *ret_n = got;
    return FINOPS_OK;
}

/* Takes over the exchange, also on failure. */
static finops_code
reader_new(fo_http_exchange *e, const char *key, s3_reader **ret, finops_error **err)
{
    s3_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc = FINOPS_OK;

    if (!r) {
        fo_http_end(e);
        return fo_error_oom(err);
    }
    r->exchange = e;
    r->base.read = reader_read;
    r->base.close = reader_close;
    r->key = fo_strdup(key);
    if (!r->key)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = s3_info_make(e, r->key, &r->info, err);
    if (rc != FINOPS_OK) {
        reader_close(&r->base);
        return rc;
    }
    r->base.object = r->info.object;
    *ret = r;
    return FINOPS_OK;
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
reader_range(s3_reader *r, const finops_get *get, finops_error **err)
{
    int64_t size = r->base.object.size, comes = fo_http_length(r->exchange);
    int64_t begin = fo_http_status(r->exchange) == 206 ? range_begin(r->exchange) : 0;
    finops_code rc;

    if (size < 0 || comes < 0 || begin < 0)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "s3 GET %s: the answer does not say how long it is",
                            get->key);
    rc = fo_get_resolve(get, size, &r->base.offset, &r->base.length, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "s3 GET %s", get->key);
    r->skip = r->base.offset - begin;
    r->left = r->base.length;
    if (r->skip < 0 || r->skip + r->left > comes)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "s3 GET %s: the answer is another range", get->key);
    r->verify = r->left == size && s3_sum_parse(r->base.object.checksum, &r->sum, &r->want);
    return FINOPS_OK;
}

/* A range that cannot be asked for: of no bytes. */
static finops_code
read_nothing(s3_storage *s, const finops_get *get, finops_reader **ret, finops_error **err)
{
    fo_http_exchange *e = NULL;
    s3_reader *r = NULL;
    finops_code rc = head(s, get->key, get->call, &e, err);

    if (rc == FINOPS_OK)
        rc = reader_new(e, get->key, &r, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_get_check(get, r->base.object.version, err);
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, r->base.object.size, &r->base.offset, &r->base.length, err);
    if (rc == FINOPS_OK && r->base.length > 0 && get->length != 0)
        rc = fo_error_set(err, FINOPS_E_RANGE, "the service refuses the range");
    if (rc != FINOPS_OK) {
        reader_close(&r->base);
        return fo_error_wrap(err, rc, "s3 GET %s", get->key);
    }
    *ret = &r->base;
    return FINOPS_OK;
}

static void
add_range(const finops_get *get, s3_headers *h)
{
    FO_AUTO(fo_str_done) fo_str range = FO_STR_MAX(S3_TEXT_MAX);

    if (get->suffix > 0)
        fo_str_addf(&range, "bytes=-%lld", (long long)get->suffix);
    else if (get->length > 0 && get->length <= INT64_MAX - get->offset)
        fo_str_addf(&range, "bytes=%lld-%lld", (long long)get->offset,
                    (long long)(get->offset + get->length - 1));
    else if (get->offset > 0)
        fo_str_addf(&range, "bytes=%lld-", (long long)get->offset);
    if (range.len > 0)
        s3_header_text(h, "range", &range);
}

static void
add_version(s3_headers *h, const char *name, const char *version)
{
    FO_AUTO(fo_str_done) fo_str etag = FO_STR_MAX(S3_TEXT_MAX);

    if (!version)
        return;
    fo_str_addf(&etag, "\"%s\"", version);
    s3_header_text(h, name, &etag);
}

finops_code
s3_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    s3_storage *s = self;
    FO_AUTO(s3_request_done) s3_request request = { .method = "GET", .key = get->key, .call = get->call };
    fo_http_exchange *e = NULL;
    s3_reader *r = NULL;
    finops_error *why = NULL;
    finops_code rc;

    if (get->suffix <= 0 && get->length == 0)
        return read_nothing(s, get, ret, err);
    add_range(get, &request.headers);
    add_version(&request.headers, "if-match", get->if_version);
    add_version(&request.headers, "if-none-match", get->unless_version);
    s3_headers_of_key(s, &request.headers);
    if (s3_sum_name(s3_sum_now(s)))
        s3_header(&request.headers, "x-amz-checksum-mode", "ENABLED");
    rc = s3_send(s, &request, &e, &why);
    if (rc == FINOPS_E_RANGE) {
        finops_error_free(why);
        return read_nothing(s, get, ret, err); /* of an empty object perhaps */
    }
    if (rc != FINOPS_OK) {
        if (err)
            *err = why;
        else
            finops_error_free(why);
        return rc;
    }
    rc = reader_new(e, get->key, &r, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = reader_range(r, get, err);
    if (rc != FINOPS_OK) {
        reader_close(&r->base);
        return rc;
    }
    *ret = &r->base;
    return FINOPS_OK;
}
