/*
 * PostgreSQL's numeric: digits in base 10000, aligned to the decimal point.
 *
 * A decimal(38,18) of a bill becomes at most eleven groups. The usual ones fit 64 bits, and all that are
 * below 10^36 need two divisions of 128 bits; the rest goes through text.
 */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "database/postgresql/encode.h"

#define GROUP 10000
#define LIMB 10000000000000000 /* four groups */
#define EXPONENT_MAX 2000

static const unsigned pad_factor[] = { 1, 1000, 100, 10 }; /* by scale % 4: fills the last group */

/* Cuts zero groups at both ends. `first` is the weight of groups[0]. */
static void
trim(fo_pg_numeric *v, int first)
{
    int leading = 0;

    while (v->n > 0 && v->groups[v->n - 1] == 0)
        v->n--;
    while (leading < v->n && v->groups[leading] == 0)
        leading++;
    v->n -= leading;
    if (leading > 0)
        memmove(v->groups, v->groups + leading, (size_t)v->n * sizeof(v->groups[0]));
    v->weight = v->n > 0 ? first - leading : 0;
    if (v->n == 0)
        v->sign = PG_POSITIVE;
}

/* Four groups of a number below 10^16. */
static void
limb_groups(uint64_t limb, uint16_t groups[4])
{
    const uint32_t high = (uint32_t)(limb / 100000000), low = (uint32_t)(limb % 100000000);

    groups[0] = (uint16_t)(high / GROUP);
    groups[1] = (uint16_t)(high % GROUP);
    groups[2] = (uint16_t)(low / GROUP);
    groups[3] = (uint16_t)(low % GROUP);
}

void
fo_pg_numeric_from_decimal(fo_pg_wide v, int scale, fo_pg_numeric *ret)
{
    const fo_pg_uwide magnitude = v < 0 ? -(fo_pg_uwide)v : (fo_pg_uwide)v;
    const unsigned factor = pad_factor[scale % 4];
    const int behind = (scale + 3) / 4; /* groups behind the point */
    char text[PG_VALUE_TEXT];
    uint64_t limbs[3];
    fo_pg_uwide aligned;
    int n = 1;

    assert(scale >= 0 && scale <= 38 && ret);
    if (magnitude > (~(fo_pg_uwide)0) / 1000) {
        bool fits = fo_pg_numeric_parse(text, fo_pg_decimal_text(v, scale, text), ret);

        assert(fits);
        (void)fits;
        return;
    }
    aligned = magnitude * factor;
    if (aligned < LIMB) {
        limbs[0] = (uint64_t)aligned;
    } else {
        const fo_pg_uwide rest = aligned / LIMB;

        limbs[n] = (uint64_t)(aligned - rest * LIMB);
        limbs[0] = (uint64_t)rest;
        n = 2;
        if (rest >= LIMB) {
            limbs[2] = limbs[1];
            limbs[0] = (uint64_t)(rest / LIMB);
            limbs[1] = (uint64_t)(rest % LIMB);
            n = 3;
        }
    }
    for (int i = 0; i < n; i++)
        limb_groups(limbs[i], ret->groups + (size_t)i * 4);
    ret->n = 4 * n;
    ret->sign = v < 0 ? PG_NEGATIVE : PG_POSITIVE;
    ret->dscale = scale;
    trim(ret, ret->n - 1 - behind);
}

static bool
is_word(const char *p, size_t n, const char *word)
{
    return n == strlen(word) && strncasecmp(p, word, n) == 0;
}

static bool
parse_special(const char *p, size_t n, bool negative, fo_pg_numeric *ret)
{
    *ret = (fo_pg_numeric){ .sign = PG_NAN };
    if (is_word(p, n, "nan"))
        return true;
    ret->sign = negative ? PG_NEGATIVE_INFINITY : PG_INFINITY;
    return is_word(p, n, "infinity") || is_word(p, n, "inf");
}

/* "e-7" and what follows it is nothing. */
static bool
parse_exponent(const char *p, size_t n, int *ret)
{
    bool negative = false;
    int v = 0;

    if (n > 0 && (*p == '-' || *p == '+')) {
        negative = *p == '-';
        p++;
        n--;
    }
    if (n == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!fo_is_digit(p[i]) || v > EXPONENT_MAX)
            return false;
        v = v * 10 + (p[i] - '0');
    }
    *ret = negative ? -v : v;
    return v <= EXPONENT_MAX;
}

/* A number's text taken apart: `digits` digits, of which `places` are behind the point. */
typedef struct scan {
    size_t end; /* of the mantissa */
    int digits, places, exponent;
} scan;

static bool
scan_number(const char *p, size_t n, scan *ret)
{
    bool point = false;
    size_t i = 0;

    *ret = (scan){ 0 };
    for (; i < n && (fo_is_digit(p[i]) || (p[i] == '.' && !point)); i++) {
        if (p[i] == '.') {
            point = true;
            continue;
        }
        ret->digits++;
        ret->places += point;
    }
    ret->end = i;
    if (ret->digits == 0 || ret->digits > 4 * PG_NUMERIC_GROUPS - 8)
        return false;
    if (i == n)
        return true;
    return (p[i] == 'e' || p[i] == 'E') && parse_exponent(p + i + 1, n - i - 1, &ret->exponent);
}

