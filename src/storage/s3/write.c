/* A whole object from memory. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "storage/s3/s3_internal.h"

finops_code
s3_condition(const finops_put *put, const s3_request *r, finops_code rc, finops_error **err)
{
    if (!put->create_only && !put->if_version)
        return rc;
    if (rc == FINOPS_E_PRECONDITION && r->resent)
        return fo_error_wrap(err, FINOPS_E_TRANSIENT, "the connection broke, so that it may have been done");
    if (rc == FINOPS_E_PRECONDITION && put->create_only)
        return fo_error_wrap(err, FINOPS_E_EXISTS, "%s exists", put->key);
    if (rc == FINOPS_E_NOT_FOUND && put->if_version)
        return fo_error_wrap(err, FINOPS_E_PRECONDITION, "%s is not there to be replaced", put->key);
    return rc;
}

static finops_code
make(s3_storage *s, const finops_put *put, s3_request *r, finops_error **err)
{
    finops_code rc = s3_headers_of_put(s, put, &r->headers, err);

    s3_headers_of_condition(put, &r->headers);
    r->sum = s3_sum_now(s);
    r->chunked = s->signing == S3_SIGN_CHUNKED && r->body_size > 0;
    r->with_sums = s3_sum_name(r->sum) != NULL;
    if (rc == FINOPS_OK && !r->chunked)
        rc = s3_sum_add(s, r, err);
    return rc;
}

/* What is known of the object without asking again. */
static finops_code
tell(const s3_request *r, const fo_http_exchange *e, finops_object *ret, finops_error **err)
{
    FO_AUTO(fo_http_object_done) fo_http_object info = { 0 };
    FO_AUTO(fo_str_done) fo_str sum = FO_STR_MAX(S3_TEXT_MAX), base64 = FO_STR_MAX(S3_TEXT_MAX);
    finops_code rc = fo_http_object_make(e, r->key, &s3_spelling, &info, err);

    if (rc != FINOPS_OK)
        return rc;
    info.object.size = (int64_t)r->body_size;
    info.object.content_type = NULL; /* of the answer, not of the object */
    if (r->chunked && r->with_sums) {
        s3_sum_of_number(r->sum, r->sum_value, &base64);
        if (s3_sum_text(r->sum, fo_str_z(&base64), &sum))
            info.object.checksum = fo_str_z(&sum);
    }
    for (size_t i = 0; i < r->headers.n && !info.object.checksum; i++)
        for (int k = S3_SUM_CRC64NVME; k <= S3_SUM_MD5; k++)
            if (strcmp(r->headers.items[i].name, s3_sum_header((s3_sum)k)) == 0 &&
                s3_sum_text((s3_sum)k, r->headers.items[i].value, &sum))
                info.object.checksum = fo_str_z(&sum);
    return finops_object_copy(&info.object, ret, err);
}

/* An old service refuses headers it does not know. */
static bool
refuses_sums(const s3_request *r)
{
    return r->with_sums &&
           (r->status == 501 || (r->status == 400 && (strcmp(r->code, "InvalidArgument") == 0 ||
                                                      strcmp(r->code, "InvalidRequest") == 0)));
}

static finops_code
put_once(s3_storage *s, s3_request *r, const finops_put *put, finops_object *ret, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    finops_code rc = make(s, put, r, err);

    if (rc == FINOPS_OK)
        rc = s3_send(s, r, &e, err);
    if (rc != FINOPS_OK)
        return rc;
    return ret ? tell(r, e, ret, err) : FINOPS_OK;
}

finops_code
s3_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret, finops_error **err)
{
    s3_storage *s = self;
    const s3_request blank = {
        .method = "PUT", .key = put->key, .body = data, .body_size = n, .has_body = true, .call = put->call
    };
    FO_AUTO(s3_request_done) s3_request r = blank;
    finops_error *why = NULL;
    finops_code rc;

    if (n > 5 * S3_GIB)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: more than 5 GiB go in parts only", put->key);
    rc = put_once(s, &r, put, ret, &why);
    if (rc != FINOPS_OK && refuses_sums(&r)) {
        finops_error *plain = NULL;

        s3_request_done(&r);
        r = blank;
        atomic_store(&s->knows_no_sums, true);
        if (put_once(s, &r, put, ret, &plain) == FINOPS_OK) {
            finops_error_free(why);
            return FINOPS_OK;
        }
        finops_error_free(plain);
        atomic_store(&s->knows_no_sums, false); /* it was something else */
    }
    if (rc != FINOPS_OK)
        rc = s3_condition(put, &r, rc, &why);
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}
