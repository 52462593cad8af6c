/*
 * A gzip file written through ISA-L: one member, no time stamp, so that the same text gives the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "sample/writers.h"

#define OUT_SIZE ((size_t)256 << 10)

struct fo_gzip {
    struct isal_zstream stream;
    uint8_t level[ISAL_DEF_LVL1_DEFAULT];
    uint8_t out[OUT_SIZE];
    char *path;
    char *part;
    int fd;
};

finops_code
fo_gzip_open(const char *path, fo_gzip **ret, finops_error **err)
{
    FO_AUTO(fo_gzip_freep) fo_gzip *z = fo_zalloc(sizeof(fo_gzip));
    finops_code rc;

    if (!z)
        return fo_error_oom(err);
    z->fd = -1;
    z->path = fo_strdup(path);
    z->part = fo_format("%s.part", path);
    if (!z->path || !z->part)
        return fo_error_oom(err);
    rc = fo_mkdirs_for(path, err);
    if (rc != FINOPS_OK)
        return rc;
    z->fd = open(z->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (z->fd < 0)
        return fo_error_errno(err, errno, "create %s", z->part);
    isal_deflate_init(&z->stream);
    z->stream.level = 1;
    z->stream.level_buf = z->level;
    z->stream.level_buf_size = sizeof(z->level);
    z->stream.gzip_flag = IGZIP_GZIP;
    *ret = FO_TAKE(z);
    return FINOPS_OK;
}

static finops_code
write_all(fo_gzip *z, size_t n, finops_error **err)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = write(z->fd, z->out + done, n - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fo_error_errno(err, errno, "write %s", z->part);
        done += (size_t)got;
    }
    return FINOPS_OK;
}

/* Hands all waiting input to the compressor; with `end` it finishes the member. */
static finops_code
pump(fo_gzip *z, bool end, finops_error **err)
{
    z->stream.end_of_stream = end;
    do {
        finops_code rc;

        z->stream.next_out = z->out;
        z->stream.avail_out = OUT_SIZE;
        if (isal_deflate(&z->stream) != COMP_OK)
            return fo_error_set(err, FINOPS_E_INTERNAL, "compress %s", z->part);
        rc = write_all(z, OUT_SIZE - z->stream.avail_out, err);
        if (rc != FINOPS_OK)
            return rc;
    } while (z->stream.avail_out == 0 || (end && z->stream.internal_state.state != ZSTATE_END));
    return FINOPS_OK;
}

finops_code
fo_gzip_write(fo_gzip *z, const void *p, size_t n, finops_error **err)
{
    union {
        const void *in;
        uint8_t *out; /* the library does not write to its input, but says so nowhere */
    } from = { .in = p };

    z->stream.next_in = from.out;
    z->stream.avail_in = (uint32_t)n;
    return pump(z, false, err);
}

finops_code
fo_sample_publish(const char *part, const char *path, finops_error **err)
{
    int fd = open(part, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fo_error_errno(err, errno, "open %s", part);
    if (fsync(fd) < 0) {
        finops_code rc = fo_error_errno(err, errno, "sync %s", part);

        (void)close(fd);
        return rc;
    }
    (void)close(fd);
    if (rename(part, path) < 0)
        return fo_error_errno(err, errno, "rename %s to %s", part, path);
    return FINOPS_OK;
}

finops_code
fo_gzip_commit(fo_gzip *z, finops_error **err)
{
    finops_code rc;
    int fd = z->fd;

    z->stream.avail_in = 0;
    rc = pump(z, true, err);
    if (rc != FINOPS_OK)
        return rc;
    z->fd = -1;
    if (close(fd) < 0)
        return fo_error_errno(err, errno, "close %s", z->part);
    rc = fo_sample_publish(z->part, z->path, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_free(FO_TAKE(z->part)); /* nothing to remove any more */
    return FINOPS_OK;
}

void
fo_gzip_free(fo_gzip *z)
{
    if (!z)
        return;
    if (z->fd >= 0)
        (void)close(z->fd);
    if (z->part)
        (void)unlink(z->part);
    fo_free(z->part);
    fo_free(z->path);
    fo_free(z);
}

void
fo_gzip_freep(fo_gzip **z)
{
    fo_gzip_free(*z);
}
