/* finops storage cp|mv|get|put: objects from one place to another. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli_internal.h"
#include "cli/storage_copy.h"

#define BUFFER ((size_t)1 << 20)

static const char *const config_keys[] = { FO_STORAGE_KEYS, NULL };

typedef struct transfer {
    fo_cli *cli;
    const fo_storage_flags *flags;
    fo_spots spots;
    fo_work work;
    fo_copy_totals totals;
    fo_copy copy;
    finops_metadata *metadata;
    fo_strv texts; /* of metadata */
    fo_storage_summary summary;
} transfer;

/* ---- one object after the other into a list ---- */

/* The key an object gets: in a folder its own name. */
static char *
target_key(const fo_spot *from, const fo_spot *to)
{
    return fo_spot_is_folder(to) ? fo_format("%s%s", to->key, fo_spot_name(from)) : fo_strdup(to->key);
}

static finops_code
not_recursive(const fo_spot *spot, finops_error **err)
{
    finops_code rc = fo_error_set(err, FINOPS_E_USAGE, "%s is a folder", spot->shown);

    fo_error_hint(err, "--recursive takes all that lies below it");
    return rc;
}

static finops_code
copy_single(const fo_spot *from, const fo_spot *to, fo_pairs *pairs, finops_error **err)
{
    if (fo_spot_is_folder(from))
        return not_recursive(from, err);
    return fo_pairs_add(pairs, from->key, target_key(from, to), -1, err);
}

static finops_code
copy_turns(transfer *t, fo_cursor *cursor, const char *to_prefix, finops_error **err)
{
    FO_AUTO(fo_pairs_done) fo_pairs pairs = { 0 };
    size_t cut = strlen(cursor->prefix);
    finops_code rc;

    for (;;) {
        rc = fo_cursor_fill(cursor, err);
        for (size_t i = 0; rc == FINOPS_OK && i < cursor->n; i++)
            rc = fo_pairs_add(&pairs, cursor->items[i].key,
                              fo_format("%s%s", to_prefix, cursor->items[i].key + cut), cursor->items[i].size,
                              err);
        if (rc != FINOPS_OK || pairs.n == 0)
            return rc;
        rc = fo_copy_pairs(&t->copy, &pairs, err);
        fo_pairs_clear(&pairs);
        if (rc != FINOPS_OK || atomic_load(&t->work.stop) || fo_cancelled(t->cli->cancel))
            return rc;
    }
}

static finops_code
copy_below(transfer *t, const fo_spot *from, const fo_spot *to, finops_error **err)
{
    FO_AUTO(fo_freep) char *prefix = fo_spot_prefix(from);
    FO_AUTO(fo_freep) char *to_prefix = fo_spot_prefix(to);
    const finops_call call = fo_storage_call(t->cli);
    FO_AUTO(fo_cursor_done)
    fo_cursor cursor = { .storage = from->storage, .prefix = prefix, .flags = t->flags, .call = &call };
    finops_code rc;

    if (!prefix || !to_prefix)
        return fo_error_oom(err);
    rc = fo_copy_overlap_check(from, prefix, to, to_prefix, err);
    if (rc == FINOPS_OK)
        rc = copy_turns(t, &cursor, to_prefix, err);
    if (rc == FINOPS_OK && !cursor.any)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "there is nothing below %s", from->shown);
    return rc;
}

/* ---- standard input and output ---- */

static finops_code
read_input(void *buffer, size_t *ret_n, const fo_cli *cli, finops_error **err)
{
    for (;;) {
        ssize_t n = fo_cancelled(cli->cancel) ? -1 : read(STDIN_FILENO, buffer, BUFFER);

        if (fo_cancelled(cli->cancel))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped; nothing was written");
        if (n >= 0) {
            *ret_n = (size_t)n;
            return FINOPS_OK;
        }
        if (errno != EINTR)
            return fo_error_errno(err, errno, "read standard input");
    }
}

