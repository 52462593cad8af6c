/* States of a lake as users name them: --at and --version of verbs that read it as it was. */
#ifndef FO_CLI_MOMENT_H
#define FO_CLI_MOMENT_H

#include "cli/cli.h"
#include "database/database.h"

typedef struct fo_moment {
    char *at;
    char *version; /* "22" or a tag; NULL: not given */
} fo_moment;

/* Rows of an option table whose struct has a fo_moment `moment`. */
#define FO_MOMENT_OPTIONS(type)                                                                              \
    { "at", FINOPS_OPT_STRING, offsetof(type, moment.at), .arg = "TIME",                                     \
      .help = "A lake as it was at this time: 2026-11-03 is the end of that day, UTC" },                     \
    {                                                                                                        \
        "version", FINOPS_OPT_STRING, offsetof(type, moment.version),                                        \
            .arg = "STATE",                                                                                  \
            .help = "A lake as it was in this state: a number, see lake snapshots, or a tag, see lake tags"  \
    }

/* FINOPS_E_UNSUPPORTED when the database that bills are read from keeps no states. */
finops_code fo_moment_check(const fo_cli *cli, finops_error **err);
/* The settings of the verb, or *copy, which is those at the moment. FINOPS_E_UNSUPPORTED: the backend keeps
 * no states. FINOPS_E_NOT_FOUND: a tag that is not there. */
finops_code fo_moment_settings(const fo_cli *cli, const fo_moment *moment, fo_settings *copy,
                               const fo_settings **ret, finops_error **err);
/* The number of the state, of the newest one when nothing is given, in a lake that is open. */
finops_code fo_moment_state(fo_database *db, const fo_moment *moment, int64_t *ret, finops_error **err);

#endif
