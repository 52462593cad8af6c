/*
 * A case that hangs ends the run, not the suite: what hung is told, what comes after it is told as not run,
 * and the schema goes. The thread that hangs is never to be had back: each test leaves one behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../support/fake_driver.h"
#include "base/clock.h"
#include "base/mem.h"
#include "conformance/conformance.h"
#include "database/front_internal.h"

#define CASE_US INT64_C(200000)

/* Lives as long as its hanging thread. */
typedef struct world {
    fake_world fake;
    finops_database *database;
    unsigned told[4]; /* by outcome */
    char failed[200], why[200];
} world;

static world *worlds[2];

static world *
world_make(world **place, uint64_t features)
{
    world *w = *place = fo_zalloc(sizeof(*w));
    fake_config config = { 0 };

    assert_non_null(w);
    fake_world_init(&w->fake);
    w->fake.capabilities.features = features;
    config.world = &w->fake;
    assert_int_equal(fo_front_open(&fake_driver, NULL, &config, NULL, &w->database, NULL), FINOPS_OK);
    atomic_store(&w->fake.hang, true);
    return w;
}

/* When the first is told as not run, the one before is given up: the server answers again, too late. */
static void
note(const fo_case_result *r, void *arg)
{
    world *w = arg;

    w->told[r->outcome]++;
    if (r->outcome == FO_CASE_FAILED) {
        (void)snprintf(w->failed, sizeof(w->failed), "%s: %s", r->area, r->name);
        (void)snprintf(w->why, sizeof(w->why), "%s", r->why);
    }
    if (r->outcome == FO_CASE_NOT_RUN)
        atomic_store(&w->fake.hang, false);
}

static void
run(world *w, const char *filter, fo_conformance_summary *ret)
{
    const fo_conformance_options options = {
        .database = w->database, .filter = filter, .case_us = CASE_US, .each = note, .arg = w
    };
    int64_t started = fo_clock_monotonic();

    assert_int_equal(fo_conformance_run(&options, ret, NULL), FINOPS_OK);
    assert_in_range(fo_clock_monotonic() - started, CASE_US, 50 * CASE_US);
}

static void
a_case_that_hangs_is_told_and_the_rest_is_not_run(void **state)
{
    world *w = world_make(&worlds[0], FINOPS_DATABASE_TRANSACTIONS);
    fo_conformance_summary summary = { 0 };

    (void)state;
    run(w, "params", &summary);
    assert_int_equal(summary.failed, 1);
    assert_int_equal(summary.passed, 0);
    assert_true(summary.not_run > 5);
    assert_int_equal(summary.not_run, w->told[FO_CASE_NOT_RUN]);
    assert_string_equal(summary.hung, w->failed);
    assert_ptr_equal(strstr(w->why, "it hangs: no end after"), w->why);
}

static void
what_hangs_is_cancelled_and_its_session_not_used_any_more(void **state)
{
    world *w = worlds[0];

    (void)state;
    assert_int_equal(atomic_load(&w->fake.cancels), 1);
    for (size_t i = 0; fake_log(&w->fake, i); i++)
        assert_string_not_equal(fake_log(&w->fake, i), "rollback by disconnect");
}

static void
a_schema_that_is_never_made_hangs_the_run(void **state)
{
    world *w = world_make(&worlds[1], FINOPS_DATABASE_SCHEMAS);
    fo_conformance_summary summary = { 0 };

    (void)state;
    run(w, "params", &summary);
    assert_string_equal(summary.hung, "schema: the schema of the tests is made");
    assert_int_equal(summary.failed, 1);
    assert_true(summary.not_run > 5);
    assert_string_equal(summary.left, "");
    assert_non_null(fake_log(&w->fake, 1)); /* the schema, then the end of it */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_case_that_hangs_is_told_and_the_rest_is_not_run),
        cmocka_unit_test(what_hangs_is_cancelled_and_its_session_not_used_any_more),
        cmocka_unit_test(a_schema_that_is_never_made_hangs_the_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
