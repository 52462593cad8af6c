/* Compression over a storage in memory, with and without metadata. */
#include "layers_test.h"

#include "storage/layers/compress.h"
#include "storage/layers/frames.h"

#define BIG (3 * FO_FRAME + 1234)

typedef struct world {
    fo_stage stage;
    fo_stage below;
    faulty *faulty;
    unsigned char *text, *noise;
} world;

static const char *format; /* of the tests that follow */
static bool without_metadata;

static int
setup(void **state)
{
    static world w;
    char name[8];
    const fo_compress_config config = { .format = name, .level = 3, .min_size = 100 };

    (void)snprintf(name, sizeof(name), "%s", format);
    w.faulty = faulty_memory(&w.below);
    if (without_metadata)
        w.faulty->pass.less = FINOPS_STORAGE_METADATA | FINOPS_STORAGE_SUFFIX;
    w.stage = wrapped(&fo_compress_layer, &config, w.below);
    w.noise = some_bytes(BIG);
    w.text = some_bytes(BIG);
    for (size_t i = 0; i < BIG; i++)
        w.text[i] = (unsigned char)("0123456789abcdef"[w.text[i] & 7]);
    *state = &w;
    return 0;
}

static int
teardown(void **state)
{
    world *w = *state;

    fo_stage_close(&w->stage);
    free(w->noise);
    free(w->text);
    return 0;
}

static finops_code
read_range(fo_stage s, int64_t offset, int64_t length, unsigned char *ret, size_t *ret_n, finops_error **err)
{
    const finops_get get = { .key = "k", .offset = offset, .length = length };

    return get_bytes(s, &get, ret, BIG, ret_n, err);
}

static int64_t
size_of(fo_stage s, const char *key)
{
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    finops_error *err = NULL;

    ok(s.driver->stat(s.self, key, NULL, &object, &err), &err);
    assert_int_equal(object.n_metadata, 0);
    return s.self ? object.size : 0;
}

/* Of the bytes that are stored. */
static int64_t
stored_size(world *w, const char *key)
{
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    finops_error *err = NULL;

    ok(w->below.driver->stat(w->below.self, key, NULL, &object, &err), &err);
    return object.size;
}

/* Piece by piece; promised: the size is told before. */
static void
write_pieces(world *w, const char *key, const unsigned char *bytes, size_t n, size_t piece, bool promised)
{
    finops_error *err = NULL;
    const finops_put put = { .key = key, .size = promised ? (int64_t)n : -1 };
    finops_writer *writer = NULL;
    FO_AUTO(finops_object_done) finops_object object = { 0 };

    ok(w->stage.driver->write(w->stage.self, &put, &writer, &err), &err);
    for (size_t at = 0; at < n; at += piece)
        ok(writer->write(writer, bytes + at, n - at < piece ? n - at : piece, &err), &err);
    ok(writer->commit(writer, &object, &err), &err);
    assert_int_equal(object.size, n);
    writer->close(writer);
}

static void
whole_is(world *w, const unsigned char *bytes, size_t n)
{
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG + 1);
    size_t got = 0;

    ok(read_range(w->stage, 0, -1, back, &got, &err), &err);
    assert_int_equal(got, n);
    assert_memory_equal(back, bytes, n);
    assert_int_equal(size_of(w->stage, "k"), n);
    free(back);
}

static void
y3_every_size_comes_back(void **state)
{
    static const size_t sizes[] = { 0,  1, 99, 100, 101, FO_FRAME - 1, FO_FRAME, FO_FRAME + 1, 2 * FO_FRAME,
                                    BIG };
    world *w = *state;
    finops_error *err = NULL;

    for (size_t i = 0; i < FO_COUNT(sizes); i++) {
        ok(put_bytes(w->stage, "k", w->text, sizes[i], &err), &err);
        whole_is(w, w->text, sizes[i]);
        write_pieces(w, "k", w->text, sizes[i], 70001, false);
        whole_is(w, w->text, sizes[i]);
        write_pieces(w, "k", w->text, sizes[i], 999, true);
        whole_is(w, w->text, sizes[i]);
        if (sizes[i] > 1000)
            assert_true(stored_size(w, "k") < (int64_t)sizes[i]);
    }
}

