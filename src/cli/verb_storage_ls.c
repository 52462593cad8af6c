/* finops storage ls|du: what is there, and how much. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/render.h"
#include "cli/storage.h"

static const char *const config_keys[] = { FO_STORAGE_KEYS, NULL };

/* ---- ls ---- */

typedef struct listing {
    fo_cli *cli;
    const fo_storage_flags *flags;
    fo_sink sink;
    size_t cut; /* bytes of the prefix */
    bool any;
    finops_code rc;
    finops_error *why;
} listing;

static bool
show(const finops_object *object, void *arg)
{
    listing *l = arg;
    char size[32], modified[FO_TIME_TEXT];
    fo_cell cells[] = { { FO_CELL_NULL, { 0 } }, { FO_CELL_NULL, { 0 } }, { FO_CELL_TEXT, { 0 } } };

    l->any = true;
    if (!object->is_prefix && !fo_storage_wanted(l->flags, object->key + l->cut))
        return true;
    if (object->size >= 0) {
        int n = snprintf(size, sizeof(size), "%" PRId64, object->size);
        cells[0] = (fo_cell){ FO_CELL_LITERAL, { .data = size, .len = (size_t)n, .max = sizeof(size) } };
    }
    if (object->modified_us >= 0) {
        (void)fo_time_format(object->modified_us / 1000000 * 1000000, modified);
        cells[1] =
            (fo_cell){ FO_CELL_TEXT, { .data = modified, .len = strlen(modified), .max = FO_TIME_TEXT } };
    }
    cells[2].text = (fo_str){ .data = (char *)(uintptr_t)object->key,
                              .len = strlen(object->key),
                              .max = FINOPS_STORAGE_KEY_MAX };
    l->rc = fo_sink_row(&l->sink, cells, &l->why);
    return l->rc == FINOPS_OK;
}

/* An object of just this name; that there is none is fine. */
static finops_code
show_object(listing *l, const fo_spot *spot, const finops_call *call, finops_error **err)
{
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    finops_code rc = finops_storage_stat(spot->storage, spot->key, call, &object, err);

    if (rc == FINOPS_E_NOT_FOUND || rc == FINOPS_E_ARGUMENT) {
        finops_error_freep(err);
        return FINOPS_OK;
    }
    l->cut = (size_t)(fo_spot_name(spot) - spot->key);
    if (rc == FINOPS_OK)
        (void)show(&object, l);
    return rc;
}

static finops_code
show_spot(listing *l, const fo_spot *spot, finops_error **err)
{
    const finops_call call = fo_storage_call(l->cli);
    FO_AUTO(fo_freep) char *prefix = fo_spot_prefix(spot);
    const finops_list list = { .prefix = prefix, .children = !l->flags->recursive, .call = &call };
    finops_code rc = FINOPS_OK;

    if (!prefix)
        return fo_error_oom(err);
    if (!fo_spot_is_folder(spot))
        rc = show_object(l, spot, &call, err);
    l->cut = strlen(prefix);
    if (rc == FINOPS_OK && l->rc == FINOPS_OK)
        rc = finops_storage_list_files(spot->storage, &list, show, l, err);
    if (rc == FINOPS_OK && l->rc != FINOPS_OK) {
        *err = FO_TAKE(l->why);
        rc = l->rc;
    }
    if (rc == FINOPS_OK && !l->any && *spot->key && !fo_ends(spot->shown, "/"))
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "there is nothing at %s", spot->shown);
    return rc;
}

static finops_code
run_ls(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "size", NULL, true },
                                               { "modified", NULL, false },
                                               { "key", NULL, false } };
    FO_AUTO(fo_spots_done) fo_spots spots = { 0 };
    listing l = { .cli = cli, .flags = cli->options };
    finops_code rc = fo_spots_open(cli, false, &spots, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = fo_sink_begin(&l.sink, cli, columns, FO_COUNT(columns), FO_TABLE_HOLD, err);
    if (rc == FINOPS_OK)
        rc = show_spot(&l, &spots.items[0], err);
    if (rc == FINOPS_OK)
        rc = fo_sink_end(&l.sink, err);
    fo_sink_done(&l.sink);
    finops_error_free(l.why);
    return rc;
}

static const finops_option ls_options[] = {
    FO_STORAGE_RECURSIVE("All that lies below the address, not only what is directly in it"),
    FO_STORAGE_FILTER,
    FO_STORAGE_STATS,
    { 0 },
};

