/* The canonical request, the text to sign, the key of the day. */
#include "net/sigv4.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#define TEXT_MAX (1u << 20)
#define ALGORITHM "AWS4-HMAC-SHA256"

struct fo_sigv4 {
    pthread_mutex_t lock;
    char *key_of; /* secret, date, region and service the key is of; NULL: none yet */
    unsigned char key[FO_SHA256_BYTES];
};

fo_sigv4 *
fo_sigv4_new(void)
{
    fo_sigv4 *signer = fo_zalloc(sizeof(*signer));

    if (signer)
        (void)pthread_mutex_init(&signer->lock, NULL);
    return signer;
}

static void
forget(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    fo_free(secret);
}

void
fo_sigv4_free(fo_sigv4 *signer)
{
    if (!signer)
        return;
    forget(signer->key_of);
    explicit_bzero(signer->key, sizeof(signer->key));
    (void)pthread_mutex_destroy(&signer->lock);
    fo_free(signer);
}

/* "20150830T123600Z" */
static void
put_date(int64_t now_us, char ret[17])
{
    fo_civil c;

    fo_civil_from_micros(now_us, &c);
    (void)snprintf(ret, 17, "%04u%02u%02uT%02u%02u%02uZ", (unsigned)c.year % 10000, c.month % 100,
                   c.day % 100, c.hour % 100, c.minute % 100, c.second % 100);
}

/* ---- the canonical request ---- */

typedef struct part {
    const char *name;
    size_t name_n;
    const char *value;
    size_t value_n;
} part;

static int
bytes_compare(const char *a, size_t a_n, const char *b, size_t b_n)
{
    int c = memcmp(a, b, a_n < b_n ? a_n : b_n);

    return c != 0 ? c : (a_n > b_n) - (a_n < b_n);
}

static int
compare_query(const void *a, const void *b)
{
    const part *x = a, *y = b;
    int c = bytes_compare(x->name, x->name_n, y->name, y->name_n);

    return c != 0 ? c : bytes_compare(x->value, x->value_n, y->value, y->value_n);
}

/* By insertion, which keeps headers of one name in their order; they are few. */
static void
sort_headers(part *parts, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        part p = parts[i];
        size_t at = i;

        for (; at > 0 && strcasecmp(parts[at - 1].name, p.name) > 0; at--)
            parts[at] = parts[at - 1];
        parts[at] = p;
    }
}

static bool
split_query(const char *query, part *parts, size_t *n)
{
    while (query && *query) {
        size_t len = strcspn(query, "&");
        const char *equal = memchr(query, '=', len);
        size_t name_n = equal ? (size_t)(equal - query) : len;

        if (len > 0 && *n == FO_SIGV4_HEADERS)
            return false;
        if (len > 0)
            parts[(*n)++] =
                (part){ query, name_n, query + name_n + (equal ? 1 : 0), len - name_n - (equal ? 1 : 0) };
        query += len + (query[len] == '&');
    }
    return true;
}

/* Parameters sorted by name, then value, each with a '='. */
static void
put_query(const char *query, fo_str *text, bool *good)
{
    part parts[FO_SIGV4_HEADERS];
    size_t n = 0;

    *good = split_query(query, parts, &n);
    qsort(parts, n, sizeof(*parts), compare_query);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            fo_str_addc(text, '&');
        fo_str_addn(text, parts[i].name, parts[i].name_n);
        fo_str_addc(text, '=');
        fo_str_addn(text, parts[i].value, parts[i].value_n);
    }
}

static bool
blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Without blanks at the ends, and one where there are several. */
static void
put_value(const char *value, fo_str *text)
{
    bool pending = false;

    while (blank(*value))
        value++;
    for (; *value; value++) {
        if (blank(*value)) {
            pending = true;
            continue;
        }
        if (pending)
            fo_str_addc(text, ' ');
        pending = false;
        fo_str_addc(text, *value);
    }
}

/* "a:1\nb:2,3\n" and "a;b". */
static void
put_headers(const part *parts, size_t n, fo_str *text, fo_str *names)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcasecmp(parts[i].name, parts[i - 1].name) == 0) {
            fo_str_addc(text, ',');
        } else {
            if (i > 0) {
                fo_str_addc(text, '\n');
                fo_str_addc(names, ';');
            }
            for (const char *c = parts[i].name; *c; c++) {
                fo_str_addc(text, fo_lower(*c));
                fo_str_addc(names, fo_lower(*c));
            }
            fo_str_addc(text, ':');
        }
        put_value(parts[i].value, text);
    }
    fo_str_addc(text, '\n');
}

