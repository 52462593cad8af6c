/* A request: its address, its token, and what the service refuses.
 * https://cloud.google.com/storage/docs/json_api/v1/status-codes */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "finops/sys/plugin.h"
#include "storage/gcs/gcs_internal.h"

finops_code
gcs_url(const gcs_storage *s, const char *key, const char *more, fo_str *ret, finops_error **err)
{
    fo_str_addf(ret, "%s/storage/v1/b/%s", s->endpoint, s->bucket);
    if (key)
        fo_str_add(ret, "/o");
    if (key && *key) {
        fo_str_addc(ret, '/');
        fo_url_escape(ret, s->prefix, false);
        fo_url_escape(ret, key, false);
    }
    fo_str_add(ret, more);
    return fo_str_check(ret, err);
}

void
gcs_add_condition(bool create_only, const char *if_version, fo_str *ret)
{
    if (create_only)
        fo_str_add(ret, "&ifGenerationMatch=0");
    if (!if_version)
        return;
    fo_str_add(ret, "&ifGenerationMatch=");
    /* What is no generation is the version of nothing; the service would call it a wrong request. */
    fo_url_escape(ret, if_version[strspn(if_version, "0123456789")] || !*if_version ? "1" : if_version,
                  false);
}

static finops_code
code_of(int status)
{
    return status == 410 ? FINOPS_E_NOT_FOUND : status == 503 ? FINOPS_E_TRANSIENT : fo_http_code_of(status);
}

/* The reason beats the status. */
static finops_code
code_with_reason(int status, const char *reason, const char *message)
{
    if (reason && (strcmp(reason, "rateLimitExceeded") == 0 || strcmp(reason, "userRateLimitExceeded") == 0))
        return FINOPS_E_THROTTLED;
    if (status == 404 && message && strstr(message, "bucket does not exist"))
        return FINOPS_E_CONFIG;
    return code_of(status);
}

static finops_code
failure(const gcs_storage *s, gcs_request *r, fo_http_exchange *e, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(GCS_TEXT_MAX);
    json_t *json = NULL, *error, *first;
    const char *message, *reason;
    int64_t after = fo_http_retry_after(e);
    finops_error *why = NULL;
    finops_code rc;

    if (fo_http_body(e, &text, NULL) == FINOPS_OK && text.len > 0)
        json = json_loadb(text.data, text.len, 0, NULL);
    error = json_object_get(json, "error");
    first = json_array_get(json_object_get(error, "errors"), 0);
    message = json_string_value(json_object_get(error, "message"));
    reason = json_string_value(json_object_get(first, "reason"));
    rc = code_with_reason(r->status, reason, message);
    (void)fo_error_set(&why, rc, "gcs %s %s/%s%s: %d%s%.60s%s%.300s", r->method, s->bucket,
                       r->key ? s->prefix : "", r->key ? r->key : "", r->status, reason ? " " : "",
                       reason ? reason : "", message ? ": " : "", message ? message : "");
    json_decref(json);
    if (why && after >= 0)
        finops_error_set_retry_after(why, after);
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

static finops_code
once(gcs_storage *s, gcs_request *r, fo_str *token, fo_http_exchange **ret, finops_error **err)
{
    fo_http_header headers[FO_HEADERS_MAX + 1];
    fo_http_request request = { .method = r->method,
                                .url = r->url,
                                .headers = headers,
                                .body = r->body,
                                .body_size = r->body_size,
                                .has_body = r->has_body,
                                .call = r->call };
    finops_code rc = gcs_auth_get(s->auth, r->call, token, err);

    if (rc != FINOPS_OK)
        return rc;
    memcpy(headers, r->headers.items, r->headers.n * sizeof(*headers));
    request.n_headers = r->headers.n;
    if (token->len > 0)
        headers[request.n_headers++] = (fo_http_header){ "authorization", fo_str_z(token) };
    rc = fo_http_begin(s->http, &request, ret, err);
    if (rc == FINOPS_OK) {
        r->status = fo_http_status(*ret);
        r->resent = r->resent || fo_http_resent(*ret);
    }
    return rc;
}

/* Whether it is the bucket that is missing; some do not say. */
static finops_code
bucket_missing(gcs_storage *s, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(GCS_TEXT_MAX), token = FO_STR_MAX(GCS_TEXT_MAX);
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    gcs_request r = { .method = "GET", .call = call };

    if (atomic_load(&s->bucket_seen) || gcs_url(s, NULL, "", &url, &why) != FINOPS_OK)
        return FINOPS_OK;
    r.url = fo_str_z(&url);
    if (once(s, &r, &token, &e, &why) != FINOPS_OK || r.status != 404)
        return FINOPS_OK;
    finops_error_freep(err);
    fo_error_set(err, FINOPS_E_CONFIG, "gcs: there is no bucket %s", s->bucket);
    fo_error_hint(err, "create the bucket %s, or name another", s->bucket);
    return FINOPS_E_CONFIG;
}

finops_code
gcs_send(gcs_storage *s, gcs_request *r, fo_http_exchange **ret, finops_error **err)
{
    finops_code rc = fo_headers_check(&r->headers, err);

    for (bool again = false; rc == FINOPS_OK; again = true) {
        FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
        FO_AUTO(fo_str_done) fo_str token = FO_STR_MAX(GCS_TEXT_MAX);
        FO_AUTO(finops_error_freep) finops_error *why = NULL;

        rc = once(s, r, &token, &e, err);
        if (rc != FINOPS_OK)
            return rc;
        if ((r->status >= 200 && r->status < 300) || (r->resume && r->status == 308)) {
            atomic_store(&s->bucket_seen, true);
            *ret = FO_TAKE(e);
            return FINOPS_OK;
        }
        rc = failure(s, r, e, &why);
        if (!again && r->status == 401 && gcs_auth_expired(s->auth, fo_str_z(&token))) {
            rc = FINOPS_OK;
            continue;
        }
        if (rc == FINOPS_E_NOT_FOUND && bucket_missing(s, r->call, &why) != FINOPS_OK)
            rc = FINOPS_E_CONFIG;
        if (err)
            *err = FO_TAKE(why);
    }
    return rc;
}

finops_code
gcs_send_for_json(gcs_storage *s, gcs_request *r, json_t **ret, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(GCS_ANSWER_MAX);
    finops_code rc = gcs_send(s, r, &e, err);

    if (rc == FINOPS_OK)
        rc = fo_http_body(e, &text, err);
    if (rc != FINOPS_OK || !ret)
        return rc;
    *ret = json_loadb(fo_str_z(&text), text.len, 0, NULL);
    return *ret ? FINOPS_OK
                : fo_error_set(err, FINOPS_E_TRANSIENT, "gcs %s %s: the answer is no JSON", r->method,
                               s->bucket);
}

void
gcs_request_done(gcs_request *r)
{
    fo_headers_done(&r->headers);
}

finops_code
gcs_condition(const finops_put *put, bool resent, finops_code rc, finops_error **err)
{
    if (resent && rc == FINOPS_E_PRECONDITION)
        return fo_error_wrap(err, FINOPS_E_TRANSIENT, "the connection broke, so that it may have been done");
    if (put->create_only && rc == FINOPS_E_PRECONDITION)
        return fo_error_wrap(err, FINOPS_E_EXISTS, "it exists");
    if (put->if_version && rc == FINOPS_E_NOT_FOUND)
        return fo_error_wrap(err, FINOPS_E_PRECONDITION, "there is no such object to replace");
    return rc;
}
