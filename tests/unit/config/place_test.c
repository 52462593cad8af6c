/* Storages of the configuration: [storage.<name>], the environment, and what [platform] says. */
#include "config/place.h"
#include "config_test.h"

typedef struct cloud {
    char *bucket, *prefix, *region, *profile, *key, *secret, *token, *ca_file;
    int64_t stall_timeout;
} cloud;

typedef struct again {
    int64_t attempts;
} again;

#define SECRET .flags = FINOPS_OPT_SECRET
#define ROW(row_name, ...)                                                                                   \
    {                                                                                                        \
#row_name, FINOPS_OPT_STRING, offsetof(cloud, row_name), .help = "H.", __VA_ARGS__                   \
    }

static const finops_option cloud_options[] = {
    ROW(bucket, .flags = FINOPS_OPT_REQUIRED),
    ROW(prefix, .arg = NULL),
    ROW(region, .env = "CLOUD_REGION"),
    ROW(profile, .env = "CLOUD_PROFILE"),
    ROW(key, SECRET, .env = "CLOUD_KEY", .needs = "secret"),
    ROW(secret, SECRET, .env = "CLOUD_SECRET"),
    ROW(token, SECRET, .env = "CLOUD_TOKEN"),
    ROW(ca_file, .arg = NULL),
    { "stall_timeout", FINOPS_OPT_INT, offsetof(cloud, stall_timeout), .value = "30", .help = "H." },
    { 0 },
};
static const finops_option again_options[] = {
    { "attempts", FINOPS_OPT_INT, offsetof(again, attempts), .value = "5", .min = 1, .max = 9, .help = "H." },
    { 0 },
};
static const fo_place_table tables[] = { { NULL, cloud_options, sizeof(cloud) },
                                         { "again", again_options, sizeof(again) } };

static const char toml[] =
    "[storage.b]\naddress = \"cloud://x\"\nregion = \"r\"\nkey = \"k\"\nsecret = \"s\"\n"
    "[storage.b.again]\nattempts = 3\n[network]\nca_file = \"/ca\"\n";

static fo_config *
load(fo_config_format format, const char *text, const char *const *env)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_config *config = NULL;

    if (load_with(format, text, env, NULL, &config, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    return config;
}

static finops_code
settings_of(const fo_config *config, const char *name, fo_place_settings *ret, finops_error **err)
{
    static const finops_setting given = { "bucket", "x" };
    FO_AUTO(fo_place_done) fo_place place = { 0 };
    const fo_settings *settings = fo_config_settings(config);
    finops_code rc = fo_config_place(settings, name, &place, err);

    if (rc != FINOPS_OK)
        return rc;
    return fo_config_place_settings(settings, &place, tables, FO_COUNT(tables), &given, place.address ? 1 : 0,
                                    ret, err);
}

static const fo_place_setting *
find(const fo_place_settings *settings, const char *name)
{
    for (size_t i = 0; i < settings->n; i++)
        if (strcmp(settings->items[i].name, name) == 0)
            return &settings->items[i];
    return NULL;
}

static void
assert_setting(const fo_place_settings *settings, const char *name, const char *value, const char *origin)
{
    const fo_place_setting *s = find(settings, name);

    assert_non_null(s);
    assert_string_equal(s->value, value);
    assert_string_equal(s->origin, origin);
}

static void
assert_refused_as(const char *text, const char *message)
{
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, text, NULL);
    FO_AUTO(fo_place_settings_done) fo_place_settings settings = { 0 };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    assert_int_equal(settings_of(config, "b", &settings, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), message);
}

static void
a_place_is_told_what_its_sections_and_the_network_say(void **state)
{
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, toml, NULL);
    FO_AUTO(fo_place_settings_done) fo_place_settings settings = { 0 };

    (void)state;
    assert_int_equal(settings_of(config, "b", &settings, NULL), FINOPS_OK);
    assert_setting(&settings, "region", "r", "config.toml:3");
    assert_setting(&settings, "again.attempts", "3", "config.toml:7");
    assert_setting(&settings, "ca_file", "/ca", "[network]");
    assert_setting(&settings, "stall_timeout", "30", "[network]");
    assert_true(find(&settings, "secret")->secret);
    assert_null(find(&settings, "bucket")); /* the address says it */
}

static void
yaml_says_the_same(void **state)
{
    static const char yaml[] = "storage:\n  b:\n    address: cloud://x\n    region: r\n    again:\n"
                               "      attempts: 3\n";
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_YAML, yaml, NULL);
    FO_AUTO(fo_place_settings_done) fo_place_settings settings = { 0 };

    (void)state;
    assert_int_equal(settings_of(config, "b", &settings, NULL), FINOPS_OK);
    assert_setting(&settings, "region", "r", "config.yaml:4");
    assert_setting(&settings, "again.attempts", "3", "config.yaml:6");
}

