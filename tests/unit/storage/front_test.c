/* The front door over storage in memory: what it checks, and what it does the general way. */
#include "storage_test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/file.h"
#include "storage/memory/driver.h"
#include "storage/storage.h"
#include "storage/writer.h"

static int
setup(void **state)
{
    fo_stage stage = { .driver = &fo_memory_driver };
    finops_storage *s = NULL;

    if (stage.driver->open(NULL, &stage.self, NULL) != FINOPS_OK ||
        fo_storage_over(&stage, "memory://test", &s, NULL) != FINOPS_OK)
        return -1;
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    finops_storage_close(*state);
    return 0;
}

static void
put_text(finops_storage *s, const char *key, const char *text)
{
    const finops_put put = { .key = key };
    finops_error *err = NULL;

    ok(finops_storage_put(s, &put, text, strlen(text), NULL, &err), &err);
}

static void
assert_text(finops_storage *s, const char *key, const char *text)
{
    const finops_get get = { .key = key, .length = -1 };
    finops_error *err = NULL;
    char *data = NULL;
    size_t n = 0;

    ok(finops_storage_read_all(s, &get, 1000, &data, &n, NULL, &err), &err);
    assert_string_equal(data, text);
    free(data);
}

static void
a_key_that_cannot_be_is_refused_before_anything_is_sent(void **state)
{
    char longest[FINOPS_STORAGE_KEY_MAX + 2];
    finops_error *err = NULL;
    finops_object object;

    memset(longest, 'k', sizeof(longest));
    longest[FINOPS_STORAGE_KEY_MAX + 1] = '\0';
    fails(finops_storage_stat(*state, longest, NULL, &object, &err), FINOPS_E_ARGUMENT, &err);
    fails(finops_storage_stat(*state, "", NULL, &object, &err), FINOPS_E_ARGUMENT, &err);
    fails(finops_storage_stat(*state, "a\xff", NULL, &object, &err), FINOPS_E_ARGUMENT, &err);
    longest[FINOPS_STORAGE_KEY_MAX] = '\0';
    put_text(*state, longest, "fits");
    assert_text(*state, longest, "fits");
}

/* Bytes that differ everywhere, in a file. */
static void
make_file(const char *path, size_t n)
{
    FO_AUTO(fo_freep) unsigned char *data = fo_alloc(n + 1);
    finops_error *err = NULL;

    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)((i * UINT64_C(2654435761)) >> 13);
    ok(fo_file_write_atomic(path, data, n, 0600, &err), &err);
}

static void
assert_same_files(const char *a, const char *b)
{
    FO_AUTO(fo_str_done) fo_str one = FO_STR_INIT, other = FO_STR_INIT;
    finops_error *err = NULL;

    ok(fo_file_read(a, (size_t)64 << 20, &one, &err), &err);
    ok(fo_file_read(b, (size_t)64 << 20, &other, &err), &err);
    assert_int_equal(one.len, other.len);
    assert_true(one.len == 0 || memcmp(one.data, other.data, one.len) == 0);
}

#define KIB ((size_t)1024)
static const finops_transfer small_parts = { .part_size = 64 * KIB, .single_max = 128 * KIB, .parallel = 3 };

static void
files_of_every_length_around_the_parts_come_back(void **state)
{
    static const size_t sizes[] = { 0,
                                    1,
                                    64 * KIB - 1,
                                    64 * KIB,
                                    64 * KIB + 1,
                                    128 * KIB - 1,
                                    128 * KIB,
                                    128 * KIB + 1,
                                    192 * KIB - 1,
                                    192 * KIB + 1,
                                    3000 * KIB };
    char from[] = "/tmp/finops-front-XXXXXX", to[64];
    int fd = mkstemp(from);

    assert_true(fd >= 0);
    (void)close(fd);
    (void)snprintf(to, sizeof(to), "%s.back", from);
    for (size_t i = 0; i < FO_COUNT(sizes); i++) {
        const finops_put put = { .key = "big" };
        const finops_get get = { .key = "big", .length = -1 };
        FO_AUTO(finops_object_done) finops_object up = { 0 };
        FO_AUTO(finops_object_done) finops_object down = { 0 };
        finops_error *err = NULL;

        make_file(from, sizes[i]);
        ok(finops_storage_upload_file(*state, from, &put, &small_parts, &up, &err), &err);
        ok(finops_storage_download_file(*state, &get, to, &small_parts, &down, &err), &err);
        assert_same_files(from, to);
        assert_int_equal(up.size, sizes[i]);
        assert_string_equal(up.version, down.version);
    }
    (void)unlink(from);
    (void)unlink(to);
}

