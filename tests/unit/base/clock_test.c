/* The clock a test can set, the calendar, and the reading of times. */
#include "base_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define FIXED 1795240800000000LL /* 2026-11-21T06:00:00Z */
#define MICROS 1000000LL

static bool
is_about_now(int64_t micros)
{
    int64_t diff = micros / MICROS - (int64_t)time(NULL);

    return diff > -60 && diff < 60;
}

/* The environment is read once a process, so each reading is tried in a child, and before the parent asks for
 * the time. */
static int
in_child_with_clock(const char *text)
{
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        fo_log_setup(FO_LOG_OFF, false, false);
        (void)setenv("FINOPS_CLOCK", text, 1);
        _exit(fo_clock_now() == FIXED ? 10 : is_about_now(fo_clock_now()) ? 11 : 12);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
the_environment_fixes_the_clock(void **state)
{
    (void)state;
    assert_int_equal(in_child_with_clock("2026-11-21T06:00:00Z"), 10);
    assert_int_equal(in_child_with_clock("2026-11-21T07:00+01:00"), 10);
}

static void
an_unreadable_environment_leaves_the_real_clock(void **state)
{
    (void)state;
    assert_int_equal(in_child_with_clock("yesterday"), 11);
    assert_int_equal(in_child_with_clock("1969-01-01"), 11);
    assert_int_equal(in_child_with_clock(""), 11);
}

static void
a_test_fixes_and_frees_the_clock(void **state)
{
    (void)state;
    fo_clock_fix(FIXED);
    assert_int_equal(fo_clock_now(), FIXED);
    fo_clock_fix(0);
    assert_int_equal(fo_clock_now(), 0);
    fo_clock_fix(-1);
    assert_true(is_about_now(fo_clock_now()));
}

static void
durations_never_run_backwards_nor_stand_fixed(void **state)
{
    int64_t a;

    (void)state;
    fo_clock_fix(FIXED);
    a = fo_clock_monotonic();
    assert_true(fo_clock_monotonic() >= a);
    assert_true(a != FIXED);
    fo_clock_fix(-1);
}

/* Counts every day of 3,400 years by hand. */
static void
every_day_follows_the_one_before(void **state)
{
    int64_t days = fo_days_from_civil(-200, 1, 1);

    (void)state;
    assert_int_equal(fo_days_from_civil(1970, 1, 1), 0);
    for (int year = -200; year < 3200; year++) {
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

        assert_int_equal(fo_days_in_month(year, 2), leap ? 29 : 28);
        for (unsigned month = 1; month <= 12; month++)
            for (unsigned day = 1; day <= fo_days_in_month(year, month); day++, days++) {
                fo_civil c;

                if (fo_days_from_civil(year, month, day) != days)
                    fail_msg("%d-%u-%u", year, month, day);
                fo_civil_from_micros(days * 86400 * MICROS, &c);
                if (c.year != year || c.month != month || c.day != day || c.hour != 0)
                    fail_msg("back from %d-%u-%u", year, month, day);
            }
    }
}

static void
months_have_their_days(void **state)
{
    static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    (void)state;
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(fo_days_in_month(2026, i + 1), days[i]);
}

static void
times_are_written_in_utc(void **state)
{
    char buf[FO_TIME_TEXT];

    (void)state;
    assert_string_equal(fo_time_format(0, buf), "1970-01-01T00:00:00Z");
    assert_string_equal(fo_time_format(FIXED + 76123456, buf), "2026-11-21T06:01:16.123456Z");
    assert_string_equal(fo_time_format(-1, buf), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(fo_time_format(-86400 * MICROS, buf), "1969-12-31T00:00:00Z");
    assert_true(strlen(fo_time_format(INT64_MAX, buf)) < FO_TIME_TEXT);
    assert_true(strlen(fo_time_format(INT64_MIN, buf)) < FO_TIME_TEXT);
}

static void
what_is_written_reads_back(void **state)
{
    uint64_t seed = 7;
    char buf[FO_TIME_TEXT];

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        int64_t micros = (int64_t)(random_u64(&seed) % (250000000000ull * 1000000ull)); /* to the year 9892 */
        int64_t back = 0;

        if (i % 2)
            micros -= micros % MICROS;
        (void)fo_time_format(micros, buf);
        if (!fo_time_parse(buf, strlen(buf), &back) || back != micros)
            fail_msg("%s", buf);
    }
}

static void
every_day_of_four_digit_years_is_read(void **state)
{
    (void)state;
    for (int year = 0; year <= 9999; year++)
        for (unsigned month = 1; month <= 12; month++)
            for (unsigned day = 27; day <= 32; day++) {
                char buf[24];
                int64_t micros = 0;
                bool ok;

                (void)snprintf(buf, sizeof(buf), "%04d-%02u-%02uT00:00:00Z", year % 10000, month % 13,
                               day % 33);
                ok = fo_time_parse(buf, 20, &micros);
                if (ok != (day <= fo_days_in_month(year, month)))
                    fail_msg("%s", buf);
                if (ok && micros != fo_days_from_civil(year, month, day) * 86400 * MICROS)
                    fail_msg("%s", buf);
            }
}

static void
every_form_of_a_time_is_read(void **state)
{
    static const struct {
        const char *text;
        int64_t offset;
    } rows[] = {
        { "2026-11-21T06:00:00Z", 0 },
        { "2026-11-21T06:00:00.000Z", 0 },
        { "2026-11-21 06:00:00", 0 },
        { "2026-11-21T06:00", 0 },
        { "2026-11-21T06:00Z", 0 },
        { "2026-11-21", -6 * 3600 * MICROS },
        { "2026-11-21Z", -6 * 3600 * MICROS },
        { "2026-11-21T06:00:59Z", 59 * MICROS },
        { "2026-11-21T06:00:00.5Z", 500000 },
        { "2026-11-21T06:00:00.001Z", 1000 },
        { "2026-11-21T06:00:00.123456789Z", 123456 },
        { "2026-11-21T06:00:00.999999999", 999999 },
        { "2026-11-21T06:00:00+00:00", 0 },
        { "2026-11-21T06:00:00+01", -3600 * MICROS },
        { "2026-11-21T06:00:00-05:30", 19800 * MICROS },
        { "2026-11-21 06:00:00.25+00", 250000 },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        int64_t micros = 0;

        if (!fo_time_parse(rows[i].text, strlen(rows[i].text), &micros) || micros != FIXED + rows[i].offset)
            fail_msg("%s", rows[i].text);
    }
}

static void
what_is_no_time_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "2026",
        "2026-11",
        "2026-11-2",
        "26-11-21",
        "2026-02-30",
        "2025-02-29",
        "1900-02-29",
        "2026-00-01",
        "2026-13-01",
        "2026-01-00",
        "2026-04-31",
        "2026-11-21T24:00",
        "2026-11-21T06:60",
        "2026-11-21T06:00:60Z",
        "2026-11-21T24:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-11-21T06:60:00.000Z",
        "2026-11-21T",
        "2026-11-21T06",
        "2026-11-21T6:00",
        "2026-11-21T06:00:",
        "2026-11-21T06:00:00.",
        "2026-11-21T06:00:00.Z",
        "2026-11-21T06:00:00.1234567890Z",
        "2026-11-21t06:00:00Z",
        "2026-11-21T06:00:00z",
        "2026-11-21T06:00:00ZZ",
        "2026-11-21T06:00:00 Z",
        " 2026-11-21",
        "2026-11-21 ",
        "2026/11/21",
        "2026-11-21T06:00:00+1",
        "2026-11-21T06:00:00+24",
        "2026-11-21T06:00:00+01:60",
        "2026-11-21T06:00:00+0100",
        "+2026-11-21",
        "2026-11-21T06.00.00Z",
        "20261121T060000Z",
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        int64_t micros = 99;

        if (fo_time_parse(rows[i], strlen(rows[i]), &micros) || micros != 99)
            fail_msg("%s", rows[i]);
    }
}

