/* Checks of a driver: each rule has a driver that breaks it. */
#include "registry_test.h"

typedef struct config {
    char *name;
    char *mode;
    int64_t depth;
    bool sync;
} config;

static void
add_text(const char *problem, void *arg)
{
    fo_str *all = arg;

    fo_str_addf(all, "%s\n", problem);
}

static void
assert_problems(const finops_database_driver *driver, const char *expected)
{
    FO_AUTO(fo_str_done) fo_str all = FO_STR_INIT;
    unsigned n = fo_driver_check(fo_database_ref(driver), add_text, &all), lines = 0;

    for (const char *p = fo_str_z(&all); *p; p++)
        lines += *p == '\n';
    assert_string_equal(fo_str_z(&all), expected);
    assert_int_equal(n, lines);
}

static void
assert_option_problem(const finops_option *options, const char *expected)
{
    finops_database_driver driver = t_driver("lite");

    driver.options = options;
    driver.config_size = sizeof(config);
    assert_problems(&driver, expected);
}

static void
a_driver_with_all_it_needs_is_fine(void **state)
{
    static const finops_option options[] = {
        { "name", FINOPS_OPT_STRING, offsetof(config, name), .needs = "mode", .help = "Name." },
        { "mode", FINOPS_OPT_ENUM, offsetof(config, mode), .value = "b", .allow = "a b", .help = "Mode." },
        { "depth", FINOPS_OPT_INT, offsetof(config, depth), .value = "-3", .min = -5, .max = 5,
          .help = "D." },
        { "sync", FINOPS_OPT_BOOL, offsetof(config, sync), .value = "true", .help = "Sync." },
        { 0 },
    };
    finops_database_driver driver = t_driver("lite_2");

    (void)state;
    assert_problems(&driver, "");
    assert_option_problem(options, "");
}

static void
another_interface_is_told_with_both_versions(void **state)
{
    finops_database_driver driver = t_driver(NULL); /* nothing behind the version is looked at */

    (void)state;
    driver.abi = 0x00020007;
    assert_problems(&driver,
                    "it was built against version 2.7 of the driver interface, this finops has 1.0\n");
    driver.abi = FINOPS_DATABASE_ABI;
    driver.size = 40;
    assert_problems(&driver, "its struct has 40 bytes, of which at least 120 are needed\n");
}

static void
a_newer_minor_version_is_fine(void **state)
{
    finops_database_driver driver = t_driver("lite");

    (void)state;
    driver.abi = FINOPS_DATABASE_ABI + 3;
    driver.size += 64;
    assert_problems(&driver, "");
}

static void
what_is_missing_is_named(void **state)
{
    finops_database_driver driver = t_driver(NULL);

    (void)state;
    driver.version = "";
    driver.summary = NULL;
    driver.write = NULL;
    driver.connect = NULL;
    assert_problems(&driver, "it has no name\nit has no version\nit has no summary\n"
                             "the required function connect is missing\n"
                             "the required function write is missing\n");
}

static finops_code
t_begin(void *conn, finops_error **err)
{
    (void)conn, (void)err;
    return FINOPS_OK;
}

static void
functions_that_belong_together_come_together(void **state)
{
    finops_database_driver driver = t_driver("lite");

    (void)state;
    driver.begin = t_begin;
    assert_problems(&driver, "of begin, commit and rollback it has some and not all\n");
    driver.size = offsetof(finops_database_driver, begin); /* an older one knows none of them */
    assert_problems(&driver, "");
}

static void
names_are_snake_case(void **state)
{
    static const char *const bad[] = { "",     "2x",       "_x",
                                       "Lite", "my-db",    "a b",
                                       "a.b",  "\xc3\xa4", "a23456789012345678901234567890123" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(bad); i++) {
        finops_database_driver driver = t_driver(bad[i]);

        assert_int_equal(fo_driver_check(fo_database_ref(&driver), NULL, NULL), 1);
    }
    assert_true(fo_driver_name_valid("a2345678901234567890123456789012"));
    assert_false(fo_driver_name_valid(NULL));
}

