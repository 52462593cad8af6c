/* The place of an address where it is a machine. */
#include "storage/host.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

void
fo_storage_host_done(fo_storage_host *host)
{
    fo_free(host->user);
    fo_free(host->host);
    *host = (fo_storage_host){ 0 };
}

/* Where the host ends, and its port begins or NULL. */
static const char *
host_end(const char *host, const char **ret_port)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : NULL;

    *ret_port = NULL;
    if (end) {
        if (end[1] == ':')
            *ret_port = end + 2;
        return end;
    }
    end = strchrnul(host, ':');
    if (*end && strchr(end + 1, ':')) /* an IPv6 address as it is */
        return host + strlen(host);
    if (*end)
        *ret_port = end + 1;
    return end;
}

finops_code
fo_storage_host_parse(const char *text, fo_storage_host *ret, finops_error **err)
{
    const char *at = strrchr(text, '@'), *host = at ? at + 1 : text, *port;
    const char *end = host_end(host, &port);
    unsigned long long number = 0;
    fo_storage_host h = { 0 };

    host += host[0] == '[' && *end == ']';
    if (end == host || at == text || (port && (!fo_parse_u64(port, &number) || number < 1 || number > 65535)))
        return fo_error_set(err, FINOPS_E_CONFIG, "host %s is not host, host:port or user@host:port", text);
    h.port = (unsigned)number;
    h.host = fo_strndup(host, (size_t)(end - host));
    h.user = at ? fo_strndup(text, (size_t)(at - text)) : NULL;
    if (!h.host || (at && !h.user)) {
        fo_storage_host_done(&h);
        return fo_error_oom(err);
    }
    *ret = h;
    return FINOPS_OK;
}
