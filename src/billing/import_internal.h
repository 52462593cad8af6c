/* What the two ways of importing, by manifest and by bare file, share. */
#ifndef FO_BILLING_IMPORT_INTERNAL_H
#define FO_BILLING_IMPORT_INTERNAL_H

#include "billing/identity.h"
#include "billing/import.h"
#include "billing/publish.h"

#define FO_VENDOR_AWS "aws"

typedef struct fo_import_lanes fo_import_lanes;

typedef struct fo_import {
    const fo_import_options *options;
    fo_database *database; /* the writer, opened when something is to be written; for a dry run the reader, or
                              NULL when there is no database yet */
    fo_engine *own_engine; /* reads files while no database that can is open */
    fo_conn *own_reader;   /* of own_engine */
    fo_engine *engine;     /* the one that reads files now; borrowed */
    fo_conn *reader;       /* of engine, for loading; borrowed */
    fo_files *files;       /* of the source at work */
    fo_kept *state;        /* as it was when the run began, or when the writer was opened; may be NULL */
    fo_kept *first;        /* as it was when the run began, before any manifest was read; may be `state` */
    bool looked;           /* first is known, NULL or not */
    const fo_rows *known;  /* of state, or NULL: exports, for identities */
    const fo_rows *current; /* current versions of the vendor */
    const fo_rows *pruned;  /* export_name, keep_from */
    const fo_rows *held;    /* export_name, period: rolled back with --hold */
    fo_strv met;
    bool lost; /* the database could not be opened: no other source can do better */
    fo_import_summary summary;
    fo_aws_settings source; /* of [[aws.exports]], the one at work; borrows its texts */
    unsigned failed_sources;
    finops_code first_failure;
    struct fo_import_all *all; /* with all_or_none, else NULL */
    bool by_source;            /* months are found by manifests, which stay until the source is done with */
    fo_import_lanes *lanes;    /* of the source, when several of its months are loaded side by side */
} fo_import;

/* The settings of one source and the export at work. */
typedef struct fo_import_export {
    const fo_aws_settings *aws;
    fo_identity identity;
    fo_bill_target target;
    const char *found_name; /* as the source calls it */
    size_t met_before;      /* names met before this one */
    const char *source_uri;
    fo_colnames *names; /* NULL until the database is open */
} fo_import_export;

/* One month to bring in. */
typedef struct fo_import_month {
    const char *period;
    const char *version_id;
    const char *format;
    const fo_bill_file *files;
    size_t n_files;
    bool parquet;
    bool delivered;               /* by a manifest, which may have a successor by now */
    const finops_error *broken;   /* the manifest cannot be used: recorded as the month's failure */
    const fo_bill_schema *schema; /* read already (bare files), else NULL */
    const char *where;
    int64_t expect_rows;
} fo_import_month;

finops_code fo_import_export_open(fo_import *im, const fo_aws_settings *aws, const char *export_name,
                                  const char *source_uri, fo_import_export *ret, finops_error **err);
void fo_import_export_done(fo_import_export *ex);
/* Which export of the state it is, and so its tables; again when the state was read anew. */
finops_code fo_import_identify(fo_import *im, fo_import_export *ex, finops_error **err);

/* Name of the lock that whoever changes a month holds; NULL: no memory. The caller frees it. */
char *fo_month_lock_name(const fo_version_key *key);

/* Opens the state, and the database where it is needed at once. */
finops_code fo_import_open(fo_import *im, finops_error **err);
/* Opens the database for writing unless it is open: from then on im->database and ex->names are there. State
 * and identity are read anew, another process may have written since they were read. */
finops_code fo_import_need_database(fo_import *im, fo_import_export *ex, finops_error **err);
/* Reads with the database itself where it can; again when its session has another connection. */
finops_code fo_import_choose_reader(fo_import *im, finops_error **err);
/* Files of one source: its endpoint and keys may differ from the others'. */
finops_code fo_import_open_files(fo_import *im, const fo_aws_settings *aws, finops_error **err);
void fo_import_done(fo_import *im);

