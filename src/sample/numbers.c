/* Numbers as bills show them. */
#include "sample/numbers.h"

#include <stdio.h>

int64_t
fo_sample_tidy(int64_t ticks)
{
    int64_t size = ticks < 0 ? -ticks : ticks;
    int64_t step = 1;

    while (size / step >= INT64_C(1000000000000000))
        step *= 10;
    return step == 1 ? ticks : fo_sample_scale(ticks, 1, step) * step;
}

const char *
fo_sample_uuid(uint64_t key, uint64_t a, uint64_t b, char buf[37])
{
    uint64_t h = fo_sample_draw(key, a, b), l = fo_sample_mix(h);

    (void)snprintf(buf, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(h >> 32), (unsigned)(h >> 16) & 0xffff,
                   (unsigned)h & 0xfff, ((unsigned)(l >> 48) & 0x3fff) | 0x8000,
                   (unsigned long long)(l & UINT64_C(0xffffffffffff)));
    return buf;
}

size_t
fo_sample_number(int64_t ticks, char buf[SAMPLE_NUMBER])
{
    char digits[SAMPLE_NUMBER];
    uint64_t u = ticks < 0 ? (uint64_t)-ticks : (uint64_t)ticks;
    size_t n = 0, out = 0;

    do {
        digits[n++] = (char)('0' + u % 10);
        u /= 10;
        if (n == 10)
            digits[n++] = '.';
    } while (u > 0 || n < 12);
    if (ticks < 0)
        buf[out++] = '-';
    while (n > 0)
        buf[out++] = digits[--n];
    return out;
}
