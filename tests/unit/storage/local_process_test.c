/* Storage in files between processes: who wins, and what the dead leave. */
#include "local_test.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"

/* Forks n processes that do `work` with a storage of their own; each must end with 0. */
static void
in_processes(const place *p, unsigned n, int (*work)(local_storage *l, unsigned number))
{
    pid_t pids[16];

    assert_in_range(n, 1, FO_COUNT(pids));
    for (unsigned i = 0; i < n; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            local_storage *l = opened(at(p, "root"), "inside");
            _exit(work(l, i));
        }
    }
    for (unsigned i = 0; i < n; i++) {
        int status = -1;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
}

/* Adds one to the number in the object, forty times, each time from the version that was read. */
static int
count_up(local_storage *l, unsigned number)
{
    (void)number;
    for (int done = 0; done < 40;) {
        finops_reader *r = NULL;
        char text[24] = "", version[LOCAL_VERSION];
        size_t n = 0;
        finops_code rc;

        if (d->read(l, &(finops_get){ .key = "n", .length = -1 }, &r, NULL) != FINOPS_OK)
            return 1;
        (void)snprintf(version, sizeof(version), "%s", r->object.version);
        if (r->read(r, text, 8, &n, NULL) != FINOPS_OK || n != 8)
            return 2;
        r->close(r);
        (void)snprintf(text, sizeof(text), "%08ld", strtol(text, NULL, 10) + 1); /* always as long */
        rc = d->put(l, &(finops_put){ .key = "n", .if_version = version }, text, 8, NULL, NULL);
        if (rc != FINOPS_OK && rc != FINOPS_E_PRECONDITION)
            return 3;
        done += rc == FINOPS_OK;
    }
    return 0;
}

static void
eight_processes_that_replace_one_version_lose_no_update(void **state)
{
    const place *p = *state;

    put_text(p->l, "n", "00000000");
    in_processes(p, 8, count_up);
    is_text(p->l, "n", "00000320");
    assert_int_equal(entries_below(at(p, "root")), 1);
}

/* Every round one of all creates the object, and whoever did removes it again by its version. */
static int
create_and_remove(local_storage *l, unsigned number)
{
    for (int i = 0; i < 50; i++) {
        finops_object object = { 0 };
        char text[16];
        finops_code rc;

        (void)snprintf(text, sizeof(text), "%u", number);
        rc = d->put(l, &(finops_put){ .key = "a/lock", .create_only = true }, text, strlen(text), &object,
                    NULL);
        if (rc == FINOPS_E_EXISTS)
            continue;
        if (rc != FINOPS_OK)
            return 1;
        rc = d->put(l, &(finops_put){ .key = "a/lock", .create_only = true }, text, strlen(text), NULL, NULL);
        if (rc != FINOPS_E_EXISTS)
            return 2;
        rc = d->remove(l, &(finops_remove){ .key = "a/lock", .if_version = object.version }, NULL);
        if (rc != FINOPS_OK)
            return 3;
        finops_object_done(&object);
    }
    return 0;
}

static void
eight_processes_that_create_one_object_have_one_winner_at_a_time(void **state)
{
    const place *p = *state;

    in_processes(p, 8, create_and_remove);
    lists(p->l, &(finops_list){ .prefix = "" }, "");
}

static int
move_around(local_storage *l, unsigned number)
{
    const finops_copy there = { .from = "here/it", .to = "there/it" };
    const finops_copy back = { .from = "there/it", .to = "here/it" };

    for (int i = 0; i < 100; i++) {
        finops_code rc = d->move(l, number % 2 ? &there : &back, NULL);

        if (rc != FINOPS_OK && rc != FINOPS_E_NOT_FOUND)
            return 1;
    }
    return 0;
}

static void
an_object_moved_both_ways_is_always_somewhere(void **state)
{
    const place *p = *state;

    put_text(p->l, "here/it", "x");
    in_processes(p, 4, move_around);
    assert_int_equal(entries_below(at(p, "root")), 1);
}

/* ---- the dead ---- */

