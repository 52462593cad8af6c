/* Files of a service, which here is a storage in memory. */
#include "storage/storage_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/files_internal.h"
#include "storage/memory/driver.h"
#include "storage/storage.h"
#include "storage/writer.h"

#define BASE "test://box"
#define BIG ((size_t)10 << 20) /* a first block, a whole one and some */

static const finops_storage_driver *const d = &fo_memory_driver;

/* The memory outlives the storages that are opened over it. */
typedef struct fixture {
    fo_files_places places; /* first */
    finops_storage_driver driver;
    void *memory;
    fo_engine *engine;
    fo_files *files;
    unsigned opened;
} fixture;

static void
stay(void *self)
{
    (void)self;
}

static finops_code
places_open(fo_files_places *places, const fo_aws_settings *aws, const char *address, finops_storage **ret,
            char **ret_base, finops_error **err)
{
    fixture *f = (fixture *)places;
    fo_stage stage = { .driver = &f->driver, .self = f->memory };
    char *base;
    finops_code rc;

    (void)aws, (void)address;
    base = fo_strdup(BASE);
    rc = base ? fo_storage_over(&stage, BASE, ret, err) : fo_error_oom(err);
    if (rc != FINOPS_OK) {
        fo_free(base);
        return rc;
    }
    f->opened++;
    *ret_base = base;
    return rc;
}

static finops_code
places_native(fo_files_places *places, finops_storage *storage, const finops_call *call, fo_files_native *ret,
              finops_error **err)
{
    (void)places, (void)storage, (void)call, (void)ret, (void)err;
    return FINOPS_OK;
}

static finops_code
places_fetch(fo_files_places *places, finops_storage *storage, const finops_get *get, int fd,
             const char *label, finops_object *ret, finops_error **err)
{
    (void)places;
    return fo_storage_download_fd(storage, get, fd, label, NULL, ret, err);
}

static int
setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    const fo_engine_options options = { .threads = 1 };
    const fo_files_options files = { .places = &f->places };

    f->places = (fo_files_places){
        .open = places_open, .native = places_native, .fetch = places_fetch, .temporary = "/tmp"
    };
    f->driver = *d;
    f->driver.close = stay;
    assert_int_equal(d->open(NULL, &f->memory, NULL), FINOPS_OK);
    assert_int_equal(fo_engine_open(&options, &f->engine, NULL), FINOPS_OK);
    assert_int_equal(fo_files_open(f->engine, &files, &f->files, NULL), FINOPS_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    fo_files_close(f->files);
    fo_engine_close(f->engine);
    d->close(f->memory);
    free(f);
    return 0;
}

static void
put(fixture *f, const char *key, const char *data, size_t n)
{
    finops_error *err = NULL;

    ok(d->put(f->memory, &(finops_put){ .key = key, .size = (int64_t)n }, data, n, NULL, &err), &err);
}

static finops_code
read_all(fo_file *file, fo_str *ret, finops_error **err)
{
    char block[65536];
    size_t n = 1;
    finops_code rc = FINOPS_OK;

    while (rc == FINOPS_OK && n > 0) {
        rc = fo_file_next(file, block, sizeof(block), &n, err);
        if (rc == FINOPS_OK)
            fo_str_addn(ret, block, n);
    }
    return rc;
}

static char *
big(void)
{
    char *data = malloc(BIG);

    for (size_t i = 0; i < BIG; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    return data;
}

static void
a_file_is_the_same_in_one_piece_and_in_blocks(void **state)
{
    fixture *f = *state;
    char *data = big();
    finops_error *err = NULL;

    put(f, "a/big", data, BIG);
    put(f, "a/empty", "", 0);
    for (int whole = 0; whole < 2; whole++) {
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
        FO_AUTO(fo_file_closep) fo_file *file = NULL;
        FO_AUTO(fo_file_closep) fo_file *empty = NULL;

        ok(whole ? fo_file_open(f->files, BASE "/a/big", &file, &err)
                 : fo_file_peek(f->files, BASE "/a/big", &file, &err),
           &err);
        assert_int_equal(fo_file_size(file), BIG);
        ok(read_all(file, &text, &err), &err);
        assert_int_equal(text.len, BIG);
        assert_memory_equal(text.data, data, BIG);
        fo_str_clear(&text);
        ok(whole ? fo_file_open(f->files, BASE "/a/empty", &empty, &err)
                 : fo_file_peek(f->files, BASE "/a/empty", &empty, &err),
           &err);
        ok(read_all(empty, &text, &err), &err);
        assert_int_equal(text.len, 0);
    }
    assert_int_equal(f->opened, 1); /* one storage for all */
    free(data);
}

static void
what_is_listed_has_its_address(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_strv_done) fo_strv found = FO_STRV_INIT;
    finops_error *err = NULL;

    put(f, "a/1.csv", "1", 1);
    put(f, "a/b/2.csv", "2", 1);
    put(f, "a/3.txt", "3", 1);
    put(f, "ab/4.csv", "4", 1);
    ok(fo_files_list(f->files, BASE "/a/", ".csv", &found, &err), &err);
    assert_int_equal(found.n, 2);
    assert_string_equal(found.items[0], BASE "/a/1.csv");
    assert_string_equal(found.items[1], BASE "/a/b/2.csv");
    ok(fo_files_list(f->files, BASE, "", &found, &err), &err);
    assert_int_equal(found.n, 6); /* what was found before stays */
}

