/*
 * Small objects in and out of a storage, from and into memory: nothing but the library and its requests.
 *
 *     ninja -C build tests/storage_get_bench
 *     build/tests/storage_get_bench get|put|bare ADDRESS OBJECTS SIZE AT_ONCE ROUNDS [NAME=VALUE]...
 *
 * The objects are ADDRESS/object-000000.bin and so on; put makes them. NAME=VALUE are settings, such as
 * endpoint_url=http://localhost:9000. Each round opens the storage anew, so
 * that its connections are made within it, and prints "MILLISECONDS PROCESSOR-MILLISECONDS SWITCHES" of the
 * transfers alone. "bare" gets presigned addresses by plain HTTP over bare sockets, without the library and
 * without looking at what comes: what is left then is the server and the kernel. tests/bench/storage_bench.py
 * runs it beside other clients.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "registry/registry.h"
#include "storage/storage.h"

#define THREADS_MAX 256
#define SETTINGS_MAX 16

typedef struct bench {
    finops_storage *storage;
    bool put;
    char **urls; /* of "bare"; NULL: the library does it */
    unsigned n;
    size_t size;
    const char *block; /* of size bytes, what is put */
    atomic_uint next;
    atomic_bool failed;
} bench;

static bool
get_one(const bench *b, const char *key, char *buffer, finops_error **err)
{
    const finops_get get = { .key = key, .length = -1 };
    finops_reader *reader = NULL;
    size_t n = 1, done = 0;

    if (finops_storage_read(b->storage, &get, &reader, err) != FINOPS_OK)
        return false;
    while (n > 0) {
        if (reader->read(reader, buffer + done, b->size + 1 - done, &n, err) != FINOPS_OK)
            break;
        done += n;
    }
    reader->close(reader);
    return n == 0 && done == b->size;
}

static bool
put_one(const bench *b, const char *key, finops_error **err)
{
    const finops_put put = { .key = key, .size = (int64_t)b->size };

    return finops_storage_put(b->storage, &put, b->block, b->size, NULL, err) == FINOPS_OK;
}

/* ---- bare ---- */

#define HEAD_MAX 16384

