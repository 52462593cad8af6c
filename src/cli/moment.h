/* --at and --version of verbs that read a lake as it was. */
#ifndef FO_CLI_MOMENT_H
#define FO_CLI_MOMENT_H

#include "cli/cli.h"

typedef struct fo_moment {
    char *at;
    int64_t version; /* -1: not given */
} fo_moment;

/* Rows of an option table whose struct has a fo_moment `moment`. */
#define FO_MOMENT_OPTIONS(type)                                                                              \
    { "at", FINOPS_OPT_STRING, offsetof(type, moment.at), .arg = "TIME",                                     \
      .help = "Read a lake as it was at this time: 2026-11-03 is the end of that day, UTC" },                \
    {                                                                                                        \
        "version", FINOPS_OPT_INT, offsetof(type, moment.version),                                           \
            .value = "-1", .min = -1, .max = INT64_MAX, .arg = "N",                                          \
            .help = "Read a lake as it was in this state, see lake snapshots"                                \
    }

/* FINOPS_E_UNSUPPORTED when the database that bills are read from keeps no states. */
finops_code fo_moment_check(const fo_cli *cli, finops_error **err);
/* The settings of the verb, or *copy, which is those at the moment. FINOPS_E_UNSUPPORTED: the backend keeps
 * no states. */
finops_code fo_moment_settings(const fo_cli *cli, const fo_moment *moment, fo_settings *copy,
                               const fo_settings **ret, finops_error **err);

#endif
