/* Storage in files: the root nobody leaves, folders that come and go, disks that are full. */
#include "local_test.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/xattr.h>

#include "base/clock.h"

/* ---- confinement ---- */

static void
a_key_that_is_no_path_of_a_file_is_refused(void **state)
{
    static const char *const keys[] = { "",      "/a",   "a/",        "a//b",         "./a",  "a/.",
                                        "a/./b", "..",   "../a",      "a/../b",       "a/..", "/",
                                        "//",    "a/b/", ".finops~x", "a/.finops~1/b" };
    const place *p = *state;
    char longest[300];
    finops_error *err = NULL;
    finops_object object;

    for (size_t i = 0; i < FO_COUNT(keys); i++) {
        const finops_get get = { .key = keys[i], .length = -1 };
        finops_reader *reader = NULL;

        fails(d->put(p->l, &(finops_put){ .key = keys[i] }, "x", 1, NULL, &err), FINOPS_E_ARGUMENT, &err);
        fails(d->stat(p->l, keys[i], NULL, &object, &err), FINOPS_E_ARGUMENT, &err);
        fails(d->read(p->l, &get, &reader, &err), FINOPS_E_ARGUMENT, &err);
        fails(d->remove(p->l, &(finops_remove){ .key = keys[i] }, &err), FINOPS_E_ARGUMENT, &err);
    }
    memset(longest, 'x', sizeof(longest));
    longest[256] = '\0';
    fails(d->put(p->l, &(finops_put){ .key = longest }, "x", 1, NULL, &err), FINOPS_E_ARGUMENT, &err);
    longest[255] = '\0';
    put_text(p->l, longest, "fits");
    is_text(p->l, longest, "fits");
}

/* The suite lets a store of files refuse it, for HDFS. */
static void
a_key_with_a_colon_is_kept(void **state)
{
    const place *p = *state;

    put_text(p->l, "a:b", "x");
    is_text(p->l, "a:b", "x");
}

static void
no_link_leads_out(const place *p)
{
    finops_error *err = NULL;
    finops_object object;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    fails(read_text(p->l, "out", &text, &err), FINOPS_E_DENIED, &err);
    fails(read_text(p->l, "out_absolute", &text, &err), FINOPS_E_DENIED, &err);
    fails(read_text(p->l, "deep/out", &text, &err), FINOPS_E_DENIED, &err);
    fails(read_text(p->l, "folder/secret", &text, &err), FINOPS_E_DENIED, &err);
    fails(d->stat(p->l, "folder/secret", NULL, &object, &err), FINOPS_E_DENIED, &err);
    fails(d->put(p->l, &(finops_put){ .key = "folder/new" }, "x", 1, NULL, &err), FINOPS_E_DENIED, &err);
    fails(d->put(p->l, &(finops_put){ .key = "folder/a/b" }, "x", 1, NULL, &err), FINOPS_E_DENIED, &err);
    fails(d->remove(p->l, &(finops_remove){ .key = "folder/secret" }, &err), FINOPS_E_DENIED, &err);
    fails(d->copy(p->l, &(finops_copy){ .from = "out", .to = "mine" }, NULL, &err), FINOPS_E_DENIED, &err);
    fails(read_text(p->l, "circle", &text, &err), FINOPS_E_DENIED, &err);
    assert_int_equal(access(at(p, "outside/secret"), F_OK), 0);
    assert_int_equal(entries_below(at(p, "outside")), 1);
}

static void
links_out(const place *p)
{
    file_write(at(p, "outside/secret"), "secret");
    put_text(p->l, "deep/file", "x");
    assert_int_equal(symlink("../outside/secret", at(p, "root/out")), 0);
    assert_int_equal(symlink(at(p, "outside/secret"), at(p, "root/out_absolute")), 0);
    assert_int_equal(symlink("../../outside/secret", at(p, "root/deep/out")), 0);
    assert_int_equal(symlink("../outside", at(p, "root/folder")), 0);
    assert_int_equal(symlink("circle", at(p, "root/circle")), 0);
}

