/* The HTTP client when all goes well: what is sent, what comes back, which connections are kept. */
#include <pthread.h>
#include <stdatomic.h>

#include "net/http_fixture.h"

#define RUN(f, ...)                                                                                          \
    static const fake_http_step script_[] = { __VA_ARGS__ };                                                 \
    http_fixture f;                                                                                          \
    fixture_open(&f, fake_http_script(script_, FO_COUNT(script_)), NULL)

static void
a_request_goes_out_as_it_is_written(void **state)
{
    const fo_http_header headers[] = { { "X-One", "a b" }, { "X-Empty", "" }, { "Range", "bytes=0-3" } };
    RUN(f, { .expect = "GET /a/../b%2Fc//d?x=%20&y HTTP/1.1\r\nx-one: a b\r\n\nx-empty:\r\nrange: bytes=0-3",
             .status = "206 Partial Content",
             .body = "abcd" });
    const char *sent;

    (void)state;
    assert_int_equal(fetch(&f,
                           &(fo_http_request){ .method = "GET",
                                               .url = at(&f, "/a/../b%2Fc//d?x=%20&y"),
                                               .headers = headers,
                                               .n_headers = 3 },
                           NULL),
                     206);
    sent = fake_http_request(f.server, 0);
    assert_null(strcasestr(sent, "accept"));
    assert_null(strcasestr(sent, "expect"));
    assert_non_null(strstr(sent, "User-Agent: finops/"));
    fixture_close(&f);
}

static void
headers_are_found_in_any_case_and_by_prefix(void **state)
{
    RUN(f, { .status = "200 OK",
             .headers = "X-Amz-Meta-A: 1 \r\nETag:\"e\"\r\nx-amz-meta-b:2\r\netag: second\r\nEmpty:\r\n",
             .body = "12345" });
    FO_AUTO(fo_http_endp)
    fo_http_exchange *e = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });

    (void)state;
    assert_string_equal(fo_http_header_value(e, "eTag"), "\"e\"");
    assert_string_equal(fo_http_header_value(e, "x-amz-meta-a"), "1");
    assert_string_equal(fo_http_header_value(e, "EMPTY"), "");
    assert_null(fo_http_header_value(e, "x-amz-meta"));
    assert_int_equal(fo_http_length(e), 5);
    fo_http_end(FO_TAKE(e));
    fixture_close(&f);
}

static void
add_pair(const char *name, const char *value, void *arg)
{
    fo_str_addf(arg, "%s=%s;", name, value);
}

static void
headers_of_a_prefix_come_in_order(void **state)
{
    RUN(f, { .status = "200 OK", .headers = "X-Meta-B: 1\r\nOther: 2\r\nx-meta-A: 3\r\n" });
    FO_AUTO(fo_str_done) fo_str pairs = FO_STR_INIT;
    fo_http_exchange *e = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });

    (void)state;
    fo_http_each_header(e, "x-meta-", add_pair, &pairs);
    assert_string_equal(fo_str_z(&pairs), "x-meta-b=1;x-meta-a=3;");
    fo_http_end(e);
    fixture_close(&f);
}

static void
a_body_is_read_in_pieces_of_any_size(void **state)
{
    RUN(f, { .status = "200 OK", .body = "the quick brown fox" },
        { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nthe\r\n8\r\n quick b\r\n"
                 "8\r\nrown fox\r\n0\r\nTrailer: t\r\n\r\n" });
    (void)state;

    for (size_t n = 1; n <= 2; n++) {
        FO_AUTO(fo_str_done) fo_str all = FO_STR_INIT;
        fo_http_exchange *e = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });
        char piece[7];
        size_t got = 1;

        assert_int_equal(fo_http_length(e), n == 1 ? 19 : -1);
        while (got > 0) {
            assert_int_equal(fo_http_read(e, piece, n == 1 ? 1 : 7, &got, NULL), FINOPS_OK);
            fo_str_addn(&all, piece, got);
        }
        assert_int_equal(fo_http_read(e, piece, 1, &got, NULL), FINOPS_OK);
        assert_int_equal(got, 0);
        assert_string_equal(fo_str_z(&all), "the quick brown fox");
        fo_http_end(e);
    }
    assert_int_equal(fo_http_connections(f.client), 1);
    fixture_close(&f);
}

