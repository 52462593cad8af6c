/* What the tests of the S3 driver share. */
#ifndef STORAGE_S3_TEST_H
#define STORAGE_S3_TEST_H

#include "scripted.h"

#include "storage/s3/driver.h"

static const finops_storage_driver *const d = &fo_s3_driver;

/* Bucket, region and keys, and these. */
static inline void
open_with(scripted *f, const finops_setting *more, size_t n_more)
{
    finops_setting settings[12] = { { "bucket", "b" },
                                    { "endpoint_url", fake_http_url(f->server) },
                                    { "region", "us-east-1" },
                                    { "access_key_id", "AKID" },
                                    { "secret_access_key", "very-secret" } };
    size_t n = 5;

    for (size_t i = 0; i < n_more; i++)
        settings[n++] = more[i];
    scripted_open(f, settings, n);
}

static inline scripted
begun(const fake_http_step *script, size_t n)
{
    scripted f = scripted_server(d, script, n);

    open_with(&f, NULL, 0);
    return f;
}

#define RUN(f, ...)                                                                                          \
    static const fake_http_step script_[] = { __VA_ARGS__ };                                                 \
    scripted f = begun(script_, FO_COUNT(script_))

#define ERROR_BODY(code) "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>why</Message></Error>"

#define CREATED "<InitiateMultipartUploadResult><UploadId>u/1+</UploadId></InitiateMultipartUploadResult>"
#define COMMITTED                                                                                            \
    "<CompleteMultipartUploadResult><ETag>&quot;all-1&quot;</ETag></CompleteMultipartUploadResult>"

static inline finops_code
get_text(scripted *f, const finops_get *get, fo_str *ret)
{
    finops_reader *reader = NULL;
    char block[7];
    size_t n = 1;
    finops_code rc = d->read(f->self, get, &reader, &f->err);

    while (rc == FINOPS_OK && n > 0) {
        rc = reader->read(reader, block, sizeof(block), &n, &f->err);
        if (rc == FINOPS_OK)
            fo_str_addn(ret, block, n);
    }
    if (reader)
        reader->close(reader);
    return rc;
}

static inline finops_code
get(scripted *f, const char *key)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    return get_text(f, &(finops_get){ .key = key, .length = -1 }, &text);
}

#endif
