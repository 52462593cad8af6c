/*
 * Objects in one request and in many. https://cloud.google.com/storage/docs/performing-resumable-uploads
 *
 * A resumable upload takes its bytes in order, in pieces of 256 KiB times something but for the last: what is
 * left of a part waits for the next one. The service says how far it is (308 and a Range; none: it has
 * nothing), and goes on from there.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/gcs/gcs_internal.h"
#include "storage/put_copy.h"

#define BOUNDARY "finops_7c1d2e0a9b5f4488"
#define UNIT ((size_t)256 << 10)
#define PARTS_MAX 100000
#define PART_MAX ((size_t)1 << 30)
#define STEPS_MAX 64 /* answers that say "some of it" to one piece */

static int
set(json_t *json, const char *name, const char *value)
{
    return value ? json_object_set_new(json, name, json_string(value)) : 0;
}

static void
crc_base64(uint32_t crc, fo_str *ret)
{
    const unsigned char bytes[4] = { (unsigned char)(crc >> 24), (unsigned char)(crc >> 16),
                                     (unsigned char)(crc >> 8), (unsigned char)crc };

    fo_base64(ret, bytes, sizeof(bytes));
}

finops_code
gcs_document_of(const gcs_storage *s, const finops_put *put, const uint32_t *crc32c, fo_str *ret,
                finops_error **err)
{
    FO_AUTO(fo_freep) char *name = fo_format("%s%s", s->prefix, put->key);
    FO_AUTO(fo_str_done) fo_str sum = FO_STR_MAX(64);
    json_t *json = json_object(), *metadata = json_object();
    char *text = NULL;
    int bad = !json || !metadata || !name;

    if (crc32c)
        crc_base64(*crc32c, &sum);
    bad = bad || set(json, "name", name) || set(json, "contentType", put->content_type) ||
          set(json, "contentEncoding", put->content_encoding) ||
          set(json, "cacheControl", put->cache_control) || (crc32c && set(json, "crc32c", fo_str_z(&sum)));
    for (size_t i = 0; i < put->n_metadata && !bad; i++)
        bad = set(metadata, put->metadata[i].name, put->metadata[i].value);
    if (!bad && put->n_metadata > 0)
        bad = json_object_set(json, "metadata", metadata);
    if (!bad)
        text = json_dumps(json, JSON_COMPACT);
    json_decref(metadata);
    json_decref(json);
    if (!text)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: its metadata is no UTF-8, or there is no memory",
                            put->key);
    fo_str_add(ret, text);
    free(text);
    return fo_str_check(ret, err);
}

static finops_code
upload_url(const gcs_storage *s, const char *type, const finops_put *put, fo_str *ret, finops_error **err)
{
    fo_str_addf(ret, "%s/upload/storage/v1/b/%s/o?uploadType=%s&name=", s->endpoint, s->bucket, type);
    fo_url_escape(ret, s->prefix, false);
    fo_url_escape(ret, put->key, false);
    gcs_add_condition(put->create_only, put->if_version, ret);
    return fo_str_check(ret, err);
}

