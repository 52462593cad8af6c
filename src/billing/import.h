/*
 * Importing bills: discover, compare with the load state, load what is new, publish month by month.
 */
#ifndef FO_BILLING_IMPORT_H
#define FO_BILLING_IMPORT_H

#include "base/cancel.h"
#include "base/error.h"
#include "config/settings.h"
#include "database/database.h"
#include "engine/files.h"

struct fo_bill_source;
struct fo_export;
struct fo_delivery;

typedef enum fo_import_action {
    FO_IMPORT_LOAD,    /* not loaded before */
    FO_IMPORT_REPLACE, /* another version is loaded */
    FO_IMPORT_RELOAD,  /* this version is loaded; --force */
    FO_IMPORT_CURRENT, /* nothing to do */
    FO_IMPORT_PRUNED,  /* older than what was pruned */
    FO_IMPORT_UNDONE,  /* another month of the same transaction failed: this one is as it was */
    FO_IMPORT_HELD,    /* rolled back, to stay so */
    FO_IMPORT_FAILED   /* see error */
} fo_import_action;

const char *fo_import_action_name(fo_import_action action);

/* One month of one export: what was or would be done. Texts are borrowed for the call. */
typedef struct fo_import_event {
    const char *export_name;
    const char *period;
    const char *version_id;
    fo_import_action action;
    bool done; /* false: planned (dry run) or about to start */
    int64_t files;
    int64_t rows;
    const char *totals; /* "12.50 USD", "" before it is known */
    int64_t rounded;    /* amounts that lost digits beyond the 18th */
    double seconds;
    const finops_error *error;
} fo_import_event;

typedef struct fo_import_options {
    const fo_settings *settings;
    fo_files_places *places; /* how files of services are opened; NULL: only those of this machine */
    bool force;              /* load again what is loaded */
    bool dry_run;            /* plan only; the database is not written */
    bool all_or_none;        /* one transaction for all months */
    char *const *paths;      /* bare report files instead of manifests */
    size_t n_paths;
    /* Called before a month is planned, with what its files are; an error is the month's failure. May be
     * NULL. */
    finops_code (*land)(const fo_aws_settings *aws, const struct fo_bill_source *source,
                        const struct fo_export *export, const struct fo_delivery *delivery, void *arg,
                        finops_error **err);
    const fo_cancel *cancel;
    void (*event)(const fo_import_event *event, void *arg); /* each month, in order */
    void (*warning)(const char *text, void *arg);
    void (*failure)(const finops_error *error, void *arg); /* one of several sources could not be read */
    void (*progress)(double fraction, const char *what, void *arg); /* from another thread; may be NULL */
    void *arg;
} fo_import_options;

typedef struct fo_import_summary {
    unsigned exports, loaded, current, failed;
} fo_import_summary;

/*
 * Imports every export the settings select. FINOPS_E_PARTIAL when some months failed and others are fine, or
 * when it was cancelled after some were loaded; the failure's own code when all that was tried failed. Each
 * failure was an event. FINOPS_E_NOT_FOUND when there is no export.
 */
finops_code fo_import_run(const fo_import_options *options, fo_import_summary *ret, finops_error **err);

/* Drops an export's tables, view, ledger and state. export_name is the state's name. */
finops_code fo_import_reset(fo_database *database, const char *dataset, const char *export_name,
                            finops_error **err);

#endif
