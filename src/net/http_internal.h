/* The parts of the HTTP client: a client keeps exchanges that are idle, each with a connection of its own. */
#ifndef FO_NET_HTTP_INTERNAL_H
#define FO_NET_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/http.h"

#define FO_HTTP_TICK_US 50000         /* longest wait without looking at the call */
#define FO_HTTP_HEAD_MAX (256u << 10) /* bytes of a response's headers */
#define FO_HTTP_BUFFER (64u << 10)    /* bytes of a body that are received at once where nobody gives room */
#define FO_HTTP_DRAIN_MAX (64u << 10) /* bytes of a body that are read away to keep the connection */
#define FO_HTTP_TEXT_MAX (1u << 20)   /* bytes of a request's address and headers */
#define FO_HTTP_RECEIVE_MAX (256u << 10) /* bytes of one receive */

struct fo_http_client {
    char *proxy, *no_proxy, *ca_file, *agent;
    const char *where_from; /* what the user looks at when the service cannot be reached */
    char *proxy_auth;       /* what follows "Proxy-Authorization: "; NULL: nothing */
    int64_t connect_us, stall_us;
    unsigned idle_max;
    CURLSH *share; /* addresses of hosts, sessions of TLS */
    pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];
    pthread_mutex_t lock;    /* of what follows */
    fo_http_exchange *first; /* idle, the last used first */
    unsigned n_idle;
    atomic_ullong connections;
};

/* How the end of a body is known. */
typedef enum fo_http_framing {
    FO_HTTP_NO_BODY,
    FO_HTTP_LENGTH,
    FO_HTTP_CHUNKED,
    FO_HTTP_UNTIL_CLOSE
} fo_http_framing;

typedef enum fo_http_chunk {
    FO_HTTP_CHUNK_SIZE,
    FO_HTTP_CHUNK_DATA,
    FO_HTTP_CHUNK_END,
    FO_HTTP_TRAILER
} fo_http_chunk;

/* A request and its response; between two, a kept connection. */
struct fo_http_exchange {
    fo_http_client *client;
    CURL *easy;
    CURLM *multi; /* of this one alone, so that no other thread is in it */
    char *origin; /* "https://host:port", with "direct " in front */
    bool tls;
    fo_http_exchange *next, *previous;

    /* The connection. */
    bool added;           /* the easy handle, to the multi */
    curl_socket_t socket; /* CURL_SOCKET_BAD: there is none */
    int64_t idle_us;      /* since when */
    bool kept;            /* it had a request before this one */

    /* The request. */
    fo_str where; /* "GET host/path", for errors */
    fo_str text;  /* head, and the body when it is small */
    size_t text_at;
    const char *body; /* what is not in the text */
    size_t body_size, body_at;
    fo_http_source source;
    char *piece; /* of the source */
    size_t piece_at, piece_n;
    bool head_only; /* HEAD: the response has no body */
    bool once;
    const finops_call *call;
    int64_t stall_us;

    /* Where it is. */
    bool connected; /* the request is on its way */
    unsigned sends; /* how often it was */
    bool done;
    bool failed; /* said why; the connection is of no use */
    CURLcode result;
    bool head_too_long;
    int64_t moved_us; /* when a byte came or went */
    char problem[CURL_ERROR_SIZE];

    /* The response. */
    int status; /* of the line read last */
    bool head_done;
    bool keep;        /* the connection, by what the response says */
    size_t head_came; /* bytes of it, those of interim responses too */
    fo_str head;      /* "name\0value\0", names in lower case */
    int64_t length;
    fo_http_framing framing;
    fo_http_chunk chunk;
    int64_t left; /* bytes of the body or the chunk */

    /* What came and is not taken yet: in_at to in_n. */
    char *in;
    size_t in_cap, in_at, in_n;
};

/* ---- http_pool.c ---- */

/* An exchange with a connection to the origin perhaps, else a new one. */
finops_code fo_http_acquire(fo_http_client *client, const fo_http_request *request, fo_http_exchange **ret,
                            finops_error **err);
void fo_http_release(fo_http_exchange *exchange);
void fo_http_exchange_free(fo_http_exchange *exchange);

/* ---- http_connect.c ---- */

/* A connection, the kept one if it can be used. */
finops_code fo_http_connect(fo_http_exchange *exchange, const fo_http_request *request, finops_error **err);
void fo_http_disconnect(fo_http_exchange *exchange);

/* ---- http_request.c ---- */

/* Host and port of an address, borrowed from it; FINOPS_E_ARGUMENT for one that is none. */
finops_code fo_http_host(const char *url, const char **ret, size_t *ret_n, finops_error **err);
/* Whether the request goes through the client's proxy. */
bool fo_http_proxied(const fo_http_client *client, const fo_http_request *request);
/* What is to be sent. */
finops_code fo_http_prepare(fo_http_exchange *exchange, const fo_http_request *request, finops_error **err);

/* ---- http_response.c ---- */

/* Room for more to come in; false: head_too_long, or no memory. */
bool fo_http_room(fo_http_exchange *exchange);
/* Takes the head from what came. False: e->result says why it is none. */
bool fo_http_take_head(fo_http_exchange *exchange);
/* Takes up to n bytes of the body from what came; sets `done` at its end. 0 and not done: more must come.
 * False: e->result. */
bool fo_http_take_body(fo_http_exchange *exchange, char *buffer, size_t n, size_t *ret_n);
/* So many bytes of the body came into the reader's own buffer. */
void fo_http_took(fo_http_exchange *exchange, size_t n);
/* How many bytes that come next are the body's own, and may be received where the reader wants them. */
size_t fo_http_plain(const fo_http_exchange *exchange, size_t n);
/* The other side has ended; false: before its time. */
bool fo_http_ended(fo_http_exchange *exchange);

/* ---- http.c ---- */

/* The call's limits and the clock of the stall. *ret_wait: how long may be waited. */
finops_code fo_http_check(fo_http_exchange *exchange, int64_t now, int64_t *ret_wait, finops_error **err);
finops_code fo_http_stopped(fo_http_exchange *exchange, finops_code code, finops_error **err,
                            const char *why);

/* ---- http_error.c ---- */

/* What the exchange ended with, as an error that names the request. */
finops_code fo_http_failure(fo_http_exchange *exchange, finops_error **err);

#endif
