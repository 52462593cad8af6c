/*
 * Blocks of all files of a job, for workers that come and ask. A file is read and cut by one worker at a
 * time, under its lock; what a worker has taken is its own.
 */
#include <assert.h>

#include "base/mem.h"
#include "engine/csv_internal.h"

typedef enum queue_stage { QUEUE_NEW, QUEUE_OPEN, QUEUE_DONE } queue_stage;

typedef struct queue_file {
    pthread_mutex_t lock; /* of file and source */
    fo_file *file;
    fo_csv_source *source;
    queue_stage stage; /* this and users belong to the queue's lock */
    size_t users;
} queue_file;

struct fo_csv_queue {
    fo_csv_job *job;
    fo_csv_limits limits;
    pthread_mutex_t lock; /* never held while a file's lock is asked for */
    size_t n;
    queue_file files[];
};

finops_code
fo_csv_queue_new(fo_csv_job *job, fo_csv_limits limits, fo_csv_queue **ret, finops_error **err)
{
    fo_csv_queue *queue;

    if (job->n_inputs > (SIZE_MAX - sizeof(*queue)) / sizeof(queue->files[0]))
        return fo_error_oom(err);
    queue = fo_zalloc(sizeof(*queue) + job->n_inputs * sizeof(queue->files[0]));
    if (!queue)
        return fo_error_oom(err);
    queue->job = job;
    queue->limits = limits;
    queue->n = job->n_inputs;
    pthread_mutex_init(&queue->lock, NULL);
    for (size_t i = 0; i < queue->n; i++)
        pthread_mutex_init(&queue->files[i].lock, NULL);
    *ret = queue;
    return FINOPS_OK;
}

static void
queue_file_close(queue_file *file)
{
    fo_csv_source_freep(&file->source);
    fo_file_closep(&file->file);
}

void
fo_csv_queue_free(fo_csv_queue *queue)
{
    if (!queue)
        return;
    for (size_t i = 0; i < queue->n; i++) {
        queue_file_close(&queue->files[i]);
        pthread_mutex_destroy(&queue->files[i].lock);
    }
    pthread_mutex_destroy(&queue->lock);
    fo_free(queue);
}

/* A file for a worker: the first that nobody has, else the one with fewest workers; SIZE_MAX: none is left.
 */
static size_t
queue_pick(fo_csv_queue *queue)
{
    size_t best = SIZE_MAX;

    pthread_mutex_lock(&queue->lock);
    for (size_t i = 0; i < queue->n; i++) {
        const queue_file *file = &queue->files[i];

        if (file->stage == QUEUE_DONE)
            continue;
        if (best == SIZE_MAX || file->users < queue->files[best].users)
            best = i;
    }
    if (best != SIZE_MAX) {
        queue->files[best].stage = QUEUE_OPEN;
        queue->files[best].users++;
    }
    pthread_mutex_unlock(&queue->lock);
    return best;
}

static void
queue_leave(fo_csv_queue *queue, size_t i)
{
    pthread_mutex_lock(&queue->lock);
    queue->files[i].stage = QUEUE_DONE;
    queue->files[i].users--;
    pthread_mutex_unlock(&queue->lock);
}

static finops_code
queue_read(void *arg, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    return fo_file_next(arg, buf, n, ret_n, err);
}

static finops_code
queue_open(fo_csv_queue *queue, size_t i, finops_error **err)
{
    const fo_csv_file *input = &queue->job->inputs[i];
    queue_file *file = &queue->files[i];
    finops_code rc = fo_file_open(queue->job->files, input->address, &file->file, err);
    fo_csv_input text = { .read = queue_read,
                          .arg = file->file,
                          .label = input->label,
                          .address = input->address,
                          .read_bytes = &queue->job->bytes_read };

    if (rc != FINOPS_OK)
        return rc;
    return fo_csv_source_new(&text, queue->limits, &file->source, err);
}

/* The next block of file i, read under its lock; none once it has ended, when whoever comes first closes it.
 */
static finops_code
queue_block(fo_csv_queue *queue, size_t i, fo_csv_block *block, finops_error **err)
{
    queue_file *file = &queue->files[i];
    bool ended;
    finops_code rc = FINOPS_OK;

    pthread_mutex_lock(&queue->lock);
    ended = file->stage == QUEUE_DONE;
    pthread_mutex_unlock(&queue->lock);
    block->n = 0;
    if (ended)
        return FINOPS_OK;
    if (!file->source)
        rc = queue_open(queue, i, err);
    if (rc == FINOPS_OK)
        rc = fo_csv_source_next(file->source, block, err);
    if (rc == FINOPS_OK && block->n == 0)
        queue_file_close(file);
    return rc;
}

finops_code
fo_csv_queue_next(fo_csv_queue *queue, size_t *io_file, fo_csv_block *block, finops_error **err)
{
    for (;;) {
        finops_code rc;

        if (fo_cancelled(queue->job->cancel))
            return fo_error_set(err, FINOPS_E_CANCELLED, "reading was stopped");
        if (*io_file == SIZE_MAX)
            *io_file = queue_pick(queue);
        if (*io_file == SIZE_MAX) {
            block->n = 0;
            return FINOPS_OK;
        }
        pthread_mutex_lock(&queue->files[*io_file].lock);
        rc = queue_block(queue, *io_file, block, err);
        if (rc != FINOPS_OK || block->n == 0)
            queue_leave(queue, *io_file); /* before another worker of this file gets its lock */
        pthread_mutex_unlock(&queue->files[*io_file].lock);
        if (rc != FINOPS_OK || block->n > 0)
            return rc;
        *io_file = SIZE_MAX;
    }
}
