/* Encryption over a storage in memory, whose bytes the tests change as an attacker would. */
#include "layers_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/layers/encrypt.h"
#include "storage/layers/envelope.h"

#define KEY_A "old:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_B "new:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHoA="
#define KEY_A2 "old:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BIG (3 * FO_CHUNK + 5)

typedef struct world {
    fo_stage stage, below;
    faulty *faulty;
    unsigned char *bytes;
} world;

static int
setup(void **state)
{
    static world w;
    static char key[] = KEY_A;
    const fo_encrypt_config config = { .key = key };

    w.faulty = faulty_memory(&w.below);
    w.stage = wrapped(&fo_encrypt_layer, &config, w.below);
    w.bytes = some_bytes(BIG);
    *state = &w;
    return 0;
}

static int
teardown(void **state)
{
    world *w = *state;

    fo_stage_close(&w->stage);
    free(w->bytes);
    return 0;
}

/* Another layer around the same storage; to be dropped, not closed. */
static fo_stage
with_keys(world *w, const char *key, const char *file)
{
    char key_text[128], file_text[128];
    const fo_encrypt_config config = { .key = key ? key_text : NULL, .key_file = file ? file_text : NULL };

    (void)snprintf(key_text, sizeof(key_text), "%s", key ? key : "");
    (void)snprintf(file_text, sizeof(file_text), "%s", file ? file : "");
    return wrapped(&fo_encrypt_layer, &config, w->below);
}

static finops_code
read_range(fo_stage s, int64_t offset, int64_t length, unsigned char *ret, size_t *ret_n, finops_error **err)
{
    const finops_get get = { .key = "k", .offset = offset, .length = length };

    return get_bytes(s, &get, ret, BIG, ret_n, err);
}

static void
y4_every_size_comes_back(void **state)
{
    static const size_t sizes[] = {
        0, 1, FO_CHUNK - 1, FO_CHUNK, FO_CHUNK + 1, 2 * FO_CHUNK - 1, 2 * FO_CHUNK, BIG - 10, BIG
    };
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG);

    for (size_t i = 0; i < FO_COUNT(sizes); i++) {
        FO_AUTO(finops_object_done) finops_object object = { 0 };
        size_t n = 0;
        ok(put_bytes(w->stage, "k", w->bytes, sizes[i], &err), &err);
        ok(read_range(w->stage, 0, -1, back, &n, &err), &err);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(back, w->bytes, n);
        ok(w->stage.driver->stat(w->stage.self, "k", NULL, &object, &err), &err);
        assert_int_equal(object.size, sizes[i]);
        assert_int_equal(fo_plain_size((int64_t)fo_sealed_size(sizes[i])), sizes[i]);
    }
    free(back);
}

static void
y4_every_range_is_the_one_of_the_plain_bytes(void **state)
{
    static const int64_t at[] = { 0, 1, FO_CHUNK - 1, FO_CHUNK, FO_CHUNK + 1, 3 * FO_CHUNK, BIG - 1 };
    static const int64_t lengths[] = { 0, 1, 100, FO_CHUNK - 1, FO_CHUNK, FO_CHUNK + 1, BIG, -1 };
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG);
    size_t n = 0;

    ok(put_bytes(w->stage, "k", w->bytes, BIG, &err), &err);
    for (size_t i = 0; i < FO_COUNT(at); i++) {
        for (size_t j = 0; j < FO_COUNT(lengths); j++) {
            int64_t want =
                lengths[j] < 0 || lengths[j] > (int64_t)BIG - at[i] ? (int64_t)BIG - at[i] : lengths[j];
            ok(read_range(w->stage, at[i], lengths[j], back, &n, &err), &err);
            assert_int_equal(n, want);
            assert_memory_equal(back, w->bytes + at[i], n);
        }
    }
    fails(read_range(w->stage, BIG, -1, back, &n, &err), FINOPS_E_RANGE, &err);
    const finops_get suffix = { .key = "k", .suffix = 70000 };
    ok(get_bytes(w->stage, &suffix, back, BIG, &n, &err), &err);
    assert_int_equal(n, 70000);
    assert_memory_equal(back, w->bytes + BIG - 70000, n);
    free(back);
}

