/*
 * Decimals from text and to text.
 *
 * Nearly every amount of a bill has few digits: those take one 64-bit accumulation and one multiplication.
 * What is left, long fractions and exponents, goes through the general reader.
 */
#include "base/decimal.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/decimal_internal.h"
#include "base/str.h"

#define SCALE FO_DECIMAL_SCALE
#define WHOLE_DIGITS 20 /* before the point */
#define KEPT_DIGITS 38
#define EXPONENT_MAX 100000 /* far beyond any value that fits; keeps sums from overflowing */

/* clang-format off */
const uint64_t fo_pow10[20] = {
    1ull, 10ull, 100ull, 1000ull, 10000ull, 100000ull, 1000000ull, 10000000ull, 100000000ull, 1000000000ull,
    10000000000ull, 100000000000ull, 1000000000000ull, 10000000000000ull, 100000000000000ull,
    1000000000000000ull, 10000000000000000ull, 100000000000000000ull, 1000000000000000000ull,
    10000000000000000000ull,
};
/* clang-format on */

/* A number's text taken apart: digits of the whole and of the fraction, and the exponent. */
typedef struct number {
    const char *whole;
    size_t n_whole;
    const char *fraction;
    size_t n_fraction;
    long exponent;
    bool negative;
} number;

/* 10^38: one more than the largest value. */
static fo_udecimal
limit(void)
{
    return (fo_udecimal)fo_pow10[19] * fo_pow10[19];
}

/* 10^n for n up to 38. */
static fo_udecimal
power(unsigned n)
{
    assert(n <= KEPT_DIGITS);
    return n < 20 ? fo_pow10[n] : (fo_udecimal)fo_pow10[19] * fo_pow10[n - 19];
}

/* Takes the digits from *p on; 0 when there are none. */
static size_t
count_digits(const char **p, const char *end)
{
    const char *start = *p;

    while (*p < end && fo_is_digit(**p))
        (*p)++;
    return (size_t)(*p - start);
}

/* "e5", "E-07": false when the digits are missing. */
static bool
split_exponent(const char **p, const char *end, long *ret)
{
    bool negative = false;
    long value = 0;

    if (*p == end || (**p != 'e' && **p != 'E'))
        return true;
    (*p)++;
    if (*p < end && (**p == '-' || **p == '+'))
        negative = *(*p)++ == '-';
    if (*p == end)
        return false;
    for (; *p < end && fo_is_digit(**p); (*p)++)
        if (value < EXPONENT_MAX)
            value = value * 10 + (**p - '0');
    if (!fo_is_digit((*p)[-1]))
        return false;
    *ret = negative ? -value : value;
    return true;
}

static bool
split(const char *p, size_t n, number *ret)
{
    const char *end = p + n;

    *ret = (number){ 0 };
    if (p < end && (*p == '-' || *p == '+'))
        ret->negative = *p++ == '-';
    ret->whole = p;
    ret->n_whole = count_digits(&p, end);
    if (p < end && *p == '.') {
        ret->fraction = ++p;
        ret->n_fraction = count_digits(&p, end);
    }
    if (ret->n_whole + ret->n_fraction == 0)
        return false;
    return split_exponent(&p, end, &ret->exponent) && p == end;
}

static unsigned
digit_at(const number *x, size_t i)
{
    return (unsigned)((i < x->n_whole ? x->whole[i] : x->fraction[i - x->n_whole]) - '0');
}

/* Cuts the digits first..total of x at `keep` of them, rounding half away from zero. */
static fo_decimal_result
collect(const number *x, size_t first, size_t keep, fo_udecimal *ret)
{
    size_t total = x->n_whole + x->n_fraction - first;
    size_t used = total < keep ? total : keep;
    fo_decimal_result result = FO_DECIMAL_EXACT;
    fo_udecimal value = 0;

    for (size_t i = 0; i < used; i++)
        value = value * 10 + digit_at(x, first + i);
    value *= power((unsigned)(keep - used));
    for (size_t i = used; i < total && result == FO_DECIMAL_EXACT; i++)
        if (digit_at(x, first + i) != 0)
            result = FO_DECIMAL_ROUNDED;
    if (used < total && digit_at(x, first + used) >= 5)
        value++;
    *ret = value;
    return result;
}

/* Any well-formed number. */
static fo_decimal_result
parse_any(const char *p, size_t n, fo_decimal *ret)
{
    fo_decimal_result result;
    fo_udecimal value;
    size_t first = 0, total;
    long long point;
    number x;

    if (!split(p, n, &x))
        return FO_DECIMAL_BAD;
    total = x.n_whole + x.n_fraction;
    while (first < total && digit_at(&x, first) == 0)
        first++;
    /* How many digits stand before the point, counted from the first that is not zero. */
    point = (long long)x.n_whole - (long long)first + x.exponent;
    if (first == total || point + SCALE < 0) {
        *ret = 0;
        return first == total ? FO_DECIMAL_EXACT : FO_DECIMAL_ROUNDED;
    }
    if (point > WHOLE_DIGITS)
        return FO_DECIMAL_RANGE;
    result = collect(&x, first, (size_t)(point + SCALE), &value);
    if (value >= limit())
        return FO_DECIMAL_RANGE;
    *ret = x.negative ? -(fo_decimal)value : (fo_decimal)value;
    return result;
}