static void
a_head_request_has_a_length_and_no_body(void **state)
{
    RUN(f, { .expect = "HEAD /", .raw = "HTTP/1.1 200 OK\r\nContent-Length: 123456789012\r\n\r\n" },
        { .expect = "GET /", .status = "204 No Content" },
        { .expect = "DELETE /x ", .raw = "HTTP/1.1 204 No Content\r\n\r\n" });
    fo_http_exchange *e = begin(&f, &(fo_http_request){ .method = "HEAD", .url = at(&f, "/") });
    char byte;
    size_t n = 1;

    (void)state;
    assert_int_equal(fo_http_length(e), 123456789012);
    assert_int_equal(fo_http_read(e, &byte, 1, &n, NULL), FINOPS_OK);
    assert_int_equal(n, 0);
    fo_http_end(e);
    assert_int_equal(get(&f, "/", NULL), 204);
    assert_int_equal(fetch(&f, &(fo_http_request){ .method = "DELETE", .url = at(&f, "/x") }, NULL), 204);
    assert_int_equal(fo_http_connections(f.client), 1);
    fixture_close(&f);
}

static void
bodies_are_sent_whole_and_empty_ones_are_bodies(void **state)
{
    RUN(f,
        { .expect = "PUT /a \ncontent-length: 5\r\n\r\n\nhello\ncontent-type: text/plain",
          .status = "200 OK" },
        { .expect = "PUT /b \ncontent-length: 0", .status = "200 OK" },
        { .expect = "POST /c \ncontent-length: 3000000", .status = "200 OK" }, { .status = "200 OK" });
    const fo_http_header type = { "content-type", "text/plain" };
    FO_AUTO(fo_freep) char *large = fo_alloc(3000000);

    (void)state;
    assert_non_null(large);
    for (size_t i = 0; i < 3000000; i++)
        large[i] = (char)('a' + i % 25);
    fetch(&f,
          &(fo_http_request){ .method = "PUT",
                              .url = at(&f, "/a"),
                              .body = "hello",
                              .body_size = 5,
                              .headers = &type,
                              .n_headers = 1 },
          NULL);
    fetch(&f, &(fo_http_request){ .method = "PUT", .url = at(&f, "/b"), .has_body = true }, NULL);
    fetch(&f,
          &(fo_http_request){ .method = "POST", .url = at(&f, "/c"), .body = large, .body_size = 3000000 },
          NULL);
    assert_memory_equal(strstr(fake_http_request(f.server, 2), "\r\n\r\n") + 4, large, 3000000);
    assert_null(strcasestr(fake_http_request(f.server, 1), "content-type"));
    assert_null(strcasestr(fake_http_request(f.server, 2), "100-continue"));
    get(&f, "/d", NULL);
    assert_null(strcasestr(fake_http_request(f.server, 3), "content-length"));
    assert_int_equal(fo_http_connections(f.client), 1);
    fixture_close(&f);
}

static void
an_interim_response_is_passed_over(void **state)
{
    RUN(f, { .raw = "HTTP/1.1 103 Early Hints\r\nX: early\r\n\r\nHTTP/1.1 200 OK\r\nY: 1\r\nContent-Length: 1"
                    "\r\n\r\n!" });
    fo_http_exchange *e = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });

    (void)state;
    assert_int_equal(fo_http_status(e), 200);
    assert_null(fo_http_header_value(e, "x"));
    assert_string_equal(fo_http_header_value(e, "y"), "1");
    fo_http_end(e);
    fixture_close(&f);
}

