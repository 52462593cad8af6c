/* What libcurl hands over as it comes: the head, line by line, and the body. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_internal.h"

/* "HTTP/1.1 200 OK": a response begins; one that was before it (100 Continue) is forgotten. */
static void
status_line(fo_http_exchange *e, const char *line, size_t n)
{
    const char *blank = memchr(line, ' ', n);

    fo_str_clear(&e->head);
    e->status = 0;
    e->length = -1;
    for (size_t i = blank ? (size_t)(blank - line) + 1 : n; i < n && fo_is_digit(line[i]); i++)
        if (e->status < 1000)
            e->status = e->status * 10 + (line[i] - '0');
}

static void
header_line(fo_http_exchange *e, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    size_t value;

    if (!colon || memchr(line, '\0', n))
        return;
    for (const char *p = line; p < colon; p++)
        fo_str_addc(&e->head, fo_lower(*p));
    fo_str_addc(&e->head, '\0');
    value = (size_t)(colon - line) + 1;
    while (value < n && (line[value] == ' ' || line[value] == '\t'))
        value++;
    while (n > value && (line[n - 1] == ' ' || line[n - 1] == '\t'))
        n--;
    fo_str_addn(&e->head, line + value, n - value);
    fo_str_addc(&e->head, '\0');
}

static void
head_complete(fo_http_exchange *e)
{
    const char *length = fo_http_header_value(e, "content-length");
    unsigned long long v;

    if (length && fo_parse_u64(length, &v) && v <= INT64_MAX)
        e->length = (int64_t)v;
    e->head_done = true;
}

size_t
fo_http_on_header(char *data, size_t size, size_t n, void *arg)
{
    fo_http_exchange *e = arg;
    size_t len = size * n;

    e->moved_us = fo_clock_monotonic();
    if (e->head_done)
        return size * n; /* a trailer, which nobody asked for */
    while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
        len--;
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
        status_line(e, data, len);
    else if (len > 0)
        header_line(e, data, len);
    else if (e->status >= 200 || e->status == 101)
        head_complete(e);
    if (!fo_str_ok(&e->head)) {
        e->head_too_long = e->head.too_long;
        return 0;
    }
    return size * n;
}

/* Into the reader's buffer, and what does not fit behind it: libcurl receives no more than the buffer holds
 * before it asks again, but for TLS, where it is told to wait. */
size_t
fo_http_on_body(char *data, size_t size, size_t n, void *arg)
{
    fo_http_exchange *e = arg;
    size_t len = size * n;
    size_t fits = e->kept_len == 0 ? e->out_n - e->out_len : 0;

    if (fits > len)
        fits = len;
    if (len - fits > FO_HTTP_BUFFER - e->kept_len) {
        e->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (len > fits && !e->kept) {
        e->kept = fo_alloc(FO_HTTP_BUFFER);
        if (!e->kept)
            return 0;
    }
    e->moved_us = fo_clock_monotonic();
    e->received += (int64_t)len;
    if (fits > 0) {
        memcpy(e->out + e->out_len, data, fits);
        e->out_len += fits;
    }
    if (len > fits) {
        memcpy(e->kept + e->kept_len, data + fits, len - fits);
        e->kept_len += len - fits;
    }
    return len;
}

int
fo_http_on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
    fo_http_exchange *e = arg;

    (void)ip;
    (void)local_ip;
    (void)port;
    (void)local_port;
    e->connected = true;
    e->sends++;
    e->moved_us = fo_clock_monotonic();
    return CURL_PREREQFUNC_OK;
}

int
fo_http_status(const fo_http_exchange *e)
{
    assert(e);
    return e->status;
}

bool
fo_http_resent(const fo_http_exchange *e)
{
    assert(e);
    return e->sends > 1;
}

int64_t
fo_http_length(const fo_http_exchange *e)
{
    assert(e);
    return e->length;
}

const char *
fo_http_header_value(const fo_http_exchange *e, const char *name)
{
    size_t at = 0;

    assert(e && name);

    while (at < e->head.len) {
        const char *have = e->head.data + at;
        const char *value = have + strlen(have) + 1;

        if (strcasecmp(have, name) == 0)
            return value;
        at = (size_t)(value - e->head.data) + strlen(value) + 1;
    }
    return NULL;
}

void
fo_http_each_header(const fo_http_exchange *e, const char *prefix,
                    void (*each)(const char *name, const char *value, void *arg), void *arg)
{
    size_t at = 0;

    assert(e && prefix && each);

    while (at < e->head.len) {
        const char *have = e->head.data + at;
        const char *value = have + strlen(have) + 1;

        if (fo_starts(have, prefix))
            each(have, value, arg);
        at = (size_t)(value - e->head.data) + strlen(value) + 1;
    }
}