/* Adds the digits from p on to *value, at most until `end`. */
static inline const char *
accumulate(const char *p, const char *end, uint64_t *value)
{
    uint64_t sum = *value;

    while (p < end && fo_is_digit(*p))
        sum = sum * 10 + (uint64_t)(*p++ - '0');
    *value = sum;
    return p;
}

fo_decimal_result
fo_decimal_parse(const char *p, size_t n, fo_decimal *ret)
{
    const char *start = p;
    const char *end = p + n;
    const char *digits, *point;
    uint64_t value = 0;
    unsigned places = 0;
    bool negative;

    assert(ret && (p || n == 0));

    /* Up to 20 bytes hold at most 19 digits once there is a sign or a point, and 19 digits fit 64 bits. */
    if (n == 0 || n > 20)
        return n == 0 ? FO_DECIMAL_BAD : parse_any(start, n, ret);
    negative = *p == '-';
    p += negative;
    digits = p;
    p = accumulate(p, end, &value);
    point = p;
    if (point == digits)
        return parse_any(start, n, ret);
    if (p < end && *p == '.') {
        p = accumulate(p + 1, end, &value);
        places = (unsigned)(p - point) - 1;
        if (places == 0 || places > SCALE)
            return parse_any(start, n, ret);
    }
    if (p != end || p - digits > 19 + (places > 0))
        return parse_any(start, n, ret);
    *ret = (fo_decimal)value * (fo_decimal)fo_pow10[SCALE - places];
    if (negative)
        *ret = -*ret;
    return FO_DECIMAL_EXACT;
}

/* Writes value in decimal so that it ends before `end`, at least `digits` digits; returns where it begins. */
static char *
write_backwards(char *end, uint64_t value, unsigned digits)
{
    for (; value != 0 || digits > 0; value /= 10) {
        *--end = (char)('0' + value % 10);
        if (digits > 0)
            digits--;
    }
    return end;
}

/* Writes whole.fraction with `places` digits behind the point. */
static const char *
write_parts(bool negative, fo_udecimal whole, uint64_t fraction, unsigned places, char buf[FO_DECIMAL_TEXT])
{
    char text[FO_DECIMAL_TEXT];
    char *end = text + sizeof(text);
    char *p = end;

    *--p = '\0';
    if (places > 0) {
        p = write_backwards(p, fraction, places);
        *--p = '.';
    }
    if (whole >= fo_pow10[18]) {
        p = write_backwards(p, (uint64_t)(whole % fo_pow10[18]), 18);
        whole /= fo_pow10[18];
    }
    p = write_backwards(p, (uint64_t)whole, 1);
    if (negative)
        *--p = '-';
    memcpy(buf, p, (size_t)(end - p));
    return buf;
}

static fo_udecimal
magnitude(fo_decimal v)
{
    fo_udecimal m = v < 0 ? -(fo_udecimal)v : (fo_udecimal)v;

    assert(m < limit());
    return m;
}

const char *
fo_decimal_format(fo_decimal v, char buf[FO_DECIMAL_TEXT])
{
    fo_udecimal m = magnitude(v);
    uint64_t fraction = (uint64_t)(m % fo_pow10[SCALE]);
    unsigned places = fraction ? SCALE : 0;

    assert(buf);

    while (places > 0 && fraction % 10 == 0) {
        fraction /= 10;
        places--;
    }
    return write_parts(v < 0, m / fo_pow10[SCALE], fraction, places, buf);
}

const char *
fo_decimal_round_format(fo_decimal v, unsigned places, char buf[FO_DECIMAL_TEXT])
{
    fo_udecimal m = magnitude(v);
    uint64_t unit;

    assert(buf && places <= SCALE);

    unit = fo_pow10[SCALE - places];
    m = m / unit + (unit > 1 && m % unit >= unit / 2);
    return write_parts(v < 0 && m != 0, m / fo_pow10[places], (uint64_t)(m % fo_pow10[places]), places, buf);
}

bool
fo_decimal_add(fo_decimal a, fo_decimal b, fo_decimal *ret)
{
    fo_decimal sum;

    assert(ret);

    if (__builtin_add_overflow(a, b, &sum) || sum >= (fo_decimal)limit() || sum <= -(fo_decimal)limit())
        return false;
    *ret = sum;
    return true;
}
