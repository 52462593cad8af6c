/* Lists of owned strings. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void
fo_strv_done(fo_strv *v)
{
    if (!v)
        return;
    for (size_t i = 0; i < v->n; i++)
        fo_free(v->items[i]);
    fo_free(v->items);
    *v = FO_STRV_INIT;
}

bool
fo_strv_add(fo_strv *v, const char *z)
{
    assert(z);
    return fo_strv_take(v, fo_strdup(z));
}

bool
fo_strv_addn(fo_strv *v, const char *p, size_t n)
{
    return fo_strv_take(v, fo_strndup(p, n));
}

bool
fo_strv_take(fo_strv *v, char *owned)
{
    assert(v);

    if (!owned)
        return false;
    if (!fo_grow((void **)&v->items, &v->cap, v->n + 1, sizeof(v->items[0]))) {
        fo_free(owned);
        return false;
    }
    v->items[v->n++] = owned;
    return true;
}

static int
by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void
fo_strv_sort(fo_strv *v)
{
    assert(v);
    if (v->n > 1)
        qsort(v->items, v->n, sizeof(v->items[0]), by_bytes);
}

bool
fo_strv_has(const fo_strv *v, const char *z)
{
    assert(v && z);
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->items[i], z) == 0)
            return true;
    return false;
}

bool
fo_strv_split(fo_strv *v, const char *z, char sep)
{
    assert(v && z && sep != '\0');

    for (;;) {
        const char *end = strchrnul(z, sep);

        if (!fo_strv_addn(v, z, (size_t)(end - z)))
            return false;
        if (*end == '\0')
            return true;
        z = end + 1;
    }
}
