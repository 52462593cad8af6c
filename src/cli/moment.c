#include "cli/moment.h"

#include "base/mem.h"

finops_code
fo_moment_settings(const fo_cli *cli, const fo_moment *moment, fo_settings *copy, const fo_settings **ret,
                   finops_error **err)
{
    const char *backend = cli->settings->database.backend;

    *ret = cli->settings;
    if (!moment->at && moment->version < 0)
        return FINOPS_OK;
    if (moment->at && moment->version >= 0)
        return fo_error_set(err, FINOPS_E_USAGE, "--at and --version cannot both be given");
    if (!fo_streq(backend, "ducklake")) {
        (void)fo_error_set(err, FINOPS_E_UNSUPPORTED, "time travel is not supported by %s", backend);
        fo_error_hint(err, "bills in a lake keep every state: --backend ducklake");
        return FINOPS_E_UNSUPPORTED;
    }
    *copy = *cli->settings;
    copy->ducklake.snapshot_time = moment->at;
    copy->ducklake.snapshot_version = moment->version;
    *ret = copy;
    return FINOPS_OK;
}