static finops_code
put_input(transfer *t, const fo_spot *to, finops_error **err)
{
    const finops_call call = fo_storage_call(t->cli);
    const finops_put put = { .key = to->key,
                             .size = -1,
                             .content_type = t->flags->content_type,
                             .metadata = t->metadata,
                             .n_metadata = t->copy.job.n_metadata,
                             .create_only = t->flags->create_only,
                             .call = &call };
    FO_AUTO(fo_freep) char *buffer = fo_alloc(BUFFER);
    finops_writer *writer = NULL;
    size_t n = 1;
    finops_code rc;

    if (fo_spot_is_folder(to))
        return fo_error_set(err, FINOPS_E_USAGE, "%s: what comes from standard input needs a name",
                            to->shown);
    if (!buffer)
        return fo_error_oom(err);
    rc = finops_storage_write(to->storage, &put, NULL, &writer, err);
    while (rc == FINOPS_OK && n > 0) {
        rc = read_input(buffer, &n, t->cli, err);
        if (rc == FINOPS_OK && n > 0)
            rc = writer->write(writer, buffer, n, err);
        if (rc == FINOPS_OK)
            t->summary.bytes += (int64_t)n;
        fo_progress_show(t->cli, -1, "%.1f MiB", (double)t->summary.bytes / (1 << 20));
    }
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, NULL, err);
    if (writer)
        writer->close(writer);
    t->summary.objects = rc == FINOPS_OK;
    return rc;
}

/* ---- the verbs ---- */

static finops_code
metadata_parse(transfer *t, finops_error **err)
{
    size_t n = 0;

    while (t->flags->metadata && t->flags->metadata[n])
        n++;
    t->metadata = fo_array(n + 1, sizeof(*t->metadata));
    if (!t->metadata)
        return fo_error_oom(err);
    for (size_t i = 0; i < n; i++) {
        const char *text = t->flags->metadata[i], *equals = strchr(text, '=');

        if (!equals || equals == text)
            return fo_error_set(err, FINOPS_E_USAGE, "--metadata: \"%s\" is not NAME=VALUE", text);
        if (!fo_strv_addn(&t->texts, text, (size_t)(equals - text)))
            return fo_error_oom(err);
        t->metadata[i] = (finops_metadata){ t->texts.items[t->texts.n - 1], equals + 1 };
    }
    t->copy.job.metadata = t->metadata;
    t->copy.job.n_metadata = n;
    return FINOPS_OK;
}

static void
transfer_done(transfer *t)
{
    fo_table_free(t->copy.plan);
    fo_work_done(&t->work);
    fo_spots_done(&t->spots);
    fo_strv_done(&t->texts);
    fo_free(t->metadata);
}

static finops_code
transfer_begin(transfer *t, fo_cli *cli, bool move, bool dash, finops_error **err)
{
    const fo_storage_flags *flags = cli->options;
    finops_code rc;

    t->cli = cli;
    t->flags = flags;
    t->summary.began_us = fo_clock_monotonic();
    fo_work_init(&t->work, cli, flags->parallel ? flags->parallel : 1, move ? "moved" : "copied");
    t->copy = (fo_copy){ .work = &t->work, .totals = &t->totals };
    t->copy.job.move = move;
    t->copy.job.create_only = flags->create_only;
    t->copy.job.content_type = flags->content_type;
    rc = metadata_parse(t, err);
    if (rc == FINOPS_OK && flags->dry_run && !(t->copy.plan = fo_storage_plan_new()))
        rc = fo_error_oom(err);
    return rc == FINOPS_OK ? fo_spots_open(cli, dash, &t->spots, err) : rc;
}

/* What was done is told however it ended. */
static finops_code
transfer_end(transfer *t, finops_code rc, finops_error **err)
{
    finops_code printed;

    fo_progress_clear(t->cli);
    if (rc == FINOPS_OK)
        rc = fo_work_result(&t->work, err);
    if (rc != FINOPS_OK && t->work.done == 0)
        return rc;
    if (t->copy.plan)
        printed = fo_table_print(t->cli, t->copy.plan, rc == FINOPS_OK ? err : NULL);
    else {
        t->summary.objects += t->work.done;
        t->summary.failed += t->work.failed;
        t->summary.bytes += atomic_load(&t->totals.bytes);
        printed = fo_storage_summary_print(t->cli, &t->summary, rc == FINOPS_OK ? err : NULL);
    }
    return rc == FINOPS_OK ? printed : rc;
}