static void
leap_days_are_read(void **state)
{
    int64_t micros;

    (void)state;
    assert_true(fo_time_parse_until("1970-01-02", 10, &micros));
    assert_int_equal(micros, INT64_C(2) * 86400 * 1000000 - 1);
    assert_true(fo_time_parse_until("1970-01-01T00:00:01Z", 20, &micros));
    assert_int_equal(micros, 1000000);
    assert_false(fo_time_parse_until("1970-13-01", 10, &micros));
    assert_true(fo_duration_parse("30d", &micros) && micros == INT64_C(30) * 86400 * 1000000);
    assert_true(fo_duration_parse("90m", &micros) && micros == INT64_C(5400) * 1000000);
    assert_true(fo_duration_parse("0", &micros) && micros == 0);
    assert_false(fo_duration_parse("30", &micros) || fo_duration_parse("d", &micros) ||
                 fo_duration_parse("1dd", &micros) || fo_duration_parse("-1d", &micros) ||
                 fo_duration_parse("1234567d", &micros) || fo_duration_parse("", &micros));
    assert_true(fo_time_parse("2024-02-29T00:00:00Z", 20, &micros));
    assert_true(fo_time_parse("2000-02-29T00:00:00Z", 20, &micros));
    assert_true(fo_time_parse("0000-02-29", 10, &micros));
}

