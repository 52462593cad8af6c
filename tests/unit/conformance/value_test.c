/* Whether two printed values are the same: what databases print otherwise, and what only looks alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conformance/result.h"

typedef struct pair {
    finops_column_type kind;
    const char *want, *got;
} pair;

static void
each_is(const pair *pairs, size_t n, bool same)
{
    for (size_t i = 0; i < n; i++)
        if (fo_value_same(pairs[i].kind, false, pairs[i].want, pairs[i].got) != same)
            fail_msg("%s and %s", pairs[i].want ? pairs[i].want : "NULL",
                     pairs[i].got ? pairs[i].got : "NULL");
}

static void
the_same_value_may_be_printed_in_many_ways(void **state)
{
    static const pair pairs[] = {
        { FINOPS_TYPE_BOOL, "true", "t" },
        { FINOPS_TYPE_BOOL, "false", "0" },
        { FINOPS_TYPE_DECIMAL, "1.50", "1.5" },
        { FINOPS_TYPE_DECIMAL, "-0.10", "-.1" },
        { FINOPS_TYPE_DECIMAL, "0", "-0.00" },
        { FINOPS_TYPE_DECIMAL, "10000", "10000.000" },
        { FINOPS_TYPE_DOUBLE, "0.1", "0.10000000000000001" },
        { FINOPS_TYPE_DOUBLE, "nan", "NaN" },
        { FINOPS_TYPE_DOUBLE, "inf", "Infinity" },
        { FINOPS_TYPE_TIMESTAMP, "2024-02-29T23:59:59.123456", "2024-02-29 23:59:59.123456" },
        { FINOPS_TYPE_TIMESTAMP_TZ, "2024-02-29T23:59:59Z", "2024-03-01 00:59:59+01" },
        { FINOPS_TYPE_JSON, "{\"a\":1,\"b\":[null]}", "{ \"b\": [null], \"a\": 1 }" },
        { FINOPS_TYPE_TEXT, NULL, NULL },
    };

    (void)state;
    each_is(pairs, FO_COUNT(pairs), true);
}

static void
another_value_is_told_apart(void **state)
{
    static const pair pairs[] = {
        { FINOPS_TYPE_BOOL, "true", "yes" },
        { FINOPS_TYPE_BOOL, "false", "" },
        { FINOPS_TYPE_INT, "9007199254740993", "9007199254740992" },
        { FINOPS_TYPE_INT, "1", "1x" },
        { FINOPS_TYPE_DECIMAL, "0.015", "0.02" },
        { FINOPS_TYPE_DECIMAL, "100", "1" },
        { FINOPS_TYPE_DECIMAL, "1", "-1" },
        { FINOPS_TYPE_DECIMAL, "1", "1e0" },
        { FINOPS_TYPE_DOUBLE, "0.1", "0.1000001" },
        { FINOPS_TYPE_DOUBLE, "nan", "0" },
        { FINOPS_TYPE_DOUBLE, "1", "" },
        { FINOPS_TYPE_TEXT, "", NULL },
        { FINOPS_TYPE_TEXT, NULL, "NULL" },
        { FINOPS_TYPE_TEXT, "a", "a " },
        { FINOPS_TYPE_TIMESTAMP, "2024-02-29T23:59:59", "2024-03-01T00:00:00" },
        { FINOPS_TYPE_JSON, "{\"a\":1}", "{\"a\":1,\"b\":2}" },
        { FINOPS_TYPE_JSON, "[1]", "[1" },
    };

    (void)state;
    each_is(pairs, FO_COUNT(pairs), false);
}

static void
a_float_is_compared_as_one(void **state)
{
    (void)state;
    assert_true(fo_value_same(FINOPS_TYPE_DOUBLE, true, "0.1", "0.10000000149011612"));
    assert_false(fo_value_same(FINOPS_TYPE_DOUBLE, false, "0.1", "0.10000000149011612"));
    assert_false(fo_value_same(FINOPS_TYPE_DOUBLE, true, "0.1", "0.1001"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_value_may_be_printed_in_many_ways),
        cmocka_unit_test(another_value_is_told_apart),
        cmocka_unit_test(a_float_is_compared_as_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