static finops_code
copy_all(transfer *t, finops_error **err)
{
    FO_AUTO(fo_pairs_done) fo_pairs pairs = { 0 };
    const fo_spot *to = &t->spots.items[t->spots.n - 1];
    finops_code rc = FINOPS_OK;

    t->copy.job.to = to;
    t->work.single = t->spots.n == 2 && !t->flags->recursive;
    if (t->spots.n > 2 && !fo_spot_is_folder(to))
        return fo_error_set(err, FINOPS_E_USAGE, "%s is no folder, and there are several to go there",
                            to->shown);
    for (size_t i = 0; rc == FINOPS_OK && i + 1 < t->spots.n; i++) {
        const fo_spot *from = &t->spots.items[i];

        t->copy.job.from = from;
        if (t->flags->recursive) {
            rc = copy_below(t, from, to, err);
            continue;
        }
        rc = copy_single(from, to, &pairs, err);
        /* Those of one storage go at once. */
        if (rc == FINOPS_OK && (i + 2 == t->spots.n || from->storage != t->spots.items[i + 1].storage)) {
            rc = fo_copy_pairs(&t->copy, &pairs, err);
            fo_pairs_clear(&pairs);
        }
    }
    return rc;
}

static finops_code
cp_run(fo_cli *cli, bool move, finops_error **err)
{
    FO_AUTO(transfer_done) transfer t = { 0 };
    finops_code rc = transfer_begin(&t, cli, move, false, err);

    if (rc == FINOPS_OK)
        rc = copy_all(&t, err);
    return transfer_end(&t, rc, err);
}

static finops_code
run_cp(fo_cli *cli, finops_error **err)
{
    return cp_run(cli, false, err);
}

static finops_code
run_mv(fo_cli *cli, finops_error **err)
{
    return cp_run(cli, true, err);
}

static finops_code
run_put(fo_cli *cli, finops_error **err)
{
    FO_AUTO(transfer_done) transfer t = { 0 };
    bool input = cli->n_args == 2 && fo_streq(cli->args[0], "-");
    finops_code rc = transfer_begin(&t, cli, false, input, err);

    for (size_t i = 0; rc == FINOPS_OK && !input && i + 1 < t.spots.n; i++)
        if (!t.spots.items[i].root)
            rc = fo_error_set(err, FINOPS_E_USAGE, "%s is no file of this machine; cp copies between any two",
                              t.spots.items[i].shown);
    if (rc == FINOPS_OK)
        rc = input ? put_input(&t, &t.spots.items[1], err) : copy_all(&t, err);
    return transfer_end(&t, rc, err);
}

static finops_code
run_get(fo_cli *cli, finops_error **err)
{
    FO_AUTO(transfer_done) transfer t = { 0 };
    char here[] = ".";
    char *args[2] = { cli->args[0], here };
    fo_cli with_target = *cli;
    finops_code rc;

    if (cli->n_args == 1) {
        with_target.args = args;
        with_target.n_args = 2;
    }
    rc = transfer_begin(&t, &with_target, false, false, err);
    if (rc == FINOPS_OK && !t.spots.items[t.spots.n - 1].root)
        rc = fo_error_set(err, FINOPS_E_USAGE, "%s is no path of this machine; cp copies between any two",
                          t.spots.items[t.spots.n - 1].shown);
    if (rc == FINOPS_OK)
        rc = copy_all(&t, err);
    return transfer_end(&t, rc, err);
}

#define RECURSIVE                                                                                            \
    FO_STORAGE_RECURSIVE("All that lies below the address, under the same names below the target")
#define CREATE_ONLY                                                                                          \
    {                                                                                                        \
        "create_only", FINOPS_OPT_BOOL, FO_STORAGE_FLAG(create_only),                                        \
            .value = "false", .help = "Leave what is there already, and fail"                                \
    }

static const finops_option copy_options[] = {
    RECURSIVE, FO_STORAGE_FILTER, FO_STORAGE_PARALLEL, CREATE_ONLY, FO_STORAGE_DRY_RUN, FO_STORAGE_STATS,
    { 0 },
};

