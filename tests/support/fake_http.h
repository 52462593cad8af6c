/*
 * An HTTP server for unit tests that plays a script: what real servers cannot be made to do. On a free port
 * of 127.0.0.1, a thread a connection.
 *
 *     static const fake_http_step script[] = {
 *         { .expect = "GET /a ", .status = "503 Slow Down", .headers = "Retry-After: 1\r\n" },
 *         { .expect = "GET /a \nrange: bytes=0-", .raw = "HTTP/1.1 200 OK\r\n...", .then = FAKE_HTTP_CUT },
 *     };
 *     fake_http *server = fake_http_script(script, 2);
 *     ... fake_http_url(server) ...
 *     assert_null(fake_http_problem(server));
 *     fake_http_stop(server);
 */
#ifndef TESTS_SUPPORT_FAKE_HTTP_H
#define TESTS_SUPPORT_FAKE_HTTP_H

#include <stdarg.h>
#include <stddef.h>

typedef struct fake_http fake_http;
typedef struct fake_http_conn fake_http_conn;

enum {
    FAKE_HTTP_KEEP = 0, /* the connection waits for the next request */
    FAKE_HTTP_CLOSE,
    FAKE_HTTP_CUT,  /* closed with a reset */
    FAKE_HTTP_STALL /* nothing more until the client goes */
};

/* What one request is answered with; requests take the steps in the order they come, on any connection. */
typedef struct fake_http_step {
    const char *expect;  /* texts, a line each, that must be in the request, in any case; NULL: any */
    const char *status;  /* "200 OK": a whole reply with Content-Length; NULL: none */
    const char *headers; /* of that, lines that end with \r\n */
    const char *body;    /* of that */
    const char *raw;     /* sent as it is; NULL: nothing */
    int then;            /* FAKE_HTTP_KEEP and so on */
    unsigned pause_ms;   /* before the reply */
} fake_http_step;

/* Steps are borrowed. Requests beyond the last one get a 599 and are a problem. */
fake_http *fake_http_script(const fake_http_step *steps, size_t n);

/* Called on the connection's thread for each request: head and body, with a NUL after them. */
typedef void (*fake_http_handler)(fake_http_conn *conn, const char *request, size_t n, void *arg);
fake_http *fake_http_start(fake_http_handler handler, void *arg);

/* Closes all connections and waits for their threads. NULL is fine. */
void fake_http_stop(fake_http *server);
const char *fake_http_url(const fake_http *server); /* "http://127.0.0.1:port" */
int fake_http_port(const fake_http *server);
unsigned fake_http_connections(fake_http *server); /* accepted so far */
unsigned fake_http_requests(fake_http *server);
/* The n-th request, from 0: head and body; borrowed. NULL: there were not so many. */
const char *fake_http_request(fake_http *server, unsigned n);
/* What went against the script, or the steps nobody asked for; NULL when all went as written. */
const char *fake_http_problem(fake_http *server);

/* ---- for handlers ---- */

/* 0: the client is gone. */
int fake_http_send(fake_http_conn *conn, const void *data, size_t n);
/* A whole reply with a Content-Length. headers: lines that end with \r\n, or "". */
void fake_http_reply(fake_http_conn *conn, const char *status, const char *headers, const void *body,
                     size_t n);
void fake_http_then(fake_http_conn *conn, int then);
void fake_http_pause(unsigned ms);

#endif
