/*
 * Landing: the raw files of deliveries, as AWS wrote them, in a storage of the user's:
 *
 *     system=aws/table=cur/export=<name>/period=<YYYY-MM>/version=<id>/<key in the bucket>
 *     system=aws/table=cur/export=<name>/period=<YYYY-MM>/current-Manifest.json
 *
 * The second is written when all files of a version are there: which version that is, where it came from, and
 * size and checksum of each file. By it a later import finds the month.
 */
#ifndef FO_BILLING_AWS_LAND_H
#define FO_BILLING_AWS_LAND_H

#include "billing/aws/discover.h"
#include "finops/storage.h"

typedef struct fo_land_counts {
    uint64_t files, skipped; /* copied; there already */
    int64_t bytes;           /* of those copied */
} fo_land_counts;

/*
 * Brings the files of one delivery from the storage that is source->base into `to`. What is there with the
 * same size and checksum stays. Counts are added to *ret.
 */
finops_code fo_land_delivery(finops_storage *from, finops_storage *to, const fo_bill_source *source,
                             const fo_export *export, const fo_delivery *delivery, const finops_call *call,
                             fo_land_counts *ret, finops_error **err);

/*
 * Removes what landings of the export that were killed left more than a day ago, and says how much that was.
 * Nothing else is written below its folder; what is younger may be another import's. A storage that cannot do
 * that, or does not let us, is left alone.
 */
uint64_t fo_land_sweep(finops_storage *to, const fo_export *export, const finops_call *call);

/* Whether a key is that of a record of landed files, or lies among landed files; *ret_folder is the bytes of
 * its period's folder, without a slash at its end. */
bool fo_landed_is_record(const char *key, size_t *ret_folder);
bool fo_landed_is_below(const char *key);

/* What a record says. */
typedef struct fo_landed {
    char *version, *source_uri, *manifest; /* manifest: its key in the bucket it came from */
} fo_landed;
finops_code fo_landed_parse(const char *text, size_t n, const char *label, fo_landed *ret,
                            finops_error **err);
void fo_landed_done(fo_landed *landed);

#endif
