/* finops_keys() in statements. */
#include "engine/keys.h"

#include "csv_test.h"

static void
runs(fixture *f, const char *sql, const char *expected)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    if (fo_conn_rows(f->conn, sql, NULL, 0, &rows, &err) != FINOPS_OK)
        fail_msg("%s: %s", sql, finops_error_text(err));
    assert_string_equal(fo_rows_text(rows, 0, 0), expected);
}

/* The keys of the i-th map, with commas. */
static void
keys_are(fixture *f, size_t i, const char *expected)
{
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    assert_int_equal(fo_keys_of(f->conn, i, &keys, NULL), FINOPS_OK);
    for (size_t k = 0; k < keys.n; k++)
        fo_str_addf(&text, "%s%s", k ? "," : "", keys.items[k]);
    assert_string_equal(fo_str_z(&text), expected);
}

static void
every_key_of_every_map_is_gathered_and_all_rows_pass(void **state)
{
    fixture *f = *state;

    fo_keys_begin(f->conn, 1000);
    runs(f,
         "SELECT count(*) FROM (SELECT CASE WHEN i % 3 = 0 THEN NULL ELSE map(['a', 'key' || (i % 5), 'a key "
         "of more "
         "than twelve bytes ' || (i % 2)], ['1', '2', '3']) END AS m, map {'x': 1.5::DOUBLE} AS d FROM "
         "range(10000) "
         "t(i)) WHERE finops_keys(true, m, d)",
         "10000");
    keys_are(
        f, 0,
        "a,a key of more than twelve bytes 0,a key of more than twelve bytes 1,key0,key1,key2,key3,key4");
    keys_are(f, 1, "x");
    keys_are(f, 2, "");
}

static void
rows_that_do_not_meet_the_condition_are_dropped_with_their_keys(void **state)
{
    fixture *f = *state;

    fo_keys_begin(f->conn, 1000);
    runs(f,
         "SELECT count(*) FROM (SELECT i, map(['k' || i], [i]) AS m FROM range(100) t(i)) "
         "WHERE finops_keys(CASE WHEN i >= 50 THEN NULL ELSE i >= 48 END, m)",
         "2");
    keys_are(f, 0, "k48,k49");
}

static void
the_first_keys_by_bytes_are_kept_of_too_many(void **state)
{
    fixture *f = *state;

    fo_keys_begin(f->conn, 3);
    runs(f,
         "SELECT count(*) FROM (SELECT map(['k' || lpad(((i * 7919) % 50000)::VARCHAR, 5, '0')], [i]) AS m "
         "FROM "
         "range(50000) t(i)) WHERE finops_keys(true, m)",
         "50000");
    keys_are(f, 0, "k00000,k00001,k00002");
}

static void
a_new_gathering_forgets_the_last(void **state)
{
    fixture *f = *state;

    fo_keys_begin(f->conn, 10);
    runs(f, "SELECT count(*) FROM (SELECT map {'old': 1} AS m) WHERE finops_keys(true, m)", "1");
    fo_keys_begin(f->conn, 10);
    runs(f, "SELECT count(*) FROM (SELECT map {'new': 1} AS m) WHERE finops_keys(true, m)", "1");
    keys_are(f, 0, "new");
}

static void
what_is_no_map_of_texts_has_no_keys(void **state)
{
    fixture *f = *state;

    fo_keys_begin(f->conn, 10);
    runs(f,
         "SELECT count(*) FROM (SELECT {'a': 1} AS s, map {1: 2} AS n, map([], []) AS e) WHERE "
         "finops_keys(true, s, n, e)",
         "1");
    keys_are(f, 0, "");
    keys_are(f, 1, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_every_map_is_gathered_and_all_rows_pass),
        cmocka_unit_test(rows_that_do_not_meet_the_condition_are_dropped_with_their_keys),
        cmocka_unit_test(the_first_keys_by_bytes_are_kept_of_too_many),
        cmocka_unit_test(a_new_gathering_forgets_the_last),
        cmocka_unit_test(what_is_no_map_of_texts_has_no_keys),
    };

    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
