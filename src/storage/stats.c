/* Figures of storages, added up by address. */
#include "storage/stats.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void
op_add(fo_op_figures *to, const fo_op_figures *from)
{
    to->calls += from->calls;
    to->errors += from->errors;
    to->attempts += from->attempts;
    to->retries += from->retries;
    to->bytes += from->bytes;
    to->total_us += from->total_us;
    for (size_t i = 0; i < FO_LATENCY_BUCKETS; i++)
        to->latency[i] += from->latency[i];
}

static void
figures_add(fo_storage_figures *to, const fo_storage_figures *from)
{
    for (size_t i = 0; i < FO_OP_COUNT_; i++)
        op_add(&to->ops[i], &from->ops[i]);
    for (size_t i = 0; i < FINOPS_E_COUNT_; i++)
        to->codes[i] += from->codes[i];
    to->bytes_in += from->bytes_in;
    to->bytes_out += from->bytes_out;
    to->retry_budget = from->retry_budget;
}

static void
cache_add(fo_cache_figures *to, const fo_cache_figures *from)
{
    to->hits += from->hits;
    to->misses += from->misses;
    to->revalidated += from->revalidated;
    to->corrupt += from->corrupt;
    to->evicted += from->evicted;
}

static bool
did_something(const fo_storage_figures *f)
{
    for (size_t i = 0; i < FO_OP_COUNT_; i++)
        if (f->ops[i].calls > 0 || f->ops[i].attempts > 0)
            return true;
    return false;
}

static fo_storage_stat *
stat_of(fo_storage_stats *stats, const char *address)
{
    void *items = stats->items;
    fo_storage_stat *s;
    bool ok;

    for (size_t i = 0; i < stats->n; i++)
        if (strcmp(stats->items[i].address, address) == 0)
            return &stats->items[i];
    ok = fo_grow(&items, &stats->cap, stats->n + 1, sizeof(*stats->items));
    stats->items = items;
    if (!ok)
        return NULL;
    s = &stats->items[stats->n];
    *s = (fo_storage_stat){ .address = fo_strdup(address) };
    if (!s->address)
        return NULL;
    stats->n++;
    return s;
}

void
fo_storage_stats_add(fo_storage_stats *stats, const finops_storage *storage)
{
    const fo_stage *stage = storage ? fo_storage_stage(storage) : NULL;
    fo_storage_figures figures;
    fo_cache_figures cache;
    fo_storage_stat *s;

    if (!stats || !stage || !fo_metrics_read(stage, &figures) || !did_something(&figures))
        return;
    s = stat_of(stats, finops_storage_address(storage));
    if (!s) {
        stats->failed = true;
        return;
    }
    figures_add(&s->figures, &figures);
    s->has_breaker = fo_breaker_layer_state(stage, &s->breaker);
    s->has_cache = fo_cache_read_figures(stage, &cache);
    if (s->has_cache)
        cache_add(&s->cache, &cache);
}

void
fo_storage_stats_done(fo_storage_stats *stats)
{
    for (size_t i = 0; i < stats->n; i++)
        fo_free(stats->items[i].address);
    fo_free(stats->items);
    *stats = (fo_storage_stats){ 0 };
}
