/* Which hosts go past the proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "net/no_proxy.h"

#define HOST "https://minio.corp.example:9000/bucket"

static void
a_host_stands_for_itself_and_the_names_below_it(void **state)
{
    static const char *const fit[] = { "minio.corp.example", "corp.example", ".corp.example",
                                       "*.corp.example",     "example",      "CORP.Example" };
    static const char *const others[] = {
        "orp.example", ".minio.corp", "x.minio.corp.example", "minio", "", ",, ,", "."
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(fit); i++)
        assert_true(fo_no_proxy_has(fit[i], HOST));
    for (size_t i = 0; i < FO_COUNT(others); i++)
        assert_false(fo_no_proxy_has(others[i], HOST));
    assert_false(fo_no_proxy_has(NULL, HOST));
    assert_false(fo_no_proxy_has("*", NULL));
    assert_false(fo_no_proxy_has("*", "no url"));
}

static void
any_of_the_list_counts_and_a_star_is_all(void **state)
{
    (void)state;
    assert_true(fo_no_proxy_has("localhost,127.0.0.1, .corp.example", HOST));
    assert_true(fo_no_proxy_has("localhost 127.0.0.1 corp.example", HOST));
    assert_true(fo_no_proxy_has("localhost,*", HOST));
    assert_false(fo_no_proxy_has("localhost,127.0.0.1", HOST));
}

static void
a_port_limits_an_entry_to_it(void **state)
{
    (void)state;
    assert_true(fo_no_proxy_has("corp.example:9000", HOST));
    assert_false(fo_no_proxy_has("corp.example:900", HOST));
    assert_false(fo_no_proxy_has("corp.example:443", HOST));
    assert_true(fo_no_proxy_has("b.example:443", "https://b.example"));
    assert_true(fo_no_proxy_has("b.example:80", "http://b.example/"));
    assert_false(fo_no_proxy_has("b.example:443", "http://b.example/"));
}

static void
addresses_are_written_with_and_without_brackets(void **state)
{
    (void)state;
    assert_true(fo_no_proxy_has("10.1.2.3", "http://10.1.2.3:9000"));
    assert_false(fo_no_proxy_has("10.1.2.3", "http://110.1.2.3:9000"));
    assert_true(fo_no_proxy_has("fd00::1", "http://[FD00::1]:9000"));
    assert_true(fo_no_proxy_has("[fd00::1]", "http://[fd00::1]:9000"));
    assert_true(fo_no_proxy_has("[fd00::1]:9000", "http://[fd00::1]:9000"));
    assert_false(fo_no_proxy_has("[fd00::1]:80", "http://[fd00::1]:9000"));
    assert_false(fo_no_proxy_has("[", "http://[fd00::1]:9000"));
}

static void
the_library_that_fetches_is_told_the_hosts_without_their_ports(void **state)
{
    char list[] = "corp.example:9000", named[] = HOST, other[] = "http://other.example";
    fo_aws_settings exports[] = { { .endpoint_url = other }, { 0 } };
    fo_settings settings = { .network.no_proxy = list,
                             .aws.endpoint_url = named,
                             .exports = exports,
                             .n_exports = FO_COUNT(exports) };

    (void)state;
    assert_int_equal(setenv("no_proxy", "before", 1), 0);
    assert_int_equal(fo_no_proxy_export(&(fo_settings){ 0 }, NULL), FINOPS_OK);
    assert_string_equal(getenv("no_proxy"), "before");
    assert_int_equal(fo_no_proxy_export(&settings, NULL), FINOPS_OK);
    assert_string_equal(getenv("no_proxy"), "corp.example:9000,minio.corp.example");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_stands_for_itself_and_the_names_below_it),
        cmocka_unit_test(any_of_the_list_counts_and_a_star_is_all),
        cmocka_unit_test(a_port_limits_an_entry_to_it),
        cmocka_unit_test(addresses_are_written_with_and_without_brackets),
        cmocka_unit_test(the_library_that_fetches_is_told_the_hosts_without_their_ports),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
