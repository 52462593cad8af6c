/* A response, from the bytes that came: its head, line by line, and how its body ends.
 * https://www.rfc-editor.org/rfc/rfc9112 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/http_internal.h"

#define LINE_MAX_CHUNK 4096 /* bytes of the line before a chunk */

/* ---- what came ---- */

bool
fo_http_room(fo_http_exchange *e)
{
    size_t want = e->in_cap ? e->in_cap * 2 : FO_HTTP_BUFFER;

    if (e->in_at == e->in_n)
        e->in_at = e->in_n = 0;
    if (e->in_n < e->in_cap)
        return true;
    if (e->in_at > 0) {
        memmove(e->in, e->in + e->in_at, e->in_n - e->in_at);
        e->in_n -= e->in_at;
        e->in_at = 0;
        return true;
    }
    if (e->in_cap >= FO_HTTP_HEAD_MAX) {
        e->head_too_long = true;
        return false;
    }
    return fo_grow((void **)&e->in, &e->in_cap, want, 1);
}

/* The next whole line, without its end; false: more must come. */
static bool
next_line(fo_http_exchange *e, char **ret, size_t *ret_n)
{
    char *line = e->in + e->in_at;
    const char *end = e->in_n > e->in_at ? memchr(line, '\n', e->in_n - e->in_at) : NULL;
    size_t n;

    if (!end)
        return false;
    n = (size_t)(end - line);
    e->in_at += n + 1;
    while (n > 0 && line[n - 1] == '\r')
        n--;
    *ret = line;
    *ret_n = n;
    return true;
}

static bool
broken(fo_http_exchange *e, CURLcode result, const char *why)
{
    e->result = result;
    (void)snprintf(e->problem, sizeof(e->problem), "%s", why);
    return false;
}

/* ---- the head ---- */

/* "HTTP/1.1 200 OK": a response begins; one that was before it (100 Continue) is forgotten. */
static void
status_line(fo_http_exchange *e, const char *line, size_t n)
{
    const char *blank = memchr(line, ' ', n);

    fo_str_clear(&e->head);
    e->status = 0;
    e->length = -1;
    e->keep = n >= 8 && memcmp(line, "HTTP/1.0", 8) != 0;
    for (size_t i = blank ? (size_t)(blank - line) + 1 : n; i < n && fo_is_digit(line[i]); i++)
        if (e->status < 1000)
            e->status = e->status * 10 + (line[i] - '0');
}

static void
header_line(fo_http_exchange *e, char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    size_t name, value;

    if (!colon || memchr(line, '\0', n))
        return;
    name = (size_t)(colon - line);
    for (size_t i = 0; i < name; i++)
        line[i] = fo_lower(line[i]);
    value = name + 1;
    while (value < n && (line[value] == ' ' || line[value] == '\t'))
        value++;
    while (n > value && (line[n - 1] == ' ' || line[n - 1] == '\t'))
        n--;
    fo_str_addn(&e->head, line, name);
    fo_str_addc(&e->head, '\0');
    fo_str_addn(&e->head, line + value, n - value);
    fo_str_addc(&e->head, '\0');
}

/* Whether one of the words of a list, "a, b", is this one. */
static bool
has_word(const char *list, const char *word)
{
    size_t n = strlen(word);

    while (list && *list) {
        list += strspn(list, ", \t");
        if (strncasecmp(list, word, n) == 0 && strchr(", \t;", list[n]))
            return true;
        list += strcspn(list, ",");
    }
    return false;
}

typedef struct lengths {
    const char *first;
    bool differ;
} lengths;

static void
each_length(const char *name, const char *value, void *arg)
{
    lengths *l = arg;

    if (strcmp(name, "content-length") != 0)
        return;
    if (!l->first)
        l->first = value;
    l->differ = l->differ || strcmp(l->first, value) != 0;
}

static bool
frame_by_length(fo_http_exchange *e)
{
    unsigned long long v = 0;
    lengths l = { 0 };

    fo_http_each_header(e, "content-length", each_length, &l);
    if (l.first && (l.differ || !fo_parse_u64(l.first, &v) || v > INT64_MAX))
        return broken(e, CURLE_WEIRD_SERVER_REPLY, "the response has no length that can be");
    if (l.first)
        e->length = (int64_t)v;
    e->framing = l.first ? FO_HTTP_LENGTH : FO_HTTP_UNTIL_CLOSE;
    e->left = e->length;
    return true;
}

/* How the body ends: RFC 9112, 6.3. */
static bool
frame(fo_http_exchange *e)
{
    const char *coding = fo_http_header_value(e, "transfer-encoding");
    const char *connection = fo_http_header_value(e, "connection");

    if (!e->keep)
        e->keep = has_word(connection, "keep-alive");
    if (has_word(connection, "close"))
        e->keep = false;
    if (coding && !e->head_only && has_word(coding, "chunked")) {
        e->framing = FO_HTTP_CHUNKED;
        e->chunk = FO_HTTP_CHUNK_SIZE;
    } else if (!frame_by_length(e))
        return false;
    if (e->head_only || e->status == 204 || e->status == 304 || e->status < 200)
        e->framing = FO_HTTP_NO_BODY;
    if (e->framing == FO_HTTP_UNTIL_CLOSE)
        e->keep = false;
    e->done = e->framing == FO_HTTP_NO_BODY || (e->framing == FO_HTTP_LENGTH && e->left == 0);
    e->head_done = true;
    return true;
}

