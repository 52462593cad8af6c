/* One plugin: good ones load, bad ones are told apart and take nothing with them. */
#include "registry_test.h"

#include "base/trust.h"

#define LIMIT_US ((int64_t)1000000)

static void
add_line(const char *problem, void *arg)
{
    fo_str_addf(arg, "%s\n", problem);
}

/* What a probe says of a plugin. */
static void
assert_probe(const char *plugin, const char *expected)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str said = FO_STR_INIT;
    t_folder f;
    finops_code rc;

    t_folder_init(&f);
    t_install(&f, plugin, "x.so");
    rc = fo_plugin_probe(t_path(&f, "x.so"), LIMIT_US, NULL, add_line, &said, &err);
    assert_string_equal(fo_str_z(&said), expected);
    assert_int_equal(rc, expected[0] ? FINOPS_E_DATA : FINOPS_OK);
    t_folder_done(&f);
}

static void
a_good_plugin_has_no_problem(void **state)
{
    (void)state;
    assert_probe("good", "");
    assert_probe("kept", "");
}

static void
what_a_plugin_lacks_is_named(void **state)
{
    (void)state;
    assert_probe("missing_symbol", "it exports no symbol finops_plugin\n");
    assert_probe("refuses",
                 "it cannot work with version 1.1 of the plugin interface, which this finops has\n");
    assert_probe("wrong_abi",
                 "it was built against version 2.1 of the plugin interface, this finops has 1.1\n");
    assert_probe("wrong_driver_abi", "driver 1: it was built against version 9.3 of the driver "
                                     "interface, this finops has 1.0\n");
    assert_probe("incomplete", "driver incomplete: the required function write is missing\n");
    assert_probe("bad_options",
                 "driver bad_options: option depth: default of depth: expected a whole number, "
                 "found \"deep\"\n");
}

static void
a_crash_is_told_with_its_place(void **state)
{
    (void)state;
    assert_probe("crash_load", "it crashes when it is loaded (signal 11)\n");
    assert_probe("crash_call", "it crashes when finops_plugin() is called (signal 6)\n");
    assert_probe("crash_describe", "it crashes when its drivers are looked at (signal 11)\n");
    assert_probe("crash_unload", "it crashes when it is unloaded (signal 11)\n");
}

static void
a_plugin_that_ends_the_process_ends_only_its_own(void **state)
{
    (void)state;
    assert_probe("exits", "it ends the process when finops_plugin() is called (exit status 3)\n");
}

static void
a_plugin_that_hangs_is_given_up(void **state)
{
    (void)state;
    assert_probe("hangs", "it takes longer than 1 s when finops_plugin() is called\n");
}

static void
a_probe_stops_when_it_is_told_to(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str said = FO_STR_INIT;
    const atomic_bool stop = true;
    t_folder f;

    (void)state;
    t_folder_init(&f);
    t_install(&f, "hangs", "x.so");
    assert_int_equal(fo_plugin_probe(t_path(&f, "x.so"), 60 * LIMIT_US, &stop, add_line, &said, &err),
                     FINOPS_E_CANCELLED);
    assert_string_equal(fo_str_z(&said), "");
    t_folder_done(&f);
}

static void
a_file_that_is_no_library_is_told_so(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str said = FO_STR_INIT;
    t_folder f;

    (void)state;
    t_folder_init(&f);
    assert_int_equal(fo_file_write_atomic(t_path(&f, "x.so"), "hello", 5, 0644, NULL), FINOPS_OK);
    assert_int_equal(finops_plugin_check(t_path(&f, "x.so"), add_line, &said, &err), FINOPS_E_DATA);
    assert_true(fo_starts(fo_str_z(&said), "it cannot be loaded: "));
    assert_int_equal(finops_plugin_check(t_path(&f, "y.so"), NULL, NULL, NULL), FINOPS_E_NOT_FOUND);
    assert_int_equal(finops_plugin_check(f.path, NULL, NULL, NULL), FINOPS_E_UNSUPPORTED);
    t_folder_done(&f);
}

static void
a_symbol_nobody_has_is_named(void **state)
{
    FO_AUTO(fo_str_done) fo_str said = FO_STR_INIT;
    t_folder f;

    (void)state;
    t_folder_init(&f);
    t_install(&f, "unresolved", "x.so");
    assert_int_equal(finops_plugin_check(t_path(&f, "x.so"), add_line, &said, NULL), FINOPS_E_DATA);
    assert_non_null(strstr(fo_str_z(&said), "nobody_defines_this"));
    t_folder_done(&f);
}

