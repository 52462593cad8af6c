/* finops storage test: the conformance suite of storage over a place. */
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/backends.h"
#include "cli/storage.h"
#include "cli/suite.h"
#include "conformance/storage.h"
#include "storage/places.h"

typedef struct test_options {
    char *filter;
    bool with_long;
    bool failed;
    bool list;
    int64_t case_timeout;
} test_options;

static const finops_option options[] = {
    { "filter", FINOPS_OPT_STRING, offsetof(test_options, filter), .arg = "GLOB",
      .help = "Only the cases whose \"area: name\", or area or name alone, matches, such as \"list\" or "
              "\"K1*\"" },
    { "long", FINOPS_OPT_BOOL, offsetof(test_options, with_long), .value = "false",
      .help = "Also the cases that take minutes, such as a hundred thousand keys" },
    { "failed", FINOPS_OPT_BOOL, offsetof(test_options, failed), .value = "false",
      .help = "Print the failed cases alone" },
    { "list", FINOPS_OPT_BOOL, offsetof(test_options, list), .value = "false",
      .help = "Print the names of the cases and run none" },
    { "case_timeout", FINOPS_OPT_INT, offsetof(test_options, case_timeout), .value = "120", .min = 1,
      .max = 86400, .arg = "SECONDS",
      .help = "A case that takes longer is ended by its deadline and has failed, a long one after ten times "
              "it; one that does not end then hangs" },
    { 0 },
};

static const char *const config_keys[] = { FO_STORAGE_KEYS, "database.plugin_path", NULL };

/* A name that was misspelt must not become a folder. */
static bool
is_folder(const char *arg)
{
    struct stat st;

    return strchr(arg, '/') || (stat(arg, &st) == 0 && S_ISDIR(st.st_mode));
}

/* The place with all of its address, so that the tests stay below it: a name of the configuration, with a
 * colon or without, an address, or a folder. */
static finops_code
place_open(const fo_cli *cli, finops_registry *registry, finops_storage **ret, finops_error **err)
{
    const char *arg = cli->args[0];
    FO_AUTO(fo_freep) char *name = fo_strndup(arg, strcspn(arg, ":"));
    FO_AUTO(fo_freep) char *folder = NULL;
    finops_code rc;

    if (!name)
        return fo_error_oom(err);
    if (strstr(arg, "://"))
        return fo_storage_open_address(registry, cli->settings, arg, NULL, 0, ret, err);
    if (!is_folder(arg)) {
        rc = fo_storage_open_place(registry, cli->settings, name, ret, err);
        return rc == FINOPS_E_NOT_FOUND ? fo_error_wrap(err, FINOPS_E_USAGE, "\"%s\"", arg) : rc;
    }
    folder = fo_path_absolute(arg);
    return folder ? fo_storage_open_address(registry, cli->settings, folder, NULL, 0, ret, err)
                  : fo_error_oom(err);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    const test_options *o = cli->options;
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(finops_storage_closep) finops_storage *storage = NULL;
    FO_AUTO(fo_suite_done)
    fo_suite_printer p = {
        .cli = cli, .failed = o->failed, .list = o->list, .filter = o->filter, .code = FINOPS_E_IO
    };
    const fo_storage_conformance_options suite = { .filter = o->filter,
                                                   .with_long = o->with_long,
                                                   .list = o->list,
                                                   .case_us = o->case_timeout * 1000000,
                                                   .cancel = cli->cancel,
                                                   .each = fo_suite_case,
                                                   .arg = &p };
    fo_conformance_summary summary = { 0 };
    finops_code rc = fo_backends_registry(cli, &registry, err);

    if (rc == FINOPS_OK)
        rc = place_open(cli, registry, &storage, err);
    if (rc == FINOPS_OK)
        rc = fo_suite_begin(&p, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_storage_conformance_run(storage, &suite, &summary, err);
    if (rc == FINOPS_OK && summary.hung[0]) {
        cli->thread_hangs = true;
        (void)FO_TAKE(storage);
        (void)FO_TAKE(registry);
    }
    return fo_suite_end(&p, &summary, rc, err);
}

const fo_verb fo_verb_storage_test = {
    .name = "storage test",
    .args = "PLACE",
    .summary = "Run the conformance suite of storage over a place",
    .help =
        "Every storage, built in or plugin, must pass the same cases, about a hundred: keys of all kinds, "
        "ranges, conditions, uploads in parts, listings, copies, what is refused, callers at once, "
        "deadlines. "
        "PLACE is an address, a folder, or a place of the configuration, bronze for [storage.bronze], and is "
        "tested with the layers the configuration puts around it. What it does not claim to do must be "
        "refused and is \"not claimed\"; what it claims is tested. The cases work below "
        "finops-test-<random>/ in the place, which is removed at the end; nothing else is touched.\n\n"
        "A case that hangs is told, counts as failed, and ends the run: those after it are \"not run\".\n\n"
        "Exit status: 0 all passed, 1 a case failed or nothing could be stored.",
    .examples = "finops storage test bronze\n  # [storage.bronze] of the configuration\n"
                "finops storage test s3://my-bucket/tests --failed\n  # only what fails\n"
                "finops storage test ./folder --filter 'conditions'\n  # one area\n"
                "finops storage test bronze --format json\n  # for a program\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(test_options),
    .min_args = 1,
    .max_args = 1,
    .flags = FO_VERB_ROWS,
    .run = run,
};
