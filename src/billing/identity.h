/* Which export of the state a discovered export is: equal names from different sources are different exports.
 */
#ifndef FO_BILLING_IDENTITY_H
#define FO_BILLING_IDENTITY_H

#include "base/str.h"
#include "engine/engine.h"

typedef struct fo_identity {
    char *export_name; /* in state and ledger */
    char *table_base;  /* of its tables */
    char *warning;     /* names both exports when it had to be told apart, else NULL */
} fo_identity;
void fo_identity_done(fo_identity *identity);

/*
 * known: rows (export_name, source_uri) of the state, see fo_identity_known; exports met in this run are
 * added to it as pairs in `met`. The same source gives the same identity for ever.
 */
finops_code fo_identity_resolve(const fo_rows *known, fo_strv *met, const char *export_name,
                                const char *source_uri, fo_identity *ret, finops_error **err);

/* The statement whose rows fo_identity_resolve takes, for one vendor. */
#define FO_IDENTITY_SQL                                                                                      \
    "SELECT DISTINCT export_name, source_uri FROM billing_state.load_state WHERE vendor = 'aws' "            \
    "ORDER BY export_name, source_uri NULLS FIRST"

#endif