static void
what_strangers_may_write_is_not_loaded(void **state)
{
    FO_AUTO(fo_str_done) fo_str said = FO_STR_INIT;
    t_folder f;
    char expected[256];

    (void)state;
    t_folder_init(&f);
    t_install(&f, "crash_load", "x.so");
    assert_int_equal(chmod(t_path(&f, "x.so"), 0775), 0);
    assert_int_equal(finops_plugin_check(t_path(&f, "x.so"), add_line, &said, NULL), FINOPS_E_DATA);
    (void)snprintf(expected, sizeof(expected), "%s can be written by others (mode 0775)\n",
                   t_path(&f, "x.so"));
    assert_string_equal(fo_str_z(&said), expected); /* and nothing of a crash */

    fo_str_clear(&said);
    assert_int_equal(chmod(t_path(&f, "x.so"), 0755), 0);
    assert_int_equal(chmod(f.path, 0757), 0);
    assert_int_equal(finops_plugin_check(t_path(&f, "x.so"), add_line, &said, NULL), FINOPS_E_DATA);
    (void)snprintf(expected, sizeof(expected), "%s can be written by others (mode 0757)\n", f.path);
    assert_string_equal(fo_str_z(&said), expected);
    t_folder_done(&f);
}

static void
a_link_counts_as_what_it_leads_to_and_where_it_lies(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    t_folder f, open;

    (void)state;
    t_folder_init(&f);
    t_folder_init(&open);
    t_install(&f, "good", "x.so");
    assert_int_equal(symlink(t_path(&f, "x.so"), t_path(&open, "y.so")), 0);
    assert_int_equal(fo_trust_file(t_path(&open, "y.so"), NULL), FINOPS_OK);
    assert_int_equal(chmod(open.path, 0777), 0);
    assert_int_equal(fo_trust_file(t_path(&open, "y.so"), NULL), FINOPS_E_DENIED);
    assert_int_equal(chmod(open.path, 0755), 0);
    assert_int_equal(chmod(f.path, 0777), 0);
    assert_int_equal(fo_trust_file(t_path(&open, "y.so"), &err), FINOPS_E_DENIED);
    assert_non_null(strstr(finops_error_text(err), f.path));
    t_folder_done(&open); /* a link that leads nowhere would not be seen */
    t_folder_done(&f);
}

/* named/x.so -> open/y.so -> installed/x.so: the folder in the middle is the open one. */
static void
each_link_on_the_way_counts_where_it_lies(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    t_folder named, open, installed;

    (void)state;
    t_folder_init(&named);
    t_folder_init(&open);
    t_folder_init(&installed);
    t_install(&installed, "good", "x.so");
    assert_int_equal(symlink(t_path(&installed, "x.so"), t_path(&open, "y.so")), 0);
    assert_int_equal(symlink(t_path(&open, "y.so"), t_path(&named, "x.so")), 0);
    assert_int_equal(fo_trust_file(t_path(&named, "x.so"), NULL), FINOPS_OK);
    assert_int_equal(chmod(open.path, 0777), 0);
    assert_int_equal(fo_trust_file(t_path(&named, "x.so"), &err), FINOPS_E_DENIED);
    assert_non_null(strstr(finops_error_text(err), open.path));
    t_folder_done(&named);
    t_folder_done(&open);
    t_folder_done(&installed);
}

/* open/plugins -> installed, and the file is named open/plugins/x.so. */
static void
a_link_to_the_folder_counts_where_it_lies(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    t_folder open, installed;

    (void)state;
    t_folder_init(&open);
    t_folder_init(&installed);
    t_install(&installed, "good", "x.so");
    assert_int_equal(symlink(installed.path, t_path(&open, "plugins")), 0);
    assert_int_equal(fo_trust_file(t_path(&open, "plugins/x.so"), NULL), FINOPS_OK);
    assert_int_equal(chmod(open.path, 0777), 0);
    assert_int_equal(fo_trust_file(t_path(&open, "plugins/x.so"), &err), FINOPS_E_DENIED);
    assert_int_equal(chmod(open.path, 0755), 0);
    if (geteuid() == 0) {
        assert_int_equal(lchown(t_path(&open, "plugins"), 12345, (gid_t)-1), 0);
        assert_int_equal(fo_trust_file(t_path(&open, "plugins/x.so"), NULL), FINOPS_E_DENIED);
    }
    assert_int_equal(unlink(t_path(&open, "plugins")), 0);
    t_folder_done(&open);
    t_folder_done(&installed);
}

static void
a_file_of_another_user_is_refused(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    t_folder f;

    (void)state;
    if (geteuid() != 0)
        skip(); /* nobody else may give a file away */
    t_folder_init(&f);
    t_install(&f, "good", "x.so");
    assert_int_equal(chown(t_path(&f, "x.so"), 12345, (gid_t)-1), 0);
    assert_int_equal(fo_trust_file(t_path(&f, "x.so"), &err), FINOPS_E_DENIED);
    assert_non_null(strstr(finops_error_text(err), "belongs to another user (uid 12345)"));
    t_folder_done(&f);
}

static void
load(const char *path, fo_plugin **ret)
{
    FO_AUTO(fo_str_done) fo_str said = FO_STR_INIT;
    const fo_plugin_observer observer = { .problem = add_line, .arg = &said };

    if (fo_plugin_load(path, &observer, ret, NULL) != FINOPS_OK)
        fail_msg("%s", fo_str_z(&said));
}

