/*
 * Memory: allocation that a test can make fail, and release by scope.
 *
 * fo_alloc and friends behave like malloc, calloc, realloc and strdup and may return NULL; fo_free takes
 * NULL. A test counts allocations with fo_mem_fail_at(n): the n-th from now returns NULL.
 */
#ifndef FO_BASE_MEM_H
#define FO_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#define FO_AUTO(fn) __attribute__((cleanup(fn)))
/* Hands a pointer over: its value is returned and the variable becomes NULL. */
#define FO_TAKE(p)                                                                                           \
    (__extension__({                                                                                         \
        __typeof__(p) fo_take_ = (p);                                                                        \
        (p) = NULL;                                                                                          \
        fo_take_;                                                                                            \
    }))
#define FO_COUNT(a) (sizeof(a) / sizeof((a)[0]))

void *fo_alloc(size_t size);
void *fo_zalloc(size_t size);
/* Zeroed array; NULL also when count * size overflows. */
void *fo_array(size_t count, size_t size);
/* Grows an array of `size`-byte items to hold at least `need`; *cap is in items and is updated. False: no
 * memory. */
bool fo_grow(void **items, size_t *cap, size_t need, size_t size);
char *fo_strdup(const char *s);
char *fo_strndup(const char *s, size_t len);
void fo_free(void *p);
/* For FO_AUTO on char * and other plain pointers. */
void fo_freep(void *pointer_to_pointer);

/* Tests only: the n-th allocation from now fails once (0 = never). fo_mem_failed() tells whether it came to
 * that. */
void fo_mem_fail_at(unsigned n);
bool fo_mem_failed(void);

#endif
