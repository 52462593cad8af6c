/* The reader's side of the socket. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "database/duckdb/serve.h"
#include "database/duckdb/socket.h"
#include "engine/ipc.h"

#define WAIT_MS 50

/* Rows from the process that writes, which may end before they are all taken. */
typedef struct remote_rows {
    struct ArrowArrayStream inner;
    char *path;       /* of the database */
    finops_call call; /* all zero: none */
    const fo_cancel *stop;
    bool left; /* it has ended */
} remote_rows;

static int
remote_stopped(const remote_rows *r)
{
    if (fo_cancelled(r->stop) || (r->call.cancelled && r->call.cancelled(r->call.arg)))
        return ECANCELED;
    return r->call.deadline_us && fo_clock_monotonic() >= r->call.deadline_us ? ETIMEDOUT : 0;
}

/* Until there is something to read; the errno of what ends the wait. */
static int
remote_wait(void *arg, int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int n, errnum;

    do {
        errnum = remote_stopped(arg);
        n = errnum ? 0 : poll(&p, 1, WAIT_MS);
        if (n < 0 && errno != EINTR)
            errnum = errno;
    } while (!errnum && n <= 0);
    return errnum;
}

static int
remote_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    remote_rows *r = self->private_data;

    return r->inner.get_schema(&r->inner, out);
}

/* Rows that stop while the process goes on are those of a query that failed there. */
static int
remote_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    remote_rows *r = self->private_data;
    int errnum = r->inner.get_next(&r->inner, out);

    r->left = r->left || ((errnum == EBADMSG || errnum == ECONNRESET) && !fo_remote_reachable(r->path));
    return errnum && r->left ? EAGAIN : errnum; /* worth another try */
}

static const char *
remote_last_error(struct ArrowArrayStream *self)
{
    remote_rows *r = self->private_data;

    return r->left ? "the import that answered the query ended before all rows were read; run the query again"
                   : r->inner.get_last_error(&r->inner);
}

static void
remote_free(remote_rows *r)
{
    if (!r)
        return;
    if (r->inner.release)
        r->inner.release(&r->inner);
    fo_free(r->path);
    fo_free(r);
}

static void
remote_freep(remote_rows **r)
{
    remote_free(*r);
}

static void
remote_release(struct ArrowArrayStream *self)
{
    remote_free(self->private_data);
    memset(self, 0, sizeof(*self));
}

static finops_code
remote_ended(int errnum, finops_error **err)
{
    if (errnum == ECANCELED)
        return fo_error_set(err, FINOPS_E_CANCELLED, "stopped");
    if (errnum == ETIMEDOUT)
        return fo_error_set(err, FINOPS_E_TIMEOUT, "the deadline passed");
    return fo_error_errno(err, errnum, "wait for the process that writes the database");
}

/* Sends the request and takes the first byte of the answer. */
static finops_code
remote_ask(remote_rows *r, int fd, const fo_remote_query *query, finops_error **err)
{
    int errnum;

    if (!fo_socket_send_request(fd, query->sql, query->params, query->n_params))
        return fo_error_set(err, FINOPS_E_TRANSIENT, "the process that writes the database took no request");
    errnum = remote_wait(r, fd);
    return errnum ? remote_ended(errnum, err) : fo_socket_receive_answer(fd, err);
}

finops_code
fo_remote_run(const char *database_path, const fo_remote_query *query, struct ArrowArrayStream *ret,
              finops_error **err)
{
    FO_AUTO(remote_freep) remote_rows *r = fo_zalloc(sizeof(*r));
    FO_AUTO(fo_fd_closep) int fd = -1;
    finops_code rc;

    if (r)
        r->path = fo_strdup(database_path);
    if (!r || !r->path)
        return fo_error_oom(err);
    if (query->call)
        r->call = *query->call;
    r->stop = query->stop;
    rc = fo_socket_connect(database_path, &fd, err);
    if (rc == FINOPS_OK)
        rc = remote_ask(r, fd, query, err);
    if (rc == FINOPS_OK && fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        rc = fo_error_errno(err, errno, "set up the socket");
    if (rc == FINOPS_OK) {
        rc = fo_ipc_read_waiting(fd, remote_wait, r, &r->inner, err);
        fd = -1; /* taken */
    }
    if (rc == FINOPS_OK)
        *ret = (struct ArrowArrayStream){ remote_schema, remote_next, remote_last_error, remote_release,
                                          FO_TAKE(r) };
    return rc;
}

finops_code
fo_remote_stream(const char *database_path, const char *sql, struct ArrowArrayStream *ret, finops_error **err)
{
    fo_remote_query query = { .sql = sql };

    return fo_remote_run(database_path, &query, ret, err);
}

bool
fo_remote_reachable(const char *database_path)
{
    int fd;

    if (fo_socket_connect(database_path, &fd, NULL) != FINOPS_OK)
        return false;
    close(fd);
    return true;
}
