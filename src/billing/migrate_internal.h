/* What the files of the migration share. */
#ifndef FO_BILLING_MIGRATE_INTERNAL_H
#define FO_BILLING_MIGRATE_INTERNAL_H

#include "billing/migrate.h"
#include "billing/migrate_verify.h"
#include "billing/publish.h"

typedef struct fo_migrate {
    const fo_migrate_options *options;
    fo_database *source;
    fo_database *target;   /* NULL: there is none yet, in a dry run */
    fo_strv tables;        /* of the source that are bills: "schema.table" */
    int64_t total, before; /* rows to copy, and copied before the month at work */
    const char *what;      /* is at work */
    fo_migrate_summary summary;
    finops_code first_failure;
} fo_migrate;

/* All that the source has of one billing period of an export. Borrowed texts. */
typedef struct fo_migrate_month {
    fo_version_key key; /* its version is the current one; NULL: there is none, and no table */
    const char *schema; /* of the source's table, and of the target's */
    const char *table;  /* of the source */
    bool single;        /* the source's table holds other months, too */
    int64_t rows;
} fo_migrate_month;

/* How the columns of a table go from one database to the other; all lists are of one length. */
typedef struct fo_migrate_columns {
    fo_strv names;       /* in the target */
    fo_strv expressions; /* over the source's table, in its words */
    fo_strv casts;       /* over what comes of those, in the words of a DuckDB */
    fo_strv types;       /* in a DuckDB */
    fo_strv json;        /* names of those whose texts are JSON on the way */
    fo_strv amounts;     /* those of them whose texts are amounts */
    bool cast;           /* any of the casts is one */
} fo_migrate_columns;
void fo_migrate_columns_done(fo_migrate_columns *columns);
finops_code fo_migrate_columns_plan(const fo_migrate *m, const fo_bill_target *target,
                                    const fo_migrate_month *month, fo_migrate_columns *ret,
                                    finops_error **err);

/* Copies the month into the target in one transaction and verifies it there. */
finops_code fo_migrate_month_copy(fo_migrate *m, const fo_bill_target *target, const fo_migrate_month *month,
                                  fo_colnames *names, fo_check *ret_check, finops_error **err);
/* Whether a table of the target stands in the month's way. */
finops_code fo_migrate_month_free(const fo_migrate *m, const fo_bill_target *target,
                                  const fo_migrate_month *month, finops_error **err);

/* Load state and ledger of the month, in the transaction that is open. table: of the target, NULL: none. */
finops_code fo_migrate_state(const fo_migrate *m, const fo_version_key *key, const char *table,
                             finops_error **err);
/* What is known of the export as a whole: names of columns, and from when on it is kept. */
finops_code fo_migrate_export_state(const fo_migrate *m, const char *vendor, const char *export_name,
                                    finops_error **err);
/* What identifies the month's current row in the source: changes when it is loaded anew. */
finops_code fo_migrate_state_mark(fo_database *db, const fo_version_key *key, char **ret, finops_error **err);
/* The version of the month that a database has now; NULL: none. */
finops_code fo_migrate_state_version(fo_database *db, const fo_version_key *key, char **ret,
                                     finops_error **err);
/* Whether a database ever knew the version. */
finops_code fo_migrate_state_knows(fo_database *db, const fo_version_key *key, const char *version, bool *ret,
                                   finops_error **err);

#endif
