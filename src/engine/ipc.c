/* Writing Arrow IPC streams. */
#include "engine/ipc.h"

#include <assert.h>
#include <errno.h>
#include <nanoarrow/nanoarrow_ipc.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/engine.h"

typedef struct writer {
    struct ArrowArrayStream *stream;
    struct ArrowSchema schema;    /* of the stream */
    struct ArrowSchema plain;     /* the same without dictionaries */
    struct ArrowArrayView view;   /* of `plain` */
    struct ArrowArrayView source; /* of `schema`; only its dictionaries are used */
    struct ArrowArray batch;
    struct ArrowArray *texts; /* one a column: what a dictionary was made into */
    struct ArrowIpcWriter ipc;
    bool has_ipc;
    int fd;
    int errnum; /* of the failed write */
} writer;

static void
writer_done(writer *w)
{
    for (int64_t i = 0; w->texts && i < w->schema.n_children; i++)
        if (w->texts[i].release)
            w->texts[i].release(&w->texts[i]);
    fo_free(w->texts);
    if (w->has_ipc)
        ArrowIpcWriterReset(&w->ipc);
    ArrowArrayViewReset(&w->view);
    ArrowArrayViewReset(&w->source);
    if (w->batch.release)
        w->batch.release(&w->batch);
    if (w->plain.release)
        w->plain.release(&w->plain);
    if (w->schema.release)
        w->schema.release(&w->schema);
    if (w->stream->release)
        w->stream->release(w->stream);
}

/*
 * Waits until fd takes more when it does not block; a blocking one that says so has passed its own deadline.
 */
static int
wait_writable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    bool deadline = false;
    struct timeval limit = { 0 };
    socklen_t size = sizeof(limit);

    if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &size) == 0)
        deadline = limit.tv_sec || limit.tv_usec;
    if (deadline)
        return ETIMEDOUT;
    return poll(&p, 1, -1) < 0 && errno != EINTR ? errno : 0;
}

static ArrowErrorCode
output_write(struct ArrowIpcOutputStream *self, const void *buf, int64_t n, int64_t *ret_n,
             struct ArrowError *why)
{
    writer *w = self->private_data;
    const char *p = buf;
    int64_t left = n;

    (void)why;
    while (left > 0 && !w->errnum) {
        ssize_t done = send(w->fd, p, (size_t)left, MSG_NOSIGNAL);

        if (done < 0 && errno == ENOTSOCK)
            done = write(w->fd, p, (size_t)left);
        if (done >= 0) {
            p += done;
            left -= done;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            w->errnum = wait_writable(w->fd);
        } else if (errno != EINTR) {
            w->errnum = errno;
        }
    }
    *ret_n = n - left;
    return w->errnum;
}

static void
output_release(struct ArrowIpcOutputStream *self)
{
    self->release = NULL;
}

/* What nanoarrow refused: our write, memory, or a type it does not know. */
static finops_code
write_failed(const writer *w, int errnum, const struct ArrowError *why, finops_error **err)
{
    if (w->errnum == ETIMEDOUT)
        return fo_error_set(err, FINOPS_E_TIMEOUT, "write rows: the reader takes none");
    if (w->errnum)
        return fo_error_errno(err, w->errnum, "write rows");
    if (errnum == ENOMEM)
        return fo_error_oom(err);
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "write rows: %s", why->message);
}

static bool
has_dictionary(const struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++)
        if (schema->children[i]->dictionary || has_dictionary(schema->children[i]))
            return true;
    return false;
}

static bool
is_text_dictionary(const struct ArrowSchema *column)
{
    return column->dictionary &&
           (strcmp(column->dictionary->format, "u") == 0 || strcmp(column->dictionary->format, "U") == 0);
}