static void
y3_a_range_is_one_of_the_plain_bytes(void **state)
{
    static const int64_t at[] = { 0, 1, FO_FRAME - 1, FO_FRAME, 2 * FO_FRAME + 7, BIG - 1 };
    static const int64_t lengths[] = { 0, 1, 5000, FO_FRAME, BIG, -1 };
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG);
    size_t n = 0;

    for (unsigned how = 0; how < 3; how++) {
        if (how == 0)
            ok(put_bytes(w->stage, "k", w->text, BIG, &err), &err);
        else
            write_pieces(w, "k", how == 1 ? w->text : w->noise, BIG, 100000, false);
        for (size_t i = 0; i < FO_COUNT(at); i++) {
            for (size_t j = 0; j < FO_COUNT(lengths); j++) {
                int64_t left = (int64_t)BIG - at[i],
                        want = lengths[j] < 0 || lengths[j] > left ? left : lengths[j];
                ok(read_range(w->stage, at[i], lengths[j], back, &n, &err), &err);
                assert_int_equal(n, want);
                assert_memory_equal(back, (how == 2 ? w->noise : w->text) + at[i], n);
            }
        }
        const finops_get suffix = { .key = "k", .suffix = 300 };
        ok(get_bytes(w->stage, &suffix, back, BIG, &n, &err), &err);
        assert_int_equal(n, 300);
        assert_memory_equal(back, (how == 2 ? w->noise : w->text) + BIG - 300, n);
        fails(read_range(w->stage, BIG, -1, back, &n, &err), FINOPS_E_RANGE, &err);
    }
    free(back);
}

static void
y3_a_range_reads_its_frames_only_and_the_table_once(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG);
    size_t n = 0;

    ok(put_bytes(w->stage, "k", w->text, BIG, &err), &err);
    ok(read_range(w->stage, FO_FRAME, 10, back, &n, &err), &err);
    assert_true(w->faulty->bytes_read < (size_t)stored_size(w, "k") * 2 / 3);
    unsigned requests = w->faulty->calls[FO_OP_READ] + w->faulty->calls[FO_OP_STAT];
    ok(read_range(w->stage, 2 * FO_FRAME, 10, back, &n, &err), &err);
    assert_int_equal(w->faulty->calls[FO_OP_READ] + w->faulty->calls[FO_OP_STAT], requests + 1);
    /* Replaced, what was kept is of no use. */
    ok(put_bytes(w->stage, "k", w->text + 1, BIG - 1, &err), &err);
    ok(read_range(w->stage, FO_FRAME, 10, back, &n, &err), &err);
    assert_memory_equal(back, w->text + 1 + FO_FRAME, n);
    free(back);
}

static void
y3_what_is_compressed_already_is_stored_as_it_is(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_put typed = { .key = "typed", .size = 5000, .content_type = "image/png" };
    const finops_put encoded = { .key = "encoded", .size = 5000, .content_encoding = "br" };
    unsigned char magic[5000];

    ok(put_bytes(w->stage, "x.parquet", w->text, 5000, &err), &err);
    assert_int_equal(stored_size(w, "x.parquet"), 5000);
    if (!without_metadata) {
        ok(w->stage.driver->put(w->stage.self, &typed, w->text, 5000, NULL, &err), &err);
        assert_int_equal(stored_size(w, "typed"), 5000);
        ok(w->stage.driver->put(w->stage.self, &encoded, w->text, 5000, NULL, &err), &err);
        assert_int_equal(stored_size(w, "encoded"), 5000);
    }
    memcpy(magic, w->text, sizeof(magic));
    memcpy(magic, "\x1f\x8b\x08", 3);
    ok(put_bytes(w->stage, "k", magic, sizeof(magic), &err), &err);
    assert_int_equal(stored_size(w, "k"), 5000);
    whole_is(w, magic, sizeof(magic));
    ok(put_bytes(w->stage, "k", w->noise, 5000, &err), &err);
    assert_int_equal(stored_size(w, "k"), 5000);
    write_pieces(w, "k", w->noise, BIG, 4096, false);
    assert_int_equal(stored_size(w, "k"), BIG);
    whole_is(w, w->noise, BIG);
}

static void
y3_stored_bytes_put_in_again_come_back_as_they_are(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_get get = { .key = "k", .length = -1 };
    unsigned char *stored = malloc(BIG);
    size_t n = 0;

    ok(put_bytes(w->stage, "k", w->text, BIG, &err), &err);
    ok(get_bytes(w->below, &get, stored, BIG, &n, &err), &err);
    ok(put_bytes(w->stage, "k", stored, n, &err), &err);
    whole_is(w, stored, n);
    write_pieces(w, "k", stored, n, 1000, false);
    whole_is(w, stored, n);
    free(stored);
}

