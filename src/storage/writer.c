/*
 * An object that comes piece by piece, onto a stage that takes whole objects and parts.
 *
 * What fits is sent in one request. The rest goes out in parts, several at once: the caller fills one buffer
 * while threads send others, so that memory is (parallel + 1) parts however long the object is. A part is
 * memory and can be sent again, which the stages below do; what fails here fails the object.
 */
#include "storage/writer.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "storage/put_copy.h"

#define MIB ((uint64_t)1 << 20)
#define GROWTH_STEP 1000u /* parts of one size when the length is unknown */

typedef enum slot_state { SLOT_FREE = 0, SLOT_FILLING, SLOT_READY, SLOT_SENDING } slot_state;

typedef struct slot {
    slot_state state;
    unsigned char *data;
    size_t n, cap;
    unsigned number;
    int64_t offset;
} slot;

typedef struct parts_writer {
    finops_writer base;
    fo_stage stage;
    fo_put_copy put;
    finops_transfer transfer;
    bool in_parts;         /* the stage can */
    finops_upload *upload; /* NULL: not in parts, as far as is known */
    finops_call call;      /* of the parts: the caller's, and `stop` */
    int64_t written;       /* bytes taken from the caller */
    unsigned parts;        /* begun */
    bool committed;

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t change;
    slot slots[FO_PARALLEL_MAX + 1];
    size_t n_slots;
    slot *filling;
    pthread_t threads[FO_PARALLEL_MAX];
    size_t n_threads;
    int64_t sent;
    bool ending; /* no more parts come */
    finops_code rc;
    finops_error *why; /* of the first that failed */
    atomic_bool stop;  /* what is under way is not wanted any more */
} parts_writer;

static finops_code parts_write(finops_writer *writer, const void *data, size_t n, finops_error **err);

finops_transfer
fo_transfer_whole(const finops_transfer *from)
{
    finops_transfer t = from ? *from : (finops_transfer){ 0 };

    if (!t.part_size)
        t.part_size = FO_PART_SIZE;
    if (!t.single_max)
        t.single_max = FO_SINGLE_MAX;
    if (!t.parallel)
        t.parallel = FO_PARALLEL;
    if (t.parallel > FO_PARALLEL_MAX)
        t.parallel = FO_PARALLEL_MAX;
    return t;
}

static uint64_t
whole_mib(uint64_t bytes)
{
    return (bytes + MIB - 1) / MIB * MIB;
}

uint64_t
fo_part_size(const finops_transfer *transfer, const finops_upload *upload, int64_t size, unsigned number)
{
    uint64_t bytes = transfer->part_size, unit = upload->part_unit ? upload->part_unit : 1;

    assert(number > 0);
    if (bytes < upload->min_part)
        bytes = upload->min_part;
    if (size >= 0) {
        double least = (double)size / ((double)upload->max_parts * FO_PARTS_TARGET);
        if ((double)bytes < least)
            bytes = whole_mib((uint64_t)least + 1);
    } else
        for (unsigned step = (number - 1) / GROWTH_STEP; step > 0 && bytes < upload->max_part; step--)
            bytes *= 2;
    bytes = (bytes + unit - 1) / unit * unit;
    return bytes > upload->max_part ? upload->max_part / unit * unit : bytes;
}

/* ---- the threads ---- */

static bool
is_stopped(void *arg)
{
    parts_writer *w = arg;
    const finops_call *user = w->put.put.call;

    return atomic_load(&w->stop) || (user && user->cancelled && user->cancelled(user->arg));
}

/* With the lock held. */
static void
failed(parts_writer *w, finops_code rc, finops_error *why)
{
    if (w->rc == FINOPS_OK) {
        w->rc = rc;
        w->why = why;
    } else
        finops_error_free(why);
    atomic_store(&w->stop, true);
}

