/*
 * Reads bill files through finops_bill_csv() and prints MB of text and of stored bytes a second.
 *
 *   csv_bench [--table DATABASE] [--memory MIB] FILE...
 *
 * Without --table the rows are only read and summed; with it they become a table of the database file, which
 * must not exist. Files have the same header. Columns are decimals and times by the end of their names:
 * enough for a measurement.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/csv.h"

typedef struct bench {
    const char *database;
    unsigned long long memory;
    char **files;
    size_t n_files;
    fo_engine *engine;
    fo_conn *conn;
    fo_files *sources;
    fo_strv header;
    fo_csv_job job;
} bench;

static fo_csv_type
bench_type(const char *name)
{
    static const char *const decimals[] = { "Cost", "Rate", "Amount", "Fee", "Factor", "ForUsage" };
    static const char *const times[] = { "StartDate", "EndDate", "StartTime", "EndTime" };

    if (fo_starts(name, "resourceTags/") || fo_starts(name, "costCategory/") || fo_starts(name, "product/"))
        return FO_CSV_TEXT;
    for (size_t i = 0; i < FO_COUNT(decimals); i++)
        if (fo_ends(name, decimals[i]))
            return FO_CSV_DECIMAL;
    for (size_t i = 0; i < FO_COUNT(times); i++)
        if (fo_ends(name, times[i]))
            return FO_CSV_TIMESTAMP;
    return FO_CSV_TEXT;
}

/* The engine compares column names without case, bills do not: a number keeps them apart. */
static finops_code
bench_job(bench *b, finops_error **err)
{
    size_t n = b->header.n;
    fo_csv_column *columns = fo_array(n, sizeof(*columns));
    fo_csv_file *inputs = fo_array(b->n_files, sizeof(*inputs));
    int *targets = fo_array(n, sizeof(*targets));

    b->job = (fo_csv_job){
        .files = b->sources, .inputs = inputs, .n_inputs = b->n_files, .columns = columns, .n_columns = n
    };
    if (!columns || !inputs || !targets)
        return fo_error_oom(err);
    for (size_t i = 0; i < n; i++) {
        const char *name = b->header.items[i];

        targets[i] = (int)i;
        columns[i].type = bench_type(name);
        columns[i].name =
            fo_streq(name, "lineItem/UnblendedCost") ? fo_strdup("cost") : fo_format("c%zu %s", i, name);
        if (!columns[i].name)
            return fo_error_oom(err);
    }
    for (size_t i = 0; i < b->n_files; i++)
        inputs[i] =
            (fo_csv_file){ .address = b->files[i], .label = b->files[i], .targets = targets, .n_fields = n };
    return FINOPS_OK;
}

static finops_code
bench_open(bench *b, finops_error **err)
{
    const fo_engine_options options = { .path = b->database, .memory_limit = b->memory << 20 };
    finops_code rc = fo_engine_open(&options, &b->engine, err);

    if (rc == FINOPS_OK)
        rc = fo_conn_open(b->engine, &b->conn, err);
    if (rc == FINOPS_OK)
        rc = fo_files_open(b->engine, &(fo_files_options){ 0 }, &b->sources, err);
    if (rc == FINOPS_OK)
        rc = fo_csv_header(b->sources, b->files[0], b->files[0], &b->header, NULL, err);
    if (rc == FINOPS_OK)
        rc = bench_job(b, err);
    if (rc == FINOPS_OK)
        rc = fo_csv_job_begin(b->conn, &b->job, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_exec(b->conn, "SET preserve_insertion_order = false", err);
    return rc;
}

static finops_code
bench_run(bench *b, finops_error **err)
{
    const char *sql = b->database ? "CREATE TABLE bill AS FROM finops_bill_csv(); CHECKPOINT"
                                  : "SELECT count(*), sum(cost) FROM finops_bill_csv()";
    finops_code rc = fo_conn_exec(b->conn, sql, err);

    if (rc != FINOPS_OK) {
        finops_error *failure = fo_csv_failure(b->conn);

        if (failure) {
            finops_error_freep(err);
            *err = failure;
        }
    }
    return rc;
}

static double
bench_seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void
bench_print(const bench *b, int64_t micros)
{
    struct rusage usage;
    double seconds = (double)micros / 1e6;

    getrusage(RUSAGE_SELF, &usage);
    printf("%lld rows in %.2f s, %.0f rows/s, %.1f MB/s stored, cpu %.1f s, peak memory %ld MiB\n",
           (long long)b->job.rows, seconds, (double)b->job.rows / seconds,
           (double)b->job.bytes_read / (double)micros,
           bench_seconds(&usage.ru_utime) + bench_seconds(&usage.ru_stime), usage.ru_maxrss / 1024);
}

static void
bench_close(bench *b)
{
    if (b->conn)
        fo_csv_job_end(b->conn);
    for (size_t i = 0; b->job.columns && i < b->job.n_columns; i++)
        fo_free((void *)(uintptr_t)b->job.columns[i].name);
    if (b->job.inputs)
        fo_free((void *)(uintptr_t)b->job.inputs[0].targets);
    fo_free((void *)(uintptr_t)b->job.inputs);
    fo_free((void *)(uintptr_t)b->job.columns);
    fo_strv_done(&b->header);
    fo_files_closep(&b->sources);
    fo_conn_closep(&b->conn);
    fo_engine_closep(&b->engine);
}

int
main(int argc, char **argv)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    bench b = { .memory = 1000 };
    int64_t begin;
    finops_code rc;
    int i = 1;

    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (fo_streq(argv[i], "--table"))
            b.database = argv[i + 1];
        else if (!fo_streq(argv[i], "--memory") || !fo_parse_u64(argv[i + 1], &b.memory))
            break;
    }
    if (i >= argc || argv[i][0] == '-') {
        fprintf(stderr, "usage: csv_bench [--table DATABASE] [--memory MIB] FILE...\n");
        return 2;
    }
    b.files = argv + i;
    b.n_files = (size_t)(argc - i);

    rc = bench_open(&b, &err);
    begin = fo_clock_monotonic();
    if (rc == FINOPS_OK)
        rc = bench_run(&b, &err);
    if (rc == FINOPS_OK)
        bench_print(&b, fo_clock_monotonic() - begin);
    else
        fprintf(stderr, "csv_bench: %s\n", finops_error_text(err));
    bench_close(&b);
    return finops_code_exit_status(rc);
}