const fo_verb fo_verb_storage_ls = {
    .name = "storage ls",
    .args = "ADDRESS",
    .summary = "List objects",
    .help = "What is directly in a bucket or folder; folders end with \"/\" and have neither size nor "
            "time. Keys are those of the place, in order of their bytes. " FO_STORAGE_ADDRESSES
            "\n\n" FO_STORAGE_GLOBS,
    .examples = "finops storage ls s3://bills/2026/\n  # a folder\n"
                "finops storage ls --recursive --include '*.parquet' --format csv bronze:\n"
                "  # every Parquet file of a place, for a program\n",
    .config_keys = config_keys,
    .options = ls_options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 1,
    .max_args = 1,
    .flags = FO_VERB_ROWS,
    .run = run_ls,
};

/* ---- du ---- */

/* Sums of what begins with the same parts; in order, so that one is at work at a time. */
typedef struct usage {
    const fo_storage_flags *flags;
    const char *prefix;
    fo_table *table;
    fo_str folder; /* of the sum */
    uint64_t objects;
    int64_t bytes;
    bool failed;
} usage;

static void
usage_add(usage *u)
{
    char objects[32], bytes[32];
    const char *const cells[] = { fo_str_z(&u->folder), objects, bytes };

    (void)snprintf(objects, sizeof(objects), "%" PRIu64, u->objects);
    (void)snprintf(bytes, sizeof(bytes), "%" PRId64, u->bytes);
    u->failed = u->failed || !fo_str_ok(&u->folder) || !fo_table_add(u->table, cells);
    u->objects = 0;
    u->bytes = 0;
}

/* Bytes of the key that are the folder it is counted in. */
static size_t
folder_length(const usage *u, const char *key)
{
    size_t n = strlen(u->prefix);

    for (int64_t i = 0; i < u->flags->depth; i++) {
        const char *slash = strchr(key + n, '/');

        if (!slash)
            break;
        n = (size_t)(slash - key) + 1;
    }
    return n;
}

static bool
count(const finops_object *object, void *arg)
{
    usage *u = arg;
    size_t n = folder_length(u, object->key);

    if (!fo_storage_wanted(u->flags, object->key + strlen(u->prefix)))
        return true;
    if (u->objects > 0 && (n != u->folder.len || strncmp(object->key, fo_str_z(&u->folder), n) != 0))
        usage_add(u);
    fo_str_clear(&u->folder);
    fo_str_addn(&u->folder, object->key, n);
    u->objects++;
    u->bytes += object->size > 0 ? object->size : 0;
    return !u->failed;
}

static finops_code
count_spot(fo_cli *cli, const fo_spot *spot, usage *u, finops_error **err)
{
    const finops_call call = fo_storage_call(cli);
    FO_AUTO(fo_freep) char *prefix = fo_spot_prefix(spot);
    const finops_list list = { .prefix = prefix, .call = &call };
    finops_code rc;

    if (!prefix)
        return fo_error_oom(err);
    u->prefix = prefix;
    fo_str_clear(&u->folder);
    fo_str_add(&u->folder, prefix);
    rc = finops_storage_list_files(spot->storage, &list, count, u, err);
    if (rc == FINOPS_OK && (u->objects > 0 || u->flags->depth == 0))
        usage_add(u);
    return rc == FINOPS_OK && u->failed ? fo_error_oom(err) : rc;
}

static finops_code
run_du(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "folder", NULL, false },
                                               { "objects", NULL, true },
                                               { "bytes", NULL, true } };
    FO_AUTO(fo_spots_done) fo_spots spots = { 0 };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    usage u = { .flags = cli->options, .table = table, .folder = FO_STR_INIT };
    finops_code rc = table ? fo_spots_open(cli, false, &spots, err) : fo_error_oom(err);

    for (size_t i = 0; rc == FINOPS_OK && i < spots.n; i++)
        rc = count_spot(cli, &spots.items[i], &u, err);
    fo_str_done(&u.folder);
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

static const finops_option du_options[] = {
    { "depth", FINOPS_OPT_INT, FO_STORAGE_FLAG(depth), .value = "0", .min = 0, .max = 100,
      .help = "A sum for each folder so many levels below the address; 0 is one for all" },
    FO_STORAGE_FILTER,
    FO_STORAGE_STATS,
    { 0 },
};

const fo_verb fo_verb_storage_du = {
    .name = "storage du",
    .args = "ADDRESS...",
    .summary = "Count objects and their bytes",
    .help =
        "Objects directly in a folder count for that folder. " FO_STORAGE_ADDRESSES "\n\n" FO_STORAGE_GLOBS,
    .examples = "finops storage du --depth 1 s3://bills/\n  # each top folder of a bucket\n",
    .config_keys = config_keys,
    .options = du_options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 1,
    .max_args = 1000,
    .flags = FO_VERB_ROWS,
    .run = run_du,
};
