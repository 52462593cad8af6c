/* One run of the suite; shared by runner.c, schema.c and watchdog.c only. */
#ifndef FO_CONFORMANCE_SUITE_H
#define FO_CONFORMANCE_SUITE_H

#include "conformance/guard.h"
#include "conformance/trial.h"

/* Where a run is in the list of cases. */
typedef struct fo_case_cursor {
    size_t area, index;
    char name[FO_CASE_NAME]; /* of a generated case */
} fo_case_cursor;

typedef struct fo_suite {
    fo_conformance_options options;
    finops_capabilities caps;
    char schema[64]; /* "": not made */
    bool has_schema; /* in the database; else it is part of the tables' names */
    unsigned serial;
    fo_case_cursor at;
    fo_conformance_summary summary;
    finops_code rc; /* of the run */
    finops_error *err;

    /* The watchdog's; with the guard's lock held. */
    fo_guard guard;
    const fo_trial *running; /* in the thread of the cases; NULL: none */
    const char *area;        /* its */
    bool dropped;            /* the thread that drops the schema of a run that hangs is done */
} fo_suite;

/* ---- runner.c ---- */

/* The next case; false after the last. The case's name lives until the next call with this cursor. */
bool fo_case_next(fo_case_cursor *at, const char **ret_area, fo_case *ret);
bool fo_case_chosen(const fo_suite *s, const char *area, const char *name);
/* All cases, the making of the schema and its end. */
finops_code fo_cases_run(fo_suite *s, finops_error **err);
void fo_trial_start(fo_suite *s, const fo_case *c, fo_trial *ret);
void fo_trial_done(fo_trial *t);
void fo_case_tell(fo_suite *s, const char *area, const char *name, fo_case_outcome outcome, const char *why,
                  int64_t us);

/* ---- schema.c ---- */

finops_code fo_schema_make(fo_suite *s, finops_error **err);
/* Whatever is in it. What cannot be dropped is in the summary. deadline_us 0: none. */
void fo_schema_drop(fo_suite *s, int64_t deadline_us);

/* ---- watchdog.c ---- */

/* Runs the cases in a thread of their own and waits for its end, or until a case hangs. */
finops_code fo_watchdog_run(fo_suite *s, finops_error **err);
/* Around what may hang, in the thread of the cases. The end does not return when it came too late. */
void fo_watchdog_begin(fo_suite *s, const char *area, const fo_trial *t);
void fo_watchdog_end(fo_suite *s);
/* The session the trial is to use: the watchdog cancels it when the case hangs. */
void fo_watchdog_watch(fo_suite *s, fo_trial *t, finops_session *session);
/* The trial's session, to be released; the watchdog cancels it no more. Nor does this return when it is too
 * late. */
finops_session *fo_watchdog_forget(fo_suite *s, fo_trial *t);

#endif
