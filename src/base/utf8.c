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

static inline uint64_t
load8(const unsigned char *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof(x));
    return x;
}

static inline uint32_t
load4(const unsigned char *p)
{
    uint32_t x;

    memcpy(&x, p, sizeof(x));
    return x;
}

/* True when one of sixteen bytes is not ASCII. */
static inline bool
has_high16(const unsigned char *p)
{
#ifdef __SSE2__
    return _mm_movemask_epi8(_mm_loadu_si128((const __m128i *)(const void *)p)) != 0;
#else
    return ((load8(p) | load8(p + 8)) & 0x8080808080808080u) != 0;
#endif
}

/* The last block may overlap the one before: no tail byte by byte. */
static inline bool
is_ascii(const unsigned char *p, size_t n)
{
    unsigned char all = 0;

    if (n >= 16) {
        for (size_t i = 0; i < n - 16; i += 16)
            if (has_high16(p + i))
                return false;
        return !has_high16(p + n - 16);
    }
    if (n >= 8)
        return ((load8(p) | load8(p + n - 8)) & 0x8080808080808080u) == 0;
    if (n >= 4)
        return ((load4(p) | load4(p + n - 4)) & 0x80808080u) == 0;
    for (size_t i = 0; i < n; i++)
        all |= p[i];
    return all < 0x80;
}

bool
fo_utf8_valid(const char *text, size_t n, size_t *ret_bad)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i;

    assert(text || n == 0);

    if (is_ascii(p, n)) /* nearly always */
        return true;
    for (i = 0; i < n;) {
        unsigned len;

        if (p[i] < 0x80) {
            i += n - i >= 16 && !has_high16(p + i) ? 16 : 1;
            continue;
        }
        len = sequence_length(p + i, n - i);
        if (len == 0) {
            if (ret_bad)
                *ret_bad = i;
            return false;
        }
        i += len;
    }
    return true;
}