static void
a_link_that_leads_out_is_not_followed(void **state)
{
    const place *p = *state;

    links_out(p);
    no_link_leads_out(p);
    lists(p->l, &(finops_list){ .prefix = "" }, "deep/file deep/out out out_absolute ");
    lists(p->l, &(finops_list){ .prefix = "folder/" }, "");
    put_text(p->l, "out", "mine");
    is_text(p->l, "out", "mine");
    assert_int_equal(entries_below(at(p, "outside")), 1);
}

static void
without_openat2_a_link_leads_out_no_more_than_with(void **state)
{
    const place *p = *state;

    atomic_store(&p->l->no_openat2, true);
    links_out(p);
    no_link_leads_out(p);
    put_text(p->l, "a/b/c", "x");
    is_text(p->l, "a/b/c", "x");
    lists(p->l, &(finops_list){ .prefix = "a/b/" }, "a/b/c ");
}

static void
links_within(const place *p)
{
    put_text(p->l, "a/b/file", "here");
    assert_int_equal(symlink("b/file", at(p, "root/a/relative")), 0);
    assert_int_equal(symlink("../a/b/../b/./file", at(p, "root/a/around")), 0);
    assert_int_equal(symlink(at(p, "root/a/b/file"), at(p, "root/absolute")), 0);
    assert_int_equal(symlink("a/relative", at(p, "root/twice")), 0);
    assert_int_equal(symlink("nothing", at(p, "root/dangling")), 0);
    assert_int_equal(symlink("a", at(p, "root/folder")), 0);
    is_text(p->l, "a/relative", "here");
    is_text(p->l, "a/around", "here");
    is_text(p->l, "absolute", "here");
    is_text(p->l, "twice", "here");
    lists(p->l, &(finops_list){ .prefix = "" }, "a/around a/b/file a/relative absolute twice ");
}

static void
a_link_to_a_file_within_is_that_file(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    links_within(p);
    fails(read_text(p->l, "dangling", &text, &err), FINOPS_E_NOT_FOUND, &err);
    fails(read_text(p->l, "folder/relative", &text, &err), FINOPS_E_DENIED, &err);
    put_text(p->l, "absolute", "replaced"); /* the link, not what it leads to */
    put_text(p->l, "dangling", "replaced");
    is_text(p->l, "absolute", "replaced");
    is_text(p->l, "a/b/file", "here");
    fails(d->move(p->l, &(finops_copy){ .from = "twice", .to = "b/twice" }, &err), FINOPS_E_ARGUMENT, &err);
    ok(d->copy(p->l, &(finops_copy){ .from = "twice", .to = "b/twice" }, NULL, &err), &err);
    is_text(p->l, "b/twice", "here");
}

static void
without_openat2_links_within_work_too(void **state)
{
    const place *p = *state;

    atomic_store(&p->l->no_openat2, true);
    links_within(p);
}

static void
links_to_any_file_can_be_allowed(void **state)
{
    const place *p = *state;
    local_storage *all = opened(at(p, "root"), "all");
    finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    links_out(p);
    is_text(all, "out", "secret");
    is_text(all, "deep/out", "secret");
    fails(read_text(all, "folder/secret", &text, &err), FINOPS_E_DENIED, &err);
    lists(all, &(finops_list){ .prefix = "" }, "deep/file deep/out out out_absolute ");
    d->close(all);
}

/* ---- folders ---- */

