/* The cache over a storage in memory, in a folder of its own. */
#include "layers_test.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "storage/layers/cache.h"

#define BIG 200000

typedef struct world {
    fo_stage stage, below;
    faulty *faulty;
    char folder[64];
    unsigned char *bytes;
} world;

static fo_stage
cached(world *w, uint64_t size, int64_t fresh)
{
    const fo_cache_config config = {
        .folder = w->folder, .size = size, .max_object = 1 << 20, .fresh = fresh
    };

    return wrapped(&fo_cache_layer, &config, w->below);
}

static int
setup(void **state)
{
    static world w;

    (void)snprintf(w.folder, sizeof(w.folder), "/tmp/layers-cache-XXXXXX");
    assert_non_null(mkdtemp(w.folder));
    w.faulty = faulty_memory(&w.below);
    w.stage = cached(&w, 64 << 20, 0);
    w.bytes = some_bytes(BIG);
    *state = &w;
    return 0;
}

static int
unlink_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int
teardown(void **state)
{
    world *w = *state;

    fo_stage_close(&w->stage);
    free(w->bytes);
    return nftw(w->folder, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
}

static fo_cache_figures
figures(fo_stage s)
{
    fo_cache_figures f = { 0 };

    assert_true(fo_cache_read_figures(&s, &f));
    return f;
}

static void
y2_what_was_read_is_read_from_disk_while_it_is_that_version(void **state)
{
    world *w = *state;

    put_text(w->stage, "k", "one");
    key_text_is(w->stage, "k", "one");
    assert_int_equal(w->faulty->bytes_read, 3);
    key_text_is(w->stage, "k", "one");
    assert_int_equal(w->faulty->bytes_read, 3); /* asked, but not transferred */
    assert_int_equal(w->faulty->calls[FO_OP_READ], 2);
    assert_int_equal(figures(w->stage).hits, 1);
    assert_int_equal(figures(w->stage).misses, 1);
    assert_int_equal(figures(w->stage).revalidated, 1);
    put_text(w->below, "k", "by another");
    key_text_is(w->stage, "k", "by another");
    key_text_is(w->stage, "k", "by another");
    assert_int_equal(figures(w->stage).misses, 2);
    assert_int_equal(figures(w->stage).hits, 2);
}

static void
y2_a_storage_without_conditional_reads_is_asked_for_the_version(void **state)
{
    world *w = *state;

    w->faulty->pass.less = FINOPS_STORAGE_UNLESS_VERSION;
    put_text(w->stage, "k", "one");
    key_text_is(w->stage, "k", "one");
    key_text_is(w->stage, "k", "one");
    assert_int_equal(w->faulty->calls[FO_OP_READ], 1);
    put_text(w->below, "k", "two");
    key_text_is(w->stage, "k", "two");
}

static void
y2_a_fresh_entry_asks_nobody(void **state)
{
    world *w = *state;
    fo_stage fresh = cached(w, 64 << 20, 3600);

    put_text(fresh, "k", "one");
    key_text_is(fresh, "k", "one");
    key_text_is(fresh, "k", "one");
    assert_int_equal(w->faulty->calls[FO_OP_READ], 1);
    put_text(fresh, "k", "two"); /* an own write is seen all the same */
    key_text_is(fresh, "k", "two");
    fo_pass_drop(fresh.self);
}

static void
y2_own_writes_and_removals_are_forgotten(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_get get = { .key = "k", .length = -1 };
    const finops_remove gone = { .key = "k" };
    const finops_copy move = { .from = "k", .to = "m" };
    fo_stage fresh = cached(w, 64 << 20, 3600);
    const finops_put put = { .key = "k", .size = 5 };
    finops_upload *upload = NULL;
    char back[16];
    size_t n;

    put_text(fresh, "k", "one");
    key_text_is(fresh, "k", "one");
    ok(fresh.driver->remove(fresh.self, &gone, &err), &err);
    fails(get_bytes(fresh, &get, back, sizeof(back), &n, &err), FINOPS_E_NOT_FOUND, &err);
    put_text(fresh, "k", "two");
    key_text_is(fresh, "k", "two");
    ok(fresh.driver->upload(fresh.self, &put, &upload, &err), &err);
    ok(upload->part(upload, 1, 0, "three", 5, NULL, &err), &err);
    ok(upload->commit(upload, 1, 5, NULL, NULL, &err), &err);
    upload->close(upload);
    key_text_is(fresh, "k", "three");
    ok(fresh.driver->move(fresh.self, &move, &err), &err);
    fails(get_bytes(fresh, &get, back, sizeof(back), &n, &err), FINOPS_E_NOT_FOUND, &err);
    key_text_is(fresh, "m", "three");
    const char *keys[] = { "m" };
    ok(fresh.driver->remove_many(fresh.self, keys, 1, NULL, NULL, NULL, &err), &err);
    const finops_get moved = { .key = "m", .length = -1 };
    fails(get_bytes(fresh, &moved, back, sizeof(back), &n, &err), FINOPS_E_NOT_FOUND, &err);
    fo_pass_drop(fresh.self);
}

static void
y2_what_is_written_while_it_is_read_is_not_kept(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_get get = { .key = "k", .length = -1 };
    finops_reader *reader = NULL;
    fo_stage fresh = cached(w, 64 << 20, 3600);
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    put_text(fresh, "k", "old");
    ok(fresh.driver->read(fresh.self, &get, &reader, &err), &err);
    put_text(fresh, "k", "new");
    reader_text(reader, &text);
    assert_string_equal(fo_str_z(&text), "old");
    key_text_is(fresh, "k", "new");
    fo_pass_drop(fresh.self);
}

static void
y2_ranges_are_kept_and_served_from_the_whole(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG);
    const finops_get range = { .key = "k", .offset = 65530, .length = 70000 };
    const finops_get suffix = { .key = "k", .suffix = 100 }, all = { .key = "k", .length = -1 };
    size_t n;

    ok(put_bytes(w->stage, "k", w->bytes, BIG, &err), &err);
    for (unsigned i = 0; i < 2; i++) {
        ok(get_bytes(w->stage, &range, back, BIG, &n, &err), &err);
        assert_int_equal(n, 70000);
        assert_memory_equal(back, w->bytes + 65530, n);
        assert_int_equal(w->faulty->bytes_read, 70000);
    }
    ok(get_bytes(w->stage, &all, back, BIG, &n, &err), &err);
    assert_memory_equal(back, w->bytes, BIG);
    assert_int_equal(w->faulty->bytes_read, 70000 + BIG);
    ok(get_bytes(w->stage, &suffix, back, BIG, &n, &err), &err);
    assert_int_equal(n, 100);
    assert_memory_equal(back, w->bytes + BIG - 100, n);
    assert_int_equal(w->faulty->bytes_read, 70000 + BIG);
    free(back);
}

