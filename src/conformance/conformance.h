/*
 * The conformance suite: what every database driver must do, ours and outsiders'.
 *
 * A case is named for what it proves. Those that need a capability the driver does not claim are "not
 * claimed"; a claimed one is tested. A run works in a schema of its own name and drops it at the end.
 */
#ifndef FO_CONFORMANCE_CONFORMANCE_H
#define FO_CONFORMANCE_CONFORMANCE_H

#include "base/cancel.h"
#include "base/error.h"
#include "finops/database.h"

typedef enum fo_case_outcome {
    FO_CASE_OK,
    FO_CASE_FAILED,
    FO_CASE_NOT_CLAIMED,
    FO_CASE_NOT_RUN /* one before it hung */
} fo_case_outcome;

/* Texts are valid for the call they are given in. */
typedef struct fo_case_result {
    const char *area; /* "types" */
    const char *name; /* the sentence it proves */
    fo_case_outcome outcome;
    const char *why; /* it failed or is not claimed; "" else */
    double seconds;
} fo_case_result;

typedef struct fo_conformance_options {
    finops_database *database; /* a pool of at least 4 connections; NULL with `list` */
    const char *filter;        /* glob over "area: name" or the area alone; NULL: all */
    bool with_long;            /* also what takes minutes: ten million rows */
    bool list;                 /* run nothing: tell the names, all as not claimed */
    int64_t case_us;           /* a case that takes longer hangs, a long one ten times that; 0: no limit */
    const char *hooks;         /* folder of programs that break the server and mend it; NULL: none */
    const fo_cancel *cancel;
    void (*each)(const fo_case_result *result, void *arg); /* one at a time, any thread; may be NULL */
    void *arg;
} fo_conformance_options;

typedef struct fo_conformance_summary {
    unsigned passed, failed, not_claimed, not_run;
    /*
     * "area: name" of the case that hung, "" else. Its thread is still at it: the database must not be
     * closed, nor what it stands on be freed. All that is left to do is to say so and to end the process by
     * _exit().
     */
    char hung[256];
    char left[64]; /* the schema, where it could not be dropped; "" else */
} fo_conformance_summary;

/*
 * Runs the cases one after another. A failed case is no error of the run; FINOPS_OK says that all were run
 * or one hung. FINOPS_E_CANCELLED between two cases; else the code with which the database could not be used
 * at all.
 */
finops_code fo_conformance_run(const fo_conformance_options *options, fo_conformance_summary *ret,
                               finops_error **err);

const char *fo_case_outcome_name(fo_case_outcome outcome); /* "ok", "FAILED", "not claimed", "not run" */

#endif
