/* What is said about a configuration that cannot be used. */
#include "config_test.h"

static void
an_unknown_key_names_the_nearest_one(void **state)
{
    (void)state;
    assert_refused(FO_CONFIG_TOML, "[aws]\nbukcet = \"x\"\n",
                   "config.toml:2: aws.bukcet: unknown key, did you mean bucket?");
    assert_refused(FO_CONFIG_YAML, "aws:\n  bukcet: x\n",
                   "config.yaml:2: aws.bukcet: unknown key, did you mean bucket?");
    assert_refused(FO_CONFIG_TOML, "[awss]\na = 1\n",
                   "config.toml:1: awss: unknown section, did you mean aws?");
    assert_refused(FO_CONFIG_TOML, "[database.dukdb]\nthreads = 1\n",
                   "config.toml:1: database.dukdb: unknown section, did you mean duckdb?");
    assert_refused(FO_CONFIG_TOML, "[aws]\nqqqqqqqq = 1\n", "config.toml:2: aws.qqqqqqqq: unknown key");
    assert_refused(FO_CONFIG_YAML, "aws:\n  exports:\n    - exprt_name: x\n",
                   "config.yaml:3: aws.exports.exprt_name: unknown key, did you mean export_name?");
}

static void
a_key_below_the_wrong_heading_is_sent_to_its_section(void **state)
{
    (void)state;
    assert_refused(FO_CONFIG_TOML, "[database]\ndatabase_path = \"x\"\n",
                   "config.toml:2: database.database_path: unknown key, database_path is in the section "
                   "database.duckdb");
    assert_refused(FO_CONFIG_TOML, "retries = 1\n",
                   "config.toml:1: retries: unknown key, retries is in the section network");
}

