/*
 * What the front door costs: a call through it against the driver called directly, and taking a connection
 * out of a warm pool, by one thread and by sixteen. The driver does nothing, so that nothing else is
 * measured.
 *
 *     ninja -C build tests/front_bench && build/tests/front_bench
 *
 * Exit status 1 when a figure is above what was promised: 1 us median a call, 50 us p99 an acquire.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "database/front_internal.h"

#define SAMPLES 20001
#define CALLS 32 /* a sample of the first figure */
#define ACQUIRES 100000
#define THREADS_MAX 16

static int connection;

static finops_code
null_open(const void *config, void **ret_self, finops_error **err)
{
    (void)config;
    (void)err;
    *ret_self = &connection;
    return FINOPS_OK;
}

static void
null_close(void *self)
{
    (void)self;
}

static void
null_capabilities(void *self, finops_capabilities *ret)
{
    (void)self;
    *ret =
        (finops_capabilities){ .features = FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_CONCURRENT_WRITERS,
                               .quote = '"' };
}

static finops_code
null_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn, finops_error **err)
{
    (void)self;
    (void)flags;
    (void)call;
    (void)err;
    *ret_conn = &connection;
    return FINOPS_OK;
}

static finops_code
null_execute(void *conn, const finops_statement *s, struct ArrowArrayStream *ret, int64_t *ret_changed,
             finops_error **err)
{
    (void)conn;
    (void)s;
    (void)ret;
    (void)err;
    if (ret_changed)
        *ret_changed = 0;
    return FINOPS_OK;
}

static bool
null_is_alive(void *conn)
{
    (void)conn;
    return true;
}

static const finops_database_driver null_driver = {
    .abi = FINOPS_DATABASE_ABI,
    .size = sizeof(finops_database_driver),
    .name = "null",
    .version = "1",
    .summary = "Does nothing.",
    .open = null_open,
    .close = null_close,
    .capabilities = null_capabilities,
    .connect = null_connect,
    .disconnect = null_close,
    .execute = null_execute,
    .is_alive = null_is_alive,
};

static int64_t
nanos(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int
by_size(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double
quantile(int64_t *samples, size_t n, double q)
{
    qsort(samples, n, sizeof(*samples), by_size);
    return (double)samples[(size_t)((double)(n - 1) * q)];
}

/* Median nanoseconds of one call. */
static double
calls(finops_session *session, bool direct)
{
    static int64_t samples[SAMPLES];
    const finops_database_driver *driver = fo_session_driver(session);
    const finops_statement statement = { .sql = "SELECT 1" };
    int64_t changed;

    for (size_t i = 0; i < SAMPLES; i++) {
        int64_t start = nanos();

        for (int k = 0; k < CALLS; k++) {
            finops_code rc =
                direct ? driver->execute(fo_session_native(session), &statement, NULL, &changed, NULL)
                       : finops_session_execute(session, &statement, NULL, &changed, NULL);

            if (rc != FINOPS_OK)
                abort();
        }
        samples[i] = nanos() - start;
    }
    return quantile(samples, SAMPLES, 0.5) / CALLS;
}

typedef struct runner {
    finops_database *database;
    pthread_barrier_t *start;
    int64_t *samples;
} runner;

static void *
acquires(void *arg)
{
    runner *r = arg;

    (void)pthread_barrier_wait(r->start);
    for (size_t i = 0; i < ACQUIRES; i++) {
        finops_session *session = NULL;
        int64_t start = nanos();

        if (finops_session_acquire(r->database, 0, NULL, &session, NULL) != FINOPS_OK)
            abort();
        r->samples[i] = nanos() - start;
        (void)sched_yield(); /* the others come in while it is out, as they do when it is used */
        finops_session_release(session);
    }
    return NULL;
}

static void
warm(finops_database *database)
{
    finops_session *sessions[THREADS_MAX];

    for (size_t i = 0; i < THREADS_MAX; i++)
        if (finops_session_acquire(database, 0, NULL, &sessions[i], NULL) != FINOPS_OK)
            abort();
    for (size_t i = 0; i < THREADS_MAX; i++)
        finops_session_release(sessions[i]);
}

/* p99 in microseconds. */
static double
acquire_p99(finops_database *database, size_t threads)
{
    int64_t *samples = fo_array(threads * ACQUIRES, sizeof(*samples));
    runner runners[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    pthread_barrier_t start;
    double p50, p99;

    if (!samples || pthread_barrier_init(&start, NULL, (unsigned)threads) != 0)
        abort();
    warm(database);
    for (size_t i = 0; i < threads; i++) {
        runners[i] = (runner){ database, &start, samples + i * ACQUIRES };
        if (pthread_create(&ids[i], NULL, acquires, &runners[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < threads; i++)
        (void)pthread_join(ids[i], NULL);
    p50 = quantile(samples, threads * ACQUIRES, 0.5) / 1000;
    p99 = quantile(samples, threads * ACQUIRES, 0.99) / 1000;
    (void)printf("acquire, %2zu threads, %zu each     p50 %8.3f us   p99 %8.3f us   max %10.3f us\n", threads,
                 (size_t)ACQUIRES, p50, p99, (double)samples[threads * ACQUIRES - 1] / 1000);
    (void)pthread_barrier_destroy(&start);
    fo_free(samples);
    return p99;
}

int
main(void)
{
    const fo_front_options options = { .pool.max = THREADS_MAX };
    finops_database *database = NULL;
    finops_session *session = NULL;
    double direct, through, one, sixteen;

    if (fo_front_open(&null_driver, NULL, NULL, &options, &database, NULL) != FINOPS_OK ||
        finops_session_acquire(database, 0, NULL, &session, NULL) != FINOPS_OK)
        return 2;
    (void)calls(session, true);
    direct = calls(session, true);
    through = calls(session, false);
    (void)printf("a call, median of %d               driver %6.1f ns   front door %6.1f ns   more %6.1f ns\n",
                 SAMPLES, direct, through, through - direct);
    finops_session_release(session);
    one = acquire_p99(database, 1);
    sixteen = acquire_p99(database, THREADS_MAX);
    finops_database_close(database);
    return through - direct < 1000 && one < 50 && sixteen < 50 ? 0 : 1;
}
