/*
 * HTTP over connections that libcurl makes.
 *
 * Each exchange is driven by the thread that uses it, in begin() until the head is there and in read() until
 * some bytes are: nobody else's transfer is touched, and a body that is not read is not received. Large
 * bodies go from the caller's memory and come into the reader's without a copy of ours.
 */
#include "net/http.h"

#include <assert.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_internal.h"
#include "resilience/deadline.h"

/* ---- waiting ---- */

finops_code
fo_http_stopped(fo_http_exchange *e, finops_code code, finops_error **err, const char *why)
{
    e->failed = true;
    return fo_error_set(err, code, "%s: %s", fo_str_z(&e->where), why);
}

finops_code
fo_http_check(fo_http_exchange *e, int64_t now, int64_t *ret_wait, finops_error **err)
{
    const finops_call *call = e->call;
    int64_t quiet = now - e->moved_us;
    int64_t wait = FO_HTTP_TICK_US;

    if (call && call->cancelled && call->cancelled(call->arg))
        return fo_http_stopped(e, FINOPS_E_CANCELLED, err, "cancelled");
    if (call && fo_deadline_passed(call->deadline_us, now))
        return fo_http_stopped(e, FINOPS_E_TIMEOUT, err, "not done before its deadline");
    if (call && fo_deadline_left(call->deadline_us, now) < wait)
        wait = fo_deadline_left(call->deadline_us, now);
    if (e->connected && quiet >= e->stall_us) {
        e->failed = true;
        return fo_error_set(err, FINOPS_E_TIMEOUT, "%s: no byte came or went for %.3g s", fo_str_z(&e->where),
                            (double)e->stall_us / 1e6);
    }
    if (e->connected && e->stall_us - quiet < wait)
        wait = e->stall_us - quiet;
    *ret_wait = wait;
    return FINOPS_OK;
}

static finops_code
wait_for(fo_http_exchange *e, short events, finops_error **err)
{
    struct pollfd p = { .fd = e->socket, .events = events };
    int64_t wait = 0;
    finops_code rc = fo_http_check(e, fo_clock_monotonic(), &wait, err);

    if (rc == FINOPS_OK)
        (void)poll(&p, 1, (int)((wait + 999) / 1000));
    return rc;
}

/* ---- bytes ---- */

/* CURLE_OK and 0 bytes at the end, CURLE_AGAIN when there are none yet. */
static CURLcode
receive(fo_http_exchange *e, char *buffer, size_t n, size_t *ret_n)
{
    CURLcode cc;

    *ret_n = 0;
    cc = curl_easy_recv(e->easy, buffer, n < FO_HTTP_RECEIVE_MAX ? n : FO_HTTP_RECEIVE_MAX, ret_n);
    if (cc == CURLE_OK && *ret_n > 0)
        e->moved_us = fo_clock_monotonic();
    return cc;
}

/* The same, behind what came before. */
static CURLcode
receive_more(fo_http_exchange *e, size_t *ret_n)
{
    CURLcode cc;

    *ret_n = 0;
    if (!fo_http_room(e))
        return CURLE_WRITE_ERROR;
    cc = receive(e, e->in + e->in_n, e->in_cap - e->in_n, ret_n);
    e->in_n += *ret_n;
    return cc;
}

static bool
all_sent(const fo_http_exchange *e)
{
    return e->text_at == e->text.len && e->body_at == e->body_size && e->piece_at == e->piece_n;
}

/* What is to go out next. False: the source failed. */
static bool
next_piece(fo_http_exchange *e, const char **ret, size_t *ret_n)
{
    if (e->text_at < e->text.len) {
        *ret = e->text.data + e->text_at;
        *ret_n = e->text.len - e->text_at;
    } else if (e->source.next) {
        if (e->piece_at == e->piece_n) {
            size_t left = e->body_size - e->body_at;

            e->piece_at = e->piece_n = 0;
            left = e->source.next(e->source.arg, e->piece, left < FO_HTTP_BUFFER ? left : FO_HTTP_BUFFER);
            if (left == FO_HTTP_SOURCE_FAILED || left == 0)
                return false;
            e->piece_n = left;
            e->body_at += left;
        }
        *ret = e->piece + e->piece_at;
        *ret_n = e->piece_n - e->piece_at;
    } else {
        *ret = e->body + e->body_at;
        *ret_n = e->body_size - e->body_at;
    }
    return true;
}

