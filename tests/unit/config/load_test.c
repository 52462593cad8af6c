/* Who wins: flag, environment, file, default; and what an entry of aws.exports takes from [aws]. */
#include "config_test.h"

static fo_config *
load(fo_config_format format, const char *text, const char *const *env, const fo_config_override *flag)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_config *config = NULL;

    if (load_with(format, text, env, flag, &config, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    return config;
}

static void
nothing_at_all_gives_the_defaults(void **state)
{
    fo_config_source source = { .env = no_env };
    FO_AUTO(fo_config_freep) fo_config *config = NULL;
    const fo_settings *s;

    (void)state;
    assert_int_equal(fo_config_load_text(&source, NULL, &config, NULL), FINOPS_OK);
    s = fo_config_settings(config);
    assert_null(fo_config_path(config));
    assert_string_equal(s->project.name, "finops");
    assert_string_equal(s->database.backend, "duckdb");
    assert_string_equal(s->duckdb.database_path, "./data/finops.duckdb");
    assert_int_equal(s->duckdb.memory_limit, (uint64_t)1000 << 20);
    assert_null(s->duckdb.temp_directory);
    assert_int_equal(s->duckdb.lock_timeout, 10);
    assert_null(s->aws.bucket);
    assert_string_equal(s->aws.prefix, "");
    assert_string_equal(s->aws.dataset_name, "aws_billing");
    assert_string_equal(s->aws.table_strategy, "separate");
    assert_int_equal(s->network.timeout, 30);
    assert_string_equal(s->log.level, "info");
    assert_int_equal(s->n_exports, 0);
    assert_row(config, "aws.region", "", "default");
}

static void
the_keys_of_existing_users_are_taken(void **state)
{
    FO_AUTO(fo_config_freep)
    fo_config *config = load(
        FO_CONFIG_TOML,
        "[project]\nname = \"p\"\ndata_dir = \"./d\"\n[database]\nbackend = \"duckdb\"\n"
        "[database.duckdb]\ndatabase_path = \"./d/x.duckdb\"\n[aws]\nbucket = \"b\"\nprefix = \"p\"\n"
        "export_name = \"e\"\ncur_version = \"v2\"\nexport_format = \"parquet\"\nstart_date = \"2024-01\"\n"
        "end_date = \"2024-12\"\ndataset_name = \"d\"\nreset = true\nregion = \"us-east-1\"\n"
        "access_key_id = \"AK\"\nsecret_access_key = \"SK\"\n",
        NULL, NULL);
    const fo_settings *s = fo_config_settings(config);

    (void)state;
    assert_string_equal(s->project.data_dir, "./d");
    assert_string_equal(s->duckdb.database_path, "./d/x.duckdb");
    assert_string_equal(s->aws.cur_version, "v2");
    assert_string_equal(s->aws.end_date, "2024-12");
    assert_true(s->aws.reset);
    assert_string_equal(s->aws.secret_access_key, "SK");
}

static void
flag_beats_environment_beats_file_beats_default(void **state)
{
    static const char *const env[] = { "OPEN_FINOPS_AWS_BUCKET=from-env", NULL };
    const fo_config_override flag = { "aws.bucket", "from-flag", "--bucket" };
    const char *file = "[aws]\nbucket = \"from-file\"\n";
    const struct {
        const char *text;
        const char *const *env;
        const fo_config_override *flag;
        const char *value, *origin;
    } cases[] = {
        { file, env, &flag, "from-flag", "flag --bucket" },
        { file, env, NULL, "from-env", "env OPEN_FINOPS_AWS_BUCKET" },
        { file, NULL, NULL, "from-file", "config.toml:2" },
        { "", NULL, NULL, "", "default" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        FO_AUTO(fo_config_freep)
        fo_config *config = load(FO_CONFIG_TOML, cases[i].text, cases[i].env, cases[i].flag);

        assert_row(config, "aws.bucket", cases[i].value, cases[i].origin);
    }
}

static void
our_own_variable_beats_the_shared_ones_in_their_order(void **state)
{
    static const char *const all[] = { "AWS_DEFAULT_REGION=c", "AWS_REGION=b", "OPEN_FINOPS_AWS_REGION=a",
                                       NULL };
    static const char *const shared[] = { "AWS_DEFAULT_REGION=c", "AWS_REGION=b", NULL };
    static const char *const empty[] = { "AWS_DEFAULT_REGION=c", "AWS_REGION=", NULL };
    FO_AUTO(fo_config_freep) fo_config *one = load(FO_CONFIG_TOML, "", all, NULL);
    FO_AUTO(fo_config_freep) fo_config *two = load(FO_CONFIG_TOML, "", shared, NULL);
    FO_AUTO(fo_config_freep) fo_config *three = load(FO_CONFIG_TOML, "", empty, NULL);

    (void)state;
    assert_row(one, "aws.region", "a", "env OPEN_FINOPS_AWS_REGION");
    assert_row(two, "aws.region", "b", "env AWS_REGION");
    assert_row(three, "aws.region", "c", "env AWS_DEFAULT_REGION");
}

static void
every_option_has_its_environment_name(void **state)
{
    static const char *const env[] = { "OPEN_FINOPS_DATABASE_DUCKDB_DATABASE_PATH=x.duckdb",
                                       "OPEN_FINOPS_DATABASE_DUCKDB_MEMORY_LIMIT=2GiB",
                                       "OPEN_FINOPS_AWS_RESET=yes",
                                       "OPEN_FINOPS_NETWORK_RETRIES=0",
                                       "OPEN_FINOPS_AWS_TYPO=only a warning",
                                       NULL };
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_YAML, "", env, NULL);
    const fo_settings *s = fo_config_settings(config);

    (void)state;
    assert_string_equal(s->duckdb.database_path, "x.duckdb");
    assert_int_equal(s->duckdb.memory_limit, (uint64_t)2 << 30);
    assert_true(s->aws.reset);
    assert_int_equal(s->network.retries, 0);
    assert_row(config, "database.duckdb.memory_limit", "2GiB",
               "env OPEN_FINOPS_DATABASE_DUCKDB_MEMORY_LIMIT");
}

static void
empty_and_null_in_the_file_mean_unset(void **state)
{
    FO_AUTO(fo_config_freep)
    fo_config *config = load(FO_CONFIG_YAML,
                             "aws:\n  export_name: ''\n  cur_version: \"\"\n  region: ~\n  dataset_name: ''\n"
                             "  exports:\nlog:\n",
                             NULL, NULL);
    const fo_settings *s = fo_config_settings(config);

    (void)state;
    assert_null(s->aws.export_name);
    assert_null(s->aws.cur_version);
    assert_null(s->aws.region);
    assert_string_equal(s->aws.dataset_name, "aws_billing");
    assert_int_equal(s->n_exports, 0);
}

static const char two_exports[] = "aws:\n  bucket: b\n  prefix: p\n  reset: true\n  access_key_id: AK\n"
                                  "  secret_access_key: SK\n  session_token: ST\n  exports:\n"
                                  "    - export_name: one\n"
                                  "    - export_name: two\n      prefix: ''\n      reset: false\n"
                                  "      profile: other\n";

static void
an_export_takes_from_aws_what_it_does_not_say(void **state)
{
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_YAML, two_exports, NULL, NULL);
    const fo_settings *s = fo_config_settings(config);

    (void)state;
    assert_int_equal(s->n_exports, 2);
    assert_string_equal(s->exports[0].bucket, "b");
    assert_string_equal(s->exports[0].prefix, "p");
    assert_string_equal(s->exports[0].dataset_name, "aws_billing");
    assert_true(s->exports[0].reset);
    assert_string_equal(s->exports[1].prefix, "");
    assert_false(s->exports[1].reset);
    assert_row(config, "aws.exports[1].bucket", "b", "config.yaml:2");
    assert_row(config, "aws.exports[1].export_name", "one", "config.yaml:9");
    assert_row(config, "aws.exports[2].reset", "false", "config.yaml:12");
    assert_row(config, "aws.exports[2].dataset_name", "aws_billing", "default");
}

