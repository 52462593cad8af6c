/*
 * A request: its address, its signature, and what the answer teaches us of the service: the bucket's region,
 * the clock, that credentials have expired. Each is learned once a request, which is sent again then.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/s3/s3_internal.h"

#define SKEW_US (300 * INT64_C(1000000)) /* clocks that differ by less are not the reason */
#define PRESIGN_MAX 604800

/* ---- the address ---- */

static finops_code
region_now(s3_storage *s, char region[S3_REGION], finops_error **err)
{
    const fo_aws_options options = { .profile = s->profile, .http = s->http };
    FO_AUTO(fo_freep) char *found = NULL;
    finops_code rc;

    (void)pthread_mutex_lock(&s->lock);
    memcpy(region, s->region, S3_REGION);
    (void)pthread_mutex_unlock(&s->lock);
    if (region[0])
        return FINOPS_OK;
    rc = fo_aws_region(&options, &found, err);
    if (rc != FINOPS_OK)
        return rc;
    (void)snprintf(region, S3_REGION, "%s", found ? found : "us-east-1");
    (void)pthread_mutex_lock(&s->lock);
    if (!s->region[0])
        memcpy(s->region, region, S3_REGION);
    (void)pthread_mutex_unlock(&s->lock);
    return FINOPS_OK;
}

/* The address of a request and its parts; path and host are what is signed. */
typedef struct place {
    fo_str url;
    size_t host_at, host_n, path_at;
} place;

static void
place_done(place *p)
{
    fo_str_done(&p->url);
}

/* "https://[bucket.]host[:port][/path][/bucket]" */
static void
place_begin(const s3_storage *s, const char *region, place *p)
{
    const char *endpoint = s->endpoint;
    const char *host = endpoint ? strstr(endpoint, "://") + 3 : NULL;
    size_t host_n = host ? strcspn(host, "/") : 0;

    fo_str_addn(&p->url, endpoint ? endpoint : "https://", endpoint ? (size_t)(host - endpoint) : 8);
    p->host_at = p->url.len;
    if (!s->path_style)
        fo_str_addf(&p->url, "%s.", s->bucket);
    if (host)
        fo_str_addn(&p->url, host, host_n);
    else
        fo_str_addf(&p->url, "s3.%s.amazonaws.com%s", region, fo_starts(region, "cn-") ? ".cn" : "");
    p->host_n = p->url.len - p->host_at;
    p->path_at = p->url.len;
    if (host)
        fo_str_add(&p->url, host + host_n);
    if (s->path_style)
        fo_str_addf(&p->url, "/%s", s->bucket);
}

static finops_code
place_make(const s3_storage *s, const s3_request *r, const char *region, place *p, finops_error **err)
{
    p->url = FO_STR_MAX(S3_TEXT_MAX);
    place_begin(s, region, p);
    if (r->key) {
        fo_str_addc(&p->url, '/');
        fo_url_escape(&p->url, s->prefix, true);
        fo_url_escape(&p->url, r->key, true);
    } else if (!s->path_style) {
        fo_str_addc(&p->url, '/');
    }
    return fo_str_check(&p->url, err);
}

/* ---- the signature ---- */

/* The body's digest, that its chunks have signatures, or that it has none: TLS keeps it from others then, and
 * the checksum from accidents. */
static finops_code
payload_of(const s3_storage *s, const s3_request *r, char hex[FO_SHA256_HEX], const char **ret,
           finops_error **err)
{
    if (r->body_size == 0) {
        *ret = FO_SIGV4_EMPTY;
        return FINOPS_OK;
    }
    if (r->chunked) {
        *ret = s3_chunks_payload(r);
        return FINOPS_OK;
    }
    if (s->signing == S3_SIGN_UNSIGNED && r->with_sums) {
        *ret = FO_SIGV4_UNSIGNED;
        return FINOPS_OK;
    }
    *ret = hex;
    return fo_sha256_hex(r->body, r->body_size, hex, err);
}

