/*
 * HTTP over libcurl.
 *
 * Each exchange has a multi handle of its own and is driven by the thread that uses it, in begin() until the
 * head is there and in read() until some bytes are: nobody else's transfer is touched, and a body that is not
 * read is not received. https://curl.se/libcurl/c/libcurl-multi.html
 */
#include "net/http.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_internal.h"
#include "resilience/deadline.h"

/* ---- driving ---- */

static finops_code
exchange_stopped(fo_http_exchange *e, finops_code code, finops_error **err, const char *why)
{
    e->failed = true;
    return fo_error_set(err, code, "%s: %s", e->where, why);
}

/* The call's limits and the clock of the stall. *ret_wait: how long may be waited. */
static finops_code
exchange_check(fo_http_exchange *e, int64_t now, int64_t *ret_wait, finops_error **err)
{
    const finops_call *call = e->call;
    int64_t quiet = now - e->moved_us;
    int64_t wait = FO_HTTP_TICK_US;

    if (call && call->cancelled && call->cancelled(call->arg))
        return exchange_stopped(e, FINOPS_E_CANCELLED, err, "cancelled");
    if (call && fo_deadline_passed(call->deadline_us, now))
        return exchange_stopped(e, FINOPS_E_TIMEOUT, err, "not done before its deadline");
    if (call && fo_deadline_left(call->deadline_us, now) < wait)
        wait = fo_deadline_left(call->deadline_us, now);
    if (e->connected && quiet >= e->stall_us) {
        e->failed = true;
        return fo_error_set(err, FINOPS_E_TIMEOUT, "%s: no byte came or went for %.3g s", e->where,
                            (double)e->stall_us / 1e6);
    }
    if (e->connected && e->stall_us - quiet < wait)
        wait = e->stall_us - quiet;
    *ret_wait = wait;
    return FINOPS_OK;
}

