/* The list of drivers: who is in it, who may leave, who is told. */
#include "registry_test.h"

#include "builtins.h"

static void
a_driver_is_found_by_its_name(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    const finops_database_driver a = t_driver("alpha"), b = t_driver("beta");
    const finops_database_driver *found = NULL;
    fo_driver_token *token = NULL;
    t_seen seen;

    (void)state;
    assert_int_equal(finops_registry_add(r, &b, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(r, &a, NULL), FINOPS_OK);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &token, NULL), FINOPS_OK);
    assert_ptr_equal(found, &a);
    seen = t_look(r, "alpha");
    assert_int_equal(seen.info.status, FINOPS_DRIVER_READY);
    assert_int_equal(seen.info.handles, 1);
    assert_string_equal(seen.origin, "the program");
    assert_null(seen.info.problem);
    fo_registry_release_driver(token);
    assert_int_equal(t_look(r, "alpha").info.handles, 0);
    fo_registry_release_driver(NULL);
}

static void
the_built_in_drivers_are_all_there_and_sound(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = NULL;

    (void)state;
    assert_int_equal(finops_registry_new(&r, NULL), FINOPS_OK);
    for (size_t i = 0; fo_database_builtin[i]; i++) {
        t_seen seen = t_look(r, fo_database_builtin[i]->name);

        assert_int_equal(seen.n, 1);
        assert_string_equal(seen.origin, "built in");
    }
}

static void
a_driver_that_was_compiled_out_is_known_by_name(void **state)
{
    const finops_database_driver here = t_driver("alpha"), out = { .name = "beta" };
    const finops_database_driver *const table[] = { &here, &out, NULL };
    const finops_storage_driver *const none[] = { NULL };
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_database_driver *found = NULL;
    fo_driver_token *token = NULL;

    (void)state;
    assert_int_equal(fo_registry_add_builtins(r, table, none, NULL), FINOPS_OK);
    assert_string_equal(t_look(r, "alpha").origin, "built in");
    assert_int_equal(t_look(r, "beta").info.status, FINOPS_DRIVER_ABSENT);
    assert_int_equal(fo_registry_acquire_driver(r, "beta", &found, &token, &err), FINOPS_E_UNSUPPORTED);
    assert_string_equal(finops_error_text(err), "this finops was built without beta");
    assert_int_equal(finops_registry_remove(r, "beta", true, NULL), FINOPS_E_UNSUPPORTED);
}

static void
a_wrong_driver_is_refused_with_every_reason(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_database_driver driver = t_driver("Alpha");

    (void)state;
    driver.close = NULL;
    assert_int_equal(finops_registry_add(r, &driver, &err), FINOPS_E_ARGUMENT);
    assert_string_equal(
        finops_error_text(err),
        "driver cannot be registered: its name Alpha is not of lower-case letters, digits and "
        "'_', a letter first, 32 at most; the required function close is missing");
    assert_int_equal(t_look(r, "Alpha").n, 0);
}

