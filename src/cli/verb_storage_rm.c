/* finops storage rm: objects away. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/storage.h"
#include "cli/storage_remove.h"

static const char *const config_keys[] = { FO_STORAGE_KEYS, NULL };

/* A slip of the key should not look like success. */
static finops_code
remove_single(fo_cli *cli, const fo_spot *spot, fo_table *plan, finops_error **err)
{
    const finops_call call = fo_storage_call(cli);
    const finops_remove remove = { .key = spot->key, .call = &call };
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    finops_code rc;

    if (fo_spot_is_folder(spot)) {
        rc = fo_error_set(err, FINOPS_E_USAGE, "%s is a folder", spot->shown);
        fo_error_hint(err, "--recursive removes all that lies below it");
        return rc;
    }
    rc = finops_storage_stat(spot->storage, spot->key, &call, &object, err);
    if (rc != FINOPS_OK)
        return rc;
    if (plan)
        return fo_storage_plan_add(plan, "delete", spot->key, NULL, object.size) ? rc : fo_error_oom(err);
    return finops_storage_delete_file(spot->storage, &remove, err);
}

static finops_code
remove_below(fo_removal *removal, const fo_spot *spot, finops_error **err)
{
    FO_AUTO(fo_freep) char *prefix = fo_spot_prefix(spot);
    const fo_storage_flags *flags = removal->work->cli->options;
    const finops_call call = fo_storage_call(removal->work->cli);
    FO_AUTO(fo_cursor_done)
    fo_cursor cursor = { .storage = spot->storage, .prefix = prefix, .flags = flags, .call = &call };
    finops_code rc = prefix ? FINOPS_OK : fo_error_oom(err);

    removal->storage = spot->storage;
    while (rc == FINOPS_OK && !atomic_load(&removal->work->stop)) {
        rc = fo_cursor_fill(&cursor, err);
        if (rc != FINOPS_OK || cursor.n == 0)
            break;
        rc = fo_removal_run(removal, cursor.items, cursor.n, err);
    }
    return rc;
}

static finops_code
ask(fo_cli *cli, const fo_spots *spots, bool *ret_yes, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str question = FO_STR_MAX(4096);

    fo_str_add(&question, "Remove all that lies below");
    for (size_t i = 0; i < spots->n; i++)
        fo_str_addf(&question, " %s", spots->items[i].shown);
    fo_str_addc(&question, '?');
    return fo_cli_confirm(
        cli, fo_str_ok(&question) ? fo_str_z(&question) : "Remove all that lies below them?", ret_yes, err);
}

static finops_code
remove_all(fo_cli *cli, fo_removal *removal, const fo_spots *spots, finops_error **err)
{
    const fo_storage_flags *flags = cli->options;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < spots->n; i++) {
        if (flags->recursive) {
            rc = remove_below(removal, &spots->items[i], err);
            continue;
        }
        rc = remove_single(cli, &spots->items[i], removal->plan, err);
        removal->removed += rc == FINOPS_OK;
    }
    return rc;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    const fo_storage_flags *flags = cli->options;
    fo_storage_summary summary = { .began_us = fo_clock_monotonic() };
    FO_AUTO(fo_spots_done) fo_spots spots = { 0 };
    FO_AUTO(fo_table_freep) fo_table *plan = flags->dry_run ? fo_storage_plan_new() : NULL;
    FO_AUTO(fo_work_done) fo_work work;
    fo_removal removal = { .work = &work, .plan = plan };
    bool yes = true;
    finops_code rc;

    fo_work_init(&work, cli, flags->parallel, "removed");
    if (flags->dry_run && !plan)
        return fo_error_oom(err);
    rc = fo_spots_open(cli, false, &spots, err);
    if (rc == FINOPS_OK && flags->recursive && !plan)
        rc = ask(cli, &spots, &yes, err);
    if (rc != FINOPS_OK || !yes)
        return rc;
    rc = remove_all(cli, &removal, &spots, err);
    if (rc == FINOPS_OK)
        rc = fo_removal_result(&removal, err);
    if (rc != FINOPS_OK && removal.removed == 0)
        return rc;
    summary.deleted = removal.removed;
    summary.failed = removal.failed;
    fo_progress_clear(cli);
    finops_code printed = plan ? fo_table_print(cli, plan, rc == FINOPS_OK ? err : NULL)
                               : fo_storage_summary_print(cli, &summary, rc == FINOPS_OK ? err : NULL);
    return rc == FINOPS_OK ? printed : rc;
}

static const finops_option options[] = {
    FO_STORAGE_RECURSIVE("All that lies below the addresses, after a confirmation"),
    FO_STORAGE_FILTER,
    FO_STORAGE_PARALLEL,
    FO_STORAGE_DRY_RUN,
    FO_STORAGE_STATS,
    { 0 },
};

const fo_verb fo_verb_storage_rm = {
    .name = "storage rm",
    .args = "ADDRESS...",
    .summary = "Remove objects",
    .help = "An object that is not there is a failure, so that a slip of the key is seen. With --recursive "
            "all that lies below a folder goes, many in one request where the service can; a/ is never "
            "ab. " FO_STORAGE_ADDRESSES "\n\n" FO_STORAGE_GLOBS
            "\n\nExit status: 0 all gone, 1 nothing is, 2 the command line or the configuration is wrong, 3 "
            "some failed.",
    .examples = "finops storage rm s3://bills/2026/a.csv\n  # one object\n"
                "finops storage rm --recursive --include '*.tmp' --yes ./spool/\n  # without a question\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 1,
    .max_args = 10000,
    .flags = FO_VERB_ROWS | FO_VERB_ASKS,
    .run = run,
};
