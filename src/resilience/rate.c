/* A token bucket kept as the moment of the next token ("generic cell rate algorithm"). */
#include "resilience/rate.h"

#include <assert.h>

#define MICROS ((int64_t)1000000)
#define BURST_US (20 * 1000LL) /* of a pause may be made up for */
#define CUT 0.7
#define CUT_PAUSE_US (MICROS / 2) /* what was under way when it was cut says the same once more */
#define REGAIN 0.05               /* of the full rate, a second */
#define LOWEST 0.02               /* of the full rate */

void
fo_rate_init(fo_rate *rate, double per_second)
{
    assert(per_second > 0);
    *rate = (fo_rate){ .full = per_second, .current = per_second };
    (void)pthread_mutex_init(&rate->lock, NULL);
}

void
fo_rate_done(fo_rate *rate)
{
    (void)pthread_mutex_destroy(&rate->lock);
}

static void
regain(fo_rate *r, int64_t now)
{
    if (r->current >= r->full || now <= r->changed_us)
        return;
    r->current += r->full * REGAIN * (double)(now - r->changed_us) / (double)MICROS;
    if (r->current > r->full)
        r->current = r->full;
    r->changed_us = now;
}

int64_t
fo_rate_take(fo_rate *r, int64_t now, int64_t most)
{
    int64_t wait;

    (void)pthread_mutex_lock(&r->lock);
    if (now > r->changed_us + CUT_PAUSE_US)
        regain(r, now);
    if (r->next_us < now - BURST_US)
        r->next_us = now - BURST_US;
    wait = r->next_us > now ? r->next_us - now : 0;
    if (wait > most)
        wait = -1;
    else
        r->next_us += (int64_t)((double)MICROS / r->current);
    (void)pthread_mutex_unlock(&r->lock);
    return wait;
}

void
fo_rate_throttled(fo_rate *r, int64_t now)
{
    (void)pthread_mutex_lock(&r->lock);
    if (r->changed_us == 0 || now - r->changed_us >= CUT_PAUSE_US) {
        r->current *= CUT;
        if (r->current < r->full * LOWEST)
            r->current = r->full * LOWEST;
        r->changed_us = now;
    }
    (void)pthread_mutex_unlock(&r->lock);
}