bool
fo_http_take_head(fo_http_exchange *e)
{
    char *line;
    size_t n;

    while (!e->head_done && next_line(e, &line, &n)) {
        e->head_came += n + 1;
        e->head_too_long = e->head_came > FO_HTTP_HEAD_MAX;
        if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
            status_line(e, line, n);
        else if (e->status == 0)
            return broken(e, CURLE_WEIRD_SERVER_REPLY, "what came is no HTTP");
        else if (n > 0)
            header_line(e, line, n);
        else if ((e->status >= 200 || e->status == 101) && !frame(e))
            return false;
        if (!fo_str_ok(&e->head) || e->head_too_long) {
            e->head_too_long = e->head_too_long || e->head.too_long;
            e->result = CURLE_WRITE_ERROR;
            return false;
        }
    }
    return true;
}

/* ---- the body ---- */

static bool
chunk_size(fo_http_exchange *e, const char *line, size_t n)
{
    uint64_t v = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        char c = fo_lower(line[i]);
        int digit = fo_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (digit < 0)
            break;
        if (v > (uint64_t)INT64_MAX >> 8)
            return broken(e, CURLE_RECV_ERROR, "a chunk of the response has no size that can be");
        v = v * 16 + (unsigned)digit;
    }
    if (i == 0 || (i < n && !strchr("; \t", line[i])))
        return broken(e, CURLE_RECV_ERROR, "a chunk of the response has no size that can be");
    e->left = (int64_t)v;
    e->chunk = v > 0 ? FO_HTTP_CHUNK_DATA : FO_HTTP_TRAILER;
    return true;
}

/* What stands between the bytes of two chunks. False: e->result, or more must come. */
static bool
between_chunks(fo_http_exchange *e)
{
    char *line;
    size_t n;

    while (!e->done && e->chunk != FO_HTTP_CHUNK_DATA) {
        if (!next_line(e, &line, &n)) {
            if (e->in_n - e->in_at > LINE_MAX_CHUNK)
                (void)broken(e, CURLE_RECV_ERROR, "a chunk of the response does not begin");
            return false;
        }
        if (e->chunk == FO_HTTP_CHUNK_SIZE) {
            if (!chunk_size(e, line, n))
                return false;
        } else if (e->chunk == FO_HTTP_CHUNK_END) {
            if (n > 0)
                return broken(e, CURLE_RECV_ERROR, "a chunk of the response does not end");
            e->chunk = FO_HTTP_CHUNK_SIZE;
        } else {
            e->head_came += n + 1;
            if (e->head_came > FO_HTTP_HEAD_MAX)
                return broken(e, CURLE_RECV_ERROR, "what follows the response does not end");
            e->done = n == 0;
        }
    }
    return true;
}

void
fo_http_took(fo_http_exchange *e, size_t n)
{
    if (e->framing == FO_HTTP_UNTIL_CLOSE)
        return;
    e->left -= (int64_t)n;
    if (e->left > 0)
        return;
    if (e->framing == FO_HTTP_CHUNKED)
        e->chunk = FO_HTTP_CHUNK_END;
    else
        e->done = true;
}

size_t
fo_http_plain(const fo_http_exchange *e, size_t n)
{
    if (e->done || e->in_at < e->in_n || (e->framing == FO_HTTP_CHUNKED && e->chunk != FO_HTTP_CHUNK_DATA))
        return 0;
    if (e->framing != FO_HTTP_UNTIL_CLOSE && e->left < (int64_t)n)
        return (size_t)e->left;
    return n;
}

bool
fo_http_take_body(fo_http_exchange *e, char *buffer, size_t n, size_t *ret_n)
{
    size_t take = 0;

    *ret_n = 0;
    if (e->framing == FO_HTTP_CHUNKED && !between_chunks(e))
        return e->result == CURLE_OK;
    if (e->done)
        return true;
    take = e->in_n - e->in_at;
    if (take > n)
        take = n;
    if (e->framing != FO_HTTP_UNTIL_CLOSE && (int64_t)take > e->left)
        take = (size_t)e->left;
    if (take == 0)
        return true;
    memcpy(buffer, e->in + e->in_at, take);
    e->in_at += take;
    fo_http_took(e, take);
    *ret_n = take;
    return true;
}

bool
fo_http_ended(fo_http_exchange *e)
{
    if (e->head_done && e->framing == FO_HTTP_UNTIL_CLOSE)
        return e->done = true;
    e->result = e->head_done ? CURLE_PARTIAL_FILE : e->head_came > 0 ? CURLE_RECV_ERROR : CURLE_GOT_NOTHING;
    if (e->head_done && e->framing == FO_HTTP_LENGTH)
        (void)snprintf(e->problem, sizeof(e->problem), "transfer closed with %lld bytes remaining to read",
                       (long long)e->left);
    else if (e->head_done)
        (void)snprintf(e->problem, sizeof(e->problem), "transfer closed before the last chunk");
    else
        (void)snprintf(e->problem, sizeof(e->problem), "the connection was closed before the response");
    return false;
}

/* ---- what others ask ---- */

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
        size_t n = strlen(have);
        const char *value = have + n + 1;

        if (*have == fo_lower(*name) && strcasecmp(have, name) == 0)
            return value;
        at += n + 1 + strlen(value) + 1;
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
