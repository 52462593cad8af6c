/* What the verbs that change something print: one row of what was done, or rows of what would be. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/storage.h"

static const fo_table_column summary_columns[] = {
    { "objects", NULL, true }, { "bytes", NULL, true },  { "skipped", NULL, true },
    { "deleted", NULL, true }, { "failed", NULL, true }, { "seconds", NULL, true },
};
static const fo_table_column plan_columns[] = {
    { "action", NULL, false },
    { "from", NULL, false },
    { "to", NULL, false },
    { "bytes", NULL, true },
};

#define NUMBER 32

finops_code
fo_storage_summary_print(fo_cli *cli, const fo_storage_summary *s, finops_error **err)
{
    FO_AUTO(fo_table_freep) fo_table *table = NULL;
    char objects[NUMBER], bytes[NUMBER], skipped[NUMBER], deleted[NUMBER], failed[NUMBER], seconds[NUMBER];
    const char *const cells[] = { objects, bytes, skipped, deleted, failed, seconds };

    if (cli->quiet && !cli->format_given)
        return FINOPS_OK;
    (void)snprintf(objects, NUMBER, "%" PRIu64, s->objects);
    (void)snprintf(bytes, NUMBER, "%" PRId64, s->bytes);
    (void)snprintf(skipped, NUMBER, "%" PRIu64, s->skipped);
    (void)snprintf(deleted, NUMBER, "%" PRIu64, s->deleted);
    (void)snprintf(failed, NUMBER, "%" PRIu64, s->failed);
    (void)snprintf(seconds, NUMBER, "%.3f", (double)(fo_clock_monotonic() - s->began_us) / 1e6);
    table = fo_table_new(summary_columns, FO_COUNT(summary_columns));
    if (!table || !fo_table_add(table, cells))
        return fo_error_oom(err);
    return fo_table_print(cli, table, err);
}

fo_table *
fo_storage_plan_new(void)
{
    return fo_table_new(plan_columns, FO_COUNT(plan_columns));
}

bool
fo_storage_plan_add(fo_table *table, const char *action, const char *from, const char *to, int64_t size)
{
    char bytes[NUMBER];
    const char *const cells[] = { action, from, to, size >= 0 ? bytes : NULL };

    (void)snprintf(bytes, NUMBER, "%" PRId64, size);
    return fo_table_add(table, cells);
}
