/*
 * Connections, which libcurl makes: names, proxies, TLS and what it trusts are its own. What goes over them
 * is ours, for libcurl takes three times as long over a small request as the kernel does.
 * https://curl.se/libcurl/c/CURLOPT_CONNECT_ONLY.html
 */
#include <assert.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "net/http_internal.h"

#define IDLE_US (100 * INT64_C(1000000)) /* older ones are not relied on: who routes forgets them */

void
fo_http_disconnect(fo_http_exchange *e)
{
    if (e->added)
        (void)curl_multi_remove_handle(e->multi, e->easy);
    e->added = e->kept = false;
    e->socket = CURL_SOCKET_BAD;
    e->in_at = e->in_n = 0;
}

/* Nothing may come on an idle connection but its end and what TLS has to say. */
static bool
is_alive(fo_http_exchange *e)
{
    struct pollfd p = { .fd = e->socket, .events = POLLIN };
    size_t n = 0;
    char byte;

    if (e->in_at < e->in_n || fo_clock_monotonic() - e->idle_us > IDLE_US)
        return false;
    return poll(&p, 1, 0) == 0 || curl_easy_recv(e->easy, &byte, 1, &n) == CURLE_AGAIN;
}

static bool
set_route(fo_http_exchange *e, const fo_http_request *request)
{
    const fo_http_client *c = e->client;
    int64_t connect_us = request->connect_us > 0 ? request->connect_us : c->connect_us;
    const char *origin = fo_starts(e->origin, "direct ") ? e->origin + strlen("direct ") : e->origin;
    int bad = 0;

    /* "" also keeps libcurl from looking at the environment. */
    bad |= curl_easy_setopt(e->easy, CURLOPT_PROXY, fo_http_proxied(c, request) ? c->proxy : "") != CURLE_OK;
    bad |= curl_easy_setopt(e->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_us / 1000)) != CURLE_OK;
    bad |= curl_easy_setopt(e->easy, CURLOPT_URL, origin) != CURLE_OK;
    return !bad;
}

static bool
is_connected(fo_http_exchange *e)
{
    CURLMsg *message;
    int left = 0;

    while ((message = curl_multi_info_read(e->multi, &left)) != NULL)
        if (message->msg == CURLMSG_DONE) {
            e->result = message->data.result;
            return true;
        }
    return false;
}

/* Until libcurl has come to an end, well or not. */
static finops_code
drive(fo_http_exchange *e, finops_error **err)
{
    for (;;) {
        int running = 0;
        int64_t wait = 0;
        CURLMcode mc = curl_multi_perform(e->multi, &running);
        finops_code rc;

        if (mc != CURLM_OK)
            return fo_http_stopped(e, FINOPS_E_INTERNAL, err, curl_multi_strerror(mc));
        if (is_connected(e))
            return FINOPS_OK;
        rc = fo_http_check(e, fo_clock_monotonic(), &wait, err);
        if (rc != FINOPS_OK)
            return rc;
        (void)curl_multi_poll(e->multi, NULL, 0, (int)((wait + 999) / 1000), NULL);
    }
}

static finops_code
add(fo_http_exchange *e, finops_error **err)
{
    CURLMcode mc = curl_multi_add_handle(e->multi, e->easy);

    e->added = mc == CURLM_OK;
    if (mc == CURLM_OUT_OF_MEMORY)
        return fo_error_oom(err);
    return mc == CURLM_OK ? FINOPS_OK : fo_http_stopped(e, FINOPS_E_INTERNAL, err, curl_multi_strerror(mc));
}

static void
count(fo_http_exchange *e)
{
    long n = 0;

    if (curl_easy_getinfo(e->easy, CURLINFO_NUM_CONNECTS, &n) == CURLE_OK && n > 0)
        atomic_fetch_add(&e->client->connections, (unsigned long long)n);
}

finops_code
fo_http_connect(fo_http_exchange *e, const fo_http_request *request, finops_error **err)
{
    finops_code rc;

    if (e->socket != CURL_SOCKET_BAD && !request->once && is_alive(e)) {
        e->kept = true;
        return FINOPS_OK;
    }
    fo_http_disconnect(e);
    if (!set_route(e, request))
        return fo_error_oom(err);
    rc = add(e, err);
    if (rc == FINOPS_OK)
        rc = drive(e, err);
    count(e);
    if (rc != FINOPS_OK)
        return rc;
    if (e->result != CURLE_OK)
        return fo_http_failure(e, err);
    if (curl_easy_getinfo(e->easy, CURLINFO_ACTIVESOCKET, &e->socket) != CURLE_OK ||
        e->socket == CURL_SOCKET_BAD)
        return fo_http_stopped(e, FINOPS_E_INTERNAL, err, "libcurl tells no socket");
    return FINOPS_OK;
}