finops_code
gcs_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret, finops_error **err)
{
    gcs_storage *s = self;
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(GCS_TEXT_MAX), body = FO_STR_MAX(n + GCS_TEXT_MAX);
    FO_AUTO(gcs_request_done) gcs_request r = { .method = "POST", .key = put->key, .call = put->call };
    uint32_t crc = fo_crc32c(0, data, n);
    json_t *json = NULL;
    finops_code rc = upload_url(s, "multipart", put, &url, err);

    fo_str_add(&body, "--" BOUNDARY "\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n");
    if (rc == FINOPS_OK)
        rc = gcs_document_of(s, put, &crc, &body, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(&body, "\r\n--" BOUNDARY "\r\nContent-Type: %s\r\n\r\n",
                put->content_type ? put->content_type : "application/octet-stream");
    fo_str_addn(&body, data, n);
    fo_str_add(&body, "\r\n--" BOUNDARY "--\r\n");
    rc = fo_str_check(&body, err);
    if (rc != FINOPS_OK)
        return rc;
    r.url = fo_str_z(&url);
    r.body = body.data;
    r.body_size = body.len;
    fo_headers_add(&r.headers, "content-type", "multipart/related; boundary=" BOUNDARY);
    rc = gcs_send_for_json(s, &r, &json, err);
    if (rc == FINOPS_OK && ret)
        rc = gcs_object_of(json, put->key, ret, err);
    else
        rc = gcs_condition(put, r.resent, rc, err);
    json_decref(json);
    return rc;
}

/* ---- resumable ---- */

typedef struct gcs_upload {
    finops_upload base;
    gcs_storage *s;
    fo_put_copy put;
    char *session;      /* the address it goes to */
    unsigned parts;     /* that came, whole */
    int64_t size, have; /* of these parts; stored by the service */
    fo_str rest;        /* what is not sent yet: less than a unit */
    uint32_t crc;
    bool doubt;           /* an answer was lost: how far it is must be asked */
    finops_object stored; /* by a commit; its key is NULL before */
} gcs_upload;

/* How far the service is: "bytes=0-N"; without the header it has nothing. */
static int64_t
range_of(const fo_http_exchange *e)
{
    const char *range = fo_http_header_value(e, "range");
    const char *hyphen = range ? strrchr(range, '-') : NULL;
    unsigned long long v;

    return hyphen && fo_parse_u64(hyphen + 1, &v) && v < INT64_MAX ? (int64_t)v + 1 : 0;
}

/* One PUT of the session; *ret_json is the object when it is finished, else NULL. */
static finops_code
session_put(gcs_upload *u, const char *range, const void *data, size_t n, const finops_call *call,
            json_t **ret_json, finops_error **err)
{
    FO_AUTO(gcs_request_done)
    gcs_request r = { .method = "PUT",
                      .url = u->session,
                      .key = u->put.put.key,
                      .body = data,
                      .body_size = n,
                      .has_body = true,
                      .resume = true,
                      .call = call };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(GCS_TEXT_MAX);
    finops_code rc;

    fo_headers_add(&r.headers, "content-range", range);
    u->doubt = true;
    rc = gcs_send(u->s, &r, &e, err);
    if (rc == FINOPS_OK && r.status == 308) {
        u->have = range_of(e);
        u->doubt = false;
        return FINOPS_OK;
    }
    if (rc == FINOPS_OK)
        rc = fo_http_body(e, &text, err);
    if (rc != FINOPS_OK)
        return rc;
    u->doubt = false;
    *ret_json = json_loadb(fo_str_z(&text), text.len, 0, NULL);
    return *ret_json
               ? FINOPS_OK
               : fo_error_set(err, FINOPS_E_TRANSIENT, "gcs PUT %s: the answer is no JSON", u->put.put.key);
}

/* Where a piece that begins at `offset` goes on; what is gone cannot be sent again. */
static finops_code
check_have(const gcs_upload *u, int64_t offset, int64_t end, finops_error **err)
{
    if (u->have < offset || u->have > end)
        return fo_error_set(err, FINOPS_E_CORRUPT,
                            "gcs PUT %s: the service has %" PRId64 " bytes of it, between %" PRId64
                            " and %" PRId64 " were expected",
                            u->put.put.key, u->have, offset, end);
    return FINOPS_OK;
}

/* Bytes [offset, offset + n) of the object; total negative: more will come. *ret_json as with session_put().
 */
static finops_code
send_piece(gcs_upload *u, int64_t offset, const char *data, size_t n, int64_t total, const finops_call *call,
           json_t **ret_json, finops_error **err)
{
    int64_t end = offset + (int64_t)n;
    char range[100], whole[32] = "*";
    finops_code rc = FINOPS_OK;

    if (total >= 0)
        (void)snprintf(whole, sizeof(whole), "%" PRId64, total);
    if (u->doubt)
        rc = session_put(u, "bytes */*", NULL, 0, call, ret_json, err);
    for (int i = 0; i < STEPS_MAX && rc == FINOPS_OK && !*ret_json; i++) {
        rc = check_have(u, offset, end, err);
        if (rc != FINOPS_OK || (u->have == end && total < 0))
            return rc;
        if (u->have < end)
            (void)snprintf(range, sizeof(range), "bytes %" PRId64 "-%" PRId64 "/%s", u->have, end - 1, whole);
        else
            (void)snprintf(range, sizeof(range), "bytes */%s", whole);
        rc = session_put(u, range, data + (u->have - offset), (size_t)(end - u->have), call, ret_json, err);
    }
    if (rc == FINOPS_OK && !*ret_json)
        rc = fo_error_set(err, FINOPS_E_TRANSIENT, "gcs PUT %s: the service takes no more of it",
                          u->put.put.key);
    return rc;
}

/* The rest of the parts before and this one, in whole units. */
static finops_code
send_units(gcs_upload *u, const char *data, size_t n, const finops_call *call, size_t *ret_sent,
           finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str joined = FO_STR_MAX(PART_MAX + UNIT);
    size_t units = (u->rest.len + n) / UNIT * UNIT;
    json_t *json = NULL;
    finops_code rc = FINOPS_OK;

    *ret_sent = units > 0 ? units - u->rest.len : 0;
    if (units == 0)
        return FINOPS_OK;
    if (u->rest.len > 0) {
        fo_str_addn(&joined, u->rest.data, u->rest.len);
        fo_str_addn(&joined, data, *ret_sent);
        rc = fo_str_check(&joined, err);
        data = joined.data;
    }
    if (rc == FINOPS_OK)
        rc = send_piece(u, u->size - (int64_t)u->rest.len, data, units, -1, call, &json, err);
    if (rc == FINOPS_OK && json)
        rc = fo_error_set(err, FINOPS_E_CORRUPT, "gcs PUT %s: the service finished it too early",
                          u->put.put.key);
    json_decref(json);
    return rc;
}

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    gcs_upload *u = (gcs_upload *)upload;
    size_t sent = 0;
    finops_code rc;

    if (u->stored.key)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload of %s is finished", u->put.put.key);
    if (number != u->parts + 1 || offset != u->size || n < 1 || n > PART_MAX)
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "part %u of %s: parts come in order, and this is not the next", number,
                            u->put.put.key);
    rc = send_units(u, data, n, call, &sent, err);
    if (rc != FINOPS_OK)
        return rc;
    if (sent > 0)
        fo_str_clear(&u->rest);
    fo_str_addn(&u->rest, (const char *)data + sent, n - sent);
    rc = fo_str_check(&u->rest, err);
    u->crc = fo_crc32c(u->crc, data, n);
    u->size += (int64_t)n;
    u->parts++;
    return rc;
}

