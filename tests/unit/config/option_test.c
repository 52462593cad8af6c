/* Values by type. */
#include "config_test.h"

typedef struct all_types {
    char *text, *word, *date, *secret;
    bool truth;
    int64_t number;
    uint64_t size;
    char **list;
} all_types;

static const finops_option table[] = {
    { "text", FINOPS_OPT_STRING, offsetof(all_types, text), .value = "usual" },
    { "word", FINOPS_OPT_ENUM, offsetof(all_types, word), .allow = "csv parquet json" },
    { "date", FINOPS_OPT_DATE, offsetof(all_types, date) },
    { "secret", FINOPS_OPT_STRING, offsetof(all_types, secret), .flags = FINOPS_OPT_SECRET },
    { "truth", FINOPS_OPT_BOOL, offsetof(all_types, truth), .value = "true" },
    { "number", FINOPS_OPT_INT, offsetof(all_types, number), .value = "-3", .min = -5, .max = 20 },
    { "size", FINOPS_OPT_SIZE, offsetof(all_types, size), .value = "8MiB", .min = 1024, .max = 1 << 30 },
    { "list", FINOPS_OPT_LIST, offsetof(all_types, list) },
    { 0 },
};

static const finops_option *
named(const char *name)
{
    return &table[fo_option_index(table, name)];
}

static int
setup(void **state)
{
    all_types *all = fo_zalloc(sizeof(*all));

    *state = all;
    return all && fo_option_defaults(table, all, NULL) == FINOPS_OK ? 0 : 1;
}

static int
teardown(void **state)
{
    fo_option_clear(table, *state);
    fo_free(*state);
    return 0;
}

static void
assert_bad(all_types *all, const char *name, const char *text, const char *message)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    assert_int_equal(fo_option_set(named(name), all, text, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), message);
}

static void
defaults_fill_every_row(void **state)
{
    const all_types *all = *state;

    assert_string_equal(all->text, "usual");
    assert_null(all->word);
    assert_null(all->date);
    assert_true(all->truth);
    assert_int_equal(all->number, -3);
    assert_int_equal(all->size, 8 << 20);
    assert_null(all->list);
}

static void
an_empty_text_is_the_default_again(void **state)
{
    all_types *all = *state;

    assert_int_equal(fo_option_set(named("text"), all, "other", NULL), FINOPS_OK);
    assert_int_equal(fo_option_set(named("text"), all, "", NULL), FINOPS_OK);
    assert_string_equal(all->text, "usual");
    assert_int_equal(fo_option_set(named("word"), all, "csv", NULL), FINOPS_OK);
    assert_int_equal(fo_option_set(named("word"), all, "", NULL), FINOPS_OK);
    assert_null(all->word);
}

static void
a_bool_takes_the_usual_words(void **state)
{
    static const struct {
        const char *text;
        bool truth;
    } cases[] = { { "true", true }, { "TRUE", true },   { "yes", true }, { "1", true },   { "on", true },
                  { "no", false },  { "false", false }, { "0", false },  { "Off", false } };
    all_types *all = *state;

    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        all->truth = !cases[i].truth;
        assert_int_equal(fo_option_set(named("truth"), all, cases[i].text, NULL), FINOPS_OK);
        assert_int_equal(all->truth, cases[i].truth);
    }
    assert_bad(all, "truth", "2", "expected true or false, found \"2\"");
    assert_bad(all, "truth", "", "expected true or false, found \"\"");
}

static void
a_number_out_of_range_names_the_range(void **state)
{
    all_types *all = *state;

    assert_int_equal(fo_option_set(named("number"), all, "20", NULL), FINOPS_OK);
    assert_bad(all, "number", "21", "expected a whole number from -5 to 20, found \"21\"");
    assert_bad(all, "number", "-6", "expected a whole number from -5 to 20, found \"-6\"");
    assert_bad(all, "number", "1.5", "expected a whole number from -5 to 20, found \"1.5\"");
    assert_bad(all, "number", "99999999999999999999",
               "expected a whole number from -5 to 20, found \"99999999999999999999\"");
    assert_int_equal(all->number, 20); /* kept on failure */
}

static void
a_size_has_units_and_a_range(void **state)
{
    all_types *all = *state;

    assert_int_equal(fo_option_set(named("size"), all, "64KiB", NULL), FINOPS_OK);
    assert_int_equal(all->size, 65536);
    assert_bad(all, "size", "2GiB", "expected a size such as 512MiB from 1KiB to 1GiB, found \"2GiB\"");
    assert_bad(all, "size", "many", "expected a size such as 512MiB from 1KiB to 1GiB, found \"many\"");
}