/* What libcurl can do now, without waiting. */
static finops_code
exchange_perform(fo_http_exchange *e, finops_error **err)
{
    int running = 0, left = 0;
    CURLMcode mc = curl_multi_perform(e->multi, &running);
    curl_off_t sent = 0;
    CURLMsg *message;

    if (mc != CURLM_OK)
        return exchange_stopped(e, FINOPS_E_INTERNAL, err, curl_multi_strerror(mc));
    while ((message = curl_multi_info_read(e->multi, &left)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            e->done = true;
            e->result = message->data.result;
        }
    }
    if (!e->head_done && curl_easy_getinfo(e->easy, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK &&
        sent != e->sent) {
        e->sent = sent;
        e->moved_us = fo_clock_monotonic();
    }
    return FINOPS_OK;
}

typedef bool (*exchange_until)(const fo_http_exchange *e);

/* Goes on until the condition holds or the transfer is over. */
static finops_code
exchange_drive(fo_http_exchange *e, exchange_until until, finops_error **err)
{
    for (;;) {
        finops_code rc = exchange_perform(e, err);
        int64_t wait = 0;

        if (rc != FINOPS_OK || e->done || until(e))
            return rc;
        rc = exchange_check(e, fo_clock_monotonic(), &wait, err);
        if (rc != FINOPS_OK)
            return rc;
        (void)curl_multi_poll(e->multi, NULL, 0, (int)((wait + 999) / 1000), NULL);
    }
}

static bool
has_head(const fo_http_exchange *e)
{
    return e->head_done;
}

static bool
has_bytes(const fo_http_exchange *e)
{
    return e->out_len > 0;
}

/* ---- begin ---- */

static finops_code
exchange_start(fo_http_exchange *e, const fo_http_request *request, finops_error **err)
{
    int64_t wait;
    finops_code rc = fo_http_prepare(e, request, err);
    CURLMcode mc;

    if (rc == FINOPS_OK)
        rc = exchange_check(e, fo_clock_monotonic(), &wait, err);
    if (rc != FINOPS_OK)
        return rc;
    mc = curl_multi_add_handle(e->multi, e->easy);
    if (mc == CURLM_OUT_OF_MEMORY)
        return fo_error_oom(err);
    if (mc != CURLM_OK)
        return exchange_stopped(e, FINOPS_E_INTERNAL, err, curl_multi_strerror(mc));
    e->added = true;
    return exchange_drive(e, has_head, err);
}

static void
count_connections(fo_http_exchange *e)
{
    long n = 0;

    if (curl_easy_getinfo(e->easy, CURLINFO_NUM_CONNECTS, &n) == CURLE_OK && n > 0)
        atomic_fetch_add(&e->client->connections, (unsigned long long)n);
}

finops_code
fo_http_begin(fo_http_client *client, const fo_http_request *request, fo_http_exchange **ret,
              finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    char *origin = NULL;
    finops_code rc;

    assert(client && request && request->method && request->url && ret);

    rc = fo_http_origin(request, &origin, err);
    if (rc == FINOPS_OK)
        rc = fo_http_acquire(client, origin, &e, err);
    if (rc != FINOPS_OK)
        return rc;

    rc = exchange_start(e, request, err);
    count_connections(e);
    if (rc != FINOPS_OK) {
        e->failed = true;
        return rc;
    }
    if (!e->head_done)
        return fo_http_failure(e, err);
    *ret = FO_TAKE(e);
    return FINOPS_OK;
}

/* ---- the body ---- */

/* What came before the reader asked for it. */
static size_t
take_kept(fo_http_exchange *e, void *buffer, size_t n)
{
    size_t take = e->kept_len - e->kept_at;

    if (take == 0)
        return 0;
    if (take > n)
        take = n;
    memcpy(buffer, e->kept + e->kept_at, take);
    e->kept_at += take;
    if (e->kept_at == e->kept_len)
        e->kept_at = e->kept_len = 0;
    return take;
}

static finops_code
unpause(fo_http_exchange *e, finops_error **err)
{
    CURLcode cc;

    if (!e->paused)
        return FINOPS_OK;
    e->paused = false;
    cc = curl_easy_pause(e->easy, CURLPAUSE_CONT);
    if (cc == CURLE_OK)
        return FINOPS_OK;
    e->result = cc;
    return fo_http_failure(e, err);
}

/* Some bytes into the buffer, from the connection. */
static finops_code
receive(fo_http_exchange *e, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    finops_code rc;

    e->out = buffer;
    e->out_n = n;
    e->out_len = 0;
    e->moved_us = fo_clock_monotonic(); /* the reader's own pause is no stall */
    rc = unpause(e, err);
    if (rc == FINOPS_OK && e->out_len == 0 && !e->done)
        rc = exchange_drive(e, has_bytes, err);
    if (e->out_len > 0 || rc == FINOPS_OK)
        *ret_n = e->out_len;
    e->out = NULL;
    e->out_n = e->out_len = 0;
    return rc;
}

finops_code
fo_http_read(fo_http_exchange *e, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    int64_t wait;
    size_t got = 0;
    finops_code rc;

    assert(e && buffer && n > 0 && ret_n);

    if (e->failed)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "%s: the response broke off before", e->where);
    got = take_kept(e, buffer, n);
    if (got == 0 && !e->done) {
        rc = exchange_check(e, e->moved_us, &wait, err);
        if (rc == FINOPS_OK)
            rc = receive(e, buffer, n, &got, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    if (got == 0 && e->result != CURLE_OK)
        return fo_http_failure(e, err);
    *ret_n = got;
    return FINOPS_OK;
}

finops_code
fo_http_body(fo_http_exchange *e, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *buffer = fo_alloc(FO_HTTP_BUFFER);
    size_t n = 0;

    assert(e && ret);

    if (!buffer)
        return fo_error_oom(err);
    do {
        finops_code rc = fo_http_read(e, buffer, FO_HTTP_BUFFER, &n, err);

        if (rc != FINOPS_OK)
            return rc;
        fo_str_addn(ret, buffer, n);
        if (!fo_str_ok(ret)) {
            (void)fo_str_check(ret, err);
            return fo_error_wrap(err, ret->too_long ? FINOPS_E_DATA : FINOPS_E_MEMORY, "%s", e->where);
        }
    } while (n > 0);
    return FINOPS_OK;
}

/* ---- the end ---- */

/* Reads away what is left when that is little and does not take long: cheaper than a new connection. */
static void
drain(fo_http_exchange *e)
{
    char *buffer;
    int64_t until = fo_clock_monotonic() + FO_HTTP_TICK_US;

    if (e->length - e->received > (int64_t)FO_HTTP_DRAIN_MAX || (e->call && e->call->cancelled))
        if (e->length - e->received > (int64_t)FO_HTTP_DRAIN_MAX || e->call->cancelled(e->call->arg))
            return;
    buffer = fo_alloc(FO_HTTP_DRAIN_MAX);
    e->kept_at = e->kept_len = 0;
    e->out = buffer;
    e->out_n = buffer ? FO_HTTP_DRAIN_MAX : 0;
    e->out_len = 0;
    if (buffer && unpause(e, NULL) == FINOPS_OK) {
        while (exchange_perform(e, NULL) == FINOPS_OK && !e->done && e->kept_len == 0) {
            int64_t left = until - fo_clock_monotonic();

            if (left <= 0)
                break;
            (void)curl_multi_poll(e->multi, NULL, 0, (int)((left + 999) / 1000), NULL);
        }
    }
    e->out = NULL;
    e->out_n = e->out_len = 0; /* the exchange is used again */
    fo_free(buffer);
}

void
fo_http_end(fo_http_exchange *e)
{
    bool keep;

    if (!e)
        return;
    if (e->added && !e->done && !e->failed && e->head_done)
        drain(e);
    keep = e->done && !e->failed && e->result == CURLE_OK;
    if (e->added)
        (void)curl_multi_remove_handle(e->multi, e->easy);
    e->added = false;
    if (keep)
        fo_http_release(e);
    else
        fo_http_exchange_free(e);
}

void
fo_http_endp(fo_http_exchange **exchange)
{
    fo_http_end(*exchange);
    *exchange = NULL;
}