/* With the lock held. */
static void
tell_progress(parts_writer *w)
{
    const finops_call *user = w->put.put.call;
    int64_t size = w->put.put.size;

    if (user && user->progress)
        user->progress(size > 0 ? (double)w->sent / (double)size : -1, w->sent, user->arg);
}

/* The part that came first: services that take them in order get them so. */
static slot *
next_ready(parts_writer *w)
{
    slot *first = NULL;

    for (size_t i = 0; i < w->n_slots; i++)
        if (w->slots[i].state == SLOT_READY && (!first || w->slots[i].number < first->number))
            first = &w->slots[i];
    return first;
}

static void *
send_parts(void *arg)
{
    parts_writer *w = arg;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        slot *s = next_ready(w);
        if (!s || w->rc != FINOPS_OK) {
            if (w->ending || w->rc != FINOPS_OK)
                break;
            pthread_cond_wait(&w->change, &w->lock);
            continue;
        }
        finops_error *why = NULL;
        s->state = SLOT_SENDING;
        pthread_mutex_unlock(&w->lock);
        finops_code rc = w->upload->part(w->upload, s->number, s->offset, s->data, s->n, &w->call, &why);
        pthread_mutex_lock(&w->lock);
        s->state = SLOT_FREE;
        if (rc != FINOPS_OK)
            failed(w, rc, why);
        else {
            w->sent += (int64_t)s->n;
            tell_progress(w);
        }
        pthread_cond_broadcast(&w->change);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void
end_threads(parts_writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_broadcast(&w->change);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->n_threads; i++)
        (void)pthread_join(w->threads[i], NULL);
    w->n_threads = 0;
}

/* One more thread while there is work for it; without any the part cannot be sent. */
static finops_code
more_threads(parts_writer *w, finops_error **err)
{
    bool in_order = (fo_stage_features(&w->stage) & FINOPS_STORAGE_PARTS_IN_ORDER) != 0;
    size_t most = in_order ? 1 : w->transfer.parallel;
    int errnum = 0;

    if (w->n_threads < most)
        errnum = pthread_create(&w->threads[w->n_threads], NULL, send_parts, w);
    if (w->n_threads < most && errnum == 0)
        w->n_threads++;
    return w->n_threads > 0 ? FINOPS_OK : fo_error_errno(err, errnum, "start a thread");
}

/* ---- filling ---- */

static finops_code
what_failed(parts_writer *w, finops_error **err)
{
    finops_code rc = w->rc;

    if (err && w->why)
        *err = FO_TAKE(w->why);
    else if (err)
        (void)fo_error_set(err, rc, "the upload failed before");
    return rc;
}

static slot *
a_free_slot(parts_writer *w)
{
    for (size_t i = 0; i < w->n_slots; i++)
        if (w->slots[i].state == SLOT_FREE)
            return &w->slots[i];
    return NULL;
}

/* What is in it stays. */
static finops_code
slot_grow(slot *s, uint64_t bytes, finops_error **err)
{
    unsigned char *data;

    if (s->cap >= bytes)
        return FINOPS_OK;
    data = fo_alloc((size_t)bytes);
    if (!data)
        return fo_error_oom(err);
    if (s->n > 0)
        memcpy(data, s->data, s->n);
    fo_free(s->data);
    s->data = data;
    s->cap = (size_t)bytes;
    return FINOPS_OK;
}

/* What may still be one request is collected up to here. */
static uint64_t
first_room(const parts_writer *w)
{
    int64_t size = w->put.put.size;

    if (size >= 0 && (uint64_t)size <= w->transfer.single_max)
        return size > 0 ? (uint64_t)size : 1;
    return w->in_parts ? w->transfer.part_size : w->transfer.single_max;
}

/* The room of the part `number`: a buffer may have been larger for one before. */
static uint64_t
room_of(const parts_writer *w, unsigned number)
{
    return w->upload ? fo_part_size(&w->transfer, w->upload, w->put.put.size, number) : first_room(w);
}