/* Makes a dictionary's column, which nanoarrow cannot write, one of text. */
static finops_code
plain_column(struct ArrowSchema *column, finops_error **err)
{
    if (has_dictionary(column) || (column->dictionary && !is_text_dictionary(column))) {
        (void)fo_error_set(err, FINOPS_E_UNSUPPORTED,
                           "column %s has a dictionary inside, which cannot be sent",
                           column->name ? column->name : "");
        fo_error_hint(err, "cast the column to VARCHAR");
        return FINOPS_E_UNSUPPORTED;
    }
    if (!column->dictionary)
        return FINOPS_OK;
    column->dictionary->release(column->dictionary);
    ArrowFree(column->dictionary);
    column->dictionary = NULL;
    return ArrowSchemaSetFormat(column, "u") == NANOARROW_OK ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
write_schema(writer *w, finops_error **err)
{
    struct ArrowError why = { 0 };
    int errnum = w->stream->get_schema(w->stream, &w->schema);
    finops_code rc = FINOPS_OK;

    if (errnum)
        return fo_stream_error(w->stream, errnum, err);
    w->texts = fo_array((size_t)w->schema.n_children + 1, sizeof(*w->texts));
    if (!w->texts || ArrowSchemaDeepCopy(&w->schema, &w->plain) != NANOARROW_OK)
        return fo_error_oom(err);
    for (int64_t i = 0; rc == FINOPS_OK && i < w->plain.n_children; i++)
        rc = plain_column(w->plain.children[i], err);
    if (rc != FINOPS_OK)
        return rc;
    errnum = ArrowArrayViewInitFromSchema(&w->view, &w->plain, &why);
    if (!errnum)
        errnum = ArrowArrayViewInitFromSchema(&w->source, &w->schema, &why);
    if (!errnum)
        errnum = ArrowIpcWriterWriteSchema(&w->ipc, &w->plain, &why);
    return errnum ? write_failed(w, errnum, &why, err) : FINOPS_OK;
}

/* The texts of a dictionary's column; 0 or ENOMEM. */
static int
make_texts(const struct ArrowArrayView *column, struct ArrowArray *ret)
{
    int errnum = ArrowArrayInitFromType(ret, NANOARROW_TYPE_STRING);

    if (!errnum)
        errnum = ArrowArrayStartAppending(ret);
    for (int64_t i = 0; !errnum && i < column->length; i++) {
        if (ArrowArrayViewIsNull(column, i))
            errnum = ArrowArrayAppendNull(ret, 1);
        else
            errnum = ArrowArrayAppendString(
                ret,
                ArrowArrayViewGetStringUnsafe(column->dictionary, ArrowArrayViewGetIntUnsafe(column, i)));
    }
    return errnum ? errnum : ArrowArrayFinishBuildingDefault(ret, NULL);
}

/* The format has a place for the number of NULLs and none for "not counted". */
static void
count_nulls(struct ArrowArrayView *view)
{
    if (view->null_count < 0)
        view->null_count = ArrowArrayViewComputeNullCount(view);
    for (int64_t i = 0; i < view->n_children; i++)
        count_nulls(view->children[i]);
}

static int
set_column(writer *w, int64_t i, struct ArrowError *why)
{
    struct ArrowArray *column = w->batch.children[i];
    int errnum;

    if (!column->dictionary)
        return ArrowArrayViewSetArray(w->view.children[i], column, why);
    errnum = ArrowArrayViewSetArray(w->source.children[i], column, why);
    if (w->texts[i].release)
        w->texts[i].release(&w->texts[i]);
    if (!errnum)
        errnum = make_texts(w->source.children[i], &w->texts[i]);
    return errnum ? errnum : ArrowArrayViewSetArray(w->view.children[i], &w->texts[i], why);
}

static finops_code
write_batch(writer *w, finops_error **err)
{
    struct ArrowError why = { 0 };
    int errnum = 0;

    w->view.length = w->batch.length;
    w->view.offset = w->batch.offset;
    w->view.null_count = 0;
    for (int64_t i = 0; !errnum && i < w->schema.n_children; i++)
        errnum = set_column(w, i, &why);
    if (!errnum) {
        count_nulls(&w->view);
        errnum = ArrowIpcWriterWriteArrayView(&w->ipc, &w->view, &why);
    }
    w->batch.release(&w->batch);
    return errnum ? write_failed(w, errnum, &why, err) : FINOPS_OK;
}

static finops_code
write_rows(writer *w, finops_error **err)
{
    struct ArrowError why = { 0 };
    finops_code rc = FINOPS_OK;
    int errnum;

    while (rc == FINOPS_OK) {
        errnum = w->stream->get_next(w->stream, &w->batch);
        if (errnum)
            return fo_stream_error(w->stream, errnum, err);
        if (!w->batch.release)
            break;
        rc = write_batch(w, err);
    }
    if (rc != FINOPS_OK)
        return rc;
    errnum = ArrowIpcWriterWriteArrayView(&w->ipc, NULL, &why);
    return errnum ? write_failed(w, errnum, &why, err) : FINOPS_OK;
}

finops_code
fo_ipc_write(int fd, struct ArrowArrayStream *stream, finops_error **err)
{
    FO_AUTO(writer_done) writer w = { .stream = stream, .fd = fd };
    struct ArrowIpcOutputStream output = { .write = output_write,
                                           .release = output_release,
                                           .private_data = &w };
    finops_code rc;

    assert(fd >= 0 && stream && stream->release);
    if (ArrowIpcWriterInit(&w.ipc, &output) != NANOARROW_OK)
        return fo_error_oom(err);
    w.has_ipc = true;
    rc = write_schema(&w, err);
    return rc == FINOPS_OK ? write_rows(&w, err) : rc;
}
