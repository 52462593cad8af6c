/*
 * All layers at once: over two storages in memory that fail now and then, and over two folders by the
 * settings that a user writes.
 */
#include "layers_test.h"

#include <ftw.h>
#include <pthread.h>
#include <unistd.h>

#include "storage/layers/breaker.h"
#include "storage/layers/cache.h"
#include "storage/layers/compress.h"
#include "storage/layers/deadline.h"
#include "storage/layers/encrypt.h"
#include "storage/layers/limits.h"
#include "storage/layers/metrics.h"
#include "storage/layers/replicate.h"
#include "storage/layers/retry.h"
#include "storage/storage.h"

#define KEY "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define BIG 300001

typedef struct world {
    fo_stage stage;
    faulty *faulty[2];
    char folder[64];
    unsigned char *bytes;
} world;

/* What stands between one place and the layer that replicates. */
static fo_stage
place(faulty **ret)
{
    static const fo_deadline_config deadline = { .timeout = 60 };
    static const fo_limits_config limits = { .rate = 1000000, .concurrency = 64, .adaptive = true };
    static const fo_retry_config retry = { .attempts = 5, .clock = &layers_fake_clock };
    static const fo_breaker_config breaker = { .failures = 100, .pause = 1, .clock = &layers_fake_clock };
    fo_stage s;

    *ret = faulty_memory(&s);
    s = wrapped(&fo_deadline_layer, &deadline, s);
    s = wrapped(&fo_limits_layer, &limits, s);
    s = wrapped(&fo_retry_layer, &retry, s);
    return wrapped(&fo_breaker_layer, &breaker, s);
}

