/* Growing strings and lists of strings. */
#include "base_test.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void
pieces_add_up(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    assert_string_equal(fo_str_z(&s), "");
    fo_str_add(&s, "SELECT ");
    fo_str_addn(&s, "abcdef", 3);
    fo_str_addc(&s, ',');
    fo_str_addf(&s, " %d%s", 42, "!");
    assert_true(fo_str_ok(&s));
    assert_string_equal(fo_str_z(&s), "SELECT abc, 42!");
    assert_int_equal(s.len, strlen("SELECT abc, 42!"));
}

static void
a_json_text_is_quoted_and_escaped(void **state)
{
    static const char text[] = "a\"b\\c\n\0\x1f\xC3\xA9";
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    fo_str_add_json(&s, text, sizeof(text) - 1);
    assert_string_equal(fo_str_z(&s), "\"a\\\"b\\\\c\\u000a\\u0000\\u001f\xC3\xA9\"");
    fo_str_clear(&s);
    fo_str_add_json(&s, "", 0);
    assert_string_equal(fo_str_z(&s), "\"\"");
}

static void
formatting_fits_whatever_room_is_left(void **state)
{
    char expected[256];

    (void)state;
    for (size_t n = 0; n < 200; n++) {
        FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

        memset(expected, 'x', n);
        expected[n] = '\0';
        fo_str_addc(&s, '<');
        fo_str_addf(&s, "%s", expected);
        fo_str_addc(&s, '>');
        assert_int_equal(s.len, n + 2);
        assert_memory_equal(s.data + 1, expected, n);
        assert_string_equal(s.data + n + 1, ">");
    }
}

static void
the_maximum_can_be_filled_and_not_passed(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str s = FO_STR_MAX(5);

    (void)state;
    fo_str_add(&s, "12345");
    assert_true(fo_str_ok(&s));
    assert_int_equal(fo_str_check(&s, &err), FINOPS_OK);
    fo_str_addc(&s, '6');
    assert_false(fo_str_ok(&s));
    assert_string_equal(fo_str_z(&s), "12345");
    assert_null(fo_str_take(&s));
    assert_int_equal(fo_str_check(&s, &err), FINOPS_E_DATA);
    assert_string_equal(finops_error_text(err), "text is longer than 5 bytes");
}

static void
formatting_past_the_maximum_leaves_the_text_alone(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_MAX(5);

    (void)state;
    fo_str_add(&s, "123");
    fo_str_addf(&s, "%s", "4567");
    assert_false(fo_str_ok(&s));
    assert_string_equal(fo_str_z(&s), "123");
}

static void
a_failed_string_takes_nothing_more_until_cleared(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_MAX(3);

    (void)state;
    fo_str_add(&s, "1234");
    fo_str_add(&s, "1");
    fo_str_addf(&s, "%d", 1);
    assert_string_equal(fo_str_z(&s), "");
    fo_str_clear(&s);
    fo_str_add(&s, "123");
    assert_true(fo_str_ok(&s));
    assert_string_equal(fo_str_z(&s), "123");
}

static void
taking_hands_the_text_over(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
    FO_AUTO(fo_freep) char *text = NULL;
    FO_AUTO(fo_freep) char *empty = NULL;

    (void)state;
    fo_str_add(&s, "text");
    text = fo_str_take(&s);
    empty = fo_str_take(&s);
    assert_string_equal(text, "text");
    assert_string_equal(empty, "");
    fo_str_add(&s, "again");
    assert_string_equal(fo_str_z(&s), "again");
}

static void
bytes_of_zero_are_kept(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    fo_str_addn(&s, "a\0b", 3);
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.data, "a\0b", 4);
}

static void
strings_survive_every_failed_allocation(void **state)
{
    bool hit;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
        FO_AUTO(fo_freep) char *text = NULL;

        fo_mem_fail_at(++n);
        fo_str_add(&s, "some text");
        fo_str_addf(&s, "%200d", 1);
        hit = fo_mem_failed();
        assert_int_equal(fo_str_check(&s, &err), hit ? FINOPS_E_MEMORY : FINOPS_OK);
        text = fo_str_take(&s);
        assert_true((text == NULL) == hit);
    } while (hit);
    fo_mem_fail_at(1);
    assert_null(fo_format("%d", 1));
}

static void
a_list_owns_sorts_and_finds_its_strings(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv v = FO_STRV_INIT;

    (void)state;
    assert_true(fo_strv_add(&v, "b"));
    assert_true(fo_strv_addn(&v, "abc", 1));
    assert_true(fo_strv_take(&v, fo_strdup("\xc3\xa4"))); /* bytes above ASCII come last */
    assert_true(fo_strv_add(&v, "B"));
    fo_strv_sort(&v);
    assert_int_equal(v.n, 4);
    assert_string_equal(v.items[0], "B");
    assert_string_equal(v.items[1], "a");
    assert_string_equal(v.items[2], "b");
    assert_string_equal(v.items[3], "\xc3\xa4");
    assert_true(fo_strv_has(&v, "a"));
    assert_false(fo_strv_has(&v, "c"));
}

static void
splitting_keeps_empty_parts(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv v = FO_STRV_INIT;
    static const char *const expected[] = { "", "a", "", "b", "" };

    (void)state;
    assert_true(fo_strv_split(&v, "/a//b/", '/'));
    assert_int_equal(v.n, FO_COUNT(expected));
    for (size_t i = 0; i < v.n; i++)
        assert_string_equal(v.items[i], expected[i]);
    fo_strv_done(&v);
    assert_true(fo_strv_split(&v, "", ','));
    assert_int_equal(v.n, 1);
}

static void
a_list_survives_every_failed_allocation(void **state)
{
    bool hit;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(fo_strv_done) fo_strv v = FO_STRV_INIT;
        bool ok;

        fo_mem_fail_at(++n);
        ok = fo_strv_split(&v, "a,b,c,d,e,f,g,h,i,j,k", ',');
        hit = fo_mem_failed();
        assert_true(ok == !hit);
    } while (hit);
    fo_mem_fail_at(0);
    assert_false(fo_strv_take(&(fo_strv){ 0 }, NULL));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_add_up),
        cmocka_unit_test(a_json_text_is_quoted_and_escaped),
        cmocka_unit_test(formatting_fits_whatever_room_is_left),
        cmocka_unit_test(the_maximum_can_be_filled_and_not_passed),
        cmocka_unit_test(formatting_past_the_maximum_leaves_the_text_alone),
        cmocka_unit_test(a_failed_string_takes_nothing_more_until_cleared),
        cmocka_unit_test(taking_hands_the_text_over),
        cmocka_unit_test(bytes_of_zero_are_kept),
        cmocka_unit_test(strings_survive_every_failed_allocation),
        cmocka_unit_test(a_list_owns_sorts_and_finds_its_strings),
        cmocka_unit_test(splitting_keeps_empty_parts),
        cmocka_unit_test(a_list_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
