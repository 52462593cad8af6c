/*
 * Reading times. Bills carry hundreds of millions of them in one of two forms, "2026-11-21T06:00:00Z" and the
 * same with
 * ".000", which are checked eight bytes at a time; everything else goes through a small reader of the full
 * grammar.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"

#define MICROS 1000000LL

/* Eight bytes of text as a number whose lowest byte is the first character. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define EIGHT(a, b, c, d, e, f, g, h)                                                                        \
    ((uint64_t)(a) | (uint64_t)(b) << 8 | (uint64_t)(c) << 16 | (uint64_t)(d) << 24 | (uint64_t)(e) << 32 |  \
     (uint64_t)(f) << 40 | (uint64_t)(g) << 48 | (uint64_t)(h) << 56)
#else
#define EIGHT(a, b, c, d, e, f, g, h)                                                                        \
    ((uint64_t)(h) | (uint64_t)(g) << 8 | (uint64_t)(f) << 16 | (uint64_t)(e) << 24 | (uint64_t)(d) << 32 |  \
     (uint64_t)(c) << 40 | (uint64_t)(b) << 48 | (uint64_t)(a) << 56)
#endif

/* True when the eight bytes are digits where `digits` has 0xff and equal `marks` elsewhere. */
static inline bool
fits(const char *p, uint64_t digits, uint64_t marks)
{
    const uint64_t high = 0xf0f0f0f0f0f0f0f0u & digits;
    const uint64_t zeros = 0x3030303030303030u & digits;
    uint64_t x;

    memcpy(&x, p, 8);
    /* Adding six moves ':' and above out of the 0x30s; the first test keeps the sum within its byte. */
    return (x & ~digits) == marks && (x & high) == zeros &&
           ((x + (0x0606060606060606u & digits)) & high) == zeros;
}

