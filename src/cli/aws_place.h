/* Where bills are read from, places of the configuration among it, and files that are landed in one. */
#ifndef FO_CLI_AWS_PLACE_H
#define FO_CLI_AWS_PLACE_H

#include "base/str.h"
#include "billing/aws/land.h"
#include "cli/cli.h"
#include "registry/registry.h"
#include "storage/sources.h"

/* Where the bucket of [aws] or of an entry of [[aws.exports]] is a place, "bronze:" or "bronze:folder", it
 * becomes the address of that place, whose name is kept beside it. The texts live in *texts, the entries in
 * *ret_exports, which the caller frees. */
finops_code fo_aws_place_resolve(const fo_cli *cli, fo_settings *settings, fo_strv *texts,
                                 fo_aws_settings **ret_exports, finops_error **err);

/* What opens the files of services; done after all that was opened by it. */
finops_code fo_cli_sources(const fo_cli *cli, fo_storage_sources *ret, finops_error **err);
/* A file that was named on the command line: the address of "bronze:key" in a place of the configuration,
 * else as it is. Kept in *texts. */
finops_code fo_cli_source_file(fo_storage_sources *sources, const char *arg, fo_strv *texts, const char **ret,
                               finops_error **err);

/* What is landed in the course of an import. */
typedef struct fo_lander {
    fo_cli *cli;
    finops_registry *registry;
    finops_storage *to, *from;
    char *from_base; /* of `from` */
    fo_land_counts counts;
    char *swept;             /* the export whose folder was swept last */
    fo_storage_stats *stats; /* where what the storages did is kept; NULL: nowhere */
} fo_lander;

/* Opens the place. */
finops_code fo_lander_open(fo_cli *cli, const char *place, fo_lander *ret, finops_error **err);
finops_code fo_lander_land(fo_lander *lander, const fo_aws_settings *aws, const fo_bill_source *source,
                           const fo_export *export, const fo_delivery *delivery, finops_error **err);
void fo_lander_done(fo_lander *lander);

#endif
