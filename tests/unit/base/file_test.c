/* Files and folders, each test in a folder of its own. */
#include "base_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static int
folder_setup(void **state)
{
    char *folder = strdup("/tmp/finops-base-XXXXXX");

    *state = folder;
    return folder && mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static void
remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    const struct dirent *e;

    while (dir && (e = readdir(dir)) != NULL) {
        char *below;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        below = fo_path_join(path, e->d_name);
        assert_non_null(below);
        if (unlink(below) != 0)
            remove_tree(below);
        fo_free(below);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(path);
}

static int
folder_teardown(void **state)
{
    fo_mem_fail_at(0);
    (void)chdir("/");
    remove_tree(*state);
    free(*state);
    return 0;
}

static void
put(const char *path, const char *text)
{
    assert_int_equal(fo_mkdirs_for(path, NULL), FINOPS_OK);
    assert_int_equal(fo_file_write_atomic(path, text, strlen(text), 0644, NULL), FINOPS_OK);
}

static size_t
entries_of(const char *path)
{
    DIR *dir = opendir(path);
    size_t n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    (void)closedir(dir);
    return n - 2; /* without . and .. */
}

static void
a_file_reads_back_as_it_was_written(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
    FO_AUTO(fo_freep) char *big = fo_alloc(300000);

    (void)state;
    memset(big, 'x', 300000);
    big[150000] = '\0';
    assert_int_equal(fo_file_write_atomic("f", big, 300000, 0600, NULL), FINOPS_OK);
    fo_str_add(&s, "<");
    assert_int_equal(fo_file_read("f", 300000, &s, NULL), FINOPS_OK);
    assert_int_equal(s.len, 300001);
    assert_memory_equal(s.data + 1, big, 300000);
    assert_int_equal(fo_file_write_atomic("empty", NULL, 0, 0600, NULL), FINOPS_OK);
    fo_str_clear(&s);
    assert_int_equal(fo_file_read("empty", 0, &s, NULL), FINOPS_OK);
    assert_int_equal(s.len, 0);
}

static void
a_file_that_cannot_be_read_is_named(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    fo_str_add(&s, "kept");
    assert_int_equal(fo_file_read("none", 10, &s, &err), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_text(err), "read none: no such file or directory");
    finops_error_freep(&err);
    assert_int_equal(fo_file_read(".", 10, &s, &err), FINOPS_E_UNSUPPORTED);
    assert_string_equal(finops_error_text(err), "read .: not a regular file");
    finops_error_freep(&err);
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(fo_file_read("pipe", 10, &s, &err), FINOPS_E_UNSUPPORTED);
    assert_string_equal(fo_str_z(&s), "kept");
}

static void
a_file_over_the_limit_is_refused_and_nothing_kept(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str small = FO_STR_MAX(4);

    (void)state;
    put("f", "12345");
    fo_str_add(&s, "kept");
    assert_int_equal(fo_file_read("f", 4, &s, &err), FINOPS_E_DATA);
    assert_string_equal(finops_error_text(err), "read f: larger than 4 bytes");
    assert_string_equal(fo_str_z(&s), "kept");
    assert_int_equal(fo_file_read("f", 5, &s, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&s), "kept12345");
    assert_int_equal(fo_file_read("f", 5, &small, NULL), FINOPS_E_DATA);
}

static void
writing_replaces_the_file_and_leaves_nothing_beside_it(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
    struct stat st;

    (void)umask(022);
    put("f", "old text that is longer");
    assert_int_equal(fo_file_write_atomic("f", "new", 3, 0600, NULL), FINOPS_OK);
    assert_int_equal(fo_file_read("f", 100, &s, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&s), "new");
    assert_int_equal(stat("f", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(entries_of(*state), 1);
}

static void
a_write_that_fails_leaves_the_old_state(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    put("folder/f", "x");
    assert_int_equal(fo_file_write_atomic("none/f", "x", 1, 0600, &err), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_text(err), "write none/f: no such file or directory");
    finops_error_freep(&err);
    assert_int_not_equal(fo_file_write_atomic("folder", "x", 1, 0600, &err),
                         FINOPS_OK); /* rename onto a folder */
    assert_int_equal(entries_of(*state), 1);
    assert_int_equal(entries_of("folder"), 1);
}

/* Makes a file that was last written `age` seconds ago. */
static void
put_aged(const char *path, time_t age)
{
    const struct timespec times[] = { { .tv_sec = time(NULL) - age }, { .tv_sec = time(NULL) - age } };

    put(path, "x");
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void
what_killed_writers_left_is_removed_after_an_hour(void **state)
{
    static const char *const kept[] = { "d/f.12.1.tmp.x", "d/f.12.tmp", "d/f.a.1.tmp",  "d/f..1.tmp",
                                        "d/g.12.1.tmp",   "d/f.tmp",    "d/ff.12.1.tmp" };

    (void)state;
    put("d/f", "old");
    put_aged("d/f.12.1.tmp", 4000);
    put_aged("d/f.4294967295.77.tmp", 90000);
    put_aged("d/f.12.2.tmp", 3000); /* somebody may be at it */
    for (size_t i = 0; i < FO_COUNT(kept); i++)
        put_aged(kept[i], 90000);
    put("d/f", "new");
    assert_int_not_equal(access("d/f.12.1.tmp", F_OK), 0);
    assert_int_not_equal(access("d/f.4294967295.77.tmp", F_OK), 0);
    assert_int_equal(access("d/f.12.2.tmp", F_OK), 0);
    assert_int_equal(entries_of("d"), 2 + FO_COUNT(kept));
}

static void
folders_are_made_to_any_depth(void **state)
{
    struct stat st;

    (void)state;
    assert_int_equal(fo_mkdirs("a/b//c/", NULL), FINOPS_OK);
    assert_int_equal(stat("a/b/c", &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(fo_mkdirs("a/b/c", NULL), FINOPS_OK);
    assert_int_equal(fo_mkdirs("/", NULL), FINOPS_OK);
    assert_int_equal(fo_mkdirs(".", NULL), FINOPS_OK);
    assert_int_equal(fo_mkdirs_for("file", NULL), FINOPS_OK);
    assert_int_equal(fo_mkdirs_for("d/e/file", NULL), FINOPS_OK);
    assert_int_equal(stat("d/e", &st), 0);
    assert_int_not_equal(stat("d/e/file", &st), 0);
}

static void
a_file_in_the_way_of_a_folder_is_named(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    put("f", "x");
    assert_int_equal(fo_mkdirs("f", &err), FINOPS_E_EXISTS);
    assert_string_equal(finops_error_text(err), "create folder f: a file of that name exists");
    finops_error_freep(&err);
    assert_int_equal(fo_mkdirs("f/sub", &err), FINOPS_E_EXISTS);
}

static void
paths_are_joined_with_one_slash(void **state)
{
    static const char *const rows[][3] = {
        { "a", "b", "a/b" }, { "a/", "b", "a/b" }, { "a//", "//b", "a/b" },   { "", "b", "b" },
        { "/", "b", "/b" },  { "", "/b", "/b" },   { "/a", "b/c", "/a/b/c" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        FO_AUTO(fo_freep) char *path = fo_path_join(rows[i][0], rows[i][1]);

        assert_string_equal(path, rows[i][2]);
    }
    assert_string_equal(fo_path_base("a/b.csv"), "b.csv");
    assert_string_equal(fo_path_base("b.csv"), "b.csv");
    assert_string_equal(fo_path_base("a/"), "");
}

static void
paths_from_elsewhere_lead_below_or_are_told(void **state)
{
    static const char *const below[] = { "a", "a/b.csv", "...", "a/..b/.c", ".a" };
    static const char *const others[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(below); i++)
        assert_true(fo_path_is_below(below[i]));
    for (size_t i = 0; i < FO_COUNT(others); i++)
        assert_false(fo_path_is_below(others[i]));
}

static void
absolute_paths_have_no_dots(void **state)
{
    static const char *const rows[][2] = {
        { "/a/./b/../c//d/", "/a/c/d" },
        { "/", "/" },
        { "/..", "/" },
        { "/../../a", "/a" },
        { "/a/..", "/" },
        { "/.a/..b/...", "/.a/..b/..." },
    };
    FO_AUTO(fo_freep) char *here = getcwd(NULL, 0);
    FO_AUTO(fo_freep) char *below = fo_path_absolute("x/../y");
    FO_AUTO(fo_freep) char *same = fo_path_absolute("");
    FO_AUTO(fo_freep) char *expected = fo_path_join(here, "y");

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        FO_AUTO(fo_freep) char *path = fo_path_absolute(rows[i][0]);

        assert_string_equal(path, rows[i][1]);
    }
    assert_string_equal(below, expected);
    assert_string_equal(same, here);
}

static void
a_walk_finds_all_files_in_order(void **state)
{
    static const char *const expected[] = { "a", "b.d/x", "b/c/deep", "b/z", "link" };
    FO_AUTO(fo_strv_done) fo_strv v = FO_STRV_INIT;

    (void)state;
    assert_true(fo_strv_add(&v, "replaced"));
    put("r/b/z", "x");
    put("r/b/c/deep", "x");
    put("r/b.d/x", "x");
    put("r/a", "x");
    put("outside/secret", "x");
    assert_int_equal(fo_mkdirs("r/empty", NULL), FINOPS_OK);
    assert_int_equal(symlink("a", "r/link"), 0);
    assert_int_equal(symlink("nowhere", "r/dangling"), 0);
    assert_int_equal(symlink("../outside", "r/folder_link"), 0);
    assert_int_equal(symlink("..", "r/b/loop"), 0);
    assert_int_equal(mkfifo("r/pipe", 0600), 0);
    assert_int_equal(fo_walk("r", &v, NULL), FINOPS_OK);
    assert_int_equal(v.n, FO_COUNT(expected));
    for (size_t i = 0; i < v.n; i++)
        assert_string_equal(v.items[i], expected[i]);
}

static void
a_walk_follows_its_root_and_refuses_what_is_no_folder(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_strv_done) fo_strv v = FO_STRV_INIT;

    (void)state;
    put("r/f", "x");
    assert_int_equal(symlink("r", "root"), 0);
    assert_int_equal(fo_walk("root", &v, NULL), FINOPS_OK);
    assert_int_equal(v.n, 1);
    assert_int_equal(fo_walk("none", &v, &err), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_text(err), "list folder none: no such file or directory");
    assert_int_equal(fo_walk("r/f", &v, NULL), FINOPS_E_NOT_FOUND);
    assert_int_equal(v.n, 1); /* untouched on failure */
}

static void
a_folder_that_may_not_be_read_fails_the_walk(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_strv_done) fo_strv v = FO_STRV_INIT;

    (void)state;
    if (geteuid() == 0)
        skip(); /* root may read everything */
    assert_int_equal(fo_mkdirs("r/locked", NULL), FINOPS_OK);
    assert_int_equal(chmod("r/locked", 0), 0);
    assert_int_equal(fo_walk("r", &v, &err), FINOPS_E_DENIED);
    assert_string_equal(finops_error_text(err), "list folder r/locked: permission denied");
}

/* Each function either does its work or says that memory is short; a second try then succeeds. */
static finops_code
all_once(fo_str *s, fo_strv *v, finops_error **err)
{
    finops_code rc = fo_mkdirs_for("m/n/f", err);

    if (rc == FINOPS_OK)
        rc = fo_file_write_atomic("m/n/f", "x", 1, 0600, err);
    if (rc == FINOPS_OK)
        rc = fo_file_read("m/n/f", 10, s, err);
    if (rc == FINOPS_OK)
        rc = fo_walk("m", v, err);
    return rc;
}

static void
files_survive_every_failed_allocation(void **state)
{
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
        FO_AUTO(fo_strv_done) fo_strv v = FO_STRV_INIT;

        fo_mem_fail_at(++n);
        rc = all_once(&s, &v, &err);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        assert_int_equal(finops_error_code(err), rc);
        assert_true((v.n == 1) == (rc == FINOPS_OK));
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    assert_true(n > 8);
    assert_int_equal(entries_of("m/n"), 1);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_file_reads_back_as_it_was_written),
        IN_FOLDER(a_file_that_cannot_be_read_is_named),
        IN_FOLDER(a_file_over_the_limit_is_refused_and_nothing_kept),
        IN_FOLDER(writing_replaces_the_file_and_leaves_nothing_beside_it),
        IN_FOLDER(a_write_that_fails_leaves_the_old_state),
        IN_FOLDER(what_killed_writers_left_is_removed_after_an_hour),
        IN_FOLDER(folders_are_made_to_any_depth),
        IN_FOLDER(a_file_in_the_way_of_a_folder_is_named),
        IN_FOLDER(paths_are_joined_with_one_slash),
        IN_FOLDER(paths_from_elsewhere_lead_below_or_are_told),
        IN_FOLDER(absolute_paths_have_no_dots),
        IN_FOLDER(a_walk_finds_all_files_in_order),
        IN_FOLDER(a_walk_follows_its_root_and_refuses_what_is_no_folder),
        IN_FOLDER(a_folder_that_may_not_be_read_fails_the_walk),
        IN_FOLDER(files_survive_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
