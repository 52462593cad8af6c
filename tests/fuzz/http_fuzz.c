/*
 * What a server says. The first byte picks: a whole response, in pieces of so many bytes as it says, and what
 * drivers take out of its head; or a time and a Retry-After.
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
look_at_head(const fo_http_exchange *e)
{
    must(e->status >= 0 && e->status < 10000 && fo_http_length(e) >= -1);
    must(fo_http_retry_after(e) >= -1);
    read_object(e, &azure_spelling);
    read_object(e, &gcs_spelling);
}

/* All that can be taken of the body now; false: it is broken. */
static bool
take_body(fo_http_exchange *e, size_t *taken)
{
    char buffer[13];
    size_t n = 1;

    while (n > 0) {
        must(fo_http_plain(e, sizeof(buffer)) <= sizeof(buffer));
        if (!fo_http_take_body(e, buffer, sizeof(buffer), &n)) {
            must(e->result != CURLE_OK);
            return false;
        }
        must(n <= sizeof(buffer));
        *taken += n;
        must(e->framing != FO_HTTP_LENGTH || e->length == (int64_t)*taken + e->left);
    }
    return true;
}

static void
exchange_done(fo_http_exchange *e)
{
    fo_str_done(&e->head);
    fo_free(e->in);
}

static void
read_response(const char *p, size_t n, size_t piece, bool head_only)
{
    FO_AUTO(exchange_done)
    fo_http_exchange e = { .head = FO_STR_MAX(4096), .length = -1, .head_only = head_only };
    size_t taken = 0, all = n;

    while (n > 0 && !e.done) {
        size_t len = n < piece ? n : piece;

        if (!fo_http_room(&e))
            return;
        must(e.in_n < e.in_cap && e.in_at <= e.in_n);
        if (len > e.in_cap - e.in_n)
            len = e.in_cap - e.in_n;
        memcpy(e.in + e.in_n, p, len);
        e.in_n += len;
        p += len;
        n -= len;
        if (!e.head_done && !fo_http_take_head(&e)) {
            must(e.result != CURLE_OK);
            return;
        }
        if (e.head_done && !take_body(&e, &taken))
            return;
    }
    if (e.head_done)
        look_at_head(&e);
    must(taken <= all);
    if (!e.done && !fo_http_ended(&e))
        must(e.result != CURLE_OK && e.problem[0]);
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
        read_response((const char *)data + 1, size - 1, (size_t)(data[0] >> 2) * 3 + 1, data[0] & 2);
        return 0;
    }
    text = fo_strndup((const char *)data + 1, size - 1);
    if (text)
        read_time(text);
    fo_free(text);
    return 0;
}