bool
fo_pg_numeric_parse(const char *p, size_t n, fo_pg_numeric *ret)
{
    const bool negative = n > 0 && p[0] == '-';
    int place, first, last; /* powers of ten of the first and last digit */
    scan s;

    assert(p && ret);
    if (n > 0 && (p[0] == '-' || p[0] == '+')) {
        p++;
        n--;
    }
    if (!scan_number(p, n, &s))
        return parse_special(p, n, negative, ret);
    last = s.exponent - s.places;
    first = last + s.digits - 1;
    ret->sign = negative ? PG_NEGATIVE : PG_POSITIVE;
    ret->dscale = last < 0 ? -last : 0;
    first = first >= 0 ? first / 4 : -((3 - first) / 4); /* of groups from here on, rounded down */
    ret->n = first - (last >= 0 ? last / 4 : -((3 - last) / 4)) + 1;
    if (ret->n > PG_NUMERIC_GROUPS)
        return false;
    memset(ret->groups, 0, (size_t)ret->n * sizeof(ret->groups[0]));
    place = last + s.digits - 1;
    for (size_t i = 0; i < s.end; i++) {
        static const uint16_t power[] = { 1, 10, 100, 1000 };
        const int group = place >= 0 ? place / 4 : -((3 - place) / 4);

        if (p[i] == '.')
            continue;
        ret->groups[first - group] =
            (uint16_t)(ret->groups[first - group] + (p[i] - '0') * power[place - 4 * group]);
        place--;
    }
    trim(ret, first);
    return true;
}

bool
fo_pg_numeric_fits(const fo_pg_numeric *v, int precision, int scale, bool rounded)
{
    int digits = 0, places = 0;

    if (v->sign == PG_NAN || (precision == 0 && scale == 0))
        return true;
    if (v->sign == PG_INFINITY || v->sign == PG_NEGATIVE_INFINITY)
        return false;
    if (v->n == 0)
        return true;
    digits = v->weight * 4; /* before the point; negative when it begins behind it */
    for (unsigned head = v->groups[0]; head > 0; head /= 10)
        digits++;
    places = (v->n - 1 - v->weight) * 4; /* behind the point */
    for (unsigned tail = v->groups[v->n - 1]; tail % 10 == 0; tail /= 10)
        places--;
    return digits <= precision - scale && (rounded || places <= scale);
}

void
fo_pg_numeric_put(fo_pg_buffer *b, const fo_pg_numeric *v)
{
    fo_pg_put32(b, 8 + 2 * (uint32_t)v->n);
    fo_pg_put16(b, (uint16_t)v->n);
    fo_pg_put16(b, (uint16_t)v->weight);
    fo_pg_put16(b, (uint16_t)v->sign);
    fo_pg_put16(b, (uint16_t)v->dscale);
    for (int i = 0; i < v->n; i++)
        fo_pg_put16(b, v->groups[i]);
}

size_t
fo_pg_decimal_text(fo_pg_wide v, int scale, char buf[PG_VALUE_TEXT])
{
    fo_pg_uwide rest = v < 0 ? -(fo_pg_uwide)v : (fo_pg_uwide)v;
    char digits[PG_VALUE_TEXT];
    size_t n = 0, len = 0;

    assert(scale >= 0 && scale <= 76);
    while (rest > 0 || n <= (size_t)scale) {
        digits[n++] = (char)('0' + (int)(rest % 10));
        rest /= 10;
    }
    if (v < 0)
        buf[len++] = '-';
    while (n > 0) {
        if (n == (size_t)scale)
            buf[len++] = '.';
        buf[len++] = digits[--n];
    }
    buf[len] = '\0';
    return len;
}

size_t
fo_pg_double_text(double v, bool single, char buf[PG_VALUE_TEXT])
{
    const bool tiny = fabs(v) < (single ? (double)FLT_MIN : DBL_MIN); /* has fewer digits than others */
    int n = 0;

    if (isnan(v))
        return (size_t)snprintf(buf, PG_VALUE_TEXT, "NaN");
    if (isinf(v))
        return (size_t)snprintf(buf, PG_VALUE_TEXT, v < 0 ? "-Infinity" : "Infinity");
    for (int digits = tiny ? 1 : single ? 6 : 15; digits <= (single ? 9 : 17); digits++) {
        n = snprintf(buf, PG_VALUE_TEXT, "%.*g", digits, v);
        if (single ? strtof(buf, NULL) == (float)v : strtod(buf, NULL) == v)
            break;
    }
    for (char *p = buf; *p; p++)
        if (*p == ',') /* the decimal point of the host's locale */
            *p = '.';
    return (size_t)n;
}
