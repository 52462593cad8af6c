/* finops lake snapshots: the states a lake has had. */
#include "base/mem.h"
#include "base/str.h"
#include "billing/lake_catalog.h"
#include "cli/moment.h"
#include "database/database.h"

static const char *const config_keys[] = { "database.backend", NULL };

static finops_code
run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = fo_moment_check(cli, err);

    if (rc == FINOPS_OK)
        rc = fo_database_open_plain_reader(cli->settings, cli->cancel, &db, err);
    fo_str_addf(&sql, "SELECT snapshot_id, time, author, message, changes FROM (%s) ORDER BY snapshot_id",
                fo_lake_states_sql);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_stream(db, fo_str_z(&sql), &stream, err);
    return rc == FINOPS_OK ? fo_render_stream(cli, &stream, err) : rc;
}

const fo_verb fo_verb_lake_snapshots = {
    .name = "lake snapshots",
    .summary = "Show the states a lake has had, oldest first",
    .help =
        "Each change of a lake is a state that stays readable: query and report take its number with "
        "--version, or a time with --at. An import names the export, the billing period and the version it "
        "loaded.",
    .examples = "finops lake snapshots --backend ducklake\n  # the states\n"
                "finops report --version 22 --backend ducklake\n  # the bill as it was\n",
    .config_keys = config_keys,
    .flags = FO_VERB_ROWS,
    .run = run,
};
