/* Allocation with a switch that lets a test fail the n-th request; everything else is the C library's. */
#include "base/mem.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint fail_countdown; /* 0: no failure planned */
static atomic_bool fail_happened;

/* True when this is the allocation a test wants to see fail. */
static bool
must_fail(void)
{
    unsigned left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    while (left != 0) {
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1)) {
            if (left == 1)
                atomic_store(&fail_happened, true);
            return left == 1;
        }
    }
    return false;
}

void
fo_mem_fail_at(unsigned n)
{
    atomic_store(&fail_happened, false);
    atomic_store(&fail_countdown, n);
}

bool
fo_mem_failed(void)
{
    return atomic_load(&fail_happened);
}

void *
fo_alloc(size_t size)
{
    return must_fail() ? NULL : malloc(size);
}

void *
fo_zalloc(size_t size)
{
    return must_fail() ? NULL : calloc(1, size);
}

void *
fo_array(size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes) || bytes > PTRDIFF_MAX)
        return NULL;
    return fo_zalloc(bytes);
}

/* The next capacity: half as much again, so that a long list is copied a logarithmic number of times. */
static size_t
grown_cap(size_t cap, size_t need)
{
    size_t more = cap + cap / 2 + 8;

    return more > need ? more : need;
}

bool
fo_grow(void **items, size_t *cap, size_t need, size_t size)
{
    size_t new_cap, bytes;
    void *old, *grown;

    assert(items && cap && size > 0);

    if (need <= *cap)
        return true;
    new_cap = grown_cap(*cap, need);
    if (__builtin_mul_overflow(new_cap, size, &bytes) || bytes > PTRDIFF_MAX)
        return false;
    if (must_fail())
        return false;

    /* Copied bytewise: the caller's variable is some other pointer type seen through a cast. */
    memcpy(&old, items, sizeof(old));
    grown = realloc(old, bytes);
    if (!grown)
        return false;
    memcpy(items, &grown, sizeof(grown));
    *cap = new_cap;
    return true;
}

char *
fo_strdup(const char *s)
{
    assert(s);
    return fo_strndup(s, strlen(s));
}

char *
fo_strndup(const char *s, size_t len)
{
    char *copy;

    assert(s || len == 0);

    copy = len < SIZE_MAX ? fo_alloc(len + 1) : NULL;
    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void
fo_free(void *p)
{
    free(p);
}

void
fo_freep(void *pointer_to_pointer)
{
    void *p;

    assert(pointer_to_pointer);

    memcpy(&p, pointer_to_pointer, sizeof(p));
    free(p);
    p = NULL;
    memcpy(pointer_to_pointer, &p, sizeof(p));
}
