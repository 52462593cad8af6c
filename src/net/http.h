/*
 * HTTP/1.1 for whoever speaks to a service: one request at a time, on connections that are kept.
 *
 * A client may be used from any number of threads; an exchange belongs to one. A request goes out once: what
 * may be tried again is decided above. Nothing here blocks for longer than 50 ms without looking at the call.
 *
 * Errors name method, host and path and never a query, a header or a body: they may hold signatures.
 * FINOPS_E_TRANSIENT: not reached, refused, reset, cut off, no name, TLS broken off; FINOPS_E_TIMEOUT: not
 * connected in time, or no byte moved for `stall_us`, or the call's deadline; FINOPS_E_CONFIG: a certificate
 * that is not trusted, a proxy that cannot be. A status is no error.
 */
#ifndef FO_NET_HTTP_H
#define FO_NET_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"
#include "finops/sys/call.h"

typedef struct fo_http_client fo_http_client;
typedef struct fo_http_exchange fo_http_exchange;

/* Zero and NULL stand for the default. */
typedef struct fo_http_options {
    const char *proxy;    /* "http://[user:pass@]host:port"; NULL: none */
    const char *no_proxy; /* hosts that are reached without it, separated by commas */
    const char *ca_file;  /* PEM; NULL: the system's */
    int64_t connect_us;   /* 10 s */
    int64_t stall_us;     /* 30 s */
    unsigned idle_max;    /* connections kept while nobody uses them; 64 */
    const char *agent;    /* "finops/<version>" */
    const char *where; /* what says where the service is, for hints: "endpoint_url and region"; not copied */
} fo_http_options;

typedef struct fo_http_header {
    const char *name;
    const char *value;
} fo_http_header;

/* A body that is made while it goes out, on the thread of the exchange and until its end. */
typedef struct fo_http_source {
    /* Up to n bytes, at least one before the end of body_size; FO_HTTP_SOURCE_FAILED ends the request. */
    size_t (*next)(void *arg, char *buffer, size_t n);
    bool (*restart)(void *arg); /* from its first byte again; false: it cannot */
    void *arg;
} fo_http_source;

#define FO_HTTP_SOURCE_FAILED SIZE_MAX

typedef struct fo_http_request {
    const char *method; /* "GET" */
    const char *url;    /* as it goes out: escaped by the caller, never changed here */
    const fo_http_header *headers;
    size_t n_headers;
    const void *body; /* NULL with body_size 0: none is sent */
    size_t body_size;
    fo_http_source source; /* in place of `body`, when it has a `next` */
    bool has_body;         /* an empty body is one: Content-Length: 0 */
    bool direct;           /* never through a proxy (a metadata service) */
    bool once;             /* on a connection of its own: libcurl sends again what breaks off on a kept one */
    int64_t stall_us;      /* 0: the client's */
    int64_t connect_us;    /* 0: the client's */
    const finops_call *call;
} fo_http_request;

finops_code fo_http_client_new(const fo_http_options *options, fo_http_client **ret, finops_error **err);
/* All exchanges are over. NULL is fine. */
void fo_http_client_free(fo_http_client *client);

/* Sends, and comes back with the last response's head; redirects are not followed. */
finops_code fo_http_begin(fo_http_client *client, const fo_http_request *request, fo_http_exchange **ret,
                          finops_error **err);
int fo_http_status(const fo_http_exchange *exchange);
/* The first header of that name, in any case; NULL. Borrowed until the end. */
const char *fo_http_header_value(const fo_http_exchange *exchange, const char *name);
/* All headers that begin so ("x-amz-meta-"), in order; names in lower case. */
void fo_http_each_header(const fo_http_exchange *exchange, const char *prefix,
                         void (*each)(const char *name, const char *value, void *arg), void *arg);
/* The request went out twice, because a kept connection broke off under it: the first may have been done. */
bool fo_http_resent(const fo_http_exchange *exchange);
/* Content-Length; -1 when it is not told. */
int64_t fo_http_length(const fo_http_exchange *exchange);
/* The next bytes of the body; *ret_n is 0 at its end only. A body shorter than promised is
 * FINOPS_E_TRANSIENT. */
finops_code fo_http_read(fo_http_exchange *exchange, void *buffer, size_t n, size_t *ret_n,
                         finops_error **err);
/* The rest of the body, appended; FINOPS_E_DATA when it is longer than the string may be. */
finops_code fo_http_body(fo_http_exchange *exchange, fo_str *ret, finops_error **err);
/* The connection is kept when the body was read to its end, or what is left is small; NULL is fine. */
void fo_http_end(fo_http_exchange *exchange);
void fo_http_endp(fo_http_exchange **exchange);

/* Connections that were opened since the client was made. Any thread. */
uint64_t fo_http_connections(const fo_http_client *client);

/* "Fri, 24 May 2013 00:00:00 GMT"; false: it is not. */
bool fo_http_date_parse(const char *text, int64_t *ret_micros);
/* What Retry-After asks for, in seconds or as a time, in microseconds from now on; -1: nothing. */
int64_t fo_http_retry_after_parse(const char *text);
int64_t fo_http_retry_after(const fo_http_exchange *exchange);

/* ---- the parts of an address ---- */

/* Percent-encodes everything but A-Z a-z 0-9 - _ . ~ and, with `slashes`, '/'. */
void fo_url_escape(fo_str *ret, const char *text, bool slashes);
/* The other way; false: a broken escape, or a NUL. '+' stays. */
bool fo_url_unescape(fo_str *ret, const char *text, size_t n);

typedef struct fo_url {
    char *scheme, *user, *password, *host, *path,
        *query; /* lower case scheme; path begins with '/' or is "" */
    int port;   /* 0: none given */
} fo_url;
finops_code fo_url_parse(const char *text, fo_url *ret, finops_error **err);
void fo_url_done(fo_url *url);

#endif