static void
a_redirect_is_an_answer_and_not_followed(void **state)
{
    RUN(f, { .status = "307 Temporary Redirect", .headers = "Location: http://127.0.0.1:1/\r\n" });
    (void)state;

    assert_int_equal(get(&f, "/", NULL), 307);
    fixture_close(&f);
}

static void
a_body_longer_than_allowed_is_refused(void **state)
{
    RUN(f, { .status = "200 OK", .body = "0123456789" });
    fo_http_exchange *e = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });
    FO_AUTO(fo_str_done) fo_str body = FO_STR_MAX(9);

    (void)state;
    assert_int_equal(fo_http_body(e, &body, NULL), FINOPS_E_DATA);
    fo_http_end(e);
    fixture_close(&f);
}

/* ---- connections ---- */

static void
many_kinds(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    (void)n;
    (void)arg;
    if (strstr(request, "/missing"))
        fake_http_reply(conn, "404 Not Found", "", "<Error/>", 8);
    else if (strstr(request, "/refused"))
        fake_http_reply(conn, "412 Precondition Failed", "", "", 0);
    else
        fake_http_reply(conn, "200 OK", "", request, 20);
}

#define CALLERS 16
#define EACH 30

static void *
caller(void *arg)
{
    static const char *const paths[] = { "/", "/missing", "/refused" };
    const http_fixture *shared = arg;
    http_fixture f = *shared;

    for (size_t i = 0; i < EACH; i++) {
        fo_http_exchange *e = NULL;

        if (fo_http_begin(f.client, &(fo_http_request){ .method = "GET", .url = at(&f, paths[i % 3]) }, &e,
                          NULL) != FINOPS_OK)
            return arg;
        fo_http_end(e); /* what is left of the small body is read away */
    }
    return NULL;
}

static void
callers_at_once_open_no_more_connections_than_they_are(void **state)
{
    http_fixture f;
    pthread_t threads[CALLERS];
    void *failed;

    (void)state;
    fixture_open(&f, fake_http_start(many_kinds, NULL), NULL);
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, caller, &f), 0);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(fake_http_requests(f.server), CALLERS * EACH);
    assert_in_range(fake_http_connections(f.server), 1, CALLERS);
    assert_int_equal(fo_http_connections(f.client), fake_http_connections(f.server));
    fixture_close(&f);
}

static void
more_idle_connections_than_allowed_are_closed(void **state)
{
    RUN(f, { .status = "200 OK" }, { .status = "200 OK" }, { .status = "200 OK" });
    fo_http_exchange *a, *b;
    const fo_http_options one = { .idle_max = 1 };

    (void)state;
    fo_http_client_free(f.client);
    assert_int_equal(fo_http_client_new(&one, &f.client, NULL), FINOPS_OK);
    a = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });
    b = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });
    fo_http_end(a);
    fo_http_end(b);
    get(&f, "/", NULL);
    assert_int_equal(fo_http_connections(f.client), 2);
    fixture_close(&f);
}

static void
a_connection_the_server_closed_meanwhile_is_replaced(void **state)
{
    RUN(f, { .status = "200 OK", .then = FAKE_HTTP_CLOSE }, { .status = "200 OK", .body = "again" });
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    (void)state;
    get(&f, "/", NULL);
    fake_http_pause(50); /* its end reaches us */
    assert_int_equal(get(&f, "/", &body), 200);
    assert_string_equal(fo_str_z(&body), "again");
    assert_int_equal(fo_http_connections(f.client), 2);
    fixture_close(&f);
}

static void
a_kept_connection_cut_under_a_request_is_replaced_once(void **state)
{
    RUN(f, { .status = "200 OK" }, { .expect = "PUT /x", .then = FAKE_HTTP_CUT },
        { .expect = "PUT /x\ncontent-length: 3\nabc", .status = "200 OK" });

    (void)state;
    get(&f, "/", NULL);
    assert_int_equal(
        fetch(&f, &(fo_http_request){ .method = "PUT", .url = at(&f, "/x"), .body = "abc", .body_size = 3 },
              NULL),
        200);
    fixture_close(&f);
}

