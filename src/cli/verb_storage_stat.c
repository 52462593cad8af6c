/* finops storage stat|cat|presign: single objects. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli_internal.h"
#include "cli/storage.h"

#define BUFFER ((size_t)256 << 10)

static const char *const config_keys[] = { FO_STORAGE_KEYS, NULL };

/* ---- stat ---- */

enum {
    KEY,
    SIZE,
    MODIFIED,
    VERSION,
    ETAG,
    CHECKSUM,
    CONTENT_TYPE,
    CONTENT_ENCODING,
    CACHE_CONTROL,
    METADATA,
    N
};

static const fo_table_column stat_columns[N] = {
    { "key", NULL, false },           { "size", NULL, true },
    { "modified", NULL, false },      { "version", NULL, false },
    { "etag", NULL, false },          { "checksum", NULL, false },
    { "content_type", NULL, false },  { "content_encoding", NULL, false },
    { "cache_control", NULL, false }, { "metadata", NULL, false },
};

/* In a table, which is for people, a line for each thing that is known. */
static bool
stat_lines(fo_table *table, const char *const *cells)
{
    bool ok = true;

    for (size_t i = 0; ok && i < N; i++) {
        const char *const line[] = { stat_columns[i].name, cells[i] };

        ok = !cells[i] || fo_table_add(table, line);
    }
    return ok;
}

static bool
stat_row(const fo_cli *cli, fo_table *table, const finops_object *o)
{
    FO_AUTO(fo_str_done) fo_str metadata = FO_STR_INIT;
    char size[32], modified[FO_TIME_TEXT];

    for (size_t i = 0; i < o->n_metadata; i++)
        fo_str_addf(&metadata, "%s%s=%s", i > 0 ? "\n" : "", o->metadata[i].name, o->metadata[i].value);
    (void)snprintf(size, sizeof(size), "%" PRId64, o->size);
    const char *const cells[N] = {
        [KEY] = o->key,
        [SIZE] = size,
        [MODIFIED] = o->modified_us >= 0 ? fo_time_format(o->modified_us, modified) : NULL,
        [VERSION] = o->version,
        [ETAG] = o->etag,
        [CHECKSUM] = o->checksum,
        [CONTENT_TYPE] = o->content_type,
        [CONTENT_ENCODING] = o->content_encoding,
        [CACHE_CONTROL] = o->cache_control,
        [METADATA] = metadata.len > 0 ? fo_str_z(&metadata) : NULL,
    };
    if (!fo_str_ok(&metadata))
        return false;
    return cli->format == FO_FORMAT_TABLE ? stat_lines(table, cells) : fo_table_add(table, cells);
}

static finops_code
object_check(const fo_spot *spot, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (fo_spot_is_folder(spot)) {
        rc = fo_error_set(err, FINOPS_E_USAGE, "%s is a folder and no object", spot->shown);
        fo_error_hint(err, "finops storage ls shows what is in it");
    }
    return rc;
}

static finops_code
run_stat(fo_cli *cli, finops_error **err)
{
    static const fo_table_column lines[] = { { "name", NULL, false }, { "value", NULL, false } };
    const finops_call call = fo_storage_call(cli);
    bool people = cli->format == FO_FORMAT_TABLE;
    FO_AUTO(fo_spots_done) fo_spots spots = { 0 };
    FO_AUTO(fo_table_freep)
    fo_table *table = people ? fo_table_new(lines, FO_COUNT(lines)) : fo_table_new(stat_columns, N);
    finops_code rc = table ? fo_spots_open(cli, false, &spots, err) : fo_error_oom(err);

    for (size_t i = 0; rc == FINOPS_OK && i < spots.n; i++) {
        FO_AUTO(finops_object_done) finops_object object = { 0 };

        rc = object_check(&spots.items[i], err);
        if (rc == FINOPS_OK)
            rc = finops_storage_stat(spots.items[i].storage, spots.items[i].key, &call, &object, err);
        if (rc == FINOPS_OK && !stat_row(cli, table, &object))
            rc = fo_error_oom(err);
    }
    return rc == FINOPS_OK ? fo_table_print(cli, table, err) : rc;
}

static const finops_option stat_options[] = { FO_STORAGE_STATS, { 0 } };