static void
its_own_variables_win_and_shared_ones_only_fill(void **state)
{
    static const char *const env[] = { "OPEN_FINOPS_STORAGE_B_AGAIN_ATTEMPTS=7", "CLOUD_REGION=other",
                                       "OPEN_FINOPS_STORAGE_B_PREFIX=p", NULL };
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, toml, env);
    FO_AUTO(fo_place_settings_done) fo_place_settings settings = { 0 };

    (void)state;
    assert_int_equal(settings_of(config, "b", &settings, NULL), FINOPS_OK);
    assert_setting(&settings, "again.attempts", "7", "env OPEN_FINOPS_STORAGE_B_AGAIN_ATTEMPTS");
    assert_setting(&settings, "prefix", "p", "env OPEN_FINOPS_STORAGE_B_PREFIX");
    assert_setting(&settings, "region", "r", "config.toml:3");
}

static void
credentials_are_not_mixed(void **state)
{
    static const char *const env[] = { "CLOUD_TOKEN=t", "CLOUD_PROFILE=p", NULL };
    FO_AUTO(fo_config_freep) fo_config *own = load(FO_CONFIG_TOML, toml, env);
    FO_AUTO(fo_config_freep)
    fo_config *none = load(FO_CONFIG_TOML, "[storage.b]\naddress = \"cloud://x\"\n", env);
    FO_AUTO(fo_place_settings_done) fo_place_settings settings = { 0 }, shared = { 0 };

    (void)state;
    assert_int_equal(settings_of(own, "b", &settings, NULL), FINOPS_OK);
    assert_null(find(&settings, "token"));
    assert_null(find(&settings, "profile"));
    assert_int_equal(settings_of(none, "b", &shared, NULL), FINOPS_OK);
    assert_setting(&shared, "token", "t", "env CLOUD_TOKEN");
    assert_setting(&shared, "profile", "p", "env CLOUD_PROFILE");
}

static void
a_place_needs_no_section(void **state)
{
    static const char *const env[] = { "OPEN_FINOPS_STORAGE_IN_TRAY_ADDRESS=cloud://y", NULL };
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, toml, env);
    FO_AUTO(fo_place_done) fo_place place = { 0 };
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;

    (void)state;
    assert_int_equal(fo_config_places(fo_config_settings(config), &names, NULL), FINOPS_OK);
    assert_int_equal(names.n, 2);
    assert_string_equal(names.items[1], "in_tray");
    assert_int_equal(fo_config_place(fo_config_settings(config), "in_tray", &place, NULL), FINOPS_OK);
    assert_string_equal(place.address, "cloud://y");
}

static void
what_is_wrong_is_told_with_its_line(void **state)
{
    (void)state;
    assert_refused_as("[storage.b]\naddress = \"cloud://x\"\nregoin = \"r\"\nkey = 3\n[storage.b.agian]\n",
                      "config.toml:3: storage.b.regoin: unknown key, did you mean region?\n"
                      "config.toml:4: storage.b.key: expected text, found a number; put it in quotes\n"
                      "config.toml:5: storage.b.agian: unknown section, did you mean again?");
    assert_refused_as(
        "[storage.b]\naddress = \"cloud://x\"\nkey = \"k\"\n[storage.b.again]\nattempts = 99\n",
        "config.toml:3: storage.b.key: needs secret, which is not set\n"
        "config.toml:5: storage.b.again.attempts: expected a whole number from 1 to 9, found \"99\"");
    assert_refused_as("[storage.b]\nbackend = \"cloud\"\n", "storage.b.bucket: must be set");
    assert_refused_as("[storage.b]\nadress = \"cloud://x\"\n",
                      "config.toml:2: storage.b.adress: unknown key, did you mean address?");
    assert_refused_as("[storage.b]\nregion = \"r\"\n",
                      "config.toml:1: storage.b: address, or backend and its options, must be set");
}

static void
a_name_that_is_none_is_told_with_the_nearest(void **state)
{
    FO_AUTO(fo_config_freep)
    fo_config *config = load(FO_CONFIG_TOML, "[storage.bronze]\naddress = \"cloud://x\"\n", NULL);
    FO_AUTO(fo_place_settings_done) fo_place_settings settings = { 0 };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(settings_of(config, "bonze", &settings, &err), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_hint(err), "did you mean bronze?");
}

static const char old_yaml[] =
    "platform:\n  bronze:\n    s3_bucket: raw\n    s3_prefix: /in\n  s3_connection:\n"
    "    endpoint_url_env: URL\n    access_key_env: KEY\n    secret_key_env: SECRET\n";

static void
platform_bronze_is_the_storage_bronze(void **state)
{
    static const char *const env[] = { "URL=http://h:9", "KEY=k", "SECRET=s", NULL };
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_YAML, old_yaml, env);
    FO_AUTO(fo_place_done) fo_place place = { 0 };

    (void)state;
    assert_int_equal(fo_config_place(fo_config_settings(config), "bronze", &place, NULL), FINOPS_OK);
    assert_string_equal(place.address, "s3://raw/in");
    assert_setting(&place.preset, "endpoint_url", "http://h:9", "env URL");
    assert_setting(&place.preset, "access_key_id", "k", "env KEY");
    assert_setting(&place.preset, "secret_access_key", "s", "env SECRET");
    assert_setting(&place.preset, "addressing", "path", "platform.s3_connection");
}

