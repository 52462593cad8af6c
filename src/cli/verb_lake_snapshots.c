/* finops lake snapshots: the states a lake has had. */
#include "base/mem.h"
#include "cli/moment.h"
#include "database/database.h"

static const char *const config_keys[] = { "database.backend", NULL };

static const char all_sql[] = "SELECT snapshot_id, snapshot_time AT TIME ZONE 'UTC' AS time, author, "
                              "commit_message AS message, CAST(changes AS VARCHAR) AS changes FROM "
                              "ducklake_snapshots(current_database()) ORDER BY snapshot_id";

static finops_code
run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = fo_moment_check(cli, err);

    if (rc == FINOPS_OK)
        rc = fo_database_open_plain_reader(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_database_stream(db, all_sql, &stream, err);
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