static void
an_export_with_its_own_credentials_takes_none_from_aws(void **state)
{
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_YAML, two_exports, NULL, NULL);
    const fo_settings *s = fo_config_settings(config);

    (void)state;
    assert_string_equal(s->exports[0].session_token, "ST");
    assert_string_equal(s->exports[1].profile, "other");
    assert_null(s->exports[1].access_key_id);
    assert_null(s->exports[1].secret_access_key);
    assert_null(s->exports[1].session_token);
}

static void
a_flag_counts_for_every_export_unless_it_says_which(void **state)
{
    const fo_config_override dates = { "aws.start_date", "2024-05", "--start-date" };
    const fo_config_override name = { "aws.export_name", "three", "--export-name" };
    const char *text = "[[aws.exports]]\nexport_name = \"one\"\nstart_date = \"2024-01\"\n";
    FO_AUTO(fo_config_freep) fo_config *dated = load(FO_CONFIG_TOML, text, NULL, &dates);
    FO_AUTO(fo_config_freep) fo_config *named = load(FO_CONFIG_TOML, text, NULL, &name);

    (void)state;
    assert_string_equal(fo_config_settings(dated)->exports[0].start_date, "2024-05");
    assert_string_equal(fo_config_settings(named)->exports[0].export_name, "one");
    assert_string_equal(fo_config_settings(named)->aws.export_name, "three");
}

