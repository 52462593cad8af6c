/* A local file to an object. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/mem.h"
#include "storage/front.h"
#include "storage/writer.h"

#define BUFFER ((size_t)1 << 20) /* for writers that have no room of their own */

/* Reads until n bytes came or the file ended. */
static finops_code
read_some(int fd, const char *file, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = read(fd, (char *)buffer + done, n - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fo_error_errno(err, errno, "read %s", file);
        if (got == 0)
            break;
        done += (size_t)got;
    }
    *ret_n = done;
    return FINOPS_OK;
}

/* The next bytes of the file into the writer; *ret_n is 0 at its end. */
static finops_code
step(int fd, const char *file, finops_writer *writer, char **buffer, size_t *ret_n, finops_error **err)
{
    void *room = NULL;
    size_t n = 0;
    finops_code rc = FINOPS_OK;

    if (fo_writer_space(writer, &room, &n, &rc, err)) {
        if (rc == FINOPS_OK)
            rc = read_some(fd, file, room, n, ret_n, err);
        if (rc == FINOPS_OK)
            fo_writer_advance(writer, *ret_n);
        return rc;
    }
    if (!*buffer && !(*buffer = fo_alloc(BUFFER)))
        return fo_error_oom(err);
    rc = read_some(fd, file, *buffer, BUFFER, ret_n, err);
    return rc == FINOPS_OK && *ret_n > 0 ? writer->write(writer, *buffer, *ret_n, err) : rc;
}

static finops_code
changed(const char *file, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_DATA, "%s changed while it was read", file);
}

static finops_code
send(int fd, const char *file, int64_t size, finops_writer *writer, finops_error **err)
{
    FO_AUTO(fo_freep) char *buffer = NULL;
    int64_t left = size;
    size_t n = 1;

    while (left > 0) {
        finops_code rc = step(fd, file, writer, &buffer, &n, err);
        if (rc != FINOPS_OK)
            return rc;
        if (n == 0 || (int64_t)n > left)
            return changed(file, err);
        left -= (int64_t)n;
    }
    return FINOPS_OK;
}

static bool
same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static finops_code
open_regular(const char *file, int *ret_fd, struct stat *ret, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fstat(fd, ret) != 0)
        return fo_error_errno(err, errno, "open %s", file);
    if (!S_ISREG(ret->st_mode))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s is no regular file", file);
    *ret_fd = fd;
    fd = -1;
    return FINOPS_OK;
}

finops_code
finops_storage_upload_file(finops_storage *storage, const char *file, const finops_put *put,
                           const finops_transfer *transfer, finops_object *ret, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int fd = -1;
    struct stat before, after;
    finops_writer *writer = NULL;
    finops_code rc;

    if (!storage || !file || !put)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "upload_file: storage, file and put are needed");
    rc = open_regular(file, &fd, &before, err);
    if (rc != FINOPS_OK)
        return rc;
    finops_put sized = *put;
    sized.size = before.st_size;
    rc = finops_storage_write(storage, &sized, transfer, &writer, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = send(fd, file, before.st_size, writer, err);
    if (rc == FINOPS_OK && (fstat(fd, &after) != 0 || !same(&before, &after)))
        rc = changed(file, err);
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, ret, err);
    writer->close(writer);
    return rc;
}
