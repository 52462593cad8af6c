/* A request as libcurl wants it told. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_internal.h"
#include "net/no_proxy.h"

finops_code
fo_http_origin(const fo_http_request *request, char **ret, finops_error **err)
{
    const char *url = request->url;
    const char *host = strstr(url, "://");
    size_t n;

    if (!host || (!fo_starts(url, "http://") && !fo_starts(url, "https://")))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "not an address of http or https");
    host += strlen("://");
    n = strcspn(host, "/?#");
    if (n == 0 || memchr(host, '@', n))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "an address needs a host, and no user before it");
    *ret = fo_format("%s%.*s", request->direct ? "direct " : "", (int)(host - url) + (int)n, url);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

/* "GET host/path", without a query. */
static char *
where_of(const fo_http_request *request)
{
    const char *host = strstr(request->url, "://") + strlen("://");

    return fo_format("%s %.*s", request->method, (int)strcspn(host, "?#"), host);
}

/* A line break in a value would begin another header. */
static bool
clean(const char *text)
{
    for (; *text; text++)
        if (((unsigned char)*text < 0x20 && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

static bool
has_header(const fo_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return true;
    return false;
}

/* libcurl's spelling: "Name: value", "Name;" for an empty value, "Name:" for one it shall not send. */
static finops_code
add_headers(fo_http_exchange *e, const fo_http_request *request, finops_error **err)
{
    static const char *const unwanted[] = { "Expect", "Accept", "Content-Type" };
    fo_str *text = &e->header_text;

    for (size_t i = 0; i < request->n_headers; i++) {
        const fo_http_header *h = &request->headers[i];

        if (!h->value)
            continue;
        if (!clean(h->value) || !clean(h->name))
            return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: header %s cannot hold a control character",
                                e->where, clean(h->name) ? h->name : "name");
        fo_str_add(text, h->name);
        fo_str_add(text, *h->value ? ": " : ";");
        fo_str_add(text, h->value);
        fo_str_addc(text, '\0');
    }
    for (size_t i = 0; i < FO_COUNT(unwanted); i++) {
        if (has_header(request, unwanted[i]))
            continue;
        fo_str_add(text, unwanted[i]);
        fo_str_addn(text, ":", 2);
    }
    return fo_str_check(text, err);
}

/* The list libcurl reads, in one block, over the text. */
static finops_code
link_headers(fo_http_exchange *e, finops_error **err)
{
    fo_str *text = &e->header_text;
    size_t n = 0, i = 0;

    for (size_t at = 0; at < text->len; at += strlen(text->data + at) + 1)
        n++;
    e->headers = fo_array(n, sizeof(*e->headers));
    if (!e->headers)
        return fo_error_oom(err);
    for (size_t at = 0; at < text->len; at += strlen(text->data + at) + 1, i++) {
        e->headers[i].data = text->data + at;
        e->headers[i].next = i + 1 < n ? &e->headers[i + 1] : NULL;
    }
    return FINOPS_OK;
}

static size_t
on_source(char *buffer, size_t size, size_t n, void *arg)
{
    const fo_http_source *source = arg;
    size_t got = source->next(source->arg, buffer, size * n);

    return got == FO_HTTP_SOURCE_FAILED ? CURL_READFUNC_ABORT : got;
}

/* A kept connection broke off, and libcurl sends it all again on another. */
static int
on_restart(void *arg, curl_off_t offset, int origin)
{
    const fo_http_source *source = arg;

    if (offset != 0 || origin != SEEK_SET || !source->restart(source->arg))
        return CURL_SEEKFUNC_FAIL;
    return CURL_SEEKFUNC_OK;
}

static bool
set_source(fo_http_exchange *e, const fo_http_request *request)
{
    CURL *h = e->easy;
    int bad = 0;

    e->source = request->source;
    bad |= curl_easy_setopt(h, CURLOPT_POSTFIELDS, NULL) != CURLE_OK;
    bad |= curl_easy_setopt(h, CURLOPT_READFUNCTION, on_source) != CURLE_OK;
    bad |= curl_easy_setopt(h, CURLOPT_READDATA, &e->source) != CURLE_OK;
    bad |= curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_restart) != CURLE_OK;
    bad |= curl_easy_setopt(h, CURLOPT_SEEKDATA, &e->source) != CURLE_OK;
    return !bad;
}

static bool
set_method(fo_http_exchange *e, const fo_http_request *request)
{
    CURL *h = e->easy;
    bool body = request->body_size > 0 || request->has_body;
    bool head = strcmp(request->method, "HEAD") == 0;
    bool own_name = !head && (body || strcmp(request->method, "GET") != 0);
    /* libcurl takes NULL for "ask the callback". */
    const void *data = request->body ? request->body : "";
    int bad = 0;

    bad |= curl_easy_setopt(h, CURLOPT_NOBODY, 0L) != CURLE_OK;
    bad |= curl_easy_setopt(h, CURLOPT_HTTPGET, 1L) != CURLE_OK;
    if (head)
        bad |= curl_easy_setopt(h, CURLOPT_NOBODY, 1L) != CURLE_OK;
    if (body) {
        bad |= curl_easy_setopt(h, CURLOPT_POST, 1L) != CURLE_OK;
        bad |= curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size) != CURLE_OK;
        if (request->source.next)
            bad |= !set_source(e, request);
        else
            bad |= curl_easy_setopt(h, CURLOPT_POSTFIELDS, data) != CURLE_OK;
    }
    bad |= curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, own_name ? request->method : NULL) != CURLE_OK;
    return !bad;
}

static bool
set_route(fo_http_exchange *e, const fo_http_request *request)
{
    const fo_http_client *c = e->client;
    bool direct = request->direct || !c->proxy || fo_no_proxy_has(c->no_proxy, request->url);
    int64_t connect_us = request->connect_us > 0 ? request->connect_us : c->connect_us;
    int bad = 0;

    /* "" also keeps libcurl from looking at the environment. */
    bad |= curl_easy_setopt(e->easy, CURLOPT_PROXY, direct ? "" : c->proxy) != CURLE_OK;
    bad |= curl_easy_setopt(e->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_us / 1000)) != CURLE_OK;
    bad |= curl_easy_setopt(e->easy, CURLOPT_FRESH_CONNECT, request->once ? 1L : 0L) != CURLE_OK;
    bad |= curl_easy_setopt(e->easy, CURLOPT_URL, request->url) != CURLE_OK;
    bad |= curl_easy_setopt(e->easy, CURLOPT_HTTPHEADER, e->headers) != CURLE_OK;
    return !bad;
}

finops_code
fo_http_prepare(fo_http_exchange *e, const fo_http_request *request, finops_error **err)
{
    finops_code rc;

    assert(!e->added && !e->where && !e->headers);

    e->where = where_of(request);
    if (!e->where)
        return fo_error_oom(err);
    e->call = request->call;
    e->stall_us = request->stall_us > 0 ? request->stall_us : e->client->stall_us;
    e->moved_us = fo_clock_monotonic();
    e->length = -1;
    rc = add_headers(e, request, err);
    if (rc == FINOPS_OK)
        rc = link_headers(e, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!set_method(e, request) || !set_route(e, request))
        return fo_error_oom(err);
    return FINOPS_OK;
}
