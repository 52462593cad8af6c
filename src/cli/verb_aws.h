/* What the aws verbs share. */
#ifndef FO_CLI_VERB_AWS_H
#define FO_CLI_VERB_AWS_H

#include "base/log.h"
#include "billing/aws/discover.h"
#include "cli/cli.h"
#include "engine/files.h"

/* Calls visit for the exports of every configured source, with their manifests read when `read` says so. An
 * in-memory engine does the listing; the database is not touched. */
finops_code fo_aws_each_source(fo_cli *cli, bool read,
                               finops_code (*visit)(const fo_exports *exports, void *arg, finops_error **err),
                               void *arg, finops_error **err);

/* The settings that choose a source, as flags of the verbs that look at one. NULL-ended. */
extern const char *const fo_aws_source_keys[];

#endif
