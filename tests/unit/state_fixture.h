/* An in-memory database with the state tables, for tests that need one. */
#ifndef STATE_FIXTURE_H
#define STATE_FIXTURE_H

#include "base/mem.h"
#include "database/state.h"

typedef struct fixture {
    fo_engine *engine;
    fo_conn *conn;
} fixture;

static int
setup(void **state)
{
    fixture *f = fo_zalloc(sizeof(*f));

    assert_non_null(f);
    assert_int_equal(fo_engine_open(&(fo_engine_options){ 0 }, &f->engine, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(f->engine, &f->conn, NULL), FINOPS_OK);
    assert_int_equal(fo_state_prepare(f->conn, NULL), FINOPS_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    fo_conn_close(f->conn);
    fo_engine_close(f->engine);
    fo_free(f);
    return 0;
}

#endif
