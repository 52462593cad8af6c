/* finops_exact() in statements. */
#include "csv_test.h"

#define DOUBLES "unnest([890123.4567891234, 0.1, -1e-18, 123456789.123456789, 0]::DOUBLE[])"

/* The statement's rows, or what it says when it fails. */
static void
gives(fixture *f, const char *sql, const char *expected)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    duckdb_result result;

    if (duckdb_query(fo_conn_native(f->conn), sql, &result) == DuckDBSuccess)
        result_text(&result, &text);
    else
        fo_str_add(&text, duckdb_result_error(&result));
    duckdb_destroy_result(&result);
    if (!strstr(fo_str_z(&text), expected))
        fail_msg("%s: %s", sql, fo_str_z(&text));
}

static void
a_double_gives_its_shortest_text(void **state)
{
    gives(*state, "SELECT finops_exact(d) FROM (SELECT " DOUBLES " AS d)",
          "890123.456789123400000000\n0.100000000000000000\n-0.000000000000000001\n"
          "123456789.123456790000000000\n0.000000000000000000\n");
    gives(*state, "SELECT typeof(finops_exact(0.5::DOUBLE)), typeof(finops_exact('0.5'))",
          "DECIMAL(38,18)|DECIMAL(38,18)\n");
}

static void
text_keeps_every_digit(void **state)
{
    gives(*state,
          "SELECT finops_exact(t) FROM (SELECT unnest(['12.5', '99999999999999999999.999999999999999999', "
          "'-0.000000000000000001', '1e2']) AS t)",
          "12.500000000000000000\n99999999999999999999.999999999999999999\n-0.000000000000000001\n"
          "100.000000000000000000\n");
}

static void
null_stays_null_in_every_row(void **state)
{
    gives(*state,
          "SELECT count(e), count(*), sum(e)::INT FROM (SELECT finops_exact(CASE WHEN i % 3 = 0 THEN "
          "i::DOUBLE END) AS e "
          "FROM range(6000) t(i))",
          "2000|6000|5997000\n");
    gives(*state, "SELECT finops_exact(NULL::DOUBLE), finops_exact(NULL::VARCHAR)", "-|-\n");
}

static void
lost_digits_are_counted_once(void **state)
{
    fixture *f = *state;

    fo_exact_rounded(f->conn);
    gives(f,
          "SELECT finops_exact(t) FROM (SELECT unnest(['0.0000000000000000015', '1', "
          "'-0.0000000000000000015']) AS t)",
          "0.000000000000000002\n1.000000000000000000\n-0.000000000000000002\n");
    assert_int_equal(fo_exact_rounded(f->conn), 2);
    assert_int_equal(fo_exact_rounded(f->conn), 0);
}

static void
what_is_no_number_is_an_error(void **state)
{
    gives(*state, "SELECT finops_exact(t) FROM (SELECT unnest(['1', 'x1']) AS t)",
          "finops_exact: \"x1\" is no number");
    gives(*state, "SELECT finops_exact(t) FROM (SELECT unnest(['']) AS t)",
          "finops_exact: \"\" is no number");
    gives(*state, "SELECT finops_exact(d) FROM (SELECT unnest(['nan'::DOUBLE]) AS d)", "is no number");
    gives(*state, "SELECT finops_exact(d) FROM (SELECT unnest([1e21]) AS d)",
          "more than 20 digits before the point");
    gives(*state, "SELECT finops_exact(repeat('9', 59) || 'ä' || t) FROM (SELECT unnest(['!']) AS t)",
          "finops_exact: \"99999999999999999999999999999999999999999999999999999999999\" ");
}

static void
a_map_of_doubles_is_converted_value_by_value(void **state)
{
    gives(*state,
          "SELECT CAST(finops_exact(m) AS VARCHAR) FROM (SELECT unnest([map {'Discount of the whole year': "
          "0.1, 'b': NULL}, "
          "NULL, "
          "map([], [])]::MAP(VARCHAR, DOUBLE)[]) AS m)",
          "{Discount of the whole year=0.100000000000000000, b=NULL}\n-\n{}\n");
    gives(*state,
          "SELECT count(m), sum(m['v']) FROM (SELECT finops_exact(CASE WHEN i % 3 = 0 THEN NULL ELSE "
          "map(['k' || i, 'v'], [0.5, i::DOUBLE]) END) AS m FROM range(6000) t(i))",
          "4000|12000000.000000000000000000\n");
    gives(*state, "SELECT finops_exact(map {'a': 'nan'::DOUBLE})", "is no number");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_double_gives_its_shortest_text),
        cmocka_unit_test(text_keeps_every_digit),
        cmocka_unit_test(null_stays_null_in_every_row),
        cmocka_unit_test(lost_digits_are_counted_once),
        cmocka_unit_test(what_is_no_number_is_an_error),
        cmocka_unit_test(a_map_of_doubles_is_converted_value_by_value),
    };

    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