static void
a_file_is_one_version_until_it_is_forgotten(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    fo_file *file = NULL;
    finops_error *err = NULL;

    put(f, "a", "the old one", 11);
    ok(fo_files_read(f->files, BASE "/a", 100, &text, &err), &err);
    put(f, "a", "the new one", 11);
    assert_int_equal(fo_file_open(f->files, BASE "/a", &file, &err), FINOPS_E_PRECONDITION);
    assert_non_null(strstr(finops_error_text(err), "it changed while it was read"));
    finops_error_freep(&err);
    fo_files_forget(f->files);
    fo_str_clear(&text);
    ok(fo_files_read(f->files, BASE "/a", 100, &text, &err), &err);
    assert_string_equal(fo_str_z(&text), "the new one");
}

static void
what_the_engine_cannot_read_is_a_file_without_a_name(void **state)
{
    fixture *f = *state;
    char copy[32], buf[8];
    struct stat st, other;
    const char *path = NULL, *again = NULL, *second = NULL;
    int64_t size = 0;
    finops_error *err = NULL;

    put(f, "a", "content", 7);
    put(f, "b", "another", 7);
    ok(fo_files_native_path(f->files, BASE "/a", &path, &size, &err), &err);
    assert_int_equal(size, 7);
    ok(fo_files_native_path(f->files, BASE "/a", &again, &size, &err), &err);
    assert_ptr_equal(path, again);
    ok(fo_files_native_path(f->files, BASE "/b", &second, &size, &err), &err);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(stat(second, &other), 0);
    assert_int_equal(st.st_nlink, 0);
    assert_true(st.st_mtim.tv_sec != other.st_mtim.tv_sec); /* the engine's cache tells them apart */
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, buf, sizeof(buf)), 7);
    assert_memory_equal(buf, "content", 7);
    (void)close(fd);
    (void)snprintf(copy, sizeof(copy), "%s", path);
    fo_files_forget(f->files);
    assert_int_not_equal(stat(copy, &st), 0);
    assert_int_equal(fo_files_native_path(f->files, BASE "/none", &path, &size, NULL), FINOPS_E_NOT_FOUND);
}

enum { MANY = 40 };

static atomic_bool made;

static void *
make_paths(void *arg)
{
    static char addresses[MANY][64];
    const char *list[MANY];
    fixture *f = arg;

    for (unsigned i = 0; i < MANY; i++) {
        (void)snprintf(addresses[i], sizeof(addresses[i]), BASE "/many/%u", i);
        list[i] = addresses[i];
    }
    if (fo_files_native_paths(f->files, list, MANY, NULL) == FINOPS_OK)
        f = NULL;
    atomic_store(&made, true);
    return f;
}

/* While paths are made others look at them: the thread sanitizer says whether they may. */
static void
many_are_made_while_those_that_are_there_are_looked_at(void **state)
{
    fixture *f = *state;
    finops_error *err = NULL;
    void *failed = f;
    const char *path = NULL;
    int64_t size = 0;
    pthread_t thread;

    for (unsigned i = 0; i < MANY; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "many/%u", i);
        put(f, key, "0123456789", i % 10);
    }
    assert_int_equal(pthread_create(&thread, NULL, make_paths, f), 0);
    while (!atomic_load(&made))
        ok(fo_files_unchanged(f->files, &err), &err);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    ok(fo_files_native_path(f->files, BASE "/many/7", &path, &size, &err), &err);
    assert_int_equal(size, 7);
    assert_true(fo_starts(path, "/proc/self/fd/"));
}

static void
reading_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    const fo_files_options options = { .places = &f->places };
    finops_code rc;
    unsigned n = 0;

    put(f, "a/x.csv", "1", 1);
    do {
        FO_AUTO(fo_files_closep) fo_files *files = NULL;
        FO_AUTO(fo_strv_done) fo_strv found = FO_STRV_INIT;
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
        const char *path = NULL;
        int64_t size = 0;

        fo_mem_fail_at(++n);
        rc = fo_files_open(f->engine, &options, &files, NULL);
        if (rc == FINOPS_OK)
            rc = fo_files_list(files, BASE "/a", "", &found, NULL);
        if (rc == FINOPS_OK)
            rc = fo_files_read(files, found.items[0], 10, &text, NULL);
        if (rc == FINOPS_OK)
            rc = fo_files_native_path(files, found.items[0], &path, &size, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_mem_fail_at(0);
    } while (rc != FINOPS_OK);
    assert_true(n > 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_the_same_in_one_piece_and_in_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_listed_has_its_address, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_one_version_until_it_is_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(what_the_engine_cannot_read_is_a_file_without_a_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_are_made_while_those_that_are_there_are_looked_at, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(reading_survives_every_failed_allocation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
