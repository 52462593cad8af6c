/* The parts of an address, and how its bytes are escaped. RFC 3986. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "net/http.h"

#define URL_PART_MAX (1u << 20)

static bool
unreserved(char c)
{
    return fo_is_alpha(c) || fo_is_digit(c) || c == '-' || c == '_' || c == '.' || c == '~';
}

void
fo_url_escape(fo_str *ret, const char *text, bool slashes)
{
    static const char digits[] = "0123456789ABCDEF";

    assert(ret && text);

    for (const char *run = text; *text || run < text; text++) {
        if (*text && (unreserved(*text) || (slashes && *text == '/')))
            continue;
        fo_str_addn(ret, run, (size_t)(text - run));
        if (!*text)
            return;
        char code[3] = { '%', digits[(unsigned char)*text >> 4], digits[(unsigned char)*text & 15] };
        fo_str_addn(ret, code, sizeof(code));
        run = text + 1;
    }
}

static int
digit(char c)
{
    if (fo_is_digit(c))
        return c - '0';
    c = fo_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
fo_url_unescape(fo_str *ret, const char *text, size_t n)
{
    assert(ret && (text || n == 0));

    for (size_t i = 0; i < n; i++) {
        char c = text[i];

        if (c == '%') {
            int high = i + 2 < n ? digit(text[i + 1]) : -1;
            int low = i + 2 < n ? digit(text[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (c == '\0')
            return false;
        fo_str_addc(ret, c);
    }
    return true;
}

static finops_code
take_unescaped(const char *p, size_t n, char **ret, finops_error **err)
{
    fo_str text = FO_STR_MAX(URL_PART_MAX);

    if (!fo_url_unescape(&text, p, n)) {
        fo_str_done(&text);
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "the user or the password of an address is escaped wrongly");
    }
    *ret = fo_str_take(&text);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

/* "user[:password]" */
static finops_code
parse_user(const char *p, size_t n, fo_url *url, finops_error **err)
{
    const char *colon = memchr(p, ':', n);
    size_t user_n = colon ? (size_t)(colon - p) : n;
    finops_code rc = take_unescaped(p, user_n, &url->user, err);

    if (rc == FINOPS_OK && colon)
        rc = take_unescaped(colon + 1, n - user_n - 1, &url->password, err);
    return rc;
}

/* "host[:port]", "[::1][:port]"; the brackets stay. */
static finops_code
parse_host(const char *p, size_t n, fo_url *url, finops_error **err)
{
    const char *bracket = n > 0 && *p == '[' ? memchr(p, ']', n) : NULL;
    size_t host_n = bracket ? (size_t)(bracket - p) + 1 : n;
    const char *colon = bracket ? (host_n < n ? p + host_n : NULL) : memchr(p, ':', n);
    unsigned port = 0;

    if (colon) {
        host_n = (size_t)(colon - p);
        for (const char *d = colon + 1; d < p + n; d++) {
            port = fo_is_digit(*d) && port <= 65535 ? port * 10 + (unsigned)(*d - '0') : 65536;
            if (port > 65535)
                break;
        }
        if (*colon != ':' || port > 65535 || (port == 0 && colon + 1 < p + n))
            return fo_error_set(err, FINOPS_E_ARGUMENT,
                                "an address has no port from 1 to 65535 behind its host");
    }
    url->port = (int)port;
    url->host = fo_strndup(p, host_n);
    return url->host ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
parse_scheme(const char *text, const char *colon, fo_url *url, finops_error **err)
{
    url->scheme = fo_strndup(text, (size_t)(colon - text));
    if (!url->scheme)
        return fo_error_oom(err);
    for (char *c = url->scheme; *c; c++) {
        if (!fo_is_alpha(*c) && (c == url->scheme || (!fo_is_digit(*c) && !strchr("+-.", *c))))
            return fo_error_set(err, FINOPS_E_ARGUMENT, "an address begins with a scheme such as https://");
        *c = fo_lower(*c);
    }
    return FINOPS_OK;
}

static finops_code
parse_rest(const char *rest, fo_url *url, finops_error **err)
{
    size_t path_n = strcspn(rest, "?#");

    url->path = fo_strndup(rest, path_n);
    if (rest[path_n] == '?')
        url->query = fo_strndup(rest + path_n + 1, strcspn(rest + path_n + 1, "#"));
    return url->path && (url->query || rest[path_n] != '?') ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_url_parse(const char *text, fo_url *ret, finops_error **err)
{
    FO_AUTO(fo_url_done) fo_url url = { 0 };
    const char *colon, *place, *at = NULL;
    size_t place_n;
    finops_code rc;

    assert(text && ret);

    /* The text may hold a password, so no message has it. */
    colon = strstr(text, "://");
    if (!colon || colon == text)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "an address begins with a scheme such as https://");
    place = colon + strlen("://");
    place_n = strcspn(place, "/?#");
    for (size_t i = 0; i < place_n; i++)
        if (place[i] == '@')
            at = place + i;

    rc = parse_scheme(text, colon, &url, err);
    if (rc == FINOPS_OK && at)
        rc = parse_user(place, (size_t)(at - place), &url, err);
    if (rc == FINOPS_OK && at)
        rc = parse_host(at + 1, place_n - (size_t)(at + 1 - place), &url, err);
    else if (rc == FINOPS_OK)
        rc = parse_host(place, place_n, &url, err);
    if (rc == FINOPS_OK)
        rc = parse_rest(place + place_n, &url, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = url;
    url = (fo_url){ 0 };
    return FINOPS_OK;
}

void
fo_url_done(fo_url *url)
{
    if (!url)
        return;
    fo_free(url->scheme);
    fo_free(url->user);
    fo_free(url->password);
    fo_free(url->host);
    fo_free(url->path);
    fo_free(url->query);
    *url = (fo_url){ 0 };
}