static void
y4_a_range_reads_its_chunks_only_and_the_header_once(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG);
    size_t n = 0;

    ok(put_bytes(w->stage, "k", w->bytes, BIG, &err), &err);
    ok(read_range(w->stage, FO_CHUNK + 7, 10, back, &n, &err), &err);
    assert_int_equal(w->faulty->bytes_read, FO_HEADER + FO_SEALED);
    assert_int_equal(w->faulty->calls[FO_OP_READ], 2);
    ok(read_range(w->stage, 2 * FO_CHUNK, 10, back, &n, &err), &err);
    assert_int_equal(w->faulty->bytes_read, FO_HEADER + 2 * FO_SEALED);
    assert_int_equal(w->faulty->calls[FO_OP_READ], 3);
    /* Replaced, the header that was kept is of no use. */
    ok(put_bytes(w->stage, "k", w->bytes + 1, BIG - 1, &err), &err);
    ok(read_range(w->stage, FO_CHUNK, 10, back, &n, &err), &err);
    assert_memory_equal(back, w->bytes + 1 + FO_CHUNK, n);
    free(back);
}

/* ---- what an attacker does ---- */

/* The stored bytes, changed by `change`, stored again. */
static void
tamper(world *w, void (*change)(unsigned char *bytes, size_t *n))
{
    const finops_get get = { .key = "k", .length = -1 };
    size_t room = (size_t)fo_sealed_size(BIG) + FO_SEALED, n = 0;
    unsigned char *bytes = malloc(room);
    finops_error *err = NULL;

    ok(put_bytes(w->stage, "k", w->bytes, BIG, &err), &err);
    ok(get_bytes(w->below, &get, bytes, room, &n, &err), &err);
    change(bytes, &n);
    ok(put_bytes(w->below, "k", bytes, n, &err), &err);
    free(bytes);
}

static void
flip_chunk(unsigned char *bytes, size_t *n)
{
    (void)n;
    bytes[FO_HEADER + FO_SEALED + 1000] ^= 1;
}

static void
flip_last(unsigned char *bytes, size_t *n)
{
    bytes[*n - 1] ^= 0x80;
}

static void
swap_chunks(unsigned char *bytes, size_t *n)
{
    unsigned char *aside = malloc(FO_SEALED);

    (void)n;
    memcpy(aside, bytes + FO_HEADER, FO_SEALED);
    memcpy(bytes + FO_HEADER, bytes + FO_HEADER + FO_SEALED, FO_SEALED);
    memcpy(bytes + FO_HEADER + FO_SEALED, aside, FO_SEALED);
    free(aside);
}

static void
cut_some(unsigned char *bytes, size_t *n)
{
    (void)bytes;
    *n -= 20;
}

/* A whole chunk is taken out: what is left has the layout of a smaller object. */
static void
cut_chunk(unsigned char *bytes, size_t *n)
{
    size_t at = FO_HEADER + 2 * FO_SEALED;

    memmove(bytes + at, bytes + at + FO_SEALED, *n - at - FO_SEALED);
    *n -= FO_SEALED;
}

static void
add_chunk(unsigned char *bytes, size_t *n)
{
    size_t at = FO_HEADER + 3 * FO_SEALED;

    memmove(bytes + at + FO_SEALED, bytes + at, *n - at);
    memcpy(bytes + at, bytes + FO_HEADER, FO_SEALED);
    *n += FO_SEALED;
}

static void
add_bytes(unsigned char *bytes, size_t *n)
{
    memset(bytes + *n, 0, 100);
    *n += 100;
}

static void
y4_whatever_is_changed_is_found(void **state)
{
    static void (*const changes[])(unsigned char *, size_t *) = { flip_chunk, flip_last, swap_chunks,
                                                                  cut_some,   cut_chunk, add_chunk,
                                                                  add_bytes };
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(2 * BIG);

    for (size_t i = 0; i < FO_COUNT(changes); i++) {
        const finops_get all = { .key = "k", .length = -1 }, tail = { .key = "k", .suffix = 10 };
        size_t n = 0;
        tamper(w, changes[i]);
        fails(get_bytes(w->stage, &all, back, 2 * BIG, &n, &err), FINOPS_E_CORRUPT, &err);
        assert_true(n <= 3 * FO_CHUNK);
        assert_memory_equal(back, w->bytes, n); /* what was handed out before is authentic */
        if (changes[i] != flip_chunk && changes[i] != swap_chunks)
            fails(get_bytes(w->stage, &tail, back, 2 * BIG, &n, &err), FINOPS_E_CORRUPT, &err);
    }
    free(back);
}

static void
y4_a_range_beside_the_damage_is_read(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    unsigned char back[100];
    const finops_get get = { .key = "k", .offset = 10, .length = 100 };
    size_t n = 0;

    tamper(w, flip_chunk);
    ok(get_bytes(w->stage, &get, back, sizeof(back), &n, &err), &err);
    assert_memory_equal(back, w->bytes + 10, 100);
}

