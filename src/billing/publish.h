/*
 * Publishing a month: its table, its ledger, the unified view and its state change in one transaction, or
 * nothing does.
 */
#ifndef FO_BILLING_PUBLISH_H
#define FO_BILLING_PUBLISH_H

#include "billing/schema.h"
#include "database/state.h"

/* Where an export's bills go. Borrowed texts. */
typedef struct fo_bill_target {
    const char *schema;      /* "aws_billing" */
    const char *vendor;      /* "aws" */
    const char *export_name; /* as recorded in the state */
    const char *table_base;  /* "acme_cur" */
    bool single;             /* one table for all months, with billing_period */
} fo_bill_target;

/* One month to publish. */
typedef struct fo_bill_month {
    fo_version_key key;
    const char *now;   /* the version that was loaded when this was begun, or NULL; another one in the
                          transaction is a conflict */
    const char *where; /* SQL condition on the table's columns for files of several months, or NULL */
    fo_files *files;
    fo_conn
        *reader; /* that reads the files: of the database's own engine, where it reads files, or another */
    const fo_cancel *cancel;
    int64_t expect_rows; /* rows `where` must select; ignored without `where` */
    bool allow_empty;    /* replace rows by none without a word */
    bool joined; /* the caller's transaction is open, and it looks after what comes before and after it */
    struct fo_bill_progress *progress; /* told what is read; may be NULL */
} fo_bill_month;

/* What came out of it. */
typedef struct fo_bill_result {
    int64_t rows;
    int64_t rounded; /* decimals that lost digits beyond the 18th */
    int64_t bytes_read;
    char *total_cost; /* unblended; NULL with several currencies */
    char *currency;   /* "USD" or "EUR,USD"; "" when the bill names none */
    char *totals;     /* "12.50 USD, 3.00 EUR" */
} fo_bill_result;
void fo_bill_result_done(fo_bill_result *result);

/* Loads, verifies and publishes; on failure the month is as it was. */
finops_code fo_publish_month(fo_database *database, const fo_bill_target *target, const fo_bill_month *month,
                             const fo_bill_schema *schema, fo_colnames *names, fo_bill_result *ret,
                             finops_error **err);

/* What fo_publish_month() does before its transaction where tables are not made in one; else nothing. */
finops_code fo_publish_prepare(fo_database *database, const fo_bill_target *target,
                               const fo_bill_month *month, const fo_bill_schema *schema, fo_colnames *names,
                               finops_error **err);

/* (Re)makes <base>_unified over all current months of the export; drops it when there is none. */
finops_code fo_unified_view(fo_database *database, const fo_bill_target *target, const fo_colnames *names,
                            finops_error **err);

/* Adds the column of this type (as a DuckDB spells it) as the dictionary's type, by a cast where the earlier
 * tool stored another one; returns the type it then has. */
const char *fo_unified_cast(const char *name, const char *type, fo_str *sql);

/* FINOPS_E_EXISTS when the table holds bills of another export. */
finops_code fo_publish_check_owner(fo_database *database, const fo_bill_target *target, const char *table,
                                   finops_error **err);
/* The month's rows leave the place they had, where that is not the table: in the transaction that brings the
 * new ones. *ret_old gets the tables to be dropped when no view stands on them any more. */
finops_code fo_publish_clear_old(fo_database *database, const fo_bill_target *target, const char *period,
                                 const char *table, fo_strv *ret_old, finops_error **err);
finops_code fo_publish_drop_table(fo_database *database, const char *schema, const char *table,
                                  finops_error **err);

/*
 * Where fo_database_tables_in_transaction() is false, all months are in one table. It is made,
 * with the month's view, before the transaction; the views are looked after when that is done.
 */
/* "<base>_YYYY_MM" for the month, when it is not there: what has a table of its own elsewhere. */
finops_code fo_month_view(fo_database *database, const fo_bill_target *target, const char *period,
                          finops_error **err);
/* The unified view, those over all exports, and no month's view that has no month. */
finops_code fo_views_settle(fo_database *database, const fo_bill_target *target, const fo_colnames *names,
                            finops_error **err);

/* billing_unified, billing_<YYYY>_<MM> and <schema>_<payer>_<YYYY>_<MM>, over all exports of the vendor; an
 * export of the name "billing" keeps those names for itself. */
finops_code fo_common_views(fo_database *database, const fo_bill_target *target, finops_error **err);

/* Drops it, before tables it stands on are. */
finops_code fo_unified_drop(fo_database *database, const fo_bill_target *target, finops_error **err);

#endif
