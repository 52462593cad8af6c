/* The parts of the HTTP client: a client keeps exchanges that are idle, each with a connection of its own. */
#ifndef FO_NET_HTTP_INTERNAL_H
#define FO_NET_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/http.h"

#define FO_HTTP_TICK_US 50000         /* longest wait without looking at the call */
#define FO_HTTP_HEAD_MAX (256u << 10) /* bytes of a response's headers */
#define FO_HTTP_BUFFER (64u << 10)    /* bytes that are received at once, and kept for the reader */
#define FO_HTTP_DRAIN_MAX (64u << 10) /* bytes of a body that are read away to keep the connection */
#define FO_HTTP_TEXT_MAX (1u << 20)   /* bytes of a request's address and headers */
#define FO_HTTP_UPLOAD_BUFFER (256u << 10)

struct fo_http_client {
    char *proxy, *no_proxy, *ca_file, *agent;
    int64_t connect_us, stall_us;
    unsigned idle_max;
    CURLSH *share; /* addresses of hosts, sessions of TLS */
    pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];
    pthread_mutex_t lock;    /* of what follows */
    fo_http_exchange *first; /* idle, the last used first */
    unsigned n_idle;
    atomic_ullong connections;
};

/* A request and its response; between two, a kept connection. */
struct fo_http_exchange {
    fo_http_client *client;
    CURL *easy;
    CURLM *multi; /* of this one alone, so that no other thread is in it */
    char *origin; /* "https://host:port", with "direct " in front */
    fo_http_exchange *next, *previous;

    /* The request. */
    char *where; /* "GET host/path", for errors */
    struct curl_slist *headers;
    fo_str header_text;
    const finops_call *call;
    int64_t stall_us;
    fo_http_source source;

    /* Where it is. */
    bool added;     /* to the multi */
    bool connected; /* the request is on its way */
    unsigned sends; /* how often it was */
    bool done;
    bool failed; /* said why; the connection is of no use */
    CURLcode result;
    bool head_too_long;
    int64_t moved_us; /* when a byte came or went */
    curl_off_t sent;
    char problem[CURL_ERROR_SIZE];

    /* The response. */
    int status; /* of the line read last */
    bool head_done;
    fo_str head; /* "name\0value\0", names in lower case */
    int64_t length;
    int64_t received; /* bytes of the body */

    /* The reader's buffer while it reads, then what did not fit. */
    char *out;
    size_t out_n, out_len;
    char *kept;
    size_t kept_at, kept_len;
    bool paused;
};

/* ---- http_pool.c ---- */

/* An exchange with a connection to the origin perhaps, else a new one. Takes over `origin`, also on failure.
 */
finops_code fo_http_acquire(fo_http_client *client, char *origin, fo_http_exchange **ret, finops_error **err);
void fo_http_release(fo_http_exchange *exchange);
void fo_http_exchange_free(fo_http_exchange *exchange);

/* ---- http_request.c ---- */

/* "https://host:port" of an address, "direct " in front; FINOPS_E_ARGUMENT for one that is none. */
finops_code fo_http_origin(const fo_http_request *request, char **ret, finops_error **err);
/* Tells libcurl what to send. */
finops_code fo_http_prepare(fo_http_exchange *exchange, const fo_http_request *request, finops_error **err);

/* ---- http_response.c ---- */

size_t fo_http_on_header(char *data, size_t size, size_t n, void *arg);
size_t fo_http_on_body(char *data, size_t size, size_t n, void *arg);
int fo_http_on_connected(void *arg, char *ip, char *local_ip, int port, int local_port);

/* ---- http_error.c ---- */

/* What the exchange ended with, as an error that names the request. */
finops_code fo_http_failure(fo_http_exchange *exchange, finops_error **err);

#endif
