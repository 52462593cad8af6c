/* A whole object in one request. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/azure/azure_internal.h"

/* A name that came in "lower case ASCII letters, digits, '-'" as an identifier. */
static finops_code
add_metadata(const finops_metadata *m, fo_headers *h, finops_error **err)
{
    FO_AUTO(fo_freep) char *name = fo_strdup(m->name);

    if (!name)
        return fo_error_oom(err);
    if (!fo_is_alpha(*name))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "metadata %s: on Azure a name begins with a letter",
                            m->name);
    for (char *c = name; *c; c++)
        if (*c == '-')
            *c = '_';
    return fo_headers_add_metadata(h, AZURE_META, &(finops_metadata){ name, m->value }, err);
}

finops_code
azure_headers_of_put(const finops_put *put, fo_headers *h, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    fo_headers_add(h, "x-ms-blob-content-type", put->content_type);
    fo_headers_add(h, "x-ms-blob-content-encoding", put->content_encoding);
    fo_headers_add(h, "x-ms-blob-cache-control", put->cache_control);
    for (size_t i = 0; i < put->n_metadata && rc == FINOPS_OK; i++)
        rc = add_metadata(&put->metadata[i], h, err);
    return rc;
}

void
azure_headers_of_condition(const finops_put *put, fo_headers *h)
{
    if (put->create_only)
        fo_headers_add(h, "if-none-match", "*");
    fo_headers_add_version(h, "if-match", put->if_version);
}

finops_code
azure_add_sum(const azure_storage *s, azure_request *r, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(AZURE_TEXT_MAX);
    unsigned char bytes[FO_SHA256_BYTES];
    size_t n = 8;
    finops_code rc = FINOPS_OK;

    if (s->sum == AZURE_SUM_NONE)
        return FINOPS_OK;
    if (s->sum == AZURE_SUM_CRC64) { /* the same polynomial as of NVMe, lowest byte first */
        uint64_t crc = fo_crc64nvme(0, r->body, r->body_size);

        for (size_t i = 0; i < n; i++)
            bytes[i] = (unsigned char)(crc >> (8 * i));
    } else {
        rc = fo_digest(FO_MD5, r->body, r->body_size, bytes, &n, err);
    }
    if (rc != FINOPS_OK)
        return rc;
    fo_base64(&text, bytes, n);
    fo_headers_addf(&r->headers, s->sum == AZURE_SUM_CRC64 ? "x-ms-content-crc64" : "content-md5", "%s",
                    fo_str_z(&text));
    return fo_str_check(&text, err);
}

void
azure_add_own_sum(fo_headers *h, uint64_t crc64)
{
    fo_headers_addf(h, AZURE_META AZURE_SUM_META, "%016" PRIx64, crc64);
}

finops_code
azure_object_of_put(const fo_http_exchange *e, const char *key, int64_t size, const uint64_t *crc64,
                    finops_object *ret, finops_error **err)
{
    FO_AUTO(fo_http_object_done) fo_http_object about = { 0 };
    finops_code rc = fo_http_object_make(e, key, &azure_spelling, &about, err);
    finops_object o;
    char sum[32];

    if (rc != FINOPS_OK)
        return rc;
    o = (finops_object){ .key = key,
                         .size = size,
                         .modified_us = about.object.modified_us,
                         .etag = about.object.etag,
                         .version = about.object.version };
    if (crc64) {
        (void)snprintf(sum, sizeof(sum), "crc64nvme:%016" PRIx64, *crc64);
        o.checksum = sum;
    }
    return finops_object_copy(&o, ret, err);
}

finops_code
azure_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
          finops_error **err)
{
    azure_storage *s = self;
    FO_AUTO(azure_request_done)
    azure_request r = {
        .method = "PUT", .key = put->key, .body = data, .body_size = n, .has_body = true, .call = put->call
    };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    uint64_t crc64 = fo_crc64nvme(0, data, n);
    finops_code rc = azure_headers_of_put(put, &r.headers, err);

    if (rc == FINOPS_OK)
        rc = azure_add_sum(s, &r, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_headers_add(&r.headers, "x-ms-blob-type", "BlockBlob");
    azure_add_own_sum(&r.headers, crc64);
    azure_headers_of_condition(put, &r.headers);
    rc = azure_send(s, &r, &e, err);
    if (rc != FINOPS_OK)
        return azure_condition(put, &r, rc, err);
    return ret ? azure_object_of_put(e, put->key, (int64_t)n, &crc64, ret, err) : FINOPS_OK;
}
