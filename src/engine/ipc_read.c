/* Reading Arrow IPC streams. */
#include <assert.h>
#include <errno.h>
#include <nanoarrow/nanoarrow_ipc.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/engine.h"
#include "engine/ipc.h"

typedef struct reader {
    struct ArrowArrayStream inner; /* nanoarrow's, over `fd` */
    int fd;
    fo_ipc_wait wait; /* NULL: for as long as it takes */
    void *arg;
    bool ended;
    int errnum;       /* of the failed read */
    const char *what; /* says what failed, when it is not nanoarrow that does */
} reader;

static int
wait_readable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    struct timeval limit = { 0 };
    socklen_t size = sizeof(limit);

    if (getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &size) == 0 && (limit.tv_sec || limit.tv_usec))
        return ETIMEDOUT;
    return poll(&p, 1, -1) < 0 && errno != EINTR ? errno : 0;
}

/*
 * Fills the buffer, as nanoarrow expects. It takes the end of the bytes for the end of the rows; the end mark
 * alone is.
 */
static ArrowErrorCode
input_read(struct ArrowIpcInputStream *self, uint8_t *buf, int64_t n, int64_t *ret_n, struct ArrowError *why)
{
    reader *r = self->private_data;
    int64_t got = 0;

    (void)why;
    *ret_n = 0;
    while (got < n && !r->errnum) {
        ssize_t done = read(r->fd, buf + got, (size_t)(n - got));

        if (done > 0) {
            got += done;
        } else if (done == 0) {
            r->errnum = EBADMSG;
            r->what = "read rows: they end in the middle";
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            r->errnum = r->wait ? r->wait(r->arg, r->fd) : wait_readable(r->fd);
            r->what = r->errnum == ECANCELED ? "stopped" : "read rows: none came in time";
        } else if (errno != EINTR) {
            r->errnum = errno;
            r->what = "read rows: the connection failed";
        }
    }
    *ret_n = got;
    return r->errnum;
}

static void
input_release(struct ArrowIpcInputStream *self)
{
    self->release = NULL;
}

static int
reader_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    reader *r = self->private_data;
    int errnum;

    memset(out, 0, sizeof(*out));
    errnum = r->inner.get_schema(&r->inner, out);
    return r->errnum ? r->errnum : errnum;
}

static int
reader_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    reader *r = self->private_data;
    int errnum;

    memset(out, 0, sizeof(*out));
    if (r->ended)
        return 0;
    errnum = r->errnum ? r->errnum : r->inner.get_next(&r->inner, out);
    r->ended = errnum == 0 && !out->release;
    return r->errnum ? r->errnum : errnum;
}

static const char *
reader_last_error(struct ArrowArrayStream *self)
{
    reader *r = self->private_data;

    return r->errnum ? r->what : r->inner.get_last_error(&r->inner);
}

static void
reader_release(struct ArrowArrayStream *self)
{
    reader *r = self->private_data;

    r->inner.release(&r->inner);
    (void)close(r->fd);
    fo_free(r);
    memset(self, 0, sizeof(*self));
}

finops_code
fo_ipc_read_waiting(int fd, fo_ipc_wait wait, void *arg, struct ArrowArrayStream *ret, finops_error **err)
{
    reader *r = fo_zalloc(sizeof(*r));
    struct ArrowIpcInputStream input = { .read = input_read, .release = input_release, .private_data = r };
    /* Buffers of their own: a batch may outlive the next one, and be released on another thread. */
    struct ArrowIpcArrayStreamReaderOptions options = { .field_index = -1, .use_shared_buffers = 0 };

    assert(fd >= 0 && ret);
    if (!r || ArrowIpcArrayStreamReaderInit(&r->inner, &input, &options) != NANOARROW_OK) {
        fo_free(r);
        (void)close(fd);
        return fo_error_oom(err);
    }
    r->fd = fd;
    r->wait = wait;
    r->arg = arg;
    *ret = (struct ArrowArrayStream){ reader_schema, reader_next, reader_last_error, reader_release, r };
    return FINOPS_OK;
}

finops_code
fo_ipc_read(int fd, struct ArrowArrayStream *ret, finops_error **err)
{
    return fo_ipc_read_waiting(fd, NULL, NULL, ret, err);
}
