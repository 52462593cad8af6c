/*
 * How late a call ends that was cancelled or whose time is up. A machine that is busy adds to it now and
 * then, our code always: so one of a few tries has to keep the bound, and what is really late keeps it in
 * none.
 */
#ifndef TESTS_SUPPORT_LATENESS_H
#define TESTS_SUPPORT_LATENESS_H

#include <stdint.h>

#define LATE_TRIES 5

/* Makes the call, checks how it ended, and returns by how many microseconds it was late. */
typedef int64_t (*late_call)(void *arg);

static inline void
assert_in_time(late_call call, void *arg, int64_t bound_us)
{
    int64_t late = bound_us + 1;

    for (unsigned i = 0; i < LATE_TRIES && late > bound_us; i++) {
        late = call(arg);
        if (late > bound_us)
            print_message("late by %lld ms\n", (long long)late / 1000);
    }
    if (late > bound_us)
        fail_msg("in each of %d tries later than %lld ms", LATE_TRIES, (long long)bound_us / 1000);
}

#endif
