/* Addresses and their escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/http.h"

static void
everything_but_the_unreserved_is_escaped(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    (void)state;
    fo_url_escape(&text, "aZ09-_.~ /+%\xc3\xa9\x01\x7f", false);
    assert_string_equal(fo_str_z(&text), "aZ09-_.~%20%2F%2B%25%C3%A9%01%7F");
    fo_str_clear(&text);
    fo_url_escape(&text, "a/b//c d", true);
    assert_string_equal(fo_str_z(&text), "a/b//c%20d");
    fo_str_clear(&text);
    fo_url_escape(&text, "", true);
    assert_string_equal(fo_str_z(&text), "");
}

static void
every_byte_survives_there_and_back(void **state)
{
    FO_AUTO(fo_str_done) fo_str escaped = FO_STR_INIT, text = FO_STR_INIT;
    char all[256];

    (void)state;
    for (int i = 1; i < 256; i++)
        all[i - 1] = (char)i;
    all[255] = '\0';
    fo_url_escape(&escaped, all, false);
    assert_true(fo_url_unescape(&text, fo_str_z(&escaped), escaped.len));
    assert_string_equal(fo_str_z(&text), all);
}

static void
broken_escapes_and_nul_are_refused(void **state)
{
    static const char *const wrong[] = { "%", "a%4", "%zz", "%4g", "%00" };
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(wrong); i++)
        assert_false(fo_url_unescape(&text, wrong[i], strlen(wrong[i])));
    fo_str_clear(&text);
    assert_true(fo_url_unescape(&text, "a+%2b", 5));
    assert_string_equal(fo_str_z(&text), "a++");
}

static void
an_address_falls_into_its_parts(void **state)
{
    fo_url u;

    (void)state;
    assert_int_equal(fo_url_parse("HTTPS://us%40er:p%3Aw@Host.test:8443/a/b?q=1&r#f", &u, NULL), FINOPS_OK);
    assert_string_equal(u.scheme, "https");
    assert_string_equal(u.user, "us@er");
    assert_string_equal(u.password, "p:w");
    assert_string_equal(u.host, "Host.test");
    assert_int_equal(u.port, 8443);
    assert_string_equal(u.path, "/a/b");
    assert_string_equal(u.query, "q=1&r");
    fo_url_done(&u);
    assert_int_equal(fo_url_parse("http://[::1]:90", &u, NULL), FINOPS_OK);
    assert_string_equal(u.host, "[::1]");
    assert_int_equal(u.port, 90);
    assert_string_equal(u.path, "");
    assert_null(u.query);
    assert_null(u.user);
    fo_url_done(&u);
    assert_int_equal(fo_url_parse("file:///a b", &u, NULL), FINOPS_OK);
    assert_string_equal(u.host, "");
    assert_string_equal(u.path, "/a b");
    assert_int_equal(u.port, 0);
    fo_url_done(&u);
}

static void
what_is_no_address_is_refused_without_its_password(void **state)
{
    static const char *const wrong[] = { "",
                                         "host/path",
                                         "://h",
                                         "1a://h",
                                         "h t://x",
                                         "http://h:0",
                                         "http://h:65536",
                                         "http://h:8x",
                                         "http://u:secret%@h",
                                         "http://[::1]x" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(wrong); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        fo_url u;

        assert_int_equal(fo_url_parse(wrong[i], &u, &err), FINOPS_E_ARGUMENT);
        assert_null(strstr(finops_error_text(err), "secret"));
    }
}

static void
parsing_survives_every_failed_allocation(void **state)
{
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        fo_url u = { 0 };

        fo_mem_fail_at(++n);
        rc = fo_url_parse("https://u:p@h:1/p?q", &u, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_url_done(&u);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_but_the_unreserved_is_escaped),
        cmocka_unit_test(every_byte_survives_there_and_back),
        cmocka_unit_test(broken_escapes_and_nul_are_refused),
        cmocka_unit_test(an_address_falls_into_its_parts),
        cmocka_unit_test(what_is_no_address_is_refused_without_its_password),
        cmocka_unit_test(parsing_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests_name("net/url", tests, NULL, NULL);
}