static void
a_plugin_calls_back_into_the_program(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_plugin *plugin = NULL;
    void *self = NULL;
    t_folder f;

    (void)state;
    t_folder_init(&f);
    t_install(&f, "good", "x.so");
    load(t_path(&f, "x.so"), &plugin);
    assert_int_equal(plugin->info->databases[0]->open(NULL, &self, &err), FINOPS_E_UNSUPPORTED);
    assert_string_equal(finops_error_text(err), "open : version 1.0 stores nothing");
    assert_string_equal(finops_error_hint(err), "use another one");
    fo_plugin_unref(plugin);
    t_folder_done(&f);
}

static void
a_plugin_finds_the_libraries_that_lie_beside_it(void **state)
{
    FO_AUTO(fo_str_done) fo_str said = FO_STR_INIT;
    t_folder f;

    (void)state;
    t_folder_init(&f);
    t_install(&f, "beside", "x.so");
    assert_int_equal(finops_plugin_check(t_path(&f, "x.so"), add_line, &said, NULL), FINOPS_E_DATA);
    assert_non_null(strstr(fo_str_z(&said), "libneighbour.so: cannot open shared object file"));
    t_install(&f, "libneighbour", "libneighbour.so");
    fo_str_clear(&said);
    assert_int_equal(finops_plugin_check(t_path(&f, "x.so"), add_line, &said, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&said), "");
    t_folder_done(&f);
}

static void
the_same_file_is_loaded_once(void **state)
{
    fo_plugin *one = NULL, *two = NULL, *linked = NULL;
    t_folder f;

    (void)state;
    t_folder_init(&f);
    t_install(&f, "good", "x.so");
    assert_int_equal(symlink("x.so", t_path(&f, "y.so")), 0);
    load(t_path(&f, "x.so"), &one);
    load(t_path(&f, "x.so"), &two);
    load(t_path(&f, "y.so"), &linked);
    assert_ptr_equal(one, two);
    assert_ptr_equal(one, linked);
    fo_plugin_unref(one);
    fo_plugin_unref(two);
    fo_plugin_unref(linked);
    t_folder_done(&f);
}

static void
a_file_put_in_the_place_of_one_in_use_is_loaded_beside_it(void **state)
{
    fo_plugin *old = NULL, *newer = NULL;
    t_folder f;

    (void)state;
    t_folder_init(&f);
    t_install(&f, "good", "x.so");
    load(t_path(&f, "x.so"), &old);
    t_install(&f, "good_2", "x.so");
    load(t_path(&f, "x.so"), &newer);
    assert_string_equal(old->info->version, "1.0");
    assert_string_equal(newer->info->version, "2.0");
    fo_plugin_unref(old);
    fo_plugin_unref(newer);
    t_folder_done(&f);
}

static void
a_plugin_that_wants_to_stay_is_the_same_when_it_comes_again(void **state)
{
    const finops_plugin_info *info;
    fo_plugin *plugin = NULL;
    t_folder f;

    (void)state;
    t_folder_init(&f);
    t_install(&f, "kept", "x.so");
    load(t_path(&f, "x.so"), &plugin);
    info = plugin->info;
    fo_plugin_unref(plugin);
    assert_string_equal(info->name, "kept"); /* still in memory */
    load(t_path(&f, "x.so"), &plugin);
    assert_ptr_equal(plugin->info, info);
    fo_plugin_unref(plugin);
    t_folder_done(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_plugin_has_no_problem),
        cmocka_unit_test(what_a_plugin_lacks_is_named),
        cmocka_unit_test(a_crash_is_told_with_its_place),
        cmocka_unit_test(a_plugin_that_ends_the_process_ends_only_its_own),
        cmocka_unit_test(a_plugin_that_hangs_is_given_up),
        cmocka_unit_test(a_probe_stops_when_it_is_told_to),
        cmocka_unit_test(a_file_that_is_no_library_is_told_so),
        cmocka_unit_test(a_symbol_nobody_has_is_named),
        cmocka_unit_test(what_strangers_may_write_is_not_loaded),
        cmocka_unit_test(a_link_counts_as_what_it_leads_to_and_where_it_lies),
        cmocka_unit_test(each_link_on_the_way_counts_where_it_lies),
        cmocka_unit_test(a_link_to_the_folder_counts_where_it_lies),
        cmocka_unit_test(a_file_of_another_user_is_refused),
        cmocka_unit_test(a_plugin_calls_back_into_the_program),
        cmocka_unit_test(a_plugin_finds_the_libraries_that_lie_beside_it),
        cmocka_unit_test(the_same_file_is_loaded_once),
        cmocka_unit_test(a_file_put_in_the_place_of_one_in_use_is_loaded_beside_it),
        cmocka_unit_test(a_plugin_that_wants_to_stay_is_the_same_when_it_comes_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
