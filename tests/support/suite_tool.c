/*
 * Drives the front door of one storage from a test: suite_tool ADDRESS [NAME=VALUE]... COMMAND [ARGUMENT]...
 *
 *   suite [FILTER]       the conformance suite, a JSON object a case and line
 *   put KEY FILE         the file's bytes, whole
 *   create KEY FILE      the same, where nothing is yet
 *   forever KEY          puts objects, each its number as eight bytes, that many times, until it is killed
 *   parts KEY            the same in parts
 *   slow KEY MS          an upload that takes so long, and "committed" at its end
 *   list PREFIX          keys
 *   sweep PREFIX         the keys of what was left, which is removed
 *
 * ADDRESS "memory:" is storage in memory. Ends with 1 and the error on standard error.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "conformance/storage.h"
#include "registry/registry.h"
#include "storage/memory/driver.h"
#include "storage/storage.h"

#define NUMBERS_MAX 40000u
#define SETTINGS_MAX 32
#define FILE_MAX ((size_t)256 << 20)

typedef struct tool {
    finops_storage *storage;
    char **args;
    unsigned failed;
    finops_error *err;
} tool;

static void
row_print(const fo_case_result *r, void *arg)
{
    json_t *row = json_pack("{s:s#, s:s, s:s, s:s, s:s, s:f}", "id", r->name, (int)strcspn(r->name, " "),
                            "area", r->area, "name", r->name, "outcome", fo_case_outcome_name(r->outcome),
                            "why", r->why, "ms", r->seconds * 1e3);

    (void)arg;
    if (row)
        (void)json_dumpf(row, stdout, JSON_COMPACT);
    (void)puts("");
    (void)fflush(stdout);
    json_decref(row);
}

static finops_code
suite(tool *t)
{
    const fo_storage_conformance_options options = { .filter = t->args[0], .each = row_print };
    fo_conformance_summary summary = { 0 };
    finops_code rc = fo_storage_conformance_run(t->storage, &options, &summary, &t->err);

    t->failed = summary.failed;
    if (summary.hung[0]) /* its thread still has the storage */
        _exit(1);
    return rc;
}

static finops_code
put_file(tool *t, bool create_only)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FILE_MAX);
    const finops_put what = { .key = t->args[0], .create_only = create_only };
    finops_code rc = fo_file_read(t->args[1], FILE_MAX, &text, &t->err);

    if (rc == FINOPS_OK)
        rc = finops_storage_put(t->storage, &what, fo_str_z(&text), text.len, NULL, &t->err);
    return rc;
}

static finops_code
put(tool *t)
{
    return put_file(t, false);
}

static finops_code
create(tool *t)
{
    return put_file(t, true);
}

/* In pieces of a part when the storage is asked to write. */
static finops_code
write_number(tool *t, const uint64_t *numbers, size_t n, bool parts)
{
    const finops_put whole = { .key = t->args[0], .size = (int64_t)n };
    const finops_transfer transfer = { .part_size = 65536, .single_max = 1 };
    finops_writer *writer = NULL;
    finops_code rc;

    if (!parts)
        return finops_storage_put(t->storage, &whole, numbers, n, NULL, &t->err);
    rc = finops_storage_write(t->storage, &whole, &transfer, &writer, &t->err);
    if (rc == FINOPS_OK)
        rc = writer->write(writer, numbers, n, &t->err);
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, NULL, &t->err);
    if (writer)
        writer->close(writer);
    return rc;
}

static finops_code
numbers_put(tool *t, bool parts)
{
    static uint64_t numbers[NUMBERS_MAX];
    finops_code rc = FINOPS_OK;

    for (uint64_t turn = 1; rc == FINOPS_OK; turn++) {
        uint64_t number = 1 + turn * 7919 % (NUMBERS_MAX - 1);

        for (uint64_t i = 0; i < number; i++)
            numbers[i] = number;
        rc = write_number(t, numbers, (size_t)number * sizeof(numbers[0]), parts);
    }
    return rc;
}

