/*
 * Reading ahead: while batches are encoded and sent, a thread gets the next ones. Without it the server would
 * stand idle whenever its socket, which holds a hundred rows of a bill, ran dry.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "database/postgresql/table.h"
#include "finops/sys/plugin.h"

#define SMALL 2           /* batches that are read without a thread: most streams have no more */
#define ROWS_A_TAKER 8192 /* that may be in hand and ready for each, however many batches that is */
#define SLICE_NS 100000000L

void
fo_pg_ahead_init(fo_pg_ahead *a, struct ArrowArrayStream *stream)
{
    *a = (fo_pg_ahead){ .stream = stream, .takers = 1 };
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

/* Behind those that wait. With the mutex held, or without a thread. */
static void
queue_add(fo_pg_ahead *a, struct ArrowArray *array)
{
    fo_pg_batch *batch = &a->queue[(a->first + a->n) % FO_COUNT(a->queue)];

    assert(a->n < FO_COUNT(a->queue));
    *batch = (fo_pg_batch){ .rows = array->length, .before = a->rows };
    ArrowArrayMove(array, &batch->array);
    a->n++;
    a->rows += batch->rows;
    a->rows_held += batch->rows;
}

static void
queue_take(fo_pg_ahead *a, fo_pg_batch *ret)
{
    fo_pg_batch *batch = &a->queue[a->first];

    *ret = (fo_pg_batch){ .rows = batch->rows, .before = batch->before };
    ArrowArrayMove(&batch->array, &ret->array);
    a->first = (a->first + 1) % FO_COUNT(a->queue);
    a->n--;
    a->taken++;
}

/*
 * One batch is ready while others are in hand, as with a single taker, whatever their size; more of them only
 * when they are small, so that memory does not grow with the number of takers.
 */
static bool
has_room(const fo_pg_ahead *a)
{
    if (a->n == 0 && a->taken <= 1)
        return true;
    return a->takers > 1 && a->n < a->takers && a->n < FO_COUNT(a->queue) &&
           a->rows_held < (int64_t)a->takers * ROWS_A_TAKER;
}

static void *
ahead_main(void *arg)
{
    fo_pg_ahead *a = arg;

    (void)pthread_mutex_lock(&a->mutex);
    while (!a->stop && !a->end) {
        struct ArrowArray batch = { 0 };

        if (!has_room(a)) {
            (void)pthread_cond_wait(&a->changed, &a->mutex);
            continue;
        }
        (void)pthread_mutex_unlock(&a->mutex);
        read_one(a, &batch); /* what it sets is looked at when a batch or the end is told below */
        (void)pthread_mutex_lock(&a->mutex);
        a->told = a->end;
        if (batch.release)
            queue_add(a, &batch);
        (void)pthread_cond_broadcast(&a->changed);
    }
    (void)pthread_mutex_unlock(&a->mutex);
    return NULL;
}

/* Waits for the thread, looking at the call each 100 ms. */
static finops_code
wait_for_one(fo_pg_ahead *a, fo_pg_conn *c, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    while (rc == FINOPS_OK && a->n == 0 && !a->told) {
        struct timespec until;

        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += SLICE_NS;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        if (pthread_cond_timedwait(&a->changed, &a->mutex, &until) == ETIMEDOUT)
            rc = fo_pg_call_check(c, err);
    }
    return rc;
}

static bool
start(fo_pg_ahead *a)
{
    if (!a->running)
        a->running = pthread_create(&a->thread, NULL, ahead_main, a) == 0;
    return a->running;
}

/* With the mutex held. */
static finops_code
take(fo_pg_ahead *a, fo_pg_conn *c, fo_pg_batch *io, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (io->rows >= 0) { /* the one before is done with */
        a->rows_held -= io->rows;
        a->taken--;
        (void)pthread_cond_broadcast(&a->changed);
    }
    *io = FO_PG_BATCH_NONE;
    if (a->running)
        rc = wait_for_one(a, c, err);
    else if (a->n == 0 && !a->end) {
        struct ArrowArray batch = { 0 };

        read_one(a, &batch);
        if (batch.release)
            queue_add(a, &batch);
    }
    if (rc == FINOPS_OK && a->n > 0)
        queue_take(a, io);
    else if (rc == FINOPS_OK && a->errnum)
        rc = fo_error_set(err, finops_stream_code(a->errnum), "%s",
                          a->why ? a->why : "the rows cannot be read");
    (void)pthread_cond_broadcast(&a->changed);
    return rc;
}

finops_code
fo_pg_ahead_next(fo_pg_ahead *a, fo_pg_conn *c, fo_pg_batch *io, finops_error **err)
{
    finops_code rc;

    assert(a && c && io && !io->array.release);
    if (!a->running && !a->end && a->batches++ >= SMALL)
        (void)start(a);
    (void)pthread_mutex_lock(&a->mutex);
    rc = take(a, c, io, err);
    (void)pthread_mutex_unlock(&a->mutex);
    return rc;
}

bool
fo_pg_ahead_is_long(fo_pg_ahead *a, int64_t rows)
{
    assert(a && !a->running);
    while (!a->end && a->rows < rows && a->n < FO_COUNT(a->queue)) {
        struct ArrowArray batch = { 0 };

        read_one(a, &batch);
        if (batch.release)
            queue_add(a, &batch);
    }
    return !a->end;
}

bool
fo_pg_ahead_share(fo_pg_ahead *a, unsigned takers)
{
    assert(a && takers > 0);
    (void)pthread_mutex_lock(&a->mutex);
    a->takers = takers;
    (void)pthread_cond_broadcast(&a->changed);
    (void)pthread_mutex_unlock(&a->mutex);
    return start(a);
}

void
fo_pg_ahead_done(fo_pg_ahead *a)
{
    if (!a->stream)
        return;
    if (a->running) {
        (void)pthread_mutex_lock(&a->mutex);
        a->stop = true;
        (void)pthread_cond_broadcast(&a->changed);
        (void)pthread_mutex_unlock(&a->mutex);
        (void)pthread_join(a->thread, NULL);
    }
    while (a->n > 0) {
        fo_pg_batch batch;

        queue_take(a, &batch);
        batch.array.release(&batch.array);
    }
    (void)pthread_cond_destroy(&a->changed);
    (void)pthread_mutex_destroy(&a->mutex);
    fo_free(a->why);
    *a = (fo_pg_ahead){ 0 };
}