static finops_code
once(s3_storage *s, s3_request *r, const fo_aws_keys *keys, const char *region, fo_http_exchange **ret,
     finops_error **err)
{
    FO_AUTO(place_done) place p = { 0 };
    FO_AUTO(fo_sigv4_headers_done) fo_sigv4_headers signature = { 0 };
    FO_AUTO(fo_freep) char *host = NULL, *path = NULL;
    fo_http_header headers[FO_HEADERS_MAX + 5];
    char hex[FO_SHA256_HEX];
    int64_t skew_us = atomic_load(&s->skew_us);
    fo_sigv4_request sign = { .method = r->method,
                              .query = r->query,
                              .headers = r->headers.items,
                              .n_headers = r->headers.n,
                              .tell_payload = true,
                              .region = region,
                              .service = "s3",
                              .keys = &keys->keys,
                              .now_us = fo_clock_now() + skew_us };
    fo_http_request request = { .method = r->method,
                                .headers = headers,
                                .body = r->body,
                                .body_size = r->body_size,
                                .has_body = r->has_body,
                                .call = r->call };
    finops_code rc = place_make(s, r, region, &p, err);

    r->skew_us = skew_us;
    if (rc == FINOPS_OK)
        rc = payload_of(s, r, hex, &sign.payload, err);
    if (rc != FINOPS_OK)
        return rc;
    host = fo_strndup(p.url.data + p.host_at, p.host_n);
    path = fo_strdup(p.url.data + p.path_at);
    if (!host || !path)
        return fo_error_oom(err);
    sign.host = host;
    sign.path = path;
    rc = fo_sigv4_sign(s->signer, &sign, &signature, err);
    if (rc != FINOPS_OK)
        return rc;
    memcpy(headers, r->headers.items, r->headers.n * sizeof(*headers));
    memcpy(headers + r->headers.n, signature.items, signature.n * sizeof(*headers));
    request.n_headers = r->headers.n + signature.n;
    if (r->query)
        fo_str_addf(&p.url, "?%s", r->query);
    rc = fo_str_check(&p.url, err);
    request.url = fo_str_z(&p.url);
    if (rc == FINOPS_OK && r->chunked) {
        request.body_size = s3_chunks_size(r);
        rc = s3_chunks_begin(s, r, &sign, &signature, &request.source, err);
    }
    return rc == FINOPS_OK ? fo_http_begin(s->http, &request, ret, err) : rc;
}

/* ---- what an answer teaches ---- */

typedef struct lesson {
    bool region, clock, credentials;
} lesson;

/* The bucket is elsewhere. */
static bool
learn_region(s3_storage *s, const s3_request *r, const char *told, const char *used)
{
    bool about_it = r->status == 301 || r->status == 307 || r->status == 400 || r->status == 403;

    if (!about_it || !told[0] || strcmp(told, used) == 0)
        return false;
    (void)pthread_mutex_lock(&s->lock);
    (void)snprintf(s->region, S3_REGION, "%s", told);
    (void)pthread_mutex_unlock(&s->lock);
    return true;
}

/* Our clock is wrong; the answer to a HEAD says so by its date alone. Another thread may have learned it
 * since this request was signed. */
static bool
learn_clock(s3_storage *s, const s3_request *r, const fo_http_exchange *e)
{
    const char *date = fo_http_header_value(e, "date");
    int64_t theirs, skew;

    if (r->status != 403 || !date || !fo_http_date_parse(date, &theirs))
        return false;
    if (r->code[0] && strcmp(r->code, "RequestTimeTooSkewed") != 0)
        return false;
    skew = theirs - fo_clock_now();
    if (llabs(skew - r->skew_us) < SKEW_US)
        return false;
    atomic_store(&s->skew_us, skew);
    return true;
}

static bool
learn_credentials(s3_storage *s, const s3_request *r, const fo_aws_keys *keys)
{
    bool expired = strcmp(r->code, "ExpiredToken") == 0 || strcmp(r->code, "TokenRefreshRequired") == 0 ||
                   strcmp(r->code, "ExpiredTokenException") == 0;

    return expired && fo_aws_chain_expired(s->chain, keys);
}

static bool
learn(s3_storage *s, const s3_request *r, const fo_http_exchange *e, const fo_aws_keys *keys,
      const char *told, const char *used, lesson *l)
{
    if (!l->region && learn_region(s, r, told, used))
        return l->region = true;
    if (!l->clock && learn_clock(s, r, e))
        return l->clock = true;
    if (!l->credentials && learn_credentials(s, r, keys))
        return l->credentials = true;
    return false;
}

static bool
is_success(int status)
{
    return status >= 200 && status < 300;
}