static void
y3_a_bomb_is_not_read(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    char name[8];
    const fo_compress_config config = { .format = name, .level = 3, .limit = 1000 };
    fo_stage careful;
    unsigned char *zeros = calloc(1, BIG), *back = malloc(BIG);
    size_t n = 0;

    (void)snprintf(name, sizeof(name), "%s", format);
    careful = wrapped(&fo_compress_layer, &config, w->below);
    ok(put_bytes(w->stage, "k", zeros, BIG, &err), &err);
    fails(read_range(careful, 0, -1, back, &n, &err), FINOPS_E_DATA, &err);
    assert_int_equal(n, 0);
    fails(read_range(careful, 5, 5, back, &n, &err), FINOPS_E_DATA, &err);
    fo_pass_drop(careful.self);
    free(zeros);
    free(back);
}

/* One byte of the stored object after another; never the wrong bytes without an error. */
static void
y3_damage_is_found(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_get get = { .key = "k", .length = -1 };
    unsigned char *stored = malloc(BIG), *back = malloc(BIG);
    size_t stored_n = 0, n = 0;

    ok(put_bytes(w->stage, "k", w->text, 3000, &err), &err);
    ok(get_bytes(w->below, &get, stored, BIG, &stored_n, &err), &err);
    for (size_t i = fo_head_size(FO_CODEC_GZIP); i < stored_n; i += 3) {
        stored[i] ^= 0x55;
        ok(put_bytes(w->below, "k", stored, stored_n, &err), &err);
        if (get_bytes(w->stage, &get, back, BIG, &n, &err) == FINOPS_OK)
            assert_memory_equal(back, w->text, 3000); /* of the table, which a whole read can do without */
        finops_error_freep(&err);
        stored[i] ^= 0x55;
    }
    ok(put_bytes(w->below, "k", stored, stored_n / 2, &err), &err);
    fails(get_bytes(w->stage, &get, back, BIG, &n, &err), FINOPS_E_CORRUPT, &err);
    free(stored);
    free(back);
}

static void
p6_a_stream_that_breaks_its_promise_leaves_nothing(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_put put = { .key = "k", .size = 10 };
    finops_writer *writer = NULL;
    finops_object object;

    ok(w->stage.driver->write(w->stage.self, &put, &writer, &err), &err);
    ok(writer->write(writer, "12345", 5, &err), &err);
    fails(writer->commit(writer, NULL, &err), FINOPS_E_DATA, &err);
    fails(writer->write(writer, "123456", 6, &err), FINOPS_E_DATA, &err);
    writer->close(writer);
    fails(w->below.driver->stat(w->below.self, "k", NULL, &object, &err), FINOPS_E_NOT_FOUND, &err);
}

static bool
sizes_add(const finops_object *object, void *arg)
{
    fo_str_addf(arg, "%s:%lld ", object->key, (long long)object->size);
    return true;
}

static void
y3_a_listing_tells_the_sizes_it_knows(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_list list = { .prefix = "" };
    FO_AUTO(fo_str_done) fo_str sizes = FO_STR_INIT;

    ok(put_bytes(w->stage, "a.csv", w->text, 5000, &err), &err);
    ok(put_bytes(w->stage, "a.csv.gz", w->text, 5000, &err), &err);
    ok(w->stage.driver->list(w->stage.self, &list, sizes_add, &sizes, &err), &err);
    assert_string_equal(fo_str_z(&sizes), "a.csv:-1 a.csv.gz:5000 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(y3_every_size_comes_back),
        TEST(y3_a_range_is_one_of_the_plain_bytes),
        TEST(y3_a_range_reads_its_frames_only_and_the_table_once),
        TEST(y3_what_is_compressed_already_is_stored_as_it_is),
        TEST(y3_stored_bytes_put_in_again_come_back_as_they_are),
        TEST(y3_a_bomb_is_not_read),
        TEST(y3_damage_is_found),
        TEST(p6_a_stream_that_breaks_its_promise_leaves_nothing),
        TEST(y3_a_listing_tells_the_sizes_it_knows),
    };
    int failed = 0;

    for (unsigned i = 0; i < 4; i++) {
        format = i & 1 ? "gzip" : "zstd";
        without_metadata = i >= 2;
        failed += cmocka_run_group_tests_name(format, tests, NULL, NULL);
    }
    return failed;
}