static inline unsigned
two(const char *p)
{
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

/* fo_days_from_civil for the years 0 to 9999 in 32 bits without a sign: a cycle of 400 years is added and
 * taken off. */
static inline int64_t
days_of(const fo_civil *c)
{
    unsigned from_march = c->month > 2 ? c->month - 3 : c->month + 9;
    unsigned y = (unsigned)c->year + 400 - (c->month <= 2);

    return (int64_t)(y * 365 + y / 4 - y / 100 + y / 400 + (153 * from_march + 2) / 5 + c->day) - 1 - 146097 -
           719468;
}

/* Puts the parts together; false when one is out of its range. */
static inline bool
assemble(const fo_civil *c, int64_t *ret)
{
    int64_t seconds;

    if (c->month - 1 > 11 || c->day == 0 || c->hour > 23 || c->minute > 59 || c->second > 59)
        return false;
    if (c->day > 28 && c->day > fo_days_in_month(c->year, c->month))
        return false;
    seconds = days_of(c) * 86400 + (c->hour * 3600 + c->minute * 60 + c->second);
    *ret = seconds * MICROS + c->micro;
    return true;
}

typedef struct cursor {
    const char *p;
    const char *end;
} cursor;

static bool
take_char(cursor *c, char wanted)
{
    if (c->p == c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

static bool
take_digits(cursor *c, unsigned count, unsigned *ret)
{
    unsigned value = 0;

    if ((size_t)(c->end - c->p) < count)
        return false;
    for (unsigned i = 0; i < count; i++) {
        unsigned digit = (unsigned)(unsigned char)c->p[i] - '0';

        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    c->p += count;
    *ret = value;
    return true;
}

/* One to nine digits; those beyond microseconds are read and dropped. */
static bool
take_fraction(cursor *c, unsigned *ret_micro)
{
    unsigned n = 0, micro = 0, digit;

    for (; n < 9 && take_digits(c, 1, &digit); n++)
        if (n < 6)
            micro = micro * 10 + digit;
    if (n == 0)
        return false;
    for (; n < 6; n++)
        micro *= 10;
    *ret_micro = micro;
    return true;
}

/* "Z", "+HH", "+HH:MM", "-HH", "-HH:MM" or nothing. */
static bool
take_zone(cursor *c, int64_t *ret_seconds)
{
    unsigned hours, minutes = 0;
    bool west;

    *ret_seconds = 0;
    if (c->p == c->end || take_char(c, 'Z'))
        return true;
    west = *c->p == '-';
    if (!take_char(c, '-') && !take_char(c, '+'))
        return false;
    if (!take_digits(c, 2, &hours) || hours > 23)
        return false;
    if (take_char(c, ':') && (!take_digits(c, 2, &minutes) || minutes > 59))
        return false;
    *ret_seconds = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    if (west)
        *ret_seconds = -*ret_seconds;
    return true;
}

/* The time of day behind 'T' or a blank. */
static bool
take_day_time(cursor *c, fo_civil *t)
{
    if (!take_digits(c, 2, &t->hour) || !take_char(c, ':') || !take_digits(c, 2, &t->minute))
        return false;
    if (!take_char(c, ':'))
        return true;
    if (!take_digits(c, 2, &t->second))
        return false;
    return !take_char(c, '.') || take_fraction(c, &t->micro);
}

static bool
parse_any(const char *p, size_t n, int64_t *ret)
{
    cursor c = { p, p + n };
    fo_civil t = { 0 };
    unsigned year;
    int64_t zone, micros;

    if (!take_digits(&c, 4, &year) || !take_char(&c, '-') || !take_digits(&c, 2, &t.month) ||
        !take_char(&c, '-') || !take_digits(&c, 2, &t.day))
        return false;
    t.year = (int)year;
    if ((take_char(&c, 'T') || take_char(&c, ' ')) && !take_day_time(&c, &t))
        return false;
    if (!take_zone(&c, &zone) || c.p != c.end || !assemble(&t, &micros))
        return false;
    *ret = micros - zone * MICROS;
    return true;
}

bool
fo_time_parse(const char *p, size_t n, int64_t *ret_micros)
{
    const uint64_t date_digits = EIGHT(0xff, 0xff, 0xff, 0xff, 0, 0xff, 0xff, 0);
    const uint64_t date_marks = EIGHT(0, 0, 0, 0, '-', 0, 0, '-');
    const uint64_t time_digits = EIGHT(0xff, 0xff, 0, 0xff, 0xff, 0, 0xff, 0xff);
    fo_civil t = { 0 };

    assert(ret_micros && (p || n == 0));

    if (n == 24 ? memcmp(p + 19, ".000Z", 5) != 0 : n != 20 || p[19] != 'Z')
        return parse_any(p, n, ret_micros);
    /* "YYYY-MM-", "DDTHH:MM" and, overlapping it, "HH:MM:SS". */
    if (!fits(p, date_digits, date_marks) || !fits(p + 8, time_digits, EIGHT(0, 0, 'T', 0, 0, ':', 0, 0)) ||
        !fits(p + 11, time_digits, EIGHT(0, 0, ':', 0, 0, ':', 0, 0)))
        return parse_any(p, n, ret_micros);

    t.year = (int)(two(p) * 100 + two(p + 2));
    t.month = two(p + 5);
    t.day = two(p + 8);
    t.hour = two(p + 11);
    t.minute = two(p + 14);
    t.second = two(p + 17);
    return assemble(&t, ret_micros);
}

bool
fo_time_parse_until(const char *p, size_t n, int64_t *ret_micros)
{
    if (!fo_time_parse(p, n, ret_micros))
        return false;
    if (n == sizeof("YYYY-MM-DD") - 1)
        *ret_micros += 86400 * MICROS - 1;
    return true;
}

bool
fo_duration_parse(const char *z, int64_t *ret_micros)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    int64_t count = 0;
    size_t n = strspn(z, "0123456789");

    if (n == 0 || n > 6)
        return false;
    for (size_t i = 0; i < n; i++)
        count = count * 10 + (z[i] - '0');
    if (z[n] == '\0' && count == 0) {
        *ret_micros = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (z[n] == units[i].unit && z[n + 1] == '\0') {
            *ret_micros = count * units[i].seconds * MICROS;
            return true;
        }
    return false;
}
