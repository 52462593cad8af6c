/* A finops_put that outlives the call it came in. */
#include "storage/put_copy.h"

#include "base/mem.h"

finops_code
fo_put_copy_make(const finops_put *put, fo_put_copy *ret, finops_error **err)
{
    fo_put_copy copy = { .put = *put };
    const finops_object texts = { .key = put->key,
                                  .content_type = put->content_type,
                                  .content_encoding = put->content_encoding,
                                  .cache_control = put->cache_control,
                                  .metadata = put->metadata,
                                  .n_metadata = put->n_metadata };
    finops_code rc = finops_object_copy(&texts, &copy.texts, err);

    if (rc != FINOPS_OK)
        return rc;
    if (put->if_version) {
        copy.if_version = fo_strdup(put->if_version);
        if (!copy.if_version) {
            finops_object_done(&copy.texts);
            return fo_error_oom(err);
        }
    }
    copy.put.key = copy.texts.key;
    copy.put.content_type = copy.texts.content_type;
    copy.put.content_encoding = copy.texts.content_encoding;
    copy.put.cache_control = copy.texts.cache_control;
    copy.put.metadata = copy.texts.metadata;
    copy.put.n_metadata = copy.texts.n_metadata;
    copy.put.if_version = copy.if_version;
    *ret = copy;
    return FINOPS_OK;
}

void
fo_put_copy_done(fo_put_copy *copy)
{
    finops_object_done(&copy->texts);
    fo_free(copy->if_version);
    *copy = (fo_put_copy){ 0 };
}
