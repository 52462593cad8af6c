/* finops backends test: the conformance suite against a configured database. */
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/backends.h"
#include "cli/suite.h"
#include "conformance/conformance.h"
#include "database/session.h"

typedef struct test_options {
    char *filter;
    bool with_long;
    bool failed;
    bool list;
    int64_t case_timeout;
    char *hooks;
} test_options;

static const finops_option options[] = {
    { "filter", FINOPS_OPT_STRING, offsetof(test_options, filter), .arg = "GLOB",
      .help = "Only the cases whose \"area: name\", or area alone, matches, such as \"types\" or \"names: "
              "*table*\"" },
    { "long", FINOPS_OPT_BOOL, offsetof(test_options, with_long), .value = "false",
      .help = "Also the cases that take minutes, such as ten million rows" },
    { "failed", FINOPS_OPT_BOOL, offsetof(test_options, failed), .value = "false",
      .help = "Print the failed cases alone" },
    { "list", FINOPS_OPT_BOOL, offsetof(test_options, list), .value = "false",
      .help = "Print the names of the cases and run none" },
    { "case_timeout", FINOPS_OPT_INT, offsetof(test_options, case_timeout), .value = "120", .max = 86400,
      .arg = "SECONDS",
      .help = "A case without an end after this time hangs, a long one after ten times it; 0: never" },
    { "hooks", FINOPS_OPT_STRING, offsetof(test_options, hooks), .arg = "DIR",
      .help = "Folder of programs that restart the server, fill its disk or take rights away, for the cases "
              "about that" },
    { 0 },
};

static const char *const config_keys[] = { "database.plugin_path", "database.duckdb.database_path", NULL };

static finops_code
suite_run(fo_cli *cli, finops_database *database, fo_suite_printer *p, fo_conformance_summary *ret,
          finops_error **err)
{
    const test_options *o = cli->options;
    const fo_conformance_options run = { .database = database,
                                         .filter = o->filter,
                                         .with_long = o->with_long,
                                         .list = o->list,
                                         .case_us = o->case_timeout * 1000000,
                                         .hooks = o->hooks,
                                         .cancel = cli->cancel,
                                         .each = fo_suite_case,
                                         .arg = p };

    return fo_conformance_run(&run, ret, err);
}

/*
 * A session of a pool of its own, held while the suite runs. A database that one process writes is closed
 * with its last session, and to open it anew for each of a thousand cases would take most of the time.
 */
typedef struct keeper {
    finops_database *database;
    finops_session *session;
} keeper;

static void
keeper_done(keeper *k)
{
    finops_session_release(k->session);
    finops_database_close(k->database);
}

/* Whatever fails here, the suite tells better. */
static void
keep_open(fo_cli *cli, finops_registry *registry, keeper *k)
{
    const test_options *o = cli->options;
    finops_capabilities c;

    if (o->hooks || o->list ||
        fo_database_open_settings(registry, cli->settings, cli->args[0], &k->database, NULL) != FINOPS_OK)
        return;
    finops_database_capabilities(k->database, &c);
    if (!(c.features & FINOPS_DATABASE_CONCURRENT_WRITERS))
        (void)finops_session_acquire(k->database, 0, NULL, &k->session, NULL);
}

/* A name that is misspelt must not pass for hooks that are missing. */
static finops_code
hooks_check(const test_options *o, finops_error **err)
{
    struct stat st;

    if (!o->hooks || (stat(o->hooks, &st) == 0 && S_ISDIR(st.st_mode)))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_USAGE, "--hooks: there is no folder %s", o->hooks);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(finops_database_closep) finops_database *database = NULL;
    FO_AUTO(keeper_done) keeper kept = { 0 };
    const test_options *o = cli->options;
    FO_AUTO(fo_suite_done)
    fo_suite_printer p = {
        .cli = cli, .failed = o->failed, .list = o->list, .filter = o->filter, .code = FINOPS_E_DATABASE
    };
    fo_conformance_summary summary = { 0 };
    finops_code rc = hooks_check(o, err);

    if (rc == FINOPS_OK)
        rc = fo_backends_registry(cli, &registry, err);
    if (rc == FINOPS_OK)
        rc = fo_database_open_settings(registry, cli->settings, cli->args[0], &database, err);
    if (rc == FINOPS_OK)
        rc = fo_suite_begin(&p, err);
    if (rc != FINOPS_OK)
        return rc;
    keep_open(cli, registry, &kept);
    rc = suite_run(cli, database, &p, &summary, err);
    if (rc == FINOPS_OK && summary.hung[0]) {
        cli->thread_hangs = true;
        (void)FO_TAKE(database);
        kept = (keeper){ 0 };
        (void)FO_TAKE(registry);
    }
    return fo_suite_end(&p, &summary, rc, err);
}

const fo_verb fo_verb_backends_test = {
    .name = "backends test",
    .args = "NAME",
    .summary = "Run the conformance suite against a configured database",
    .help =
        "Every driver, built in or plugin, must pass the same cases, about a thousand: types and their "
        "extremes, "
        "hostile names, transactions, replacing a month, errors, deadlines. What a driver does not claim to "
        "do "
        "is \"not claimed\"; what it claims is tested. The cases work in a schema of their own, "
        "finops_test_<random>, which is dropped at the end; nothing else is touched.\n\n"
        "Cases about a server that restarts or is away, a full disk and rights that are taken away need "
        "--hooks, a "
        "folder of your programs restart, stop, start, kill-connections, fill-disk, free-disk, revoke-rights "
        "and "
        "restore-rights. Each is called with the schema and a table of the tests, without a shell, and has a "
        "minute; where one is missing its cases are \"not claimed\".\n\n"
        "A case that hangs is told, counts as failed, and ends the run: those after it are \"not run\".\n\n"
        "Exit status: 0 all passed, 1 a case failed or the database could not be used.",
    .examples = "finops backends test duckdb\n  # the database of the configuration\n"
                "finops backends test postgresql --filter 'partition*' --failed\n"
                "  # one area, and only what fails\n"
                "finops backends test postgresql --hooks ./hooks\n  # also restarts, a full disk and rights\n"
                "finops backends test duckdb --format json\n  # for a program\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(test_options),
    .min_args = 1,
    .max_args = 1,
    .flags = FO_VERB_ROWS,
    .run = run,
};
