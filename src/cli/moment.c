#include "cli/moment.h"

#include "base/mem.h"
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

finops_code
fo_moment_settings(const fo_cli *cli, const fo_moment *moment, fo_settings *copy, const fo_settings **ret,
                   finops_error **err)
{
    finops_code rc;

    *ret = cli->settings;
    if (!moment->at && moment->version < 0)
        return FINOPS_OK;
    if (moment->at && moment->version >= 0)
        return fo_error_set(err, FINOPS_E_USAGE, "--at and --version cannot both be given");
    rc = fo_moment_check(cli, err);
    if (rc != FINOPS_OK)
        return rc;
    *copy = *cli->settings;
    copy->ducklake.snapshot_time = moment->at;
    copy->ducklake.snapshot_version = moment->version;
    *ret = copy;
    return FINOPS_OK;
}
