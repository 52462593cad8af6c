/* The configuration of backends that are not declared in settings.c: plugins. */
#include "config_test.h"

typedef struct lite {
    char *path;
    char *password;
    char *mode;
    char **tags;
    int64_t depth;
    uint64_t cache;
    bool sync;
} lite;

static const finops_option lite_options[] = {
    { "path", FINOPS_OPT_STRING, offsetof(lite, path), .flags = FINOPS_OPT_REQUIRED, .help = "File." },
    { "password", FINOPS_OPT_STRING, offsetof(lite, password), .flags = FINOPS_OPT_SECRET,
      .env = "LITE_PASSWORD", .help = "Password." },
    { "mode", FINOPS_OPT_ENUM, offsetof(lite, mode), .value = "wal", .allow = "wal delete", .help = "Mode." },
    { "tags", FINOPS_OPT_LIST, offsetof(lite, tags), .help = "Tags." },
    { "depth", FINOPS_OPT_INT, offsetof(lite, depth), .value = "3", .min = 1, .max = 9, .help = "Depth." },
    { "cache", FINOPS_OPT_SIZE, offsetof(lite, cache), .value = "1MiB", .help = "Cache." },
    { "sync", FINOPS_OPT_BOOL, offsetof(lite, sync), .value = "true", .help = "Sync." },
    { 0 },
};

static const char lite_toml[] = "[database]\nbackend = \"lite\"\n[database.lite]\npath = \"/a\"\n"
                                "tags = [\"x,y\", \"z\"]\ndepth = 5\ncache = \"2MiB\"\nsync = false\n";

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
lite_of(const fo_config *config, lite **ret, finops_error **err)
{
    void *filled = NULL;
    finops_code rc =
        fo_config_backend(fo_config_settings(config), "lite", lite_options, sizeof(lite), &filled, err);

    *ret = filled;
    return rc;
}

static void
lite_free(lite *l)
{
    fo_config_backend_free(lite_options, l);
}

/* The whole message of a section that the plugin's table refuses. */
static void
assert_lite_refused(const char *text, const char *const *env, const char *message)
{
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, text, env);
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    lite *l = NULL;

    assert_int_equal(lite_of(config, &l, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), message);
    assert_string_equal(finops_error_hint(err), "finops backends describe lite tells its options");
    assert_null(l);
}

static void
a_plugin_gets_what_its_section_says(void **state)
{
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, lite_toml, NULL);
    lite *l = NULL;

    (void)state;
    assert_string_equal(fo_config_settings(config)->database.backend, "lite");
    assert_int_equal(lite_of(config, &l, NULL), FINOPS_OK);
    assert_string_equal(l->path, "/a");
    assert_string_equal(l->tags[0], "x,y");
    assert_string_equal(l->tags[1], "z");
    assert_null(l->tags[2]);
    assert_null(l->password);
    assert_string_equal(l->mode, "wal");
    assert_int_equal(l->depth, 5);
    assert_int_equal(l->cache, 2 << 20);
    assert_false(l->sync);
    lite_free(l);
}

static void
yaml_says_the_same(void **state)
{
    FO_AUTO(fo_config_freep)
    fo_config *config =
        load(FO_CONFIG_YAML, "database:\n  lite:\n    path: /a\n    sync: false\n  other:\n", NULL);
    lite *l = NULL;

    (void)state;
    assert_int_equal(lite_of(config, &l, NULL), FINOPS_OK);
    assert_string_equal(l->path, "/a");
    lite_free(l);
}

static void
the_environment_wins_over_the_section(void **state)
{
    const char *env[] = { "OPEN_FINOPS_DATABASE_LITE_DEPTH=7", "LITE_PASSWORD=geheim",
                          "OPEN_FINOPS_DATABASE_LITE_TAGS=a,b", NULL };
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, lite_toml, env);
    lite *l = NULL;

    (void)state;
    env[0] = env[1] = NULL; /* the configuration has its own */
    assert_int_equal(lite_of(config, &l, NULL), FINOPS_OK);
    assert_int_equal(l->depth, 7);
    assert_string_equal(l->password, "geheim");
    assert_string_equal(l->tags[1], "b");
    lite_free(l);
}

static void
what_a_plugin_refuses_names_file_and_line(void **state)
{
    static const char *const env[] = { "OPEN_FINOPS_DATABASE_LITE_DEPTH=70", NULL };

    (void)state;
    assert_lite_refused("[database.lite]\npath = \"/a\"\ndpeth = 2\n", NULL,
                        "config.toml:3: database.lite.dpeth: unknown key, did you mean depth?");
    assert_lite_refused("[database.lite]\npath = \"/a\"\ndepth = 10\nmode = \"x\"\n", NULL,
                        "config.toml:3: database.lite.depth: expected a whole number from 1 to 9, found "
                        "\"10\"\nconfig.toml:4: database.lite.mode: expected wal or delete, found \"x\"");
    assert_lite_refused("[database.lite]\npath = 1\n", NULL,
                        "config.toml:2: database.lite.path: expected text, found the number 1; put it in "
                        "quotes\ndatabase.lite.path: must be set");
    assert_lite_refused("", env,
                        "env OPEN_FINOPS_DATABASE_LITE_DEPTH: database.lite.depth: expected a whole number "
                        "from 1 to 9, found \"70\"\ndatabase.lite.path: must be set");
}

