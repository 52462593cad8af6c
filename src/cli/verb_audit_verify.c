/* finops audit verify: whether an audit log is as it was written. */
#include <inttypes.h>

#include "base/mem.h"
#include "cli/cli_internal.h"
#include "database/audit_table.h"
#include "database/database.h"

typedef struct verify_options {
    char *last;
    bool table;
} verify_options;

static const finops_option options[] = {
    { "table", FINOPS_OPT_BOOL, offsetof(verify_options, table), .value = "false",
      .help = "Check the audit table of the database instead, the one of audit.table or the one named" },
    { "last", FINOPS_OPT_STRING, offsetof(verify_options, last), .arg = "HASH",
      .help = "Hash that an earlier run showed as the last; the line it belongs to must still be there." },
    { 0 },
};

static const char *const config_keys[] = { FO_DATABASE_KEYS, NULL };

static finops_code
verify_table(fo_cli *cli, const char *name, const char *known, fo_audit_summary *ret, finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    finops_code rc = fo_database_open_plain_reader(cli->settings, cli->cancel, &db, err);

    return rc == FINOPS_OK ? fo_audit_table_verify(fo_database_session(db), name, known, ret, err) : rc;
}

/* What is to be checked: named, or configured. */
static finops_code
verify_name(const fo_cli *cli, bool table, const char **ret, finops_error **err)
{
    const fo_audit_settings *audit = &cli->settings->audit;
    const char *name = cli->n_args ? cli->args[0] : table ? audit->table : audit->file;

    if (name) {
        *ret = name;
        return FINOPS_OK;
    }
    (void)fo_error_set(err, FINOPS_E_USAGE, "no audit %s is named and none is configured",
                       table ? "table" : "log");
    fo_error_hint(err, table ? "name the table, or set audit.table" : "name the file, or set audit.file");
    return FINOPS_E_USAGE;
}

static finops_code
verify_run(fo_cli *cli, finops_error **err)
{
    const verify_options *o = cli->options;
    const fo_table_column columns[] = { { o->table ? "table" : "file", NULL, false },
                                        { o->table ? "rows" : "lines", NULL, true },
                                        { "last", "last hash", false } };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    const char *name = NULL;
    fo_audit_summary summary;
    char lines[32];
    finops_code rc;

    if (!table)
        return fo_error_oom(err);
    rc = verify_name(cli, o->table, &name, err);
    if (rc == FINOPS_OK)
        rc = o->table ? verify_table(cli, name, o->last, &summary, err)
                      : fo_audit_verify(name, o->last, &summary, err);
    if (rc != FINOPS_OK)
        return rc;
    (void)snprintf(lines, sizeof(lines), "%" PRIu64, summary.lines);
    if (!fo_table_add(table, (const char *const[]){ name, lines, summary.last }))
        return fo_error_oom(err);
    return fo_table_print(cli, table, err);
}

const fo_verb fo_verb_audit_verify = {
    .name = "audit verify",
    .args = "[FILE|TABLE]",
    .summary = "Check that an audit log is as it was written",
    .help =
        "With audit.file set, every change of a database is recorded as a line of JSON that carries the "
        "SHA-256 "
        "of the line before it. A line that was changed, removed or put in later is found by its number, and "
        "the exit status is 1.\n\n"
        "With audit.table set, the same is recorded as rows of a table of the database; --table checks that "
        "one, "
        "by default of the database that holds the bills, else of the one --backend names. A row that was "
        "changed, removed, put in or moved is found.\n\n"
        "Lines or rows cut off at the end leave no trace: keep the last hash somewhere else, and give it "
        "to --last the next time.",
    .examples =
        "finops audit verify\n  # the log of the configuration\n"
        "finops audit verify audit.jsonl --last 9f86d081884c7d65...\n  # and nothing was cut off since\n"
        "finops audit verify --table --backend postgresql\n  # the table in that database\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(verify_options),
    .max_args = 1,
    .flags = FO_VERB_ROWS,
    .run = verify_run,
};
