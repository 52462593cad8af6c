/* Which keys --include and --exclude mean. */
#include "cli/storage.h"
#include "cli_test.h"

static void
a_glob_without_a_slash_is_of_the_last_part(void **state)
{
    (void)state;
    assert_true(fo_glob_match("*.csv", "a.csv"));
    assert_true(fo_glob_match("*.csv", "2026/01/a.csv"));
    assert_true(fo_glob_match("a?c", "x/abc"));
    assert_false(fo_glob_match("*.csv", "a.csv/b"));
    assert_false(fo_glob_match("a", "ab"));
    assert_false(fo_glob_match("", "a"));
}

static void
a_glob_with_a_slash_is_of_all_and_a_star_stays_within_a_part(void **state)
{
    (void)state;
    assert_true(fo_glob_match("2026/*", "2026/a.csv"));
    assert_false(fo_glob_match("2026/*", "2026/01/a.csv"));
    assert_false(fo_glob_match("2026/?", "2026//"));
    assert_true(fo_glob_match("*/*/a*b*c", "1/2/axxbyyc"));
    assert_false(fo_glob_match("*/a", "x/y/a"));
}

static void
two_stars_go_across_parts(void **state)
{
    (void)state;
    assert_true(fo_glob_match("2026/**", "2026/01/02/a.csv"));
    assert_true(fo_glob_match("**/a.csv", "a.csv"));
    assert_true(fo_glob_match("**/a.csv", "1/2/a.csv"));
    assert_true(fo_glob_match("a/**/z", "a/z"));
    assert_true(fo_glob_match("a/**/z", "a/b/c/z"));
    assert_false(fo_glob_match("a/**/z", "ab/z"));
    assert_true(fo_glob_match("**/x/*.c", "a/x/b/x/f.c"));
    assert_true(fo_glob_match("**", "any/thing"));
}

static void
brackets_and_escapes_stand_for_one_character(void **state)
{
    (void)state;
    assert_true(fo_glob_match("[a-c]1", "b1"));
    assert_false(fo_glob_match("[!a-c]1", "b1"));
    assert_true(fo_glob_match("[]]", "]"));
    assert_true(fo_glob_match("a[", "a["));
    assert_true(fo_glob_match("\\*", "*"));
    assert_false(fo_glob_match("\\*", "a"));
    assert_false(fo_glob_match("a/[!x]b", "a//b"));
}

static void
many_stars_end_soon(void **state)
{
    char key[1001];

    (void)state;
    memset(key, 'a', sizeof(key) - 1);
    key[sizeof(key) - 1] = '\0';
    assert_false(fo_glob_match("*a*a*a*a*a*a*a*a*a*a*b", key));
    assert_false(fo_glob_match("**a**a**a**a**a**a**a**b", key));
}

static void
what_is_excluded_is_not_wanted_although_it_is_included(void **state)
{
    char csv[] = "*.csv", tmp[] = "tmp/**";
    char *include[] = { csv, NULL }, *exclude[] = { tmp, NULL };
    const fo_storage_flags both = { .include = include, .exclude = exclude }, none = { 0 };

    (void)state;
    assert_true(fo_storage_wanted(&both, "x/a.csv"));
    assert_false(fo_storage_wanted(&both, "tmp/a.csv"));
    assert_false(fo_storage_wanted(&both, "a.txt"));
    assert_true(fo_storage_wanted(&none, "a.txt"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_glob_without_a_slash_is_of_the_last_part),
        cmocka_unit_test(a_glob_with_a_slash_is_of_all_and_a_star_stays_within_a_part),
        cmocka_unit_test(two_stars_go_across_parts),
        cmocka_unit_test(brackets_and_escapes_stand_for_one_character),
        cmocka_unit_test(many_stars_end_soon),
        cmocka_unit_test(what_is_excluded_is_not_wanted_although_it_is_included),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