/* In the thread that fails, too, the reason is kept. */
static void
a_download_survives_every_failed_allocation(void **state)
{
    const finops_get get = { .key = "k", .length = -1 };
    const finops_put put = { .key = "k" };
    FO_AUTO(fo_freep) char *data = fo_zalloc(300 * KIB);
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FILE *file = tmpfile();
    finops_code rc;
    unsigned n = 0;
    bool failed;

    assert_non_null(file);
    ok(finops_storage_put(*state, &put, data, 300 * KIB, NULL, &err), &err);
    do {
        finops_error_freep(&err);
        fo_mem_fail_at(++n);
        rc = fo_storage_download_fd(*state, &get, fileno(file), "a file", &small_parts, NULL, &err);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_true(rc == FINOPS_OK || (failed && rc == FINOPS_E_MEMORY));
        assert_true((err != NULL) == (rc != FINOPS_OK));
    } while (failed);
    assert_int_equal(fclose(file), 0);
}

/* ---- a service that tells no checksum with a range, as S3 ---- */

typedef struct ranged_reader {
    finops_reader base;
    finops_reader *below;
    bool damaged; /* on the way here */
} ranged_reader;

static struct {
    atomic_uint whole, ranges;
    atomic_bool damage; /* the next range that does not begin at 0, once */
} ranged;

static finops_code
ranged_take(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    ranged_reader *r = (ranged_reader *)reader;
    finops_code rc = r->below->read(r->below, buffer, n, ret_n, err);

    if (rc == FINOPS_OK && r->damaged && *ret_n > 0)
        *(char *)buffer ^= 1;
    return rc;
}

static void
ranged_close(finops_reader *reader)
{
    ranged_reader *r = (ranged_reader *)reader;

    r->below->close(r->below);
    fo_free(r);
}

static finops_code
ranged_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    finops_reader *below = NULL;
    finops_code rc = fo_memory_driver.read(self, get, &below, err);
    ranged_reader *r;

    atomic_fetch_add(get->length < 0 ? &ranged.whole : &ranged.ranges, 1);
    if (rc != FINOPS_OK || get->length < 0) {
        if (rc == FINOPS_OK)
            *ret = below;
        return rc;
    }
    r = fo_zalloc(sizeof(*r));
    assert_non_null(r);
    r->base = *below;
    r->base.object.checksum = NULL;
    r->base.read = ranged_take;
    r->base.close = ranged_close;
    r->below = below;
    r->damaged = get->offset > 0 && atomic_exchange(&ranged.damage, false);
    *ret = &r->base;
    return FINOPS_OK;
}

static finops_storage *
ranged_storage(finops_storage_driver *driver)
{
    fo_stage stage = { .driver = driver };
    finops_storage *s = NULL;

    *driver = fo_memory_driver;
    driver->read = ranged_read;
    memset(&ranged, 0, sizeof(ranged));
    assert_int_equal(driver->open(NULL, &stage.self, NULL), FINOPS_OK);
    assert_int_equal(fo_storage_over(&stage, "memory://ranges", &s, NULL), FINOPS_OK);
    return s;
}

