/* Decimals against brute force: 128-bit arithmetic for texts, printing and reading back for doubles. */
#include "base_test.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"

#define TEXT 128

static fo_decimal
of(const char *z)
{
    fo_decimal v = 0;

    if (fo_decimal_parse(z, strlen(z), &v) != FO_DECIMAL_EXACT)
        fail_msg("%s", z);
    return v;
}

static void
is(const char *z, fo_decimal_result expected, const char *text)
{
    FO_AUTO(fo_freep) char *exact = fo_strndup(z, strlen(z)); /* a byte too far is seen */
    char buf[FO_DECIMAL_TEXT];
    fo_decimal v = 77;
    fo_decimal_result got = fo_decimal_parse(exact, strlen(z), &v);

    if (got != expected || strcmp(fo_decimal_format(v, buf), text) != 0)
        fail_msg("%s: %d %s", z, (int)got, buf);
}

static void
plain_numbers_keep_every_digit(void **state)
{
    (void)state;
    is("0", FO_DECIMAL_EXACT, "0");
    is("-0", FO_DECIMAL_EXACT, "0");
    is("0.0000000000", FO_DECIMAL_EXACT, "0");
    is("1", FO_DECIMAL_EXACT, "1");
    is("+1.50", FO_DECIMAL_EXACT, "1.5");
    is("-12.5", FO_DECIMAL_EXACT, "-12.5");
    is("0.000000000000000001", FO_DECIMAL_EXACT, "0.000000000000000001");
    is("890123.4567891234", FO_DECIMAL_EXACT, "890123.4567891234");
    is("1234567890123456789", FO_DECIMAL_EXACT, "1234567890123456789");
    is("9999999999999999999", FO_DECIMAL_EXACT, "9999999999999999999");
    is("18446744073709551616", FO_DECIMAL_EXACT, "18446744073709551616");
    is("9.999999999999999999", FO_DECIMAL_EXACT, "9.999999999999999999");
    is("99999999999999999999.999999999999999999", FO_DECIMAL_EXACT,
       "99999999999999999999.999999999999999999");
    is("-99999999999999999999.999999999999999999", FO_DECIMAL_EXACT,
       "-99999999999999999999.999999999999999999");
    is("000000000000000000000000000000001.5", FO_DECIMAL_EXACT, "1.5");
    is("1.500000000000000000000000000000000000", FO_DECIMAL_EXACT, "1.5");
}

static void
exponents_move_the_point(void **state)
{
    (void)state;
    is("1e3", FO_DECIMAL_EXACT, "1000");
    is("1E+3", FO_DECIMAL_EXACT, "1000");
    is("1.25e-7", FO_DECIMAL_EXACT, "0.000000125");
    is("-3.2E-06", FO_DECIMAL_EXACT, "-0.0000032");
    is("123456e-18", FO_DECIMAL_EXACT, "0.000000000000123456");
    is("0.00001e24", FO_DECIMAL_EXACT, "10000000000000000000");
    is("0e99999999999999999999", FO_DECIMAL_EXACT, "0");
}

static void
digits_may_stand_on_one_side_of_the_point_alone(void **state)
{
    (void)state;
    is(".5", FO_DECIMAL_EXACT, "0.5");
    is("5.", FO_DECIMAL_EXACT, "5");
    is("-.5", FO_DECIMAL_EXACT, "-0.5");
    is("+.25", FO_DECIMAL_EXACT, "0.25");
    is("-7.", FO_DECIMAL_EXACT, "-7");
    is("1.e5", FO_DECIMAL_EXACT, "100000");
    is(".5e1", FO_DECIMAL_EXACT, "5");
    is("12345678901234567890.", FO_DECIMAL_EXACT, "12345678901234567890");
    is(".0000000000000000005", FO_DECIMAL_ROUNDED, "0.000000000000000001");
}

static void
digits_beyond_the_last_round_half_away_from_zero(void **state)
{
    (void)state;
    is("0.0000000000000000004", FO_DECIMAL_ROUNDED, "0");
    is("0.0000000000000000005", FO_DECIMAL_ROUNDED, "0.000000000000000001");
    is("-0.0000000000000000005", FO_DECIMAL_ROUNDED, "-0.000000000000000001");
    is("0.00000000000000000049999999999999999999", FO_DECIMAL_ROUNDED, "0");
    is("1.0000000000000000015", FO_DECIMAL_ROUNDED, "1.000000000000000002");
    is("0.9999999999999999995", FO_DECIMAL_ROUNDED, "1");
    is("5e-19", FO_DECIMAL_ROUNDED, "0.000000000000000001");
    is("4.9e-19", FO_DECIMAL_ROUNDED, "0");
    is("9e-20", FO_DECIMAL_ROUNDED, "0");
    is("1e-999999999999", FO_DECIMAL_ROUNDED, "0");
    is("1.00000000000000000000000000000000000000000001", FO_DECIMAL_ROUNDED, "1");
}