static void
keys_of_the_environment_leave_the_token_of_the_file_behind(void **state)
{
    static const char *const env[] = { "AWS_ACCESS_KEY_ID=AK2", "AWS_SECRET_ACCESS_KEY=SK2", NULL };
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_YAML, two_exports, env, NULL);

    (void)state;
    assert_string_equal(fo_config_settings(config)->aws.access_key_id, "AK2");
    assert_null(fo_config_settings(config)->aws.session_token);
    assert_row(config, "aws.session_token", "", "default");
}

static void
secrets_and_passwords_are_not_shown(void **state)
{
    static const char *const env[] = { "HTTPS_PROXY=me:p@ss/word@proxy:3128", NULL };
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_YAML, two_exports, env, NULL);

    (void)state;
    assert_row(config, "aws.access_key_id", "<redacted>", "config.yaml:5");
    assert_row(config, "aws.secret_access_key", "<redacted>", "config.yaml:6");
    assert_row(config, "aws.exports[1].session_token", "<redacted>", "config.yaml:7");
    assert_row(config, "aws.exports[2].session_token", "", "default");
    assert_row(config, "network.proxy", "http://me:<redacted>@proxy:3128", "env HTTPS_PROXY");
    assert_string_equal(fo_config_settings(config)->network.proxy, "http://me:p@ss/word@proxy:3128");
}

static void
rows_follow_the_sections_with_exports_after_aws(void **state)
{
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_YAML, two_exports, NULL, NULL);
    const fo_config_row *rows;
    size_t n, first = 0, last = 0, network = 0;

    (void)state;
    assert_int_equal(fo_config_rows(config, &rows, &n, NULL), FINOPS_OK);
    assert_string_equal(rows[0].key, "project.name");
    for (size_t i = 0; i < n; i++) {
        if (fo_streq(rows[i].key, "aws.session_token"))
            first = i;
        if (fo_streq(rows[i].key, "aws.exports[2].session_token"))
            last = i;
        if (fo_streq(rows[i].key, "network.proxy"))
            network = i;
    }
    assert_true(first > 0 && first < last && last + 1 == network);
}

static void
keys_are_found_by_their_dotted_name(void **state)
{
    const fo_config_section *section = NULL;

    (void)state;
    assert_string_equal(fo_config_find("database.duckdb.threads", &section)->name, "threads");
    assert_string_equal(section->path, "database.duckdb");
    assert_null(fo_config_find("database.threads", NULL));
    assert_null(fo_config_find("threads", NULL));
    assert_null(fo_config_find("", NULL));
}

static void
loading_survives_every_failed_allocation(void **state)
{
    static const char *const env[] = { "AWS_REGION=x", "HTTPS_PROXY=host:1", NULL };
    const fo_config_override flag = { "aws.start_date", "2024-05", "--start-date" };

    (void)state;
    for (unsigned n = 1;; n++) {
        FO_AUTO(fo_config_freep) fo_config *config = NULL;
        finops_code rc;
        bool failed;

        fo_mem_fail_at(n);
        rc = load_with(FO_CONFIG_YAML, two_exports, env, &flag, &config, NULL);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc, failed ? FINOPS_E_MEMORY : FINOPS_OK);
        assert_true((config != NULL) == (rc == FINOPS_OK));
        if (!failed)
            break;
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_at_all_gives_the_defaults),
        cmocka_unit_test(the_keys_of_existing_users_are_taken),
        cmocka_unit_test(flag_beats_environment_beats_file_beats_default),
        cmocka_unit_test(our_own_variable_beats_the_shared_ones_in_their_order),
        cmocka_unit_test(every_option_has_its_environment_name),
        cmocka_unit_test(empty_and_null_in_the_file_mean_unset),
        cmocka_unit_test(an_export_takes_from_aws_what_it_does_not_say),
        cmocka_unit_test(an_export_with_its_own_credentials_takes_none_from_aws),
        cmocka_unit_test(a_flag_counts_for_every_export_unless_it_says_which),
        cmocka_unit_test(keys_of_the_environment_leave_the_token_of_the_file_behind),
        cmocka_unit_test(secrets_and_passwords_are_not_shown),
        cmocka_unit_test(rows_follow_the_sections_with_exports_after_aws),
        cmocka_unit_test(keys_are_found_by_their_dotted_name),
        cmocka_unit_test(loading_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
