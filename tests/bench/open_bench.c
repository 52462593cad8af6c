/*
 * How long a connection to DuckDB takes: the first in a process, one to a fresh file, one to a file that the
 * process has open already. Prints medians and what is promised; ends with 1 when one is missed.
 *
 *   ninja -C build tests/open_bench && build/tests/open_bench [RUNS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "config/settings.h"
#include "database/duckdb/driver.h"

#define DRIVER (&fo_duckdb_driver)
#define RUNS_MAX 1000

static char folder[] = "/tmp/finops-open-XXXXXX";

static void
failed(const char *what, const finops_error *err)
{
    (void)fprintf(stderr, "%s: %s\n", what, finops_error_text(err));
    exit(2);
}

/* Opens and connects; microseconds. */
static int64_t
connect_to(const char *path, void **ret_self, void **ret_conn)
{
    fo_duckdb_settings settings = { .database_path = fo_strdup(path), .memory_limit = (uint64_t)1000 << 20 };
    finops_error *err = NULL;
    int64_t begin = fo_clock_monotonic();

    if (DRIVER->open(&settings, ret_self, &err) != FINOPS_OK ||
        DRIVER->connect(*ret_self, 0, NULL, ret_conn, &err) != FINOPS_OK)
        failed("connect", err);
    begin = fo_clock_monotonic() - begin;
    fo_free(settings.database_path);
    return begin;
}

static void
disconnect(void *self, void *conn, const char *path)
{
    DRIVER->disconnect(conn);
    DRIVER->close(self);
    if (path)
        (void)unlink(path);
}

static int64_t
fresh_file(unsigned i)
{
    FO_AUTO(fo_freep) char *path = fo_format("%s/fresh-%u.duckdb", folder, i);
    void *self = NULL, *conn = NULL;
    int64_t us = connect_to(path, &self, &conn);

    disconnect(self, conn, path);
    return us;
}

/* In a process of its own, from its main() on. */
static int64_t
first_in_process(unsigned i)
{
    FO_AUTO(fo_freep) char *number = fo_format("%u", i);
    int64_t us = -1;
    int out[2];
    pid_t pid;

    if (pipe(out) != 0 || (pid = fork()) < 0)
        failed("fork", NULL);
    if (pid == 0) {
        (void)dup2(out[1], 1);
        (void)execl("/proc/self/exe", "open_bench", "first", folder, number, (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    if (read(out[0], &us, sizeof(us)) != sizeof(us))
        failed("read", NULL);
    (void)close(out[0]);
    (void)waitpid(pid, NULL, 0);
    return us;
}

static int
first(const char *where, const char *number)
{
    FO_AUTO(fo_freep) char *path = fo_format("%s/first-%s.duckdb", where, number);
    void *self = NULL, *conn = NULL;
    int64_t us = connect_to(path, &self, &conn);

    disconnect(self, conn, path);
    return write(1, &us, sizeof(us)) == sizeof(us) ? 0 : 1;
}

static void *kept_self, *kept_conn;

static int64_t
already_open(unsigned i)
{
    FO_AUTO(fo_freep) char *path = fo_format("%s/open.duckdb", folder);
    void *self = NULL, *conn = NULL;
    int64_t us;

    if (i == 0)
        (void)connect_to(path, &kept_self, &kept_conn);
    us = connect_to(path, &self, &conn);
    disconnect(self, conn, NULL);
    return us;
}

static int
by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static bool
measure(const char *what, int64_t (*one)(unsigned), unsigned runs, double promised_ms)
{
    int64_t us[RUNS_MAX];
    double median;

    for (unsigned i = 0; i < runs; i++)
        us[i] = one(i);
    qsort(us, runs, sizeof(*us), by_size);
    median = (double)us[runs / 2] / 1000;
    (void)printf("%-22s median %7.3f ms  p90 %7.3f ms  of %u, promised under %g ms\n", what, median,
                 (double)us[runs * 9 / 10] / 1000, runs, promised_ms);
    return median < promised_ms;
}

int
main(int argc, char **argv)
{
    unsigned long runs = argc == 2 ? strtoul(argv[1], NULL, 10) : 50;
    FO_AUTO(fo_freep) char *path = NULL;
    bool kept;

    if (argc == 4 && strcmp(argv[1], "first") == 0)
        return first(argv[2], argv[3]);
    if (runs < 1 || runs > RUNS_MAX || !mkdtemp(folder))
        failed("open_bench [RUNS, 1 to 1000]", NULL);
    kept = measure("first in a process", first_in_process, (unsigned)runs, 30);
    kept = measure("fresh file", fresh_file, (unsigned)runs, 12) && kept;
    kept = measure("file already open", already_open, (unsigned)runs, 1) && kept;
    path = fo_format("%s/open.duckdb", folder);
    disconnect(kept_self, kept_conn, path);
    (void)rmdir(folder);
    return kept ? 0 : 1;
}