static int
setup(void **state)
{
    static world w;
    static char key[] = KEY, zstd[] = "zstd";
    const fo_encrypt_config encrypt = { .key = key };
    const fo_compress_config compress = { .format = zstd, .level = 1, .min_size = 64 };
    const fo_cache_config cache = { .folder = w.folder, .size = 1 << 20, .max_object = 1 << 20 };
    const fo_metrics_config metrics = { .enabled = true };
    const fo_stage places[2] = { place(&w.faulty[0]), place(&w.faulty[1]) };
    finops_error *err = NULL;

    (void)snprintf(w.folder, sizeof(w.folder), "/tmp/layers-stack-XXXXXX");
    assert_non_null(mkdtemp(w.folder));
    ok(fo_replicate_over(FO_REPLICATE_ALL, places, 2, &w.stage, &err), &err);
    w.stage = wrapped(&fo_encrypt_layer, &encrypt, w.stage);
    w.stage = wrapped(&fo_compress_layer, &compress, w.stage);
    w.stage = wrapped(&fo_cache_layer, &cache, w.stage);
    w.stage = wrapped(&fo_metrics_layer, &metrics, w.stage);
    w.bytes = some_bytes(BIG);
    for (size_t i = 0; i < BIG; i++)
        w.bytes[i] = (unsigned char)("0123456789abcdef"[w.bytes[i] & 15]);
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

static void
y1_every_size_and_range_comes_back_through_all_layers(void **state)
{
    static const size_t sizes[] = { 0, 1, 63, 64, 65535, 65536, 65537, 262144, BIG };
    world *w = *state;
    finops_error *err = NULL;
    unsigned char *back = malloc(BIG);

    for (size_t i = 0; i < FO_COUNT(sizes); i++) {
        const finops_get all = { .key = "k", .length = -1 };
        size_t n = 0;
        ok(put_bytes(w->stage, "k", w->bytes, sizes[i], &err), &err);
        for (unsigned twice = 0; twice < 2; twice++) {
            ok(get_bytes(w->stage, &all, back, BIG, &n, &err), &err);
            assert_int_equal(n, sizes[i]);
            assert_memory_equal(back, w->bytes, n);
        }
        if (sizes[i] < 3)
            continue;
        const finops_get middle = { .key = "k",
                                    .offset = (int64_t)sizes[i] / 3,
                                    .length = (int64_t)sizes[i] / 2 };
        const finops_get suffix = { .key = "k", .suffix = 3 };
        ok(get_bytes(w->stage, &middle, back, BIG, &n, &err), &err);
        assert_int_equal(n, sizes[i] / 2);
        assert_memory_equal(back, w->bytes + sizes[i] / 3, n);
        ok(get_bytes(w->stage, &suffix, back, BIG, &n, &err), &err);
        assert_memory_equal(back, w->bytes + sizes[i] - 3, 3);
    }
    free(back);
}

static void
y1_conditions_copies_and_listings_work_through_all_layers(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_put once = { .key = "a", .size = 3, .create_only = true };
    const finops_copy copy = { .from = "a", .to = "b" };
    const finops_remove gone = { .key = "a" };
    const finops_list list = { .prefix = "" };
    FO_AUTO(finops_object_done) finops_object made = { 0 };
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;

    ok(w->stage.driver->put(w->stage.self, &once, "one", 3, &made, &err), &err);
    assert_int_equal(made.size, 3);
    fails(w->stage.driver->put(w->stage.self, &once, "two", 3, NULL, &err), FINOPS_E_EXISTS, &err);
    const finops_put replace = { .key = "a", .size = 3, .if_version = made.version };
    ok(w->stage.driver->put(w->stage.self, &replace, "new", 3, NULL, &err), &err);
    fails(w->stage.driver->put(w->stage.self, &replace, "old", 3, NULL, &err), FINOPS_E_PRECONDITION, &err);
    key_text_is(w->stage, "a", "new");
    ok(fo_stage_copy(&w->stage, &copy, NULL, &err), &err);
    ok(w->stage.driver->remove(w->stage.self, &gone, &err), &err);
    ok(w->stage.driver->list(w->stage.self, &list, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "b ");
    key_text_is(w->stage, "b", "new");
}

static void
y1_a_stream_goes_through_all_layers(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_put put = { .key = "k", .size = -1 };
    const finops_get all = { .key = "k", .length = -1 };
    unsigned char *back = malloc(BIG);
    finops_writer *writer = NULL;
    size_t n = 0;

    ok(fo_stage_write(&w->stage, &put, NULL, &writer, &err), &err);
    for (size_t at = 0; at < BIG; at += 1000)
        ok(writer->write(writer, w->bytes + at, BIG - at < 1000 ? BIG - at : 1000, &err), &err);
    ok(writer->commit(writer, NULL, &err), &err);
    writer->close(writer);
    ok(get_bytes(w->stage, &all, back, BIG, &n, &err), &err);
    assert_int_equal(n, BIG);
    assert_memory_equal(back, w->bytes, BIG);
    free(back);
}

/* One call in ten fails, in each place, some of them twice; what is not an error is right. */
static void
f11_chaos_below_all_layers_gives_the_right_bytes_or_a_clean_error(void **state)
{
    world *w = *state;
    unsigned random = 4711, failed = 0;
    char text[64], back[64];

    for (unsigned i = 0; i < 500; i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        const finops_get get = { .key = "k", .length = -1 };
        size_t n = 0;
        for (unsigned j = 0; j < 2; j++) {
            random = random * 1103515245u + 12345u;
            faulty_fail(w->faulty[j], FO_OP_PUT, (random >> 16) % 10 ? 0 : 2, FINOPS_E_TRANSIENT);
            faulty_fail(w->faulty[j], FO_OP_READ, (random >> 20) % 10 ? 0 : 2, FINOPS_E_THROTTLED);
            faulty_body(w->faulty[j], (random >> 24) % 10 ? 0 : 1, FINOPS_E_TRANSIENT, (random >> 22) % 100);
        }
        (void)snprintf(text, sizeof(text), "content number %u", i);
        if (put_bytes(w->stage, "k", text, strlen(text), &err) != FINOPS_OK) {
            failed++;
            continue;
        }
        if (get_bytes(w->stage, &get, back, sizeof(back), &n, &err) != FINOPS_OK)
            failed++;
        else
            assert_memory_equal(back, text, n);
    }
    assert_true(failed < 50);
}

/* A range of an object whose table and header are known from a place that is gone. */
static void
y6_ranges_are_read_from_the_place_that_is_left(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    unsigned char back[100];
    size_t n = 0;

    ok(put_bytes(w->stage, "k", w->bytes, BIG, &err), &err);
    for (int64_t at = 1000; at < 4000; at += 1000) {
        const finops_get get = { .key = "k", .offset = at, .length = 100 };
        ok(get_bytes(w->stage, &get, back, sizeof(back), &n, &err), &err);
        assert_memory_equal(back, w->bytes + at, 100);
        for (int op = 0; op < FO_OP_COUNT_; op++)
            faulty_fail(w->faulty[0], (fo_storage_op)op, 1000000, FINOPS_E_DENIED);
    }
}

static bool
any(const finops_object *object, void *arg)
{
    (void)object;
    (void)arg;
    return true;
}

/* The n-th operation of a round; its code. */
static finops_code
operation(world *w, unsigned which, finops_error **err)
{
    const finops_get all = { .key = "k", .length = -1 },
                     range = { .key = "k", .offset = 70000, .length = 10 };
    const finops_list list = { .prefix = "" };
    const finops_put once = { .key = "once", .size = 5, .create_only = true };
    const finops_remove gone = { .key = "once" };
    const finops_copy copy = { .from = "k", .to = "copy" };
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    unsigned char *back = malloc(BIG);
    finops_code rc = FINOPS_OK;
    size_t n = 0;

    switch (which) {
    case 0:
        rc = put_bytes(w->stage, "k", w->bytes, BIG, err);
        break;
    case 1:
        rc = get_bytes(w->stage, &all, back, BIG, &n, err);
        assert_true(rc != FINOPS_OK || (n == BIG && memcmp(back, w->bytes, BIG) == 0));
        break;
    case 2:
        rc = get_bytes(w->stage, &range, back, BIG, &n, err);
        assert_true(rc != FINOPS_OK || (n == 10 && memcmp(back, w->bytes + 70000, 10) == 0));
        break;
    case 3:
        rc = w->stage.driver->stat(w->stage.self, "k", NULL, &object, err);
        assert_true(rc != FINOPS_OK || object.size == BIG);
        break;
    case 4:
        rc = w->stage.driver->list(w->stage.self, &list, any, NULL, err);
        break;
    case 5:
        rc = w->stage.driver->remove(w->stage.self, &gone, err);
        break;
    case 6:
        rc = w->stage.driver->put(w->stage.self, &once, "12345", 5, &object, err);
        break;
    default:
        rc = fo_stage_copy(&w->stage, &copy, NULL, err);
        break;
    }
    free(back);
    return rc;
}

static void
every_failed_allocation_is_survived(void **state)
{
    world *w = *state;

    for (unsigned which = 0; which < 8; which++) {
        finops_error *err = NULL;
        bool hit = true;
        for (unsigned n = 1; hit; n++) {
            fo_mem_fail_at(n);
            finops_code rc = operation(w, which, &err);
            hit = fo_mem_failed();
            fo_mem_fail_at(0);
            /* What was done in one place and not in the other is made good by the next round. */
            if (rc != FINOPS_OK && rc != FINOPS_E_MEMORY && !(which == 6 && rc == FINOPS_E_EXISTS))
                fail_msg("operation %u, allocation %u: %s", which, n, finops_error_text(err));
            if (!hit && which != 6)
                assert_int_equal(rc, FINOPS_OK);
            finops_error_freep(&err);
        }
    }
}

static void *
one_caller(void *arg)
{
    world *w = arg;
    char key[16], text[64], back[64];

    (void)snprintf(key, sizeof(key), "k%lx", (unsigned long)pthread_self());
    for (unsigned i = 0; i < 50; i++) {
        const finops_get get = { .key = key, .length = -1 };
        size_t n = 0;
        (void)snprintf(text, sizeof(text), "%s number %u", key, i);
        if (put_bytes(w->stage, key, text, strlen(text), NULL) != FINOPS_OK ||
            get_bytes(w->stage, &get, back, sizeof(back), &n, NULL) != FINOPS_OK || n != strlen(text) ||
            memcmp(back, text, n) != 0)
            return w;
    }
    return NULL;
}

static void
y1_threads_do_not_meet_in_the_layers(void **state)
{
    world *w = *state;
    pthread_t threads[8];
    fo_storage_figures figures;

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_caller, w), 0);
    for (unsigned i = 0; i < 8; i++) {
        void *bad = w;
        assert_int_equal(pthread_join(threads[i], &bad), 0);
        assert_null(bad);
    }
    assert_true(fo_metrics_read(&w->stage, &figures));
    assert_int_equal(figures.ops[FO_OP_PUT].calls, 400);
    assert_int_equal(figures.ops[FO_OP_READ].calls, 400);
    assert_int_equal(figures.bytes_in, figures.bytes_out);
}

