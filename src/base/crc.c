/* Checksums of object stores, a byte at a time: what is fast stands in crc_fast.c. */
#include "base/crc.h"

#include <pthread.h>

#include "base/crc_internal.h"

#define POLY32 UINT32_C(0x82F63B78)
#define POLY64 UINT64_C(0x9A6C9329AC4BC9B5)

static uint32_t table32[256];
static uint64_t table64[256];
static fo_crc_fast fast;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
fill_tables(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint32_t a = i;
        uint64_t b = i;
        for (int k = 0; k < 8; k++) {
            a = (a >> 1) ^ (a & 1 ? POLY32 : 0);
            b = (b >> 1) ^ (b & 1 ? POLY64 : 0);
        }
        table32[i] = a;
        table64[i] = b;
    }
    fast = fo_crc_fast_here();
}

/* Without the complement before and after. */
static uint32_t
raw32(uint32_t sum, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = table32[(sum ^ p[i]) & 0xFF] ^ (sum >> 8);
    return sum;
}

static uint64_t
raw64(uint64_t sum, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum = table64[(sum ^ p[i]) & 0xFF] ^ (sum >> 8);
    return sum;
}

uint32_t
fo_crc32c(uint32_t sum, const void *data, size_t n)
{
    const unsigned char *p = data;
    size_t done = 0;

    (void)pthread_once(&once, fill_tables);
    sum = ~sum;
    if (fast.crc32c)
        sum = fast.crc32c(sum, p, n, &done);
    return ~raw32(sum, p + done, n - done);
}

uint64_t
fo_crc64nvme(uint64_t sum, const void *data, size_t n)
{
    const unsigned char *p = data;
    unsigned char rest[16];
    size_t done = 0;

    (void)pthread_once(&once, fill_tables);
    sum = ~sum;
    if (fast.crc64nvme && n >= FO_CRC_BLOCK) {
        done = fast.crc64nvme(sum, p, n, rest);
        sum = raw64(0, rest, sizeof(rest));
    }
    return ~raw64(sum, p + done, n - done);
}

uint32_t
fo_crc32c_plain(uint32_t sum, const void *data, size_t n)
{
    (void)pthread_once(&once, fill_tables);
    return ~raw32(~sum, data, n);
}

uint64_t
fo_crc64nvme_plain(uint64_t sum, const void *data, size_t n)
{
    (void)pthread_once(&once, fill_tables);
    return ~raw64(~sum, data, n);
}

/* a times b modulo the polynomial, bits reflected: the highest bit is x^0. */
static uint64_t
multiply(uint64_t a, uint64_t b, uint64_t poly, int width)
{
    uint64_t one = UINT64_C(1) << (width - 1), sum = 0;

    for (uint64_t bit = one; bit; bit >>= 1) {
        if (a & bit)
            sum ^= b;
        b = (b >> 1) ^ (b & 1 ? poly : 0);
    }
    return sum;
}

/* x^n. */
static uint64_t
power(uint64_t n, uint64_t poly, int width)
{
    uint64_t result = UINT64_C(1) << (width - 1), square = UINT64_C(1) << (width - 2);

    for (; n; n >>= 1) {
        if (n & 1)
            result = multiply(result, square, poly, width);
        square = multiply(square, square, poly, width);
    }
    return result;
}

uint32_t
fo_crc32c_combine(uint32_t a, uint32_t b, uint64_t n_b)
{
    return (uint32_t)multiply(power(8 * n_b, POLY32, 32), a, POLY32, 32) ^ b;
}

uint64_t
fo_crc64nvme_combine(uint64_t a, uint64_t b, uint64_t n_b)
{
    return multiply(power(8 * n_b, POLY64, 64), a, POLY64, 64) ^ b;
}

uint32_t
fo_crc32c_power(uint64_t n)
{
    return (uint32_t)power(n, POLY32, 32);
}

uint64_t
fo_crc64nvme_power(uint64_t n)
{
    return power(n, POLY64, 64);
}