static void
a_download_in_ranges_is_checked_by_the_checksum_of_the_whole(void **state)
{
    const finops_get get = { .key = "k", .length = -1 };
    const finops_put put = { .key = "k" };
    FO_AUTO(fo_freep) char *data = fo_zalloc(1000 * KIB);
    FO_AUTO(fo_freep) char *back = fo_alloc(1000 * KIB);
    finops_storage_driver driver;
    finops_storage *s = ranged_storage(&driver);
    finops_error *err = NULL;
    FILE *file = tmpfile();
    unsigned once;

    (void)state;
    assert_non_null(file);
    ok(finops_storage_put(s, &put, data, 1000 * KIB, NULL, &err), &err);
    ok(fo_storage_download_fd(s, &get, fileno(file), "a file", &small_parts, NULL, &err), &err);
    once = ranged.ranges;
    assert_in_range(once, 10, 16);
    atomic_store(&ranged.damage, true);
    ok(fo_storage_download_fd(s, &get, fileno(file), "a file", &small_parts, NULL, &err), &err);
    assert_int_equal(ranged.ranges, 3 * once); /* the damaged one, and all once more */
    assert_int_equal(pread(fileno(file), back, 1000 * KIB, 0), 1000 * KIB);
    assert_memory_equal(back, data, 1000 * KIB);
    assert_int_equal(fclose(file), 0);
    finops_storage_close(s);
}

static void
what_is_known_to_be_small_is_asked_for_whole(void **state)
{
    static const struct {
        int64_t told;
        size_t size;
        unsigned whole;
    } rows[] = {
        { 0, 100, 0 }, { 100, 100, 1 }, { 64 * KIB, 500 * KIB, 1 }, { 64 * KIB + 1, 64 * KIB + 1, 0 }
    };
    const finops_get get = { .key = "k", .length = -1 };
    const finops_put put = { .key = "k" };
    FO_AUTO(fo_freep) char *data = fo_zalloc(500 * KIB);
    finops_storage_driver driver;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        finops_transfer transfer = small_parts;
        finops_storage *s = ranged_storage(&driver);
        finops_error *err = NULL;
        FILE *file = tmpfile();

        assert_non_null(file);
        transfer.size = rows[i].told;
        ok(finops_storage_put(s, &put, data, rows[i].size, NULL, &err), &err);
        ok(fo_storage_download_fd(s, &get, fileno(file), "a file", &transfer, NULL, &err), &err);
        assert_int_equal(ranged.whole, rows[i].whole);
        assert_int_equal(lseek(fileno(file), 0, SEEK_END), rows[i].size);
        assert_int_equal(fclose(file), 0);
        finops_storage_close(s);
    }
}

static void
an_object_of_unknown_length_is_one_whole(void **state)
{
    const finops_put put = { .key = "stream", .size = -1, .content_type = "text/plain" };
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    finops_writer *writer = NULL;
    finops_error *err = NULL;
    char block[1000];
    uint64_t sum = 0;

    memset(block, 'x', sizeof(block));
    ok(finops_storage_write(*state, &put, &small_parts, &writer, &err), &err);
    for (int i = 0; i < 700; i++) {
        block[i % 1000] = (char)i;
        sum = fo_crc64nvme(sum, block, sizeof(block) - (size_t)(i % 7));
        ok(writer->write(writer, block, sizeof(block) - (size_t)(i % 7), &err), &err);
    }
    fails(finops_storage_stat(*state, "stream", NULL, &object, &err), FINOPS_E_NOT_FOUND, &err);
    ok(writer->commit(writer, NULL, &err), &err);
    writer->close(writer);
    ok(finops_storage_stat(*state, "stream", NULL, &object, &err), &err);
    assert_int_equal(object.size, 700 * 1000 - 2100);
    assert_string_equal(object.content_type, "text/plain");
    const finops_get get = { .key = "stream", .length = -1 };
    char *data = NULL;
    size_t n = 0;
    ok(finops_storage_read_all(*state, &get, 1 << 20, &data, &n, NULL, &err), &err);
    assert_true(fo_crc64nvme(0, data, n) == sum);
    free(data);
}