static void
what_does_not_fit_is_out_of_range(void **state)
{
    static const char *const rows[] = { "100000000000000000000",
                                        "-100000000000000000000",
                                        "1e20",
                                        "1e999999999999",
                                        "123456789012345678901.5",
                                        "0.001e24",
                                        "99999999999999999999.9999999999999999995" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        is(rows[i], FO_DECIMAL_RANGE, "0.000000000000000077"); /* untouched */
}

static void
what_is_no_number_is_bad(void **state)
{
    static const char *const rows[] = {
        "",      "-",   "+",   ".",   "1..2",         "1.2.3", " 1",  "1 ",
        "e5",    "1e",  "1e+", "1e-", "1e5.",         "--1",   "+-1", "0x10",
        "1,000", "NaN", "inf", "1_0", "\xef\xbc\x91", "1e5x",  "1a",  "123456789012345678901234567890x",
        "-.",    ".e5", "5.."
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        is(rows[i], FO_DECIMAL_BAD, "0.000000000000000077");
}

static void
only_the_given_bytes_are_read(void **state)
{
    fo_decimal v = 0;

    (void)state;
    assert_int_equal(fo_decimal_parse("12345", 2, &v), FO_DECIMAL_EXACT);
    assert_true(v == of("12"));
    assert_int_equal(fo_decimal_parse("1\0", 2, &v), FO_DECIMAL_BAD);
    assert_int_equal(fo_decimal_parse(NULL, 0, &v), FO_DECIMAL_BAD);
}

/* A random value of up to 38 digits, all lengths alike likely. */
static fo_decimal
random_value(uint64_t *seed)
{
    unsigned digits = (unsigned)(random_u64(seed) % 39);
    fo_decimal v = 0;

    for (unsigned i = 0; i < digits; i++)
        v = v * 10 + (fo_decimal)((random_u64(seed) >> 40) % 10);
    return random_u64(seed) >> 63 ? -v : v;
}

/* Its digits, padded to `width` of them. */
static void
model_digits(fo_decimal v, char *out, unsigned width)
{
    fo_decimal rest = v < 0 ? -v : v;

    for (unsigned i = width; i-- > 0; rest /= 10)
        out[i] = (char)('0' + (int)(rest % 10));
    out[width] = '\0';
}

static void
random_values_read_and_write_as_the_model_does(void **state)
{
    uint64_t seed = 1;

    (void)state;
    for (unsigned i = 0; i < 40000; i++) {
        fo_decimal v = random_value(&seed), back = 0;
        char digits[64], text[TEXT], buf[FO_DECIMAL_TEXT];
        int n;

        model_digits(v, digits, 38);
        n = snprintf(text, sizeof(text), "%s%.20s.%s", v < 0 ? "-" : "", digits, digits + 20);
        if (fo_decimal_parse(text, (size_t)n, &back) != FO_DECIMAL_EXACT || back != v)
            fail_msg("%s", text);
        (void)fo_decimal_format(v, buf);
        if (fo_decimal_parse(buf, strlen(buf), &back) != FO_DECIMAL_EXACT || back != v)
            fail_msg("%s as %s", text, buf);
        assert_true(strchr(buf, '.') == NULL || buf[strlen(buf) - 1] != '0');
    }
}

/* The same value with the point moved and an exponent that moves it back, and with digits to round away. */
static void
random_exponents_and_tails_read_as_the_model_does(void **state)
{
    uint64_t seed = 2;

    (void)state;
    for (unsigned i = 0; i < 40000; i++) {
        fo_decimal v = random_value(&seed) / 10, back = 0, expected;
        unsigned point = (unsigned)(random_u64(&seed) % 38 + 1);
        unsigned tail = (unsigned)(random_u64(&seed) % 1000);
        char digits[64], text[TEXT];
        fo_decimal_result got;
        int n;

        model_digits(v, digits, 38);
        n = snprintf(text, sizeof(text), "%s%.*s.%s%03ue%d", v < 0 ? "-" : "", (int)point, digits,
                     digits + point, tail, 20 - (int)point);
        expected = tail < 500 ? v : v < 0 ? v - 1 : v + 1;
        if (v == 0 && tail >= 500)
            expected = 1; /* the model writes no sign for zero */
        got = fo_decimal_parse(text, (size_t)n, &back);
        if (back != expected || got != (tail ? FO_DECIMAL_ROUNDED : FO_DECIMAL_EXACT))
            fail_msg("%s", text);
    }
}

/* The shortest text that reads back, the nearest of several, by trying: each length, and the neighbours of
 * each text. */
static bool
try_text(double d, int digits, int delta, char text[TEXT])
{
    char mantissa[TEXT];
    char *e;
    long long m;
    int exponent;

    (void)snprintf(mantissa, sizeof(mantissa), "%.*e", digits - 1, d);
    e = strchr(mantissa, 'e');
    exponent = (int)strtol(e + 1, NULL, 10) - (digits - 1);
    *e = '\0';
    if (mantissa[1] == '.')
        memmove(mantissa + 1, mantissa + 2, strlen(mantissa + 2) + 1);
    m = strtoll(mantissa, NULL, 10) + delta;
    (void)snprintf(text, TEXT, "%llde%d", m, exponent);
    return strtod(text, NULL) == d;
}

static void
model_shortest(double d, char text[TEXT])
{
    double size = fabs(d);

    for (int digits = 1; digits <= 17; digits++)
        if (try_text(size, digits, 0, text) || try_text(size, digits, 1, text) ||
            try_text(size, digits, -1, text))
            return;
    fail_msg("%.17g has no text", d);
}

static void
check_double(double d)
{
    char text[TEXT];
    fo_decimal expected = 5, got = 5;
    fo_decimal_result a, b;

    model_shortest(d, text);
    a = fo_decimal_parse(text, strlen(text), &expected);
    b = fo_decimal_from_double(fabs(d), &got);
    if (a != b || expected != got)
        fail_msg("%.17g: model %s", d, text);
    b = fo_decimal_from_double(-fabs(d), &got);
    assert_true(a == b);
    assert_true(a == FO_DECIMAL_RANGE || got == -expected);
}

static void
doubles_of_any_bits_give_their_shortest_text(void **state)
{
    uint64_t seed = 3;

    (void)state;
    for (unsigned i = 0; i < 15000; i++) {
        uint64_t exponent = 1023 - 70 + random_u64(&seed) % 140; /* 2^-70 .. 2^70 */
        uint64_t bits = exponent << 52 | random_u64(&seed) >> 12;
        double d;

        memcpy(&d, &bits, 8);
        check_double(d);
    }
}

static void
doubles_of_few_digits_give_just_those(void **state)
{
    uint64_t seed = 4;

    (void)state;
    for (unsigned i = 0; i < 15000; i++) {
        unsigned digits = 1 + (unsigned)(random_u64(&seed) % 17);
        int exponent = -(int)(random_u64(&seed) % 24) + 4;
        uint64_t m = random_u64(&seed);
        char text[TEXT];

        for (unsigned j = 19; j > digits; j--)
            m /= 10;
        (void)snprintf(text, sizeof(text), "%llue%d", (unsigned long long)m / 10, exponent);
        check_double(strtod(text, NULL));
    }
}

static void
powers_of_two_and_their_neighbours_give_their_shortest_text(void **state)
{
    (void)state;
    for (int e = -80; e <= 70; e++) {
        double d = ldexp(1, e);

        check_double(d);
        check_double(nextafter(d, 0));
        check_double(nextafter(d, HUGE_VAL));
        check_double(d * 3);
    }
    for (int e = -25; e <= 21; e++) {
        char text[TEXT];

        (void)snprintf(text, sizeof(text), "1e%d", e);
        check_double(strtod(text, NULL));
        check_double(nextafter(strtod(text, NULL), 0));
        check_double(nextafter(strtod(text, NULL), HUGE_VAL));
    }
}

static void
sums_and_quotients_give_their_shortest_text(void **state)
{
    uint64_t seed = 5;

    (void)state;
    for (unsigned i = 0; i < 15000; i++) {
        double a = (double)(random_u64(&seed) % 100000000) / 1e4;
        double b = (double)(random_u64(&seed) % 100000 + 1) / 1e2;

        check_double(a / b);
        check_double(a + b / 3600);
    }
}

static void
known_doubles_give_what_people_see(void **state)
{
    static const struct {
        double d;
        const char *text;
    } rows[] = {
        { 890123.4567891234, "890123.4567891234" },
        { 0.1, "0.1" },
        { 0.1 + 0.2, "0.30000000000000004" },
        { 1e15 / 3, "333333333333333.3" },
        { 9007199254740993.0, "9007199254740992" },
        { 5.684341886080802e-14, "0.000000000000056843" },
        { -0.0, "0" },
        { 123456789012345680.0, "123456789012345680" },
        { 99999999999999983222.0, "99999999999999980000" },
    };
    char buf[FO_DECIMAL_TEXT];

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        fo_decimal v = 5;

        assert_true(fo_decimal_from_double(rows[i].d, &v) <= FO_DECIMAL_ROUNDED);
        assert_string_equal(fo_decimal_format(v, buf), rows[i].text);
    }
}

static void
doubles_without_a_decimal_are_refused(void **state)
{
    fo_decimal v = 5;

    (void)state;
    assert_int_equal(fo_decimal_from_double(NAN, &v), FO_DECIMAL_BAD);
    assert_int_equal(fo_decimal_from_double(INFINITY, &v), FO_DECIMAL_BAD);
    assert_int_equal(fo_decimal_from_double(-INFINITY, &v), FO_DECIMAL_BAD);
    assert_int_equal(fo_decimal_from_double(1e20, &v), FO_DECIMAL_RANGE);
    assert_int_equal(fo_decimal_from_double(-DBL_MAX, &v), FO_DECIMAL_RANGE);
    assert_true(v == 5);
    assert_int_equal(fo_decimal_from_double(DBL_TRUE_MIN, &v), FO_DECIMAL_ROUNDED);
    assert_true(v == 0);
}

static void
rounded_texts_have_the_places_asked_for(void **state)
{
    static const struct {
        const char *value;
        unsigned places;
        const char *text;
    } rows[] = {
        { "12.5", 2, "12.50" },
        { "12.345", 2, "12.35" },
        { "-12.345", 2, "-12.35" },
        { "12.344999", 2, "12.34" },
        { "0.5", 0, "1" },
        { "0.4", 0, "0" },
        { "-0.004", 2, "0.00" },
        { "-0.005", 2, "-0.01" },
        { "1.5", 18, "1.500000000000000000" },
        { "9.999", 2, "10.00" },
        { "0", 3, "0.000" },
        { "0.05", 1, "0.1" },
        { "99999999999999999999.999999999999999999", 2, "100000000000000000000.00" },
        { "-12345678901234567890.5", 0, "-12345678901234567891" },
    };
    char buf[FO_DECIMAL_TEXT];

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        assert_string_equal(fo_decimal_round_format(of(rows[i].value), rows[i].places, buf), rows[i].text);
}

static void
sums_are_exact_until_they_no_longer_fit(void **state)
{
    fo_decimal most = of("99999999999999999999.999999999999999999");
    fo_decimal sum = 5;

    (void)state;
    assert_true(fo_decimal_add(of("0.1"), of("0.2"), &sum));
    assert_true(sum == of("0.3"));
    assert_true(fo_decimal_add(most, -most, &sum));
    assert_true(sum == 0);
    assert_false(fo_decimal_add(most, 1, &sum));
    assert_false(fo_decimal_add(-most, -1, &sum));
    assert_false(fo_decimal_add(most, most, &sum));
    assert_true(sum == 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_numbers_keep_every_digit),
        cmocka_unit_test(exponents_move_the_point),
        cmocka_unit_test(digits_may_stand_on_one_side_of_the_point_alone),
        cmocka_unit_test(digits_beyond_the_last_round_half_away_from_zero),
        cmocka_unit_test(what_does_not_fit_is_out_of_range),
        cmocka_unit_test(what_is_no_number_is_bad),
        cmocka_unit_test(only_the_given_bytes_are_read),
        cmocka_unit_test(random_values_read_and_write_as_the_model_does),
        cmocka_unit_test(random_exponents_and_tails_read_as_the_model_does),
        cmocka_unit_test(doubles_of_any_bits_give_their_shortest_text),
        cmocka_unit_test(doubles_of_few_digits_give_just_those),
        cmocka_unit_test(powers_of_two_and_their_neighbours_give_their_shortest_text),
        cmocka_unit_test(sums_and_quotients_give_their_shortest_text),
        cmocka_unit_test(known_doubles_give_what_people_see),
        cmocka_unit_test(doubles_without_a_decimal_are_refused),
        cmocka_unit_test(rounded_texts_have_the_places_asked_for),
        cmocka_unit_test(sums_are_exact_until_they_no_longer_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
