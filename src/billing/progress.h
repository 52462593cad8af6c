/* How far the load at work has come, told by a thread of its own a few times a second. */
#ifndef FO_BILLING_PROGRESS_H
#define FO_BILLING_PROGRESS_H

#include "engine/csv.h"

typedef struct fo_bill_progress fo_bill_progress;

/* Calls tell(fraction, what, arg) while the load runs; fraction is negative when unknown. `what` is borrowed.
 */
finops_code fo_bill_progress_start(fo_conn *conn, const char *what,
                                   void (*tell)(double fraction, const char *what, void *arg), void *arg,
                                   fo_bill_progress **ret, finops_error **err);
/* The CSV job that is read now and the bytes of its files; job NULL: the engine's own measure counts. NULL
 * progress is fine. */
void fo_bill_progress_watch(fo_bill_progress *progress, const fo_csv_job *job, int64_t total);
/* Ends the thread; after it nothing is told. NULL is fine. */
void fo_bill_progress_stop(fo_bill_progress *progress);

#endif