static void
r10_a_conditional_read_is_the_storages_to_answer(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    char back[8];
    size_t n;

    put_text(w->stage, "k", "one");
    key_text_is(w->stage, "k", "one");
    ok(w->stage.driver->stat(w->stage.self, "k", NULL, &object, &err), &err);
    put_text(w->below, "k", "two");
    const finops_get pinned = { .key = "k", .length = -1, .if_version = object.version };
    fails(get_bytes(w->stage, &pinned, back, sizeof(back), &n, &err), FINOPS_E_PRECONDITION, &err);
    const finops_get unless = { .key = "k", .length = -1, .unless_version = object.version };
    ok(get_bytes(w->stage, &unless, back, sizeof(back), &n, &err), &err);
    assert_memory_equal(back, "two", 3);
}

/* As a download in parallel reads: the first range, and the others of that version. */
static void
y2_ranges_of_one_version_are_kept(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    char back[8];
    size_t n;

    put_text(w->stage, "k", "0123456789");
    ok(w->stage.driver->stat(w->stage.self, "k", NULL, &object, &err), &err);
    const finops_get pinned = { .key = "k", .offset = 5, .length = 5, .if_version = object.version };
    for (unsigned i = 0; i < 2; i++) {
        ok(get_bytes(w->stage, &pinned, back, sizeof(back), &n, &err), &err);
        assert_memory_equal(back, "56789", 5);
    }
    assert_int_equal(w->faulty->bytes_read, 5);
    put_text(w->below, "k", "abcdefghij");
    fails(get_bytes(w->stage, &pinned, back, sizeof(back), &n, &err), FINOPS_E_PRECONDITION, &err);
    const finops_get now = { .key = "k", .offset = 5, .length = 5 };
    ok(get_bytes(w->stage, &now, back, sizeof(back), &n, &err), &err);
    assert_memory_equal(back, "fghij", 5);
    fails(get_bytes(w->stage, &pinned, back, sizeof(back), &n, &err), FINOPS_E_PRECONDITION, &err);
}

/* ---- damage ---- */

static char entry_path[512];

static int
note_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    if (type == FTW_F && ftw->level == 2)
        (void)snprintf(entry_path, sizeof(entry_path), "%s", path);
    return 0;
}

static void
find_entry(const world *w)
{
    entry_path[0] = '\0';
    assert_int_equal(nftw(w->folder, note_entry, 8, FTW_PHYS), 0);
    assert_true(entry_path[0] != '\0');
}

