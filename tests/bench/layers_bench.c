/*
 * What the layers of a storage add to a call: the same calls on a storage in memory, directly and through the
 * layers, and through each layer alone. Processor time, medians of 5 rounds.
 *
 *     ninja -C build tests/layers_bench && build/tests/layers_bench [FOLDER]
 *
 * With a folder the cache on disk is measured, too. Exit status 1 when a call through all layers takes 5 us
 * more than without them; the cache is not counted among them, for it is a file that is opened and read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
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

#define ROUNDS 5
#define CALLS 20000
#define SIZE 100
#define PROMISED_US 5.0

static char key_text[] = "bench:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static char zstd[] = "zstd";
static char *folder;
static char block[SIZE];

static const fo_deadline_config deadline = { .timeout = 60 };
static const fo_limits_config limits = { .rate = 1000000, .concurrency = 64, .adaptive = true };
static const fo_retry_config retry = { .attempts = 5 };
static const fo_breaker_config breaker = { .failures = 5, .pause = 5 };
static const fo_encrypt_config encrypt = { .key = key_text };
static const fo_compress_config compress = { .format = zstd, .level = 3, .min_size = 1024 };
static const fo_metrics_config metrics = { .enabled = true };

static void
fail(const char *what)
{
    (void)fprintf(stderr, "layers_bench: %s failed\n", what);
    exit(2);
}

static fo_stage
memory(void)
{
    fo_stage s = { .driver = &fo_memory_driver };

    if (s.driver->open(NULL, &s.self, NULL) != FINOPS_OK)
        fail("open");
    return s;
}

static fo_stage
around(const fo_layer *layer, const void *config, fo_stage below)
{
    fo_stage s = { 0 };

    if (layer->wrap(config, "memory://bench", below, &s, NULL) != FINOPS_OK)
        fail(layer->name);
    return s;
}

static fo_stage
replicated(fo_stage first)
{
    const fo_stage places[2] = { first, memory() };
    fo_stage s = { 0 };

    if (fo_replicate_over(FO_REPLICATE_ALL, places, 2, &s, NULL) != FINOPS_OK)
        fail("replicate");
    return s;
}

static fo_stage
cached(fo_stage below)
{
    const fo_cache_config cache = { .folder = folder, .size = 1 << 28, .max_object = 1 << 20 };

    return around(&fo_cache_layer, &cache, below);
}

/* All that act on each call, from the driver outwards. */
static fo_stage
all_layers(bool with_replicas, bool with_bytes)
{
    fo_stage s = around(&fo_deadline_layer, &deadline, memory());

    s = around(&fo_limits_layer, &limits, s);
    s = around(&fo_retry_layer, &retry, s);
    s = around(&fo_breaker_layer, &breaker, s);
    if (with_replicas)
        s = replicated(s);
    if (with_bytes) {
        s = around(&fo_encrypt_layer, &encrypt, s);
        s = around(&fo_compress_layer, &compress, s);
    }
    return around(&fo_metrics_layer, &metrics, s);
}

/* ---- the calls ---- */

static void
do_put(fo_stage s)
{
    const finops_put put = { .key = "some/key.csv", .size = SIZE };

    if (s.driver->put(s.self, &put, block, SIZE, NULL, NULL) != FINOPS_OK)
        fail("put");
}

static void
do_stat(fo_stage s)
{
    finops_object object = { 0 };

    if (s.driver->stat(s.self, "some/key.csv", NULL, &object, NULL) != FINOPS_OK)
        fail("stat");
    finops_object_done(&object);
}

static void
do_read(fo_stage s)
{
    const finops_get get = { .key = "some/key.csv", .length = -1 };
    finops_reader *reader = NULL;
    char back[SIZE];
    size_t n = 1, done = 0;

    if (s.driver->read(s.self, &get, &reader, NULL) != FINOPS_OK)
        fail("read");
    while (n > 0) {
        if (reader->read(reader, back, sizeof(back), &n, NULL) != FINOPS_OK)
            fail("read");
        done += n;
    }
    reader->close(reader);
    if (done != SIZE)
        fail("read");
}

