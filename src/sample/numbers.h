/* Numbers without state: each is a function of seed and place, so that any line can be made at any time. */
#ifndef FO_SAMPLE_NUMBERS_H
#define FO_SAMPLE_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

/* Money and amounts are whole ticks of 1e-10. */
#define TICKS INT64_C(10000000000)
#define HOUR_MICROS INT64_C(3600000000)

__extension__ typedef __int128 wide;

static inline uint64_t
fo_sample_mix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static inline uint64_t
fo_sample_draw(uint64_t key, uint64_t a, uint64_t b)
{
    return fo_sample_mix(fo_sample_mix(key ^ (a * UINT64_C(0xD6E8FEB86659FD93))) + b);
}

static inline uint64_t
fo_sample_below(uint64_t random, uint64_t n)
{
    return ((random >> 32) * n) >> 32;
}

/* a * b / d, rounded half away from zero. */
static inline int64_t
fo_sample_scale(int64_t a, int64_t b, int64_t d)
{
    wide p = (wide)a * b;

    return (int64_t)((p + (p < 0 ? -(d / 2) : d / 2)) / d);
}

/* 32 hex digits as a UUID of (key, a, b); buf of 37 bytes. */
const char *fo_sample_uuid(uint64_t key, uint64_t a, uint64_t b, char buf[37]);
/* Rounded to at most 15 significant digits, which any double keeps. */
int64_t fo_sample_tidy(int64_t ticks);
/* "12.5000000000"; returns its length. */
#define SAMPLE_NUMBER 24
size_t fo_sample_number(int64_t ticks, char buf[SAMPLE_NUMBER]);

#endif