static void
y4_plain_objects_are_refused_and_listed_without_a_size(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_get get = { .key = "k", .length = -1 };
    finops_object object;
    char back[8];
    size_t n;

    put_text(w->below, "k", "plain");
    fails(get_bytes(w->stage, &get, back, sizeof(back), &n, &err), FINOPS_E_CORRUPT, &err);
    fails(w->stage.driver->stat(w->stage.self, "k", NULL, &object, &err), FINOPS_E_CORRUPT, &err);
}

static bool
add_size(const finops_object *object, void *arg)
{
    *(int64_t *)arg += object->size;
    return true;
}

static void
y4_a_listing_tells_the_plain_sizes(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_list list = { .prefix = "" };
    int64_t sizes = 0;

    ok(put_bytes(w->stage, "a", w->bytes, 70000, &err), &err);
    ok(put_bytes(w->stage, "b", w->bytes, 0, &err), &err);
    ok(w->stage.driver->list(w->stage.self, &list, add_size, &sizes, &err), &err);
    assert_int_equal(sizes, 70000);
}

/* ---- keys ---- */

static void
y5_the_same_bytes_never_look_the_same(void **state)
{
    world *w = *state;
    const finops_get a = { .key = "a", .length = -1 }, b = { .key = "b", .length = -1 };
    unsigned char sealed_a[400], sealed_b[400];
    finops_error *err = NULL;
    size_t n = 0;

    ok(put_bytes(w->stage, "a", w->bytes, 100, &err), &err);
    ok(put_bytes(w->stage, "b", w->bytes, 100, &err), &err);
    ok(get_bytes(w->below, &a, sealed_a, sizeof(sealed_a), &n, &err), &err);
    ok(get_bytes(w->below, &b, sealed_b, sizeof(sealed_b), &n, &err), &err);
    for (size_t i = FO_HEADER; i + 16 <= n; i++)
        assert_memory_not_equal(sealed_a + i, sealed_b + i, 16);
}

static char *
key_file(const char *text, unsigned mode)
{
    static char path[] = "/tmp/layers-keys-XXXXXX";
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
    return path;
}

static void
y5_rotation_reads_old_and_writes_new(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    char *file = key_file("# newest first\n" KEY_B "\n\n" KEY_A "\n", 0600);
    fo_stage both = with_keys(w, NULL, file);
    fo_stage old = w->stage;

    put_text(old, "k", "written with the old key");
    key_text_is(both, "k", "written with the old key");
    put_text(both, "k", "written with the new key");
    key_text_is(both, "k", "written with the new key");
    const finops_get get = { .key = "k", .length = -1 };
    char back[32];
    size_t n;
    assert_int_equal(get_bytes(old, &get, back, sizeof(back), &n, &err), FINOPS_E_DENIED);
    assert_string_equal(finops_error_text(err), "k is encrypted with the key \"new\", which is not there");
    finops_error_freep(&err);
    fo_pass_drop(both.self);
    (void)unlink(file);
}

static void
y5_a_wrong_key_is_denied_in_clear_words(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    fo_stage wrong = with_keys(w, KEY_A2, NULL);
    const finops_get get = { .key = "k", .length = -1 };
    char back[32];
    size_t n;

    put_text(w->stage, "k", "secret");
    assert_int_equal(get_bytes(wrong, &get, back, sizeof(back), &n, &err), FINOPS_E_DENIED);
    assert_non_null(strstr(finops_error_text(err), "the key \"old\" does not open k"));
    finops_error_freep(&err);
    fo_pass_drop(wrong.self);
}

