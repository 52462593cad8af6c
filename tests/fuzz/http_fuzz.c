/*
 * What a server says before the body. The first byte picks: a head, line by line as libcurl hands it over,
 * and what drivers take out of it; or a time and a Retry-After.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_internal.h"
#include "storage/azure/azure_internal.h"
#include "storage/gcs/gcs_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool truth)
{
    if (!truth)
        abort();
}

static void
read_object(const fo_http_exchange *e, const fo_http_spelling *spelling)
{
    fo_http_object o = { 0 };

    if (fo_http_object_make(e, "key", spelling, &o, NULL) != FINOPS_OK)
        return;
    must(o.object.size >= -1);
    for (size_t i = 0; i < o.object.n_metadata; i++)
        must(o.object.metadata[i].name && o.object.metadata[i].value);
    fo_http_object_done(&o);
}

static void
read_head(const char *p, size_t n)
{
    fo_http_exchange e = { .head = FO_STR_MAX(4096), .length = -1 };
    FO_AUTO(fo_freep) char *line = fo_alloc(n + 1);

    while (n > 0 && line) {
        const char *end = memchr(p, '\n', n);
        size_t len = end ? (size_t)(end - p) + 1 : n, taken;

        memcpy(line, p, len); /* libcurl's buffer, which is nobody's but the line's */
        taken = fo_http_on_header(line, 1, len, &e);
        must(taken == len || (taken == 0 && !fo_str_ok(&e.head)));
        if (taken == 0)
            break;
        p += len;
        n -= len;
    }
    if (fo_str_ok(&e.head)) {
        must(e.status >= 0 && e.status < 10000 && fo_http_length(&e) >= -1);
        must(fo_http_retry_after(&e) >= -1);
        read_object(&e, &azure_spelling);
        read_object(&e, &gcs_spelling);
    }
    fo_str_done(&e.head);
}

static void
read_time(const char *text)
{
    int64_t when = 0, after = fo_http_retry_after_parse(text);
    fo_civil c;

    must(after >= -1);
    if (!fo_http_date_parse(text, &when))
        return;
    fo_civil_from_micros(when, &c);
    must(c.year >= 0 && c.year <= 9999 && c.micro == 0 && fo_micros_from_civil(&c) == when);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0)
        return 0;
    fo_clock_fix(INT64_C(1700000000000000));
    if (data[0] & 1) {
        read_head((const char *)data + 1, size - 1);
        return 0;
    }
    text = fo_strndup((const char *)data + 1, size - 1);
    if (text)
        read_time(text);
    fo_free(text);
    return 0;
}
