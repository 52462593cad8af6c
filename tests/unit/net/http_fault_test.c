/* The HTTP client when the other side breaks off, is silent, sends rubbish, or is not wanted any more. */
#include "net/http_fixture.h"

#include "support/lateness.h"

#define MS 1000LL

#define RUN(f, options, ...)                                                                                 \
    static const fake_http_step script_[] = { __VA_ARGS__ };                                                 \
    http_fixture f;                                                                                          \
    fixture_open(&f, fake_http_script(script_, FO_COUNT(script_)), options)

/* What begin() or reading the body fails with; FINOPS_OK when neither does. *ret: what was read before. */
static finops_code
outcome(http_fixture *f, const fo_http_request *request, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;
    finops_code rc = fo_http_begin(f->client, request, &e, err);

    return rc == FINOPS_OK ? fo_http_body(e, ret ? ret : &body, err) : rc;
}

static void
a_response_that_breaks_off_is_transient(void **state)
{
    RUN(f, NULL, { .then = FAKE_HTTP_CUT }, { .then = FAKE_HTTP_CLOSE },
        { .raw = "HTTP/1.1 200 OK\r\nContent-", .then = FAKE_HTTP_CLOSE },
        { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", .then = FAKE_HTTP_CLOSE },
        { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", .then = FAKE_HTTP_CUT },
        { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n12345", .then = FAKE_HTTP_CLOSE },
        { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
          .then = FAKE_HTTP_CLOSE },
        { .raw = "SSH-2.0-OpenSSH_9.2\r\n\r\n", .then = FAKE_HTTP_CLOSE });
    (void)state;

    for (size_t i = 0; i < FO_COUNT(script_); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;

        assert_int_equal(
            outcome(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/k?secret=1") }, NULL, &err),
            FINOPS_E_TRANSIENT);
        assert_true(fo_starts(finops_error_text(err), "GET 127.0.0.1:"));
        assert_non_null(strstr(finops_error_text(err), "/k: "));
        assert_null(strstr(finops_error_text(err), "secret"));
    }
    fixture_close(&f);
}

static void
what_came_before_the_cut_is_handed_over(void **state)
{
    RUN(f, NULL, { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", .then = FAKE_HTTP_CLOSE });
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    (void)state;
    assert_int_equal(outcome(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") }, &body, NULL),
                     FINOPS_E_TRANSIENT);
    assert_string_equal(fo_str_z(&body), "12345");
    fixture_close(&f);
}

static void
a_refused_connection_is_transient(void **state)
{
    RUN(f, NULL, { .status = "200 OK" });
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    get(&f, "/", NULL);
    assert_int_equal(
        outcome(&f, &(fo_http_request){ .method = "GET", .url = "http://127.0.0.1:1/a" }, NULL, &err),
        FINOPS_E_TRANSIENT);
    assert_true(fo_starts(finops_error_text(err), "GET 127.0.0.1:1/a: failed to connect"));
    fixture_close(&f);
}

static void
an_address_that_is_none_is_our_mistake(void **state)
{
    static const char *const wrong[] = { "ftp://a/b",     "a/b",       "http://",
                                         "http://u:p@h/", "http:///x", "http://[/" };
    RUN(f, NULL, { .status = "200 OK" });

    (void)state;
    get(&f, "/", NULL);
    for (size_t i = 0; i < FO_COUNT(wrong); i++)
        assert_int_equal(outcome(&f, &(fo_http_request){ .method = "GET", .url = wrong[i] }, NULL, NULL),
                         FINOPS_E_ARGUMENT);
    fixture_close(&f);
}

static void
a_line_break_in_a_header_is_refused(void **state)
{
    const fo_http_header bad = { "x-a", "1\r\nx-admin: 1" };
    RUN(f, NULL, { .status = "200 OK" });

    (void)state;
    get(&f, "/", NULL);
    assert_int_equal(
        outcome(&f,
                &(fo_http_request){ .method = "GET", .url = at(&f, "/"), .headers = &bad, .n_headers = 1 },
                NULL, NULL),
        FINOPS_E_ARGUMENT);
    assert_int_equal(fake_http_requests(f.server), 1);
    fixture_close(&f);
}

/* Silent from the start, or after half of a body. */
static void
stall(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";

    (void)n;
    (void)arg;
    if (strncmp(request, "GET /half ", 10) == 0)
        fake_http_send(conn, half, sizeof(half) - 1);
    fake_http_then(conn, FAKE_HTTP_STALL);
}

static int64_t
silence_is_late(void *arg)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    http_fixture *f = arg;
    int64_t took, begun = fo_clock_monotonic();

    assert_int_equal(outcome(f, &(fo_http_request){ .method = "GET", .url = f->url }, NULL, &err),
                     FINOPS_E_TIMEOUT);
    took = fo_clock_monotonic() - begun;
    assert_true(took >= 200 * MS);
    assert_non_null(strstr(finops_error_text(err), "no byte came or went for 0.2 s"));
    return took - 200 * MS;
}

static void
silence_is_a_timeout(void **state)
{
    const fo_http_options options = { .stall_us = 200 * MS };
    http_fixture f;

    (void)state;
    fixture_open(&f, fake_http_start(stall, NULL), &options);
    for (int i = 0; i < 2; i++) {
        (void)at(&f, i == 0 ? "/" : "/half");
        assert_in_time(silence_is_late, &f, 400 * MS);
    }
    fixture_close(&f);
}

static void
drip(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    (void)request;
    (void)n;
    (void)arg;
    fake_http_send(conn, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 38);
    for (int i = 0; i < 5; i++) {
        fake_http_pause(100);
        fake_http_send(conn, "x", 1);
    }
}

static void
slow_but_moving_is_not_cut(void **state)
{
    const fo_http_options options = { .stall_us = 300 * MS };
    http_fixture f;
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    (void)state;
    fixture_open(&f, fake_http_start(drip, NULL), &options);
    assert_int_equal(get(&f, "/", &body), 200);
    assert_string_equal(fo_str_z(&body), "xxxxx");
    fixture_close(&f);
}

static void
a_reader_that_takes_its_time_is_no_stall(void **state)
{
    const fo_http_options options = { .stall_us = 200 * MS };
    RUN(f, &options, { .status = "200 OK", .body = "0123456789" });
    fo_http_exchange *e = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    (void)state;
    fake_http_pause(300);
    assert_int_equal(fo_http_body(e, &body, NULL), FINOPS_OK);
    fo_http_end(e);
    fixture_close(&f);
}

/* ---- calls ---- */

static bool
later(void *arg)
{
    const int64_t *when = arg;

    return fo_clock_monotonic() >= *when;
}

typedef struct late_get {
    http_fixture f;
    const char *url;
    bool told; /* by its deadline, not cancelled */
    bool may_be_unreachable;
} late_get;

static int64_t
get_is_late(void *arg)
{
    late_get *g = arg;
    int64_t when = fo_clock_monotonic() + 150 * MS;
    const finops_call call = { .cancelled = g->told ? NULL : later,
                               .arg = &when,
                               .deadline_us = g->told ? when : 0 };
    finops_code rc =
        outcome(&g->f, &(fo_http_request){ .method = "GET", .url = g->url, .call = &call }, NULL, NULL);

    if (!g->may_be_unreachable || rc != FINOPS_E_TRANSIENT)
        assert_int_equal(rc, g->told ? FINOPS_E_TIMEOUT : FINOPS_E_CANCELLED);
    return fo_clock_monotonic() - when;
}

static void
a_cancelled_call_ends_within_a_tenth_of_a_second(void **state)
{
    late_get g = { .told = false };

    (void)state;
    fixture_open(&g.f, fake_http_start(stall, NULL), NULL);
    for (int i = 0; i < 2; i++) {
        g.url = at(&g.f, i == 0 ? "/" : "/half");
        assert_in_time(get_is_late, &g, 100 * MS);
    }
    fixture_close(&g.f);
}

static void
a_call_past_its_deadline_ends(void **state)
{
    late_get g = { .told = true };
    const finops_call call = { .deadline_us = fo_clock_monotonic() };
    fo_http_request request = { .method = "GET", .call = &call };
    unsigned sent;

    (void)state;
    fixture_open(&g.f, fake_http_start(stall, NULL), NULL);
    g.url = request.url = at(&g.f, "/");
    assert_in_time(get_is_late, &g, 100 * MS);
    sent = fake_http_requests(g.f.server);
    assert_int_equal(outcome(&g.f, &request, NULL, NULL), FINOPS_E_TIMEOUT);
    assert_int_equal(fake_http_requests(g.f.server), sent);
    fixture_close(&g.f);
}

static void
a_call_cancelled_while_connecting_ends(void **state)
{
    /* Of the range for documentation: nobody answers, or the network says at once that there is no way. */
    late_get g = { .url = "http://192.0.2.1/", .may_be_unreachable = true };

    (void)state;
    fixture_open(&g.f, fake_http_script(&(fake_http_step){ .status = "200 OK" }, 1), NULL);
    get(&g.f, "/", NULL);
    assert_in_time(get_is_late, &g, 100 * MS);
    fixture_close(&g.f);
}

/* ---- leaving early ---- */

#define LARGE (256u << 20)

static void
pour(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    static const char block[65536];
    unsigned *sent = arg;
    char head[100];

    (void)request;
    (void)n;
    (void)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", LARGE);
    fake_http_send(conn, head, strlen(head));
    for (*sent = 0; *sent < LARGE; *sent += (unsigned)sizeof(block))
        if (!fake_http_send(conn, block, sizeof(block)))
            break;
}

static void
a_reader_that_leaves_early_does_not_receive_the_rest(void **state)
{
    http_fixture f;
    unsigned sent = 0;
    fo_http_exchange *e;
    char some[1000];
    size_t n;

    (void)state;
    fixture_open(&f, fake_http_start(pour, &sent), NULL);
    e = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });
    assert_int_equal(fo_http_read(e, some, sizeof(some), &n, NULL), FINOPS_OK);
    fake_http_pause(100);
    fo_http_end(e);
    fixture_close(&f);
    assert_in_range(sent, 0, 64u << 20); /* what the sockets hold */
}

static void
an_exchange_that_failed_stays_failed(void **state)
{
    RUN(f, NULL, { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", .then = FAKE_HTTP_CLOSE });
    fo_http_exchange *e = begin(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") });
    char byte;
    size_t n;

    (void)state;
    assert_int_equal(fo_http_read(e, &byte, 1, &n, NULL), FINOPS_E_TRANSIENT);
    assert_int_equal(fo_http_read(e, &byte, 1, &n, NULL), FINOPS_E_TRANSIENT);
    fo_http_end(e);
    fixture_close(&f);
}

static void
a_request_survives_every_failed_allocation(void **state)
{
    http_fixture f;
    unsigned n = 0;
    finops_code rc;

    (void)state;
    fixture_open(&f, fake_http_start(drip, NULL), NULL);
    do {
        fo_http_client_free(f.client);
        assert_int_equal(fo_http_client_new(NULL, &f.client, NULL), FINOPS_OK);
        fo_mem_fail_at(++n);
        rc = outcome(&f, &(fo_http_request){ .method = "GET", .url = at(&f, "/") }, NULL, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_response_that_breaks_off_is_transient),
        cmocka_unit_test(what_came_before_the_cut_is_handed_over),
        cmocka_unit_test(a_refused_connection_is_transient),
        cmocka_unit_test(an_address_that_is_none_is_our_mistake),
        cmocka_unit_test(a_line_break_in_a_header_is_refused),
        cmocka_unit_test(silence_is_a_timeout),
        cmocka_unit_test(slow_but_moving_is_not_cut),
        cmocka_unit_test(a_reader_that_takes_its_time_is_no_stall),
        cmocka_unit_test(a_cancelled_call_ends_within_a_tenth_of_a_second),
        cmocka_unit_test(a_call_past_its_deadline_ends),
        cmocka_unit_test(a_call_cancelled_while_connecting_ends),
        cmocka_unit_test(a_reader_that_leaves_early_does_not_receive_the_rest),
        cmocka_unit_test(an_exchange_that_failed_stays_failed),
        cmocka_unit_test(a_request_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests_name("net/http_fault", tests, NULL, NULL);
}