static void
sent(fo_http_exchange *e, size_t n)
{
    if (e->text_at < e->text.len)
        e->text_at += n;
    else if (e->source.next)
        e->piece_at += n;
    else
        e->body_at += n;
    e->moved_us = fo_clock_monotonic();
}

/* As much as the connection takes now: CURLE_AGAIN when that is not all. OpenSSL tells of nothing before all
 * that it was given is out: it is given little, so that what is slow is not taken for a stall. */
static CURLcode
send_some(fo_http_exchange *e)
{
    while (!all_sent(e)) {
        const char *data = NULL;
        size_t n = 0, done = 0;
        CURLcode cc;

        if (!next_piece(e, &data, &n))
            return CURLE_ABORTED_BY_CALLBACK;
        if (e->tls && n > FO_HTTP_BUFFER)
            n = FO_HTTP_BUFFER;
        cc = curl_easy_send(e->easy, data, n, &done);
        if (cc != CURLE_OK)
            return cc;
        sent(e, done);
    }
    return CURLE_OK;
}

/* ---- begin ---- */

/* Some of the head. A connection that broke while we sent may still have brought an answer. */
static finops_code
receive_head(fo_http_exchange *e, CURLcode sending, finops_error **err)
{
    size_t n = 0;
    CURLcode cc = receive_more(e, &n);

    if (cc == CURLE_AGAIN && (sending == CURLE_OK || sending == CURLE_AGAIN))
        return FINOPS_OK;
    if (cc == CURLE_OK && n > 0) {
        if (!fo_http_take_head(e))
            return fo_http_failure(e, err);
        e->keep = e->keep && all_sent(e);
        return FINOPS_OK;
    }
    if (cc == CURLE_OK)
        (void)fo_http_ended(e);
    else
        e->result = cc == CURLE_AGAIN ? sending : cc;
    return fo_http_failure(e, err);
}

