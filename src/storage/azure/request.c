/* A request: its address, who asks, and a token that has expired after all. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "storage/azure/azure_internal.h"
#include "storage/file_key.h"

/* The service takes a backslash for a slash, and controls that XML cannot hold break the listings of some.
 * https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
 */
static finops_code
check_key(const azure_storage *s, const char *key, finops_error **err)
{
    for (const char *c = key; *c; c++) {
        if (*c == '\\')
            return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: on Azure a key cannot have a backslash", key);
        if ((unsigned char)*c < 0x20 && !strchr("\t\r\n", *c))
            return fo_error_set(err, FINOPS_E_ARGUMENT, "on Azure a key cannot have the control character %d",
                                *c);
    }
    /* Where keys are paths, empty parts and points would be cleaned away; "" is the folder of the prefix. */
    return s->dfs && *key ? fo_file_key_check(key, err) : FINOPS_OK;
}

static finops_code
place_at(const azure_storage *s, const char *endpoint, const char *key, fo_str *ret, finops_error **err)
{
    finops_code rc = key ? check_key(s, key, err) : FINOPS_OK;

    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(ret, "%s/%s", endpoint, s->container);
    if (key) {
        fo_str_addc(ret, '/');
        fo_url_escape(ret, s->prefix, true);
        fo_url_escape(ret, key, true);
    }
    return fo_str_check(ret, err);
}

finops_code
azure_place(const azure_storage *s, const char *key, fo_str *ret, finops_error **err)
{
    return place_at(s, s->endpoint, key, ret, err);
}

/* Sends it as it is now; *ret_headers are those that went out. */
static finops_code
once(azure_storage *s, const azure_request *r, fo_headers *headers, fo_http_exchange **ret,
     finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(AZURE_TEXT_MAX);
    fo_http_request request = { .method = r->method,
                                .body = r->body,
                                .body_size = r->body_size,
                                .has_body = r->has_body,
                                .once = r->once,
                                .call = r->call };
    azure_signed sign = { .method = r->method, .query = r->query, .body_size = r->body_size };
    FO_AUTO(fo_freep) char *path = NULL;
    finops_code rc = place_at(s, r->dfs ? s->dfs : s->endpoint, r->key, &url, err);

    if (rc != FINOPS_OK)
        return rc;
    path = fo_strdup(strchr(strstr(url.data, "://") + 3, '/'));
    if (!path)
        return fo_error_oom(err);
    sign.path = path;
    memcpy(headers->items, r->headers.items, r->headers.n * sizeof(*headers->items));
    headers->n = r->headers.n;
    fo_headers_add(headers, "x-ms-version", AZURE_VERSION);
    rc = azure_authorize(s->auth, &sign, r->call, headers, err);
    if (rc != FINOPS_OK)
        return rc;
    if (r->query)
        fo_str_addf(&url, "?%s", r->query);
    if (s->auth->kind == AZURE_BY_SAS)
        fo_str_addf(&url, "%c%s", r->query ? '&' : '?', s->auth->sas);
    rc = fo_str_check(&url, err);
    request.url = fo_str_z(&url);
    request.headers = headers->items;
    request.n_headers = headers->n;
    return rc == FINOPS_OK ? fo_http_begin(s->http, &request, ret, err) : rc;
}

/* The service says 401 of a token it does not take any more. */
static bool
token_expired(azure_storage *s, const azure_request *r, const fo_headers *headers)
{
    return r->status == 401 && azure_auth_expired(s->auth, headers);
}

finops_code
azure_send(azure_storage *s, azure_request *r, fo_http_exchange **ret, finops_error **err)
{
    finops_code rc = fo_headers_check(&r->headers, err);

    for (bool again = false; rc == FINOPS_OK; again = true) {
        FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
        FO_AUTO(fo_headers_done) fo_headers headers = { 0 };
        FO_AUTO(finops_error_freep) finops_error *why = NULL;

        r->status = 0;
        r->code[0] = '\0';
        rc = once(s, r, &headers, &e, err);
        if (rc != FINOPS_OK)
            return rc;
        r->status = fo_http_status(e);
        r->resent = r->resent || fo_http_resent(e);
        if (r->status >= 200 && r->status < 300) {
            *ret = FO_TAKE(e);
            return FINOPS_OK;
        }
        rc = azure_failure(s, r, e, &why);
        if (!again && token_expired(s, r, &headers)) {
            rc = FINOPS_OK;
            continue;
        }
        if (err)
            *err = FO_TAKE(why);
    }
    return rc;
}

finops_code
azure_send_only(azure_storage *s, azure_request *r, finops_error **err)
{
    fo_http_exchange *e = NULL;
    finops_code rc = azure_send(s, r, &e, err);

    fo_http_end(e);
    return rc;
}

finops_code
azure_send_for_xml(azure_storage *s, azure_request *r, fo_xml **ret, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(AZURE_ANSWER_MAX);
    finops_code rc = azure_send(s, r, &e, err);

    if (rc == FINOPS_OK)
        rc = fo_http_body(e, &text, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_xml_parse(fo_str_z(&text), text.len, ret, err);
    return rc == FINOPS_OK
               ? rc
               : fo_error_wrap(err, FINOPS_E_TRANSIENT, "azure %s %s: the answer", r->method, s->container);
}

void
azure_request_done(azure_request *r)
{
    fo_headers_done(&r->headers);
}