static void
fewer_or_more_bytes_than_promised_leave_nothing(void **state)
{
    static const size_t sent[] = { 99999, 100001 };

    for (size_t i = 0; i < FO_COUNT(sent); i++) {
        const finops_put put = { .key = "short", .size = 100000 };
        FO_AUTO(fo_freep) char *data = fo_zalloc(sent[i]);
        finops_object object = { 0 };
        finops_writer *writer = NULL;
        finops_error *err = NULL;

        ok(finops_storage_write(*state, &put, &small_parts, &writer, &err), &err);
        finops_code rc = writer->write(writer, data, sent[i], &err);
        if (rc == FINOPS_OK)
            rc = writer->commit(writer, NULL, &err);
        fails(rc, FINOPS_E_DATA, &err);
        writer->close(writer);
        fails(finops_storage_stat(*state, "short", NULL, &object, &err), FINOPS_E_NOT_FOUND, &err);
    }
}

static bool
always(void *arg)
{
    (void)arg;
    return true;
}

static void
a_cancelled_upload_leaves_nothing(void **state)
{
    const finops_call call = { .cancelled = always };
    const finops_put put = { .key = "gone", .size = -1, .call = &call };
    FO_AUTO(fo_freep) char *data = fo_zalloc(1000 * KIB);
    finops_object object = { 0 };
    finops_writer *writer = NULL;
    finops_error *err = NULL;
    finops_code rc = finops_storage_write(*state, &put, &small_parts, &writer, &err);

    if (rc == FINOPS_OK)
        rc = writer->write(writer, data, 1000 * KIB, &err);
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, NULL, &err);
    fails(rc, FINOPS_E_CANCELLED, &err);
    if (writer)
        writer->close(writer);
    fails(finops_storage_stat(*state, "gone", NULL, &object, &err), FINOPS_E_NOT_FOUND, &err);
}

static void
parts_grow_so_that_they_suffice(void **state)
{
    const finops_transfer t = fo_transfer_whole(NULL);
    const finops_upload s3 = { .min_part = (size_t)5 << 20, .max_part = (size_t)5 << 30, .max_parts = 10000 };
    const int64_t tib = (int64_t)1 << 40;
    uint64_t sum = 0;

    (void)state;
    assert_int_equal(fo_part_size(&t, &s3, 100 << 20, 1), 8 << 20);
    assert_true(fo_part_size(&t, &s3, 5 * tib, 1) * 9500 >= (uint64_t)(5 * tib));
    assert_true(fo_part_size(&t, &s3, 5 * tib, 1) <= s3.max_part);
    for (unsigned number = 1; number <= 10000; number++)
        sum += fo_part_size(&t, &s3, -1, number);
    assert_true(sum >= (uint64_t)(5 * tib));
}

static void
a_suffix_is_the_end_of_the_object(void **state)
{
    static const struct {
        int64_t suffix;
        const char *text;
    } rows[] = { { 1, "f" }, { 3, "def" }, { 6, "abcdef" }, { 100, "abcdef" } };

    put_text(*state, "s", "abcdef");
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        const finops_get get = { .key = "s", .suffix = rows[i].suffix };
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
        finops_reader *reader = NULL;
        finops_error *err = NULL;

        ok(finops_storage_read(*state, &get, &reader, &err), &err);
        reader_text(reader, &text);
        assert_string_equal(fo_str_z(&text), rows[i].text);
    }
}

static void
a_prefix_is_removed_and_what_only_looks_like_it_stays(void **state)
{
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    const finops_list all = { .prefix = "" };
    finops_error *err = NULL;
    uint64_t n = 0;

    for (int i = 0; i < 2500; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "a/%04d", i);
        put_text(*state, key, "x");
    }
    put_text(*state, "ab", "stays");
    ok(finops_storage_delete_prefix(*state, "a/", NULL, &n, &err), &err);
    assert_int_equal(n, 2500);
    ok(finops_storage_list_files(*state, &all, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "ab ");
    fails(finops_storage_delete_prefix(*state, "", NULL, NULL, &err), FINOPS_E_ARGUMENT, &err);
}

