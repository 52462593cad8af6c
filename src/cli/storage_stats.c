/* --stats: what storages did, told on standard error so that results stay what they are. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/storage.h"

#define NUMBER 32
#define TEXT_MAX (1u << 20)

static const fo_table_column columns[] = {
    { "storage", NULL, false }, { "operation", NULL, false }, { "calls", NULL, true },
    { "failed", NULL, true },   { "retries", NULL, true },    { "bytes", NULL, true },
    { "p50_ms", NULL, true },   { "p99_ms", NULL, true },
};

static void
put_ms(const fo_op_figures *f, double share, char ret[NUMBER])
{
    (void)snprintf(ret, NUMBER, "%.3g", (double)fo_metrics_percentile(f, share) / 1e3);
}

static bool
add_op(fo_table *table, const char *address, const char *name, const fo_op_figures *f)
{
    char calls[NUMBER], failed[NUMBER], retries[NUMBER], bytes[NUMBER], p50[NUMBER], p99[NUMBER];
    const char *const cells[] = {
        address, name, calls, failed, retries, f->bytes > 0 ? bytes : NULL, p50, p99
    };

    (void)snprintf(calls, NUMBER, "%" PRIu64, f->calls);
    (void)snprintf(failed, NUMBER, "%" PRIu64, f->errors);
    (void)snprintf(retries, NUMBER, "%" PRIu64, f->retries);
    (void)snprintf(bytes, NUMBER, "%" PRIu64, f->bytes);
    put_ms(f, 0.5, p50);
    put_ms(f, 0.99, p99);
    return fo_table_add(table, cells);
}

static bool
is_used(const fo_op_figures *f)
{
    return f->calls > 0 || f->attempts > 0;
}

/* What is none of an operation: a line a storage. */
static void
print_rest(const fo_storage_stat *s)
{
    (void)fprintf(stderr, "%s:", s->address);
    if (s->has_breaker)
        (void)fprintf(stderr, " breaker %s,", fo_breaker_state_name(s->breaker));
    if (s->has_cache)
        (void)fprintf(stderr, " cache %" PRIu64 " hits %" PRIu64 " misses %" PRIu64 " asked again,",
                      s->cache.hits, s->cache.misses, s->cache.revalidated);
    if (s->figures.retry_budget >= 0)
        (void)fprintf(stderr, " retry budget %d of 500,", s->figures.retry_budget);
    (void)fprintf(stderr, " %" PRIu64 " bytes read, %" PRIu64 " written\n", s->figures.bytes_in,
                  s->figures.bytes_out);
}

static finops_code
print_table(const fo_cli *cli, const fo_storage_stats *stats, finops_error **err)
{
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    fo_cli to_stderr = *cli;
    finops_code rc;

    to_stderr.out = stderr;
    to_stderr.format = FO_FORMAT_TABLE;
    to_stderr.width = 0;
    to_stderr.colour = false;
    if (!table)
        return fo_error_oom(err);
    for (size_t i = 0; i < stats->n; i++)
        for (int op = 0; op < FO_OP_COUNT_; op++) {
            const fo_op_figures *f = &stats->items[i].figures.ops[op];

            if (is_used(f) &&
                !add_op(table, stats->items[i].address, fo_storage_op_name((fo_storage_op)op), f))
                return fo_error_oom(err);
        }
    rc = fo_table_print(&to_stderr, table, err);
    for (size_t i = 0; rc == FINOPS_OK && i < stats->n; i++)
        print_rest(&stats->items[i]);
    return rc;
}

static finops_code
print_json(const fo_storage_stats *stats, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(TEXT_MAX);
    finops_code rc;

    fo_str_addc(&text, '[');
    for (size_t i = 0; i < stats->n; i++) {
        const fo_storage_stat *s = &stats->items[i];

        fo_str_add(&text, i > 0 ? ",{\"storage\":" : "{\"storage\":");
        fo_str_add_json(&text, s->address, strlen(s->address));
        fo_str_add(&text, ",\"figures\":");
        fo_metrics_json(&s->figures, &text);
        if (s->figures.retry_budget >= 0)
            fo_str_addf(&text, ",\"retry_budget\":%d", s->figures.retry_budget);
        if (s->has_breaker)
            fo_str_addf(&text, ",\"breaker\":\"%s\"", fo_breaker_state_name(s->breaker));
        if (s->has_cache)
            fo_str_addf(&text,
                        ",\"cache\":{\"hits\":%" PRIu64 ",\"misses\":%" PRIu64 ",\"revalidated\":%" PRIu64
                        ",\"corrupt\":%" PRIu64 ",\"evicted\":%" PRIu64 "}",
                        s->cache.hits, s->cache.misses, s->cache.revalidated, s->cache.corrupt,
                        s->cache.evicted);
        fo_str_addc(&text, '}');
    }
    fo_str_add(&text, "]\n");
    rc = fo_str_check(&text, err);
    if (rc == FINOPS_OK)
        (void)fputs(fo_str_z(&text), stderr);
    return rc;
}

void
fo_storage_stats_print(const fo_cli *cli, const fo_storage_stats *stats, bool json)
{
    finops_error *err = NULL;
    finops_code rc = FINOPS_OK;

    if (stats->failed)
        rc = fo_error_oom(&err);
    else if (json)
        rc = print_json(stats, &err);
    else if (stats->n > 0)
        rc = print_table(cli, stats, &err);
    if (rc != FINOPS_OK)
        fo_warn("figures of storages: %s", finops_error_text(err));
    finops_error_free(err);
}
