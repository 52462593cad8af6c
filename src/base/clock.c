/* UTC and the Gregorian calendar by integer arithmetic: no time zone files, no locale, the same on every
 * machine. */
#include "base/clock.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define MICROS 1000000LL
#define DAY_SECONDS 86400LL
#define CLOCK_REAL (-1LL)
#define CLOCK_UNREAD (-2LL) /* FINOPS_CLOCK has not been looked at */

static atomic_llong fixed_micros = CLOCK_UNREAD;

static int64_t
micros_of(clockid_t id)
{
    struct timespec ts = { 0 };

    (void)clock_gettime(id, &ts); /* neither clock can fail */
    return (int64_t)ts.tv_sec * MICROS + ts.tv_nsec / 1000;
}

/* Reads FINOPS_CLOCK once. The result is stored before the warning, whose own time stamp asks for the
 * clock. */
static long long
clock_from_environment(void)
{
    const char *text = getenv("FINOPS_CLOCK");
    long long unread = CLOCK_UNREAD;
    int64_t micros = CLOCK_REAL;
    bool good = !text || text[0] == '\0' || (fo_time_parse(text, strlen(text), &micros) && micros >= 0);

    if (!good)
        micros = CLOCK_REAL;
    if (!atomic_compare_exchange_strong(&fixed_micros, &unread, micros))
        return unread;
    if (!good)
        fo_warn("FINOPS_CLOCK is no time since 1970 such as 2026-11-21T06:00:00Z; the real clock is used");
    return micros;
}

int64_t
fo_clock_now(void)
{
    long long fixed = atomic_load_explicit(&fixed_micros, memory_order_relaxed);

    if (fixed == CLOCK_UNREAD)
        fixed = clock_from_environment();
    return fixed >= 0 ? fixed : micros_of(CLOCK_REALTIME);
}

int64_t
fo_clock_monotonic(void)
{
    return micros_of(CLOCK_MONOTONIC);
}

void
fo_clock_fix(int64_t micros)
{
    atomic_store(&fixed_micros, micros >= 0 ? micros : CLOCK_REAL);
}

/* Years begin in March here, so that the leap day is the last of its year; eras are the 400 years after which
 * the calendar repeats. After https://howardhinnant.github.io/date_algorithms.html */
int64_t
fo_days_from_civil(int year, unsigned month, unsigned day)
{
    int64_t y = (int64_t)year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    unsigned year_of_era = (unsigned)(y - era * 400);
    unsigned day_of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    assert(month >= 1 && month <= 12 && day >= 1 && day <= 31);

    return era * 146097 + (int64_t)day_of_era - 719468;
}

static void
date_from_days(int64_t days, fo_civil *ret)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    unsigned day_of_era = (unsigned)(shifted - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned march_month = (5 * day_of_year + 2) / 153;

    ret->day = day_of_year - (153 * march_month + 2) / 5 + 1;
    ret->month = march_month < 10 ? march_month + 3 : march_month - 9;
    ret->year = (int)(era * 400 + (int64_t)year_of_era + (ret->month <= 2));
}

void
fo_civil_from_micros(int64_t micros, fo_civil *ret)
{
    int64_t seconds = micros / MICROS;
    int64_t micro = micros % MICROS;
    int64_t days, second;

    assert(ret);

    if (micro < 0) {
        micro += MICROS;
        seconds--;
    }
    days = seconds / DAY_SECONDS;
    second = seconds % DAY_SECONDS;
    if (second < 0) {
        second += DAY_SECONDS;
        days--;
    }
    date_from_days(days, ret);
    ret->hour = (unsigned)(second / 3600);
    ret->minute = (unsigned)(second / 60 % 60);
    ret->second = (unsigned)(second % 60);
    ret->micro = (unsigned)micro;
}

int64_t
fo_micros_from_civil(const fo_civil *c)
{
    int64_t seconds;

    assert(c && c->hour < 24 && c->minute < 60 && c->second < 60 && c->micro < MICROS);

    seconds = fo_days_from_civil(c->year, c->month, c->day) * DAY_SECONDS + c->hour * 3600LL +
              c->minute * 60LL + c->second;
    return seconds * MICROS + c->micro;
}

unsigned
fo_days_in_month(int year, unsigned month)
{
    assert(month >= 1 && month <= 12);

    if (month == 2)
        return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

const char *
fo_time_format(int64_t micros, char buf[FO_TIME_TEXT])
{
    char fraction[12] = "";
    fo_civil c;

    assert(buf);

    fo_civil_from_micros(micros, &c);
    if (c.micro != 0)
        (void)snprintf(fraction, sizeof(fraction), ".%06u", c.micro % 1000000u);
    (void)snprintf(buf, FO_TIME_TEXT, "%04d-%02u-%02uT%02u:%02u:%02u%sZ", c.year, c.month, c.day, c.hour,
                   c.minute, c.second, fraction);
    return buf;
}

bool
fo_period_parse(const char *z, int *ret_index)
{
    int year = 0, month = 0;

    assert(ret_index);

    if (!z || strlen(z) != 7 || z[4] != '-')
        return false;
    for (size_t i = 0; i < 7; i++)
        if (i != 4 && (z[i] < '0' || z[i] > '9'))
            return false;
    for (size_t i = 0; i < 4; i++)
        year = year * 10 + (z[i] - '0');
    month = (z[5] - '0') * 10 + (z[6] - '0');
    if (month < 1 || month > 12)
        return false;
    *ret_index = year * 12 + month - 1;
    return true;
}

const char *
fo_period_format(int index, char buf[FO_TIME_TEXT])
{
    assert(index >= 0 && buf);

    (void)snprintf(buf, FO_TIME_TEXT, "%04d-%02d", index / 12, index % 12 + 1);
    return buf;
}