static bool
seen(const finops_object *object, void *arg)
{
    (void)object;
    (void)arg;
    return true;
}

static void
do_list(fo_stage s)
{
    const finops_list list = { .prefix = "some/" };

    if (s.driver->list(s.self, &list, seen, NULL, NULL) != FINOPS_OK)
        fail("list");
}

static void
do_remove(fo_stage s)
{
    const finops_remove remove = { .key = "absent" };

    if (s.driver->remove(s.self, &remove, NULL) != FINOPS_OK)
        fail("remove");
}

static const struct {
    const char *name;
    void (*call)(fo_stage s);
} calls[] = {
    { "put", do_put }, { "stat", do_stat }, { "read", do_read }, { "list", do_list }, { "remove", do_remove }
};

static int
by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Of this thread: what others do on the machine is not measured. */
static double
cpu_us(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Microseconds of one. */
static double
measure(fo_stage s, void (*call)(fo_stage s))
{
    double rounds[ROUNDS];

    do_put(s);
    for (unsigned i = 0; i < ROUNDS; i++) {
        double begin = cpu_us();
        for (unsigned j = 0; j < CALLS; j++)
            call(s);
        rounds[i] = (cpu_us() - begin) / CALLS;
    }
    qsort(rounds, ROUNDS, sizeof(*rounds), by_value);
    return rounds[ROUNDS / 2];
}

/* The most that a call takes more than `bare`. */
static double
row(const char *name, fo_stage s, const double bare[FO_COUNT(calls)])
{
    double most = 0;

    (void)printf("%-34s", name);
    for (size_t i = 0; i < FO_COUNT(calls); i++) {
        double more = measure(s, calls[i].call) - bare[i];
        most = more > most ? more : most;
        (void)printf(" %8.2f", more);
        (void)fflush(stdout);
    }
    (void)printf("\n");
    fo_stage_close(&s);
    return most;
}

int
main(int argc, char **argv)
{
    const double nothing[FO_COUNT(calls)] = { 0 };
    double bare[FO_COUNT(calls)], most;
    fo_stage s = memory();

    folder = argc > 1 ? argv[1] : NULL;
    memset(block, 'x', sizeof(block));
    (void)printf("%-34s", "microseconds more a call");
    for (size_t i = 0; i < FO_COUNT(calls); i++) {
        bare[i] = measure(s, calls[i].call);
        (void)printf(" %8s", calls[i].name);
    }
    (void)printf("\n");
    fo_stage_close(&s);
    (void)row("memory alone (in all)", memory(), nothing);
    (void)row("deadline", around(&fo_deadline_layer, &deadline, memory()), bare);
    (void)row("limits", around(&fo_limits_layer, &limits, memory()), bare);
    (void)row("retry", around(&fo_retry_layer, &retry, memory()), bare);
    (void)row("breaker", around(&fo_breaker_layer, &breaker, memory()), bare);
    (void)row("replicate (2 places)", replicated(memory()), bare);
    (void)row("encrypt", around(&fo_encrypt_layer, &encrypt, memory()), bare);
    (void)row("compress", around(&fo_compress_layer, &compress, memory()), bare);
    (void)row("metrics", around(&fo_metrics_layer, &metrics, memory()), bare);
    if (folder)
        (void)row("cache", cached(memory()), bare);
    (void)row("deadline limits retry breaker metrics", all_layers(false, false), bare);
    most = row("... and encrypt compress", all_layers(false, true), bare);
    (void)row("... and replicate", all_layers(true, true), bare);
    (void)printf("all layers over one place: at most %.2f us, promised %.0f\n", most, PROMISED_US);
    return most < PROMISED_US ? 0 : 1;
}