static void
a_name_is_taken_once(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_database_driver a = t_driver("alpha"), other = t_driver("alpha");

    (void)state;
    assert_int_equal(finops_registry_add(r, &a, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(r, &other, &err), FINOPS_E_EXISTS);
    assert_string_equal(finops_error_text(err),
                        "the name alpha is taken by a driver that is from the program");
    assert_int_equal(t_look(r, "alpha").n, 1);
}

static void
a_slip_of_a_name_is_told_which_was_meant(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    FO_AUTO(finops_error_freep) finops_error *err = NULL, *far = NULL;
    const finops_database_driver a = t_driver("snowflake"), b = t_driver("sqlite");
    const finops_database_driver *found = NULL;
    fo_driver_token *token = NULL;

    (void)state;
    assert_int_equal(finops_registry_add(r, &a, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(r, &b, NULL), FINOPS_OK);
    assert_int_equal(fo_registry_acquire_driver(r, "snowflack", &found, &token, &err), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_text(err),
                        "no database backend is called snowflack, did you mean snowflake?");
    assert_non_null(strstr(finops_error_hint(err), "there are: snowflake, sqlite"));
    assert_int_equal(fo_registry_acquire_driver(r, "x", &found, &token, &far), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_text(far), "no database backend is called x");
    assert_null(found);
    assert_null(token);
}

static void
a_driver_in_use_stays(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_database_driver a = t_driver("alpha"), *found = NULL;
    fo_driver_token *token = NULL;

    (void)state;
    assert_int_equal(finops_registry_add(r, &a, NULL), FINOPS_OK);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &token, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_remove(r, "alpha", false, &err), FINOPS_E_BUSY);
    assert_string_equal(finops_error_text(err), "driver alpha is in use: 1 open database");
    assert_int_equal(t_look(r, "alpha").info.status, FINOPS_DRIVER_READY);
    fo_registry_release_driver(token);
    assert_int_equal(finops_registry_remove(r, "alpha", false, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_remove(r, "alpha", false, NULL), FINOPS_E_NOT_FOUND);
}

static void
a_draining_driver_goes_with_its_last_handle_and_frees_its_name_at_once(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_database_driver a = t_driver("alpha"), newer = t_driver("alpha"), *found = NULL;
    fo_driver_token *one = NULL, *two = NULL, *three = NULL;

    (void)state;
    assert_int_equal(finops_registry_add(r, &a, NULL), FINOPS_OK);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &one, NULL), FINOPS_OK);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &two, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_remove(r, "alpha", true, NULL), FINOPS_OK);
    assert_int_equal(t_look(r, "alpha").info.status, FINOPS_DRIVER_DRAINING);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &three, &err), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_text(err), "database backend alpha is being removed");

    assert_int_equal(finops_registry_add(r, &newer, NULL), FINOPS_OK);
    assert_int_equal(t_look(r, "alpha").n, 2);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &three, NULL), FINOPS_OK);
    assert_ptr_equal(found, &newer);
    fo_registry_release_driver(one);
    assert_int_equal(t_look(r, "alpha").n, 2);
    fo_registry_release_driver(two);
    assert_int_equal(t_look(r, "alpha").n, 1);
    assert_int_equal(t_look(r, "alpha").info.status, FINOPS_DRIVER_READY);
    fo_registry_release_driver(three);
}

static void
a_smaller_driver_of_the_past_has_the_new_functions_empty(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    const size_t size = offsetof(finops_database_driver, begin);
    finops_database_driver whole = t_driver("alpha");
    finops_database_driver *old = fo_alloc(size); /* a read behind its end is seen by the sanitizer */
    const finops_database_driver *found = NULL;
    fo_driver_token *token = NULL;

    (void)state;
    whole.size = (uint32_t)size;
    memcpy(old, &whole, size);
    assert_int_equal(finops_registry_add(r, old, NULL), FINOPS_OK);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &token, NULL), FINOPS_OK);
    assert_true(found->tables == t_tables);
    assert_true(found->begin == NULL && found->unlock == NULL);
    fo_registry_release_driver(token);
    assert_int_equal(finops_registry_remove(r, "alpha", false, NULL), FINOPS_OK);
    fo_free(old);
}

static void
write_event(finops_registry_event_kind kind, const finops_driver_info *info, void *arg)
{
    static const char *const kinds[] = { "added", "removed", "draining", "broken" };

    fo_str_addf(arg, "%s %s\n", kinds[kind], info->name);
}

static void
every_change_is_told_in_its_order(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    FO_AUTO(fo_str_done) fo_str log = FO_STR_INIT;
    const finops_database_driver a = t_driver("alpha"), *found = NULL;
    fo_driver_token *token = NULL;
    unsigned id = 0;

    (void)state;
    assert_int_equal(finops_registry_subscribe(r, write_event, &log, &id, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(r, &a, NULL), FINOPS_OK);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &token, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_remove(r, "alpha", false, NULL), FINOPS_E_BUSY);
    assert_int_equal(finops_registry_remove(r, "alpha", true, NULL), FINOPS_OK);
    fo_registry_release_driver(token);
    assert_int_equal(fo_registry_add_broken(r, "/p/beta.so", "no", NULL), FINOPS_OK);
    assert_int_equal(fo_registry_drop_origin(r, "/p/beta.so"), 1);
    assert_string_equal(fo_str_z(&log),
                        "added alpha\ndraining alpha\nremoved alpha\nbroken beta\nremoved beta\n");
    finops_registry_unsubscribe(r, id);
    assert_int_equal(finops_registry_add(r, &a, NULL), FINOPS_OK);
    assert_null(strstr(fo_str_z(&log), "beta\nadded alpha"));
}

