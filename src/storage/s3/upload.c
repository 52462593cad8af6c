/* An object in parts. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc.h"
#include "base/hash.h"
#include "base/mem.h"
#include "resilience/deadline.h"
#include "storage/put_copy.h"
#include "storage/s3/s3_internal.h"

#define PARTS_MAX 10000
#define ABORT_US 10000000 /* patience with what only tidies up */

typedef struct part {
    char *etag; /* as it came; NULL: not sent yet */
    char *sum;  /* base64; NULL: none */
    uint64_t value;
    bool known; /* the value */
    int64_t n;
} part;

typedef struct s3_upload_state {
    finops_upload base;
    s3_storage *s;
    fo_put_copy put;
    char *id; /* escaped */
    s3_sum sum;
    pthread_mutex_t lock; /* of the parts */
    part *parts;
    size_t cap;
    bool committed;
    bool doubt; /* a commit failed that may have been done */
} s3_upload_state;

static s3_upload_state *
state_of(finops_upload *upload)
{
    return (s3_upload_state *)upload;
}

/* ---- parts ---- */

/* Takes over etag and sum, also on failure. */
static finops_code
part_done(s3_upload_state *u, unsigned number, part done, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    size_t had;

    (void)pthread_mutex_lock(&u->lock);
    had = u->cap;
    if (!done.etag || !fo_grow((void **)&u->parts, &u->cap, number, sizeof(*u->parts))) {
        rc = fo_error_oom(err);
    } else {
        if (u->cap > had)
            memset(u->parts + had, 0, (u->cap - had) * sizeof(*u->parts));
        part old = u->parts[number - 1];
        u->parts[number - 1] = done;
        done = old;
    }
    (void)pthread_mutex_unlock(&u->lock);
    fo_free(done.etag);
    fo_free(done.sum);
    return rc;
}

static finops_code
part_query(const s3_upload_state *u, unsigned number, fo_str *ret, finops_error **err)
{
    if (number < 1 || number > PARTS_MAX)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: there is no part %u", u->put.put.key, number);
    fo_str_addf(ret, "partNumber=%u&uploadId=%s", number, u->id);
    return fo_str_check(ret, err);
}

/* The checksum that goes in front of the part; one behind its chunks is known when they are out. */
static finops_code
part_sum(const s3_upload_state *u, s3_request *r, part *done, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sum = FO_STR_MAX(S3_TEXT_MAX);
    finops_code rc = FINOPS_OK;

    r->sum = u->sum;
    r->with_sums = s3_sum_name(u->sum) != NULL;
    if (r->chunked || u->sum == S3_SUM_NONE)
        return rc;
    if (u->sum <= S3_SUM_CRC32C) {
        done->value = s3_sum_update(u->sum, 0, r->body, r->body_size);
        s3_sum_of_number(u->sum, done->value, &sum);
    } else {
        rc = s3_sum_make(u->sum, r->body, r->body_size, &sum, err);
    }
    if (rc == FINOPS_OK)
        fo_headers_take(&r->headers, s3_sum_header(u->sum), &sum);
    return rc;
}

/* The service says which checksum it found in the chunks: it knows what chunks are. */
static bool
is_confirmed(const s3_request *r, const fo_http_exchange *e)
{
    FO_AUTO(fo_str_done) fo_str sum = FO_STR_MAX(S3_TEXT_MAX);
    const char *told = fo_http_header_value(e, s3_sum_header(r->sum));

    s3_sum_of_number(r->sum, r->sum_value, &sum);
    return told && strcmp(told, fo_str_z(&sum)) == 0;
}

/* *ret_doubt: it went in chunks, and may be something else at the service than what was sent. */
static finops_code
send_part(s3_upload_state *u, s3_request *r, part *done, bool *ret_doubt, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(fo_str_done) fo_str sum = FO_STR_MAX(S3_TEXT_MAX);
    const char *etag;
    finops_code rc = part_sum(u, r, done, err);

    s3_headers_of_key(u->s, &r->headers);
    if (rc == FINOPS_OK)
        rc = s3_send(u->s, r, &e, err);
    *ret_doubt = r->chunked && (rc == FINOPS_OK ? u->s->chunk_parts && !is_confirmed(r, e)
                                                : r->status == 400 || r->status == 403 || r->status == 501);
    if (rc != FINOPS_OK)
        return rc;
    if (r->chunked)
        done->value = r->sum_value;
    done->known = u->sum <= S3_SUM_CRC32C;
    if (done->known)
        s3_sum_of_number(u->sum, done->value, &sum);
    done->sum = done->known ? fo_str_take(&sum) : NULL;
    etag = fo_http_header_value(e, "etag");
    done->etag = etag ? fo_strdup(etag) : NULL;
    return done->known && !done->sum ? fo_error_oom(err) : FINOPS_OK;
}

