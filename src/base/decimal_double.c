/*
 * The decimal a double means: the shortest text that reads back, as Python or JavaScript print it.
 *
 * Bills carry sums and prices of few digits, which one multiplication and one check find. For the rest:
 * Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles", 2021), which decides with three
 * 128-bit products instead of printing and reading back up to three times. Only the powers of ten that values
 * between 1e-19 and 1e20 need are here.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/decimal_internal.h"

#define POWER_MIN (-4)
#define POWER_MAX 35

typedef struct wide {
    uint64_t high;
    uint64_t low;
} wide;

/* 10^k with its highest bit shifted to bit 127, rounded up where it is not exact. */
/* clang-format off */
static const wide powers[] = {
    { 0xd1b71758e219652b, 0xd3c36113404ea4a9 }, /* 10^-4 */
    { 0x83126e978d4fdf3b, 0x645a1cac083126ea }, /* 10^-3 */
    { 0xa3d70a3d70a3d70a, 0x3d70a3d70a3d70a4 }, /* 10^-2 */
    { 0xcccccccccccccccc, 0xcccccccccccccccd }, /* 10^-1 */
    { 0x8000000000000000, 0x0000000000000000 }, /* 10^0 */
    { 0xa000000000000000, 0x0000000000000000 }, /* 10^1 */
    { 0xc800000000000000, 0x0000000000000000 }, /* 10^2 */
    { 0xfa00000000000000, 0x0000000000000000 }, /* 10^3 */
    { 0x9c40000000000000, 0x0000000000000000 }, /* 10^4 */
    { 0xc350000000000000, 0x0000000000000000 }, /* 10^5 */
    { 0xf424000000000000, 0x0000000000000000 }, /* 10^6 */
    { 0x9896800000000000, 0x0000000000000000 }, /* 10^7 */
    { 0xbebc200000000000, 0x0000000000000000 }, /* 10^8 */
    { 0xee6b280000000000, 0x0000000000000000 }, /* 10^9 */
    { 0x9502f90000000000, 0x0000000000000000 }, /* 10^10 */
    { 0xba43b74000000000, 0x0000000000000000 }, /* 10^11 */
    { 0xe8d4a51000000000, 0x0000000000000000 }, /* 10^12 */
    { 0x9184e72a00000000, 0x0000000000000000 }, /* 10^13 */
    { 0xb5e620f480000000, 0x0000000000000000 }, /* 10^14 */
    { 0xe35fa931a0000000, 0x0000000000000000 }, /* 10^15 */
    { 0x8e1bc9bf04000000, 0x0000000000000000 }, /* 10^16 */
    { 0xb1a2bc2ec5000000, 0x0000000000000000 }, /* 10^17 */
    { 0xde0b6b3a76400000, 0x0000000000000000 }, /* 10^18 */
    { 0x8ac7230489e80000, 0x0000000000000000 }, /* 10^19 */
    { 0xad78ebc5ac620000, 0x0000000000000000 }, /* 10^20 */
    { 0xd8d726b7177a8000, 0x0000000000000000 }, /* 10^21 */
    { 0x878678326eac9000, 0x0000000000000000 }, /* 10^22 */
    { 0xa968163f0a57b400, 0x0000000000000000 }, /* 10^23 */
    { 0xd3c21bcecceda100, 0x0000000000000000 }, /* 10^24 */
    { 0x84595161401484a0, 0x0000000000000000 }, /* 10^25 */
    { 0xa56fa5b99019a5c8, 0x0000000000000000 }, /* 10^26 */
    { 0xcecb8f27f4200f3a, 0x0000000000000000 }, /* 10^27 */
    { 0x813f3978f8940984, 0x4000000000000000 }, /* 10^28 */
    { 0xa18f07d736b90be5, 0x5000000000000000 }, /* 10^29 */
    { 0xc9f2c9cd04674ede, 0xa400000000000000 }, /* 10^30 */
    { 0xfc6f7c4045812296, 0x4d00000000000000 }, /* 10^31 */
    { 0x9dc5ada82b70b59d, 0xf020000000000000 }, /* 10^32 */
    { 0xc5371912364ce305, 0x6c28000000000000 }, /* 10^33 */
    { 0xf684df56c3e01bc6, 0xc732000000000000 }, /* 10^34 */
    { 0x9a130b963a6c115c, 0x3c7f400000000000 }, /* 10^35 */};
/* clang-format on */

/* floor(log10(2^e)) and floor(log2(10^e)), exact for the exponents of doubles. */
static int
log10_of_pow2(int e)
{
    return (e * 1262611) >> 22;
}

static int
log10_of_three_quarters_pow2(int e)
{
    return (e * 1262611 - 524031) >> 22;
}

