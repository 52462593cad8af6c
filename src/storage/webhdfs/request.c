/* Requests of WebHDFS, and what the server's exceptions mean. */
#include <string.h>

#include "base/mem.h"
#include "finops/sys/plugin.h"
#include "storage/webhdfs/driver_internal.h"

void
wh_json_release(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

char *
wh_path(const wh_storage *s, const char *key)
{
    if (!key[0])
        return fo_strdup(s->folder[0] ? s->folder : "/");
    return fo_format("%s/%s", s->folder, key);
}

/* ---- failures ---- */

static finops_code
code_of(int status, const char *exception, const char *message)
{
    static const struct {
        const char *name;
        finops_code code;
    } rows[] = {
        { "AccessControlException", FINOPS_E_DENIED },
        { "AlreadyBeingCreatedException", FINOPS_E_TRANSIENT },
        { "AuthenticationException", FINOPS_E_AUTH },
        { "AuthorizationException", FINOPS_E_DENIED },
        { "DSQuotaExceededException", FINOPS_E_IO },
        { "FileAlreadyExistsException", FINOPS_E_EXISTS },
        { "FileNotFoundException", FINOPS_E_NOT_FOUND },
        { "IllegalArgumentException", FINOPS_E_ARGUMENT },
        { "InvalidPathException", FINOPS_E_ARGUMENT },
        { "InvalidToken", FINOPS_E_AUTH },
        { "NSQuotaExceededException", FINOPS_E_IO },
        { "ParentNotDirectoryException", FINOPS_E_ARGUMENT },
        { "PathComponentTooLongException", FINOPS_E_ARGUMENT },
        { "QuotaExceededException", FINOPS_E_IO },
        { "RecoveryInProgressException", FINOPS_E_TRANSIENT },
        { "RetriableException", FINOPS_E_TRANSIENT },
        { "SafeModeException", FINOPS_E_TRANSIENT },
        { "SecurityException", FINOPS_E_AUTH },
        { "StandbyException", FINOPS_E_TRANSIENT },
        { "UnsupportedOperationException", FINOPS_E_UNSUPPORTED },
    };

    for (size_t i = 0; i < FO_COUNT(rows); i++)
        if (fo_ends(exception, rows[i].name)) /* "SecretManager$InvalidToken" */
            return rows[i].code;
    if (strstr(message,
               "does not have enough number of replicas")) /* busy data nodes, and no name of its own */
        return FINOPS_E_TRANSIENT;
    switch (status) {
    case 400:
        return FINOPS_E_ARGUMENT;
    case 401:
        return FINOPS_E_AUTH;
    case 403:
        return FINOPS_E_IO; /* so an IOException comes, too */
    case 404:
        return FINOPS_E_NOT_FOUND;
    case 408:
        return FINOPS_E_TRANSIENT;
    case 429:
    case 503:
        return FINOPS_E_THROTTLED;
    default:
        return status >= 500 ? FINOPS_E_TRANSIENT : FINOPS_E_CONFIG;
    }
}

static const char *
text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text ? text : "";
}