static void
an_object_is_no_folder_and_a_folder_no_object(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    finops_object object;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    put_text(p->l, "a", "1");
    put_text(p->l, "b/c", "2");
    fails(d->put(p->l, &(finops_put){ .key = "a/b" }, "x", 1, NULL, &err), FINOPS_E_ARGUMENT, &err);
    fails(d->put(p->l, &(finops_put){ .key = "a/b/c/d" }, "x", 1, NULL, &err), FINOPS_E_ARGUMENT, &err);
    fails(d->put(p->l, &(finops_put){ .key = "b" }, "x", 1, NULL, &err), FINOPS_E_ARGUMENT, &err);
    fails(d->put(p->l, &(finops_put){ .key = "b", .create_only = true }, "x", 1, NULL, &err),
          FINOPS_E_ARGUMENT, &err);
    fails(d->move(p->l, &(finops_copy){ .from = "a", .to = "b" }, &err), FINOPS_E_ARGUMENT, &err);
    fails(d->move(p->l, &(finops_copy){ .from = "a", .to = "a/b" }, &err), FINOPS_E_ARGUMENT, &err);
    fails(d->move(p->l, &(finops_copy){ .from = "b", .to = "x" }, &err), FINOPS_E_NOT_FOUND, &err);
    fails(d->stat(p->l, "b", NULL, &object, &err), FINOPS_E_NOT_FOUND, &err);
    fails(d->stat(p->l, "a/b", NULL, &object, &err), FINOPS_E_NOT_FOUND, &err);
    fails(read_text(p->l, "b", &text, &err), FINOPS_E_ARGUMENT, &err);
    ok(d->remove(p->l, &(finops_remove){ .key = "b" }, &err), &err);
    lists(p->l, &(finops_list){ .prefix = "" }, "a b/c ");
    assert_int_equal(entries_below(at(p, "root")), 2);
}

static void
folders_that_were_made_for_an_object_go_with_the_last(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;

    put_text(p->l, "a/b/c/one", "1");
    put_text(p->l, "a/b/two", "2");
    ok(d->remove(p->l, &(finops_remove){ .key = "a/b/c/one" }, &err), &err);
    assert_int_not_equal(access(at(p, "root/a/b/c"), F_OK), 0);
    ok(d->move(p->l, &(finops_copy){ .from = "a/b/two", .to = "d/e/two" }, &err), &err);
    assert_int_not_equal(access(at(p, "root/a"), F_OK), 0);
    ok(d->remove(p->l, &(finops_remove){ .key = "d/e/two" }, &err), &err);
    ok(d->remove(p->l, &(finops_remove){ .key = "d/e/two" }, &err), &err);
    assert_int_not_equal(access(at(p, "root/d"), F_OK), 0);
    assert_int_equal(access(at(p, "root"), F_OK), 0);
}

static void
a_folder_that_somebody_else_made_stays(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;

    file_write(at(p, "root/incoming/file"), "x");
    ok(d->remove(p->l, &(finops_remove){ .key = "incoming/file" }, &err), &err);
    assert_int_equal(access(at(p, "root/incoming"), F_OK), 0);
    lists(p->l, &(finops_list){ .prefix = "", .children = true }, "");
    put_text(p->l, "incoming/deep/file", "x");
    lists(p->l, &(finops_list){ .prefix = "", .children = true }, "incoming/ ");
    ok(d->remove(p->l, &(finops_remove){ .key = "incoming/deep/file" }, &err), &err);
    assert_int_not_equal(access(at(p, "root/incoming/deep"), F_OK), 0);
    assert_int_equal(access(at(p, "root/incoming"), F_OK), 0);
}

#define TURNS 100

static void *
come_and_go(void *arg)
{
    local_storage *l = arg;
    finops_error *err = NULL;

    for (int i = 0; i < TURNS && !err; i++)
        if (d->put(l, &(finops_put){ .key = "a/b/c/d" }, "x", 1, NULL, &err) == FINOPS_OK)
            (void)d->remove(l, &(finops_remove){ .key = "a/b/c/d" }, &err);
    return err;
}

