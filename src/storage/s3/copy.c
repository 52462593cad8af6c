/* Copies by the service: in one request, or by parts of a large one and where it may not replace another. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "storage/s3/s3_internal.h"

#define COPY_PART (256 * S3_MIB)

typedef struct copying {
    s3_storage *s;
    const finops_copy *copy;
    finops_object from; /* what is copied; its texts are its own */
    char *source;       /* "/bucket/prefix/key", escaped */
    char *source_etag;
} copying;

static void
copying_done(copying *c)
{
    finops_object_done(&c->from);
    fo_free(c->source);
    fo_free(c->source_etag);
}

/* What is copied is pinned: it may be replaced meanwhile. */
static finops_code
look(copying *c, finops_error **err)
{
    const finops_copy *copy = c->copy;
    fo_str source = FO_STR_MAX(S3_TEXT_MAX);
    finops_code rc = s3_stat(c->s, copy->from, copy->call, &c->from, err);

    if (rc != FINOPS_OK)
        return rc;
    if (copy->if_version && !fo_streq(copy->if_version, c->from.version))
        return fo_error_set(err, FINOPS_E_PRECONDITION, "%s is another version", copy->from);
    fo_str_addf(&source, "/%s/", c->s->bucket);
    fo_url_escape(&source, c->s->prefix, true);
    fo_url_escape(&source, copy->from, true);
    c->source = fo_str_take(&source);
    c->source_etag = fo_format("\"%s\"", c->from.etag ? c->from.etag : "");
    return c->source && c->source_etag ? FINOPS_OK : fo_error_oom(err);
}

static finops_put
put_of(const copying *c)
{
    const finops_object *o = &c->from;

    return (finops_put){ .key = c->copy->to,
                         .size = o->size,
                         .content_type = o->content_type,
                         .content_encoding = o->content_encoding,
                         .cache_control = o->cache_control,
                         .metadata = o->metadata,
                         .n_metadata = o->n_metadata,
                         .create_only = c->copy->create_only,
                         .call = c->copy->call };
}

static finops_code
at_once(const copying *c, finops_error **err)
{
    FO_AUTO(s3_request_done)
    s3_request r = { .method = "PUT", .key = c->copy->to, .has_body = true, .call = c->copy->call };
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;

    s3_headers_of_source(c->s, c->source, c->source_etag, &r.headers);
    fo_headers_add(&r.headers, "x-amz-server-side-encryption", c->s->sse);
    fo_headers_add(&r.headers, "x-amz-server-side-encryption-aws-kms-key-id", c->s->kms_key);
    s3_headers_of_key(c->s, &r.headers);
    return s3_send_for_xml(c->s, &r, &xml, err);
}

static finops_code
by_parts(const copying *c, finops_error **err)
{
    const finops_put put = put_of(c);
    int64_t size = c->from.size, step = (int64_t)COPY_PART;
    finops_upload *upload = NULL;
    unsigned n = 0;
    finops_code rc = s3_upload_begin(c->s, &put, S3_SUM_NONE, &upload, err);

    if (step > c->s->copy_max)
        step = c->s->copy_max;
    while (size / step >= (int64_t)(rc == FINOPS_OK ? upload->max_parts : 1) && step < 5 * (int64_t)S3_GIB)
        step *= 2;
    for (int64_t at = 0; at < size && rc == FINOPS_OK; at += step)
        rc = s3_upload_copy_part(upload, ++n, at, size - at < step ? size - at : step, c->source,
                                 c->source_etag, c->copy->call, err);
    if (rc == FINOPS_OK)
        rc = upload->commit(upload, n, size, c->copy->call, NULL, err);
    if (upload)
        upload->close(upload);
    return rc;
}

/* No service copies on the condition that nothing is there, but they all commit an upload and put bytes so.
 */
static finops_code
copy_it(const copying *c, finops_error **err)
{
    const finops_put put = put_of(c);

    if (c->from.size == 0 && c->copy->create_only)
        return s3_put(c->s, &put, "", 0, NULL, err);
    if (c->copy->create_only || c->from.size > c->s->copy_max)
        return by_parts(c, err);
    return at_once(c, err);
}

finops_code
s3_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    FO_AUTO(copying_done) copying c = { .s = self, .copy = copy };
    finops_code rc = look(&c, err);

    if (rc == FINOPS_OK)
        rc = copy_it(&c, err);
    if (rc == FINOPS_OK && ret)
        rc = s3_stat(self, copy->to, copy->call, ret, err);
    return rc;
}
