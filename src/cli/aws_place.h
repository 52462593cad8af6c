/* Bills that lie in a place of the configuration, and files that are landed in one. */
#ifndef FO_CLI_AWS_PLACE_H
#define FO_CLI_AWS_PLACE_H

#include "base/str.h"
#include "billing/aws/land.h"
#include "cli/cli.h"
#include "registry/registry.h"

/* Where [aws] bucket is a place, "bronze:" or "bronze:folder", it becomes that place's bucket or folder, with
 * its region, endpoint and keys. The texts live in *texts. */
finops_code fo_aws_place_resolve(const fo_cli *cli, fo_settings *settings, fo_strv *texts,
                                 finops_error **err);

/* What is landed in the course of an import. */
typedef struct fo_lander {
    fo_cli *cli;
    finops_registry *registry;
    finops_storage *to, *from;
    char *from_base; /* of `from` */
    fo_land_counts counts;
} fo_lander;

/* Opens the place. */
finops_code fo_lander_open(fo_cli *cli, const char *place, fo_lander *ret, finops_error **err);
finops_code fo_lander_land(fo_lander *lander, const fo_aws_settings *aws, const fo_bill_source *source,
                           const fo_export *export, const fo_delivery *delivery, finops_error **err);
void fo_lander_done(fo_lander *lander);

#endif