/* The first line of what it says. */
static finops_code
failure(const wh_request *r, fo_http_exchange *e, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX((size_t)1 << 20);
    finops_error *why = NULL;
    int status = fo_http_status(e);
    int64_t after = fo_http_retry_after(e);
    WH_JSON json = NULL;
    const json_t *exception;
    const char *name, *message;
    finops_code rc;

    if (fo_http_body(e, &text, NULL) == FINOPS_OK)
        json = json_loads(fo_str_z(&text), 0, NULL);
    exception = json_object_get(json, "RemoteException");
    name = text_of(exception, "exception");
    message = text_of(exception, "message");
    rc = fo_error_set(&why, code_of(status, name, message), "webhdfs %s %s: %d%s%s%s%.*s", r->op, r->path,
                      status, *name ? " " : "", name, *message ? ": " : "", (int)strcspn(message, "\r\n"),
                      message);
    if (strcmp(name, "ParentNotDirectoryException") == 0 && strcmp(r->method, "GET") == 0)
        rc = fo_error_wrap(&why, FINOPS_E_NOT_FOUND, "not there");
    if (status == 404 && !*name) {
        rc = fo_error_set(&why, FINOPS_E_CONFIG, "webhdfs %s %s: 404, and no WebHDFS there", r->op, r->path);
        fo_error_hint(&why, "the port is that of the name node's web page (9870), or of HttpFS (14000)");
    }
    if (why && after >= 0)
        finops_error_set_retry_after(why, after);
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

/* ---- two steps ---- */

/* "host=other", "host:1=other:2": where a name of the cluster is reached from here. */
static bool
map_one(const char *rule, const char *authority, size_t n, fo_str *ret)
{
    const char *to = strchr(rule, '=');
    size_t from = to ? (size_t)(to - rule) : 0;

    if (from == 0 || from > n || strncmp(rule, authority, from) != 0 || (from < n && authority[from] != ':'))
        return false;
    fo_str_add(ret, to + 1);
    if (from < n && !strchr(to + 1, ':')) /* the port stays */
        fo_str_addn(ret, authority + from, n - from);
    return true;
}

/* The path of the second step: ours, as Java has composed the letters of what the server made of it. */
static void
add_path(const wh_request *r, const char *rest, fo_str *ret)
{
    static const char begins[] = "/webhdfs/v1/";

    if (fo_starts(rest, begins)) {
        fo_str_addn(ret, begins, sizeof(begins) - 2);
        fo_url_escape(ret, r->path, true);
        rest += strcspn(rest, "?");
    }
    fo_str_add(ret, rest);
}

/* The address of the second step, its host as it is reached from here. */
static finops_code
redirected(const wh_storage *s, const wh_request *r, fo_http_exchange *e, fo_str *ret, finops_error **err)
{
    const char *location = fo_http_header_value(e, "location");
    const char *authority = location ? strstr(location, "://") : NULL;
    bool mapped = false;
    size_t n;

    if (!authority)
        return fo_error_set(err, FINOPS_E_CORRUPT, "webhdfs %s %s: the server does not say where to go on",
                            r->op, r->path);
    authority += 3;
    n = strcspn(authority, "/?");
    fo_str_addn(ret, location, (size_t)(authority - location));
    for (char **rule = s->host_map; rule && *rule && !mapped; rule++)
        mapped = map_one(*rule, authority, n, ret);
    if (!mapped)
        fo_str_addn(ret, authority, n);
    add_path(r, authority + n, ret);
    return fo_str_check(ret, err);
}

static finops_code
first_url(const wh_storage *s, const wh_request *r, fo_str *ret, finops_error **err)
{
    fo_str_add(ret, s->base);
    fo_url_escape(ret, r->path, true);
    fo_str_addf(ret, "?op=%s%s%s", r->op, s->who, r->query ? r->query : "");
    return fo_str_check(ret, err);
}

static bool
is_redirect(int status)
{
    return status == 307 || status == 302 || status == 303 || status == 308 || status == 301;
}

/* The body goes with the second step only. What changes something is sent once: of an append that was done
 * twice the bytes are there twice, and a file is renamed but once. */
static finops_code
begin(wh_storage *s, const wh_request *r, const char *url, bool second, fo_http_exchange **ret,
      finops_error **err)
{
    static const fo_http_header type[] = { { "Content-Type", "application/octet-stream" } };
    bool body = second && r->sends;
    const fo_http_request request = { .method = r->method,
                                      .url = url,
                                      .headers = type,
                                      .n_headers = body ? 1 : 0,
                                      .body = body ? r->body : NULL,
                                      .body_size = body ? r->n : 0,
                                      .has_body =
                                          strcmp(r->method, "GET") != 0 && strcmp(r->method, "DELETE") != 0,
                                      .once = strcmp(r->method, "GET") != 0,
                                      .call = r->call };

    return fo_http_begin(s->http, &request, ret, err);
}

finops_code
wh_send(wh_storage *s, const wh_request *r, fo_http_exchange **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str url = FO_STR_INIT;
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    bool again;
    finops_code rc = first_url(s, r, &url, err);

    if (rc == FINOPS_OK)
        rc = begin(s, r, fo_str_z(&url), false, &e, err);
    if (rc != FINOPS_OK)
        return rc;
    again = is_redirect(fo_http_status(e));
    if (again) {
        fo_str_clear(&url);
        rc = redirected(s, r, e, &url, err);
        fo_http_endp(&e);
        if (rc == FINOPS_OK)
            rc = begin(s, r, fo_str_z(&url), true, &e, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    if (fo_http_status(e) < 200 || fo_http_status(e) > 299)
        return failure(r, e, err);
    if (r->sends && !again)
        return fo_error_set(err, FINOPS_E_CORRUPT, "webhdfs %s %s: the server took no bytes", r->op, r->path);
    *ret = FO_TAKE(e);
    return FINOPS_OK;
}

finops_code
wh_ask(wh_storage *s, const wh_request *r, json_t **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(WH_JSON_MAX);
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    json_error_t where;
    finops_code rc = wh_send(s, r, &e, err);

    if (rc == FINOPS_OK)
        rc = fo_http_body(e, &text, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = text.len > 0 ? json_loadb(text.data, text.len, 0, &where) : NULL;
    if (text.len > 0 && !*ret)
        return fo_error_set(err, FINOPS_E_CORRUPT, "webhdfs %s %s: the answer is no JSON: %s", r->op, r->path,
                            where.text);
    return FINOPS_OK;
}

finops_code
wh_ask_bool(wh_storage *s, const wh_request *r, bool *ret, finops_error **err)
{
    WH_JSON json = NULL;
    finops_code rc = wh_ask(s, r, &json, err);

    if (rc == FINOPS_OK)
        *ret = !json || json_is_true(json_object_get(json, "boolean"));
    return rc;
}