/* The request's headers, host, and what the signature adds. */
static bool
collect_headers(const fo_sigv4_request *r, const fo_http_header *added, size_t n_added, part *parts,
                size_t *n)
{
    if (r->n_headers + n_added + 1 > FO_SIGV4_HEADERS)
        return false;
    parts[(*n)++] = (part){ .name = "host", .value = r->host };
    for (size_t i = 0; i < n_added; i++)
        parts[(*n)++] = (part){ .name = added[i].name, .value = added[i].value };
    for (size_t i = 0; i < r->n_headers; i++)
        if (r->headers[i].value)
            parts[(*n)++] = (part){ .name = r->headers[i].name, .value = r->headers[i].value };
    sort_headers(parts, *n);
    return true;
}

typedef struct canonical {
    fo_str text;  /* the canonical request */
    fo_str names; /* "host;x-amz-date" */
} canonical;

static void
canonical_done(canonical *c)
{
    fo_str_done(&c->text);
    fo_str_done(&c->names);
}

static finops_code
canonical_make(canonical *c, const fo_sigv4_request *r, const char *query, const part *parts, size_t n,
               finops_error **err)
{
    bool good;
    finops_code rc;

    fo_str_addf(&c->text, "%s\n%s\n", r->method, *r->path ? r->path : "/");
    put_query(query, &c->text, &good);
    if (!good)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a request of more than %d parameters", FO_SIGV4_HEADERS);
    fo_str_addc(&c->text, '\n');
    put_headers(parts, n, &c->text, &c->names);
    fo_str_addc(&c->text, '\n');
    fo_str_add(&c->text, fo_str_z(&c->names));
    fo_str_addc(&c->text, '\n');
    fo_str_add(&c->text, r->payload);
    rc = fo_str_check(&c->names, err);
    return rc == FINOPS_OK ? fo_str_check(&c->text, err) : rc;
}

/* ---- the key ---- */

static finops_code
derive(const fo_sigv4_request *r, const char *date, unsigned char key[FO_SHA256_BYTES], finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str first = FO_STR_MAX(TEXT_MAX);
    const char *steps[] = { r->region, r->service, "aws4_request" };
    finops_code rc;

    fo_str_addf(&first, "AWS4%s", r->keys->secret_access_key);
    rc = fo_str_check(&first, err);
    if (rc == FINOPS_OK)
        rc = fo_hmac_sha256(fo_str_z(&first), first.len, date, 8, key, err);
    for (size_t i = 0; i < FO_COUNT(steps) && rc == FINOPS_OK; i++)
        rc = fo_hmac_sha256(key, FO_SHA256_BYTES, steps[i], strlen(steps[i]), key, err);
    if (first.data)
        explicit_bzero(first.data, first.len);
    return rc;
}

/* The key of the day, the region and the service: derived when it is another than the last one. */
static finops_code
signing_key(fo_sigv4 *s, const fo_sigv4_request *r, const char *date, unsigned char key[FO_SHA256_BYTES],
            finops_error **err)
{
    finops_code rc = FINOPS_OK;
    char *key_of;
    bool have;

    assert(s && key);
    key_of = fo_format("%.8s %s %s %s", date, r->region, r->service, r->keys->secret_access_key);
    if (!key_of)
        return fo_error_oom(err);
    (void)pthread_mutex_lock(&s->lock);
    have = s->key_of && strcmp(s->key_of, key_of) == 0;
    if (have)
        memcpy(key, s->key, FO_SHA256_BYTES);
    (void)pthread_mutex_unlock(&s->lock);
    if (!have)
        rc = derive(r, date, key, err);
    if (!have && rc == FINOPS_OK) {
        char *old;

        (void)pthread_mutex_lock(&s->lock);
        memcpy(s->key, key, FO_SHA256_BYTES);
        old = s->key_of;
        s->key_of = key_of;
        key_of = old;
        (void)pthread_mutex_unlock(&s->lock);
    }
    forget(key_of);
    return rc;
}

