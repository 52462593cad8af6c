/* finops audit verify: whether an audit log is as it was written. */
#include <inttypes.h>

#include "base/mem.h"
#include "cli/cli_internal.h"
#include "database/audit.h"

typedef struct verify_options {
    char *last;
} verify_options;

static const finops_option options[] = {
    { "last", FINOPS_OPT_STRING, offsetof(verify_options, last), .arg = "HASH",
      .help = "Hash that an earlier run showed as the last; the line it belongs to must still be there." },
    { 0 },
};

static finops_code
verify_run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "file", NULL, false },
                                               { "lines", NULL, true },
                                               { "last", "last hash", false } };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    const verify_options *o = cli->options;
    const char *path = cli->n_args ? cli->args[0] : cli->settings->audit.file;
    fo_audit_summary summary;
    char lines[32];
    finops_code rc;

    if (!table)
        return fo_error_oom(err);
    if (!path) {
        (void)fo_error_set(err, FINOPS_E_USAGE, "no audit log is named and none is configured");
        fo_error_hint(err, "name the file, or set audit.file");
        return FINOPS_E_USAGE;
    }
    rc = fo_audit_verify(path, o->last, &summary, err);
    if (rc != FINOPS_OK)
        return rc;
    (void)snprintf(lines, sizeof(lines), "%" PRIu64, summary.lines);
    if (!fo_table_add(table, (const char *const[]){ path, lines, summary.last }))
        return fo_error_oom(err);
    return fo_table_print(cli, table, err);
}

const fo_verb fo_verb_audit_verify = {
    .name = "audit verify",
    .args = "[FILE]",
    .summary = "Check that an audit log is as it was written",
    .help =
        "With audit.file set, every change of a database is recorded as a line of JSON that carries the "
        "SHA-256 "
        "of the line before it. A line that was changed, removed or put in later is found by its number, and "
        "the exit status is 1.\n\n"
        "Lines cut off at the end leave no trace in the file: keep the last hash somewhere else, and give it "
        "to --last the next time.",
    .examples =
        "finops audit verify\n  # the log of the configuration\n"
        "finops audit verify audit.jsonl --last 9f86d081884c7d65...\n  # and nothing was cut off since\n",
    .options = options,
    .options_size = sizeof(verify_options),
    .max_args = 1,
    .flags = FO_VERB_ROWS,
    .run = verify_run,
};
