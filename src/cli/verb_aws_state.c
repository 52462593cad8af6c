/* finops aws show-state: which versions of which months are loaded. */
#include "base/mem.h"
#include "cli/cli.h"
#include "database/database.h"

typedef struct state_options {
    bool history;
} state_options;

static const finops_option options[] = {
    { "history", FINOPS_OPT_BOOL, offsetof(state_options, history), .value = "false",
      .help = "Show every version that was ever attempted, not only the current ones and failures" },
    { 0 }
};

static const char *const config_keys[] = { "aws.export_name", FO_DATABASE_KEYS, NULL };

/* A database of the earlier tool that was never written by this one lacks the later columns. */
static finops_code
state_has_column(fo_database *db, const char *column, bool *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_add(&sql, "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'billing_state' "
                     "AND table_name = 'load_state' AND column_name = ");
    fo_sql_literal(&sql, column);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(db, fo_str_z(&sql), &rows, err);
    if (rc == FINOPS_OK)
        *ret = fo_rows_int(rows, 0, 0) > 0;
    return rc;
}

static finops_code
state_sql(const fo_cli *cli, bool extended, fo_str *sql, finops_error **err)
{
    const state_options *o = cli->options;
    const char *name = cli->settings->aws.export_name;

    fo_str_add(sql, "SELECT vendor, export_name, billing_period, version_id, data_format_version, "
                    "current_version, load_completed, "
                    "load_timestamp, row_count, file_count");
    fo_str_add(sql, extended ? ", total_cost, currency, table_name, source_uri" : "");
    fo_str_add(sql, ", error_message FROM billing_state.load_state WHERE true");
    if (!o->history)
        fo_str_add(sql, " AND (current_version OR NOT load_completed)");
    if (name) {
        fo_str_add(sql, " AND export_name = ");
        fo_sql_literal(sql, name);
    }
    fo_str_add(sql, " ORDER BY vendor, export_name, billing_period, load_timestamp, version_id");
    return fo_str_check(sql, err);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    struct ArrowArrayStream stream = { 0 };
    bool has = false, extended = false;
    finops_code rc = fo_database_open_reader(cli->settings, cli->cancel, &db, err);

    if (rc == FINOPS_OK)
        rc = fo_database_has(db, "billing_state", "load_state", &has, err);
    if (rc == FINOPS_OK && !has) {
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "the database holds no bills yet");
        fo_error_hint(err, "load some with 'finops aws import-cur'");
    }
    if (rc == FINOPS_OK)
        rc = state_has_column(db, "source_uri", &extended, err);
    if (rc == FINOPS_OK)
        rc = state_sql(cli, extended, &sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_stream(db, fo_str_z(&sql), &stream, err);
    return rc == FINOPS_OK ? fo_render_stream(cli, &stream, err) : rc;
}

const fo_verb fo_verb_aws_show_state = {
    .name = "aws show-state",
    .summary = "Show which months are loaded, in which version",
    .help = "One row for each month's current version and for each attempt that did not complete, with its "
            "error. Works while an import "
            "runs. Of several databases that bills go to the first is asked; --backend names another.",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(state_options),
    .flags = FO_VERB_ROWS,
    .run = run,
};
