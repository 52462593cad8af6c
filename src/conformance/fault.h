/* What the cases share in which the server is stopped, its disk full or a right gone; see hook.h. */
#ifndef FO_CONFORMANCE_FAULT_H
#define FO_CONFORMANCE_FAULT_H

#include "conformance/trial.h"

#define FO_FAULT_PATIENCE_US INT64_C(30000000) /* until a server that is back must be in use again */
#define FO_FAULT_ROWS 100000                   /* of a big write: some 20 MB */
/* Of one that is to fail: more than finds room inside a database's files, where big writes were before. */
#define FO_FAULT_DOOMED_ROWS (3 * FO_FAULT_ROWS)

/* A session of the pool may have been cut by the case before: one that answers takes its place, and makes
 * table "a" of three months with ten old rows each. */
bool fo_fault_begin(fo_trial *t);

/*
 * Runs a hook. `mend` is the one that undoes it: it is run at the end of the case when fo_fault_mend() was
 * not. NULL: nothing is to be undone.
 */
bool fo_fault_strike(fo_trial *t, const char *hook, const char *mend);
/* Runs what is to be undone; true when there is nothing. */
bool fo_fault_mend(fo_trial *t);
/* After any case: the same, and the big tables of one with hooks go, to make room for the next. */
bool fo_fault_end(fo_trial *t);

/* Asks something: the session, NULL: the trial's, must answer. */
bool fo_fault_answers(fo_trial *t, finops_session *s);
/* One try to take a session that answers. */
finops_code fo_fault_try(fo_trial *t, int64_t deadline_us, finops_session **ret, finops_error **err);
/* Gives the trial another session, as soon as there is one that answers. */
bool fo_fault_anew(fo_trial *t);

typedef enum fo_fault_work {
    FO_FAULT_APPEND,   /* to "a" */
    FO_FAULT_CREATE,   /* "b" */
    FO_FAULT_PARTITION /* February of "a" */
} fo_fault_work;

/* A big write of new rows; hook NULL: none, else it strikes when half of FO_FAULT_ROWS went. It must fail
 * with this code, and without a word of success. */
bool fo_fault_work_fails(fo_trial *t, fo_fault_work work, const char *hook, const char *mend,
                         finops_code want);
/* What comes of one that is to fail, now or at the commit. */
finops_code fo_fault_work_try(fo_trial *t, fo_fault_work work, finops_error **err);
bool fo_fault_work_done(fo_trial *t, fo_fault_work work);
/* That "a" has its old rows and no others, and that there is no "b". */
bool fo_fault_as_before(fo_trial *t);
/* That the old rows and, once, those of the work are there. */
bool fo_fault_as_after(fo_trial *t, fo_fault_work work);

#endif
