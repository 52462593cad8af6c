/* Removing, copying, and addresses for others. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/gcs/gcs_internal.h"
#include "storage/object.h"

#define PRESIGN_MAX 604800

finops_code
gcs_remove(void *self, const finops_remove *remove, finops_error **err)
{
    gcs_storage *s = self;
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(GCS_TEXT_MAX);
    gcs_request r = { .method = "DELETE", .key = remove->key, .call = remove->call };
    finops_error *why = NULL;
    finops_object there = { 0 };
    finops_code rc = gcs_url(s, remove->key, "?alt=json", &url, err);

    if (rc != FINOPS_OK)
        return rc;
    gcs_add_condition(false, remove->if_version, &url);
    rc = fo_str_check(&url, &why);
    r.url = fo_str_z(&url);
    if (rc == FINOPS_OK)
        rc = gcs_send_for_json(s, &r, NULL, &why);
    /* A version that is asked for of nothing: it is gone. */
    if (rc == FINOPS_E_PRECONDITION &&
        gcs_stat(s, remove->key, remove->call, &there, NULL) == FINOPS_E_NOT_FOUND)
        rc = FINOPS_E_NOT_FOUND;
    finops_object_done(&there);
    if (rc == FINOPS_E_NOT_FOUND)
        rc = FINOPS_OK;
    if (rc != FINOPS_OK && err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

/* ---- copies: https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite ---- */

static finops_code
rewrite_url(const gcs_storage *s, const finops_copy *copy, fo_str *ret, finops_error **err)
{
    finops_code rc = gcs_url(s, copy->from, "", ret, err);

    fo_str_addf(ret, "/rewriteTo/b/%s/o/", s->bucket);
    fo_url_escape(ret, s->prefix, false);
    fo_url_escape(ret, copy->to, false);
    fo_str_add(ret, "?alt=json");
    gcs_add_condition(copy->create_only, NULL, ret);
    if (copy->if_version) {
        fo_str_add(ret, "&ifSourceGenerationMatch=");
        fo_url_escape(ret, copy->if_version[strspn(copy->if_version, "0123456789")] ? "1" : copy->if_version,
                      false);
    }
    return rc == FINOPS_OK ? fo_str_check(ret, err) : rc;
}

/* One step of it; a large object that goes elsewhere takes several. *ret_json is that of the last. */
static finops_code
rewrite_step(gcs_storage *s, const finops_copy *copy, const fo_str *url, char **token, json_t **ret_json,
             finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str whole = FO_STR_MAX(GCS_TEXT_MAX);
    FO_AUTO(gcs_request_done)
    gcs_request r = { .method = "POST", .key = copy->to, .has_body = true, .call = copy->call };
    const char *next;
    json_t *json = NULL;
    finops_code rc;

    fo_str_addn(&whole, url->data, url->len);
    if (*token) {
        fo_str_add(&whole, "&rewriteToken=");
        fo_url_escape(&whole, *token, false);
    }
    rc = fo_str_check(&whole, err);
    r.url = fo_str_z(&whole);
    if (rc == FINOPS_OK)
        rc = gcs_send_for_json(s, &r, &json, err);
    if (rc != FINOPS_OK)
        return rc;
    if (json_is_true(json_object_get(json, "done"))) {
        *ret_json = json;
        return FINOPS_OK;
    }
    next = json_string_value(json_object_get(json, "rewriteToken"));
    fo_free(*token);
    *token = next ? fo_strdup(next) : NULL;
    json_decref(json);
    return *token ? FINOPS_OK
                  : fo_error_set(err, FINOPS_E_TRANSIENT, "gcs copy of %s: it is not done", copy->from);
}

finops_code
gcs_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(GCS_TEXT_MAX);
    FO_AUTO(fo_freep) char *token = NULL;
    json_t *json = NULL;
    finops_code rc;

    if (fo_streq(copy->from, copy->to))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s cannot be copied onto itself", copy->from);
    rc = rewrite_url(self, copy, &url, err);
    while (rc == FINOPS_OK && !json)
        rc = rewrite_step(self, copy, &url, &token, &json, err);
    if (rc == FINOPS_E_PRECONDITION && copy->create_only && !copy->if_version)
        rc = fo_error_wrap(err, FINOPS_E_EXISTS, "it exists");
    if (rc == FINOPS_OK && ret)
        rc = gcs_object_of(json_object_get(json, "resource"), copy->to, ret, err);
    json_decref(json);
    return rc;
}