static void
y2_a_damaged_entry_is_fetched_again(void **state)
{
    static const long at[] = { 0, 9, 20, 1000, 70000, 199000, -1 };
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG);
    const finops_get all = { .key = "k", .length = -1 };
    size_t n;

    ok(put_bytes(w->stage, "k", w->bytes, BIG, &err), &err);
    for (size_t i = 0; i < FO_COUNT(at); i++) {
        ok(get_bytes(w->stage, &all, back, BIG, &n, &err), &err);
        find_entry(w);
        int fd = open(entry_path, O_RDWR);
        assert_true(fd >= 0);
        unsigned char byte = 0;
        if (at[i] >= 0) {
            assert_int_equal(pread(fd, &byte, 1, at[i]), 1);
            byte ^= 0x10;
            assert_int_equal(pwrite(fd, &byte, 1, at[i]), 1);
        } else {
            assert_int_equal(ftruncate(fd, 100000), 0);
        }
        (void)close(fd);
        ok(get_bytes(w->stage, &all, back, BIG, &n, &err), &err);
        assert_int_equal(n, BIG);
        assert_memory_equal(back, w->bytes, BIG);
        assert_int_equal(figures(w->stage).corrupt, i + 1);
    }
    free(back);
}

static void
y2_what_was_not_read_to_its_end_is_not_kept(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_get all = { .key = "k", .length = -1 };
    finops_reader *reader = NULL;
    unsigned char back[100];
    size_t n;

    ok(put_bytes(w->stage, "k", w->bytes, BIG, &err), &err);
    ok(w->stage.driver->read(w->stage.self, &all, &reader, &err), &err);
    ok(reader->read(reader, back, sizeof(back), &n, &err), &err);
    reader->close(reader);
    entry_path[0] = '\0';
    assert_int_equal(nftw(w->folder, note_entry, 8, FTW_PHYS), 0);
    assert_string_equal(entry_path, "");
}

/* ---- size ---- */

static int64_t folder_bytes;

static int
add_bytes(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)path;
    if (type == FTW_F && ftw->level == 2)
        folder_bytes += st->st_size;
    return 0;
}

static void
y2_what_was_not_used_for_longest_goes_first(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    fo_stage small = cached(w, 1 << 20, 0);
    unsigned char *back = malloc(BIG);
    size_t n;
    char key[8];

    for (unsigned i = 0; i < 12; i++) {
        (void)snprintf(key, sizeof(key), "k%u", i);
        const finops_get get = { .key = key, .length = -1 }, first = { .key = "k0", .length = -1 };
        ok(put_bytes(small, key, w->bytes, BIG, &err), &err);
        ok(get_bytes(small, &get, back, BIG, &n, &err), &err);
        ok(get_bytes(small, &first, back, BIG, &n, &err), &err); /* used all the time */
        folder_bytes = 0;
        assert_int_equal(nftw(w->folder, add_bytes, 8, FTW_PHYS), 0);
        assert_true(folder_bytes <= 1 << 20);
    }
    assert_true(figures(small).evicted >= 7);
    uint64_t misses = figures(small).misses;
    const finops_get first = { .key = "k0", .length = -1 };
    ok(get_bytes(small, &first, back, BIG, &n, &err), &err);
    assert_int_equal(figures(small).misses, misses);
    free(back);
    fo_pass_drop(small.self);
}

static void
y2_larger_objects_are_not_kept(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    size_t big = (1 << 20) + 1, n;
    unsigned char *bytes = some_bytes(big), *back = malloc(big);
    const finops_get get = { .key = "k", .length = -1 };

    ok(put_bytes(w->stage, "k", bytes, big, &err), &err);
    for (unsigned i = 0; i < 2; i++) {
        ok(get_bytes(w->stage, &get, back, big, &n, &err), &err);
        assert_memory_equal(back, bytes, big);
    }
    assert_int_equal(figures(w->stage).misses, 2);
    free(bytes);
    free(back);
}

/* ---- others ---- */

static void
y2_processes_share_a_folder(void **state)
{
    world *w = *state;
    int status = 1;

    put_text(w->stage, "k", "shared");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const finops_get get = { .key = "k", .length = -1 };
        char back[16];
        size_t n = 0;
        bool good = get_bytes(w->stage, &get, back, sizeof(back), &n, NULL) == FINOPS_OK && n == 6;
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    key_text_is(w->stage, "k", "shared");
    assert_int_equal(figures(w->stage).hits, 1);
    assert_int_equal(figures(w->stage).misses, 0);
}

static void
y2_another_place_of_the_same_key_is_another_object(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const fo_cache_config config = {
        .folder = w->folder, .size = 1 << 20, .max_object = 1 << 20, .fresh = 60
    };
    fo_stage other, memory;

    (void)faulty_memory(&memory);
    ok(fo_cache_layer.wrap(&config, "mem://other", memory, &other, &err), &err);
    put_text(w->stage, "k", "here");
    key_text_is(w->stage, "k", "here");
    put_text(other, "k", "there");
    key_text_is(other, "k", "there");
    fo_stage_close(&other);
}

