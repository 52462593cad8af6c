/*
 * Reading ahead: while a batch is encoded and sent, a thread gets the next one. Without it the server would
 * stand idle whenever its socket, which holds a hundred rows of a bill, ran dry.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "database/postgresql/table.h"
#include "finops/sys/plugin.h"

#define SMALL 2 /* batches that are read without a thread: most streams have no more */
#define SLICE_NS 100000000L

void
fo_pg_ahead_init(fo_pg_ahead *a, struct ArrowArrayStream *stream)
{
    *a = (fo_pg_ahead){ .stream = stream };
    (void)pthread_mutex_init(&a->mutex, NULL);
    (void)pthread_cond_init(&a->changed, NULL);
}

/* In the thread, or without one in the caller's. */
static void
read_one(fo_pg_ahead *a, struct ArrowArray *batch)
{
    const int errnum = a->stream->get_next(a->stream, batch);
    const char *why = errnum ? a->stream->get_last_error(a->stream) : NULL;

    a->errnum = errnum;
    if (errnum) {
        a->why = fo_strdup(why ? why : "the rows cannot be read");
        batch->release = NULL;
    }
    a->end = batch->release == NULL;
}

static void *
ahead_main(void *arg)
{
    fo_pg_ahead *a = arg;

    (void)pthread_mutex_lock(&a->mutex);
    while (!a->stop && !a->end) {
        struct ArrowArray batch = { 0 };

        if (a->slot.release) {
            (void)pthread_cond_wait(&a->changed, &a->mutex);
            continue;
        }
        (void)pthread_mutex_unlock(&a->mutex);
        read_one(a, &batch); /* what it sets is looked at when a batch or the end is told below */
        (void)pthread_mutex_lock(&a->mutex);
        a->told = a->end;
        if (batch.release)
            ArrowArrayMove(&batch, &a->slot);
        (void)pthread_cond_signal(&a->changed);
    }
    (void)pthread_mutex_unlock(&a->mutex);
    return NULL;
}

/* Waits for the thread, looking at the call each 100 ms. */
static finops_code
take_ahead(fo_pg_ahead *a, fo_pg_conn *c, struct ArrowArray *ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&a->mutex);
    while (rc == FINOPS_OK && !a->slot.release && !a->told) {
        struct timespec until;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += SLICE_NS;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        if (pthread_cond_timedwait(&a->changed, &a->mutex, &until) == ETIMEDOUT)
            rc = fo_pg_call_check(c, err);
    }
    if (rc == FINOPS_OK && a->slot.release) {
        ArrowArrayMove(&a->slot, ret);
        (void)pthread_cond_signal(&a->changed);
    }
    (void)pthread_mutex_unlock(&a->mutex);
    return rc;
}

finops_code
fo_pg_ahead_next(fo_pg_ahead *a, fo_pg_conn *c, struct ArrowArray *ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    assert(a && c && ret && !ret->release);
    if (!a->running && a->batches >= SMALL)
        a->running = pthread_create(&a->thread, NULL, ahead_main, a) == 0;
    if (a->running)
        rc = take_ahead(a, c, ret, err);
    else
        read_one(a, ret);
    a->batches++;
    if (rc == FINOPS_OK && !ret->release && a->errnum)
        rc = fo_error_set(err, finops_stream_code(a->errnum), "%s",
                          a->why ? a->why : "the rows cannot be read");
    return rc;
}

void
fo_pg_ahead_done(fo_pg_ahead *a)
{
    if (!a->stream)
        return;
    if (a->running) {
        (void)pthread_mutex_lock(&a->mutex);
        a->stop = true;
        (void)pthread_cond_signal(&a->changed);
        (void)pthread_mutex_unlock(&a->mutex);
        (void)pthread_join(a->thread, NULL);
    }
    if (a->slot.release)
        a->slot.release(&a->slot);
    (void)pthread_cond_destroy(&a->changed);
    (void)pthread_mutex_destroy(&a->mutex);
    fo_free(a->why);
    *a = (fo_pg_ahead){ 0 };
}
