/* The list keeps in step with the folders of plugins. */
#include "registry_test.h"

typedef struct fixture {
    finops_registry *r;
    t_folder one, two;
    char path[200]; /* both */
} fixture;

static int
set_up(void **state)
{
    fixture *f = fo_zalloc(sizeof(*f));

    f->r = t_registry();
    t_folder_init(&f->one);
    t_folder_init(&f->two);
    (void)snprintf(f->path, sizeof(f->path), "%s::%s:/does/not/exist", f->one.path, f->two.path);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    finops_registry_free(f->r);
    t_folder_done(&f->one);
    t_folder_done(&f->two);
    fo_free(f);
    return 0;
}

static unsigned
look(fixture *f)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    unsigned changes = 0;

    if (finops_registry_discover(f->r, f->path, &changes, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    return changes;
}

static void
a_plugin_comes_and_goes_with_its_file(void **state)
{
    fixture *f = *state;
    t_seen seen;

    t_install(&f->two, "good", "x.so");
    assert_int_equal(look(f), 1);
    seen = t_look(f->r, "good");
    assert_int_equal(seen.info.status, FINOPS_DRIVER_READY);
    assert_string_equal(seen.origin, t_path(&f->two, "x.so"));
    assert_string_equal(seen.version, "1.0");
    assert_int_equal(look(f), 0);
    assert_int_equal(unlink(t_path(&f->two, "x.so")), 0);
    assert_int_equal(look(f), 1);
    assert_int_equal(t_look(f->r, "good").n, 0);
}

static void
a_broken_plugin_is_listed_and_stops_nothing(void **state)
{
    fixture *f = *state;
    t_seen seen;

    t_install(&f->one, "crash_load", "a.so");
    t_install(&f->one, "good", "b.so");
    t_install(&f->one, "bad_options", "c.so");
    assert_int_equal(look(f), 3);
    assert_int_equal(t_look(f->r, "good").info.status, FINOPS_DRIVER_READY);
    seen = t_look(f->r, "a");
    assert_int_equal(seen.info.status, FINOPS_DRIVER_BROKEN);
    assert_string_equal(seen.problem, "it crashes when it is loaded (signal 11)");
    assert_non_null(strstr(t_look(f->r, "c").problem, "option depth"));
    assert_int_equal(look(f), 0); /* they are not tried again */
    t_install(&f->one, "kept", "a.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(t_look(f->r, "a").n, 0);
    assert_int_equal(t_look(f->r, "kept").info.status, FINOPS_DRIVER_READY);
}

static void
other_files_are_no_plugins(void **state)
{
    fixture *f = *state;

    t_install(&f->one, "good", "good.so.1");
    t_install(&f->one, "good", ".good.so");
    t_install(&f->one, "good", "good");
    assert_int_equal(mkdir(t_path(&f->one, "folder.so"), 0755), 0);
    assert_int_equal(look(f), 0);
    assert_int_equal(rmdir(t_path(&f->one, "folder.so")), 0);
}

static void
a_new_file_replaces_the_driver_and_drains_the_old(void **state)
{
    fixture *f = *state;
    const finops_database_driver *old = NULL, *newer = NULL;
    fo_driver_token *token = NULL, *other = NULL;

    t_install(&f->one, "good", "x.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(fo_registry_acquire_driver(f->r, "good", &old, &token, NULL), FINOPS_OK);
    t_install(&f->one, "good_2", "x.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(t_look(f->r, "good").n, 2);
    assert_int_equal(fo_registry_acquire_driver(f->r, "good", &newer, &other, NULL), FINOPS_OK);
    assert_string_equal(newer->version, "2.0");
    assert_string_equal(old->version, "1.0"); /* still in memory */
    fo_registry_release_driver(token);
    fo_registry_release_driver(other);
    assert_int_equal(t_look(f->r, "good").n, 1);
}

static void
a_file_written_over_while_it_is_in_use_harms_nobody(void **state)
{
    fixture *f = *state;
    const finops_database_driver *old = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_driver_token *token = NULL;
    void *self = NULL;

    t_install(&f->one, "good", "x.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(fo_registry_acquire_driver(f->r, "good", &old, &token, NULL), FINOPS_OK);
    t_write_over(&f->one, "good_2", "x.so");
    assert_int_equal(truncate(t_path(&f->one, "x.so"), 100), 0);
    assert_int_equal(old->open(NULL, &self, &err), FINOPS_E_UNSUPPORTED);
    assert_string_equal(finops_error_text(err), "open : version 1.0 stores nothing");
    assert_int_equal(look(f), 1);
    assert_int_equal(t_look(f->r, "x").info.status, FINOPS_DRIVER_BROKEN);
    t_write_over(&f->one, "good_2", "x.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(t_look(f->r, "good").n, 2);
    assert_string_equal(t_look(f->r, "good").version, "2.0");
    fo_registry_release_driver(token);
    assert_int_equal(t_look(f->r, "good").n, 1);
}

static void
a_new_file_that_is_broken_takes_the_old_driver_out(void **state)
{
    fixture *f = *state;

    t_install(&f->one, "good", "good.so");
    assert_int_equal(look(f), 1);
    t_install(&f->one, "missing_symbol", "good.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(t_look(f->r, "good").info.status, FINOPS_DRIVER_BROKEN);
}

static void
a_plugin_in_use_that_is_gone_drains(void **state)
{
    fixture *f = *state;
    const finops_database_driver *driver = NULL;
    fo_driver_token *token = NULL;

    t_install(&f->one, "good", "x.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(fo_registry_acquire_driver(f->r, "good", &driver, &token, NULL), FINOPS_OK);
    assert_int_equal(unlink(t_path(&f->one, "x.so")), 0);
    assert_int_equal(look(f), 1);
    assert_int_equal(t_look(f->r, "good").info.status, FINOPS_DRIVER_DRAINING);
    assert_string_equal(driver->name, "good");
    fo_registry_release_driver(token);
    assert_int_equal(t_look(f->r, "good").n, 0);
}

static void
of_two_with_one_name_the_first_wins_until_it_goes(void **state)
{
    fixture *f = *state;
    t_seen seen;

    t_install(&f->one, "good", "good.so");
    t_install(&f->two, "good_2", "second.so");
    assert_int_equal(look(f), 2);
    assert_string_equal(t_look(f->r, "good").version, "1.0");
    seen = t_look(f->r, "second");
    assert_int_equal(seen.info.status, FINOPS_DRIVER_BROKEN);
    assert_non_null(strstr(seen.problem, "the name good is taken by a driver that is from /tmp/"));
    assert_int_equal(look(f), 0);
    assert_int_equal(unlink(t_path(&f->one, "good.so")), 0);
    assert_int_equal(look(f), 2);
    assert_string_equal(t_look(f->r, "good").version, "2.0");
    assert_int_equal(t_look(f->r, "second").n, 0);
}

static void
a_plugin_does_not_take_the_name_of_a_driver_of_the_program(void **state)
{
    fixture *f = *state;
    const finops_database_driver own = t_driver("good");

    assert_int_equal(finops_registry_add(f->r, &own, NULL), FINOPS_OK);
    t_install(&f->one, "good", "x.so");
    assert_int_equal(look(f), 1);
    assert_string_equal(t_look(f->r, "x").problem,
                        "the name good is taken by a driver that is from the program");
    assert_ptr_equal(t_look(f->r, "good").info.driver, &own);
}

static void
a_driver_may_move_to_another_file(void **state)
{
    fixture *f = *state;

    t_install(&f->one, "good", "z.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(rename(t_path(&f->one, "z.so"), "/tmp/finops-registry-moving"), 0);
    assert_int_equal(rename("/tmp/finops-registry-moving", t_path(&f->one, "a.so")), 0);
    assert_int_equal(look(f), 2);
    assert_string_equal(t_look(f->r, "good").origin, t_path(&f->one, "a.so"));
}

static void
a_removed_driver_stays_out_until_its_file_changes(void **state)
{
    fixture *f = *state;

    t_install(&f->one, "good", "x.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(finops_registry_remove(f->r, "good", false, NULL), FINOPS_OK);
    assert_int_equal(look(f), 0);
    t_install(&f->one, "good_2", "x.so");
    assert_int_equal(look(f), 1);
    assert_string_equal(t_look(f->r, "good").version, "2.0");
}

static void
an_untrusted_file_comes_in_when_it_is_trusted(void **state)
{
    fixture *f = *state;

    t_install(&f->one, "good", "x.so");
    assert_int_equal(chmod(f->one.path, 0777), 0);
    assert_int_equal(look(f), 1);
    assert_non_null(strstr(t_look(f->r, "x").problem, "can be written by others"));
    assert_int_equal(chmod(f->one.path, 0755), 0);
    assert_int_equal(look(f), 1);
    assert_int_equal(t_look(f->r, "good").info.status, FINOPS_DRIVER_READY);
}

static void
plugins_of_folders_not_asked_about_stay(void **state)
{
    fixture *f = *state;
    unsigned changes = 7;

    t_install(&f->one, "good", "x.so");
    t_install(&f->two, "kept", "y.so");
    assert_int_equal(look(f), 2);
    assert_int_equal(unlink(t_path(&f->one, "x.so")), 0);
    assert_int_equal(finops_registry_discover(f->r, f->two.path, &changes, NULL), FINOPS_OK);
    assert_int_equal(changes, 0);
    assert_int_equal(t_look(f->r, "good").n, 1);
}

static void
two_registries_share_a_plugin(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_registry_freep) finops_registry *other = t_registry();

    t_install(&f->one, "good", "x.so");
    assert_int_equal(look(f), 1);
    assert_int_equal(finops_registry_discover(other, f->path, NULL, NULL), FINOPS_OK);
    assert_ptr_equal(t_look(f->r, "good").info.driver, t_look(other, "good").info.driver);
    assert_int_equal(finops_registry_remove(f->r, "good", false, NULL), FINOPS_OK);
    assert_string_equal(t_look(other, "good").info.driver->name, "good");
}

static void
it_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    finops_code rc;
    unsigned n = 0;

    t_install(&f->one, "good", "x.so");
    t_install(&f->one, "missing_symbol", "y.so");
    do {
        FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        bool hit;

        fo_mem_fail_at(++n);
        rc = finops_registry_discover(r, f->path, NULL, &err);
        hit = fo_mem_failed();
        fo_mem_fail_at(0);
        /* Without memory a plugin may also be reported as one that cannot be loaded. */
        assert_true(rc == FINOPS_OK || (hit && rc == FINOPS_E_MEMORY));
        if (rc == FINOPS_OK && !hit)
            break;
    } while (n < 1000);
    assert_true(n > 20 && n < 1000);
}

static void
the_default_folder_is_beside_the_program(void **state)
{
    FO_AUTO(fo_str_done) fo_str given = FO_STR_INIT, beside = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_registry_plugin_path("/a:/b", &given, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&given), "/a:/b");
    assert_int_equal(fo_registry_plugin_path("", &beside, NULL), FINOPS_OK);
    assert_true(fo_ends(fo_str_z(&beside), "/../lib/finops/plugins"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        EACH(a_plugin_comes_and_goes_with_its_file),
        EACH(a_broken_plugin_is_listed_and_stops_nothing),
        EACH(other_files_are_no_plugins),
        EACH(a_new_file_replaces_the_driver_and_drains_the_old),
        EACH(a_file_written_over_while_it_is_in_use_harms_nobody),
        EACH(a_new_file_that_is_broken_takes_the_old_driver_out),
        EACH(a_plugin_in_use_that_is_gone_drains),
        EACH(of_two_with_one_name_the_first_wins_until_it_goes),
        EACH(a_plugin_does_not_take_the_name_of_a_driver_of_the_program),
        EACH(a_driver_may_move_to_another_file),
        EACH(a_removed_driver_stays_out_until_its_file_changes),
        EACH(an_untrusted_file_comes_in_when_it_is_trusted),
        EACH(plugins_of_folders_not_asked_about_stay),
        EACH(two_registries_share_a_plugin),
        EACH(it_survives_every_failed_allocation),
        cmocka_unit_test(the_default_folder_is_beside_the_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