static void
a_secret_of_a_plugin_stands_in_no_file_others_can_read(void **state)
{
    static const char text[] = "[database.lite]\npath = \"/a\"\npassword = \"geheim\"\n";
    fo_config_source source = { .env = no_env };
    fo_config_text file = { .name = "config.toml", .text = text, .n = strlen(text), .mode = 0644 };
    FO_AUTO(fo_config_freep) fo_config *config = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    lite *l = NULL;

    (void)state;
    assert_int_equal(fo_config_load_text(&source, &file, &config, NULL), FINOPS_OK);
    assert_int_equal(lite_of(config, &l, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_hint(err), "make the file yours alone: chmod 600 config.toml");
    assert_null(strstr(finops_error_text(err), "geheim"));
}

static void
values_of_a_plugin_are_not_shown(void **state)
{
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, lite_toml, NULL);

    (void)state;
    assert_row(config, "database.lite.path", "<redacted>", "config.toml:4");
    assert_row(config, "database.lite.sync", "<redacted>", "config.toml:8");
}

static void
a_section_nearly_named_as_a_built_in_one_is_a_slip(void **state)
{
    FO_AUTO(fo_config_freep)
    fo_config *config =
        load(FO_CONFIG_TOML, "[database]\nbackend = \"duckdb2\"\n[database.duckdb2]\nx = 1\n", NULL);

    (void)state;
    assert_refused(FO_CONFIG_TOML, "[database.duckdb2]\nx = 1\n",
                   "config.toml:1: database.duckdb2: unknown section, did you mean duckdb?");
    assert_refused(FO_CONFIG_TOML, "[database.No-Name]\nx = 1\n",
                   "config.toml:1: database.No-Name: unknown section");
    assert_string_equal(fo_config_settings(config)->database.backend, "duckdb2");
}

static void
a_built_in_backend_is_filled_from_its_settings(void **state)
{
    typedef struct own {
        bool extra;
        int64_t threads;
        char *database_path;
    } own;
    static const finops_option options[] = {
        { "database_path", FINOPS_OPT_STRING, offsetof(own, database_path), .help = "File." },
        { "threads", FINOPS_OPT_INT, offsetof(own, threads), .value = "1", .help = "Threads." },
        { "extra", FINOPS_OPT_BOOL, offsetof(own, extra), .value = "false", .help = "More." },
        { 0 },
    };
    static const char *const env[] = { "OPEN_FINOPS_DATABASE_DUCKDB_THREADS=6",
                                       "OPEN_FINOPS_DATABASE_DUCKDB_EXTRA=yes", NULL };
    FO_AUTO(fo_config_freep)
    fo_config *config = load(FO_CONFIG_TOML, "[database.duckdb]\ndatabase_path = \"/d\"\nthreads = 2\n", env);
    void *filled = NULL;
    const own *o;

    (void)state;
    assert_int_equal(
        fo_config_backend(fo_config_settings(config), "duckdb", options, sizeof(own), &filled, NULL),
        FINOPS_OK);
    o = filled;
    assert_string_equal(o->database_path, "/d");
    assert_int_equal(o->threads, 6);
    assert_true(o->extra);
    fo_config_backend_free(options, filled);
}

static void
settings_made_by_hand_give_the_defaults(void **state)
{
    static const finops_option options[] = {
        { "depth", FINOPS_OPT_INT, offsetof(lite, depth), .value = "3", .help = "Depth." },
        { 0 },
    };
    const fo_settings settings = { .log = { .level = NULL } };
    void *filled = NULL;

    (void)state;
    assert_int_equal(fo_config_backend(&settings, "lite", options, sizeof(lite), &filled, NULL), FINOPS_OK);
    assert_int_equal(((lite *)filled)->depth, 3);
    fo_config_backend_free(options, filled);
    assert_int_equal(fo_config_backend(&settings, "bare", NULL, 0, &filled, NULL), FINOPS_OK);
    fo_config_backend_free(NULL, filled);
    fo_config_backend_free(NULL, NULL);
}

static void
the_plugin_path_has_a_variable_of_its_own(void **state)
{
    static const char *const env[] = { "OPEN_FINOPS_PLUGIN_PATH=/p:/q", NULL };
    FO_AUTO(fo_config_freep) fo_config *config = load(FO_CONFIG_TOML, "", env);
    FO_AUTO(fo_config_freep) fo_config *none = load(FO_CONFIG_TOML, "", NULL);

    (void)state;
    assert_string_equal(fo_config_settings(config)->database.plugin_path, "/p:/q");
    assert_row(config, "database.plugin_path", "/p:/q", "env OPEN_FINOPS_PLUGIN_PATH");
    assert_null(fo_config_settings(none)->database.plugin_path);
}

static void
it_survives_every_failed_allocation(void **state)
{
    static const char *const env[] = { "LITE_PASSWORD=x", NULL };
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_config_freep) fo_config *config = NULL;
        lite *l = NULL;
        bool hit;

        fo_mem_fail_at(++n);
        rc = load_with(FO_CONFIG_TOML, lite_toml, env, NULL, &config, &err);
        if (rc == FINOPS_OK)
            rc = lite_of(config, &l, &err);
        hit = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc, hit ? FINOPS_E_MEMORY : FINOPS_OK);
        assert_true((l != NULL) == (rc == FINOPS_OK));
        lite_free(l);
    } while (rc != FINOPS_OK);
    assert_true(n > 50);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plugin_gets_what_its_section_says),
        cmocka_unit_test(yaml_says_the_same),
        cmocka_unit_test(the_environment_wins_over_the_section),
        cmocka_unit_test(what_a_plugin_refuses_names_file_and_line),
        cmocka_unit_test(a_secret_of_a_plugin_stands_in_no_file_others_can_read),
        cmocka_unit_test(values_of_a_plugin_are_not_shown),
        cmocka_unit_test(a_section_nearly_named_as_a_built_in_one_is_a_slip),
        cmocka_unit_test(a_built_in_backend_is_filled_from_its_settings),
        cmocka_unit_test(settings_made_by_hand_give_the_defaults),
        cmocka_unit_test(the_plugin_path_has_a_variable_of_its_own),
        cmocka_unit_test(it_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
