/* Allocation, growing arrays, and the switch that makes the n-th allocation fail. */
#include "base_test.h"

#include <string.h>

#include "base/mem.h"

static void
the_planned_allocation_fails_and_no_other(void **state)
{
    void *p[3];

    (void)state;
    fo_mem_fail_at(2);
    for (size_t i = 0; i < 3; i++)
        p[i] = fo_alloc(8);

    assert_non_null(p[0]);
    assert_null(p[1]);
    assert_non_null(p[2]);
    assert_true(fo_mem_failed());
    fo_free(p[0]);
    fo_free(p[2]);
}

static void
a_plan_not_reached_has_not_failed(void **state)
{
    void *p;

    (void)state;
    fo_mem_fail_at(2);
    p = fo_alloc(8);
    assert_false(fo_mem_failed());
    fo_mem_fail_at(0);
    fo_free(p);
}

static void
every_way_to_allocate_obeys_the_plan(void **state)
{
    FO_AUTO(fo_freep) char *items = NULL;
    size_t cap = 0;

    (void)state;
    fo_mem_fail_at(1);
    assert_null(fo_zalloc(1));
    fo_mem_fail_at(1);
    assert_null(fo_array(1, 1));
    fo_mem_fail_at(1);
    assert_null(fo_strdup("x"));
    fo_mem_fail_at(1);
    assert_null(fo_strndup("x", 1));
    fo_mem_fail_at(1);
    assert_false(fo_grow((void **)&items, &cap, 1, 1));
    assert_null(items);
    assert_int_equal(cap, 0);
}

static void
an_array_whose_size_overflows_is_refused(void **state)
{
    FO_AUTO(fo_freep) uint64_t *items = NULL;
    size_t cap = 0;
    volatile size_t huge = SIZE_MAX / 4; /* volatile: the compiler would refuse it itself */

    (void)state;
    assert_null(fo_array(huge, 8));
    assert_false(fo_grow((void **)&items, &cap, huge, 8));
    assert_null(items);
}

static void
arrays_are_zeroed(void **state)
{
    FO_AUTO(fo_freep) unsigned *a = fo_array(100, sizeof(*a));

    (void)state;
    assert_non_null(a);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(a[i], 0);
}

static void
growing_keeps_the_items_and_reallocates_seldom(void **state)
{
    FO_AUTO(fo_freep) size_t *items = NULL;
    size_t cap = 0, moves = 0;

    (void)state;
    for (size_t i = 0; i < 10000; i++) {
        size_t before = cap;

        assert_true(fo_grow((void **)&items, &cap, i + 1, sizeof(*items)));
        assert_true(cap > i);
        moves += cap != before;
        items[i] = i;
    }
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(items[i], i);
    assert_true(moves < 30);
}

static void
strings_are_copied_to_their_given_length(void **state)
{
    FO_AUTO(fo_freep) char *a = fo_strdup("invoice");
    FO_AUTO(fo_freep) char *b = fo_strndup("invoice", 2);
    FO_AUTO(fo_freep) char *c = fo_strndup(NULL, 0);

    (void)state;
    assert_string_equal(a, "invoice");
    assert_string_equal(b, "in");
    assert_string_equal(c, "");
}

static void
a_taken_pointer_is_not_released_by_its_scope(void **state)
{
    char *kept;

    (void)state;
    {
        FO_AUTO(fo_freep) char *p = fo_strdup("kept");

        kept = FO_TAKE(p);
        assert_null(p);
    }
    assert_string_equal(kept, "kept");
    fo_free(kept);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_planned_allocation_fails_and_no_other),
        cmocka_unit_test(a_plan_not_reached_has_not_failed),
        cmocka_unit_test(every_way_to_allocate_obeys_the_plan),
        cmocka_unit_test(an_array_whose_size_overflows_is_refused),
        cmocka_unit_test(arrays_are_zeroed),
        cmocka_unit_test(growing_keeps_the_items_and_reallocates_seldom),
        cmocka_unit_test(strings_are_copied_to_their_given_length),
        cmocka_unit_test(a_taken_pointer_is_not_released_by_its_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