/* "Z" takes the short path and "+00:00" the long one: they must agree on every text, right or wrong. */
static void
both_ways_of_reading_agree_on_every_byte(void **state)
{
    static const char *const seeds[] = { "2026-11-21T06:01:16", "2024-02-29T23:59:59",
                                         "1999-12-31 00:00:00" };

    (void)state;
    for (size_t s = 0; s < FO_COUNT(seeds); s++)
        for (size_t at = 0; at < 19; at++)
            for (int byte = 0; byte < 256; byte++) {
                char z[21], frac[25], zone[26];
                int64_t a = 1, b = 1, c = 1;
                bool ok;

                memcpy(z, seeds[s], 19);
                z[at] = (char)byte;
                memcpy(frac, z, 19);
                memcpy(zone, z, 19);
                memcpy(z + 19, "Z", 2);
                memcpy(frac + 19, ".000Z", 6);
                memcpy(zone + 19, "+00:00", 7);
                ok = fo_time_parse(zone, 25, &a);
                if (fo_time_parse(z, 20, &b) != ok || fo_time_parse(frac, 24, &c) != ok || a != b || a != c)
                    fail_msg("byte %d at %zu of %s", byte, at, seeds[s]);
            }
}

static void
periods_are_months_in_a_row(void **state)
{
    static const char *const bad[] = { "",        "2026",     "2026-1",  "2026-00",
                                       "2026-13", "2026-011", "2026/01", "x026-01" };
    char buf[FO_TIME_TEXT];
    int index = 0, next = 0;

    (void)state;
    assert_true(fo_period_parse("2025-12", &index));
    assert_true(fo_period_parse("2026-01", &next));
    assert_int_equal(next, index + 1);
    assert_string_equal(fo_period_format(index, buf), "2025-12");
    assert_string_equal(fo_period_format(next, buf), "2026-01");
    for (size_t i = 0; i < FO_COUNT(bad); i++)
        assert_false(fo_period_parse(bad[i], &index));
    assert_false(fo_period_parse(NULL, &index));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_environment_fixes_the_clock), /* first: see in_child_with_clock */
        cmocka_unit_test(an_unreadable_environment_leaves_the_real_clock),
        cmocka_unit_test(a_test_fixes_and_frees_the_clock),
        cmocka_unit_test(durations_never_run_backwards_nor_stand_fixed),
        cmocka_unit_test(every_day_follows_the_one_before),
        cmocka_unit_test(months_have_their_days),
        cmocka_unit_test(times_are_written_in_utc),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(every_day_of_four_digit_years_is_read),
        cmocka_unit_test(every_form_of_a_time_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(leap_days_are_read),
        cmocka_unit_test(both_ways_of_reading_agree_on_every_byte),
        cmocka_unit_test(periods_are_months_in_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
