/* What every test of base includes: cmocka with what it needs, and a random source that is the same in each
 * run. */
#ifndef FO_TESTS_BASE_TEST_H
#define FO_TESTS_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* xorshift64*: short, good enough, and not the C library's. */
static inline uint64_t
random_u64(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

#endif
