/* Completion scripts for bash, zsh and fish, written from the tables of verbs and flags. */
#include "base/mem.h"
#include "cli/cli_internal.h"

finops_code
fo_completion_script(fo_str *out, const char *shell, finops_error **err)
{
    (void)out;
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "no completion for %s yet", shell);
}