const fo_verb fo_verb_storage_stat = {
    .name = "storage stat",
    .args = "ADDRESS...",
    .summary = "Show what is known of objects",
    .help = "Size, time, version, checksum and what is kept with them. " FO_STORAGE_ADDRESSES,
    .examples = "finops storage stat s3://bills/2026/a.csv\n  # one object\n",
    .config_keys = config_keys,
    .options = stat_options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 1,
    .max_args = 1000,
    .flags = FO_VERB_ROWS,
    .run = run_stat,
};

/* ---- cat ---- */

static finops_code
cat_object(fo_cli *cli, const fo_spot *spot, char *buffer, finops_error **err)
{
    const finops_call call = fo_storage_call(cli);
    const finops_get get = { .key = spot->key, .length = -1, .call = &call };
    finops_reader *reader = NULL;
    size_t n = 1;
    finops_code rc = finops_storage_read(spot->storage, &get, &reader, err);

    if (rc != FINOPS_OK)
        return rc;
    while (rc == FINOPS_OK && n > 0) {
        rc = reader->read(reader, buffer, BUFFER, &n, err);
        if (rc == FINOPS_OK && fwrite(buffer, 1, n, cli->out) != n)
            rc = fo_out_check(cli->out, err);
    }
    reader->close(reader);
    return rc;
}

static finops_code
run_cat(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_spots_done) fo_spots spots = { 0 };
    FO_AUTO(fo_freep) char *buffer = fo_alloc(BUFFER);
    finops_code rc = buffer ? fo_spots_open(cli, false, &spots, err) : fo_error_oom(err);

    for (size_t i = 0; rc == FINOPS_OK && i < spots.n; i++) {
        rc = object_check(&spots.items[i], err);
        if (rc == FINOPS_OK)
            rc = cat_object(cli, &spots.items[i], buffer, err);
    }
    return rc == FINOPS_OK ? fo_out_check(cli->out, err) : rc;
}

const fo_verb fo_verb_storage_cat = {
    .name = "storage cat",
    .args = "ADDRESS...",
    .summary = "Write objects to standard output",
    .help = "One after the other, as they are. When a connection breaks off it goes on at the next byte of "
            "the same version. " FO_STORAGE_ADDRESSES,
    .examples = "finops storage cat s3://bills/2026/a.csv.gz | zcat | head\n  # the first lines\n",
    .config_keys = config_keys,
    .options = stat_options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 1,
    .max_args = 10000,
    .run = run_cat,
};

/* ---- presign ---- */

static const finops_option presign_options[] = {
    { "expires", FINOPS_OPT_INT, FO_STORAGE_FLAG(expires), .value = "3600", .min = 1, .max = 604800,
      .arg = "SECONDS", .help = "How long it is good for" },
    { "put", FINOPS_OPT_BOOL, FO_STORAGE_FLAG(put), .value = "false",
      .help = "To write the object, not to read it" },
    FO_STORAGE_STATS,
    { 0 },
};

static finops_code
run_presign(fo_cli *cli, finops_error **err)
{
    const fo_storage_flags *flags = cli->options;
    const finops_call call = fo_storage_call(cli);
    FO_AUTO(fo_spots_done) fo_spots spots = { 0 };
    char *url = NULL;
    finops_code rc = fo_spots_open(cli, false, &spots, err);

    if (rc == FINOPS_OK)
        rc = object_check(&spots.items[0], err);
    if (rc == FINOPS_OK) {
        const finops_presign presign = {
            .key = spots.items[0].key, .put = flags->put, .seconds = flags->expires, .call = &call
        };
        rc = finops_storage_presign(spots.items[0].storage, &presign, &url, err);
    }
    if (rc == FINOPS_OK && fprintf(cli->out, "%s\n", url) < 0)
        rc = fo_out_check(cli->out, err);
    free(url);
    return rc;
}

const fo_verb fo_verb_storage_presign = {
    .name = "storage presign",
    .args = "ADDRESS",
    .summary = "Print an address that lets its bearer read or write one object",
    .help = "Whoever has the address needs no credentials until it expires. Services that cannot do this say "
            "so. " FO_STORAGE_ADDRESSES,
    .examples =
        "curl -o a.csv \"$(finops storage presign --expires 600 s3://bills/a.csv)\"\n  # for ten minutes\n",
    .config_keys = config_keys,
    .options = presign_options,
    .options_size = sizeof(fo_storage_flags),
    .min_args = 1,
    .max_args = 1,
    .run = run_presign,
};
