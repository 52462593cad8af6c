/* Time: UTC only, microseconds since 1970, from a clock a test can set. Months are billing periods "YYYY-MM".
 */
#ifndef FO_BASE_CLOCK_H
#define FO_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FO_TIME_TEXT 32 /* bytes that hold any text made here */

int64_t fo_clock_now(void); /* microseconds; the set time when a test (or FINOPS_CLOCK=ISO time) fixed it */
int64_t fo_clock_monotonic(void);  /* microseconds, for durations; never fixed */
void fo_clock_fix(int64_t micros); /* negative: the real clock again */

typedef struct fo_civil {
    int year;
    unsigned month, day, hour, minute, second, micro;
} fo_civil;

/* Days since 1970-01-01 of a date of the proleptic Gregorian calendar. */
int64_t fo_days_from_civil(int year, unsigned month, unsigned day);
void fo_civil_from_micros(int64_t micros, fo_civil *ret);
int64_t fo_micros_from_civil(const fo_civil *c);
unsigned fo_days_in_month(int year, unsigned month);
/* "2026-11-21T06:01:16.123456Z", fraction left out when zero. Returns buf. */
const char *fo_time_format(int64_t micros, char buf[FO_TIME_TEXT]);
/*
 * Reads "YYYY-MM-DD[(T| )HH:MM[:SS[.f{1,9}]]][Z|+HH[:MM]|-HH[:MM]]" of exactly n bytes; a time without zone
 * is UTC; digits beyond microseconds are cut. False for anything else, including 2026-02-30 and 24:00. Hot
 * path of the CSV reader.
 */
bool fo_time_parse(const char *p, size_t n, int64_t *ret_micros);
/* The same of a moment that people name: a date alone is the end of that day. */
bool fo_time_parse_until(const char *p, size_t n, int64_t *ret_micros);
/* "30d", "12h", "15m", "45s"; a bare 0. False for anything else and what does not fit. */
bool fo_duration_parse(const char *z, int64_t *ret_micros);

/* "2026-11" <-> months since year 0. */
bool fo_period_parse(const char *z, int *ret_index);
const char *fo_period_format(int index, char buf[FO_TIME_TEXT]);

#endif
