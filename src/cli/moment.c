#include "cli/moment.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "billing/lake_states.h"
#include "config/config.h"

finops_code
fo_moment_check(const fo_cli *cli, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    finops_code rc = fo_settings_backends(cli->settings, FO_DATASET_BILLS, &names, err);

    if (rc != FINOPS_OK || fo_streq(names.items[0], "ducklake"))
        return rc;
    (void)fo_error_set(err, FINOPS_E_UNSUPPORTED, "time travel is not supported by %s", names.items[0]);
    fo_error_hint(err, "bills in a lake keep every state: --backend ducklake");
    return FINOPS_E_UNSUPPORTED;
}

static finops_code
check_one(const fo_moment *moment, finops_error **err)
{
    if (moment->at && moment->version)
        return fo_error_set(err, FINOPS_E_USAGE, "--at and --version cannot both be given");
    return FINOPS_OK;
}

finops_code
fo_moment_state(fo_database *db, const fo_moment *moment, int64_t *ret, finops_error **err)
{
    finops_code rc = check_one(moment, err);

    if (rc != FINOPS_OK)
        return rc;
    if (moment->version)
        return fo_lake_state_find(db, moment->version, ret, err);
    return moment->at ? fo_lake_state_at(db, moment->at, ret, err) : fo_lake_state_newest(db, ret, err);
}

/* A time is left to the lake itself, which then is opened once. */
finops_code
fo_moment_settings(const fo_cli *cli, const fo_moment *moment, fo_settings *copy, const fo_settings **ret,
                   finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    int64_t state = -1;
    finops_code rc;

    *ret = cli->settings;
    if (!moment->at && !moment->version)
        return FINOPS_OK;
    rc = check_one(moment, err);
    if (rc == FINOPS_OK)
        rc = fo_moment_check(cli, err);
    if (rc == FINOPS_OK && moment->version)
        rc = fo_database_open_plain_reader(cli->settings, cli->cancel, &db, err);
    if (rc == FINOPS_OK && moment->version)
        rc = fo_lake_state_find(db, moment->version, &state, err);
    if (rc != FINOPS_OK)
        return rc;
    *copy = *cli->settings;
    copy->ducklake.snapshot_time = moment->at;
    copy->ducklake.snapshot_version = state;
    *ret = copy;
    return FINOPS_OK;
}