/* Waits for a buffer and begins the next part in it. */
static finops_code
begin_part(parts_writer *w, finops_error **err)
{
    slot *s = NULL;
    finops_code rc;

    pthread_mutex_lock(&w->lock);
    while (w->rc == FINOPS_OK && !(s = a_free_slot(w)))
        pthread_cond_wait(&w->change, &w->lock);
    rc = w->rc == FINOPS_OK ? FINOPS_OK : what_failed(w, err);
    if (rc == FINOPS_OK)
        s->state = SLOT_FILLING;
    pthread_mutex_unlock(&w->lock);
    if (rc != FINOPS_OK)
        return rc;
    w->filling = s;
    s->n = 0;
    s->number = ++w->parts;
    s->offset = w->written;
    return slot_grow(s, room_of(w, s->number), err);
}

static finops_code
hand_over(parts_writer *w, finops_error **err)
{
    slot *s = FO_TAKE(w->filling);
    finops_code rc = more_threads(w, err);

    if (rc != FINOPS_OK)
        return rc;
    pthread_mutex_lock(&w->lock);
    s->state = SLOT_READY;
    pthread_cond_broadcast(&w->change);
    pthread_mutex_unlock(&w->lock);
    return FINOPS_OK;
}

/* The first buffer is full and more comes: from here on in parts. */
static finops_code
begin_upload(parts_writer *w, finops_error **err)
{
    finops_code rc;

    if (!w->in_parts)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "%s: %s takes no object in parts, and this one is larger than %" PRIu64 " bytes",
                            w->put.put.key, w->stage.driver->name, w->transfer.single_max);
    rc = fo_stage_upload(&w->stage, &w->put.put, &w->upload, err);
    return rc == FINOPS_OK ? slot_grow(w->filling, room_of(w, 1), err) : rc;
}

/* Room for at least one byte more. */
static finops_code
make_room(parts_writer *w, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (w->filling && w->filling->n < room_of(w, w->filling->number))
        return FINOPS_OK;
    if (w->filling && !w->upload) {
        rc = begin_upload(w, err);
        if (rc != FINOPS_OK || w->filling->n < room_of(w, 1))
            return rc;
    }
    if (w->filling)
        rc = hand_over(w, err);
    return rc == FINOPS_OK ? begin_part(w, err) : rc;
}

static finops_code
too_many(const parts_writer *w, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_DATA, "%s: more bytes came than the %" PRId64 " that were promised",
                        w->put.put.key, w->put.put.size);
}

static bool
fits_promise(const parts_writer *w, size_t n)
{
    int64_t size = w->put.put.size;

    return size < 0 || n <= (uint64_t)(size - w->written);
}

bool
fo_writer_space(finops_writer *writer, void **ret, size_t *ret_n, finops_code *ret_rc, finops_error **err)
{
    parts_writer *w = (parts_writer *)writer;

    if (writer->write != parts_write)
        return false;
    *ret_rc = make_room(w, err);
    if (*ret_rc != FINOPS_OK)
        return true;
    *ret = w->filling->data + w->filling->n;
    *ret_n = (size_t)room_of(w, w->filling->number) - w->filling->n;
    return true;
}

void
fo_writer_advance(finops_writer *writer, size_t n)
{
    parts_writer *w = (parts_writer *)writer;

    assert(writer->write == parts_write && w->filling);
    w->filling->n += n;
    w->written += (int64_t)n;
}

static finops_code
parts_write(finops_writer *writer, const void *data, size_t n, finops_error **err)
{
    parts_writer *w = (parts_writer *)writer;
    const unsigned char *from = data;

    assert(!w->committed);
    if (!fits_promise(w, n))
        return too_many(w, err);
    while (n > 0) {
        void *to = NULL;
        size_t room = 0;
        finops_code rc = FINOPS_OK;
        (void)fo_writer_space(writer, &to, &room, &rc, err);
        if (rc != FINOPS_OK)
            return rc;
        size_t part = n < room ? n : room;
        memcpy(to, from, part);
        fo_writer_advance(writer, part);
        from += part;
        n -= part;
    }
    return FINOPS_OK;
}

