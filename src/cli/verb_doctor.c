/* finops doctor: is everything there that finops needs, and what to do where it is not? */
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "cli/cli_internal.h"
#include "cli/doctor.h"

static const char *const health_names[] = {
    [FO_HEALTH_OK] = "ok", [FO_HEALTH_WARNING] = "warning", [FO_HEALTH_FAILED] = "failed"
};

static const char *const config_keys[] = { "aws.bucket",       "aws.prefix",
                                           "aws.export_name",  "aws.region",
                                           "aws.endpoint_url", "aws.addressing",
                                           FO_DATABASE_KEYS,   NULL };

/* For people a line a check, whole: a table would be cut at the edge of the terminal, advice first. */
static bool
print_line(fo_doctor *d, const char *check, fo_health health, const char *detail, const char *advice)
{
    static const char *const colours[] = { "\033[32m", "\033[33m", "\033[31m" };
    const fo_cli *cli = d->cli;
    FO_AUTO(fo_str_done) fo_str line = FO_STR_INIT;

    fo_str_addf(&line, "%s%-8s%s %-18s %s%s%s\n", cli->colour ? colours[health] : "", health_names[health],
                cli->colour ? "\033[0m" : "", check, detail, advice ? "; to do: " : "", advice ? advice : "");
    return fo_str_ok(&line) && fputs(fo_str_z(&line), cli->out) >= 0;
}

void
fo_doctor_say(fo_doctor *d, const char *check, fo_health health, const char *advice, const char *fmt, ...)
{
    FO_AUTO(fo_str_done) fo_str detail = FO_STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    fo_str_addv(&detail, fmt, ap);
    va_end(ap);
    d->failed += health == FO_HEALTH_FAILED;
    d->warnings += health == FO_HEALTH_WARNING;
    for (size_t i = 0; i < detail.len; i++) /* one line a check, whatever the text */
        detail.data[i] = (unsigned char)detail.data[i] < ' ' ? ' ' : detail.data[i];
    const char *const cells[] = { check, health_names[health], fo_str_z(&detail), advice };
    bool ok = fo_str_ok(&detail);
    if (ok && d->cli->format == FO_FORMAT_TABLE)
        ok = print_line(d, check, health, fo_str_z(&detail), advice);
    else if (ok)
        ok = fo_table_add(d->table, cells);
    d->out_of_memory |= !ok;
}

void
fo_doctor_say_error(fo_doctor *d, const char *check, fo_health health, const finops_error *why,
                    const char *advice)
{
    const char *hint = finops_error_hint(why);

    fo_doctor_say(d, check, health, hint ? hint : advice, "%s", finops_error_text(why));
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    static const fo_table_column columns[] = { { "check", NULL, false },
                                               { "status", NULL, false },
                                               { "detail", NULL, false },
                                               { "advice", NULL, false } };
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    fo_doctor d = { .cli = cli, .table = table };
    finops_code rc = table ? FINOPS_OK : fo_error_oom(err);

    if (rc != FINOPS_OK)
        return rc;
    fo_doctor_program(&d);
    fo_doctor_database(&d);
    fo_doctor_sources(&d);
    if (d.out_of_memory)
        return fo_error_oom(err);
    if (cli->format != FO_FORMAT_TABLE)
        rc = fo_table_print(cli, table, err);
    if (rc == FINOPS_OK && d.failed > 0)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "%u check%s failed, %u warning%s", d.failed,
                          d.failed == 1 ? "" : "s", d.warnings, d.warnings == 1 ? "" : "s");
    return rc;
}

const fo_verb fo_verb_doctor = {
    .name = "doctor",
    .summary = "Check that everything finops needs is there, and say what to do",
    .help =
        "Looks at the engine and its extensions, the configuration, the database and who holds it, temporary "
        "space, proxy and certificates, which credentials are used, and whether every configured source can "
        "be "
        "listed. Nothing is changed, and no secret is shown.\n\n"
        "Exit status: 0 nothing failed (there may be warnings), 1 something did, 2 the configuration cannot "
        "be "
        "used.",
    .examples = "finops doctor\n  # all checks\n"
                "finops doctor --bucket s3://acme-billing --region eu-central-1 --format json\n"
                "  # before the first import, for a program\n",
    .config_keys = config_keys,
    .flags = FO_VERB_ROWS,
    .run = run,
};
