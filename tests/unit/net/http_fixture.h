/* A client and a scripted server, for the tests of HTTP. */
#ifndef TESTS_NET_HTTP_FIXTURE_H
#define TESTS_NET_HTTP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http.h"
#include "support/fake_http.h"

typedef struct http_fixture {
    fake_http *server;
    fo_http_client *client;
    char url[200];
} http_fixture;

static inline void
fixture_open(http_fixture *f, fake_http *server, const fo_http_options *options)
{
    *f = (http_fixture){ .server = server };
    assert_int_equal(fo_http_client_new(options, &f->client, NULL), FINOPS_OK);
}

static inline void
fixture_close(http_fixture *f)
{
    const char *problem = fake_http_problem(f->server);

    if (problem)
        print_error("%s\n", problem);
    assert_null(problem);
    fo_http_client_free(f->client);
    fake_http_stop(f->server);
}

/* The server's address with the path; good until the next one. */
static inline const char *
at(http_fixture *f, const char *path)
{
    (void)snprintf(f->url, sizeof(f->url), "%s%s", fake_http_url(f->server), path);
    return f->url;
}

/* Sends, expects a head. */
static inline fo_http_exchange *
begin(http_fixture *f, const fo_http_request *request)
{
    finops_error *err = NULL;
    fo_http_exchange *e = NULL;

    if (fo_http_begin(f->client, request, &e, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    return e;
}

/* The status, the body into *ret when that is not NULL. */
static inline int
fetch(http_fixture *f, const fo_http_request *request, fo_str *ret)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = begin(f, request);
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    assert_int_equal(fo_http_body(e, ret ? ret : &body, NULL), FINOPS_OK);
    return fo_http_status(e);
}

static inline int
get(http_fixture *f, const char *path, fo_str *ret)
{
    return fetch(f, &(fo_http_request){ .method = "GET", .url = at(f, path) }, ret);
}

#endif
