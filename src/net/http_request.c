/* A request as it goes out. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_internal.h"
#include "net/no_proxy.h"

#define SMALL_BODY (64u << 10) /* bytes that are sent with the head, in one call of the kernel */

finops_code
fo_http_host(const char *url, const char **ret, size_t *ret_n, finops_error **err)
{
    const char *host = strstr(url, "://");
    size_t n;

    if (!host || (!fo_starts(url, "http://") && !fo_starts(url, "https://")))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "not an address of http or https");
    host += strlen("://");
    n = strcspn(host, "/?#");
    if (n == 0 || memchr(host, '@', n))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "an address needs a host, and no user before it");
    *ret = host;
    *ret_n = n;
    return FINOPS_OK;
}

bool
fo_http_proxied(const fo_http_client *client, const fo_http_request *request)
{
    return !request->direct && client->proxy && !fo_no_proxy_has(client->no_proxy, request->url);
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
has_blank(const char *text)
{
    return text[strcspn(text, " \t")] != '\0';
}

static bool
has_header(const fo_http_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++)
        if (strcasecmp(request->headers[i].name, name) == 0)
            return true;
    return false;
}

/* "/path?query"; all of the address where a proxy is told where to go. */
static void
add_target(fo_http_exchange *e, const fo_http_request *request, const char *host, size_t n)
{
    const char *rest = host + n;

    if (fo_http_proxied(e->client, request) && fo_starts(request->url, "http://"))
        fo_str_addn(&e->text, request->url, (size_t)(rest - request->url));
    if (*rest != '/')
        fo_str_addc(&e->text, '/');
    fo_str_addn(&e->text, rest, strcspn(rest, "#"));
}

/* Without the port that everybody expects. */
static size_t
host_shown(const char *url, const char *host, size_t n)
{
    const char *usual = fo_starts(url, "https:") ? ":443" : ":80";
    size_t usual_n = strlen(usual);

    return n > usual_n && memcmp(host + n - usual_n, usual, usual_n) == 0 ? n - usual_n : n;
}

static void
add_line(fo_str *text, const char *name, const char *value, size_t n)
{
    fo_str_add(text, name);
    fo_str_addn(text, ": ", 2);
    fo_str_addn(text, value, n);
    fo_str_addn(text, "\r\n", 2);
}

static finops_code
add_headers(fo_http_exchange *e, const fo_http_request *request, finops_error **err)
{
    for (size_t i = 0; i < request->n_headers; i++) {
        const fo_http_header *h = &request->headers[i];

        if (!h->value)
            continue;
        if (!clean(h->value) || !clean(h->name))
            return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: header %s cannot hold a control character",
                                fo_str_z(&e->where), clean(h->name) ? h->name : "name");
        fo_str_add(&e->text, h->name);
        fo_str_addn(&e->text, ": ", *h->value ? 2 : 1);
        fo_str_add(&e->text, h->value);
        fo_str_addn(&e->text, "\r\n", 2);
    }
    return FINOPS_OK;
}

static finops_code
add_head(fo_http_exchange *e, const fo_http_request *request, const char *host, size_t n, finops_error **err)
{
    const fo_http_client *c = e->client;
    fo_str *text = &e->text;
    finops_code rc;

    fo_str_add(text, request->method);
    fo_str_addc(text, ' ');
    add_target(e, request, host, n);
    fo_str_add(text, " HTTP/1.1\r\n");
    if (!has_header(request, "host"))
        add_line(text, "Host", host, host_shown(request->url, host, n));
    if (c->proxy_auth && fo_http_proxied(c, request) && fo_starts(request->url, "http://"))
        add_line(text, "Proxy-Authorization", c->proxy_auth, strlen(c->proxy_auth));
    if (!has_header(request, "user-agent"))
        add_line(text, "User-Agent", c->agent, strlen(c->agent));
    rc = add_headers(e, request, err);
    if (rc != FINOPS_OK)
        return rc;
    if (request->body_size > 0 || request->has_body)
        fo_str_addf(text, "Content-Length: %zu\r\n", request->body_size);
    fo_str_addn(text, "\r\n", 2);
    return fo_str_check(text, err);
}

static finops_code
add_body(fo_http_exchange *e, const fo_http_request *request, finops_error **err)
{
    e->source = request->source;
    e->body_size = request->body_size;
    e->body = request->body;
    if (e->source.next) {
        if (!e->piece)
            e->piece = fo_alloc(FO_HTTP_BUFFER);
        return e->piece ? FINOPS_OK : fo_error_oom(err);
    }
    if (e->body_size > 0 && e->body_size <= SMALL_BODY) {
        fo_str_addn(&e->text, e->body, e->body_size);
        e->body_size = 0;
    }
    return fo_str_check(&e->text, err);
}

finops_code
fo_http_prepare(fo_http_exchange *e, const fo_http_request *request, finops_error **err)
{
    const char *host = NULL;
    size_t n = 0;
    finops_code rc = fo_http_host(request->url, &host, &n, err);

    if (rc != FINOPS_OK)
        return rc;
    /* "GET host/path", without a query. */
    fo_str_add(&e->where, request->method);
    fo_str_addc(&e->where, ' ');
    fo_str_addn(&e->where, host, strcspn(host, "?#"));
    rc = fo_str_check(&e->where, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!clean(request->url) || has_blank(request->url) || !clean(request->method) ||
        has_blank(request->method))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "an address cannot hold a blank or a control character");
    e->call = request->call;
    e->stall_us = request->stall_us > 0 ? request->stall_us : e->client->stall_us;
    e->moved_us = fo_clock_monotonic();
    e->length = -1;
    e->head_only = strcmp(request->method, "HEAD") == 0;
    e->once = request->once;
    rc = add_head(e, request, host, n, err);
    return rc == FINOPS_OK ? add_body(e, request, err) : rc;
}
