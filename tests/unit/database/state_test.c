/* Load state: which version of a month is loaded, and what an attempt leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "database/session.h"
#include "database/state.h"
#include "state_fixture.h"

static const fo_version_key first = { "aws", "exp", "2026-01", "v1" };
static const fo_version_key second = { "aws", "exp", "2026-01", "v2" };

static bool
loaded(fo_database *db, const fo_version_key *key)
{
    bool is = false;

    assert_int_equal(fo_state_is_version_loaded(db, key, &is, NULL), FINOPS_OK);
    return is;
}

static void
load(fo_database *db, const fo_version_key *key)
{
    const fo_load_result result = { .rows = 2,
                                    .files = 1,
                                    .bytes_read = 10,
                                    .total_cost = "1.5",
                                    .currency = "USD",
                                    .table_name = "exp_2026_01",
                                    .schema_hash = "h" };

    assert_int_equal(fo_state_start_load(db, key, "v1", "s3://b/exp", NULL, NULL), FINOPS_OK);
    assert_int_equal(fo_state_complete_load(db, key, &result, NULL), FINOPS_OK);
}

static void
a_version_is_loaded_when_it_is_complete_and_current(void **state)
{
    fo_database *db = ((fixture *)*state)->db;

    assert_false(loaded(db, &first));
    assert_int_equal(fo_state_start_load(db, &first, "v1", "s3://b/exp", NULL, NULL), FINOPS_OK);
    assert_false(loaded(db, &first));
    load(db, &first);
    assert_true(loaded(db, &first));
    load(db, &second);
    assert_true(loaded(db, &second));
    assert_false(loaded(db, &first));
    load(db, &first); /* the provider went back */
    assert_true(loaded(db, &first));
    assert_false(loaded(db, &second));
}

static void
a_failed_attempt_leaves_the_current_version(void **state)
{
    fo_database *db = ((fixture *)*state)->db;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    load(db, &first);
    assert_int_equal(fo_state_start_load(db, &second, "v1", "s3://b/exp", NULL, NULL), FINOPS_OK);
    assert_int_equal(fo_state_fail_load(db, &second, "it's broken", NULL), FINOPS_OK);
    assert_true(loaded(db, &first));
    assert_int_equal(fo_state_version_history(db, "aws", "exp", "2026-01", &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 2);
    for (size_t i = 0; i < 2; i++) {
        bool failed = strcmp(fo_rows_text(rows, i, 0), "v2") == 0;
        assert_string_equal(fo_rows_text(rows, i, 1), failed ? "false" : "true");
        if (failed)
            assert_string_equal(fo_rows_text(rows, i, 8), "it's broken");
    }
}

static void
one_version_of_a_month_is_current(void **state)
{
    fo_database *db = ((fixture *)*state)->db;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    load(db, &first);
    load(db, &second);
    assert_int_equal(fo_state_current_versions(db, "aws", NULL, &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 1);
    assert_string_equal(fo_rows_text(rows, 0, 2), "v2");
    assert_string_equal(fo_rows_text(rows, 0, 9), "1.500000000000000000");
}

static void
completing_what_was_not_started_is_refused(void **state)
{
    fo_database *db = ((fixture *)*state)->db;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const fo_version_key never = { "aws", "other", "2026-01", "v1" };
    const fo_load_result result = { .rows = 1 };

    assert_int_equal(fo_state_complete_load(db, &never, &result, &err), FINOPS_E_INTERNAL);
}

static void
a_table_of_the_earlier_tool_gains_the_later_columns(void **state)
{
    fo_database *db = ((fixture *)*state)->db;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert_int_equal(
        fo_database_script(
            db,
            "DROP SCHEMA billing_state CASCADE;\nCREATE SCHEMA billing_state;\n"
            "CREATE TABLE billing_state.load_state (vendor VARCHAR NOT NULL, export_name VARCHAR NOT NULL,"
            "billing_period VARCHAR NOT NULL, version_id VARCHAR NOT NULL, data_format_version VARCHAR NOT "
            "NULL,"
            "current_version BOOLEAN DEFAULT false, load_timestamp TIMESTAMP NOT NULL,"
            "load_completed BOOLEAN NOT NULL DEFAULT false, row_count INTEGER, file_count INTEGER,"
            "error_message VARCHAR, PRIMARY KEY (vendor, export_name, billing_period, version_id));\n"
            "INSERT INTO billing_state.load_state VALUES ('aws', 'exp', '2025-12', 'old', 'v1', true,"
            "TIMESTAMP '2026-01-02', true, 7, 1, NULL)",
            NULL),
        FINOPS_OK);
    assert_int_equal(fo_state_prepare(db, NULL), FINOPS_OK);
    load(db, &first);
    assert_int_equal(fo_state_current_versions(db, "aws", "exp", &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 2);
    assert_string_equal(fo_rows_text(rows, 0, 2), "old");
    assert_int_equal(fo_rows_int(rows, 0, 4), 7);
}

/* As an import does whose server went away, with [database.connections] max = 1. */
static void
a_lost_connection_is_replaced_where_there_may_be_only_one(void **state)
{
    FO_AUTO(fo_database_closep) fo_database *only = NULL;
    fixture *f = *state;
    finops_pool_figures figures;

    f->settings.connections.max = 1;
    f->settings.connections.acquire_timeout = 1;
    assert_int_equal(fo_database_open_writer(&f->settings, NULL, &only, NULL), FINOPS_OK);
    assert_int_equal(fo_database_begin(only, NULL), FINOPS_OK);
    load(only, &first);
    assert_int_equal(fo_database_reconnect(only, NULL), FINOPS_OK);
    assert_false(loaded(only, &first)); /* the transaction went with the connection */
    load(only, &second);
    assert_true(loaded(only, &second));
    finops_database_pool(fo_session_database(fo_database_session(only)), &figures);
    assert_int_equal(figures.open, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_version_is_loaded_when_it_is_complete_and_current, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_attempt_leaves_the_current_version, setup, teardown),
        cmocka_unit_test_setup_teardown(one_version_of_a_month_is_current, setup, teardown),
        cmocka_unit_test_setup_teardown(completing_what_was_not_started_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_connection_is_replaced_where_there_may_be_only_one, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_table_of_the_earlier_tool_gains_the_later_columns, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
