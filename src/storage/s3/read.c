/* What is there, and its bytes. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "storage/object.h"
#include "storage/s3/s3_internal.h"

/* An answer to HEAD has no document: that the bucket is missing is found out by asking for it, unless
 * something of it was seen already. */
static finops_code
bucket_missing(s3_storage *s, const finops_call *call, finops_error **err)
{
    FO_AUTO(s3_request_done) s3_request r = { .method = "HEAD", .call = call };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;

    if (atomic_load(&s->bucket_seen))
        return FINOPS_OK;
    if (s3_send_only(s, &r, &why) == FINOPS_OK || r.status != 404)
        return FINOPS_OK;
    fo_error_set(err, FINOPS_E_CONFIG, "s3: there is no bucket %s", s->bucket);
    fo_error_hint(err, "create the bucket %s, or name another", s->bucket);
    return FINOPS_E_CONFIG;
}

static finops_code
missing(s3_storage *s, const finops_call *call, finops_error **err)
{
    finops_error *why = NULL;
    finops_code rc = bucket_missing(s, call, &why);

    if (rc == FINOPS_OK)
        return FINOPS_E_NOT_FOUND;
    if (err) {
        finops_error_free(*err);
        *err = why;
    } else {
        finops_error_free(why);
    }
    return rc;
}

/* With the exchange, whose headers the object may borrow. */
static finops_code
head(s3_storage *s, const char *key, const finops_call *call, fo_http_exchange **ret, finops_error **err)
{
    FO_AUTO(s3_request_done) s3_request r = { .method = "HEAD", .key = key, .call = call };
    finops_code rc;

    s3_headers_of_key(s, &r.headers);
    if (s3_sum_name(s3_sum_now(s)))
        fo_headers_add(&r.headers, "x-amz-checksum-mode", "ENABLED");
    rc = s3_send(s, &r, ret, err);
    return rc == FINOPS_E_NOT_FOUND ? missing(s, call, err) : rc;
}

finops_code
s3_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(fo_http_object_done) fo_http_object info = { 0 };
    finops_code rc = head(self, key, call, &e, err);

    if (rc == FINOPS_OK)
        rc = fo_http_object_make(e, key, &s3_spelling, &info, err);
    return rc == FINOPS_OK ? finops_object_copy(&info.object, ret, err) : rc;
}

/* ---- bytes ---- */

/* A range that cannot be asked for: of no bytes. */
static finops_code
read_nothing(s3_storage *s, const finops_get *get, finops_reader **ret, finops_error **err)
{
    fo_http_exchange *e = NULL;
    finops_code rc = head(s, get->key, get->call, &e, err);

    return rc == FINOPS_OK ? fo_http_reader_new(e, get, &s3_spelling, true, ret, err) : rc;
}

finops_code
s3_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    s3_storage *s = self;
    FO_AUTO(s3_request_done) s3_request request = { .method = "GET", .key = get->key, .call = get->call };
    fo_http_exchange *e = NULL;
    finops_error *why = NULL;
    finops_code rc;

    if (get->suffix <= 0 && get->length == 0)
        return read_nothing(s, get, ret, err);
    fo_headers_add_range(&request.headers, "range", get);
    fo_headers_add_version(&request.headers, "if-match", get->if_version);
    fo_headers_add_version(&request.headers, "if-none-match", get->unless_version);
    s3_headers_of_key(s, &request.headers);
    if (s3_sum_name(s3_sum_now(s)))
        fo_headers_add(&request.headers, "x-amz-checksum-mode", "ENABLED");
    rc = s3_send(s, &request, &e, &why);
    if (rc == FINOPS_E_RANGE) {
        finops_error_free(why);
        return read_nothing(s, get, ret, err); /* of an empty object perhaps */
    }
    if (rc != FINOPS_OK) {
        if (err)
            *err = why;
        else
            finops_error_free(why);
        return rc;
    }
    return fo_http_reader_new(e, get, &s3_spelling, false, ret, err);
}