/* ---- by settings ---- */

static void
y1_settings_build_the_stack(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    finops_registry *registry = NULL;
    finops_storage *storage = NULL;
    char address[128], to[128], cache[128];
    FO_AUTO(finops_object_done) finops_object object = { 0 };

    (void)snprintf(address, sizeof(address), "file://%s/first", w->folder);
    (void)snprintf(to, sizeof(to), "file://%s/second", w->folder);
    (void)snprintf(cache, sizeof(cache), "%s/cache", w->folder);
    const finops_setting settings[] = { { "encrypt.key", KEY },     { "compress.format", "gzip" },
                                        { "cache.folder", cache },  { "replicate.to", to },
                                        { "retry.attempts", "3" },  { "limits.concurrency", "8" },
                                        { "deadline.timeout", "9" } };
    const finops_put put = { .key = "sub/x.csv", .size = BIG };
    const finops_get get = { .key = "sub/x.csv", .length = -1 };
    char *data = NULL;
    size_t n = 0;

    ok(finops_registry_new(&registry, &err), &err);
    ok(finops_storage_open(registry, address, settings, FO_COUNT(settings), &storage, &err), &err);
    ok(finops_storage_put(storage, &put, w->bytes, BIG, NULL, &err), &err);
    for (unsigned twice = 0; twice < 2; twice++) {
        ok(finops_storage_read_all(storage, &get, BIG, &data, &n, NULL, &err), &err);
        assert_int_equal(n, BIG);
        assert_memory_equal(data, w->bytes, BIG);
        free(data);
    }
    ok(finops_storage_stat(storage, "sub/x.csv", NULL, &object, &err), &err);
    assert_int_equal(object.size, BIG);
    (void)snprintf(to, sizeof(to), "%s/second/sub/x.csv", w->folder);
    assert_int_equal(access(to, F_OK), 0);
    finops_storage_close(storage);
    finops_registry_free(registry);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(y1_every_size_and_range_comes_back_through_all_layers),
        TEST(y1_conditions_copies_and_listings_work_through_all_layers),
        TEST(y1_a_stream_goes_through_all_layers),
        TEST(f11_chaos_below_all_layers_gives_the_right_bytes_or_a_clean_error),
        TEST(y6_ranges_are_read_from_the_place_that_is_left),
        TEST(every_failed_allocation_is_survived),
        TEST(y1_threads_do_not_meet_in_the_layers),
        TEST(y1_settings_build_the_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
