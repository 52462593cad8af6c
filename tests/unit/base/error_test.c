/* Errors: codes, messages, hints, and what is left of them when memory is short. */
#include "base_test.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "finops/finops.h"
#include "finops/sys/plugin.h"

static void
every_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < FINOPS_E_COUNT_; i++) {
        assert_string_not_equal(finops_code_name((finops_code)i), "unknown");
        assert_true(finops_code_http_status((finops_code)i) >= 200);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(finops_code_name((finops_code)i), finops_code_name((finops_code)j));
    }
    assert_string_equal(finops_code_name(FINOPS_E_NOT_FOUND), "not_found");
}

static void
a_value_that_is_no_code_is_answered_safely(void **state)
{
    (void)state;
    assert_string_equal(finops_code_name(FINOPS_E_COUNT_), "unknown");
    assert_int_equal(finops_code_exit_status(FINOPS_E_COUNT_), 1);
    assert_int_equal(finops_code_http_status((finops_code)999), 500);
    assert_false(finops_code_retryable((finops_code)999));
}

static void
exit_statuses_tell_usage_and_partial_from_failure(void **state)
{
    (void)state;
    for (int i = 0; i < FINOPS_E_COUNT_; i++) {
        finops_code code = (finops_code)i;
        int expected = code == FINOPS_OK                                   ? 0
                       : code == FINOPS_E_USAGE || code == FINOPS_E_CONFIG ? 2
                       : code == FINOPS_E_PARTIAL                          ? 3
                                                                           : 1;

        assert_int_equal(finops_code_exit_status(code), expected);
    }
}

static void
only_passing_failures_are_retryable(void **state)
{
    (void)state;
    assert_true(finops_code_retryable(FINOPS_E_THROTTLED));
    assert_true(finops_code_retryable(FINOPS_E_TRANSIENT));
    assert_true(finops_code_retryable(FINOPS_E_TIMEOUT));
    assert_true(finops_code_retryable(FINOPS_E_BUSY));
    assert_false(finops_code_retryable(FINOPS_E_AUTH));
    assert_false(finops_code_retryable(FINOPS_E_DATA));
    assert_false(finops_code_retryable(FINOPS_OK));
}

static void
an_error_keeps_code_message_and_hint(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(fo_error_set(&err, FINOPS_E_DATA, "line %d is short", 7), FINOPS_E_DATA);
    assert_null(finops_error_hint(err));
    fo_error_hint(&err, "first");
    fo_error_hint(&err, "look at %s", "jan.csv");
    assert_int_equal(finops_error_code(err), FINOPS_E_DATA);
    assert_string_equal(finops_error_text(err), "line 7 is short");
    assert_string_equal(finops_error_hint(err), "look at jan.csv");
}

static void
wrapping_says_what_was_attempted_and_keeps_the_hint(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    (void)fo_error_set(&err, FINOPS_E_DENIED, "403 AccessDenied");
    fo_error_hint(&err, "check the policy");
    assert_int_equal(fo_error_wrap(&err, FINOPS_E_AUTH, "GET %s", "/b/jan.json"), FINOPS_E_AUTH);
    (void)fo_error_wrap(&err, FINOPS_E_AUTH, "read manifest");
    assert_string_equal(finops_error_text(err), "read manifest: GET /b/jan.json: 403 AccessDenied");
    assert_string_equal(finops_error_hint(err), "check the policy");
    assert_int_equal(finops_error_code(err), FINOPS_E_AUTH);
}

static void
wrapping_nothing_gives_the_prefix_alone(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(fo_error_wrap(&err, FINOPS_E_IO, "read %s", "a"), FINOPS_E_IO);
    assert_string_equal(finops_error_text(err), "read a");
}

static void
a_caller_without_interest_still_gets_the_code(void **state)
{
    (void)state;
    assert_int_equal(fo_error_set(NULL, FINOPS_E_BUSY, "x"), FINOPS_E_BUSY);
    assert_int_equal(fo_error_wrap(NULL, FINOPS_E_BUSY, "x"), FINOPS_E_BUSY);
    assert_int_equal(fo_error_errno(NULL, ENOENT, "x"), FINOPS_E_NOT_FOUND);
    assert_int_equal(fo_error_oom(NULL), FINOPS_E_MEMORY);
    fo_error_hint(NULL, "x");
}

static void
no_error_reads_as_nothing(void **state)
{
    finops_error *none = NULL;

    (void)state;
    assert_int_equal(finops_error_code(NULL), FINOPS_OK);
    assert_string_equal(finops_error_text(NULL), "");
    assert_null(finops_error_hint(NULL));
    finops_error_free(NULL);
    finops_error_freep(&none);
    fo_error_hint(&none, "x");
    assert_null(none);
}

static void
a_new_message_may_quote_the_error_it_replaces(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    (void)fo_error_set(&err, FINOPS_E_IO, "disk full");
    (void)fo_error_set(&err, FINOPS_E_PARTIAL, "2 months failed, first: %s", finops_error_text(err));
    assert_string_equal(finops_error_text(err), "2 months failed, first: disk full");
}

static void
errno_gives_code_and_reason(void **state)
{
    static const struct {
        int errnum;
        finops_code code;
    } rows[] = {
        { ENOENT, FINOPS_E_NOT_FOUND }, { ENOTDIR, FINOPS_E_NOT_FOUND },
        { EACCES, FINOPS_E_DENIED },    { EPERM, FINOPS_E_DENIED },
        { EROFS, FINOPS_E_DENIED },     { EEXIST, FINOPS_E_EXISTS },
        { ENOMEM, FINOPS_E_MEMORY },    { EIO, FINOPS_E_IO },
        { ENOSPC, FINOPS_E_IO },
    };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        assert_int_equal(fo_error_errno(NULL, rows[i].errnum, "x"), rows[i].code);
    (void)fo_error_errno(&err, ENOENT, "read %s", "a.json");
    assert_string_equal(finops_error_text(err), "read a.json: no such file or directory");
}