static void
a_wrong_type_says_what_was_expected_and_found(void **state)
{
    static const char *const cases[][2] = {
        { "[aws]\nregion = 12\n",
          "config.toml:2: aws.region: expected text, found the number 12; put it in quotes" },
        { "[aws]\nregion = true\n",
          "config.toml:2: aws.region: expected text, found true; put it in quotes" },
        { "[aws]\nexport_name = 2024-10-01\n",
          "config.toml:2: aws.export_name: expected text, found the date 2024-10-01; put it in quotes" },
        { "[aws]\nregion = [\"a\"]\n", "config.toml:2: aws.region: expected text, found a list" },
        { "[aws.region]\na = 1\n", "config.toml:1: aws.region: expected text, found a section" },
        { "[aws]\nreset = \"yes\"\n",
          "config.toml:2: aws.reset: expected true or false, found text \"yes\"" },
        { "[aws]\nreset = 1\n", "config.toml:2: aws.reset: expected true or false, found the number 1" },
        { "[aws]\nstart_date = 202410\n", "config.toml:2: aws.start_date: expected a month or a day that "
                                          "exists, such as 2024-10 or 2024-10-31, "
                                          "found the number 202410" },
        { "[aws]\nstart_date = 2024-10-01T00:00:00Z\n", "config.toml:2: aws.start_date: expected a month or "
                                                        "a day that exists, such as 2024-10 or 2024-10-31, "
                                                        "found a time" },
        { "[network]\ntimeout = \"30\"\n",
          "config.toml:2: network.timeout: expected a whole number from 1 to 3600, found text \"30\"" },
        { "[network]\ntimeout = 1.5\n",
          "config.toml:2: network.timeout: expected a whole number from 1 to 3600, found the number 1.5" },
        { "[aws]\nsecret_access_key = 123\n",
          "config.toml:2: aws.secret_access_key: expected text, found a number; put it in quotes" },
        { "aws = 3\n",
          "config.toml:1: aws: expected a section ([aws] in TOML, \"aws:\" in YAML), found the number 3" },
        { "[aws]\nexports = \"x\"\n", "config.toml:2: aws.exports: expected a list of sections "
                                      "([[aws.exports]] in TOML, \"- key: value\" in "
                                      "YAML), found text" },
        { "[aws]\nexports = [1]\n",
          "config.toml:2: aws.exports: expected a section in each entry, found the number 1" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++)
        assert_refused(FO_CONFIG_TOML, cases[i][0], cases[i][1]);
}

static void
a_value_out_of_range_says_the_range(void **state)
{
    (void)state;
    assert_refused(FO_CONFIG_TOML, "[network]\ntimeout = 0\n",
                   "config.toml:2: network.timeout: expected a whole number from 1 to 3600, found \"0\"");
    assert_refused(
        FO_CONFIG_YAML, "database:\n  duckdb:\n    memory_limit: 1KiB\n",
        "config.yaml:3: database.duckdb.memory_limit: expected a size such as 512MiB from 64MiB to 16TiB, "
        "found \"1KiB\"");
    assert_refused(FO_CONFIG_TOML, "[aws]\ncur_version = \"v3\"\n",
                   "config.toml:2: aws.cur_version: expected v1 or v2, found \"v3\"");
}

static void
all_problems_come_at_once_in_the_order_of_the_file(void **state)
{
    (void)state;
    assert_refused(FO_CONFIG_TOML,
                   "[network]\ntimeout = 0\n[aws]\nbukcet = \"x\"\nstart_date = \"2024-12\"\n"
                   "end_date = \"2024-10-31\"\nreset = 1\n",
                   "config.toml:2: network.timeout: expected a whole number from 1 to 3600, found \"0\"\n"
                   "config.toml:4: aws.bukcet: unknown key, did you mean bucket?\n"
                   "config.toml:5: aws.start_date: 2024-12 is after end_date 2024-10-31\n"
                   "config.toml:7: aws.reset: expected true or false, found the number 1");
}

static void
a_flood_of_problems_is_counted(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_config *config = NULL;

    (void)state;
    for (int i = 0; i < FO_CONFIG_PROBLEMS_MAX + 7; i++)
        fo_str_addf(&text, "zzz%d = 1\n", i);
    assert_int_equal(load_with(FO_CONFIG_TOML, fo_str_z(&text), NULL, NULL, &config, &err), FINOPS_E_CONFIG);
    assert_true(fo_ends(finops_error_text(err), "\nand 7 more"));
}

static void
a_month_and_a_day_of_it_are_in_order(void **state)
{
    static const char *const good[] = { "start_date = \"2024-10-20\"\nend_date = \"2024-10\"\n",
                                        "start_date = \"2024-10\"\nend_date = \"2024-10-05\"\n",
                                        "start_date = 2024-10-01\nend_date = 2024-10-01\n" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(good); i++) {
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
        FO_AUTO(fo_config_freep) fo_config *config = NULL;

        fo_str_addf(&text, "[aws]\n%s", good[i]);
        assert_int_equal(load_with(FO_CONFIG_TOML, fo_str_z(&text), NULL, NULL, &config, NULL), FINOPS_OK);
    }
}

static void
keys_that_belong_together_are_missed_when_apart(void **state)
{
    (void)state;
    assert_refused(FO_CONFIG_TOML, "[aws]\naccess_key_id = \"AK\"\n",
                   "config.toml:2: aws.access_key_id: needs secret_access_key, which is not set");
    assert_refused(FO_CONFIG_YAML, "aws:\n  exports:\n    - secret_access_key: SK\n",
                   "config.yaml:3: aws.exports.secret_access_key: needs access_key_id, which is not set");
}

static void
an_address_must_look_like_one(void **state)
{
    (void)state;
    assert_refused(
        FO_CONFIG_TOML, "[aws]\nendpoint_url = \"localhost:9000\"\n",
        "config.toml:2: aws.endpoint_url: expected an address such as http://localhost:9000, found "
        "\"localhost:9000\"");
    assert_refused(
        FO_CONFIG_TOML, "[network]\nproxy = \"socks5://me:hush@host\"\n",
        "config.toml:2: network.proxy: expected an address such as http://proxy.example:3128, found "
        "\"socks5://me:<redacted>@host\"");
    assert_refused(
        FO_CONFIG_TOML, "[network]\nproxy = \"http://\"\n",
        "config.toml:2: network.proxy: expected an address such as http://proxy.example:3128, found "
        "\"http://\"");
}

static void
what_is_wrong_in_aws_is_not_said_again_for_each_export(void **state)
{
    (void)state;
    assert_refused(
        FO_CONFIG_TOML,
        "[aws]\nstart_date = \"2024-12\"\nend_date = \"2024-10\"\n[[aws.exports]]\nexport_name = \"a\"\n",
        "config.toml:2: aws.start_date: 2024-12 is after end_date 2024-10");
}

static void
a_bad_variable_is_named(void **state)
{
    static const char *const env[] = { "OPEN_FINOPS_NETWORK_TIMEOUT=soon", NULL };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_config *config = NULL;

    (void)state;
    assert_int_equal(load_with(FO_CONFIG_TOML, "", env, NULL, &config, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err),
                        "env OPEN_FINOPS_NETWORK_TIMEOUT: network.timeout: expected a whole "
                        "number from 1 to 3600, found \"soon\"");
}

static void
a_bad_flag_is_a_usage_error(void **state)
{
    static const struct {
        fo_config_override flag;
        finops_code code;
        const char *message;
    } cases[] = {
        { { "aws.cur_version", "3", "--cur-version" },
          FINOPS_E_USAGE,
          "--cur-version: expected v1 or v2, found \"3\"" },
        { { "aws.secret_access_key", "SK", "--secret-access-key" },
          FINOPS_E_USAGE,
          "--secret-access-key: secrets are not taken from the command line, where others see them" },
        { { "aws.nothing", "x", "--nothing" },
          FINOPS_E_ARGUMENT,
          "--nothing: there is no setting aws.nothing" },
        { { "aws.exports.bucket", "x", "--b" },
          FINOPS_E_ARGUMENT,
          "--b: there is no setting aws.exports.bucket" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        fo_config *config = NULL;

        assert_int_equal(load_with(FO_CONFIG_TOML, "", NULL, &cases[i].flag, &config, &err), cases[i].code);
        assert_int_equal(finops_error_code(err), cases[i].code);
        assert_string_equal(finops_error_text(err), cases[i].message);
    }
}

static void
refusing_survives_every_failed_allocation(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        fo_config *config = NULL;
        finops_code rc;
        bool failed;

        fo_mem_fail_at(n);
        rc = load_with(FO_CONFIG_TOML,
                       "x = 1\n[aws]\nbukcet = 1\nreset = \"x\"\ncur_version = \"v3\"\n"
                       "secret_access_key = \"S\"\n",
                       NULL, NULL, &config, &err);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_true(rc == FINOPS_E_CONFIG || (failed && rc == FINOPS_E_MEMORY));
        assert_null(config);
        if (!failed)
            break;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_key_names_the_nearest_one),
        cmocka_unit_test(a_key_below_the_wrong_heading_is_sent_to_its_section),
        cmocka_unit_test(a_wrong_type_says_what_was_expected_and_found),
        cmocka_unit_test(a_value_out_of_range_says_the_range),
        cmocka_unit_test(all_problems_come_at_once_in_the_order_of_the_file),
        cmocka_unit_test(a_flood_of_problems_is_counted),
        cmocka_unit_test(a_month_and_a_day_of_it_are_in_order),
        cmocka_unit_test(keys_that_belong_together_are_missed_when_apart),
        cmocka_unit_test(an_address_must_look_like_one),
        cmocka_unit_test(what_is_wrong_in_aws_is_not_said_again_for_each_export),
        cmocka_unit_test(a_bad_variable_is_named),
        cmocka_unit_test(a_bad_flag_is_a_usage_error),
        cmocka_unit_test(refusing_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