static void
a_default_must_be_a_value(void **state)
{
    static const finops_option number[] = {
        { "depth", FINOPS_OPT_INT, offsetof(config, depth), .value = "9", .max = 5, .help = "D." }, { 0 }
    };
    static const finops_option word[] = {
        { "mode", FINOPS_OPT_ENUM, offsetof(config, mode), .value = "c", .allow = "a b", .help = "M." }, { 0 }
    };

    (void)state;
    assert_option_problem(
        number, "option depth: default of depth: expected a whole number from 0 to 5, found \"9\"\n");
    assert_option_problem(word, "option mode: default of mode: expected a or b, found \"c\"\n");
}

static void
a_value_lies_inside_the_configuration(void **state)
{
    static const finops_option outside[] = { { "depth", FINOPS_OPT_INT, 28, .help = "D." }, { 0 } };
    static const finops_option far[] = { { "depth", FINOPS_OPT_INT, SIZE_MAX - 3, .help = "D." }, { 0 } };
    static const finops_option over[] = { { "name", FINOPS_OPT_STRING, 0, .help = "N." },
                                          { "sync", FINOPS_OPT_BOOL, 7, .help = "S." },
                                          { 0 } };

    (void)state;
    assert_option_problem(
        outside,
        "option depth: its value of 8 bytes at offset 28 is outside the configuration of 32 bytes\n");
    assert_option_problem(far, "option depth: its value of 8 bytes at offset 18446744073709551612 is outside "
                               "the configuration of 32 bytes\n");
    assert_option_problem(over, "option sync: its value lies over that of option name\n");
}

static void
rows_that_make_no_sense_are_told(void **state)
{
    static const struct {
        finops_option row;
        const char *problem;
    } cases[] = {
        { { "Depth", FINOPS_OPT_INT, 16, .help = "D." },
          "option 2: its name Depth is not of lower-case letters, digits and '_'\n" },
        { { "name", FINOPS_OPT_INT, 16, .help = "D." }, "option name: it is in the table twice\n" },
        { { "depth", (finops_option_type)77, 16, .help = "D." }, "option depth: its type 77 is not known\n" },
        { { "depth", FINOPS_OPT_INT, 16, .flags = 1 << 20, .help = "D." },
          "option depth: its flags 0x100000 are not known\n" },
        { { "depth", FINOPS_OPT_INT, 16, .min = 3, .max = 2, .help = "D." },
          "option depth: its min is above its max\n" },
        { { "depth", FINOPS_OPT_INT, 16 }, "option depth: it has no help\n" },
        { { "depth", FINOPS_OPT_INT, 16, .needs = "width", .help = "D." },
          "option depth: it needs option width, which is not in the table\n" },
        { { "mode", FINOPS_OPT_ENUM, 8, .help = "D." }, "option mode: an enum without words it allows\n" },
        { { "depth", FINOPS_OPT_INT, 17, .help = "D." },
          "option depth: offset 17 is not a multiple of its value's 8 bytes\n" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        finops_option table[] = { { "name", FINOPS_OPT_STRING, 0, .help = "N." }, cases[i].row, { 0 } };

        assert_option_problem(table, cases[i].problem);
    }
}

static void
a_table_without_end_is_left_in_time(void **state)
{
    finops_option *table = fo_array(FO_DRIVER_OPTIONS_MAX + 2, sizeof(*table));

    (void)state;
    for (size_t i = 0; i < FO_DRIVER_OPTIONS_MAX + 1; i++)
        table[i] = (finops_option){ "name", FINOPS_OPT_STRING, 0, .help = "N." };
    assert_option_problem(table, "its option table has no last row, or more than 256\n");
    fo_free(table);
}

static void
a_configuration_needs_a_table(void **state)
{
    finops_database_driver driver = t_driver("lite");

    (void)state;
    driver.config_size = 8;
    assert_problems(&driver, "it has a configuration of 8 bytes and no option table\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driver_with_all_it_needs_is_fine),
        cmocka_unit_test(another_interface_is_told_with_both_versions),
        cmocka_unit_test(a_newer_minor_version_is_fine),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(functions_that_belong_together_come_together),
        cmocka_unit_test(names_are_snake_case),
        cmocka_unit_test(a_default_must_be_a_value),
        cmocka_unit_test(a_value_lies_inside_the_configuration),
        cmocka_unit_test(rows_that_make_no_sense_are_told),
        cmocka_unit_test(a_table_without_end_is_left_in_time),
        cmocka_unit_test(a_configuration_needs_a_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
