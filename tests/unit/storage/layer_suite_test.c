/* Y1: the suite of storage over each layer alone and over all of them, asked for and at work. */
#include "layers_test.h"

#include <ftw.h>
#include <unistd.h>

#include "conformance/storage.h"
#include "storage/layers/breaker.h"
#include "storage/layers/cache.h"
#include "storage/layers/compress.h"
#include "storage/layers/deadline.h"
#include "storage/layers/encrypt.h"
#include "storage/layers/limits.h"
#include "storage/layers/metrics.h"
#include "storage/layers/replicate.h"
#include "storage/layers/retry.h"
#include "storage/memory/driver.h"
#include "storage/storage.h"

static char key_text[] = "k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static char gzip_text[] = "gzip", zstd_text[] = "zstd", folder[64];
static const fo_deadline_config deadline = { .timeout = 60 };
static const fo_limits_config limits = { .rate = 1000000, .concurrency = 64, .adaptive = true };
static const fo_retry_config retry = { .attempts = 5 };
static const fo_breaker_config breaker = { .failures = 100, .pause = 1 };
static const fo_encrypt_config encrypt = { .key = key_text };
static const fo_compress_config gzip = { .format = gzip_text, .level = 1, .min_size = 64 };
static const fo_compress_config zstd = { .format = zstd_text, .level = 1, .min_size = 64 };
static const fo_cache_config cache = { .folder = folder, .size = 16 << 20, .max_object = 1 << 20 };
static const fo_metrics_config metrics = { .enabled = true };

static void
note(const fo_case_result *r, void *arg)
{
    (void)arg;
    if (r->outcome == FO_CASE_FAILED || getenv("VERBOSE"))
        printf("%-11s %7.3f s %s: %s%s%s\n", fo_case_outcome_name(r->outcome), r->seconds, r->area, r->name,
               r->why[0] ? ": " : "", r->why);
}

/* The thread sanitizer looks at every byte that is moved: there are as many parts for it, of fewer bytes. */
#ifdef __SANITIZE_THREAD__
#define UNIT 65536
#else
#define UNIT 0
#endif

static void
suite_passes(fo_stage stage, const char *name)
{
    const fo_storage_conformance_options options = { .each = note, .filter = getenv("FILTER"), .unit = UNIT };
    FO_AUTO(finops_storage_closep) finops_storage *storage = NULL;
    finops_error *err = NULL;
    fo_conformance_summary summary = { 0 };

    ok(fo_storage_over(&stage, name, &storage, &err), &err);
    ok(fo_storage_conformance_run(storage, &options, &summary, &err), &err);
    printf("%s: %u passed, %u failed, %u not claimed\n", name, summary.passed, summary.failed,
           summary.not_claimed);
    assert_int_equal(summary.failed, 0);
}

static fo_stage
memory(void)
{
    fo_stage stage = { .driver = &fo_memory_driver };
    finops_error *err = NULL;

    ok(stage.driver->open(NULL, &stage.self, &err), &err);
    return stage;
}

static fo_stage
replicated(fo_replicate_mode mode, fo_stage first)
{
    const fo_stage places[3] = { first, memory(), memory() };
    finops_error *err = NULL;
    fo_stage stage = { 0 };

    ok(fo_replicate_over(mode, places, 3, &stage, &err), &err);
    return stage;
}

#define ALONE(name)                                                                                          \
    static void y1_##name##_alone_passes_the_suite(void **state)                                             \
    {                                                                                                        \
        (void)state;                                                                                         \
        suite_passes(wrapped(&fo_##name##_layer, &name, memory()), #name);                                   \
    }
ALONE(deadline)
ALONE(limits)
ALONE(retry)
ALONE(breaker)
ALONE(encrypt)
ALONE(cache)
ALONE(metrics)

static void
y1_compress_alone_passes_the_suite(void **state)
{
    (void)state;
    suite_passes(wrapped(&fo_compress_layer, &gzip, memory()), "gzip");
    suite_passes(wrapped(&fo_compress_layer, &zstd, memory()), "zstd");
}

static void
y1_replicate_alone_passes_the_suite(void **state)
{
    (void)state;
    suite_passes(replicated(FO_REPLICATE_ALL, memory()), "replicate all");
    suite_passes(replicated(FO_REPLICATE_QUORUM, memory()), "replicate quorum");
    suite_passes(replicated(FO_REPLICATE_PRIMARY_FIRST, memory()), "replicate primary_first");
}

static void
y1_all_layers_together_pass_the_suite(void **state)
{
    fo_stage s = wrapped(&fo_deadline_layer, &deadline, memory());

    (void)state;
    s = wrapped(&fo_limits_layer, &limits, s);
    s = wrapped(&fo_retry_layer, &retry, s);
    s = wrapped(&fo_breaker_layer, &breaker, s);
    s = replicated(FO_REPLICATE_ALL, s);
    s = wrapped(&fo_encrypt_layer, &encrypt, s);
    s = wrapped(&fo_compress_layer, &zstd, s);
    s = wrapped(&fo_cache_layer, &cache, s);
    suite_passes(wrapped(&fo_metrics_layer, &metrics, s), "all");
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
make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "%s/layers-suite-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    (void)state;
    return nftw(folder, unlink_one, 8, FTW_DEPTH | FTW_PHYS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(y1_deadline_alone_passes_the_suite),
        cmocka_unit_test(y1_limits_alone_passes_the_suite),
        cmocka_unit_test(y1_retry_alone_passes_the_suite),
        cmocka_unit_test(y1_breaker_alone_passes_the_suite),
        cmocka_unit_test(y1_replicate_alone_passes_the_suite),
        cmocka_unit_test(y1_encrypt_alone_passes_the_suite),
        cmocka_unit_test(y1_compress_alone_passes_the_suite),
        cmocka_unit_test(y1_cache_alone_passes_the_suite),
        cmocka_unit_test(y1_metrics_alone_passes_the_suite),
        cmocka_unit_test(y1_all_layers_together_pass_the_suite),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