/* ---- addresses: https://cloud.google.com/storage/docs/authentication/canonical-requests ---- */

static void
add_parameter(fo_str *query, const char *name, const char *value)
{
    fo_str_addf(query, "%sX-Goog-%s=", query->len > 0 ? "&" : "", name);
    fo_url_escape(query, value, false);
}

/* What is signed, of a request that has no header but the host. */
static finops_code
text_to_sign(const gcs_storage *s, const char *method, const char *path, const char *query, const char *stamp,
             const char *scope, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str request = FO_STR_MAX(GCS_TEXT_MAX);
    const char *host = strstr(s->endpoint, "://") + 3;
    char hex[FO_SHA256_HEX];
    finops_code rc;

    fo_str_addf(&request, "%s\n%s\n%s\nhost:%s\n\nhost\nUNSIGNED-PAYLOAD", method, path, query, host);
    rc = fo_str_check(&request, err);
    if (rc == FINOPS_OK)
        rc = fo_sha256_hex(request.data, request.len, hex, err);
    if (rc == FINOPS_OK)
        fo_str_addf(ret, "GOOG4-RSA-SHA256\n%s\n%s\n%s", stamp, scope, hex);
    return rc == FINOPS_OK ? fo_str_check(ret, err) : rc;
}

static finops_code
make_query(const char *email, const char *stamp, const char *scope, int64_t seconds, fo_str *ret,
           finops_error **err)
{
    FO_AUTO(fo_freep) char *who = fo_format("%s/%s", email, scope);
    char life[32];

    if (!who)
        return fo_error_oom(err);
    (void)snprintf(life, sizeof(life), "%" PRId64, seconds);
    add_parameter(ret, "Algorithm", "GOOG4-RSA-SHA256");
    add_parameter(ret, "Credential", who);
    add_parameter(ret, "Date", stamp);
    add_parameter(ret, "Expires", life);
    add_parameter(ret, "SignedHeaders", "host");
    return fo_str_check(ret, err);
}

finops_code
gcs_presign(void *self, const finops_presign *presign, char **ret_url, finops_error **err)
{
    const gcs_storage *s = self;
    FO_AUTO(fo_str_done) fo_str path = FO_STR_MAX(GCS_TEXT_MAX), query = FO_STR_MAX(GCS_TEXT_MAX);
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(GCS_TEXT_MAX), bytes = FO_STR_MAX(GCS_TEXT_MAX);
    const char *email = NULL, *key = gcs_auth_key(s->auth, &email);
    FO_AUTO(fo_freep) char *hex = NULL;
    char stamp[32], scope[64];
    fo_civil c;
    finops_code rc;

    if (!key)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "gcs signs addresses with a service account's key only");
    if (presign->seconds < 1 || presign->seconds > PRESIGN_MAX)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "an address is good for 1 second to 7 days");
    fo_civil_from_micros(fo_clock_now(), &c);
    (void)snprintf(stamp, sizeof(stamp), "%04d%02u%02uT%02u%02u%02uZ", c.year % 10000, c.month % 100,
                   c.day % 100, c.hour % 100, c.minute % 100, c.second % 100);
    (void)snprintf(scope, sizeof(scope), "%.8s/auto/storage/goog4_request", stamp);
    fo_str_addf(&path, "/%s/", s->bucket);
    fo_url_escape(&path, s->prefix, true);
    fo_url_escape(&path, presign->key, true);
    rc = make_query(email, stamp, scope, presign->seconds, &query, err);
    if (rc == FINOPS_OK)
        rc = text_to_sign(s, presign->put ? "PUT" : "GET", fo_str_z(&path), fo_str_z(&query), stamp, scope,
                          &text, err);
    if (rc == FINOPS_OK)
        rc = gcs_rsa_sign(key, text.data, text.len, &bytes, err);
    if (rc != FINOPS_OK)
        return rc;
    hex = fo_alloc(2 * bytes.len + 1);
    if (!hex)
        return fo_error_oom(err);
    fo_hex(bytes.data, bytes.len, hex);
    *ret_url = fo_format("%s%s?%s&X-Goog-Signature=%s", s->endpoint, fo_str_z(&path), fo_str_z(&query), hex);
    return *ret_url ? FINOPS_OK : fo_error_oom(err);
}
