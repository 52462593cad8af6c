/* Replacing a partition the general way: what is said to the database, in which order. */
#include "front_fixture.h"

static const finops_column columns[] = {
    { .name = "cost", .type = FINOPS_TYPE_DECIMAL, .native = "DECIMAL(38,18)" },
    { .name = "period", .type = FINOPS_TYPE_DATE, .native = "DATE" },
    { .name = "month", .type = FINOPS_TYPE_TEXT, .native = "VARCHAR" },
};

static finops_code
before(void *arg, finops_error **err)
{
    fixture *f = arg;
    fo_strv *log = &f->world.log;

    assert_true(fo_strv_add(log, "before"));
    return f->world.hold_us ? fo_error_set(err, FINOPS_E_DENIED, "no") : FINOPS_OK;
}

static finops_code
replace(fixture *f, finops_session *s, const char *column, finops_write_result *ret)
{
    struct ArrowArrayStream stream;
    const finops_source source = { .stream = &stream };
    const finops_partition p = {
        .schema = "b", .table = "t", .column = column, .value = "2026-10", .before_swap = before, .arg = f
    };
    finops_code rc;

    fake_stream(&stream, NULL, 0);
    rc = finops_session_replace_partition(s, &p, &source, ret, NULL);
    assert_null(stream.release);
    return rc;
}

static void
expect_log(fixture *f, const char *const *lines, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_non_null(fake_log(&f->world, i));
        assert_string_equal(fake_log(&f->world, i), lines[i]);
    }
    assert_null(fake_log(&f->world, n));
}

#define EXPECT(f, ...)                                                                                       \
    expect_log(f, (const char *const[]){ __VA_ARGS__ }, FO_COUNT(((const char *const[]){ __VA_ARGS__ })))

static finops_session *
begin(fixture *f, bool exists)
{
    if (exists) {
        f->world.columns = columns;
        f->world.n_columns = FO_COUNT(columns);
    }
    fixture_open(f, &fake_driver, NULL);
    return take(f, 0);
}

static void
old_rows_go_and_new_ones_come_in_one_transaction(void **state)
{
    fixture *f = *state;
    finops_session *s = begin(f, true);
    finops_write_result result = { 0 };

    assert_int_equal(replace(f, s, "month", &result), FINOPS_OK);
    assert_int_equal(result.rows, 3);
    EXPECT(f, "begin", "before", "DELETE FROM \"b\".\"t\" WHERE \"month\" = $1", "write b.t widen", "commit");
    finops_session_release(s);
}

static void
a_value_is_cast_to_the_type_of_its_column(void **state)
{
    fixture *f = *state;
    finops_session *s = begin(f, true);

    assert_int_equal(replace(f, s, "period", NULL), FINOPS_OK);
    assert_string_equal(fake_log(&f->world, 2),
                        "DELETE FROM \"b\".\"t\" WHERE \"period\" = CAST($1 AS DATE)");
    finops_session_release(s);
}

static void
a_table_that_is_not_there_is_made(void **state)
{
    fixture *f = *state;
    finops_session *s = begin(f, false);

    assert_int_equal(replace(f, s, "month", NULL), FINOPS_OK);
    EXPECT(f, "begin", "before", "write b.t widen", "commit");
    finops_session_release(s);
}

static void
a_table_without_the_column_has_no_rows_of_the_partition(void **state)
{
    fixture *f = *state;
    finops_session *s = begin(f, true);

    assert_int_equal(replace(f, s, "billing_period", NULL), FINOPS_OK);
    EXPECT(f, "begin", "before", "write b.t widen", "commit");
    finops_session_release(s);
}

static void
without_a_column_the_table_is_made_anew(void **state)
{
    fixture *f = *state;
    finops_session *s = begin(f, true);

    assert_int_equal(replace(f, s, NULL, NULL), FINOPS_OK);
    EXPECT(f, "begin", "before", "DROP TABLE \"b\".\"t\"", "write b.t create", "commit");
    finops_session_release(s);
}

