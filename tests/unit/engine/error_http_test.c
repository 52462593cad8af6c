/* What a remote store answered, told in one line with a code and advice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "engine/engine_internal.h"

#define GET "HTTP Error: HTTP GET error reading 's3://b/k' in region 'us-east-1' "
#define TOLD "HTTP GET error reading 's3://b/k' in region 'us-east-1' "
#define TAIL "\n\nAuthentication Failure - this is usually caused by invalid credentials.\n* See https://x"

static void
check(const char *text, finops_code code, const char *told, const char *hint)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    assert_int_equal(fo_engine_error(&err, DUCKDB_ERROR_HTTP, text), code);
    assert_string_equal(finops_error_text(err), told);
    if (hint)
        assert_non_null(strstr(finops_error_hint(err), hint));
    else
        assert_null(finops_error_hint(err));
}

static void
a_wrong_secret_is_told_from_a_missing_permission(void **state)
{
    (void)state;
    check(GET "(HTTP 403 Forbidden)\n\nSignatureDoesNotMatch: The signature differs." TAIL, FINOPS_E_AUTH,
          TOLD "(HTTP 403 Forbidden): SignatureDoesNotMatch: The signature differs", "check the credentials");
    check(GET "(HTTP 403 Forbidden)\n\nAccessDenied: Access Denied." TAIL, FINOPS_E_DENIED,
          TOLD "(HTTP 403 Forbidden): AccessDenied: Access Denied", "s3:GetObject");
}

static void
a_status_alone_is_enough(void **state)
{
    (void)state;
    check(GET "(HTTP 403 Forbidden)" TAIL, FINOPS_E_DENIED, TOLD "(HTTP 403 Forbidden)", "credentials");
    check(GET "(HTTP 404 Not Found)", FINOPS_E_NOT_FOUND, TOLD "(HTTP 404 Not Found)", NULL);
    check("Unable to connect: HTTP code 502", FINOPS_E_TRANSIENT, "Unable to connect: HTTP code 502", NULL);
}

static void
a_region_is_named_where_it_is_the_cause(void **state)
{
    (void)state;
    check(GET "(HTTP 400 Bad Request)\n\nAuthorizationHeaderMalformed: 'x' is wrong", FINOPS_E_CONFIG,
          TOLD "(HTTP 400 Bad Request): AuthorizationHeaderMalformed: 'x' is wrong", "region");
}

static void
a_statement_of_the_user_keeps_its_lines(void **state)
{
    static const char text[] = "Parser Error: syntax error at \"HTTP 404 x\"\n\nLINE 1: a\n        ^";
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    (void)fo_engine_error(&err, DUCKDB_ERROR_PARSER, text);
    assert_string_equal(finops_error_text(err), text);
}

static void
a_failed_allocation_leaves_the_engines_own_words(void **state)
{
    bool failed;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;

        fo_mem_fail_at(++n);
        assert_int_equal(fo_engine_error(&err, DUCKDB_ERROR_HTTP, GET "(HTTP 404 Not Found)"),
                         FINOPS_E_NOT_FOUND);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_non_null(err);
    } while (failed);
    assert_true(n > 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_secret_is_told_from_a_missing_permission),
        cmocka_unit_test(a_status_alone_is_enough),
        cmocka_unit_test(a_region_is_named_where_it_is_the_cause),
        cmocka_unit_test(a_statement_of_the_user_keeps_its_lines),
        cmocka_unit_test(a_failed_allocation_leaves_the_engines_own_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
