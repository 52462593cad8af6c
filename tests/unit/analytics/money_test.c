/* Money, shares and bars as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analytics/money.h"
#include "base/mem.h"

static fo_decimal
amount(const char *text)
{
    fo_decimal v = 0;

    assert_true(fo_decimal_parse(text, strlen(text), &v) <= FO_DECIMAL_ROUNDED);
    return v;
}

static void
money_has_thousands_separators_and_two_decimals(void **state)
{
    static const char *const cases[][2] = {
        { "0", "0.00" },
        { "1", "1.00" },
        { "999.994", "999.99" },
        { "999.995", "1,000.00" },
        { "1234.5", "1,234.50" },
        { "-1234567.891", "-1,234,567.89" },
        { "123456", "123,456.00" },
        { "-100", "-100.00" },
        { "99999999999999999999.99", "99,999,999,999,999,999,999.99" },
    };
    char buf[FO_MONEY_TEXT];

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++)
        assert_string_equal(fo_money_format(amount(cases[i][0]), buf), cases[i][1]);
}

static void
an_amount_that_is_not_zero_never_looks_like_zero(void **state)
{
    char buf[FO_MONEY_TEXT];

    (void)state;
    assert_string_equal(fo_money_format(amount("0.000000000000000001"), buf), "<0.01");
    assert_string_equal(fo_money_format(amount("0.004999"), buf), "<0.01");
    assert_string_equal(fo_money_format(amount("0.005"), buf), "0.01");
    assert_string_equal(fo_money_format(amount("-0.0001"), buf), ">-0.01");
    assert_string_equal(fo_money_format(amount("-0.005"), buf), "-0.01");
}

static void
a_change_carries_its_sign(void **state)
{
    char buf[FO_MONEY_TEXT];

    (void)state;
    assert_string_equal(fo_money_change_format(amount("1234.5"), buf), "+1,234.50");
    assert_string_equal(fo_money_change_format(amount("-3"), buf), "-3.00");
    assert_string_equal(fo_money_change_format(0, buf), "0.00");
    assert_string_equal(fo_money_change_format(amount("0.001"), buf), "<0.01");
}

static void
a_share_of_nothing_is_no_share(void **state)
{
    char buf[FO_MONEY_TEXT];

    (void)state;
    assert_false(fo_percent(amount("1"), 0, 1, buf));
    assert_true(fo_percent(amount("1"), amount("3"), 1, buf));
    assert_string_equal(buf, "33.3");
    assert_true(fo_percent(amount("-1"), amount("4"), 2, buf));
    assert_string_equal(buf, "-25.00");
    assert_true(fo_percent(amount("-0.0000001"), amount("4"), 1, buf));
    assert_string_equal(buf, "0.0");
}

static void
assert_bar(const char *v, const char *most, const char *want)
{
    FO_AUTO(fo_str_done) fo_str bar = FO_STR_INIT;

    fo_bar(amount(v), amount(most), 4, &bar);
    assert_string_equal(fo_str_z(&bar), want);
}

static void
bars_grow_with_the_amount_and_are_shaded_below_zero(void **state)
{
    (void)state;
    assert_bar("8", "8", "████");
    assert_bar("1", "8", "▌");
    assert_bar("3", "8", "█▌");
    assert_bar("0", "8", "");
    assert_bar("0.000001", "8", "▏"); /* there, though small */
    assert_bar("-8", "8", "░░░░");
    assert_bar("-1", "8", "░");
    assert_bar("0", "0", "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(money_has_thousands_separators_and_two_decimals),
        cmocka_unit_test(an_amount_that_is_not_zero_never_looks_like_zero),
        cmocka_unit_test(a_change_carries_its_sign),
        cmocka_unit_test(a_share_of_nothing_is_no_share),
        cmocka_unit_test(bars_grow_with_the_amount_and_are_shaded_below_zero),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
