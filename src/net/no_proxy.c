/* Hosts without a proxy. No standard has the list; this is what curl, Go and Python have in common. */
#include "net/no_proxy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define BETWEEN ", \t"

/* "host", "host:port", "[::1]", "[::1]:port", "::1" in their parts. */
typedef struct place {
    const char *host;
    size_t host_n;
    const char *port; /* NULL: none given */
    size_t port_n;
} place;

static place
place_read(const char *p, size_t n)
{
    const char *bracket = n > 0 && *p == '[' ? memchr(p, ']', n) : NULL;
    place ret = { .host = p, .host_n = n };
    const char *colon;

    if (bracket) {
        ret.host = p + 1;
        ret.host_n = (size_t)(bracket - p) - 1;
        colon = bracket + 1 < p + n && bracket[1] == ':' ? bracket + 1 : NULL;
    } else {
        colon = memchr(p, ':', n);
        if (colon && memchr(colon + 1, ':', n - (size_t)(colon + 1 - p)))
            return ret; /* an IPv6 address without brackets */
        if (colon)
            ret.host_n = (size_t)(colon - p);
    }
    if (colon) {
        ret.port = colon + 1;
        ret.port_n = n - (size_t)(colon + 1 - p);
    }
    return ret;
}

static bool
same(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fo_lower(a[i]) != fo_lower(b[i]))
            return false;
    return true;
}

static bool
url_place(const char *url, place *ret)
{
    const char *start = url ? strstr(url, "://") : NULL;

    if (!start)
        return false;
    start += strlen("://");
    *ret = place_read(start, strcspn(start, "/?#"));
    if (!ret->port || ret->port_n == 0) {
        ret->port = fo_starts(url, "https:") ? "443" : "80";
        ret->port_n = strlen(ret->port);
    }
    return ret->host_n > 0;
}

static bool
entry_fits(const char *entry, size_t n, const place *asked)
{
    place named;

    if (n == 1 && *entry == '*')
        return true;
    if (n > 1 && entry[0] == '*' && entry[1] == '.') {
        entry++;
        n--;
    }
    if (n > 0 && *entry == '.') {
        entry++;
        n--;
    }
    named = place_read(entry, n);
    if (named.host_n == 0 || named.host_n > asked->host_n)
        return false;
    if (named.port && (named.port_n != asked->port_n || !same(named.port, asked->port, named.port_n)))
        return false;
    size_t before = asked->host_n - named.host_n;
    return same(asked->host + before, named.host, named.host_n) &&
           (before == 0 || asked->host[before - 1] == '.');
}

bool
fo_no_proxy_has(const char *list, const char *url)
{
    place asked;

    if (!list || !url_place(url, &asked))
        return false;
    for (size_t n; *list; list += n) {
        list += strspn(list, BETWEEN);
        n = strcspn(list, BETWEEN);
        if (n > 0 && entry_fits(list, n, &asked))
            return true;
    }
    return false;
}

/* Without the port, which the library does not know in such a list. */
static void
add_endpoint(const char *list, const char *url, fo_str *text)
{
    place p;

    if (!fo_no_proxy_has(list, url) || !url_place(url, &p))
        return;
    fo_str_addc(text, ',');
    fo_str_addn(text, p.host, p.host_n);
}

finops_code
fo_no_proxy_export(const fo_settings *settings, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    const char *list;

    assert(settings);
    list = settings->network.no_proxy;
    if (!list || !*list)
        return FINOPS_OK;
    fo_str_add(&text, list);
    add_endpoint(list, settings->aws.endpoint_url, &text);
    for (size_t i = 0; i < settings->n_exports; i++)
        add_endpoint(list, settings->exports[i].endpoint_url, &text);
    finops_code rc = fo_str_check(&text, err);
    if (rc == FINOPS_OK && setenv("no_proxy", fo_str_z(&text), 1) != 0)
        rc = fo_error_errno(err, errno, "set no_proxy in the environment");
    return rc;
}
