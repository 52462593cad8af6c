/*
 * CRC-32C by its instruction, three streams at once because it takes three cycles; CRC-64/NVME by carry-less
 * multiplication, 64 bytes at once:
 * https://www.intel.com/content/dam/www/public/us/en/documents/white-papers/fast-crc-computation-generic-polynomials-pclmulqdq-paper.pdf
 *
 * Bits are reflected, so the product of two words has their polynomials' product times x; the powers of x
 * below are one less than one would think because of that.
 */
#include <string.h>

#include "base/crc_internal.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define STREAM 1024 /* bytes of each of the three */

static uint64_t shift1, shift2;     /* past one and two streams */
static uint64_t fold4[2], fold1[2]; /* past 64 and 16 bytes, of either half */

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc32c_shift(uint32_t sum, uint64_t by)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)(uint64_t)sum),
                                           _mm_cvtsi64_si128((long long)by), 0);

    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

static inline uint64_t
word(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc32c_x86(uint32_t sum, const unsigned char *p, size_t n, size_t *ret_done)
{
    uint64_t a = sum;
    size_t at = 0;

    for (; n - at >= (size_t)3 * STREAM; at += (size_t)3 * STREAM) {
        uint64_t b = 0, c = 0;

        for (size_t i = at; i < at + STREAM; i += 8) {
            a = _mm_crc32_u64(a, word(p + i));
            b = _mm_crc32_u64(b, word(p + i + STREAM));
            c = _mm_crc32_u64(c, word(p + i + (size_t)2 * STREAM));
        }
        a = c ^ crc32c_shift((uint32_t)b, shift1) ^ crc32c_shift((uint32_t)a, shift2);
    }
    for (; n - at >= 8; at += 8)
        a = _mm_crc32_u64(a, word(p + at));
    *ret_done = at;
    return (uint32_t)a;
}

__attribute__((target("pclmul,sse4.1"))) static inline __m128i
fold(__m128i state, __m128i by, __m128i next)
{
    return _mm_xor_si128(
        next, _mm_xor_si128(_mm_clmulepi64_si128(state, by, 0x00), _mm_clmulepi64_si128(state, by, 0x11)));
}

__attribute__((target("pclmul,sse4.1"))) static inline __m128i
load(const unsigned char *p)
{
    __m128i v;

    memcpy(&v, p, sizeof(v));
    return v;
}

__attribute__((target("pclmul,sse4.1"))) static size_t
crc64nvme_x86(uint64_t sum, const unsigned char *p, size_t n, unsigned char rest[16])
{
    const __m128i by4 = _mm_set_epi64x((long long)fold4[1], (long long)fold4[0]);
    const __m128i by1 = _mm_set_epi64x((long long)fold1[1], (long long)fold1[0]);
    __m128i a = _mm_xor_si128(load(p), _mm_cvtsi64_si128((long long)sum));
    __m128i b = load(p + 16), c = load(p + 32), d = load(p + 48);
    size_t at = 64;

    for (; n - at >= 64; at += 64) {
        a = fold(a, by4, load(p + at));
        b = fold(b, by4, load(p + at + 16));
        c = fold(c, by4, load(p + at + 32));
        d = fold(d, by4, load(p + at + 48));
    }
    a = fold(fold(fold(a, by1, b), by1, c), by1, d);
    for (; n - at >= 16; at += 16)
        a = fold(a, by1, load(p + at));
    memcpy(rest, &a, 16);
    return at;
}

fo_crc_fast
fo_crc_fast_here(void)
{
    fo_crc_fast fast = { 0 };

    __builtin_cpu_init();
    if (!__builtin_cpu_supports("pclmul"))
        return fast;
    shift1 = fo_crc32c_power(8 * STREAM - 33);
    shift2 = fo_crc32c_power(16 * STREAM - 33);
    fold4[0] = fo_crc64nvme_power(8 * 64 + 63);
    fold4[1] = fo_crc64nvme_power(8 * 64 - 1);
    fold1[0] = fo_crc64nvme_power(8 * 16 + 63);
    fold1[1] = fo_crc64nvme_power(8 * 16 - 1);
    if (__builtin_cpu_supports("sse4.2"))
        fast.crc32c = crc32c_x86;
    fast.crc64nvme = crc64nvme_x86;
    return fast;
}

#elif defined(__aarch64__) && defined(__linux__) && defined(__BYTE_ORDER__) &&                               \
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <arm_acle.h>
#include <arm_neon.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

static uint64_t fold1[2]; /* past 16 bytes, of either half */

__attribute__((target("+crc"))) static uint32_t
crc32c_arm(uint32_t sum, const unsigned char *p, size_t n, size_t *ret_done)
{
    size_t at = 0;

    for (; n - at >= 8; at += 8) {
        uint64_t v;

        memcpy(&v, p + at, sizeof(v));
        sum = __crc32cd(sum, v);
    }
    *ret_done = at;
    return sum;
}

__attribute__((target("+crypto"))) static size_t
crc64nvme_arm(uint64_t sum, const unsigned char *p, size_t n, unsigned char rest[16])
{
    uint64_t a[2], next[2];
    size_t at = 16;

    memcpy(a, p, sizeof(a));
    a[0] ^= sum;
    for (; n - at >= 16; at += 16) {
        uint64x2_t low = vreinterpretq_u64_p128(vmull_p64((poly64_t)a[0], (poly64_t)fold1[0]));
        uint64x2_t high = vreinterpretq_u64_p128(vmull_p64((poly64_t)a[1], (poly64_t)fold1[1]));

        memcpy(next, p + at, sizeof(next));
        vst1q_u64(a, veorq_u64(veorq_u64(low, high), vld1q_u64(next)));
    }
    memcpy(rest, a, 16);
    return at;
}

fo_crc_fast
fo_crc_fast_here(void)
{
    fo_crc_fast fast = { 0 };
    unsigned long has = getauxval(AT_HWCAP);

    fold1[0] = fo_crc64nvme_power(8 * 16 + 63);
    fold1[1] = fo_crc64nvme_power(8 * 16 - 1);
    if (has & HWCAP_CRC32)
        fast.crc32c = crc32c_arm;
    if (has & HWCAP_PMULL)
        fast.crc64nvme = crc64nvme_arm;
    return fast;
}

#else

fo_crc_fast
fo_crc_fast_here(void)
{
    return (fo_crc_fast){ 0 };
}

#endif
