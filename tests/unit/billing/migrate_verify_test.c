/* Checksums of rows: what counts as the same, and what does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "billing/migrate_verify.h"
#include "engine/engine.h"

static void
check(fo_conn *conn, const char *sql, const char *json, const char *amounts, fo_check *ret)
{
    struct ArrowArrayStream stream = { 0 };

    if (json)
        assert_true(fo_strv_add(&ret->json, json));
    if (amounts)
        assert_true(fo_strv_add(&ret->amounts, amounts));
    assert_int_equal(fo_conn_stream(conn, sql, NULL, 0, &stream, NULL), FINOPS_OK);
    assert_int_equal(fo_check_read(&stream, ret, NULL), FINOPS_OK);
}

/* "" when both are the same; else what differs. In json columns texts are JSON, in amounts their texts are
 * numbers. */
static char *
difference(fo_conn *conn, const char *a, const char *b, const char *json, const char *amounts)
{
    FO_AUTO(fo_check_done) fo_check one = { 0 };
    FO_AUTO(fo_check_done) fo_check two = { 0 };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    check(conn, a, NULL, NULL, &one);
    check(conn, b, json, amounts, &two);
    finops_code rc = fo_check_same(&one, &two, &err);
    assert_true(rc == FINOPS_OK || rc == FINOPS_E_DRIFT);
    char *text = fo_strdup(rc == FINOPS_OK ? "" : finops_error_text(err));
    assert_non_null(text);
    return text;
}

static void
same(fo_conn *conn, const char *a, const char *b, const char *json, const char *amounts)
{
    FO_AUTO(fo_freep) char *text = difference(conn, a, b, json, amounts);

    assert_string_equal(text, "");
}

static void
differs(fo_conn *conn, const char *a, const char *b, const char *how)
{
    FO_AUTO(fo_freep) char *text = difference(conn, a, b, NULL, NULL);

    assert_string_equal(text, how);
}

static void
rows_have_no_order_and_values_no_type(void **state)
{
    same(*state, "SELECT i, i::VARCHAR AS t FROM range(5000) r(i)",
         "SELECT i::DECIMAL(38,18) AS i, i::VARCHAR AS t FROM range(5000) r(i) ORDER BY 2 DESC", NULL, NULL);
    same(*state,
         "SELECT 1.5::DECIMAL(5,1) AS a, TIMESTAMP '2026-05-01 00:00:00.000001' AS t, true AS b, "
         "0.25::DOUBLE AS d",
         "SELECT 1.5::DECIMAL(38,18) AS a, TIMESTAMPTZ '2026-05-01 00:00:00.000001Z' AS t, true AS b, 0.25 "
         "AS d",
         NULL, NULL);
}

static void
a_map_is_the_json_object_of_its_pairs(void **state)
{
    same(*state, "SELECT MAP {'b': 'q\"\\ é😀', 'a': '1', 'none': NULL} AS m",
         "SELECT '{\"a\": \"1\", \"b\" :\"q\\\"\\\\ \\u00e9\\ud83d\\ude00\"}' AS m", "m", NULL);
    same(*state, "SELECT MAP {'x': 12345678901234567890.000000000000000001::DECIMAL(38,18)} AS m",
         "SELECT '{\"x\": \"12345678901234567890.000000000000000001\"}' AS m", "m", "m");
    same(*state, "SELECT MAP {'x': 0.50::DECIMAL(38,18)} AS m", "SELECT '{\"x\":0.5}' AS m", "m", NULL);
    same(*state, "SELECT {'f': 'v', 'g': ['a', NULL], 'h': {'i': 7}} AS m",
         "SELECT '{\"h\":{\"i\":7},\"g\":[\"a\",null],\"f\":\"v\",\"n\":null}' AS m", "m", NULL);
}

static void
what_is_another_value_is_found(void **state)
{
    differs(*state, "SELECT 1 AS a", "SELECT 1 AS a UNION ALL SELECT 1",
            "1 rows were read and 2 are in the copy");
    differs(*state, "SELECT 1 AS a", "SELECT 1 AS a, 2 AS b", "1 columns were read and 2 are in the copy");
    differs(*state, "SELECT 0.1::DECIMAL(38,18) AS a", "SELECT 0.100000000000000001::DECIMAL(38,18) AS a",
            "the sum of column a is another one in the copy");
    differs(*state, "SELECT unnest([0.1, 0.4])::DECIMAL(38,18) AS a",
            "SELECT unnest([0.2, 0.3])::DECIMAL(38,18) AS a",
            "the values of column a are others in the copy");
    differs(*state, "SELECT NULL::VARCHAR AS a", "SELECT '' AS a",
            "the values of column a are others in the copy");
    differs(*state, "SELECT 'a' AS a", "SELECT 'a ' AS a", "the values of column a are others in the copy");
    differs(*state, "SELECT * FROM (VALUES ('x', 1), ('y', 2)) t(a, b)",
            "SELECT * FROM (VALUES ('x', 2), ('y', 1)) t(a, b)", "values are in other rows of the copy");
}

static void
a_text_that_is_no_json_is_an_error(void **state)
{
    static const char *const bad[] = { "{", "{\"a\"}", "[1,", "\"\\u12\"", "{} x", "" };

    for (size_t i = 0; i < FO_COUNT(bad); i++) {
        FO_AUTO(fo_check_done) fo_check one = { 0 };
        FO_AUTO(fo_freep) char *sql = fo_format("SELECT '%s' AS m", bad[i]);
        struct ArrowArrayStream stream = { 0 };

        assert_true(fo_strv_add(&one.json, "m"));
        assert_int_equal(fo_conn_stream(*state, sql, NULL, 0, &stream, NULL), FINOPS_OK);
        assert_int_not_equal(fo_check_read(&stream, &one, NULL), FINOPS_OK);
    }
}

static fo_engine *engine;

static int
open_engine(void **state)
{
    const fo_engine_options options = { 0 };
    fo_conn *conn = NULL;

    if (fo_engine_open(&options, &engine, NULL) != FINOPS_OK ||
        fo_conn_open(engine, &conn, NULL) != FINOPS_OK)
        return -1;
    *state = conn;
    return 0;
}

static int
close_engine(void **state)
{
    fo_conn_close(*state);
    fo_engine_close(engine);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_no_order_and_values_no_type),
        cmocka_unit_test(a_map_is_the_json_object_of_its_pairs),
        cmocka_unit_test(what_is_another_value_is_found),
        cmocka_unit_test(a_text_that_is_no_json_is_an_error),
    };

    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
