/* Copies of objects, ranges and conditions: the rules every driver has. */
#include "storage_test.h"

#include "base/clock.h"
#include "storage/object.h"

static void
a_copy_owns_all_its_texts(void **state)
{
    char key[] = "a/b", value[] = "two words";
    const finops_metadata metadata[] = { { "owner", value }, { "empty", "" } };
    const finops_object object = { .key = key,
                                   .size = 3,
                                   .modified_us = 4,
                                   .version = "v1",
                                   .content_type = "text/plain",
                                   .metadata = metadata,
                                   .n_metadata = 2 };
    finops_error *err = NULL;
    finops_object copy;

    (void)state;
    ok(finops_object_copy(&object, &copy, &err), &err);
    key[0] = value[0] = 'X';
    assert_string_equal(copy.key, "a/b");
    assert_string_equal(copy.version, "v1");
    assert_string_equal(copy.content_type, "text/plain");
    assert_null(copy.etag);
    assert_int_equal(copy.size, 3);
    assert_int_equal(copy.n_metadata, 2);
    assert_string_equal(copy.metadata[0].value, "two words");
    assert_string_equal(copy.metadata[1].name, "empty");
    finops_object_done(&copy);
    assert_null(copy.key);
    finops_object_done(&copy);
    finops_object_done(NULL);
}

static void
a_copy_of_nothing_owns_nothing(void **state)
{
    finops_error *err = NULL;
    finops_object copy;

    (void)state;
    ok(finops_object_copy(&(finops_object){ .size = -1 }, &copy, &err), &err);
    assert_null(copy.key);
    assert_null(copy.metadata);
    finops_object_done(&copy);
    fails(finops_object_copy(NULL, &copy, &err), FINOPS_E_ARGUMENT, &err);
}

static void
a_copy_without_memory_leaves_its_target_alone(void **state)
{
    finops_error *err = NULL;
    finops_object copy = { .size = 77 };

    (void)state;
    fo_mem_fail_at(1);
    fails(finops_object_copy(&(finops_object){ .key = "a" }, &copy, &err), FINOPS_E_MEMORY, &err);
    assert_int_equal(copy.size, 77);
    assert_null(copy.key);
}

/* offset, length and suffix of 10 bytes (0 where empty) come to first and n; code else. */
static void
ranges_are_clamped_or_refused(void **state)
{
    static const struct {
        int64_t offset, length, suffix, size, first, n;
        finops_code code;
    } cases[] = {
        { 0, -1, 0, 10, 0, 10, FINOPS_OK },        { 0, 1, 0, 10, 0, 1, FINOPS_OK },
        { 9, 1, 0, 10, 9, 1, FINOPS_OK },          { 9, 100, 0, 10, 9, 1, FINOPS_OK },
        { 3, 0, 0, 10, 3, 0, FINOPS_OK },          { 10, -1, 0, 10, 0, 0, FINOPS_E_RANGE },
        { 11, 1, 0, 10, 0, 0, FINOPS_E_RANGE },    { INT64_MAX, INT64_MAX, 0, 10, 0, 0, FINOPS_E_RANGE },
        { 5, INT64_MAX, 0, 10, 5, 5, FINOPS_OK },  { -1, 1, 0, 10, 0, 0, FINOPS_E_ARGUMENT },
        { 0, 0, 4, 10, 6, 4, FINOPS_OK },          { 99, 0, 11, 10, 0, 10, FINOPS_OK },
        { 0, 0, -1, 10, 0, 0, FINOPS_E_ARGUMENT }, { 0, -1, 0, 0, 0, 0, FINOPS_OK },
        { 0, 5, 0, 0, 0, 0, FINOPS_OK },           { 1, -1, 0, 0, 0, 0, FINOPS_E_RANGE },
        { 0, 0, 3, 0, 0, 0, FINOPS_OK },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        const finops_get get = { .offset = cases[i].offset,
                                 .length = cases[i].length,
                                 .suffix = cases[i].suffix };
        int64_t first = 0, n = 0;
        finops_error *err = NULL;
        finops_code rc = fo_get_resolve(&get, cases[i].size, &first, &n, &err);

        if (rc != cases[i].code || first != cases[i].first || n != cases[i].n)
            fail_msg("case %zu: %s %lld %lld", i, finops_code_name(rc), (long long)first, (long long)n);
        finops_error_freep(&err);
    }
}

static void
conditions_have_a_code_each(void **state)
{
    const finops_put create = { .create_only = true }, replace = { .if_version = "1" };
    finops_error *err = NULL;

    (void)state;
    ok(fo_put_check(&create, NULL, &err), &err);
    fails(fo_put_check(&create, "1", &err), FINOPS_E_EXISTS, &err);
    ok(fo_put_check(&replace, "1", &err), &err);
    fails(fo_put_check(&replace, "2", &err), FINOPS_E_PRECONDITION, &err);
    fails(fo_put_check(&replace, NULL, &err), FINOPS_E_PRECONDITION, &err);
    fails(fo_get_check(&(finops_get){ .if_version = "1" }, "2", &err), FINOPS_E_PRECONDITION, &err);
    fails(fo_get_check(&(finops_get){ .unless_version = "2" }, "2", &err), FINOPS_E_UNCHANGED, &err);
    ok(fo_get_check(&(finops_get){ .if_version = "2", .unless_version = "1" }, "2", &err), &err);
}

static bool
yes(void *arg)
{
    (void)arg;
    return true;
}

static void
a_call_that_must_end_says_why(void **state)
{
    finops_error *err = NULL;

    (void)state;
    ok(fo_call_check(NULL, &err), &err);
    ok(fo_call_check(&(finops_call){ 0 }, &err), &err);
    ok(fo_call_check(&(finops_call){ .deadline_us = INT64_MAX }, &err), &err);
    fails(fo_call_check(&(finops_call){ .deadline_us = 1 }, &err), FINOPS_E_TIMEOUT, &err);
    fails(fo_call_check(&(finops_call){ .cancelled = yes }, &err), FINOPS_E_CANCELLED, &err);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_owns_all_its_texts),
        cmocka_unit_test(a_copy_of_nothing_owns_nothing),
        cmocka_unit_test(a_copy_without_memory_leaves_its_target_alone),
        cmocka_unit_test(ranges_are_clamped_or_refused),
        cmocka_unit_test(conditions_have_a_code_each),
        cmocka_unit_test(a_call_that_must_end_says_why),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