static void
a_broken_plugin_is_told_when_asked_for_and_takes_no_name(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_database_driver a = t_driver("alpha"), *found = NULL;
    fo_driver_token *token = NULL;
    t_seen seen;

    (void)state;
    assert_int_equal(fo_registry_add_broken(r, "/p/alpha.so", "it crashes", NULL), FINOPS_OK);
    seen = t_look(r, "alpha");
    assert_int_equal(seen.info.status, FINOPS_DRIVER_BROKEN);
    assert_string_equal(seen.origin, "/p/alpha.so");
    assert_string_equal(seen.problem, "it crashes");
    assert_string_equal(seen.version, "");
    assert_null(seen.info.driver);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &token, &err), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_text(err), "plugin /p/alpha.so cannot be used: it crashes");

    assert_int_equal(finops_registry_add(r, &a, NULL), FINOPS_OK);
    assert_int_equal(fo_registry_acquire_driver(r, "alpha", &found, &token, NULL), FINOPS_OK);
    fo_registry_release_driver(token);
}

static void
count_and_compare(const finops_driver_info *info, void *arg)
{
    char *last = arg;

    assert_true(strcmp(last, info->name) <= 0);
    (void)snprintf(last, 64, "%s", info->name);
}

static void
a_thousand_drivers_are_listed_by_name(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    finops_database_driver *drivers = fo_array(1000, sizeof(*drivers));
    char(*names)[16] = fo_array(1000, sizeof(*names));
    char last[64] = "";

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "driver_%u", i * 7919 % 1000);
        drivers[i] = t_driver(names[i]);
        assert_int_equal(finops_registry_add(r, &drivers[i], NULL), FINOPS_OK);
    }
    finops_registry_each(r, count_and_compare, last);
    assert_string_equal(last, "driver_999");
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(finops_registry_remove(r, names[i], false, NULL), FINOPS_OK);
    assert_int_equal(t_look(r, "driver_1").n, 0);
    fo_free(drivers);
    fo_free(names);
}

static void
it_survives_every_failed_allocation(void **state)
{
    const finops_database_driver a = t_driver("alpha"), *found = NULL;
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_registry_freep) finops_registry *r = NULL;
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        fo_driver_token *token = NULL;
        bool hit;

        fo_mem_fail_at(++n);
        rc = fo_registry_new_empty(&r, &err);
        if (rc == FINOPS_OK)
            rc = finops_registry_add(r, &a, &err);
        if (rc == FINOPS_OK)
            rc = fo_registry_acquire_driver(r, "alpha", &found, &token, &err);
        if (rc == FINOPS_OK)
            rc = fo_registry_add_broken(r, "/p/x.so", "no", &err);
        hit = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc, hit ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_registry_release_driver(token);
    } while (rc != FINOPS_OK);
    assert_true(n > 5);
}

static void
mistakes_of_a_caller_are_answered(void **state)
{
    FO_AUTO(finops_registry_freep) finops_registry *r = t_registry();
    const finops_database_driver a = t_driver("alpha");
    unsigned id;

    (void)state;
    assert_int_equal(finops_registry_new(NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_registry_add(NULL, &a, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_registry_add(r, NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_registry_remove(r, NULL, true, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_registry_subscribe(r, NULL, NULL, &id, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_registry_discover(r, NULL, NULL, NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_registry_watch(NULL, "/p", NULL), FINOPS_E_ARGUMENT);
    assert_int_equal(finops_plugin_check(NULL, NULL, NULL, NULL), FINOPS_E_ARGUMENT);
    finops_registry_each(NULL, count_and_compare, NULL);
    finops_registry_unsubscribe(r, 77);
    finops_registry_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driver_is_found_by_its_name),
        cmocka_unit_test(the_built_in_drivers_are_all_there_and_sound),
        cmocka_unit_test(a_driver_that_was_compiled_out_is_known_by_name),
        cmocka_unit_test(a_wrong_driver_is_refused_with_every_reason),
        cmocka_unit_test(a_name_is_taken_once),
        cmocka_unit_test(a_slip_of_a_name_is_told_which_was_meant),
        cmocka_unit_test(a_driver_in_use_stays),
        cmocka_unit_test(a_draining_driver_goes_with_its_last_handle_and_frees_its_name_at_once),
        cmocka_unit_test(a_smaller_driver_of_the_past_has_the_new_functions_empty),
        cmocka_unit_test(every_change_is_told_in_its_order),
        cmocka_unit_test(a_broken_plugin_is_told_when_asked_for_and_takes_no_name),
        cmocka_unit_test(a_thousand_drivers_are_listed_by_name),
        cmocka_unit_test(it_survives_every_failed_allocation),
        cmocka_unit_test(mistakes_of_a_caller_are_answered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