static void
puts_and_removals_of_one_folder_do_not_fail_each_other(void **state)
{
    const place *p = *state;
    pthread_t threads[4];
    void *problem;

    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, p->l), 0);
    for (size_t i = 0; i < FO_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &problem), 0);
        if (problem)
            fail_msg("%s", finops_error_text(problem));
    }
    assert_int_equal(entries_below(at(p, "root")), 0);
    assert_int_not_equal(access(at(p, "root/a"), F_OK), 0);
}

/* ---- failures ---- */

static void
a_put_that_does_not_fit_leaves_the_old_object_and_nothing_else(void **state)
{
    static char big[256 << 10];
    const struct rlimit little = { .rlim_cur = 64 << 10, .rlim_max = RLIM_INFINITY };
    const place *p = *state;
    struct rlimit before;
    finops_error *err = NULL;
    finops_code rc;

    put_text(p->l, "a/b", "old");
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    rc = d->put(p->l, &(finops_put){ .key = "a/b" }, big, sizeof(big), NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(rc, FINOPS_E_IO);
    assert_non_null(strstr(finops_error_text(err), "file too large"));
    finops_error_freep(&err);
    is_text(p->l, "a/b", "old");
    assert_int_equal(entries_below(at(p, "root")), 1);
}

static void
a_failed_put_takes_its_folders_back(void **state)
{
    static char big[256 << 10];
    static const finops_call late = { .deadline_us = 1 };
    const place *p = *state;
    finops_error *err = NULL;
    finops_upload *u = NULL;

    put_text(p->l, "keep", "x");
    fails(d->put(p->l, &(finops_put){ .key = "x/y/z", .call = &late }, big, sizeof(big), NULL, &err),
          FINOPS_E_TIMEOUT, &err);
    assert_int_not_equal(access(at(p, "root/x"), F_OK), 0);
    ok(d->upload(p->l, &(finops_put){ .key = "x/y/z" }, &u, &err), &err);
    ok(u->part(u, 1, 0, big, sizeof(big), NULL, &err), &err);
    assert_int_equal(access(at(p, "root/x/y"), F_OK), 0);
    u->close(u);
    assert_int_not_equal(access(at(p, "root/x"), F_OK), 0);
}

static void
a_root_that_is_a_file_is_a_mistake_of_the_configuration(void **state)
{
    const place *p = *state;
    local_storage *l = opened(at(p, "file"), "inside");
    finops_error *err = NULL;

    file_write(at(p, "file"), "x");
    fails(d->put(l, &(finops_put){ .key = "a" }, "x", 1, NULL, &err), FINOPS_E_CONFIG, &err);
    fails(d->list(l, &(finops_list){ .prefix = "" }, keys_add, NULL, &err), FINOPS_E_CONFIG, &err);
    d->close(l);
}

static void
a_root_that_is_not_there_is_empty(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    finops_object object;

    lists(p->l, &(finops_list){ .prefix = "" }, "");
    fails(d->stat(p->l, "a", NULL, &object, &err), FINOPS_E_NOT_FOUND, &err);
    ok(d->remove(p->l, &(finops_remove){ .key = "a" }, &err), &err);
    ok(d->sweep(p->l, "", INT64_MAX, NULL, NULL, NULL, &err), &err);
    assert_int_not_equal(access(at(p, "root"), F_OK), 0);
}

static void
a_pipe_is_no_object(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    put_text(p->l, "a", "x");
    assert_int_equal(mkfifo(at(p, "root/pipe"), 0600), 0);
    lists(p->l, &(finops_list){ .prefix = "" }, "a ");
    fails(read_text(p->l, "pipe", &text, &err), FINOPS_E_ARGUMENT, &err);
}

static void
a_file_written_into_while_it_is_read_is_noticed(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    finops_reader *reader = NULL;
    char block[4];
    size_t n;
    int fd;

    put_text(p->l, "a", "12345678");
    ok(d->read(p->l, &(finops_get){ .key = "a", .length = -1 }, &reader, &err), &err);
    ok(reader->read(reader, block, 4, &n, &err), &err);
    fd = open(at(p, "root/a"), O_WRONLY);
    assert_int_equal(pwrite(fd, "XXXXXXXX", 8, 0), 8);
    (void)close(fd);
    fails(reader->read(reader, block, 4, &n, &err), FINOPS_E_PRECONDITION, &err);
    reader->close(reader);
}

static void
a_file_with_two_names_is_moved_from_one_to_the_other(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;

    put_text(p->l, "a", "x");
    assert_int_equal(link(at(p, "root/a"), at(p, "root/b")), 0);
    ok(d->move(p->l, &(finops_copy){ .from = "a", .to = "b" }, &err), &err);
    lists(p->l, &(finops_list){ .prefix = "" }, "b ");
}

static void
a_file_system_without_attributes_refuses_metadata(void **state)
{
    const place *p = *state;
    const finops_metadata owner = { "owner", "me" };
    const finops_put put = { .key = "a", .metadata = &owner, .n_metadata = 1 };
    finops_error *err = NULL;

    assert_true((d->features(p->l) & FINOPS_STORAGE_METADATA) != 0);
    atomic_store(&p->l->attributes, -1);
    assert_true((d->features(p->l) & FINOPS_STORAGE_METADATA) == 0);
    fails(d->put(p->l, &put, "x", 1, NULL, &err), FINOPS_E_UNSUPPORTED, &err);
    put_text(p->l, "a", "x");
    is_text(p->l, "a", "x");
}

static void
two_versions_made_at_once_differ(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    FO_AUTO(fo_strv_done) fo_strv versions = FO_STRV_INIT;

    for (int i = 0; i < 300; i++) {
        finops_object object;

        ok(d->put(p->l, &(finops_put){ .key = "a" }, "same", 4, &object, &err), &err);
        assert_true(fo_strv_add(&versions, object.version));
        finops_object_done(&object);
    }
    fo_strv_sort(&versions);
    for (size_t i = 1; i < versions.n; i++)
        assert_string_not_equal(versions.items[i - 1], versions.items[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_that_is_no_path_of_a_file_is_refused, place_make, place_done),
        cmocka_unit_test_setup_teardown(a_key_with_a_colon_is_kept, place_make, place_done),
        cmocka_unit_test_setup_teardown(a_link_that_leads_out_is_not_followed, place_make, place_done),
        cmocka_unit_test_setup_teardown(without_openat2_a_link_leads_out_no_more_than_with, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(a_link_to_a_file_within_is_that_file, place_make, place_done),
        cmocka_unit_test_setup_teardown(without_openat2_links_within_work_too, place_make, place_done),
        cmocka_unit_test_setup_teardown(links_to_any_file_can_be_allowed, place_make, place_done),
        cmocka_unit_test_setup_teardown(an_object_is_no_folder_and_a_folder_no_object, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(folders_that_were_made_for_an_object_go_with_the_last, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(a_folder_that_somebody_else_made_stays, place_make, place_done),
        cmocka_unit_test_setup_teardown(puts_and_removals_of_one_folder_do_not_fail_each_other, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(a_put_that_does_not_fit_leaves_the_old_object_and_nothing_else,
                                        place_make, place_done),
        cmocka_unit_test_setup_teardown(a_failed_put_takes_its_folders_back, place_make, place_done),
        cmocka_unit_test_setup_teardown(a_root_that_is_a_file_is_a_mistake_of_the_configuration, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(a_root_that_is_not_there_is_empty, place_make, place_done),
        cmocka_unit_test_setup_teardown(a_pipe_is_no_object, place_make, place_done),
        cmocka_unit_test_setup_teardown(a_file_written_into_while_it_is_read_is_noticed, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(a_file_with_two_names_is_moved_from_one_to_the_other, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(a_file_system_without_attributes_refuses_metadata, place_make,
                                        place_done),
        cmocka_unit_test_setup_teardown(two_versions_made_at_once_differ, place_make, place_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