/* Plans, and unless this is a dry run loads, one month; its failure is an event, not an error of this call.
 * Only what stops the whole run (cancel, no memory) is returned. */
finops_code fo_import_month_run(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                                finops_error **err);

/* The engine quotes the statement it was given; that is ours, and says nothing to the reader: it is cut off.
 */
void fo_import_cut_statement(finops_error **err);

/* The export's names as the database has them, and what the user's mapping makes of them. */
finops_code fo_import_names(fo_import *im, const fo_import_export *ex, fo_colnames **ret, finops_error **err);
/* Holds the files' columns against the table that they are added to, where all months are in one. */
finops_code fo_import_fit(const fo_import *im, const fo_import_export *ex, fo_bill_schema *schema,
                          finops_error **err);

/* ---- import_month.c, for import_all.c ---- */

/*
 * Whether the month may be loaded, now that it is locked: not when it is loaded already (*ret_there; unless
 * `again`), and not when another importer replaced it since this run began and the provider has a newer
 * version than ours, or ours would replace that one. *ret_now, the caller's: the version that is loaded now,
 * NULL for none.
 */
finops_code fo_import_month_check(fo_import *im, const fo_import_export *ex, const fo_import_month *month,
                                  const fo_version_key *key, bool again, bool *ret_there, char **ret_now,
                                  finops_error **err);
/* The version the provider delivers now; NULL: none that can be used. The caller frees it. */
finops_code fo_import_delivered_version(fo_import *im, const fo_import_export *ex, const char *period,
                                        char **ret, finops_error **err);
/* What was current when the run began; NULL: nothing. */
const char *fo_import_first_version(const fo_import *im, const char *export_name, const char *period);

/* Waits until no other importer has the month in hand; *ret_lock is freed by the caller. */
finops_code fo_import_month_lock(const fo_import *im, const fo_version_key *key, char **ret_lock,
                                 finops_error **err);
finops_code fo_import_month_load(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                                 const fo_version_key *key, const char *now, bool joined, fo_bill_result *ret,
                                 finops_error **err);
/* Only makes ready what loading it needs, see fo_publish_prepare(). */
finops_code fo_import_month_prepare(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                                    const fo_version_key *key, finops_error **err);
/* Records and tells the failure. */
finops_code fo_import_month_fail(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                                 const fo_version_key *key, double seconds, finops_error *why);

/* Loads and tells; a failure is told too, and only what ends the run is returned. */
finops_code fo_import_month_execute(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                                    fo_import_action action, finops_error **err);

/* ---- import_lanes.c ---- */

/* How many months may be loaded side by side, if this is one of them; 1: it is loaded where it was found. */
size_t fo_import_lanes_max(const fo_import *im, const fo_import_month *month);
/* A month that has work, to be loaded before fo_import_lanes_end() returns. An error ends the run. */
finops_code fo_import_lanes_take(fo_import *im, const fo_import_export *ex, const fo_import_month *month,
                                 fo_import_action action, finops_error **err);
/* What is told of a month that is not taken: in its order. Copied. */
void fo_import_lanes_tell(fo_import_lanes *lanes, const fo_import_event *event);
/* The source has no more months. rc and *err are what it came to so far; when that is an error, those that
 * nobody has begun with are left out. */
finops_code fo_import_lanes_end(fo_import *im, finops_code rc, finops_error **err);

/* ---- import_all.c ---- */

/* The months that `sources` brings, all in one transaction: it is called once more before that where tables
 * have to be made ready. Nothing is loaded when one of them fails. */
finops_code fo_import_all_run(fo_import *im, finops_code (*sources)(fo_import *im, finops_error **err),
                              finops_error **err);
/* One month of it that has work. */
finops_code fo_import_all_month(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                                fo_import_action action, finops_error **err);
/* Whether it is only made ready: nothing is told or counted. */
bool fo_import_all_prepares(const fo_import *im);

/* The bare files of options->paths. */
finops_code fo_import_paths(fo_import *im, finops_error **err);

#endif
