/* finops storage sweep: what uploads that never ended left behind. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/storage.h"

#define HOUR_US (INT64_C(3600) * 1000000)

static const char *const config_keys[] = { FO_STORAGE_KEYS, NULL };
static const fo_table_column columns[] = {
    { "action", NULL, false }, { "key", NULL, false }, { "bytes", NULL, true }, { "begun", NULL, false }
};

typedef struct sweeping {
    fo_table *table;
    bool dry_run;
    bool full; /* no memory */
} sweeping;

/* Says no to all of them when nothing is to be done. */
static bool
each_upload(const finops_object *o, void *arg)
{
    sweeping *s = arg;
    char bytes[32], begun[FO_TIME_TEXT];
    const char *const cells[] = { s->dry_run ? "would remove" : "removed", o->key,
                                  o->size >= 0 ? bytes : NULL,
                                  o->modified_us >= 0 ? fo_time_format(o->modified_us, begun) : NULL };

    (void)snprintf(bytes, sizeof(bytes), "%" PRId64, o->size);
    if (!fo_table_add(s->table, cells))
        s->full = true;
    return !s->dry_run && !s->full;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    const fo_storage_flags *flags = cli->options;
    const finops_call call = fo_storage_call(cli);
    FO_AUTO(fo_spots_done) fo_spots spots = { 0 };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    sweeping s = { .table = table, .dry_run = flags->dry_run };
    finops_code rc = table ? fo_spots_open(cli, false, &spots, err) : fo_error_oom(err);

    for (size_t i = 0; rc == FINOPS_OK && i < spots.n; i++)
        rc = finops_storage_sweep(spots.items[i].storage, spots.items[i].key,
                                  fo_clock_now() - flags->older_than * HOUR_US, &call, each_upload, &s, err);
    if (rc == FINOPS_OK && s.full)
        rc = fo_error_oom(err);
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

static const finops_option options[] = {
    { "older_than", FINOPS_OPT_INT, FO_STORAGE_FLAG(older_than), .value = "24", .min = 0, .max = 876000,
      .arg = "HOURS", .help = "Only uploads that were begun so long ago" },
    FO_STORAGE_DRY_RUN,
    FO_STORAGE_STATS,
    { 0 },
};

const fo_verb fo_verb_storage_sweep = {
    .name = "storage sweep",
    .args = "ADDRESS...",
    .summary = "Remove what unfinished uploads left",
    .help = "A program that was killed, or a connection that never came back, leaves parts of an object that "
            "no list "
            "shows and that cost money all the same. Those whose keys begin with what the address names go; "
            "in a folder of this "
            "machine only when no living process writes them. An upload under way that is older "
            "fails. " FO_STORAGE_ADDRESSES,
    .examples = "finops storage sweep --dry-run s3://bills/\n  # what there is\n"
                "finops storage sweep --older-than 72 bronze:\n  # what was begun more than three days ago\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 1,
    .max_args = 10000,
    .flags = FO_VERB_ROWS,
    .run = run,
};
