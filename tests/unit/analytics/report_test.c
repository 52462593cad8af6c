/* What becomes of the rows of a report: blocks, order, cut and sums. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "analytics/report.h"
#include "base/mem.h"

#define UNIT ((fo_decimal)1000000000000000000)

static void
add(fo_report *r, const char *currency, const char *key, const char *cost, const char *previous)
{
    assert_int_equal(fo_report_add(r, currency, key, cost, previous, cost ? 1 : 0, NULL), FINOPS_OK);
}

static void
each_currency_is_a_block_with_its_own_total(void **state)
{
    FO_AUTO(fo_report_done) fo_report r = { 0 };

    (void)state;
    add(&r, "EUR", "s3", "2", NULL);
    add(&r, "USD", "s3", "5", NULL);
    add(&r, "EUR", "ec2", "3", NULL);
    assert_int_equal(fo_report_finish(&r, FO_REPORT_OTHER, 0, NULL), FINOPS_OK);
    assert_int_equal(r.n, 2);
    assert_string_equal(r.blocks[0].currency, "EUR");
    assert_true(r.blocks[0].total.cost == 5 * UNIT);
    assert_int_equal(r.blocks[0].total.lines, 2);
    assert_true(r.blocks[1].total.cost == 5 * UNIT);
    assert_string_equal(r.blocks[0].rows[0].key, "ec2");
}

static void
what_is_beyond_the_top_is_added_up_in_one_row(void **state)
{
    FO_AUTO(fo_report_done) fo_report r = { 0 };

    (void)state;
    add(&r, "USD", "a", "1", "10");
    add(&r, "USD", "b", "7", NULL);
    add(&r, "USD", NULL, "-2", "20");
    add(&r, "USD", "c", NULL, "30");
    assert_int_equal(fo_report_finish(&r, FO_REPORT_OTHER, 2, NULL), FINOPS_OK);
    assert_int_equal(r.blocks[0].n, 3);
    assert_string_equal(r.blocks[0].rows[0].key, "b");
    assert_false(r.blocks[0].rows[0].has_previous);
    assert_string_equal(r.blocks[0].rows[1].key, "a");
    assert_null(r.blocks[0].rows[2].key);
    assert_int_equal(r.blocks[0].rows[2].others, 2);
    assert_true(r.blocks[0].rows[2].cost == -2 * UNIT);
    assert_true(r.blocks[0].rows[2].previous == 50 * UNIT);
    assert_true(r.blocks[0].total.cost == 6 * UNIT);
    assert_true(r.blocks[0].total.previous == 60 * UNIT);
}

static void
a_top_of_all_rows_leaves_no_row_of_others(void **state)
{
    FO_AUTO(fo_report_done) fo_report r = { 0 };

    (void)state;
    add(&r, "USD", "a", "1", NULL);
    add(&r, "USD", "b", "2", NULL);
    assert_int_equal(fo_report_finish(&r, FO_REPORT_OTHER, 2, NULL), FINOPS_OK);
    assert_int_equal(r.blocks[0].n, 2);
    assert_int_equal(r.blocks[0].rows[1].others, 0);
}

static void
days_are_in_order_of_time_and_lines_without_day_last(void **state)
{
    FO_AUTO(fo_report_done) fo_report r = { 0 };

    (void)state;
    add(&r, "USD", "2026-01-03", "1", NULL);
    add(&r, "USD", NULL, "9", NULL);
    add(&r, "USD", "2026-01-01", "2", NULL);
    assert_int_equal(fo_report_finish(&r, FO_REPORT_DAY, 0, NULL), FINOPS_OK);
    assert_string_equal(r.blocks[0].rows[0].key, "2026-01-01");
    assert_string_equal(r.blocks[0].rows[1].key, "2026-01-03");
    assert_null(r.blocks[0].rows[2].key);
}

static void
costs_that_are_no_numbers_or_too_large_are_refused(void **state)
{
    FO_AUTO(fo_report_done) fo_report r = { 0 };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(fo_report_add(&r, "USD", "a", "12x", NULL, 1, &err), FINOPS_E_INTERNAL);
    assert_int_equal(r.n, 0);
    add(&r, "USD", "a", "99999999999999999999", NULL);
    add(&r, "USD", "b", "99999999999999999999", NULL);
    assert_int_equal(fo_report_finish(&r, FO_REPORT_OTHER, 0, NULL), FINOPS_E_DATA);
}

static void
adding_survives_every_failed_allocation(void **state)
{
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(fo_report_done) fo_report r = { 0 };
        fo_mem_fail_at(++n);
        rc = fo_report_add(&r, "USD", "a", "1", "2", 1, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    assert_true(n > 3);
}

static void
months_move_over_the_end_of_the_year(void **state)
{
    char month[8];

    (void)state;
    assert_true(fo_report_shift("2026-01", -1, month));
    assert_string_equal(month, "2025-12");
    assert_true(fo_report_shift("2025-11", 14, month));
    assert_string_equal(month, "2027-01");
    assert_false(fo_report_shift("2025-13", 1, month));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_currency_is_a_block_with_its_own_total),
        cmocka_unit_test(what_is_beyond_the_top_is_added_up_in_one_row),
        cmocka_unit_test(a_top_of_all_rows_leaves_no_row_of_others),
        cmocka_unit_test(days_are_in_order_of_time_and_lines_without_day_last),
        cmocka_unit_test(costs_that_are_no_numbers_or_too_large_are_refused),
        cmocka_unit_test(adding_survives_every_failed_allocation),
        cmocka_unit_test(months_move_over_the_end_of_the_year),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