/* Sends the request and receives the head. */
static finops_code
talk(fo_http_exchange *e, finops_error **err)
{
    CURLcode sending = CURLE_AGAIN;

    e->connected = true;
    e->sends++;
    e->moved_us = fo_clock_monotonic();
    while (!e->head_done) {
        finops_code rc = FINOPS_OK;

        if (sending == CURLE_AGAIN)
            sending = send_some(e);
        if (sending == CURLE_ABORTED_BY_CALLBACK) {
            e->result = sending;
            return fo_http_failure(e, err);
        }
        if (sending == CURLE_OK || sending == CURLE_AGAIN)
            rc = wait_for(e, sending == CURLE_AGAIN ? POLLIN | POLLOUT : POLLIN, err);
        if (rc == FINOPS_OK)
            rc = receive_head(e, sending, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

/* A kept connection that breaks off before an answer was perhaps closed before we asked: once more. */
static bool
begin_again(fo_http_exchange *e)
{
    if (!e->kept || e->once || e->in_n > 0 || e->head_came > 0 ||
        (e->result != CURLE_GOT_NOTHING && e->result != CURLE_RECV_ERROR && e->result != CURLE_SEND_ERROR))
        return false;
    if (e->source.next && (e->body_at > 0 || e->piece_n > 0) && !e->source.restart(e->source.arg))
        return false;
    fo_http_disconnect(e);
    e->text_at = e->body_at = e->piece_at = e->piece_n = 0;
    e->failed = e->connected = false;
    e->result = CURLE_OK;
    e->problem[0] = '\0';
    return true;
}

static finops_code
exchange_start(fo_http_exchange *e, const fo_http_request *request, finops_error **err)
{
    int64_t wait;
    finops_code rc = fo_http_prepare(e, request, err);

    if (rc == FINOPS_OK)
        rc = fo_http_check(e, fo_clock_monotonic(), &wait, err);
    for (bool again = true; again && rc == FINOPS_OK;) {
        finops_error *why = NULL;

        rc = fo_http_connect(e, request, err);
        if (rc != FINOPS_OK)
            return rc;
        rc = talk(e, &why);
        again = rc == FINOPS_E_TRANSIENT && begin_again(e);
        if (again) {
            finops_error_free(why);
            rc = FINOPS_OK;
        } else if (err)
            *err = why;
        else
            finops_error_free(why);
    }
    return rc;
}

finops_code
fo_http_begin(fo_http_client *client, const fo_http_request *request, fo_http_exchange **ret,
              finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    finops_code rc;

    assert(client && request && request->method && request->url && ret);

    rc = fo_http_acquire(client, request, &e, err);
    if (rc == FINOPS_OK)
        rc = exchange_start(e, request, err);
    if (rc != FINOPS_OK) {
        if (e)
            e->failed = true;
        return rc;
    }
    *ret = FO_TAKE(e);
    return FINOPS_OK;
}

/* ---- the body ---- */

/* What is there of the body, without waiting: CURLE_AGAIN when there is nothing yet. */
static CURLcode
body_some(fo_http_exchange *e, char *buffer, size_t n, size_t *ret_n)
{
    size_t came = 0, plain;
    CURLcode cc;

    for (;;) {
        if (!fo_http_take_body(e, buffer, n, ret_n))
            return e->result;
        if (*ret_n > 0 || e->done)
            return CURLE_OK;
        plain = fo_http_plain(e, n);
        cc = plain > 0 ? receive(e, buffer, plain, &came) : receive_more(e, &came);
        if (cc == CURLE_OK && came == 0)
            return fo_http_ended(e) ? CURLE_OK : e->result;
        if (cc != CURLE_OK)
            return cc;
        if (plain > 0) {
            fo_http_took(e, came);
            *ret_n = came;
            return CURLE_OK;
        }
    }
}

finops_code
fo_http_read(fo_http_exchange *e, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    size_t got = 0;
    finops_code rc = FINOPS_OK;
    CURLcode cc = CURLE_AGAIN;
    int64_t wait;

    assert(e && buffer && n > 0 && ret_n);

    if (e->failed)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "%s: the response broke off before",
                            fo_str_z(&e->where));
    if (!e->done && e->in_at == e->in_n) {
        e->moved_us = fo_clock_monotonic(); /* the reader's own pause is no stall */
        rc = fo_http_check(e, e->moved_us, &wait, err);
    }
    while (rc == FINOPS_OK && (cc = body_some(e, buffer, n, &got)) == CURLE_AGAIN)
        rc = wait_for(e, POLLIN, err);
    if (rc != FINOPS_OK)
        return rc;
    if (cc != CURLE_OK) {
        e->result = cc;
        return fo_http_failure(e, err);
    }
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
            return fo_error_wrap(err, ret->too_long ? FINOPS_E_DATA : FINOPS_E_MEMORY, "%s",
                                 fo_str_z(&e->where));
        }
    } while (n > 0);
    return FINOPS_OK;
}

/* ---- the end ---- */

/* Reads away what is left when that is little and does not take long: cheaper than a new connection. */
static void
drain(fo_http_exchange *e)
{
    int64_t until = fo_clock_monotonic() + FO_HTTP_TICK_US;
    size_t drained = 0, n = 0;
    char buffer[4096];

    if (!e->keep || (e->framing == FO_HTTP_LENGTH && e->left > (int64_t)FO_HTTP_DRAIN_MAX))
        return;
    if (e->call && e->call->cancelled && e->call->cancelled(e->call->arg))
        return;
    while (!e->done && drained <= FO_HTTP_DRAIN_MAX) {
        struct pollfd p = { .fd = e->socket, .events = POLLIN };
        CURLcode cc = body_some(e, buffer, sizeof(buffer), &n);
        int64_t left = until - fo_clock_monotonic();

        drained += n;
        if ((cc != CURLE_OK && cc != CURLE_AGAIN) || left <= 0)
            break;
        if (cc == CURLE_AGAIN)
            (void)poll(&p, 1, (int)((left + 999) / 1000));
    }
}

void
fo_http_end(fo_http_exchange *e)
{
    if (!e)
        return;
    if (!e->done && !e->failed && e->head_done)
        drain(e);
    if (e->done && !e->failed && e->keep && e->result == CURLE_OK)
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
