/* The reader's side of the socket. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "database/duckdb/serve.h"
#include "database/duckdb/socket.h"
#include "engine/ipc.h"

/* Rows from the process that writes, which may end before they are all taken. */
typedef struct remote_rows {
    struct ArrowArrayStream inner;
    char *path; /* of the database */
    bool left;  /* it has ended */
} remote_rows;

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
remote_release(struct ArrowArrayStream *self)
{
    remote_rows *r = self->private_data;

    r->inner.release(&r->inner);
    fo_free(r->path);
    fo_free(r);
    memset(self, 0, sizeof(*self));
}

static finops_code
remote_read(const char *database_path, int fd, struct ArrowArrayStream *ret, finops_error **err)
{
    remote_rows *r = fo_zalloc(sizeof(*r));
    char *path = fo_strdup(database_path);
    finops_code rc = FINOPS_OK;

    if (r && path) {
        rc = fo_ipc_read(fd, &r->inner, err);
    } else {
        close(fd);
        rc = fo_error_oom(err);
    }
    if (rc != FINOPS_OK) {
        fo_free(path);
        fo_free(r);
        return rc;
    }
    r->path = path;
    *ret = (struct ArrowArrayStream){ remote_schema, remote_next, remote_last_error, remote_release, r };
    return FINOPS_OK;
}

finops_code
fo_remote_stream(const char *database_path, const char *sql, struct ArrowArrayStream *ret, finops_error **err)
{
    int fd;
    finops_code rc = fo_socket_connect(database_path, &fd, err);

    if (rc != FINOPS_OK)
        return rc;
    if (!fo_socket_send_request(fd, sql))
        rc = fo_error_set(err, FINOPS_E_TRANSIENT, "the process that writes the database took no request");
    else
        rc = fo_socket_receive_answer(fd, err);
    if (rc != FINOPS_OK) {
        close(fd);
        return rc;
    }
    return remote_read(database_path, fd, ret, err);
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
