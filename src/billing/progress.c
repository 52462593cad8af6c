/* How far the load at work has come. */
#include "billing/progress.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "base/mem.h"

#define TICK_MS 200

struct fo_bill_progress {
    fo_conn *conn;
    const char *what;
    void (*tell)(double fraction, const char *what, void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t wake;
    const fo_csv_job *job;
    int64_t total;
    bool watching;
    bool stop;
};

static double
progress_fraction(const fo_bill_progress *p)
{
    if (!p->watching)
        return -1;
    if (!p->job)
        return fo_conn_progress(p->conn);
    return p->total > 0 ? (double)p->job->bytes_read / (double)p->total : -1;
}

static void
progress_deadline(struct timespec *ret)
{
    clock_gettime(CLOCK_REALTIME, ret);
    ret->tv_nsec += TICK_MS * 1000000L;
    if (ret->tv_nsec >= 1000000000L) {
        ret->tv_sec++;
        ret->tv_nsec -= 1000000000L;
    }
}

static void *
progress_run(void *arg)
{
    fo_bill_progress *p = arg;

    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        struct timespec until;
        p->tell(progress_fraction(p), p->what, p->arg);
        progress_deadline(&until);
        pthread_cond_timedwait(&p->wake, &p->lock, &until);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

finops_code
fo_bill_progress_start(fo_conn *conn, const char *what, void (*tell)(double, const char *, void *), void *arg,
                       fo_bill_progress **ret, finops_error **err)
{
    fo_bill_progress *p = fo_zalloc(sizeof(*p));
    sigset_t all, before;

    if (!p)
        return fo_error_oom(err);
    *p = (fo_bill_progress){ .conn = conn, .what = what, .tell = tell, .arg = arg };
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&p->thread, NULL, progress_run, p);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        fo_free(p);
        return fo_error_errno(err, failed, "start a thread");
    }
    *ret = p;
    return FINOPS_OK;
}

void
fo_bill_progress_watch(fo_bill_progress *progress, const fo_csv_job *job, int64_t total)
{
    if (!progress)
        return;
    pthread_mutex_lock(&progress->lock);
    progress->job = job;
    progress->total = total;
    progress->watching = total > 0;
    pthread_mutex_unlock(&progress->lock);
}

void
fo_bill_progress_stop(fo_bill_progress *progress)
{
    if (!progress)
        return;
    pthread_mutex_lock(&progress->lock);
    progress->stop = true;
    pthread_cond_signal(&progress->wake);
    pthread_mutex_unlock(&progress->lock);
    pthread_join(progress->thread, NULL);
    pthread_mutex_destroy(&progress->lock);
    pthread_cond_destroy(&progress->wake);
    fo_free(progress);
}