static bool
goes_chunked(const s3_upload_state *u)
{
    const s3_storage *s = u->s;

    return s->signing == S3_SIGN_CHUNKED ||
           (s->chunk_parts && u->sum <= S3_SUM_CRC32C && !atomic_load(&s->knows_no_chunks));
}

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    s3_upload_state *u = state_of(upload);
    FO_AUTO(fo_str_done) fo_str query = FO_STR_MAX(S3_TEXT_MAX);
    const s3_request blank = {
        .method = "PUT", .key = u->put.put.key, .body = data, .body_size = n, .has_body = true, .call = call
    };
    FO_AUTO(s3_request_done) s3_request r = blank;
    finops_error *why = NULL;
    part done = { .n = (int64_t)n };
    bool doubt = false;
    finops_code rc = part_query(u, number, &query, err);

    (void)offset;
    if (rc != FINOPS_OK)
        return rc;
    r.query = fo_str_z(&query);
    r.chunked = goes_chunked(u) && n > 0;
    rc = send_part(u, &r, &done, &doubt, &why);
    if (doubt && u->s->chunk_parts) {
        atomic_store(&u->s->knows_no_chunks, true);
        finops_error_freep(&why);
        fo_free(done.sum);
        fo_free(done.etag);
        done = (part){ .n = (int64_t)n };
        s3_request_done(&r);
        r = blank;
        r.query = fo_str_z(&query);
        rc = send_part(u, &r, &done, &doubt, &why);
    }
    if (rc == FINOPS_OK)
        return part_done(u, number, done, err);
    fo_free(done.sum);
    fo_free(done.etag);
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

finops_code
s3_upload_copy_part(finops_upload *upload, unsigned number, int64_t offset, int64_t n, const char *source,
                    const char *source_etag, const finops_call *call, finops_error **err)
{
    s3_upload_state *u = state_of(upload);
    FO_AUTO(fo_str_done) fo_str query = FO_STR_MAX(S3_TEXT_MAX), range = FO_STR_MAX(S3_TEXT_MAX);
    FO_AUTO(s3_request_done)
    s3_request r = { .method = "PUT", .key = u->put.put.key, .has_body = true, .call = call };
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    const char *etag;
    part done = { .n = n };
    finops_code rc = part_query(u, number, &query, err);

    r.query = fo_str_z(&query);
    fo_str_addf(&range, "bytes=%lld-%lld", (long long)offset, (long long)(offset + n - 1));
    s3_headers_of_source(u->s, source, source_etag, &r.headers);
    fo_headers_take(&r.headers, "x-amz-copy-source-range", &range);
    s3_headers_of_key(u->s, &r.headers);
    if (rc == FINOPS_OK)
        rc = s3_send_for_xml(u->s, &r, &xml, err);
    if (rc != FINOPS_OK)
        return rc;
    etag = fo_xml_get(fo_xml_root(xml), "ETag");
    done.etag = etag ? fo_strdup(etag) : NULL;
    return part_done(u, number, done, err);
}

/* ---- the commit ---- */

