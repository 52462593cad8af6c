/* Sums by currency of two places, compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "billing/reconcile_internal.h"

static fo_conn *conn;
static fo_engine *engine;

static int
open_engine(void **state)
{
    const fo_engine_options memory = { 0 };

    (void)state;
    return fo_engine_open(&memory, &engine, NULL) != FINOPS_OK ||
           fo_conn_open(engine, &conn, NULL) != FINOPS_OK;
}

static int
close_engine(void **state)
{
    (void)state;
    fo_conn_close(conn);
    fo_engine_close(engine);
    return 0;
}

/* currency, rows, unblended, net, amortized. */
static fo_rows *
sums(const char *values)
{
    FO_AUTO(fo_freep)
    char *sql = fo_format("SELECT * FROM (VALUES %s) AS t(currency, n, u, v, a) ORDER BY 1", values);
    fo_rows *rows = NULL;

    assert_non_null(sql);
    assert_int_equal(fo_conn_rows(conn, sql, NULL, 0, &rows, NULL), FINOPS_OK);
    return rows;
}

static void
assert_compared(const char *a, const char *b, const char *want)
{
    FO_AUTO(fo_rows_freep) fo_rows *x = sums(a);
    FO_AUTO(fo_rows_freep) fo_rows *y = sums(b);
    FO_AUTO(fo_str_done) fo_str detail = FO_STR_INIT;

    assert_int_equal(fo_reconcile_same(x, "files", y, "ledger", &detail), !*want);
    assert_string_equal(fo_str_z(&detail), want);
}

static void
equal_sums_have_no_detail(void **state)
{
    (void)state;
    assert_compared("('EUR', 1, 2.5, 2.5, 2.5), ('USD', 3, 1, 1, 1)",
                    "('USD', 3, 1, 1, 1), ('EUR', 1, 2.5, 2.5, 2.5)", "");
}

static void
each_figure_that_differs_is_named_with_its_currency(void **state)
{
    (void)state;
    assert_compared(
        "('USD', 3, 1, 2, 3)", "('USD', 4, 1, 2, 4)",
        "USD rows: 3 in the files, 4 in the ledger; USD amortized: 3 in the files, 4 in the ledger");
    assert_compared("('', 3, 1, 2, 3)", "('', 4, 1, 2, 3)", "rows: 3 in the files, 4 in the ledger");
}

static void
a_currency_that_one_side_lacks_is_none_there(void **state)
{
    (void)state;
    assert_compared(
        "('USD', 1, 1, 1, 1)", "('EUR', 1, 1, 1, 1)",
        "USD rows: 1 in the files, none in the ledger; USD unblended: 1 in the files, none in the ledger; "
        "USD net: 1 in the files, none in the ledger; USD amortized: 1 in the files, none in the ledger; "
        "EUR rows: none in the files, 1 in the ledger; EUR unblended: none in the files, 1 in the ledger; "
        "EUR net: none in the files, 1 in the ledger; EUR amortized: none in the files, 1 in the ledger");
}

static void
a_difference_is_never_lost_for_want_of_memory(void **state)
{
    FO_AUTO(fo_rows_freep) fo_rows *x = sums("('USD', 1, 1, 1, 1)");
    FO_AUTO(fo_rows_freep) fo_rows *y = sums("('USD', 2, 1, 1, 1)");
    FO_AUTO(fo_str_done) fo_str detail = FO_STR_INIT;

    (void)state;
    fo_mem_fail_at(1);
    assert_false(fo_reconcile_same(x, "files", y, "ledger", &detail));
    assert_true(fo_mem_failed());
    assert_int_equal(fo_str_check(&detail, NULL), FINOPS_E_MEMORY);
    fo_mem_fail_at(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_sums_have_no_detail),
        cmocka_unit_test(each_figure_that_differs_is_named_with_its_currency),
        cmocka_unit_test(a_currency_that_one_side_lacks_is_none_there),
        cmocka_unit_test(a_difference_is_never_lost_for_want_of_memory),
    };

    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
