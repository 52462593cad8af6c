/*
 * The client and the connections it keeps. Who asks for one gets that of its host used last: as many are open
 * as were in use at once, and those that are not needed any more grow old and go.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/http_internal.h"

#define CONNECT_US 10000000
#define STALL_US 30000000
#define IDLE_MAX 64

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void
curl_start(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void
share_lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *arg)
{
    fo_http_client *client = arg;

    (void)easy;
    (void)access;
    (void)pthread_mutex_lock(&client->share_locks[data]);
}

static void
share_unlock(CURL *easy, curl_lock_data data, void *arg)
{
    fo_http_client *client = arg;

    (void)easy;
    (void)pthread_mutex_unlock(&client->share_locks[data]);
}

static bool
share_new(fo_http_client *c)
{
    c->share = curl_share_init();
    return c->share && curl_share_setopt(c->share, CURLSHOPT_LOCKFUNC, share_lock) == CURLSHE_OK &&
           curl_share_setopt(c->share, CURLSHOPT_UNLOCKFUNC, share_unlock) == CURLSHE_OK &&
           curl_share_setopt(c->share, CURLSHOPT_USERDATA, c) == CURLSHE_OK &&
           curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS) == CURLSHE_OK &&
           curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK;
}

/* NULL and "" are the same: none. False: no memory. */
static bool
option_copy(char **ret, const char *text)
{
    *ret = text && *text ? fo_strdup(text) : NULL;
    return *ret || !text || !*text;
}

/* A proxy of plain HTTP is told its user and password by us: "http://user:password@host". */
static bool
set_proxy_auth(fo_http_client *c)
{
    const char *begin = c->proxy ? strstr(c->proxy, "://") : NULL;
    const char *from = begin ? begin + strlen("://") : c->proxy;
    const char *host = from ? memrchr(from, '@', strcspn(from, "/?#")) : NULL;
    const char *colon = host ? memchr(from, ':', (size_t)(host - from)) : NULL;
    const char *user_end = colon ? colon : host;
    FO_AUTO(fo_str_done) fo_str plain = FO_STR_INIT;
    fo_str text = FO_STR_INIT;

    if (!host)
        return true;
    if (!fo_url_unescape(&plain, from, (size_t)(user_end - from)))
        return true; /* libcurl says what is wrong with it */
    fo_str_addc(&plain, ':');
    if (colon && !fo_url_unescape(&plain, colon + 1, (size_t)(host - colon - 1)))
        return true;
    fo_str_add(&text, "Basic ");
    fo_base64(&text, fo_str_z(&plain), plain.len);
    c->proxy_auth = fo_str_ok(&plain) ? fo_str_take(&text) : NULL;
    fo_str_done(&text);
    return c->proxy_auth != NULL;
}

finops_code
fo_http_client_new(const fo_http_options *options, fo_http_client **ret, finops_error **err)
{
    static const fo_http_options none;
    const fo_http_options *o = options ? options : &none;
    fo_http_client *c;

    assert(ret);

    (void)pthread_once(&curl_once, curl_start);
    if (curl_ready != CURLE_OK)
        return fo_error_set(err, FINOPS_E_INTERNAL, "libcurl: %s", curl_easy_strerror(curl_ready));
    c = fo_zalloc(sizeof(*c));
    if (!c)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&c->lock, NULL);
    for (size_t i = 0; i < FO_COUNT(c->share_locks); i++)
        (void)pthread_mutex_init(&c->share_locks[i], NULL);
    c->connect_us = o->connect_us > 0 ? o->connect_us : CONNECT_US;
    c->stall_us = o->stall_us > 0 ? o->stall_us : STALL_US;
    c->where_from = o->where ? o->where : "its host and port";
    c->idle_max = o->idle_max > 0 ? o->idle_max : IDLE_MAX;
    if (!option_copy(&c->proxy, o->proxy) || !option_copy(&c->no_proxy, o->no_proxy) ||
        !option_copy(&c->ca_file, o->ca_file) ||
        !option_copy(&c->agent, o->agent && *o->agent ? o->agent : "finops/" FINOPS_VERSION) ||
        !set_proxy_auth(c) || !share_new(c)) {
        fo_http_client_free(c);
        return fo_error_oom(err);
    }
    *ret = c;
    return FINOPS_OK;
}

void
fo_http_client_free(fo_http_client *c)
{
    if (!c)
        return;
    for (fo_http_exchange *e = c->first, *next; e; e = next) {
        next = e->next;
        fo_http_exchange_free(e);
    }
    if (c->share)
        (void)curl_share_cleanup(c->share);
    for (size_t i = 0; i < FO_COUNT(c->share_locks); i++)
        (void)pthread_mutex_destroy(&c->share_locks[i]);
    (void)pthread_mutex_destroy(&c->lock);
    fo_free(c->proxy);
    fo_free(c->proxy_auth);
    fo_free(c->no_proxy);
    fo_free(c->ca_file);
    fo_free(c->agent);
    fo_free(c);
}

uint64_t
fo_http_connections(const fo_http_client *client)
{
    assert(client);
    return atomic_load(&client->connections);
}

/* ---- exchanges ---- */