static void
nothing_is_copied_or_moved_onto_itself(void **state)
{
    const finops_copy same = { .from = "a", .to = "a" };
    finops_error *err = NULL;

    put_text(*state, "a", "1");
    fails(finops_storage_copy(*state, &same, NULL, &err), FINOPS_E_ARGUMENT, &err);
    fails(finops_storage_move(*state, &same, &err), FINOPS_E_ARGUMENT, &err);
    assert_text(*state, "a", "1");
}

static void
a_copy_to_another_storage_takes_type_and_metadata_along(void **state)
{
    const finops_metadata metadata[] = { { "owner", "the finance team" } };
    const finops_put from = { .key = "a", .content_type = "text/csv", .metadata = metadata, .n_metadata = 1 };
    const finops_put to = { .key = "b/c" };
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    finops_error *err = NULL;
    void *other = NULL;

    ok(finops_storage_put(*state, &from, "rows", 4, NULL, &err), &err);
    assert_int_equal(setup(&other), 0);
    ok(finops_storage_copy_to(*state, "a", other, &to, NULL, NULL, &err), &err);
    assert_text(other, "b/c", "rows");
    ok(finops_storage_stat(other, "b/c", NULL, &object, &err), &err);
    assert_string_equal(object.content_type, "text/csv");
    assert_int_equal(object.n_metadata, 1);
    assert_string_equal(object.metadata[0].value, "the finance team");
    (void)teardown(&other);
}

static void
addresses_are_taken_apart(void **state)
{
    static const struct {
        const char *text, *scheme, *place, *rest;
    } rows[] = {
        { "s3://bucket/some/prefix", "s3", "bucket", "some/prefix" },
        { "S3://Bucket", "s3", "Bucket", "" },
        { "s3://bucket/", "s3", "bucket", "" },
        { "file:///var/data", "file", "", "/var/data" },
        { "/var/data", "file", "", "/var/data" },
        { "data/x", "file", "", "data/x" },
        { "sftp://u@host:22/in", "sftp", "u@host:22", "in" },
        { "box:///var/x.db", "box", "", "/var/x.db" },
    };
    finops_error *err = NULL;
    fo_storage_address a;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        ok(fo_storage_address_parse(rows[i].text, &a, &err), &err);
        assert_string_equal(a.scheme, rows[i].scheme);
        assert_string_equal(a.place, rows[i].place);
        assert_string_equal(a.rest, rows[i].rest);
        fo_storage_address_done(&a);
    }
    fails(fo_storage_address_parse("", &a, &err), FINOPS_E_ARGUMENT, &err);
    fails(fo_storage_address_parse("s3://", &a, &err), FINOPS_E_ARGUMENT, &err);
    fails(fo_storage_address_parse("3s://x", &a, &err), FINOPS_E_ARGUMENT, &err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_key_that_cannot_be_is_refused_before_anything_is_sent),
        TEST(files_of_every_length_around_the_parts_come_back),
        TEST(a_download_survives_every_failed_allocation),
        TEST(a_download_in_ranges_is_checked_by_the_checksum_of_the_whole),
        TEST(what_is_known_to_be_small_is_asked_for_whole),
        TEST(an_object_of_unknown_length_is_one_whole),
        TEST(fewer_or_more_bytes_than_promised_leave_nothing),
        TEST(a_cancelled_upload_leaves_nothing),
        TEST(parts_grow_so_that_they_suffice),
        TEST(a_suffix_is_the_end_of_the_object),
        TEST(a_prefix_is_removed_and_what_only_looks_like_it_stays),
        TEST(nothing_is_copied_or_moved_onto_itself),
        TEST(a_copy_to_another_storage_takes_type_and_metadata_along),
        TEST(addresses_are_taken_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
