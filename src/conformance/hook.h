/*
 * Hooks: programs of the user's that do to the server what the suite cannot, such as restarting it. They lie
 * in one folder, each under its name.
 */
#ifndef FO_CONFORMANCE_HOOK_H
#define FO_CONFORMANCE_HOOK_H

#include "base/error.h"

#define FO_HOOK_US INT64_C(60000000) /* a program that takes longer is ended */

/* The first of the names, NULL-ended, that is no program in the folder; NULL: all are. Either may be NULL. */
const char *fo_hook_missing(const char *folder, const char *const *names);

/*
 * Runs folder/name SCHEMA TABLE, without a shell, and waits for its end, FO_HOOK_US at most. A status other
 * than 0 is FINOPS_E_IO, with what the program printed.
 */
finops_code fo_hook_run(const char *folder, const char *name, const char *schema, const char *table,
                        finops_error **err);

#endif
