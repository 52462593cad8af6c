/*
 * How late a call ends that was cancelled or whose time is up. A machine that is busy adds to it now and
 * then: so most of a few tries have to keep the bound. What is late as often as not does not.
 */
#ifndef TESTS_SUPPORT_LATENESS_H
#define TESTS_SUPPORT_LATENESS_H

#include <stdint.h>

#define LATE_MOST 3 /* of five */

/* Makes the call, checks how it ended, and returns by how many microseconds it was late. */
typedef int64_t (*late_call)(void *arg);

static inline void
assert_in_time(late_call call, void *arg, int64_t bound_us)
{
    unsigned kept = 0, missed = 0;

    while (kept < LATE_MOST && missed < LATE_MOST) {
        int64_t late = call(arg);

        kept += late <= bound_us;
        missed += late > bound_us;
        if (late > bound_us)
            print_message("late by %lld ms\n", (long long)late / 1000);
    }
    if (missed == LATE_MOST)
        fail_msg("in %u of %u tries later than %lld ms", missed, missed + kept, (long long)bound_us / 1000);
}

#endif