static void
out_of_memory_needs_no_memory(void **state)
{
    finops_error *err = NULL;

    (void)state;
    fo_mem_fail_at(1);
    assert_int_equal(fo_error_oom(&err), FINOPS_E_MEMORY);
    assert_false(fo_mem_failed());
    fo_mem_fail_at(0);
    assert_string_equal(finops_error_text(err), "out of memory");
    fo_error_hint(&err, "ignored");
    assert_null(finops_error_hint(err));
    finops_error_free(err);
    finops_error_free(err); /* the same constant object: nothing is freed */
}

static void
out_of_memory_can_be_wrapped(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    (void)fo_error_oom(&err);
    assert_int_equal(fo_error_wrap(&err, FINOPS_E_MEMORY, "read %s", "a"), FINOPS_E_MEMORY);
    assert_string_equal(finops_error_text(err), "read a: out of memory");
}

/* Whichever allocation fails, the code arrives and there is some text. */
static void
the_code_survives_every_failed_allocation(void **state)
{
    bool hit;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;

        fo_mem_fail_at(++n);
        assert_int_equal(fo_error_errno(&err, EACCES, "open %s", "a"), FINOPS_E_DENIED);
        assert_int_equal(finops_error_code(err), FINOPS_E_DENIED);
        assert_int_equal(fo_error_wrap(&err, FINOPS_E_CONFIG, "load"), FINOPS_E_CONFIG);
        fo_error_hint(&err, "hint");
        hit = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(finops_error_code(err), FINOPS_E_CONFIG);
        assert_true(strlen(finops_error_text(err)) > 0);
    } while (hit);
    assert_true(n > 5);
}

static void
a_plugin_makes_errors_with_advice(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(finops_error_new(&err, FINOPS_E_AUTH, "log in as %s", "ann"), FINOPS_E_AUTH);
    finops_error_advise(err, "set %s", "PGPASSWORD");
    assert_string_equal(finops_error_text(err), "log in as ann");
    assert_string_equal(finops_error_hint(err), "set PGPASSWORD");
    assert_int_equal(finops_error_new(NULL, FINOPS_E_BUSY, "x"), FINOPS_E_BUSY);
    finops_error_advise(NULL, "nobody reads this");
}

static void
an_error_of_a_plugin_that_is_none_is_an_internal_one(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(finops_error_new(&err, FINOPS_OK, "fine"), FINOPS_E_INTERNAL);
    assert_int_equal(finops_error_new(&err, (finops_code)999, "odd"), FINOPS_E_INTERNAL);
    assert_string_equal(finops_error_text(err), "odd");
}

static void
every_code_comes_back_from_the_errno_of_a_stream(void **state)
{
    (void)state;
    for (int i = 0; i < FINOPS_E_COUNT_; i++)
        assert_int_equal(finops_stream_code(finops_stream_errno((finops_code)i)), i);
    assert_int_equal(finops_stream_code(ENOTTY), FINOPS_E_DATABASE);
    assert_int_not_equal(finops_stream_errno((finops_code)999), 0);
}

static void
the_library_names_its_version(void **state)
{
    (void)state;
    assert_string_equal(finops_version(), FINOPS_VERSION);
}

static void
an_error_says_when_to_try_again_and_keeps_it_when_wrapped(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(finops_error_retry_after(NULL), -1);
    (void)fo_error_set(&err, FINOPS_E_THROTTLED, "slow down");
    assert_int_equal(finops_error_retry_after(err), -1);
    finops_error_set_retry_after(err, 0);
    assert_int_equal(finops_error_retry_after(err), 0);
    finops_error_set_retry_after(err, 2000000);
    (void)fo_error_wrap(&err, FINOPS_E_THROTTLED, "put k");
    assert_int_equal(finops_error_retry_after(err), 2000000);
    finops_error_set_retry_after(err, -5);
    assert_int_equal(finops_error_retry_after(err), -1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_of_its_own),
        cmocka_unit_test(a_value_that_is_no_code_is_answered_safely),
        cmocka_unit_test(exit_statuses_tell_usage_and_partial_from_failure),
        cmocka_unit_test(only_passing_failures_are_retryable),
        cmocka_unit_test(an_error_keeps_code_message_and_hint),
        cmocka_unit_test(wrapping_says_what_was_attempted_and_keeps_the_hint),
        cmocka_unit_test(wrapping_nothing_gives_the_prefix_alone),
        cmocka_unit_test(a_caller_without_interest_still_gets_the_code),
        cmocka_unit_test(no_error_reads_as_nothing),
        cmocka_unit_test(a_new_message_may_quote_the_error_it_replaces),
        cmocka_unit_test(errno_gives_code_and_reason),
        cmocka_unit_test(out_of_memory_needs_no_memory),
        cmocka_unit_test(out_of_memory_can_be_wrapped),
        cmocka_unit_test(the_code_survives_every_failed_allocation),
        cmocka_unit_test(a_plugin_makes_errors_with_advice),
        cmocka_unit_test(an_error_of_a_plugin_that_is_none_is_an_internal_one),
        cmocka_unit_test(every_code_comes_back_from_the_errno_of_a_stream),
        cmocka_unit_test(the_library_names_its_version),
        cmocka_unit_test(an_error_says_when_to_try_again_and_keeps_it_when_wrapped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
