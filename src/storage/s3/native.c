/* The same service with the same credentials for the engine's own reader of files. */
#include <assert.h>
#include <string.h>

#include "storage/s3/driver.h"
#include "storage/s3/s3_internal.h"

/* It knows no customer's keys, no consent to pay, and no service below a path of its host. */
static bool
can(const s3_storage *s)
{
    const char *host = s->endpoint ? strstr(s->endpoint, "://") : NULL;

    return !s->c_key && !s->requester_pays && !(host && strchr(host + strlen("://"), '/'));
}

finops_code
fo_s3_native(void *self, const finops_call *call, fo_files_native *ret, finops_error **err)
{
    s3_storage *s = self;
    const fo_aws_keys *keys = NULL;
    finops_code rc;

    assert(s && ret);
    if (!can(s))
        return FINOPS_OK;
    rc = fo_aws_chain_keys(s->chain, call, &keys, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = (fo_files_native){ .possible = true,
                              .endpoint = s->endpoint,
                              .path_style = s->path_style,
                              .proxy = s->proxy,
                              .no_proxy = s->no_proxy,
                              .ca_file = s->ca_file,
                              .keys = keys };
    static_assert(sizeof(ret->region) >= S3_REGION, "a region has room");
    (void)pthread_mutex_lock(&s->lock);
    memcpy(ret->region, s->region, S3_REGION);
    (void)pthread_mutex_unlock(&s->lock);
    return FINOPS_OK;
}