static const finops_option put_options[] = {
    RECURSIVE,
    FO_STORAGE_FILTER,
    FO_STORAGE_PARALLEL,
    CREATE_ONLY,
    FO_STORAGE_DRY_RUN,
    FO_STORAGE_STATS,
    { "content_type", FINOPS_OPT_STRING, FO_STORAGE_FLAG(content_type), .arg = "TYPE",
      .help = "Content type of the objects, such as text/csv" },
    { "metadata", FINOPS_OPT_LIST, FO_STORAGE_FLAG(metadata), .arg = "NAME=VALUE",
      .help = "Kept with the objects; may be given again" },
    { 0 },
};

#define MANY                                                                                                 \
    "Several objects go at once, --parallel of them. One that fails is told and stops no other. Ctrl-C "     \
    "ends "                                                                                                  \
    "what is under way; nothing half written is left.\n\n" FO_STORAGE_GLOBS                                  \
    "\n\nExit status: 0 all done, 1 nothing was, 2 the command line or the configuration is wrong, 3 some "  \
    "failed."

const fo_verb fo_verb_storage_cp = {
    .name = "storage cp",
    .args = "FROM... TO",
    .summary = "Copy objects between any two places",
    .help =
        "Within one service the service copies, and nothing comes here; between two the bytes go "
        "through this machine, large objects in parts. " FO_STORAGE_ADDRESSES
        "\n\nTO is a folder when it ends with \"/\", is a whole bucket or a folder of this machine; what is "
        "copied keeps its name there. With --recursive all that lies below FROM goes below TO, as it is "
        "called below FROM.\n\n" MANY,
    .examples = "finops storage cp s3://bills/2026/a.csv gs://copies/2026/\n  # one object\n"
                "finops storage cp --recursive --include '*.parquet' s3://bills/2026/ ./2026/\n"
                "  # the Parquet files of a year, to this machine\n",
    .config_keys = config_keys,
    .options = copy_options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 2,
    .max_args = 10000,
    .flags = FO_VERB_ROWS,
    .run = run_cp,
};

const fo_verb fo_verb_storage_mv = {
    .name = "storage mv",
    .args = "FROM... TO",
    .summary = "Move or rename objects",
    .help = "In one step where the service can; else an object is copied, the copy looked at, and then the "
            "original removed if it is still what was copied. " FO_STORAGE_ADDRESSES
            "\n\nTO is as for cp.\n\n" MANY,
    .examples = "finops storage mv s3://bills/new/a.csv s3://bills/old/\n  # one object\n"
                "finops storage mv --recursive ./spool/ s3://bills/in/\n  # files that are done with\n",
    .config_keys = config_keys,
    .options = copy_options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 2,
    .max_args = 10000,
    .flags = FO_VERB_ROWS,
    .run = run_mv,
};

const fo_verb fo_verb_storage_get = {
    .name = "storage get",
    .args = "ADDRESS... [FILE]",
    .summary = "Download objects",
    .help =
        "To a file or folder of this machine, the current folder unless one is given. A file appears "
        "under its name when all of it is here and its checksum, where there is one, is right. A large "
        "object comes in several parts at once. \"finops storage cat\" writes to standard output.\n\n" MANY,
    .examples = "finops storage get s3://bills/2026/a.csv\n  # into the current folder\n"
                "finops storage get --recursive bronze:system=aws/ ./raw/\n  # all below a place's folder\n",
    .config_keys = config_keys,
    .options = copy_options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 1,
    .max_args = 10000,
    .flags = FO_VERB_ROWS,
    .run = run_get,
};

const fo_verb fo_verb_storage_put = {
    .name = "storage put",
    .args = "FILE... ADDRESS",
    .summary = "Upload files, or standard input",
    .help = "\"-\" is standard input, of any length. Nothing is seen of an object before all of it is there, "
            "and nothing is left of one that failed. A large file goes in several parts at once.\n\n" MANY,
    .examples = "finops storage put a.csv b.csv s3://bills/in/\n  # two files\n"
                "pg_dump bills | finops storage put - s3://backup/bills.sql\n  # what a program writes\n",
    .config_keys = config_keys,
    .options = put_options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 2,
    .max_args = 10000,
    .flags = FO_VERB_ROWS,
    .run = run_put,
};