static int
log2_of_pow10(int e)
{
    return (e * 1741647) >> 19;
}

/* The product's upper 64 bits; the lowest of them is set when something below was. */
static uint64_t
round_to_odd(wide g, uint64_t cp)
{
    fo_udecimal x = (fo_udecimal)g.low * cp;
    fo_udecimal y = (fo_udecimal)g.high * cp + (uint64_t)(x >> 64);

    return (uint64_t)(y >> 64) | ((uint64_t)y > 1);
}

/* The bounds of the numbers that read as one double, times four over 10^k, and the double itself in the
 * middle. */
typedef struct bounds {
    uint64_t low;
    uint64_t exact;
    uint64_t high;
} bounds;

/* Picks the shortest of the candidates s * 10^k within b; *k grows when one digit less will do. */
static uint64_t
pick(const bounds *b, int *k)
{
    uint64_t s = b->exact / 4;
    uint64_t tens = s / 10;
    bool under = b->low <= 40 * tens;
    bool over = 40 * tens + 40 <= b->high;

    if (under != over) {
        (*k)++;
        return tens + over;
    }
    under = b->low <= 4 * s;
    over = 4 * s + 4 <= b->high;
    if (under != over)
        return s + over;
    /* Both neighbours read back: the nearer one, the even one of two equally near. */
    return s + (b->exact > 4 * s + 2 || (b->exact == 4 * s + 2 && (s & 1)));
}

/* |d| == return value * 10^*ret_k, for 1e-19 <= |d| < 1e20. */
static uint64_t
shortest(double d, int *ret_k)
{
    uint64_t bits, fraction, c;
    bool even, lopsided;
    int q, k, h;
    bounds b;
    wide g;

    memcpy(&bits, &d, 8);
    fraction = bits & ((1ull << 52) - 1);
    c = fraction | 1ull << 52; /* never subnormal in this range */
    q = (int)(bits >> 52 & 0x7ff) - 1075;
    even = c % 2 == 0;
    lopsided = fraction == 0; /* a power of two: the gap below is half the gap above */

    k = lopsided ? log10_of_three_quarters_pow2(q) : log10_of_pow2(q);
    assert(-k >= POWER_MIN && -k <= POWER_MAX);
    g = powers[-k - POWER_MIN];
    h = q + log2_of_pow10(-k) + 1;
    b.low = round_to_odd(g, (4 * c - 2 + lopsided) << h) + !even; /* a bound itself reads back only to even */
    b.exact = round_to_odd(g, 4 * c << h);
    b.high = round_to_odd(g, (4 * c + 2) << h) - !even;
    *ret_k = k;
    return pick(&b, ret_k);
}

/* m * 10^k as a decimal. */
static fo_decimal_result
scale(uint64_t m, int k, fo_udecimal *ret)
{
    int shift = k + FO_DECIMAL_SCALE;
    uint64_t unit, rest;

    if (shift >= 0) {
        assert(shift < 38);
        *ret = shift < 20 ? (fo_udecimal)m * fo_pow10[shift]
                          : (fo_udecimal)m * fo_pow10[shift - 19] * fo_pow10[19];
        return FO_DECIMAL_EXACT;
    }
    if (shift < -18) { /* m has at most 17 digits */
        *ret = 0;
        return FO_DECIMAL_ROUNDED;
    }
    unit = fo_pow10[-shift];
    rest = m % unit;
    *ret = m / unit + (rest >= unit / 2); /* a power of ten halves evenly */
    return rest == 0 ? FO_DECIMAL_EXACT : FO_DECIMAL_ROUNDED;
}

fo_decimal_result
fo_decimal_from_double(double d, fo_decimal *ret)
{
    fo_decimal_result result;
    double scaled = d * 1e10;
    uint64_t digits;
    fo_udecimal m;
    int k = 0;

    assert(ret);

    if (scaled > -1e15 && scaled < 1e15) {
        /* A decimal of 15 digits is the only one of its length a double can mean, so reading back is proof
         * enough. */
        int64_t t = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));

        if ((double)t / 1e10 == d) {
            *ret = (fo_decimal)t * 100000000;
            return FO_DECIMAL_EXACT;
        }
        if (scaled > -1e-9 && scaled < 1e-9) { /* below 1e-19, a fifth of what rounds up */
            *ret = 0;
            return FO_DECIMAL_ROUNDED;
        }
    } else if (!isfinite(d)) {
        return FO_DECIMAL_BAD;
    } else if (d >= 1e20 || d <= -1e20) {
        return FO_DECIMAL_RANGE;
    }
    digits = shortest(d, &k);
    result = scale(digits, k, &m);
    *ret = d < 0 ? -(fo_decimal)m : (fo_decimal)m;
    return result;
}
