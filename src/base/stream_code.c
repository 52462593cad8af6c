/* What an Arrow stream can say of a failure is an errno; these pairs keep its meaning on the way. */
#include <errno.h>
#include <stddef.h>

#include "base/mem.h"
#include "finops/sys/plugin.h"

static const struct {
    finops_code code;
    int errnum;
} pairs[] = {
    { FINOPS_E_ARGUMENT, EDOM },
    { FINOPS_E_USAGE, EBADRQC },
    { FINOPS_E_CONFIG, ENOPKG },
    { FINOPS_E_MEMORY, ENOMEM },
    { FINOPS_E_IO, EIO },
    { FINOPS_E_NOT_FOUND, ENOENT },
    { FINOPS_E_EXISTS, EEXIST },
    { FINOPS_E_DENIED, EACCES },
    { FINOPS_E_AUTH, EKEYREJECTED },
    { FINOPS_E_THROTTLED, EUSERS },
    { FINOPS_E_TRANSIENT, EAGAIN },
    { FINOPS_E_TIMEOUT, ETIMEDOUT },
    { FINOPS_E_CANCELLED, ECANCELED },
    { FINOPS_E_BUSY, EBUSY },
    { FINOPS_E_CORRUPT, EBADMSG },
    { FINOPS_E_DATA, EINVAL },
    { FINOPS_E_UNSUPPORTED, ENOTSUP },
    { FINOPS_E_DATABASE, EPROTO },
    { FINOPS_E_PARTIAL, EREMOTEIO },
    { FINOPS_E_DRIFT, ESTALE },
    { FINOPS_E_INTERNAL, ENOTRECOVERABLE },
    { FINOPS_E_PRECONDITION, EKEYREVOKED },
    { FINOPS_E_UNCHANGED, EALREADY },
    { FINOPS_E_RANGE, ERANGE },
    { FINOPS_E_BREAKER_OPEN, EHOSTDOWN },
};

int
finops_stream_errno(finops_code code)
{
    if (code == FINOPS_OK)
        return 0;
    for (size_t i = 0; i < FO_COUNT(pairs); i++)
        if (pairs[i].code == code)
            return pairs[i].errnum;
    return EPROTO;
}

finops_code
finops_stream_code(int errnum)
{
    if (errnum == 0)
        return FINOPS_OK;
    for (size_t i = 0; i < FO_COUNT(pairs); i++)
        if (pairs[i].errnum == errnum)
            return pairs[i].code;
    return FINOPS_E_DATABASE;
}
