/* Many objects at once: threads that each take the next one, failures that stop nobody else, a line that
 * tells how far it is. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/storage.h"

#define THREADS_MAX 256
#define LARGE                                                                                                \
    ((int64_t)8 << 20) /* bytes from which an object is sent in parts, each with memory of its own */
#define LOOK 100000000 /* nanoseconds between two looks at the workers */

static bool
is_cancelled(void *arg)
{
    const fo_cli *cli = arg;

    return fo_cancelled(cli->cancel);
}

finops_call
fo_storage_call(const fo_cli *cli)
{
    return (finops_call){ .cancelled = is_cancelled, .arg = (void *)(uintptr_t)cli };
}

void
fo_work_init(fo_work *work, fo_cli *cli, int64_t parallel, const char *doing)
{
    *work = (fo_work){ .cli = cli, .doing = doing, .parallel = (unsigned)parallel };
    (void)pthread_mutex_init(&work->lock, NULL);
    (void)pthread_cond_init(&work->change, NULL);
}

void
fo_work_done(fo_work *work)
{
    finops_error_free(work->why);
    for (size_t i = 0; i < work->n_told; i++)
        finops_error_free(work->told[i]);
    (void)pthread_cond_destroy(&work->change);
    (void)pthread_mutex_destroy(&work->lock);
}

static unsigned
large_max(const fo_work *work)
{
    return work->parallel / 4 > 0 ? work->parallel / 4 : 1;
}

void
fo_work_enter(fo_work *work, int64_t size)
{
    if (size >= 0 && size <= LARGE)
        return;
    pthread_mutex_lock(&work->lock);
    while (work->large >= large_max(work))
        pthread_cond_wait(&work->change, &work->lock);
    work->large++;
    pthread_mutex_unlock(&work->lock);
}

void
fo_work_leave(fo_work *work, int64_t size)
{
    if (size >= 0 && size <= LARGE)
        return;
    pthread_mutex_lock(&work->lock);
    work->large--;
    pthread_cond_broadcast(&work->change);
    pthread_mutex_unlock(&work->lock);
}

/* ---- the workers ---- */

typedef struct worker {
    fo_work *work;
    int64_t told; /* bytes of this object that are counted */
} worker;

static bool
is_stopped(void *arg)
{
    const worker *w = arg;

    return atomic_load(&w->work->stop) || fo_cancelled(w->work->cli->cancel);
}

static void
advanced(double fraction, int64_t done, void *arg)
{
    worker *w = arg;

    (void)fraction;
    atomic_fetch_add(&w->work->bytes, done - w->told);
    w->told = done;
}

/* Whatever comes next would fail the same way. */
static bool
is_of_all(finops_code rc)
{
    return rc == FINOPS_E_AUTH || rc == FINOPS_E_CONFIG || rc == FINOPS_E_MEMORY ||
           rc == FINOPS_E_CANCELLED || rc == FINOPS_E_UNSUPPORTED || rc == FINOPS_E_BREAKER_OPEN;
}

/* With the lock held. */
static void
failed(fo_work *work, finops_code rc, finops_error *why)
{
    work->failed++;
    if (work->rc == FINOPS_OK)
        work->rc = rc;
    if (is_of_all(rc))
        atomic_store(&work->stop, true);
    if (work->single && !work->why)
        work->why = why;
    else if (atomic_load(&work->stop) && rc == FINOPS_E_CANCELLED)
        finops_error_free(why); /* it only ended because of another, or of Ctrl-C */
    else {
        while (work->n_told == FO_COUNT(work->told))
            pthread_cond_wait(&work->change, &work->lock);
        work->told[work->n_told++] = why;
    }
}

static void *
run_worker(void *arg)
{
    fo_work *work = arg;

    pthread_mutex_lock(&work->lock);
    while (work->next < work->n && !atomic_load(&work->stop) && !fo_cancelled(work->cli->cancel)) {
        worker w = { .work = work };
        const finops_call call = { .cancelled = is_stopped, .progress = advanced, .arg = &w };
        finops_error *why = NULL;
        size_t index = work->next++;

        pthread_mutex_unlock(&work->lock);
        finops_code rc = work->each(work, index, &call, work->arg, &why);
        pthread_mutex_lock(&work->lock);
        if (rc == FINOPS_OK)
            work->done++;
        else {
            atomic_fetch_sub(&work->bytes, w.told);
            failed(work, rc, why);
            pthread_cond_broadcast(&work->change);
        }
    }
    work->running--;
    pthread_cond_broadcast(&work->change);
    pthread_mutex_unlock(&work->lock);
    return NULL;
}

/* ---- watching them ---- */

/* With the lock held, which is given back meanwhile. */
static void
tell_failures(fo_work *work)
{
    finops_error *told[FO_COUNT(work->told)];
    size_t n = work->n_told;

    for (size_t i = 0; i < n; i++)
        told[i] = work->told[i];
    work->n_told = 0;
    pthread_cond_broadcast(&work->change);
    pthread_mutex_unlock(&work->lock);
    if (n > 0)
        fo_progress_clear(work->cli);
    for (size_t i = 0; i < n; i++) {
        fo_log_error(told[i]);
        finops_error_free(told[i]);
    }
    fo_progress_show(work->cli, -1, "%" PRIu64 " objects %s, %.1f MiB", work->done, work->doing,
                     (double)atomic_load(&work->bytes) / (1 << 20));
    pthread_mutex_lock(&work->lock);
}

static void
watch(fo_work *work)
{
    pthread_mutex_lock(&work->lock);
    while (work->running > 0 || work->n_told > 0) {
        struct timespec until;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += LOOK;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (work->n_told == 0)
            (void)pthread_cond_timedwait(&work->change, &work->lock, &until);
        tell_failures(work);
    }
    pthread_mutex_unlock(&work->lock);
}

finops_code
fo_work_run(fo_work *work, size_t n, fo_work_each *each, void *arg, finops_error **err)
{
    pthread_t threads[THREADS_MAX];
    size_t started = 0, most = n < work->parallel ? n : work->parallel;
    int errnum = 0;

    assert(work->parallel > 0 && work->parallel <= THREADS_MAX);
    work->each = each;
    work->arg = arg;
    work->next = 0;
    work->n = n;
    while (started < most && errnum == 0) {
        pthread_mutex_lock(&work->lock);
        work->running++;
        pthread_mutex_unlock(&work->lock);
        errnum = pthread_create(&threads[started], NULL, run_worker, work);
        if (errnum == 0)
            started++;
    }
    if (errnum != 0) { /* those that could be started do it all */
        pthread_mutex_lock(&work->lock);
        work->running--;
        pthread_mutex_unlock(&work->lock);
    }
    watch(work);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    if (started == 0 && n > 0)
        return fo_error_errno(err, errnum, "start a thread");
    return FINOPS_OK;
}

finops_code
fo_work_result(fo_work *work, finops_error **err)
{
    if (fo_cancelled(work->cli->cancel))
        return fo_error_set(err, FINOPS_E_CANCELLED, "stopped; %" PRIu64 " objects were %s before",
                            work->done, work->doing);
    if (work->failed == 0)
        return FINOPS_OK;
    if (work->single && work->why) {
        *err = FO_TAKE(work->why);
        return work->rc;
    }
    if (work->done > 0)
        return fo_error_set(err, FINOPS_E_PARTIAL, "%" PRIu64 " of %" PRIu64 " objects were not %s",
                            work->failed, work->done + work->failed, work->doing);
    return fo_error_set(err, work->rc, "no object was %s", work->doing);
}
