/* finops lake show: one state of a lake. */
#include "base/mem.h"
#include "billing/lake_audit.h"
#include "billing/lake_states.h"
#include "cli/moment.h"

static const char *const config_keys[] = { "database.backend", NULL };

static finops_code
run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    struct ArrowArrayStream stream = { 0 };
    int64_t state = 0;
    finops_code rc = fo_moment_check(cli, err);

    if (rc == FINOPS_OK)
        rc = fo_database_open_plain_reader(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_state_find(db, cli->args[0], &state, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_show_sql(db, state, &sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_stream(db, fo_str_z(&sql), &stream, err);
    return rc == FINOPS_OK ? fo_render_stream(cli, &stream, err) : rc;
}

const fo_verb fo_verb_lake_show = {
    .name = "lake show",
    .args = "STATE",
    .summary = "Show what one state of a lake changed",
    .help = "Who made the state, when and what for, and for each table the rows and files it added and "
            "removed; a row that was changed was removed and added. The state is a number, a tag or a time. "
            "Files are counted as the catalog has them now, after those that 'lake maintain' merged.",
    .examples = "finops lake show 22 --backend ducklake\n  # by its number, see lake snapshots\n",
    .config_keys = config_keys,
    .min_args = 1,
    .max_args = 1,
    .flags = FO_VERB_ROWS | FO_VERB_STREAM,
    .run = run,
};