finops_code
s3_send(s3_storage *s, s3_request *r, fo_http_exchange **ret, finops_error **err)
{
    lesson learned = { 0 };
    finops_code rc;

    if (s->requester_pays)
        fo_headers_add(&r->headers, "x-amz-request-payer", "requester");
    r->chunked = r->chunked && r->body_size > 0;
    if (r->chunked)
        s3_chunks_headers(r);
    rc = fo_headers_check(&r->headers, err);
    if (rc != FINOPS_OK)
        return rc;
    for (;;) {
        FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
        FO_AUTO(fo_aws_keys_releasep) const fo_aws_keys *keys = NULL;
        FO_AUTO(finops_error_freep) finops_error *why = NULL;
        char region[S3_REGION], told[S3_REGION];

        rc = region_now(s, region, err);

        r->status = 0;
        r->code[0] = '\0';
        if (rc == FINOPS_OK)
            rc = fo_aws_chain_keys(s->chain, r->call, &keys, err);
        if (rc == FINOPS_OK)
            rc = once(s, r, keys, region, &e, err);
        if (rc != FINOPS_OK)
            return rc;
        r->status = fo_http_status(e);
        r->resent = r->resent || fo_http_resent(e);
        if (is_success(r->status)) {
            atomic_store(&s->bucket_seen, true);
            *ret = FO_TAKE(e);
            return FINOPS_OK;
        }
        rc = s3_failure(s, r, e, told, &why);
        if (learn(s, r, e, keys, told, region, &learned))
            continue;
        if (err)
            *err = FO_TAKE(why);
        return rc;
    }
}

finops_code
s3_send_only(s3_storage *s, s3_request *r, finops_error **err)
{
    fo_http_exchange *e = NULL;
    finops_code rc = s3_send(s, r, &e, err);

    fo_http_end(e);
    return rc;
}

/* Some requests take so long that the service says 200 first, and what came of it in the document. */
finops_code
s3_send_for_xml(s3_storage *s, s3_request *r, fo_xml **ret, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(S3_ANSWER_MAX);
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    finops_code rc = s3_send(s, r, &e, err);

    if (rc == FINOPS_OK)
        rc = fo_http_body(e, &text, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_xml_parse(fo_str_z(&text), text.len, &xml, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, FINOPS_E_TRANSIENT, "s3 %s %s: the answer", r->method, s->bucket);
    if (strcmp(fo_xml_name(fo_xml_root(xml)), "Error") == 0)
        return s3_failure_inside(r, fo_xml_root(xml), r->key ? r->key : s->bucket, err);
    *ret = FO_TAKE(xml);
    return FINOPS_OK;
}

void
s3_request_done(s3_request *r)
{
    fo_headers_done(&r->headers);
    s3_chunks_free(r->chunks);
    r->chunks = NULL;
}

/* ---- addresses for others ---- */

finops_code
s3_presign(void *self, const finops_presign *presign, char **ret_url, finops_error **err)
{
    s3_storage *s = self;
    const s3_request r = { .method = presign->put ? "PUT" : "GET", .key = presign->key };
    FO_AUTO(place_done) place p = { 0 };
    FO_AUTO(fo_aws_keys_releasep) const fo_aws_keys *keys = NULL;
    FO_AUTO(fo_freep) char *host = NULL, *path = NULL;
    char region[S3_REGION];
    fo_sigv4_request sign = {
        .method = r.method, .payload = FO_SIGV4_UNSIGNED, .region = region, .service = "s3"
    };
    finops_code rc;

    if (presign->seconds < 1 || presign->seconds > PRESIGN_MAX)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "an address is good for 1 second to 7 days");
    rc = region_now(s, region, err);
    if (rc == FINOPS_OK)
        rc = fo_aws_chain_keys(s->chain, presign->call, &keys, err);
    if (rc == FINOPS_OK)
        rc = place_make(s, &r, region, &p, err);
    if (rc != FINOPS_OK)
        return rc;
    host = fo_strndup(p.url.data + p.host_at, p.host_n);
    path = fo_strdup(p.url.data + p.path_at);
    if (!host || !path)
        return fo_error_oom(err);
    sign.host = host;
    sign.path = path;
    sign.keys = &keys->keys;
    sign.now_us = fo_clock_now() + atomic_load(&s->skew_us);
    fo_str_addc(&p.url, '?');
    rc = fo_sigv4_presign(s->signer, &sign, presign->seconds, &p.url, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_url = fo_str_take(&p.url);
    return *ret_url ? FINOPS_OK : fo_error_oom(err);
}
