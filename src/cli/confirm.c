/* Asking before something final happens. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli_internal.h"

finops_code
fo_cli_confirm(fo_cli *cli, const char *question, bool *ret_yes, finops_error **err)
{
    char answer[16] = "";
    finops_code rc;

    if (cli->yes) {
        *ret_yes = true;
        return FINOPS_OK;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        rc = fo_error_set(err, FINOPS_E_USAGE,
                          "%s asks for a confirmation and there is no terminal to ask on", cli->verb->name);
        fo_error_hint(err, "pass --yes when you are sure");
        return rc;
    }
    fo_progress_clear(cli);
    (void)fprintf(stderr, "%s [y/N] ", question);
    (void)fflush(stderr);
    if (!fgets(answer, sizeof(answer), stdin)) {
        (void)fputc('\n', stderr);
        if (fo_cancelled(cli->cancel))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped at the question");
    }
    answer[strcspn(answer, "\n")] = '\0';
    *ret_yes = strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0;
    return FINOPS_OK;
}