/* ---- the end ---- */

static finops_code
commit_single(parts_writer *w, finops_object *ret, finops_error **err)
{
    const slot *s = w->filling;
    finops_put put = w->put.put;

    put.size = w->written;
    finops_code rc = w->stage.driver->put(w->stage.self, &put, s ? s->data : NULL, s ? s->n : 0, ret, err);
    if (rc == FINOPS_OK && put.call && put.call->progress)
        put.call->progress(1, w->written, put.call->arg);
    return rc;
}

static finops_code
commit_parts(parts_writer *w, finops_object *ret, finops_error **err)
{
    finops_code rc = w->filling ? hand_over(w, err) : FINOPS_OK;

    end_threads(w);
    if (w->rc != FINOPS_OK) {
        if (err)
            finops_error_freep(err);
        return what_failed(w, err);
    }
    return rc == FINOPS_OK ? w->upload->commit(w->upload, w->parts, w->written, &w->call, ret, err) : rc;
}

static finops_code
parts_commit(finops_writer *writer, finops_object *ret, finops_error **err)
{
    parts_writer *w = (parts_writer *)writer;
    finops_code rc;

    assert(!w->committed);
    if (w->put.put.size >= 0 && w->written != w->put.put.size)
        return fo_error_set(err, FINOPS_E_DATA, "%s: %" PRId64 " bytes came of the %" PRId64 " promised",
                            w->put.put.key, w->written, w->put.put.size);
    rc = w->upload ? commit_parts(w, ret, err) : commit_single(w, ret, err);
    w->committed = rc == FINOPS_OK;
    return rc;
}

static void
parts_close(finops_writer *writer)
{
    parts_writer *w = (parts_writer *)writer;

    if (!w)
        return;
    atomic_store(&w->stop, true);
    pthread_mutex_lock(&w->lock);
    if (w->rc == FINOPS_OK && !w->committed)
        w->rc = FINOPS_E_CANCELLED; /* the threads leave what is ready */
    pthread_mutex_unlock(&w->lock);
    end_threads(w);
    if (w->upload)
        w->upload->close(w->upload);
    for (size_t i = 0; i < w->n_slots; i++)
        fo_free(w->slots[i].data);
    finops_error_free(w->why);
    fo_put_copy_done(&w->put);
    pthread_cond_destroy(&w->change);
    pthread_mutex_destroy(&w->lock);
    fo_free(w);
}

static finops_code
parts_open(const fo_stage *s, const finops_put *put, const finops_transfer *transfer, finops_writer **ret,
           finops_error **err)
{
    parts_writer *w = fo_zalloc(sizeof(*w));

    if (!w)
        return fo_error_oom(err);
    w->base = (finops_writer){ .write = parts_write, .commit = parts_commit, .close = parts_close };
    w->stage = *s;
    w->transfer = fo_transfer_whole(transfer);
    w->in_parts = (fo_stage_features(s) & FINOPS_STORAGE_PARTS) != 0;
    w->n_slots = w->transfer.parallel + 1;
    w->call = (finops_call){ .cancelled = is_stopped, .arg = w };
    w->call.deadline_us = put->call ? put->call->deadline_us : 0;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->change, NULL);
    finops_code rc = fo_put_copy_make(put, &w->put, err);
    if (rc == FINOPS_OK)
        *ret = &w->base;
    else
        parts_close(&w->base);
    return rc;
}

finops_code
fo_stage_write(const fo_stage *s, const finops_put *put, const finops_transfer *transfer, finops_writer **ret,
               finops_error **err)
{
    assert(put && ret);
    return s->driver->write ? s->driver->write(s->self, put, ret, err)
                            : parts_open(s, put, transfer, ret, err);
}
