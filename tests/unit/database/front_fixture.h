/* A database over the fake driver, for the tests of the front door. */
#ifndef FRONT_FIXTURE_H
#define FRONT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../support/fake_driver.h"
#include "base/error.h"
#include "base/mem.h"
#include "database/front_internal.h"
#include "resilience/deadline.h"

typedef struct fixture {
    fake_world world;
    finops_database *database;
    const char *audit_file; /* NULL: none */
} fixture;

/* A driver without its optional slots, or with. */
static inline void
fixture_open(fixture *f, const finops_database_driver *driver, const finops_pool_options *pool)
{
    fake_config config = { .world = &f->world };
    fo_front_options options = { .audit_file = f->audit_file };

    if (pool)
        options.pool = *pool;
    assert_int_equal(fo_front_open(driver, NULL, &config, &options, &f->database, NULL), FINOPS_OK);
}

static inline int
setup(void **state)
{
    fixture *f = fo_zalloc(sizeof(*f));

    assert_non_null(f);
    fake_world_init(&f->world);
    *state = f;
    return 0;
}

static inline int
teardown(void **state)
{
    fixture *f = *state;

    finops_database_close(f->database);
    assert_int_equal(atomic_load(&f->world.live), 0);
    assert_int_equal(atomic_load(&f->world.closes), f->database ? 1 : 0);
    fake_world_done(&f->world);
    fo_free(f);
    return 0;
}

static inline finops_session *
take(fixture *f, unsigned flags)
{
    finops_session *session = NULL;

    assert_int_equal(finops_session_acquire(f->database, flags, NULL, &session, NULL), FINOPS_OK);
    return session;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
