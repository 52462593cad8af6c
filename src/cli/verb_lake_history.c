/* finops lake history: who imported what, when, from which files, with which result. */
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "billing/lake_audit.h"
#include "cli/moment.h"

typedef struct history_options {
    char *period;
} history_options;

static const finops_option options[] = { { "period", FINOPS_OPT_DATE, offsetof(history_options, period),
                                           .arg = "YYYY-MM", .help = "This billing period alone" },
                                         { 0 } };
static const char *const config_keys[] = { "aws.export_name", "database.backend", NULL };

static finops_code
run(fo_cli *cli, finops_error **err)
{
    const history_options *o = cli->options;
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    struct ArrowArrayStream stream = { 0 };
    char period[8] = "";
    int index;
    finops_code rc = fo_moment_check(cli, err);

    if (o->period)
        (void)snprintf(period, sizeof(period), "%.7s", o->period);
    if (rc == FINOPS_OK && o->period && !fo_period_parse(period, &index))
        rc = fo_error_set(err, FINOPS_E_USAGE, "--period %s is no month, write YYYY-MM", o->period);
    if (rc == FINOPS_OK)
        rc = fo_database_open_plain_reader(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_history_sql(db, cli->settings->aws.export_name, o->period ? period : NULL, &sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_stream(db, fo_str_z(&sql), &stream, err);
    return rc == FINOPS_OK ? fo_render_stream(cli, &stream, err) : rc;
}

const fo_verb fo_verb_lake_history = {
    .name = "lake history",
    .summary = "Show who imported what into a lake, with which result",
    .help =
        "Each attempt to load a month, and each return to an earlier state, oldest first. A status is "
        "completed, failed (see error), rolled_back (the importer was stopped before it could say why; "
        "nothing of the attempt is in the lake) or started (it is at work, or was stopped less than an hour "
        "ago).\n\n"
        "The trail is read from the states that are kept. When they are expired, the last attempt of each "
        "version of a month is left, without its author.",
    .examples = "finops lake history --backend ducklake --period 2026-10\n  # one month\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(history_options),
    .flags = FO_VERB_ROWS | FO_VERB_STREAM,
    .run = run,
};
