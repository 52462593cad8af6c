/* Which file is read, and which is refused for who may read it. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "config_test.h"

typedef struct place {
    char *folder; /* temporary, and the working directory of the test */
    char *before;
    char *home, *xdg; /* "HOME=...", "XDG_CONFIG_HOME=..." */
    const char *env[3];
} place;

static int
setup(void **state)
{
    place *p = fo_zalloc(sizeof(*p));
    char template[] = "/tmp/finops-config-XXXXXX";

    if (!p || !mkdtemp(template))
        return 1;
    p->before = getcwd(NULL, 0);
    p->folder = fo_strdup(template);
    p->home = fo_format("HOME=%s/home", template);
    p->xdg = fo_format("XDG_CONFIG_HOME=%s/xdg", template);
    p->env[0] = p->home;
    *state = p;
    return chdir(template);
}

static int
teardown(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv files = FO_STRV_INIT;
    place *p = *state;
    int rc = chdir(p->folder);

    if (fo_walk(p->folder, &files, NULL) == FINOPS_OK)
        for (size_t i = 0; i < files.n; i++)
            rc |= unlink(files.items[i]);
    (void)(rmdir("home/.config/finops") + rmdir("home/.config") + rmdir("home") + rmdir("xdg/finops") +
           rmdir("xdg"));
    rc |= chdir(p->before) | rmdir(p->folder);
    free(p->before);
    fo_free(p->folder);
    fo_free(p->home);
    fo_free(p->xdg);
    fo_free(p);
    return rc;
}

static void
put(const char *path, const char *text, unsigned mode)
{
    assert_int_equal(fo_mkdirs_for(path, NULL), FINOPS_OK);
    assert_int_equal(fo_file_write_atomic(path, text, strlen(text), mode, NULL), FINOPS_OK);
    assert_int_equal(chmod(path, mode), 0);
}

static void
assert_read(const place *p, const char *path)
{
    fo_config_source source = { .env = p->env };
    FO_AUTO(fo_config_freep) fo_config *config = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    if (fo_config_load(&source, &config, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    assert_int_equal(fo_config_path(config) == NULL, path == NULL);
    if (path)
        assert_true(fo_ends(fo_config_path(config), path));
}

static void
the_usual_places_are_tried_in_order(void **state)
{
    place *p = *state;

    assert_read(p, NULL);
    put("home/.config/finops/config.yml", "", 0644);
    assert_read(p, "/home/.config/finops/config.yml");
    p->env[1] = p->xdg;
    assert_read(p, NULL); /* XDG_CONFIG_HOME takes the place of ~/.config */
    put("xdg/finops/config.yaml", "", 0644);
    assert_read(p, "/xdg/finops/config.yaml");
    put("config.yml", "", 0644);
    assert_read(p, "config.yml");
    put("config.yaml", "", 0644);
    assert_read(p, "config.yaml");
    put("config.toml", "", 0644);
    assert_read(p, "config.toml");
}

static void
a_named_file_is_read_by_its_ending(void **state)
{
    static const char *const cases[][2] = { { "a.toml", "[aws]\nbucket = \"b\"\n" },
                                            { "a.yaml", "aws:\n  bucket: b\n" },
                                            { "a.yml", "aws:\n  bucket: b\n" } };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        fo_config_source source = { .path = cases[i][0], .env = no_env };
        FO_AUTO(fo_config_freep) fo_config *config = NULL;

        put(cases[i][0], cases[i][1], 0644);
        assert_int_equal(fo_config_load(&source, &config, NULL), FINOPS_OK);
        assert_string_equal(fo_config_settings(config)->aws.bucket, "b");
    }
}

static void
assert_load_fails(const char *path, finops_code code, const char *message)
{
    fo_config_source source = { .path = path, .env = no_env };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_config *config = NULL;

    assert_int_equal(fo_config_load(&source, &config, &err), code);
    assert_non_null(strstr(finops_error_text(err), message));
    assert_null(config);
}

static void
a_named_file_that_cannot_be_used_is_an_error(void **state)
{
    (void)state;
    put("a.json", "{}", 0644);
    assert_load_fails("gone.toml", FINOPS_E_CONFIG, "gone.toml");
    assert_load_fails("a.json", FINOPS_E_CONFIG,
                      "configuration file a.json: the name must end in .toml, .yaml or .yml");
    assert_int_equal(fo_config_load(NULL, NULL, NULL), FINOPS_E_ARGUMENT);
}

static void
a_secret_that_others_can_read_is_refused_with_the_way_out(void **state)
{
    fo_config_source source = { .path = "a.toml", .env = no_env };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_config *config = NULL;

    (void)state;
    put("a.toml", "[aws]\naccess_key_id = \"AK\"\nsecret_access_key = \"HUSH\"\n", 0640);
    assert_int_equal(fo_config_load(&source, &config, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err),
                        "a.toml:2: aws.access_key_id: a secret stands in a file that others "
                        "can read (mode 0640)");
    assert_string_equal(finops_error_hint(err), "make the file yours alone: chmod 600 a.toml");

    assert_int_equal(chmod("a.toml", 0600), 0);
    assert_int_equal(fo_config_load(&source, &config, NULL), FINOPS_OK);
    fo_config_free(config);
}

static void
a_proxy_password_counts_as_a_secret_and_an_empty_one_does_not(void **state)
{
    (void)state;
    put("a.yaml", "network:\n  proxy: http://me:hush@host:1\n", 0604);
    assert_load_fails("a.yaml", FINOPS_E_CONFIG, "a.yaml:2: network.proxy: a secret stands in a file");
    put("b.yaml", "aws:\n  session_token: ''\nnetwork:\n  proxy: http://host:1\n", 0644);
    assert_read(*state, NULL); /* no file of the usual names yet */
    put("config.yaml", "aws:\n  session_token: ''\nnetwork:\n  proxy: http://host:1\n", 0644);
    assert_read(*state, "config.yaml");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_usual_places_are_tried_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_named_file_is_read_by_its_ending, setup, teardown),
        cmocka_unit_test_setup_teardown(a_named_file_that_cannot_be_used_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_secret_that_others_can_read_is_refused_with_the_way_out, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_proxy_password_counts_as_a_secret_and_an_empty_one_does_not, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