static int
begin_and_die(local_storage *l, unsigned number)
{
    finops_upload *u = NULL;
    char key[32];

    (void)snprintf(key, sizeof(key), "up/%u/file", number);
    if (d->upload(l, &(finops_put){ .key = key }, &u, NULL) != FINOPS_OK ||
        u->part(u, 1, 0, "half", 4, NULL, NULL) != FINOPS_OK)
        return 1;
    return 0; /* by _exit(): nobody closes it */
}

static bool
not_the_second(const finops_object *object, void *arg)
{
    fo_str_addf(arg, "%s %lld ", object->key, (long long)object->size);
    return strstr(object->key, "up/1") == NULL;
}

static void
what_the_dead_left_is_swept_and_what_the_living_write_is_not(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    finops_upload *mine = NULL;
    FO_AUTO(fo_str_done) fo_str seen = FO_STR_INIT;
    FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;

    in_processes(p, 2, begin_and_die);
    ok(d->upload(p->l, &(finops_put){ .key = "up/mine" }, &mine, &err), &err);
    ok(mine->part(mine, 1, 0, "all", 3, NULL, &err), &err);
    assert_int_equal(entries_below(at(p, "root")), 3);

    ok(d->sweep(p->l, "", fo_clock_now() - 3600000000LL, NULL, not_the_second, &seen, &err), &err);
    ok(d->sweep(p->l, "other", INT64_MAX, NULL, not_the_second, &seen, &err), &err);
    ok(d->sweep(p->l, "up/0/filed", INT64_MAX, NULL, not_the_second, &seen, &err), &err);
    assert_string_equal(fo_str_z(&seen), "");
    ok(d->sweep(p->l, "up/", INT64_MAX, NULL, not_the_second, &seen, &err), &err);
    assert_true(fo_strv_split(&parts, fo_str_z(&seen), ' '));
    assert_true(fo_strv_has(&parts, "up/0/file") && fo_strv_has(&parts, "up/1/file"));
    assert_int_equal(entries_below(at(p, "root")), 2);
    assert_int_not_equal(access(at(p, "root/up/0"), F_OK), 0);

    ok(d->sweep(p->l, "up/1/fi", INT64_MAX, NULL, NULL, NULL, &err), &err);
    assert_int_equal(entries_below(at(p, "root")), 1);
    ok(mine->commit(mine, 1, 3, NULL, NULL, &err), &err);
    mine->close(mine);
    is_text(p->l, "up/mine", "all");
}

static int
put_forever(local_storage *l, unsigned number)
{
    static char data[300000];

    memset(data, 'a' + (int)number, sizeof(data));
    for (size_t i = 1;; i++)
        if (d->put(l, &(finops_put){ .key = "deep/folder/file" }, data, 1 + i * 7919 % sizeof(data), NULL,
                   NULL) != FINOPS_OK)
            return 1;
}

/* X1: an object is one letter over and over, and whole. */
static void
a_put_that_is_killed_leaves_the_old_object_or_the_new(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;

    put_text(p->l, "deep/folder/file", "a");
    for (unsigned i = 0; i < 40; i++) {
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
        pid_t pid = fork();

        if (pid == 0)
            _exit(put_forever(opened(at(p, "root"), "inside"), i % 26));
        (void)usleep(1000 + i * 700);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        ok(read_text(p->l, "deep/folder/file", &text, &err), &err);
        assert_true(text.len > 0);
        for (size_t c = 1; c < text.len; c++)
            assert_int_equal(text.data[c], text.data[0]);
        lists(p->l, &(finops_list){ .prefix = "" }, "deep/folder/file ");
    }
    ok(d->sweep(p->l, "", INT64_MAX, NULL, NULL, NULL, &err), &err);
    assert_int_equal(entries_below(at(p, "root")), 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(eight_processes_that_replace_one_version_lose_no_update, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(eight_processes_that_create_one_object_have_one_winner_at_a_time,
                                        place_make, place_done),
        cmocka_unit_test_setup_teardown(an_object_moved_both_ways_is_always_somewhere, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(what_the_dead_left_is_swept_and_what_the_living_write_is_not,
                                        place_make, place_done),
        cmocka_unit_test_setup_teardown(a_put_that_is_killed_leaves_the_old_object_or_the_new, place_make,
                                        place_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
