/* Headers that go out with an object, and what those that come back say of it. */
#include <string.h>

#include "storage/s3/s3_internal.h"

#define META "x-amz-meta-"

void
s3_headers_of_key(const s3_storage *s, fo_headers *h)
{
    if (!s->c_key)
        return;
    fo_headers_add(h, "x-amz-server-side-encryption-customer-algorithm", "AES256");
    fo_headers_add(h, "x-amz-server-side-encryption-customer-key", s->c_key);
    fo_headers_add(h, "x-amz-server-side-encryption-customer-key-md5", s->c_key_md5);
}

void
s3_headers_of_source(const s3_storage *s, const char *source, const char *etag, fo_headers *h)
{
    fo_headers_add(h, "x-amz-copy-source", source);
    fo_headers_add(h, "x-amz-copy-source-if-match", etag);
    if (!s->c_key)
        return;
    fo_headers_add(h, "x-amz-copy-source-server-side-encryption-customer-algorithm", "AES256");
    fo_headers_add(h, "x-amz-copy-source-server-side-encryption-customer-key", s->c_key);
    fo_headers_add(h, "x-amz-copy-source-server-side-encryption-customer-key-md5", s->c_key_md5);
}

finops_code
s3_headers_of_put(const s3_storage *s, const finops_put *put, fo_headers *h, finops_error **err)
{
    fo_headers_add(h, "content-type", put->content_type);
    fo_headers_add(h, "content-encoding", put->content_encoding);
    fo_headers_add(h, "cache-control", put->cache_control);
    fo_headers_add(h, "x-amz-server-side-encryption", s->sse);
    fo_headers_add(h, "x-amz-server-side-encryption-aws-kms-key-id", s->kms_key);
    s3_headers_of_key(s, h);
    for (size_t i = 0; i < put->n_metadata; i++) {
        finops_code rc = fo_headers_add_metadata(h, META, &put->metadata[i], err);

        if (rc != FINOPS_OK)
            return fo_error_wrap(err, rc, "%s", put->key);
    }
    return fo_headers_check(h, err);
}

void
s3_headers_of_condition(const finops_put *put, fo_headers *h)
{
    if (put->create_only)
        fo_headers_add(h, "if-none-match", "*");
    fo_headers_add_version(h, "if-match", put->if_version);
}

/* ---- what comes back ---- */

static void
checksum(const fo_http_exchange *e, fo_str *ret)
{
    const char *type = fo_http_header_value(e, "x-amz-checksum-type");

    if (type && strcmp(type, "FULL_OBJECT") != 0)
        return;
    for (int i = S3_SUM_CRC64NVME; i <= S3_SUM_CRC32C; i++) {
        const char *base64 = fo_http_header_value(e, s3_sum_header((s3_sum)i));

        if (base64 && s3_sum_text((s3_sum)i, base64, ret))
            return;
        fo_str_clear(ret);
    }
}

/* How it was sent is none of the object's, though some services keep that: "aws-chunked,gzip". */
static const char *
encoding(const char *text)
{
    if (!fo_starts(text, S3_CHUNKED))
        return text;
    text += strlen(S3_CHUNKED);
    return *text == ',' ? text + 1 + strspn(text + 1, " ") : *text ? text - strlen(S3_CHUNKED) : NULL;
}

const fo_http_spelling s3_spelling = { .metadata = META, .checksum = checksum, .encoding = encoding };
