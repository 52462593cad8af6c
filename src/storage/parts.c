/* The parts of an upload that goes into one file. */
#include "storage/parts.h"

#include "base/mem.h"

struct fo_part {
    int64_t offset;
    int64_t size; /* negative: not sent */
};

void
fo_parts_init(fo_parts *parts)
{
    *parts = (fo_parts){ 0 };
    (void)pthread_mutex_init(&parts->lock, NULL);
}

void
fo_parts_done(fo_parts *parts)
{
    (void)pthread_mutex_destroy(&parts->lock);
    fo_free(parts->items);
}

finops_code
fo_parts_check_one(unsigned number, int64_t offset, size_t n, finops_error **err)
{
    int64_t end;

    if (number < 1 || number > FO_PARTS_MAX || n > FO_PART_MAX || offset < 0 ||
        __builtin_add_overflow(offset, (int64_t)n, &end))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u: a number, size or offset that cannot be",
                            number);
    return FINOPS_OK;
}

finops_code
fo_parts_note(fo_parts *parts, unsigned number, int64_t offset, size_t n, finops_error **err)
{
    bool grown;

    (void)pthread_mutex_lock(&parts->lock);
    grown = fo_grow((void **)&parts->items, &parts->cap, number, sizeof(*parts->items));
    if (grown) {
        for (; parts->n < number; parts->n++)
            parts->items[parts->n] = (fo_part){ .size = -1 };
        parts->items[number - 1] = (fo_part){ .offset = offset, .size = (int64_t)n };
    }
    (void)pthread_mutex_unlock(&parts->lock);
    return grown ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_parts_check(const fo_parts *parts, unsigned n, int64_t size, finops_error **err)
{
    int64_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        if (i >= parts->n || parts->items[i].size < 0)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u was never sent", i + 1);
        if (parts->items[i].offset != at)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u does not begin where the one before ends",
                                i + 1);
        at += parts->items[i].size;
    }
    if (at != size)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the parts come to %lld bytes, not %lld", (long long)at,
                            (long long)size);
    return FINOPS_OK;
}
