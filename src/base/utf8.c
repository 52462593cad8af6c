/* UTF-8: is it well formed (the Unicode Standard, table 3-7), and what does a sequence stand for. */
#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/str.h"

static bool
is_tail(unsigned char c)
{
    return (c & 0xc0) == 0x80;
}

/* The length of the well-formed sequence that begins at p with a byte of 0x80 or more, or 0. */
static inline unsigned
sequence_length(const unsigned char *p, size_t n)
{
    unsigned char c = p[0];

    if (c < 0xc2 || c > 0xf4)
        return 0;
    if (c < 0xe0)
        return n >= 2 && is_tail(p[1]) ? 2 : 0;
    if (c < 0xf0) {
        if (n < 3 || !is_tail(p[1]) || !is_tail(p[2]))
            return 0;
        if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f)) /* overlong; surrogates */
            return 0;
        return 3;
    }
    if (n < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
        return 0;
    if ((c == 0xf0 && p[1] < 0x90) || (c == 0xf4 && p[1] > 0x8f)) /* overlong; beyond U+10FFFF */
        return 0;
    return 4;
}

unsigned
fo_utf8_decode(const char *text, size_t n, uint32_t *ret)
{
    const unsigned char *p = (const unsigned char *)text;
    unsigned len;
    uint32_t c;

    assert(ret && (text || n == 0));

    if (n == 0)
        return 0;
    if (p[0] < 0x80) {
        *ret = p[0];
        return 1;
    }
    len = sequence_length(p, n);
    if (len == 0)
        return 0;
    c = p[0] & (0xffu >> (len + 1));
    for (unsigned i = 1; i < len; i++)
        c = c << 6 | (p[i] & 0x3fu);
    *ret = c;
    return len;
}

/* How many bytes from p on are surely ASCII: sixteen, then eight at a time. */
static inline size_t
skip_ascii(const unsigned char *p, size_t n)
{
    size_t i = 0;
    uint64_t word;

#ifdef __SSE2__
    for (; n - i >= 16; i += 16)
        if (_mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i))))
            break;
#endif
    for (; n - i >= 8; i += 8) {
        memcpy(&word, p + i, 8);
        if (word & 0x8080808080808080u)
            break;
    }
    return i;
}

bool
fo_utf8_valid(const char *text, size_t n, size_t *ret_bad)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i;

    assert(text || n == 0);

    for (i = skip_ascii(p, n); i < n;) {
        unsigned len;

        if (p[i] < 0x80) {
            i++;
            continue;
        }
        len = sequence_length(p + i, n - i);
        if (len == 0) {
            if (ret_bad)
                *ret_bad = i;
            return false;
        }
        i += len;
        if (n - i >= 8 && p[i] < 0x80) /* words of another script end before the eighth byte anyway */
            i += skip_ascii(p + i, n - i);
    }
    return true;
}
