/* Results on their way out: buffered, every failure noticed, a reader that left (`| head`) told apart from a
 * failure. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

#include "cli/cli_internal.h"

#define BUFFER ((size_t)64 << 10)

static atomic_bool reader_left; /* stdout is one for the whole process, and so is this */

bool
fo_out_closed(void)
{
    return atomic_load(&reader_left);
}

void
fo_out_notice_closed(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };

    if (poll(&p, 1, 0) == 1 && (p.revents & POLLERR))
        atomic_store(&reader_left, true);
}

finops_code
fo_out_flush(FILE *out, fo_str *buf, finops_error **err)
{
    finops_code rc = fo_str_check(buf, err);

    if (rc != FINOPS_OK)
        return rc;
    errno = 0;
    if ((buf->len > 0 && fwrite(buf->data, 1, buf->len, out) != buf->len) || fflush(out) != 0) {
        if (errno == EPIPE)
            atomic_store(&reader_left, true);
        return fo_error_errno(err, errno, "write the output");
    }
    fo_str_clear(buf);
    return FINOPS_OK;
}

finops_code
fo_out_check(FILE *out, finops_error **err)
{
    fo_str none = FO_STR_INIT;
    finops_code rc = fo_out_flush(out, &none, err);

    return rc == FINOPS_OK && ferror(out) ? fo_error_errno(err, EIO, "write the output") : rc;
}

finops_code
fo_out_maybe(FILE *out, fo_str *buf, finops_error **err)
{
    return buf->len < BUFFER && fo_str_ok(buf) ? FINOPS_OK : fo_out_flush(out, buf, err);
}