static void *
read_and_write(void *arg)
{
    world *w = arg;
    unsigned wrong = 0;
    char text[16], back[16];

    for (unsigned i = 0; i < 300; i++) {
        char key[4] = { 'k', (char)('0' + i % 4), 0 };
        const finops_get get = { .key = key, .length = -1 };
        const finops_put put = { .key = key, .size = 10 };
        size_t n = 0;
        memset(text, 'a' + (int)(i % 26), 10);
        if (i % 5 == 0)
            wrong += w->stage.driver->put(w->stage.self, &put, text, 10, NULL, NULL) != FINOPS_OK;
        finops_code rc = get_bytes(w->stage, &get, back, sizeof(back), &n, NULL);
        if (rc == FINOPS_E_NOT_FOUND)
            continue;
        wrong += rc != FINOPS_OK || n != 10;
        for (size_t j = 1; j < n; j++)
            wrong += back[j] != back[0]; /* never a mix */
    }
    return wrong ? w : NULL;
}

static void
y2_threads_never_see_a_mix(void **state)
{
    world *w = *state;
    pthread_t threads[8];

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_and_write, w), 0);
    for (unsigned i = 0; i < 8; i++) {
        void *bad = w;
        assert_int_equal(pthread_join(threads[i], &bad), 0);
        assert_null(bad);
    }
}

static void
y2_a_folder_that_cannot_be_used_is_told(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    char path[] = "/proc/no/such/folder";
    const fo_cache_config config = { .folder = path, .size = 1 << 20, .max_object = 1 };
    fo_stage none = { 0 };

    assert_true(fo_cache_layer.wrap(&config, "mem://test", w->below, &none, &err) != FINOPS_OK);
    assert_non_null(strstr(finops_error_text(err), "cache of mem://test"));
    finops_error_freep(&err);
}

/* Both write their entries at once, one of them long after the other has finished its own. */
static void
y2_storages_of_one_process_share_a_folder(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    fo_stage stages[2] = { cached(w, 64 << 20, 3600), cached(w, 64 << 20, 3600) };
    const finops_get gets[2] = { { .key = "a", .length = -1 }, { .key = "b", .length = -1 } };
    finops_reader *readers[2];
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    put_text(w->below, "a", "of the one");
    put_text(w->below, "b", "the other!");
    for (unsigned i = 0; i < 2; i++)
        ok(stages[i].driver->read(stages[i].self, &gets[i], &readers[i], &err), &err);
    for (unsigned i = 0; i < 2; i++)
        reader_text(readers[i], &text);
    for (unsigned i = 0; i < 2; i++) {
        key_text_is(stages[i], "a", "of the one");
        key_text_is(stages[i], "b", "the other!");
    }
    for (unsigned i = 0; i < 2; i++)
        fo_pass_drop(stages[i].self);
}

static unsigned folder_files;

static int
count_files(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    folder_files += type == FTW_F && path[ftw->base] != '.';
    return 0;
}

static void
y2_an_entry_the_disk_has_no_room_for_leaves_no_file(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_get all = { .key = "k", .length = -1 };
    unsigned char *back = malloc(BIG);
    struct rlimit before, small;
    size_t n;

    ok(put_bytes(w->below, "k", w->bytes, BIG, &err), &err);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){ .rlim_cur = 100000, .rlim_max = before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    ok(get_bytes(w->stage, &all, back, BIG, &n, &err), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(n, BIG);
    assert_memory_equal(back, w->bytes, BIG);
    folder_files = 0;
    assert_int_equal(nftw(w->folder, count_files, 8, FTW_PHYS), 0);
    assert_int_equal(folder_files, 0);
    free(back);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(y2_what_was_read_is_read_from_disk_while_it_is_that_version),
        TEST(y2_a_storage_without_conditional_reads_is_asked_for_the_version),
        TEST(y2_a_fresh_entry_asks_nobody),
        TEST(y2_own_writes_and_removals_are_forgotten),
        TEST(y2_what_is_written_while_it_is_read_is_not_kept),
        TEST(y2_ranges_are_kept_and_served_from_the_whole),
        TEST(r10_a_conditional_read_is_the_storages_to_answer),
        TEST(y2_ranges_of_one_version_are_kept),
        TEST(y2_a_damaged_entry_is_fetched_again),
        TEST(y2_what_was_not_read_to_its_end_is_not_kept),
        TEST(y2_what_was_not_used_for_longest_goes_first),
        TEST(y2_larger_objects_are_not_kept),
        TEST(y2_processes_share_a_folder),
        TEST(y2_another_place_of_the_same_key_is_another_object),
        TEST(y2_storages_of_one_process_share_a_folder),
        TEST(y2_an_entry_the_disk_has_no_room_for_leaves_no_file),
        TEST(y2_threads_never_see_a_mix),
        TEST(y2_a_folder_that_cannot_be_used_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