static void
where_tables_cannot_be_dropped_in_a_transaction_they_are_emptied(void **state)
{
    fixture *f = *state;
    finops_session *s;

    f->world.capabilities.features &= ~(uint64_t)FINOPS_DATABASE_DDL_IN_TRANSACTION;
    s = begin(f, true);
    assert_int_equal(replace(f, s, NULL, NULL), FINOPS_OK);
    EXPECT(f, "begin", "before", "DELETE FROM \"b\".\"t\"", "write b.t widen", "commit");
    finops_session_release(s);
}

static void
the_callers_transaction_is_used_and_left_open(void **state)
{
    fixture *f = *state;
    finops_session *s = begin(f, false);

    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    assert_int_equal(replace(f, s, "month", NULL), FINOPS_OK);
    assert_true(fo_session_in_transaction(s));
    assert_int_equal(finops_session_commit(s, NULL), FINOPS_OK);
    EXPECT(f, "begin", "before", "write b.t widen", "commit");
    finops_session_release(s);
}

static void
a_failure_anywhere_takes_all_back(void **state)
{
    fixture *f = *state;
    finops_session *s = begin(f, true);

    fake_fail(&f->world.write, 1, FINOPS_E_DATA);
    assert_int_equal(replace(f, s, "month", NULL), FINOPS_E_DATA);
    assert_string_equal(fake_log(&f->world, 4), "rollback");
    fake_fail(&f->world.execute, 1, FINOPS_E_DENIED);
    assert_int_equal(replace(f, s, "month", NULL), FINOPS_E_DENIED);
    fake_fail(&f->world.begin, 1, FINOPS_E_BUSY);
    assert_int_equal(replace(f, s, "month", NULL), FINOPS_E_BUSY);
    f->world.hold_us = 1;
    assert_int_equal(replace(f, s, "month", NULL), FINOPS_E_DENIED);
    assert_int_equal(atomic_load(&f->world.rollbacks), 3);
    assert_int_equal(atomic_load(&f->world.commits), 0);
    assert_false(fo_session_in_transaction(s));
    finops_session_release(s);
}

static void
without_transactions_nothing_is_replaced(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver_bare, NULL);
    s = take(f, 0);
    assert_int_equal(replace(f, s, "month", NULL), FINOPS_E_UNSUPPORTED);
    assert_null(fake_log(&f->world, 0));
    finops_session_release(s);
}

static void
replacing_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    finops_session *s = begin(f, true);
    finops_code rc = FINOPS_E_MEMORY;

    f->world.hold_us = 0;
    for (unsigned n = 1; n < 60; n++) {
        struct ArrowArrayStream stream;
        const finops_source source = { .stream = &stream };
        const finops_partition p = { .schema = "b", .table = "t", .column = "period", .value = "x" };

        fake_stream(&stream, NULL, 0);
        fo_mem_fail_at(n);
        rc = finops_session_replace_partition(s, &p, &source, NULL, NULL);
        fo_mem_fail_at(0);
        assert_true(rc == FINOPS_OK || rc == FINOPS_E_MEMORY);
        assert_null(stream.release);
        assert_false(fo_session_in_transaction(s));
        fake_log_clear(&f->world);
    }
    assert_int_equal(rc, FINOPS_OK);
    finops_session_release(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(old_rows_go_and_new_ones_come_in_one_transaction),
        TEST(a_value_is_cast_to_the_type_of_its_column),
        TEST(a_table_that_is_not_there_is_made),
        TEST(a_table_without_the_column_has_no_rows_of_the_partition),
        TEST(without_a_column_the_table_is_made_anew),
        TEST(where_tables_cannot_be_dropped_in_a_transaction_they_are_emptied),
        TEST(the_callers_transaction_is_used_and_left_open),
        TEST(a_failure_anywhere_takes_all_back),
        TEST(without_transactions_nothing_is_replaced),
        TEST(replacing_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
