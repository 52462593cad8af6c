/*
 * Deadlines: points of the monotonic clock in microseconds, 0 meaning none, so that one number is handed
 * down through every layer and each asks how much is left.
 */
#ifndef FO_RESILIENCE_DEADLINE_H
#define FO_RESILIENCE_DEADLINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

/* `micros` from now; never 0. A sum that does not fit is as good as no limit. */
static inline int64_t
fo_deadline_in(int64_t micros)
{
    int64_t deadline;

    if (__builtin_add_overflow(fo_clock_monotonic(), micros, &deadline))
        return INT64_MAX;
    return deadline > 0 ? deadline : 1;
}

/* The one that comes first; none comes after all. */
static inline int64_t
fo_deadline_first(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a == 0 ? b : a;
    return a < b ? a : b;
}

/* Microseconds left at `now`: 0 when it has passed, INT64_MAX without one. */
static inline int64_t
fo_deadline_left(int64_t deadline, int64_t now)
{
    if (deadline == 0)
        return INT64_MAX;
    return deadline > now ? deadline - now : 0;
}

static inline bool
fo_deadline_passed(int64_t deadline, int64_t now)
{
    return deadline != 0 && deadline <= now;
}

#endif