static void
y5_keys_that_cannot_be_used_are_refused_and_never_quoted(void **state)
{
    static const char *const bad[] = { "nokey",
                                       ":00",
                                       "a:0011",
                                       "a b:" KEY_A,
                                       "toolongtoolongtoo:00",
                                       KEY_A "\n" KEY_A,
                                       "a:zz0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                                       "" };
    world *w = *state;
    fo_stage none = { 0 };

    for (size_t i = 0; i < FO_COUNT(bad); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        char text[256];
        const fo_encrypt_config config = { .key = text };
        (void)snprintf(text, sizeof(text), "%s", bad[i]);
        assert_int_equal(fo_encrypt_layer.wrap(&config, "mem://", w->below, &none, &err), FINOPS_E_CONFIG);
        assert_null(strstr(finops_error_text(err), "0011"));
        assert_null(strstr(finops_error_text(err), "0102"));
    }
    assert_null(none.driver);
}

static void
y5_a_file_of_keys_that_others_may_read_is_refused(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const fo_encrypt_config config = { .key_file = key_file(KEY_A "\n", 0644) };
    fo_stage none = { 0 };

    assert_int_equal(fo_encrypt_layer.wrap(&config, "mem://", w->below, &none, &err), FINOPS_E_CONFIG);
    assert_non_null(strstr(finops_error_text(err), "others may read this file of keys"));
    assert_non_null(strstr(finops_error_hint(err), "chmod 600"));
    (void)unlink(config.key_file);
}

/* ---- parts ---- */

static void
m2_parts_are_sealed_in_any_order(void **state)
{
    static const unsigned orders[][3] = { { 1, 2, 3 }, { 3, 1, 2 }, { 2, 3, 1 }, { 3, 2, 1 } };
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG);

    for (size_t i = 0; i < FO_COUNT(orders); i++) {
        const finops_put put = { .key = "k", .size = -1 };
        finops_upload *upload = NULL;
        size_t n = 0;
        ok(w->stage.driver->upload(w->stage.self, &put, &upload, &err), &err);
        for (unsigned j = 0; j < 3; j++) {
            int64_t at = (int64_t)FO_CHUNK * (orders[i][j] - 1);
            size_t size = orders[i][j] == 3 ? FO_CHUNK + 5 : FO_CHUNK;
            if (orders[i][j] == 2) /* sent again, with other bytes first */
                ok(upload->part(upload, 2, at, w->bytes, size, NULL, &err), &err);
            ok(upload->part(upload, orders[i][j], at, w->bytes + at, size, NULL, &err), &err);
        }
        FO_AUTO(finops_object_done) finops_object object = { 0 };
        ok(upload->commit(upload, 3, BIG, NULL, &object, &err), &err);
        upload->close(upload);
        assert_int_equal(object.size, BIG);
        ok(read_range(w->stage, 0, -1, back, &n, &err), &err);
        assert_int_equal(n, BIG);
        assert_memory_equal(back, w->bytes, n);
    }
    free(back);
}

static void
m1_a_part_that_begins_within_a_chunk_is_refused(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_put put = { .key = "k", .size = -1 };
    finops_upload *upload = NULL;

    ok(w->stage.driver->upload(w->stage.self, &put, &upload, &err), &err);
    ok(upload->part(upload, 1, 0, w->bytes, 100, NULL, &err), &err);
    fails(upload->part(upload, 2, 100, w->bytes, 100, NULL, &err), FINOPS_E_ARGUMENT, &err);
    fails(upload->commit(upload, 2, 200, NULL, NULL, &err), FINOPS_E_ARGUMENT, &err);
    upload->close(upload);
}

/* Parts of a size that somebody asked for. */
static void
m3_a_stream_is_cut_at_whole_chunks(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_put put = { .key = "k", .size = -1 };
    const finops_transfer odd = { .part_size = 50001, .single_max = 50001, .parallel = 2 };
    unsigned char *back = malloc(BIG);
    finops_writer *writer = NULL;
    size_t n = 0;

    ok(fo_stage_write(&w->stage, &put, &odd, &writer, &err), &err);
    ok(writer->write(writer, w->bytes, BIG, &err), &err);
    ok(writer->commit(writer, NULL, &err), &err);
    writer->close(writer);
    assert_true(w->faulty->calls[FO_OP_PART] > 1);
    ok(read_range(w->stage, 0, -1, back, &n, &err), &err);
    assert_int_equal(n, BIG);
    assert_memory_equal(back, w->bytes, BIG);
    free(back);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(y4_every_size_comes_back),
        TEST(y4_every_range_is_the_one_of_the_plain_bytes),
        TEST(y4_a_range_reads_its_chunks_only_and_the_header_once),
        TEST(y4_whatever_is_changed_is_found),
        TEST(y4_a_range_beside_the_damage_is_read),
        TEST(y4_plain_objects_are_refused_and_listed_without_a_size),
        TEST(y4_a_listing_tells_the_plain_sizes),
        TEST(y5_the_same_bytes_never_look_the_same),
        TEST(y5_rotation_reads_old_and_writes_new),
        TEST(y5_a_wrong_key_is_denied_in_clear_words),
        TEST(y5_keys_that_cannot_be_used_are_refused_and_never_quoted),
        TEST(y5_a_file_of_keys_that_others_may_read_is_refused),
        TEST(m2_parts_are_sealed_in_any_order),
        TEST(m3_a_stream_is_cut_at_whole_chunks),
        TEST(m1_a_part_that_begins_within_a_chunk_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