/* <CompleteMultipartUpload> with the parts in order. */
static finops_code
commit_document(s3_upload_state *u, unsigned n, fo_str *xml, finops_error **err)
{
    const char *name = s3_sum_name(u->sum);

    fo_str_add(xml, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (unsigned i = 0; i < n; i++) {
        const part *p = i < u->cap ? &u->parts[i] : NULL;

        if (!p || !p->etag)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: part %u was not sent", u->put.put.key, i + 1);
        fo_str_addf(xml, "<Part><PartNumber>%u</PartNumber><ETag>", i + 1);
        for (const char *c = p->etag; *c; c++)
            *c == '"' ? fo_str_add(xml, "&quot;") : fo_str_addc(xml, *c);
        fo_str_add(xml, "</ETag>");
        if (name && p->sum)
            fo_str_addf(xml, "<Checksum%s>%s</Checksum%s>", name, p->sum, name);
        fo_str_add(xml, "</Part>");
    }
    fo_str_add(xml, "</CompleteMultipartUpload>");
    return fo_str_check(xml, err);
}

/* The sum of the whole from those of the parts. False: not all are known. */
static bool
whole_sum(const s3_upload_state *u, unsigned n, uint64_t *ret)
{
    uint64_t sum = 0;

    if (u->sum > S3_SUM_CRC32C)
        return false;
    for (unsigned i = 0; i < n; i++) {
        const part *p = &u->parts[i];

        if (!p->known)
            return false;
        sum = u->sum == S3_SUM_CRC64NVME
                  ? fo_crc64nvme_combine(sum, p->value, (uint64_t)p->n)
                  : fo_crc32c_combine((uint32_t)sum, (uint32_t)p->value, (uint64_t)p->n);
    }
    *ret = sum;
    return true;
}

/* What lies there is what we sent: of its size, and its ETag that of our parts, or its sum ours. */
static bool
is_ours(s3_upload_state *u, unsigned n, int64_t size, const char *sum, const finops_call *call,
        finops_object *ret)
{
    FO_AUTO(fo_str_done) fo_str all = FO_STR_MAX(S3_ANSWER_MAX);
    finops_object found = { 0 };
    unsigned char md5[FO_SHA256_BYTES];
    char hex[FO_SHA256_HEX], etag[FO_SHA256_HEX + 16];
    size_t md5_n = 0;
    bool ours;

    if (s3_stat(u->s, u->put.put.key, call, &found, NULL) != FINOPS_OK)
        return false;
    ours = sum && found.checksum && strcmp(sum, found.checksum) == 0;
    for (unsigned i = 0; i < n && !ours; i++)
        for (const char *c = u->parts[i].etag + strspn(u->parts[i].etag, "\""); c[0] && c[1] && *c != '"';
             c += 2) {
            int high = fo_is_digit(c[0]) ? c[0] - '0' : c[0] - 'a' + 10,
                low = fo_is_digit(c[1]) ? c[1] - '0' : c[1] - 'a' + 10;

            fo_str_addc(&all, (char)(high * 16 + low));
        }
    if (!ours && fo_str_ok(&all) && all.len > 0 &&
        fo_digest(FO_MD5, all.data, all.len, md5, &md5_n, NULL) == FINOPS_OK) {
        fo_hex(md5, md5_n, hex);
        (void)snprintf(etag, sizeof(etag), "%s-%u", hex, n);
        ours = fo_streq(etag, found.etag);
    }
    ours = ours && found.size == size;
    if (ours && ret)
        *ret = found;
    else
        finops_object_done(&found);
    return ours;
}

static finops_code
commit_request(s3_upload_state *u, s3_request *r, const char *sum_base64, int64_t size, finops_error **err)
{
    s3_headers_of_condition(&u->put.put, &r->headers);
    s3_headers_of_key(u->s, &r->headers);
    fo_headers_add(&r->headers, "content-type", "application/xml");
    if (*sum_base64) {
        fo_headers_addf(&r->headers, s3_sum_header(u->sum), "%s", sum_base64);
        fo_headers_add(&r->headers, "x-amz-checksum-type", "FULL_OBJECT");
        fo_headers_addf(&r->headers, "x-amz-mp-object-size", "%lld", (long long)size);
    }
    return fo_headers_check(&r->headers, err);
}

static finops_code
tell(const s3_upload_state *u, const fo_xml *xml, int64_t size, const char *sum, finops_object *ret,
     finops_error **err)
{
    const char *etag = fo_xml_get(fo_xml_root(xml), "ETag");
    FO_AUTO(fo_freep) char *bare = NULL;
    finops_object o = {
        .key = u->put.put.key, .size = size, .modified_us = -1, .checksum = sum && *sum ? sum : NULL
    };

    if (etag) {
        etag += strspn(etag, "\"");
        bare = fo_strndup(etag, strcspn(etag, "\""));
        if (!bare)
            return fo_error_oom(err);
    }
    o.etag = o.version = bare;
    return finops_object_copy(&o, ret, err);
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    s3_upload_state *u = state_of(upload);
    FO_AUTO(fo_str_done) fo_str body = FO_STR_MAX(S3_ANSWER_MAX), query = FO_STR_MAX(S3_TEXT_MAX);
    FO_AUTO(fo_str_done) fo_str base64 = FO_STR_MAX(S3_TEXT_MAX), sum = FO_STR_MAX(S3_TEXT_MAX);
    FO_AUTO(s3_request_done) s3_request r = { .method = "POST", .key = u->put.put.key, .call = call };
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    finops_error *why = NULL;
    uint64_t whole;
    bool gone;
    finops_code rc = commit_document(u, parts, &body, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(&query, "uploadId=%s", u->id);
    r.query = fo_str_z(&query);
    r.body = fo_str_z(&body);
    r.body_size = body.len;
    if (whole_sum(u, parts, &whole)) {
        s3_sum_of_number(u->sum, whole, &base64);
        (void)s3_sum_text(u->sum, fo_str_z(&base64), &sum);
    }
    rc = commit_request(u, &r, fo_str_z(&base64), size, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = s3_send_for_xml(u->s, &r, &xml, &why);
    gone = strcmp(r.code, "NoSuchUpload") == 0 || rc == FINOPS_E_PRECONDITION;
    if (gone && (u->committed || u->doubt || r.resent) &&
        is_ours(u, parts, size, fo_str_z(&sum), call, ret)) {
        finops_error_free(why);
        u->committed = true;
        return FINOPS_OK;
    }
    u->doubt = u->doubt || rc == FINOPS_E_TRANSIENT || rc == FINOPS_E_TIMEOUT || rc == FINOPS_E_THROTTLED;
    if (rc == FINOPS_OK) {
        u->committed = true;
        return ret ? tell(u, xml, size, fo_str_z(&sum), ret, err) : rc;
    }
    if (strcmp(r.code, "NoSuchUpload") != 0)
        rc = s3_condition(&u->put.put, &(s3_request){ 0 }, rc, &why);
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

/* ---- begin and end ---- */

/* The parts are of no use any more; the call they came with may be over, too. */
static void
abort_upload(s3_upload_state *u)
{
    FO_AUTO(fo_str_done) fo_str query = FO_STR_MAX(S3_TEXT_MAX);
    const finops_call call = { .deadline_us = fo_deadline_in(ABORT_US) };
    FO_AUTO(s3_request_done) s3_request r = { .method = "DELETE", .key = u->put.put.key, .call = &call };

    fo_str_addf(&query, "uploadId=%s", u->id);
    r.query = fo_str_z(&query);
    if (fo_str_ok(&query))
        (void)s3_send_only(u->s, &r, NULL);
}

static void
upload_close(finops_upload *upload)
{
    s3_upload_state *u = state_of(upload);

    if (!u)
        return;
    if (u->id && !u->committed)
        abort_upload(u);
    for (size_t i = 0; i < u->cap; i++) {
        fo_free(u->parts[i].etag);
        fo_free(u->parts[i].sum);
    }
    fo_free(u->parts);
    fo_free(u->id);
    fo_put_copy_done(&u->put);
    (void)pthread_mutex_destroy(&u->lock);
    fo_free(u);
}

static finops_code
create(s3_upload_state *u, const finops_put *put, finops_error **err)
{
    FO_AUTO(s3_request_done)
    s3_request r = {
        .method = "POST", .key = put->key, .query = "uploads", .has_body = true, .call = put->call
    };
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    FO_AUTO(fo_str_done) fo_str id = FO_STR_MAX(S3_TEXT_MAX);
    const char *told;
    finops_code rc = s3_headers_of_put(u->s, put, &r.headers, err);

    if (s3_sum_name(u->sum)) {
        fo_headers_add(&r.headers, "x-amz-checksum-algorithm", s3_sum_name(u->sum));
        fo_headers_add(&r.headers, "x-amz-checksum-type", "FULL_OBJECT");
    }
    if (rc == FINOPS_OK)
        rc = s3_send_for_xml(u->s, &r, &xml, err);
    if (rc != FINOPS_OK)
        return rc;
    told = fo_xml_get(fo_xml_root(xml), "UploadId");
    if (!told || !*told)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "s3 POST %s: the answer has no UploadId", put->key);
    fo_url_escape(&id, told, false);
    u->id = fo_str_take(&id);
    return u->id ? FINOPS_OK : fo_error_oom(err);
}

finops_code
s3_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    s3_storage *s = self;

    return s3_upload_begin(s, put, s3_sum_now(s), ret, err);
}

finops_code
s3_upload_begin(s3_storage *s, const finops_put *put, s3_sum sum, finops_upload **ret, finops_error **err)
{
    s3_upload_state *u = fo_zalloc(sizeof(*u));
    finops_code rc;

    if (!u)
        return fo_error_oom(err);
    u->base = (finops_upload){ .min_part = s->part_size,
                               .max_part = 5 * S3_GIB,
                               .max_parts = PARTS_MAX,
                               .part = upload_part,
                               .commit = upload_commit,
                               .close = upload_close };
    u->s = s;
    u->sum = sum;
    (void)pthread_mutex_init(&u->lock, NULL);
    rc = fo_put_copy_make(put, &u->put, err);
    if (rc == FINOPS_OK)
        rc = create(u, put, err);
    if (rc != FINOPS_OK) {
        upload_close(&u->base);
        return rc;
    }
    *ret = &u->base;
    return FINOPS_OK;
}