static finops_code
forever(tool *t)
{
    return numbers_put(t, false);
}

static finops_code
parts(tool *t)
{
    return numbers_put(t, true);
}

static finops_code
slow(tool *t)
{
    const finops_put whole = { .key = t->args[0], .size = -1 };
    finops_upload *upload = NULL;
    finops_code rc = finops_storage_upload(t->storage, &whole, &upload, &t->err);

    if (rc == FINOPS_OK)
        rc = upload->part(upload, 1, 0, "slow", 4, NULL, &t->err);
    if (rc == FINOPS_OK) {
        (void)puts("begun");
        (void)fflush(stdout);
        (void)usleep((unsigned)strtoul(t->args[1], NULL, 10) * 1000);
        rc = upload->commit(upload, 1, 4, NULL, NULL, &t->err);
    }
    if (upload)
        upload->close(upload);
    if (rc == FINOPS_OK)
        (void)puts("committed");
    return rc;
}

static bool
key_print(const finops_object *object, void *arg)
{
    (void)arg;
    (void)puts(object->key);
    return true;
}

static finops_code
list(tool *t)
{
    return finops_storage_list_files(t->storage, &(finops_list){ .prefix = t->args[0] }, key_print, NULL,
                                     &t->err);
}

static finops_code
sweep(tool *t)
{
    return finops_storage_sweep(t->storage, t->args[0], INT64_MAX, NULL, key_print, NULL, &t->err);
}

static const struct {
    const char *name;
    int n_args;
    finops_code (*run)(tool *t);
} commands[] = { { "suite", 0, suite },     { "put", 2, put },     { "create", 2, create },
                 { "forever", 1, forever }, { "parts", 1, parts }, { "slow", 2, slow },
                 { "list", 1, list },       { "sweep", 1, sweep } };

static finops_code
open_memory(finops_storage **ret, finops_error **err)
{
    fo_stage stage = { .driver = &fo_memory_driver };
    finops_code rc = fo_memory_driver.open(NULL, &stage.self, err);

    return rc == FINOPS_OK ? fo_storage_over(&stage, "memory:", ret, err) : rc;
}

/* *ret_n: how many of the arguments are settings. */
static finops_code
open_storage(finops_registry *registry, char **argv, int *ret_n, tool *t)
{
    finops_setting settings[SETTINGS_MAX];
    size_t n = 0;

    for (char *is; n < SETTINGS_MAX && argv[n + 1] && (is = strchr(argv[n + 1], '=')) != NULL; n++) {
        *is = '\0';
        settings[n] = (finops_setting){ argv[n + 1], is + 1 };
    }
    *ret_n = (int)n;
    if (strcmp(argv[0], "memory:") == 0)
        return open_memory(&t->storage, &t->err);
    return finops_storage_open(registry, argv[0], settings, n, &t->storage, &t->err);
}

static finops_code
run(tool *t, int argc, char **argv)
{
    for (size_t i = 0; argc > 0 && i < FO_COUNT(commands); i++)
        if (strcmp(argv[0], commands[i].name) == 0 && argc > commands[i].n_args) {
            t->args = argv + 1;
            return commands[i].run(t);
        }
    return fo_error_set(&t->err, FINOPS_E_USAGE, "suite_tool ADDRESS [NAME=VALUE]... COMMAND [ARGUMENT]...");
}

int
main(int argc, char **argv)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    tool t = { 0 };
    int n = 0;
    finops_code rc = argc < 2 ? run(&t, 0, argv) : finops_registry_new(&registry, &t.err);

    if (rc == FINOPS_OK)
        rc = open_storage(registry, argv + 1, &n, &t);
    if (rc == FINOPS_OK)
        rc = run(&t, argc - 2 - n, argv + 2 + n);
    if (rc != FINOPS_OK)
        (void)fprintf(stderr, "%s: %s\n", finops_code_name(rc), finops_error_text(t.err));
    finops_error_free(t.err);
    finops_storage_close(t.storage);
    return rc != FINOPS_OK || t.failed ? 1 : 0;
}
