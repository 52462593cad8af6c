/* finops backends test: the conformance suite against a configured database. */
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/backends.h"
#include "cli/cli_internal.h"
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

typedef struct printer {
    fo_cli *cli;
    const test_options *options;
    fo_table *table; /* NULL: a line a case, as it ends */
    unsigned n;
    bool out_of_memory;
} printer;

static void
line_print(const printer *p, const fo_case_result *r)
{
    static const char *const colours[] = { "\033[32m", "\033[31m", "\033[2m", "\033[2m" };
    const char *why = r->why[0] ? r->why : NULL, *end = p->cli->colour ? "\033[0m" : "";

    if (p->options->list)
        (void)fprintf(p->cli->out, "%s: %s\n", r->area, r->name);
    else
        (void)fprintf(p->cli->out, "%s%-11s%s %s: %s%s%s\n", p->cli->colour ? colours[r->outcome] : "",
                      fo_case_outcome_name(r->outcome), end, r->area, r->name, why ? ": " : "",
                      why ? why : "");
    (void)fflush(p->cli->out);
}

static void
case_print(const fo_case_result *r, void *arg)
{
    printer *p = arg;
    char ms[32];

    p->n++;
    if (p->options->failed && r->outcome != FO_CASE_FAILED) {
        fo_progress_show(p->cli, -1, "%u cases, now %s: %s", p->n, r->area, r->name);
        return;
    }
    fo_progress_clear(p->cli);
    if (!p->table) {
        line_print(p, r);
        return;
    }
    (void)snprintf(ms, sizeof(ms), "%.1f", r->seconds * 1000);
    const char *const cells[] = { r->area, r->name,
                                  p->options->list ? NULL : fo_case_outcome_name(r->outcome), ms,
                                  r->why[0] ? r->why : NULL };
    p->out_of_memory |= !fo_table_add(p->table, cells);
}

static finops_code
suite_run(fo_cli *cli, finops_database *database, printer *p, fo_conformance_summary *ret, finops_error **err)
{
    const test_options *o = cli->options;
    const fo_conformance_options run = { .database = database,
                                         .filter = o->filter,
                                         .with_long = o->with_long,
                                         .list = o->list,
                                         .case_us = o->case_timeout * 1000000,
                                         .hooks = o->hooks,
                                         .cancel = cli->cancel,
                                         .each = case_print,
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

static finops_code
summary_print(fo_cli *cli, const fo_conformance_summary *s, finops_error **err)
{
    const test_options *o = cli->options;
    FILE *to = cli->format == FO_FORMAT_TABLE ? cli->out : stderr;
    char not_run[32] = "";

    if (o->list)
        return FINOPS_OK;
    if (s->passed + s->failed + s->not_claimed == 0)
        return fo_error_set(err, FINOPS_E_USAGE, "no case matches %s", o->filter ? o->filter : "");
    if (s->not_run)
        (void)snprintf(not_run, sizeof(not_run), ", %u not run", s->not_run);
    if (!cli->quiet || cli->format == FO_FORMAT_TABLE)
        (void)fprintf(to, "%u passed, %u failed, %u not claimed%s\n", s->passed, s->failed, s->not_claimed,
                      not_run);
    if (s->left[0])
        fo_warn("schema %s of the tests could not be dropped: drop it by hand", s->left);
    if (s->hung[0])
        return fo_error_set(err, FINOPS_E_DATABASE, "%s hangs in \"%s\"; what comes after it was not run",
                            cli->args[0], s->hung);
    if (s->failed)
        return fo_error_set(err, FINOPS_E_DATABASE, "%s failed %u of %u cases", cli->args[0], s->failed,
                            s->passed + s->failed);
    return FINOPS_OK;
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
    static const fo_table_column columns[] = { { "area", NULL, false },
                                               { "name", NULL, false },
                                               { "outcome", NULL, false },
                                               { "ms", NULL, true },
                                               { "why", NULL, false } };
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(finops_database_closep) finops_database *database = NULL;
    FO_AUTO(keeper_done) keeper kept = { 0 };
    FO_AUTO(fo_table_freep) fo_table *table = NULL;
    printer p = { .cli = cli, .options = cli->options };
    fo_conformance_summary summary = { 0 };
    finops_code rc = hooks_check(cli->options, err);

    if (rc == FINOPS_OK)
        rc = fo_backends_registry(cli, &registry, err);
    if (rc == FINOPS_OK)
        rc = fo_database_open_settings(registry, cli->settings, cli->args[0], &database, err);
    if (rc != FINOPS_OK)
        return rc;
    if (cli->format != FO_FORMAT_TABLE) {
        p.table = table = fo_table_new(columns, FO_COUNT(columns));
        if (!table)
            return fo_error_oom(err);
    }
    keep_open(cli, registry, &kept);
    rc = suite_run(cli, database, &p, &summary, err);
    fo_progress_clear(cli);
    if (rc == FINOPS_OK && summary.hung[0]) {
        cli->thread_hangs = true;
        (void)FO_TAKE(database);
        kept = (keeper){ 0 };
        (void)FO_TAKE(registry);
    }
    if (rc == FINOPS_OK && p.out_of_memory)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = table ? fo_table_print(cli, table, err) : fo_out_check(cli->out, err);
    return rc == FINOPS_OK ? summary_print(cli, &summary, err) : rc;
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