/* What is the same for every connection of an exchange. */
static bool
exchange_options(fo_http_exchange *e)
{
    CURL *h = e->easy;
    int bad = 0;

#define SET(option, value) bad |= curl_easy_setopt(h, option, value) != CURLE_OK
    SET(CURLOPT_CONNECT_ONLY, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a cancelled look-up of a name is not waited for */
    SET(CURLOPT_NOPROGRESS, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_BUFFERSIZE, (long)FO_HTTP_RECEIVE_MAX); /* the most that it receives for us at once */
    SET(CURLOPT_USERAGENT, e->client->agent);
    SET(CURLOPT_SHARE, e->client->share);
    SET(CURLOPT_ERRORBUFFER, e->problem);
    if (e->client->ca_file)
        SET(CURLOPT_CAINFO, e->client->ca_file);
#undef SET
    return !bad;
}

static char *
origin_of(const fo_http_request *request, const char *host, size_t n)
{
    return fo_format("%s%.*s", request->direct ? "direct " : "", (int)(host - request->url) + (int)n,
                     request->url);
}

static finops_code
exchange_new(fo_http_client *client, char *origin, fo_http_exchange **ret, finops_error **err)
{
    fo_http_exchange *e = fo_zalloc(sizeof(*e));

    if (!e || !origin) {
        fo_free(origin);
        fo_free(e);
        return fo_error_oom(err);
    }
    e->client = client;
    e->origin = origin;
    e->tls = strstr(origin, "https://") != NULL;
    e->socket = CURL_SOCKET_BAD;
    e->head = FO_STR_MAX(FO_HTTP_HEAD_MAX);
    e->where = FO_STR_MAX(FO_HTTP_TEXT_MAX);
    e->text = FO_STR_MAX(FO_HTTP_TEXT_MAX);
    e->easy = curl_easy_init();
    e->multi = curl_multi_init();
    if (!e->easy || !e->multi || curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, 1L) != CURLM_OK ||
        !exchange_options(e)) {
        fo_http_exchange_free(e);
        return fo_error_oom(err);
    }
    *ret = e;
    return FINOPS_OK;
}

void
fo_http_exchange_free(fo_http_exchange *e)
{
    if (!e)
        return;
    fo_http_disconnect(e);
    if (e->easy)
        curl_easy_cleanup(e->easy);
    if (e->multi)
        (void)curl_multi_cleanup(e->multi);
    fo_free(e->origin);
    fo_str_done(&e->where);
    fo_str_done(&e->text);
    fo_str_done(&e->head);
    fo_free(e->piece);
    fo_free(e->in);
    fo_free(e);
}

static void
list_remove(fo_http_client *c, fo_http_exchange *e)
{
    if (e->previous)
        e->previous->next = e->next;
    else
        c->first = e->next;
    if (e->next)
        e->next->previous = e->previous;
    e->next = e->previous = NULL;
    c->n_idle--;
}

static bool
is_of(const fo_http_exchange *e, const fo_http_request *request, size_t origin_n)
{
    const char *have = e->origin;

    if (request->direct != fo_starts(have, "direct "))
        return false;
    have += request->direct ? strlen("direct ") : 0;
    return strncmp(have, request->url, origin_n) == 0 && have[origin_n] == '\0';
}

finops_code
fo_http_acquire(fo_http_client *client, const fo_http_request *request, fo_http_exchange **ret,
                finops_error **err)
{
    fo_http_exchange *e;
    const char *host = NULL;
    size_t n = 0;
    finops_code rc = fo_http_host(request->url, &host, &n, err);

    if (rc != FINOPS_OK)
        return rc;
    (void)pthread_mutex_lock(&client->lock);
    for (e = client->first; e && !is_of(e, request, (size_t)(host - request->url) + n); e = e->next)
        ;
    if (e)
        list_remove(client, e);
    (void)pthread_mutex_unlock(&client->lock);
    if (!e)
        return exchange_new(client, origin_of(request, host, n), ret, err);
    *ret = e;
    return FINOPS_OK;
}

/* Forgets the request, and keeps what the next one needs. */
static void
exchange_forget(fo_http_exchange *e)
{
    fo_str_clear(&e->where);
    fo_str_clear(&e->text);
    fo_str_clear(&e->head);
    e->source = (fo_http_source){ 0 };
    e->body = NULL;
    e->text_at = e->body_at = e->body_size = e->piece_at = e->piece_n = 0;
    e->call = NULL;
    e->connected = e->done = e->head_done = e->head_too_long = e->keep = false;
    e->result = CURLE_OK;
    e->sends = 0;
    e->status = 0;
    e->head_came = 0;
    e->length = -1;
    e->left = 0;
    e->framing = FO_HTTP_NO_BODY;
    e->problem[0] = '\0';
    e->idle_us = fo_clock_monotonic();
}

void
fo_http_release(fo_http_exchange *e)
{
    fo_http_client *c = e->client;
    fo_http_exchange *old = NULL;

    exchange_forget(e);
    (void)pthread_mutex_lock(&c->lock);
    if (c->n_idle >= c->idle_max) {
        for (old = c->first; old->next; old = old->next)
            ;
        list_remove(c, old);
    }
    e->next = c->first;
    if (c->first)
        c->first->previous = e;
    c->first = e;
    c->n_idle++;
    (void)pthread_mutex_unlock(&c->lock);
    fo_http_exchange_free(old);
}
