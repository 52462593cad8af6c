/* Bearer tokens: what a token service says, when it is asked again, and what a failure says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/oauth.h"
#include "support/fake_http.h"

#define SECOND INT64_C(1000000)
#define NOW (1700000000 * SECOND)

typedef struct fixture {
    fake_http *server;
    fo_http_client *http;
    fo_oauth *oauth;
    char *url;
} fixture;

static finops_code
fetch(void *arg, const finops_call *call, fo_str *ret, int64_t *ret_expires_us, finops_error **err)
{
    const fixture *f = arg;
    const fo_http_request request = { .method = "GET", .url = f->url, .call = call };

    return fo_oauth_ask(f->http, &request, "the service", ret, ret_expires_us, err);
}

static void
start(fixture *f, const fake_http_step *script, size_t n)
{
    *f = (fixture){ .server = fake_http_script(script, n) };
    f->url = fo_format("%s/token", fake_http_url(f->server));
    assert_int_equal(fo_http_client_new(NULL, &f->http, NULL), FINOPS_OK);
    f->oauth = fo_oauth_new(fetch, f);
    assert_non_null(f->oauth);
    fo_clock_fix(NOW);
}

static void
stop(fixture *f)
{
    if (fake_http_problem(f->server))
        print_error("%s\n", fake_http_problem(f->server));
    assert_null(fake_http_problem(f->server));
    fo_oauth_free(f->oauth);
    fo_http_client_free(f->http);
    fake_http_stop(f->server);
    fo_free(f->url);
    fo_clock_fix(-1);
}

/* At so many seconds after the start: the token, or "code: message". */
static void
expect_at(fixture *f, int64_t seconds, const char *want)
{
    FO_AUTO(fo_str_done) fo_str token = FO_STR_MAX(1000);
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_code rc;

    fo_clock_fix(NOW + seconds * SECOND);
    rc = fo_oauth_get(f->oauth, NULL, &token, &err);
    if (rc != FINOPS_OK)
        fo_str_addf(&token, "%s: %s", finops_code_name(rc), finops_error_text(err));
    assert_string_equal(fo_str_z(&token), want);
}

#define TOKEN(text, end)                                                                                     \
    {                                                                                                        \
        .status = "200 OK", .body = "{\"access_token\":\"" text "\"," end "}"                                \
    }

static void
a_token_is_renewed_ahead_of_its_end(void **state)
{
    static const fake_http_step script[] = { TOKEN("one", "\"expires_in\":3600"),
                                             TOKEN("two", "\"expires_in\":\"40\""),
                                             TOKEN("three", "\"expires_on\":\"1700007000\"") };
    fixture f;

    (void)state;
    start(&f, script, FO_COUNT(script));
    expect_at(&f, 0, "one");
    expect_at(&f, 3299, "one");
    expect_at(&f, 3300, "two"); /* five minutes before */
    expect_at(&f, 3329, "two");
    expect_at(&f, 3331, "three"); /* or a quarter of its life */
    expect_at(&f, 6699, "three");
    stop(&f);
}

static void
a_renewal_that_fails_keeps_a_token_that_is_still_good(void **state)
{
    static const fake_http_step script[] = {
        TOKEN("one", "\"expires_in\":3600"),
        { .status = "503 Oops" },
        { .status = "503 Oops" },
        { .status = "410 Gone" },
        TOKEN("two", "\"expires_in\":3600"),
    };
    fixture f;

    (void)state;
    start(&f, script, FO_COUNT(script));
    expect_at(&f, 0, "one");
    expect_at(&f, 3301, "one"); /* the first 503 */
    expect_at(&f, 3302, "one"); /* not asked again at once */
    expect_at(&f, 3332, "one"); /* the second */
    expect_at(&f, 3600, "transient: the service answered 410");
    expect_at(&f, 3600, "two");
    stop(&f);
}

static void
a_service_that_is_busy_says_for_how_long(void **state)
{
    static const fake_http_step script[] = {
        { .status = "429 Too Many Requests",
          .headers = "Retry-After: 7\r\n",
          .body = "{\"error\":\"temporarily_unavailable\"}" },
        { .status = "503 Busy", .headers = "Retry-After: Tue, 14 Nov 2023 22:13:30 GMT\r\n" },
        { .status = "401 Unauthorized", .body = "not JSON" },
    };
    static const struct row {
        finops_code code;
        int64_t after;
    } rows[] = { { FINOPS_E_THROTTLED, 7 * SECOND },
                 { FINOPS_E_TRANSIENT, 10 * SECOND },
                 { FINOPS_E_AUTH, -1 } };
    fixture f;

    (void)state;
    start(&f, script, FO_COUNT(script));
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        FO_AUTO(fo_str_done) fo_str token = FO_STR_MAX(1000);
        FO_AUTO(finops_error_freep) finops_error *err = NULL;

        assert_int_equal(fo_oauth_get(f.oauth, NULL, &token, &err), rows[i].code);
        assert_int_equal(finops_error_retry_after(err), rows[i].after);
    }
    stop(&f);
}

/* It would be fetched again and again. */
static void
a_token_that_has_ended_before_it_came_is_an_error(void **state)
{
    static const fake_http_step script[] = { TOKEN("one", "\"expires_in\":0"),
                                             TOKEN("two", "\"expires_on\":1699999999"),
                                             TOKEN("three", "\"expires_in\":60") };
    fixture f;

    (void)state;
    start(&f, script, FO_COUNT(script));
    expect_at(&f, 0, "auth: tokens came that had already ended");
    expect_at(&f, 0, "auth: tokens came that had already ended");
    expect_at(&f, 0, "three");
    stop(&f);
}

static void
an_end_that_cannot_be_is_none(void **state)
{
    static const fake_http_step script[] = { TOKEN("one", "\"expires_in\":9223372036854775807"),
                                             TOKEN("two", "\"expires_in\":\"18446744073709551615\""),
                                             TOKEN("three", "\"expires_in\":-5"),
                                             TOKEN("four", "\"x\":1"),
                                             TOKEN("", "\"x\":1"),
                                             { .status = "200 OK", .body = "[1]" } };
    fixture f;

    (void)state;
    start(&f, script, FO_COUNT(script));
    expect_at(&f, 0, "one"); /* for five minutes */
    expect_at(&f, 224, "one");
    expect_at(&f, 301, "two");
    expect_at(&f, 602, "three");
    expect_at(&f, 903, "four");
    expect_at(&f, 1204, "auth: the service answered without a token");
    expect_at(&f, 1204, "auth: the service answered without a token");
    stop(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_renewed_ahead_of_its_end),
        cmocka_unit_test(a_renewal_that_fails_keeps_a_token_that_is_still_good),
        cmocka_unit_test(a_service_that_is_busy_says_for_how_long),
        cmocka_unit_test(a_token_that_has_ended_before_it_came_is_an_error),
        cmocka_unit_test(an_end_that_cannot_be_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