static finops_code
signature(fo_sigv4 *s, const fo_sigv4_request *r, const char *date, const canonical *c,
          char hex[FO_SHA256_HEX], finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(TEXT_MAX);
    unsigned char sum[FO_SHA256_BYTES], key[FO_SHA256_BYTES];
    finops_code rc = fo_digest(FO_SHA256, c->text.data, c->text.len, sum, NULL, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_hex(sum, sizeof(sum), hex);
    fo_str_addf(&text, ALGORITHM "\n%s\n%.8s/%s/%s/aws4_request\n%s", date, date, r->region, r->service, hex);
    rc = fo_str_check(&text, err);
    if (rc == FINOPS_OK)
        rc = signing_key(s, r, date, key, err);
    if (rc == FINOPS_OK)
        rc = fo_hmac_sha256(key, sizeof(key), fo_str_z(&text), text.len, sum, err);
    explicit_bzero(key, sizeof(key));
    if (rc == FINOPS_OK)
        fo_hex(sum, sizeof(sum), hex);
    return rc;
}

/* ---- the two forms ---- */

static bool
has_token(const fo_sigv4_request *r)
{
    return r->keys->session_token && *r->keys->session_token;
}

finops_code
fo_sigv4_sign(fo_sigv4 *signer, const fo_sigv4_request *r, fo_sigv4_headers *ret, finops_error **err)
{
    FO_AUTO(canonical_done) canonical c = { FO_STR_MAX(TEXT_MAX), FO_STR_MAX(TEXT_MAX) };
    part parts[FO_SIGV4_HEADERS];
    char hex[FO_SHA256_HEX];
    size_t n = 0;
    finops_code rc;

    assert(signer && r && r->keys && ret);

    *ret = (fo_sigv4_headers){ .authorization = FO_STR_MAX(TEXT_MAX) };
    put_date(r->now_us, ret->date);
    ret->items[ret->n++] = (fo_http_header){ "x-amz-date", ret->date };
    if (r->tell_payload)
        ret->items[ret->n++] = (fo_http_header){ "x-amz-content-sha256", r->payload };
    if (has_token(r))
        ret->items[ret->n++] = (fo_http_header){ "x-amz-security-token", r->keys->session_token };
    if (!collect_headers(r, ret->items, ret->n, parts, &n))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a request of more than %d headers", FO_SIGV4_HEADERS);

    rc = canonical_make(&c, r, r->query, parts, n, err);
    if (rc == FINOPS_OK)
        rc = signature(signer, r, ret->date, &c, hex, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(&ret->authorization,
                ALGORITHM " Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
                r->keys->access_key_id, ret->date, r->region, r->service, fo_str_z(&c.names), hex);
    ret->items[ret->n++] = (fo_http_header){ "authorization", fo_str_z(&ret->authorization) };
    rc = fo_str_check(&ret->authorization, err);
    if (rc != FINOPS_OK)
        fo_sigv4_headers_done(ret);
    return rc;
}

void
fo_sigv4_headers_done(fo_sigv4_headers *headers)
{
    if (!headers)
        return;
    fo_str_done(&headers->authorization);
    headers->n = 0;
}

/* All parameters but the signature. */
static void
put_presigned(const fo_sigv4_request *r, const char *date, int64_t seconds, const part *parts, size_t n,
              fo_str *query)
{
    FO_AUTO(fo_str_done)
    fo_str scope = FO_STR_MAX(TEXT_MAX), values = FO_STR_MAX(TEXT_MAX), names = FO_STR_MAX(TEXT_MAX);

    fo_str_addf(&scope, "%s/%.8s/%s/%s/aws4_request", r->keys->access_key_id, date, r->region, r->service);
    put_headers(parts, n, &values, &names);
    if (r->query && *r->query)
        fo_str_addf(query, "%s&", r->query);
    fo_str_add(query, "X-Amz-Algorithm=" ALGORITHM "&X-Amz-Credential=");
    fo_url_escape(query, fo_str_z(&scope), false);
    fo_str_addf(query, "&X-Amz-Date=%s&X-Amz-Expires=%lld&X-Amz-SignedHeaders=", date, (long long)seconds);
    fo_url_escape(query, fo_str_z(&names), false);
    if (has_token(r)) {
        fo_str_add(query, "&X-Amz-Security-Token=");
        fo_url_escape(query, r->keys->session_token, false);
    }
    if (!fo_str_ok(&scope) || !fo_str_ok(&names))
        query->failed = true;
}

finops_code
fo_sigv4_presign(fo_sigv4 *signer, const fo_sigv4_request *r, int64_t seconds, fo_str *ret,
                 finops_error **err)
{
    FO_AUTO(canonical_done) canonical c = { FO_STR_MAX(TEXT_MAX), FO_STR_MAX(TEXT_MAX) };
    FO_AUTO(fo_str_done) fo_str query = FO_STR_MAX(TEXT_MAX);
    part parts[FO_SIGV4_HEADERS];
    char hex[FO_SHA256_HEX], date[17];
    size_t n = 0;
    finops_code rc;

    assert(signer && r && r->keys && ret);

    put_date(r->now_us, date);
    if (!collect_headers(r, NULL, 0, parts, &n))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a request of more than %d headers", FO_SIGV4_HEADERS);
    put_presigned(r, date, seconds, parts, n, &query);
    rc = fo_str_check(&query, err);
    if (rc == FINOPS_OK)
        rc = canonical_make(&c, r, fo_str_z(&query), parts, n, err);
    if (rc == FINOPS_OK)
        rc = signature(signer, r, date, &c, hex, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(ret, fo_str_z(&query));
    fo_str_addf(ret, "&X-Amz-Signature=%s", hex);
    return fo_str_check(ret, err);
}

/* ---- a body in chunks ---- */

finops_code
fo_sigv4_chunks_begin(fo_sigv4 *signer, const fo_sigv4_request *r, const fo_sigv4_headers *headers,
                      fo_sigv4_chunks *ret, finops_error **err)
{
    const fo_str *text = &headers->authorization;
    finops_code rc;

    assert(signer && r && r->keys && ret && text->len >= FO_SHA256_HEX);

    *ret = (fo_sigv4_chunks){ 0 };
    memcpy(ret->date, headers->date, sizeof(ret->date));
    memcpy(ret->last, text->data + text->len - (FO_SHA256_HEX - 1), FO_SHA256_HEX);
    rc = signing_key(signer, r, ret->date, ret->key, err);
    if (rc != FINOPS_OK)
        return rc;
    ret->scope = fo_format("%.8s/%s/%s/aws4_request", ret->date, r->region, r->service);
    return ret->scope ? FINOPS_OK : fo_error_oom(err);
}

/* What all kinds of chunks sign: when and where, the signature before, and what is their own. */
static finops_code
sign_link(fo_sigv4_chunks *c, const char *kind, const char *own, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(TEXT_MAX);
    unsigned char sum[FO_SHA256_BYTES];
    finops_code rc;

    fo_str_addf(&text, ALGORITHM "-%s\n%s\n%s\n%s\n%s", kind, c->date, c->scope, c->last, own);
    rc = fo_str_check(&text, err);
    if (rc == FINOPS_OK)
        rc = fo_hmac_sha256(c->key, sizeof(c->key), fo_str_z(&text), text.len, sum, err);
    if (rc == FINOPS_OK)
        fo_hex(sum, sizeof(sum), c->last);
    return rc;
}

finops_code
fo_sigv4_chunk(fo_sigv4_chunks *chunks, const void *data, size_t n, finops_error **err)
{
    char own[FO_SHA256_HEX * 2] =
        FO_SIGV4_EMPTY "\n"; /* the digest of the chunk's headers, of which it has none */
    finops_code rc = fo_sha256_hex(data, n, own + FO_SHA256_HEX, err);

    return rc == FINOPS_OK ? sign_link(chunks, "PAYLOAD", own, err) : rc;
}

finops_code
fo_sigv4_trailer(fo_sigv4_chunks *chunks, const char *text, finops_error **err)
{
    char own[FO_SHA256_HEX];
    finops_code rc = fo_sha256_hex(text, strlen(text), own, err);

    return rc == FINOPS_OK ? sign_link(chunks, "TRAILER", own, err) : rc;
}

void
fo_sigv4_chunks_done(fo_sigv4_chunks *chunks)
{
    if (!chunks)
        return;
    explicit_bzero(chunks->key, sizeof(chunks->key));
    fo_free(chunks->scope);
    chunks->scope = NULL;
}