static void
late_body(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    const fo_str *body = arg;
    char head[100];

    (void)n;
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", body->len);
    fake_http_send(conn, head, strlen(head));
    if (strstr(request, "/late"))
        fake_http_pause(10);
    fake_http_send(conn, body->data, body->len);
}

static void
a_small_body_left_behind_costs_no_connection(void **state)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT, got = FO_STR_INIT;
    http_fixture f;

    (void)state;
    for (int i = 0; i < 50000; i++)
        fo_str_addc(&body, (char)('a' + i % 26));
    fixture_open(&f, fake_http_start(late_body, &body), NULL);
    for (int i = 0; i < 3; i++)
        fo_http_end(begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/late") }));
    assert_int_equal(get(&f, "/", &got), 200);
    assert_string_equal(fo_str_z(&got), fo_str_z(&body));
    assert_int_equal(fo_http_connections(f.client), 1);
    fixture_close(&f);
}

static void
a_direct_request_does_not_use_the_proxy(void **state)
{
    RUN(f, { .expect = "GET http://nowhere.test/a HTTP/1.1\r\nhost: nowhere.test", .status = "200 OK" },
        { .expect = "GET / HTTP/1.1", .status = "200 OK" },
        { .expect = "GET /c HTTP/1.1", .status = "200 OK" });
    const fo_http_options proxy = { .proxy = fake_http_url(f.server) };
    const fo_http_options but = { .proxy = "http://127.0.0.1:1", .no_proxy = "127.0.0.1" };

    (void)state;
    fo_http_client_free(f.client);
    assert_int_equal(fo_http_client_new(&proxy, &f.client, NULL), FINOPS_OK);
    assert_int_equal(fetch(&f, &(fo_http_request){ .method = "GET", .url = "http://nowhere.test/a" }, NULL),
                     200);
    assert_int_equal(
        fetch(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/"), .direct = true }, NULL), 200);
    fo_http_client_free(f.client);
    assert_int_equal(fo_http_client_new(&but, &f.client, NULL), FINOPS_OK);
    assert_int_equal(get(&f, "/c", NULL), 200);
    fixture_close(&f);
}

static void
a_client_survives_every_failed_allocation(void **state)
{
    const fo_http_options options = { .proxy = "http://p", .no_proxy = "a", .ca_file = "/c" };
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        fo_http_client *client = NULL;

        fo_mem_fail_at(++n);
        rc = fo_http_client_new(&options, &client, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_http_client_free(client);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    assert_int_not_equal(n, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_out_as_it_is_written),
        cmocka_unit_test(headers_are_found_in_any_case_and_by_prefix),
        cmocka_unit_test(headers_of_a_prefix_come_in_order),
        cmocka_unit_test(a_body_is_read_in_pieces_of_any_size),
        cmocka_unit_test(a_head_request_has_a_length_and_no_body),
        cmocka_unit_test(bodies_are_sent_whole_and_empty_ones_are_bodies),
        cmocka_unit_test(an_interim_response_is_passed_over),
        cmocka_unit_test(a_redirect_is_an_answer_and_not_followed),
        cmocka_unit_test(a_body_longer_than_allowed_is_refused),
        cmocka_unit_test(callers_at_once_open_no_more_connections_than_they_are),
        cmocka_unit_test(more_idle_connections_than_allowed_are_closed),
        cmocka_unit_test(a_connection_the_server_closed_meanwhile_is_replaced),
        cmocka_unit_test(a_kept_connection_cut_under_a_request_is_replaced_once),
        cmocka_unit_test(a_small_body_left_behind_costs_no_connection),
        cmocka_unit_test(a_direct_request_does_not_use_the_proxy),
        cmocka_unit_test(a_client_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests_name("net/http", tests, NULL, NULL);
}