/* To the 127.0.0.1:port of an address. */
static int
bare_connect(const char *url)
{
    const char *colon = strchr(url + strlen("http://"), ':');
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    to.sin_port = htons((uint16_t)(colon ? strtoul(colon + 1, NULL, 10) : 80));
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        return -1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static bool
bare_one(const bench *b, int fd, const char *url, char *buffer)
{
    const char *host = url + strlen("http://"), *path = strchr(host, '/');
    size_t have = 0, want = SIZE_MAX;
    int n =
        snprintf(buffer, HEAD_MAX, "GET %s HTTP/1.1\r\nHost: %.*s\r\n\r\n", path, (int)(path - host), host);

    if (n >= HEAD_MAX || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n)
        return false;
    while (have < want) {
        ssize_t got = recv(fd, buffer + have, HEAD_MAX + b->size - have, 0);
        const char *end;

        if (got <= 0)
            return false;
        have += (size_t)got;
        end = want == SIZE_MAX ? memmem(buffer, have, "\r\n\r\n", 4) : NULL;
        if (end)
            want = (size_t)(end - buffer) + 4 + b->size;
    }
    return have == want && memcmp(buffer, "HTTP/1.1 200", 12) == 0;
}

static void *
bare_work(void *arg)
{
    bench *b = arg;
    FO_AUTO(fo_freep) char *buffer = fo_alloc(HEAD_MAX + b->size);
    int fd = bare_connect(b->urls[0]);

    for (unsigned i; (i = atomic_fetch_add(&b->next, 1)) < b->n && !atomic_load(&b->failed);)
        if (!buffer || fd < 0 || !bare_one(b, fd, b->urls[i], buffer))
            atomic_store(&b->failed, true);
    if (fd >= 0)
        (void)close(fd);
    return NULL;
}

static bool
bare_urls(bench *b, finops_error **err)
{
    char key[32];

    b->urls = fo_array(b->n, sizeof(*b->urls));
    for (unsigned i = 0; b->urls && i < b->n; i++) {
        const finops_presign presign = { .key = key, .seconds = 3600 };

        (void)snprintf(key, sizeof(key), "object-%06u.bin", i);
        if (finops_storage_presign(b->storage, &presign, &b->urls[i], err) != FINOPS_OK)
            return false;
        if (!fo_starts(b->urls[i], "http://127.0.0.1:"))
            return false;
    }
    return b->urls != NULL;
}

static void
bare_done(bench *b)
{
    for (unsigned i = 0; b->urls && i < b->n; i++)
        free(b->urls[i]);
    fo_free(FO_TAKE(b->urls));
}

/* ---- the library ---- */

static void *
work(void *arg)
{
    bench *b = arg;
    FO_AUTO(fo_freep) char *buffer = fo_alloc(b->size + 1);
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    char key[32];

    for (;;) {
        unsigned i = atomic_fetch_add(&b->next, 1);

        if (i >= b->n || atomic_load(&b->failed))
            return NULL;
        (void)snprintf(key, sizeof(key), "object-%06u.bin", i);
        if (buffer && (b->put ? put_one(b, key, &err) : get_one(b, key, buffer, &err)))
            continue;
        if (!atomic_exchange(&b->failed, true))
            (void)fprintf(stderr, "storage_get_bench: %s: %s\n", key,
                          err ? finops_error_text(err) : "wrong size");
        return NULL;
    }
}

static double
now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static double
cpu_ms(const struct rusage *u)
{
    return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1e3 +
           (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e3;
}

static bool
round_run(bench *b, unsigned at_once)
{
    pthread_t threads[THREADS_MAX];
    struct rusage before, after;
    double begin;
    unsigned n = 0;

    atomic_store(&b->next, 0);
    (void)getrusage(RUSAGE_SELF, &before);
    begin = now_ms();
    while (n < at_once && pthread_create(&threads[n], NULL, b->urls ? bare_work : work, b) == 0)
        n++;
    for (unsigned i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
    begin = now_ms() - begin;
    (void)getrusage(RUSAGE_SELF, &after);
    if (n < at_once || atomic_load(&b->failed))
        return false;
    (void)printf("%.2f %.2f %ld\n", begin, cpu_ms(&after) - cpu_ms(&before),
                 after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw);
    (void)fflush(stdout);
    return true;
}

static unsigned
number(const char *text, unsigned most)
{
    unsigned long long v = 0;

    if (!fo_parse_u64(text, &v) || v < 1 || v > most) {
        (void)fprintf(stderr, "storage_get_bench: %s is no number from 1 to %u\n", text, most);
        exit(2);
    }
    return (unsigned)v;
}

/* "name=value"; how many. */
static size_t
settings_of(char **argv, finops_setting *ret)
{
    size_t n = 0;

    for (char *is; argv[n] && n < SETTINGS_MAX && (is = strchr(argv[n], '=')) != NULL; n++) {
        *is = '\0';
        ret[n] = (finops_setting){ argv[n], is + 1 };
    }
    return n;
}

int
main(int argc, char **argv)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_freep) char *block = NULL;
    finops_setting settings[SETTINGS_MAX];
    size_t n_settings;
    bench b = { 0 };

    if (argc < 7) {
        (void)fprintf(
            stderr,
            "usage: storage_get_bench get|put|bare ADDRESS OBJECTS SIZE AT_ONCE ROUNDS [NAME=VALUE]...\n");
        return 2;
    }
    b.put = strcmp(argv[1], "put") == 0;
    b.n = number(argv[3], 1000000);
    b.size = number(argv[4], 1u << 30);
    b.block = block = fo_alloc(b.size);
    if (!block || finops_registry_new(&registry, &err) != FINOPS_OK)
        return 1;
    memset(block, 'x', b.size);
    n_settings = settings_of(argv + 7, settings);
    for (unsigned left = number(argv[6], 10000); left > 0; left--) {
        bool ok;

        if (finops_storage_open(registry, argv[2], settings, n_settings, &b.storage, &err) != FINOPS_OK) {
            (void)fprintf(stderr, "storage_get_bench: %s\n", finops_error_text(err));
            return 1;
        }
        ok = strcmp(argv[1], "bare") != 0 || bare_urls(&b, &err);
        ok = ok && round_run(&b, number(argv[5], THREADS_MAX));
        bare_done(&b);
        finops_storage_close(b.storage);
        if (!ok)
            return 1;
    }
    return 0;
}