static void
a_date_must_exist(void **state)
{
    static const char *const good[] = { "2024-10", "2024-02-29", "2023-12-31" };
    static const char *const bad[] = { "2024-13", "2024-00",  "2023-02-29", "2024-1",  "2024-10-1", "24-10",
                                       "2024/10", "2024-10-", "2024-10-32", "0000-01", "abcd-ef" };
    all_types *all = *state;

    for (size_t i = 0; i < FO_COUNT(good); i++) {
        assert_int_equal(fo_option_set(named("date"), all, good[i], NULL), FINOPS_OK);
        assert_string_equal(all->date, good[i]);
    }
    for (size_t i = 0; i < FO_COUNT(bad); i++)
        assert_int_equal(fo_option_set(named("date"), all, bad[i], NULL), FINOPS_E_CONFIG);
    assert_bad(all, "date", "2024-13",
               "expected a month or a day that exists, such as 2024-10 or 2024-10-31, found \"2024-13\"");
}

static void
a_word_that_is_not_allowed_names_those_that_are(void **state)
{
    assert_bad(*state, "word", "cs", "expected csv, parquet or json, found \"cs\"");
    assert_bad(*state, "word", "csv parquet", "expected csv, parquet or json, found \"csv parquet\"");
}

static void
a_message_shows_no_secret_and_no_password(void **state)
{
    all_types *all = *state;

    assert_bad(all, "secret", "hush\n",
               "expected text of one line, found something else (a secret, not shown)");
    assert_bad(all, "text", "http://me:hush@host\n",
               "expected text of one line, found \"http://me:<redacted>@host?\"");
}

static void
a_list_splits_at_commas_and_grows_item_by_item(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    all_types *all = *state;

    assert_int_equal(fo_option_set(named("list"), all, "a,b", NULL), FINOPS_OK);
    assert_int_equal(fo_option_list_add(named("list"), all, "c", NULL), FINOPS_OK);
    fo_option_text(named("list"), all, &text);
    assert_string_equal(fo_str_z(&text), "a,b,c");
    assert_int_equal(fo_option_set(named("list"), all, "", NULL), FINOPS_OK);
    assert_null(all->list);
}

static void
a_copy_owns_what_it_copied(void **state)
{
    all_types *all = *state, copy = { 0 };

    assert_int_equal(fo_option_set(named("list"), all, "a,b", NULL), FINOPS_OK);
    assert_int_equal(fo_option_set(named("date"), all, "2024-10", NULL), FINOPS_OK);
    for (size_t i = 0; table[i].name; i++)
        assert_int_equal(fo_option_copy(&table[i], &copy, all, NULL), FINOPS_OK);
    assert_string_equal(copy.text, "usual");
    assert_ptr_not_equal(copy.date, all->date);
    assert_string_equal(copy.list[1], "b");
    assert_int_equal(copy.number, -3);
    assert_int_equal(copy.size, 8 << 20);
    assert_true(copy.truth);
    fo_option_clear(table, &copy);
    assert_null(copy.list);
}

static void
a_value_prints_as_it_would_be_written(void **state)
{
    static const struct {
        const char *name, *text, *shown;
    } cases[] = { { "size", "8388608", "8MiB" }, { "size", "1025", "1025" }, { "number", "7", "7" },
                  { "truth", "no", "false" },    { "text", "x", "x" },       { "word", "", "" } };

    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

        assert_int_equal(fo_option_set(named(cases[i].name), *state, cases[i].text, NULL), FINOPS_OK);
        fo_option_text(named(cases[i].name), *state, &text);
        assert_string_equal(fo_str_z(&text), cases[i].shown);
    }
}

static void
an_environment_name_has_dots_as_underscores(void **state)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_option_env_name("database.duckdb", "database_path", &name, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&name), "OPEN_FINOPS_DATABASE_DUCKDB_DATABASE_PATH");
}

static void
a_setting_that_fails_for_memory_changes_nothing(void **state)
{
    static const struct {
        const char *name, *text;
    } cases[] = { { "text", "new" }, { "date", "2024-10" }, { "list", "x,y,z" } };
    all_types *all = *state;

    assert_int_equal(fo_option_set(named("list"), all, "old", NULL), FINOPS_OK);
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        for (unsigned n = 1;; n++) {
            finops_code rc;

            fo_mem_fail_at(n);
            rc = fo_option_set(named(cases[i].name), all, cases[i].text, NULL);
            if (!fo_mem_failed()) {
                fo_mem_fail_at(0);
                assert_int_equal(rc, FINOPS_OK);
                break;
            }
            assert_int_equal(rc, FINOPS_E_MEMORY);
            assert_string_equal(all->list[0], "old");
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults_fill_every_row, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_text_is_the_default_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bool_takes_the_usual_words, setup, teardown),
        cmocka_unit_test_setup_teardown(a_number_out_of_range_names_the_range, setup, teardown),
        cmocka_unit_test_setup_teardown(a_size_has_units_and_a_range, setup, teardown),
        cmocka_unit_test_setup_teardown(a_date_must_exist, setup, teardown),
        cmocka_unit_test_setup_teardown(a_word_that_is_not_allowed_names_those_that_are, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_shows_no_secret_and_no_password, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_splits_at_commas_and_grows_item_by_item, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_owns_what_it_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_prints_as_it_would_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(an_environment_name_has_dots_as_underscores, setup, teardown),
        cmocka_unit_test_setup_teardown(a_setting_that_fails_for_memory_changes_nothing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