/* What the service has is not what was sent: it must not stay. */
static finops_code
check_sum(gcs_upload *u, const json_t *json, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str want = FO_STR_MAX(64);
    const char *have = json_string_value(json_object_get(json, "crc32c"));
    const finops_remove remove = { .key = u->put.put.key,
                                   .if_version = json_string_value(json_object_get(json, "generation")),
                                   .call = call };

    crc_base64(u->crc, &want);
    if (!have || strcmp(have, fo_str_z(&want)) == 0)
        return FINOPS_OK;
    (void)gcs_remove(u->s, &remove, NULL);
    return fo_error_set(err, FINOPS_E_CORRUPT, "gcs PUT %s: it was stored with the checksum %s, not %s",
                        u->put.put.key, have, fo_str_z(&want));
}

static finops_code
commit_once(gcs_upload *u, unsigned parts, int64_t size, const finops_call *call, finops_error **err)
{
    json_t *json = NULL;
    finops_code rc;

    if (parts != u->parts || size != u->size)
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "%s: %u parts of %" PRId64 " bytes came, not %u of %" PRId64, u->put.put.key,
                            u->parts, u->size, parts, size);
    rc = send_piece(u, u->size - (int64_t)u->rest.len, fo_str_z(&u->rest), u->rest.len, u->size, call, &json,
                    err);
    if (rc == FINOPS_OK)
        rc = check_sum(u, json, call, err);
    if (rc == FINOPS_OK)
        rc = gcs_object_of(json, u->put.put.key, &u->stored, err);
    json_decref(json);
    return gcs_condition(&u->put.put, false, rc, err);
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    gcs_upload *u = (gcs_upload *)upload;
    finops_code rc = u->stored.key ? FINOPS_OK : commit_once(u, parts, size, call, err);

    return rc == FINOPS_OK && ret ? finops_object_copy(&u->stored, ret, err) : rc;
}

static void
upload_close(finops_upload *upload)
{
    gcs_upload *u = (gcs_upload *)upload;

    if (!u)
        return;
    if (u->session && !u->stored.key) { /* answered with 499, which is its success */
        gcs_request r = { .method = "DELETE", .url = u->session, .key = u->put.put.key };
        fo_http_exchange *e = NULL;

        (void)gcs_send(u->s, &r, &e, NULL);
        fo_http_end(e);
    }
    fo_free(u->session);
    fo_str_done(&u->rest);
    finops_object_done(&u->stored);
    fo_put_copy_done(&u->put);
    fo_free(u);
}

/* Asks for the address of a new session. */
static finops_code
session_begin(gcs_upload *u, const finops_put *put, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(GCS_TEXT_MAX), body = FO_STR_MAX(GCS_TEXT_MAX);
    FO_AUTO(gcs_request_done) gcs_request r = { .method = "POST", .key = put->key, .call = put->call };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    const char *place;
    finops_code rc = upload_url(u->s, "resumable", put, &url, err);

    if (rc == FINOPS_OK)
        rc = gcs_document_of(u->s, put, NULL, &body, err);
    if (rc != FINOPS_OK)
        return rc;
    r.url = fo_str_z(&url);
    r.body = body.data;
    r.body_size = body.len;
    fo_headers_add(&r.headers, "content-type", "application/json; charset=UTF-8");
    fo_headers_add(&r.headers, "x-upload-content-type", put->content_type);
    rc = gcs_send(u->s, &r, &e, err);
    if (rc != FINOPS_OK)
        return gcs_condition(put, false, rc, err);
    place = fo_http_header_value(e, "location");
    if (!place)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "gcs POST %s: the answer has no address of a session",
                            put->key);
    u->session = fo_strdup(place);
    return u->session ? FINOPS_OK : fo_error_oom(err);
}

finops_code
gcs_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    gcs_upload *u = fo_zalloc(sizeof(*u));
    finops_code rc;

    if (!u)
        return fo_error_oom(err);
    u->s = self;
    u->rest = FO_STR_MAX(PART_MAX + UNIT);
    rc = fo_put_copy_make(put, &u->put, err);
    if (rc == FINOPS_OK)
        rc = session_begin(u, put, err);
    if (rc != FINOPS_OK) {
        upload_close(&u->base);
        return rc;
    }
    u->put.put.call = NULL;
    u->base = (finops_upload){ .min_part = UNIT,
                               .max_part = PART_MAX,
                               .max_parts = PARTS_MAX,
                               .part = upload_part,
                               .commit = upload_commit,
                               .close = upload_close };
    *ret = &u->base;
    return FINOPS_OK;
}