static void
platform_knows_azure_and_folders_too(void **state)
{
    static const char *const env[] = { "CS=AccountName=a", NULL };
    FO_AUTO(fo_config_freep)
    fo_config *azure = load(FO_CONFIG_TOML,
                            "[platform.bronze]\nstorage_backend = \"azure\"\nazure_container = \"c\"\n"
                            "azure_prefix = \"p\"\nazure_storage_account = \"a\"\n"
                            "[platform.azure_connection]\nconnection_string_env = \"CS\"\n",
                            env);
    FO_AUTO(fo_config_freep)
    fo_config *local = load(
        FO_CONFIG_TOML, "[platform.bronze]\nstorage_backend = \"local\"\nlocal_path = \"/srv/raw\"\n", NULL);
    FO_AUTO(fo_place_done) fo_place one = { 0 }, two = { 0 };

    (void)state;
    assert_int_equal(fo_config_place(fo_config_settings(azure), "bronze", &one, NULL), FINOPS_OK);
    assert_string_equal(one.address, "az://c/p");
    assert_setting(&one.preset, "connection_string", "AccountName=a", "env CS");
    assert_setting(&one.preset, "account", "a", "platform.bronze.azure_storage_account");
    assert_int_equal(fo_config_place(fo_config_settings(local), "bronze", &two, NULL), FINOPS_OK);
    assert_string_equal(two.address, "file:///srv/raw");
}

static void
platform_bronze_may_be_switched_off_by_its_old_name(void **state)
{
    static const char *const texts[] = { "storage_enabled: false", "s3_enabled: false",
                                         "s3_enabled: true\n    storage_enabled: false" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(texts); i++) {
        FO_AUTO(fo_freep)
        char *yaml = fo_format("platform:\n  bronze:\n    s3_bucket: b\n    %s\n", texts[i]);
        FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_YAML, yaml, NULL);
        FO_AUTO(fo_place_done) fo_place place = { 0 };
        FO_AUTO(finops_error_freep) finops_error *err = NULL;

        assert_int_equal(fo_config_place(fo_config_settings(config), "bronze", &place, &err),
                         FINOPS_E_CONFIG);
        assert_string_equal(finops_error_text(err), "the storage bronze is switched off");
    }
}

static void
storage_bronze_wins_over_platform(void **state)
{
    FO_AUTO(fo_config_freep)
    fo_config *config = load(
        FO_CONFIG_TOML, "[platform.bronze]\ns3_bucket = \"b\"\n[storage.bronze]\naddress = \"/new\"\n", NULL);
    FO_AUTO(fo_place_done) fo_place place = { 0 };

    (void)state;
    assert_int_equal(fo_config_place(fo_config_settings(config), "bronze", &place, NULL), FINOPS_OK);
    assert_string_equal(place.address, "/new");
}

static void
what_the_backend_of_platform_lacks_is_told_by_its_key(void **state)
{
    FO_AUTO(fo_config_freep)
    fo_config *config =
        load(FO_CONFIG_TOML, "[platform.bronze]\ns3_bucket = \"b\"\nstorage_backend = \"azure\"\n", NULL);
    FO_AUTO(fo_place_done) fo_place place = { 0 };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(fo_config_place(fo_config_settings(config), "bronze", &place, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err),
                        "platform.bronze.azure_container: must be set, storage_backend wants it");
}

static void
settings_survive_every_failed_allocation(void **state)
{
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, toml, NULL);
    finops_code rc;
    unsigned n = 0;
    bool failed;

    (void)state;
    do {
        FO_AUTO(fo_place_settings_done) fo_place_settings settings = { 0 };

        fo_mem_fail_at(++n);
        rc = settings_of(config, "b", &settings, NULL);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc, failed ? FINOPS_E_MEMORY : FINOPS_OK);
    } while (failed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_told_what_its_sections_and_the_network_say),
        cmocka_unit_test(yaml_says_the_same),
        cmocka_unit_test(its_own_variables_win_and_shared_ones_only_fill),
        cmocka_unit_test(credentials_are_not_mixed),
        cmocka_unit_test(a_place_needs_no_section),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(a_name_that_is_none_is_told_with_the_nearest),
        cmocka_unit_test(platform_bronze_is_the_storage_bronze),
        cmocka_unit_test(platform_knows_azure_and_folders_too),
        cmocka_unit_test(platform_bronze_may_be_switched_off_by_its_old_name),
        cmocka_unit_test(storage_bronze_wins_over_platform),
        cmocka_unit_test(what_the_backend_of_platform_lacks_is_told_by_its_key),
        cmocka_unit_test(settings_survive_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
