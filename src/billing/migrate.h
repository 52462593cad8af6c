/*
 * Bills from one database to another: tables of months with their state and ledger, and the views the target
 * has of them. A month is one transaction, verified before it is committed; what the target has already is
 * left alone, so that a run that was killed goes on where it was.
 */
#ifndef FO_BILLING_MIGRATE_H
#define FO_BILLING_MIGRATE_H

#include "base/cancel.h"
#include "base/error.h"
#include "config/settings.h"

typedef enum fo_migrate_action {
    FO_MIGRATE_COPY,    /* the target has no such month */
    FO_MIGRATE_REPLACE, /* it has an older version, or --force */
    FO_MIGRATE_CURRENT, /* it has this version */
    FO_MIGRATE_FAILED,  /* see error */
    FO_MIGRATE_LEFT     /* no bill: not copied */
} fo_migrate_action;

const char *fo_migrate_action_name(fo_migrate_action action);

/* One object: what was or would be done. Texts are borrowed for the call. */
typedef struct fo_migrate_event {
    const char
        *object; /* "aws_billing.acme_2026_05", a table of the target; what is left out: of the source */
    const char *export_name;
    const char *period; /* NULL: of no month */
    fo_migrate_action action;
    bool done;            /* false: planned (dry run) */
    int64_t rows;         /* negative: unknown */
    size_t columns, sums; /* that were compared */
    double seconds;
    const finops_error *error;
} fo_migrate_event;

typedef struct fo_migrate_options {
    const fo_settings *from, *to; /* each names one backend */
    const char *export_name;      /* NULL: all */
    bool dry_run;
    bool force; /* months that the target has in another version are replaced */
    const fo_cancel *cancel;
    void (*event)(const fo_migrate_event *event, void *arg);
    /* Rows that were read, of all that are to be. From the calling thread or another; may be NULL. */
    void (*progress)(int64_t done, int64_t total, const char *what, void *arg);
    void *arg;
} fo_migrate_options;

typedef struct fo_migrate_summary {
    unsigned copied, current, failed, left;
} fo_migrate_summary;

/*
 * The source is only read. FINOPS_E_USAGE when both are one database, FINOPS_E_NOT_FOUND when there is
 * nothing in the source, FINOPS_E_PARTIAL when some months failed and others are fine, or when it was stopped
 * after some.
 */
finops_code fo_migrate_run(const fo_migrate_options *options, fo_migrate_summary *ret, finops_error **err);

#endif
