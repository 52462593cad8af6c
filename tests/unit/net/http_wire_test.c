/* What servers send that is unusual, and what goes over a connection when something else than expected
 * happens. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_fixture.h"

#define RUN(f, ...)                                                                                          \
    static const fake_http_step script_[] = { __VA_ARGS__ };                                                 \
    http_fixture f;                                                                                          \
    fixture_open(&f, fake_http_script(script_, FO_COUNT(script_)), NULL)

/* ---- the end of a body ---- */

static void
a_body_ends_where_the_response_says(void **state)
{
    static const struct {
        int status;
        const char *body;
        unsigned connections; /* made until then */
    } want[] = { { 200, "abc", 1 }, { 200, "abc", 1 }, { 200, "abc", 1 }, { 304, "", 1 }, { 200, "abc", 1 },
                 { 200, "abc", 1 }, { 200, "abc", 2 }, { 200, "abc", 3 }, { 200, "", 4 } };
    RUN(f,
        { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nab\r\n01 "
                 "\r\nc\r\n0\r\n\r\n" },
        { .raw = "HTTP/1.1 200 OK\nTransfer-Encoding: gzip, Chunked\n\n3\nabc\n0\nX: y\n\n" },
        { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc" },
        { .raw = "HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n" },
        { .raw = "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n\r\nabc" },
        { .raw = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc" },
        { .raw = "HTTP/1.1 200 OK\r\nConnection: x, close\r\nContent-Length: 3\r\n\r\nabc" },
        { .raw = "HTTP/1.1 200 OK\r\n\r\nabc", .then = FAKE_HTTP_CLOSE }, { .status = "200 OK" });

    (void)state;
    for (size_t i = 0; i < FO_COUNT(want); i++) {
        FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

        assert_int_equal(get(&f, "/", &body), want[i].status);
        assert_string_equal(fo_str_z(&body), want[i].body);
        assert_int_equal(fo_http_connections(f.client), want[i].connections);
    }
    fixture_close(&f);
}

static void
a_body_without_an_end_that_can_be_is_transient(void **state)
{
    RUN(f, { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd" },
        { .raw = "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc" },
        { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 3 4\r\n\r\nabc" },
        { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n" },
        { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nab" },
        { .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nab" });

    (void)state;
    for (size_t i = 0; i < FO_COUNT(script_); i++) {
        FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
        FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;
        finops_code rc =
            fo_http_begin(f.client, &(fo_http_request){ .method = "GET", .url = at(&f, "/") }, &e, NULL);

        assert_int_equal(rc == FINOPS_OK ? fo_http_body(e, &body, NULL) : rc, FINOPS_E_TRANSIENT);
        fo_http_end(FO_TAKE(e));
        assert_int_equal(fo_http_connections(f.client), i + 1);
    }
    fixture_close(&f);
}

static void
endless_head(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    char line[1000];
    const char *begin = arg;

    (void)request;
    (void)n;
    memset(line, 'x', sizeof(line));
    memcpy(line, "a: ", 3);
    memcpy(line + sizeof(line) - 2, "\r\n", 2);
    fake_http_send(conn, begin, strlen(begin));
    for (int i = 0; i < 1000 && fake_http_send(conn, line, *begin == 'H' ? sizeof(line) : 900); i++)
        ;
    fake_http_then(conn, FAKE_HTTP_CLOSE);
}

static void
a_head_without_an_end_is_refused(void **state)
{
    static char lines[] = "HTTP/1.1 200 OK\r\n", one_line[] = "X";
    char *const kinds[] = { lines, one_line };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(kinds); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        fo_http_exchange *e = NULL;
        http_fixture f;

        fixture_open(&f, fake_http_start(endless_head, kinds[i]), NULL);
        assert_int_equal(
            fo_http_begin(f.client, &(fo_http_request){ .method = "GET", .url = at(&f, "/") }, &e, &err),
            FINOPS_E_DATA);
        assert_non_null(strstr(finops_error_text(err), "head is longer than 256 KiB"));
        fixture_close(&f);
    }
}

/* ---- connections ---- */

static void
a_connection_on_which_more_came_than_asked_for_is_not_used_again(void **state)
{
    RUN(f, { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!HTTP/1.1 200 OK\r\nX: forged\r\n\r\n" },
        { .status = "204 No Content" });

    (void)state;
    assert_int_equal(get(&f, "/", NULL), 200);
    assert_int_equal(get(&f, "/", NULL), 204);
    assert_int_equal(fo_http_connections(f.client), 2);
    fixture_close(&f);
}

typedef struct letters {
    size_t at, n;
    unsigned begun;
} letters;

static size_t
next_letters(void *arg, char *buffer, size_t n)
{
    letters *l = arg;

    if (l->at == 0)
        l->begun++;
    if (n > 1000)
        n = 1000;
    for (size_t i = 0; i < n; i++)
        buffer[i] = (char)('a' + (l->at + i) % 26);
    l->at += n;
    return n;
}

static bool
first_letter(void *arg)
{
    letters *l = arg;

    l->at = 0;
    return true;
}

static void
a_source_begins_again_when_a_kept_connection_broke(void **state)
{
    RUN(f, { .status = "200 OK" }, { .expect = "PUT /x", .then = FAKE_HTTP_CUT },
        { .expect = "PUT /x\ncontent-length: 200000\r\n\r\n\nabcdefghijklmnopqrstuvwxyzabc",
          .status = "200 OK" });
    letters l = { .n = 200000 };
    const fo_http_request put = { .method = "PUT",
                                  .url = at(&f, "/x"),
                                  .body_size = 200000,
                                  .source = { .next = next_letters, .restart = first_letter, .arg = &l } };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    const char *body;

    (void)state;
    fo_http_end(begin(&f, &(fo_http_request){ .method = "GET", .url = put.url }));
    e = begin(&f, &put);
    assert_int_equal(fo_http_status(e), 200);
    assert_true(fo_http_resent(e));
    assert_int_equal(l.begun, 2);
    assert_int_equal(l.at, 200000);
    body = strstr(fake_http_request(f.server, 2), "\r\n\r\n") + 4;
    for (size_t i = 0; i < 200000; i += 997)
        assert_int_equal(body[i], 'a' + i % 26);
    fo_http_end(FO_TAKE(e));
    fixture_close(&f);
}

static void
what_may_be_done_once_is_sent_once(void **state)
{
    RUN(f, { .status = "200 OK" }, { .expect = "PUT /x", .then = FAKE_HTTP_CUT });
    fo_http_exchange *e = NULL;

    (void)state;
    get(&f, "/", NULL);
    assert_int_equal(fo_http_begin(f.client,
                                   &(fo_http_request){ .method = "PUT", .url = at(&f, "/x"), .once = true },
                                   &e, NULL),
                     FINOPS_E_TRANSIENT);
    assert_int_equal(fake_http_requests(f.server), 2);
    fixture_close(&f);
}

/* Takes some of a request, answers, and takes no more of it. */
static void *
impatient(void *arg)
{
    static const char answer[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nstop";
    const int *listener = arg;
    int fd = accept(*listener, NULL, NULL);
    char some[1000];

    if (fd < 0 || recv(fd, some, sizeof(some), 0) <= 0 || send(fd, answer, strlen(answer), 0) < 0)
        return arg;
    fake_http_pause(300); /* as long as the client still sends */
    (void)close(fd);
    return NULL;
}

static void
an_answer_that_comes_before_all_was_sent_is_taken(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    FO_AUTO(fo_freep) char *large = fo_zalloc(32u << 20);
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;
    http_fixture f = { 0 };
    pthread_t thread;
    void *failed;
    int64_t begun = fo_clock_monotonic();

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&address, n), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &n), 0);
    assert_int_equal(pthread_create(&thread, NULL, impatient, &listener), 0);
    assert_int_equal(fo_http_client_new(NULL, &f.client, NULL), FINOPS_OK);
    (void)snprintf(f.url, sizeof(f.url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    assert_int_equal(
        fetch(&f, &(fo_http_request){ .method = "PUT", .url = f.url, .body = large, .body_size = 32u << 20 },
              &body),
        403);
    assert_string_equal(fo_str_z(&body), "stop");
    assert_in_range(fo_clock_monotonic() - begun, 0, 5000000);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    fo_http_client_free(f.client);
    (void)close(listener);
}

/* ---- requests ---- */

static void
a_proxy_is_told_who_asks(void **state)
{
    RUN(f, { .expect = "GET http://nowhere.test:80/?a HTTP/1.1\r\nhost: nowhere.test\r\n\n"
                       "proxy-authorization: Basic dTpwIEA=\r\n",
             .status = "200 OK" });
    char proxy[100];
    const fo_http_options options = { .proxy = proxy };

    (void)state;
    (void)snprintf(proxy, sizeof(proxy), "http://u:p%%20%%40@127.0.0.1:%d", fake_http_port(f.server));
    fo_http_client_free(f.client);
    assert_int_equal(fo_http_client_new(&options, &f.client, NULL), FINOPS_OK);
    assert_int_equal(
        fetch(&f, &(fo_http_request){ .method = "GET", .url = "http://nowhere.test:80?a#b" }, NULL), 200);
    fixture_close(&f);
}

static void
an_address_with_a_blank_or_a_line_break_is_refused(void **state)
{
    static const char *const wrong[] = { "/a b", "/a\tb", "/a\r\nx: y", "/\x7f" };
    RUN(f, { .status = "200 OK" });

    (void)state;
    get(&f, "/", NULL);
    for (size_t i = 0; i < FO_COUNT(wrong); i++) {
        fo_http_exchange *e = NULL;

        assert_int_equal(
            fo_http_begin(f.client, &(fo_http_request){ .method = "GET", .url = at(&f, wrong[i]) }, &e, NULL),
            FINOPS_E_ARGUMENT);
    }
    assert_int_equal(fake_http_requests(f.server), 1);
    fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_ends_where_the_response_says),
        cmocka_unit_test(a_body_without_an_end_that_can_be_is_transient),
        cmocka_unit_test(a_head_without_an_end_is_refused),
        cmocka_unit_test(a_connection_on_which_more_came_than_asked_for_is_not_used_again),
        cmocka_unit_test(a_source_begins_again_when_a_kept_connection_broke),
        cmocka_unit_test(what_may_be_done_once_is_sent_once),
        cmocka_unit_test(an_answer_that_comes_before_all_was_sent_is_taken),
        cmocka_unit_test(a_proxy_is_told_who_asks),
        cmocka_unit_test(an_address_with_a_blank_or_a_line_break_is_refused),
    };

    return cmocka_run_group_tests_name("net/http_wire", tests, NULL, NULL);
}
