/* Plugins that come, change and go while the program runs. */
#include "registry_test.h"

#include <time.h>

#define PATIENCE_S 30 /* how long a machine that has much to do may take */

typedef struct fixture {
    finops_registry *r;
    t_folder folder;
    unsigned id;
    pthread_mutex_t lock;
    pthread_cond_t told;
    fo_str log;
} fixture;

static void
hear(finops_registry_event_kind kind, const finops_driver_info *info, void *arg)
{
    static const char *const kinds[] = { "added", "removed", "draining", "broken" };
    fixture *f = arg;

    (void)pthread_mutex_lock(&f->lock);
    fo_str_addf(&f->log, "%s %s %s\n", kinds[kind], info->name, info->version);
    (void)pthread_cond_broadcast(&f->told);
    (void)pthread_mutex_unlock(&f->lock);
}

static int
set_up(void **state)
{
    fixture *f = fo_zalloc(sizeof(*f));

    f->r = t_registry();
    f->log = FO_STR_INIT;
    (void)pthread_mutex_init(&f->lock, NULL);
    (void)pthread_cond_init(&f->told, NULL);
    t_folder_init(&f->folder);
    assert_int_equal(finops_registry_subscribe(f->r, hear, f, &f->id, NULL), FINOPS_OK);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    finops_registry_free(f->r);
    t_folder_done(&f->folder);
    (void)pthread_cond_destroy(&f->told);
    (void)pthread_mutex_destroy(&f->lock);
    fo_str_done(&f->log);
    fo_free(f);
    return 0;
}

/* Waits until just this was told, and forgets it. */
static void
await(fixture *f, const char *expected)
{
    struct timespec end;

    (void)clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_S;
    (void)pthread_mutex_lock(&f->lock);
    while (strcmp(fo_str_z(&f->log), expected) != 0)
        if (pthread_cond_timedwait(&f->told, &f->lock, &end) != 0)
            fail_msg("told \"%s\" instead of \"%s\"", fo_str_z(&f->log), expected);
    fo_str_clear(&f->log);
    (void)pthread_mutex_unlock(&f->lock);
}

static void
a_watched_folder_is_kept_in_step(void **state)
{
    fixture *f = *state;

    t_install(&f->folder, "good", "x.so"); /* was there before */
    assert_int_equal(finops_registry_watch(f->r, f->folder.path, NULL), FINOPS_OK);
    await(f, "added good 1.0\n");
    t_install(&f->folder, "good_2", "x.so");
    await(f, "removed good 1.0\nadded good 2.0\n");
    assert_int_equal(unlink(t_path(&f->folder, "x.so")), 0);
    await(f, "removed good 2.0\n");
    t_install(&f->folder, "crash_call", "y.so");
    await(f, "broken y \n");
}

static void
a_folder_that_is_made_later_is_noticed(void **state)
{
    fixture *f = *state;
    t_folder below = f->folder;

    (void)strncat(below.path, "/a/b", sizeof(below.path) - strlen(below.path) - 1);
    assert_int_equal(finops_registry_watch(f->r, below.path, NULL), FINOPS_OK);
    assert_int_equal(mkdir(t_path(&f->folder, "a"), 0755), 0);
    assert_int_equal(mkdir(below.path, 0755), 0);
    t_install(&below, "good", "x.so");
    await(f, "added good 1.0\n");
    assert_int_equal(unlink(t_path(&below, "x.so")), 0);
    assert_int_equal(rmdir(below.path), 0);
    assert_int_equal(rmdir(t_path(&f->folder, "a")), 0);
    await(f, "removed good 1.0\n");
    assert_int_equal(mkdir(t_path(&f->folder, "a"), 0755), 0);
    assert_int_equal(mkdir(below.path, 0755), 0);
    t_install(&below, "good", "x.so");
    await(f, "added good 1.0\n");
    assert_int_equal(unlink(t_path(&below, "x.so")), 0);
    assert_int_equal(rmdir(below.path), 0);
    assert_int_equal(rmdir(t_path(&f->folder, "a")), 0);
}

static void
a_registry_that_is_freed_ends_a_probe_that_hangs(void **state)
{
    fixture *f = *state;

    t_install(&f->folder, "hangs", "x.so");
    assert_int_equal(finops_registry_watch(f->r, f->folder.path, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_watch(f->r, f->folder.path, NULL), FINOPS_OK); /* two of them */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_watched_folder_is_kept_in_step, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_that_is_made_later_is_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_registry_that_is_freed_ends_a_probe_that_hangs, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
