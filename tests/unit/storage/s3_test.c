/* The S3 driver against answers that real servers give rarely. */
#include "storage/storage_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "config/config.h"
#include "storage/s3/driver.h"
#include "support/fake_http.h"

typedef struct fixture {
    fake_http *server;
    void *self;
    void *config;
    finops_error *err;
} fixture;

static const finops_storage_driver *const d = &fo_s3_driver;

static void
open_with(fixture *f, const finops_setting *more, size_t n_more)
{
    finops_setting settings[12] = { { "bucket", "b" },
                                    { "endpoint_url", fake_http_url(f->server) },
                                    { "region", "us-east-1" },
                                    { "access_key_id", "AKID" },
                                    { "secret_access_key", "very-secret" } };
    size_t n = 5;

    for (size_t i = 0; i < n_more; i++)
        settings[n++] = more[i];
    f->config = fo_zalloc(d->config_size);
    assert_non_null(f->config);
    ok(fo_option_fill(d->options, d->name, settings, n, f->config, &f->err), &f->err);
    ok(d->open(f->config, &f->self, &f->err), &f->err);
}

static void
begin(fixture *f, const fake_http_step *script, size_t n)
{
    *f = (fixture){ .server = fake_http_script(script, n) };
    open_with(f, NULL, 0);
}

static void
end(fixture *f)
{
    const char *problem = fake_http_problem(f->server);

    if (problem)
        print_error("%s\n", problem);
    assert_null(problem);
    finops_error_freep(&f->err);
    d->close(f->self);
    fo_option_clear(d->options, f->config);
    fo_free(f->config);
    fake_http_stop(f->server);
}

#define RUN(f, ...)                                                                                          \
    static const fake_http_step script_[] = { __VA_ARGS__ };                                                 \
    fixture f;                                                                                               \
    begin(&f, script_, FO_COUNT(script_))

#define ERROR_BODY(code) "<?xml version=\"1.0\"?><Error><Code>" code "</Code><Message>why</Message></Error>"

static finops_code
get_text(fixture *f, const finops_get *get, fo_str *ret)
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

static finops_code
get(fixture *f, const char *key)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    return get_text(f, &(finops_get){ .key = key, .length = -1 }, &text);
}

/* ---- errors ---- */

static void
statuses_and_codes_are_classified(void **state)
{
    static const struct {
        fake_http_step step;
        finops_code code;
    } rows[] = {
        { { .status = "503 Slow Down", .body = ERROR_BODY("SlowDown") }, FINOPS_E_THROTTLED },
        { { .status = "500 Oops", .body = ERROR_BODY("InternalError") }, FINOPS_E_TRANSIENT },
        { { .status = "502 Bad Gateway", .body = "<html>not closed" }, FINOPS_E_TRANSIENT },
        { { .status = "504 Gateway Timeout" }, FINOPS_E_TRANSIENT },
        { { .status = "429 Too Many" }, FINOPS_E_THROTTLED },
        { { .status = "408 Request Timeout" }, FINOPS_E_TRANSIENT },
        { { .status = "400 Bad Request", .body = ERROR_BODY("RequestTimeout") }, FINOPS_E_TRANSIENT },
        { { .status = "400 Bad Request", .body = ERROR_BODY("InvalidArgument") }, FINOPS_E_ARGUMENT },
        { { .status = "403 Forbidden", .body = ERROR_BODY("AccessDenied") }, FINOPS_E_DENIED },
        { { .status = "403 Forbidden", .body = ERROR_BODY("SignatureDoesNotMatch") }, FINOPS_E_AUTH },
        { { .status = "404 Not Found", .body = ERROR_BODY("NoSuchKey") }, FINOPS_E_NOT_FOUND },
        { { .status = "404 Not Found", .body = ERROR_BODY("NoSuchBucket") }, FINOPS_E_CONFIG },
        { { .status = "412 Failed", .body = ERROR_BODY("PreconditionFailed") }, FINOPS_E_PRECONDITION },
        { { .status = "409 Conflict", .body = ERROR_BODY("ConditionalRequestConflict") },
          FINOPS_E_TRANSIENT },
        { { .status = "501 Not Implemented", .body = ERROR_BODY("NotImplemented") }, FINOPS_E_UNSUPPORTED },
        { { .raw = "HTTP/1.1 304 Not Modified\r\nETag: \"e\"\r\n\r\n" }, FINOPS_E_UNCHANGED },
    };
    (void)state;

    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        fixture f;

        begin(&f, &rows[i].step, 1);
        fails(get(&f, "k"), rows[i].code, &f.err);
        end(&f);
    }
}

static void
an_error_names_the_request_and_holds_no_secret(void **state)
{
    RUN(f, { .status = "403 Forbidden",
             .headers = "x-amz-request-id: R1\r\n",
             .body = ERROR_BODY("AccessDenied") });

    (void)state;
    assert_int_equal(get(&f, "a key"), FINOPS_E_DENIED);
    assert_string_equal(finops_error_text(f.err), "s3 GET b/a key: 403 AccessDenied: why (request R1)");
    end(&f);
}

static void
what_retry_after_says_is_told(void **state)
{
    RUN(f, { .status = "503 Slow Down", .headers = "Retry-After: 7\r\n" });

    (void)state;
    assert_int_equal(get(&f, "k"), FINOPS_E_THROTTLED);
    assert_true(finops_error_retry_after(f.err) == 7000000);
    end(&f);
}

/* ---- what is learned ---- */

static void
the_region_is_learned_once_and_kept(void **state)
{
    RUN(f,
        { .expect = "/us-east-1/s3/aws4_request",
          .status = "400 Bad Request",
          .body = "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>" },
        { .expect = "GET /b/k\n/eu-west-1/s3/aws4_request", .status = "200 OK" },
        { .expect = "/eu-west-1/s3/aws4_request", .status = "200 OK" },
        { .expect = "/eu-west-1/s3/aws4_request",
          .status = "301 Moved",
          .headers = "x-amz-bucket-region: sa-east-1\r\n" },
        { .expect = "/sa-east-1/s3/aws4_request",
          .status = "301 Moved",
          .headers = "x-amz-bucket-region: us-east-1\r\n" });

    (void)state;
    ok(get(&f, "k"), &f.err);
    ok(get(&f, "k"), &f.err);
    fails(get(&f, "k"), FINOPS_E_CONFIG, &f.err); /* it does not go round in circles */
    end(&f);
}

static void
the_clock_of_the_service_is_learned(void **state)
{
    RUN(f,
        { .expect = "x-amz-date: 20231114T221320Z",
          .status = "403 Forbidden",
          .headers = "Date: Tue, 14 Nov 2023 23:13:20 GMT\r\n",
          .body = ERROR_BODY("RequestTimeTooSkewed") },
        { .expect = "x-amz-date: 20231114T231320Z", .status = "200 OK" },
        { .expect = "x-amz-date: 20231114T231320Z",
          .status = "403 Forbidden",
          .headers = "Date: Tue, 14 Nov 2023 23:13:20 GMT\r\n",
          .body = ERROR_BODY("RequestTimeTooSkewed") });

    (void)state;
    fo_clock_fix(INT64_C(1700000000000000));
    ok(get(&f, "k"), &f.err);
    fails(get(&f, "k"), FINOPS_E_AUTH, &f.err);
    fo_clock_fix(-1);
    end(&f);
}

typedef struct wrong_clock {
    pthread_barrier_t both; /* requests are under way */
    atomic_uint asked;
} wrong_clock;

static void
refuse_two_for_their_time(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    static const char body[] = ERROR_BODY("RequestTimeTooSkewed");
    wrong_clock *w = arg;

    (void)request;
    (void)n;
    if (atomic_fetch_add(&w->asked, 1) >= 2) {
        fake_http_reply(conn, "200 OK", "", "", 0);
        return;
    }
    (void)pthread_barrier_wait(&w->both);
    fake_http_reply(conn, "403 Forbidden", "Date: Tue, 14 Nov 2023 23:13:20 GMT\r\n", body, strlen(body));
}

static void *
ask(void *self)
{
    finops_reader *reader = NULL;

    if (d->read(self, &(finops_get){ .key = "k", .length = -1 }, &reader, NULL) != FINOPS_OK)
        return self;
    reader->close(reader);
    return NULL;
}

/* What the first of them learns is no reason for the second one to give up. */
static void
the_clock_is_learned_by_two_threads_at_once(void **state)
{
    wrong_clock w = { .asked = 0 };
    fixture f = { .server = fake_http_start(refuse_two_for_their_time, &w) };
    pthread_t threads[2];

    (void)state;
    assert_int_equal(pthread_barrier_init(&w.both, NULL, 2), 0);
    fo_clock_fix(INT64_C(1700000000000000));
    open_with(&f, NULL, 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, f.self), 0);
    for (unsigned i = 0; i < 2; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    fo_clock_fix(-1);
    end(&f);
    (void)pthread_barrier_destroy(&w.both);
}

static void
a_service_that_refuses_new_headers_gets_md5(void **state)
{
    RUN(f,
        { .expect = "x-amz-checksum-crc64nvme: rosUhgp5mIg=",
          .status = "501 Not Implemented",
          .body = ERROR_BODY("NotImplemented") },
        { .expect = "PUT /b/k\ncontent-md5: JfnnlDI7RTiF9RgfG2JNCw==\n123456789",
          .status = "200 OK",
          .headers = "ETag: \"e\"\r\n" },
        { .expect = "content-md5: JfnnlDI7RTiF9RgfG2JNCw==",
          .status = "200 OK",
          .headers = "ETag: \"e\"\r\n" });
    finops_object o = { 0 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        ok(d->put(f.self, &(finops_put){ .key = "k", .size = 9 }, "123456789", 9, &o, &f.err), &f.err);
        assert_string_equal(o.checksum, "md5:25f9e794323b453885f5181f1b624d0b");
        assert_string_equal(o.version, "e");
        finops_object_done(&o);
    }
    assert_null(strstr(fake_http_request(f.server, 2), "x-amz-checksum"));
    end(&f);
}

/* ---- reading ---- */

static void
a_service_that_ignores_ranges_is_cut_to_the_range(void **state)
{
    RUN(f,
        { .expect = "range: bytes=3-6",
          .status = "200 OK",
          .headers = "ETag: \"e\"\r\n",
          .body = "0123456789" },
        { .expect = "range: bytes=-2",
          .status = "200 OK",
          .headers = "ETag: \"e\"\r\n",
          .body = "0123456789" });
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    (void)state;
    ok(get_text(&f, &(finops_get){ .key = "k", .offset = 3, .length = 4 }, &text), &f.err);
    assert_string_equal(fo_str_z(&text), "3456");
    fo_str_clear(&text);
    ok(get_text(&f, &(finops_get){ .key = "k", .suffix = 2 }, &text), &f.err);
    assert_string_equal(fo_str_z(&text), "89");
    end(&f);
}

static void
an_answer_of_another_range_is_not_taken(void **state)
{
    RUN(f, { .status = "206 Partial Content", .headers = "Content-Range: bytes 4-7/10\r\n", .body = "4567" },
        { .status = "206 Partial Content", .headers = "Content-Range: nonsense\r\n", .body = "4567" });
    const finops_get range = { .key = "k", .offset = 3, .length = 4 };
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    (void)state;
    fails(get_text(&f, &range, &text), FINOPS_E_TRANSIENT, &f.err);
    fails(get_text(&f, &range, &text), FINOPS_E_TRANSIENT, &f.err);
    end(&f);
}

static void
a_flipped_byte_is_corrupt_and_its_block_not_handed_over(void **state)
{
    RUN(f,
        { .expect = "x-amz-checksum-mode: ENABLED",
          .status = "200 OK",
          .headers = "x-amz-checksum-crc64nvme: rosUhgp5mIg=\r\nx-amz-checksum-type: FULL_OBJECT\r\n",
          .body = "123456789" },
        { .status = "200 OK", .headers = "x-amz-checksum-crc64nvme: rosUhgp5mIg=\r\n", .body = "123456788" },
        { .status = "200 OK", .headers = "x-amz-checksum-crc32c: 4waSgw==-2\r\n", .body = "something" },
        { .status = "200 OK",
          .headers = "x-amz-checksum-crc32c: 4waSgw==\r\nx-amz-checksum-type: COMPOSITE\r\n",
          .body = "something" });
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    (void)state;
    ok(get(&f, "k"), &f.err);
    fails(get_text(&f, &(finops_get){ .key = "k", .length = -1 }, &text), FINOPS_E_CORRUPT, &f.err);
    assert_string_equal(fo_str_z(&text), "1234567"); /* the last block is kept back */
    ok(get(&f, "k"), &f.err);
    ok(get(&f, "k"), &f.err);
    end(&f);
}

static void
a_body_that_ends_early_is_transient(void **state)
{
    RUN(f, { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", .then = FAKE_HTTP_CLOSE });

    (void)state;
    fails(get(&f, "k"), FINOPS_E_TRANSIENT, &f.err);
    end(&f);
}

static void
a_missing_bucket_is_told_by_asking_once(void **state)
{
    RUN(f, { .expect = "HEAD /b/k", .raw = "HTTP/1.1 404 Not Found\r\n\r\n" },
        { .expect = "HEAD /b ", .raw = "HTTP/1.1 200 OK\r\n\r\n" },
        { .expect = "HEAD /b/k", .raw = "HTTP/1.1 404 Not Found\r\n\r\n" });
    finops_object o;

    (void)state;
    fails(d->stat(f.self, "k", NULL, &o, &f.err), FINOPS_E_NOT_FOUND, &f.err);
    fails(d->stat(f.self, "k", NULL, &o, &f.err), FINOPS_E_NOT_FOUND, &f.err);
    end(&f);
}

/* ---- writing ---- */

static void
a_condition_met_by_an_attempt_that_broke_is_left_to_a_retry(void **state)
{
    RUN(f, { .status = "200 OK" }, { .expect = "PUT /b/k\nif-none-match: *", .then = FAKE_HTTP_CUT },
        { .expect = "PUT /b/k", .status = "412 Failed", .body = ERROR_BODY("PreconditionFailed") },
        { .expect = "PUT /b/k", .status = "412 Failed", .body = ERROR_BODY("PreconditionFailed") });
    const finops_put put = { .key = "k", .create_only = true };

    (void)state;
    ok(get(&f, "k"), &f.err); /* a connection is kept */
    fails(d->put(f.self, &put, "x", 1, NULL, &f.err), FINOPS_E_TRANSIENT, &f.err);
    fails(d->put(f.self, &put, "x", 1, NULL, &f.err), FINOPS_E_EXISTS, &f.err);
    end(&f);
}

#define CREATED "<InitiateMultipartUploadResult><UploadId>u/1+</UploadId></InitiateMultipartUploadResult>"
#define COMMITTED                                                                                            \
    "<CompleteMultipartUploadResult><ETag>&quot;all-1&quot;</ETag></CompleteMultipartUploadResult>"

static finops_upload *
upload_one(fixture *f, const finops_put *put)
{
    finops_upload *u = NULL;

    ok(d->upload(f->self, put, &u, &f->err), &f->err);
    ok(u->part(u, 1, 0, "123456789", 9, NULL, &f->err), &f->err);
    return u;
}

static void
a_commit_that_fails_inside_its_200_is_made_again(void **state)
{
    RUN(f,
        { .expect = "POST /b/k?uploads \nx-amz-checksum-algorithm: CRC64NVME\nx-amz-meta-a: 1",
          .status = "200 OK",
          .body = CREATED },
        { .expect = "PUT /b/k?partNumber=1&uploadId=u%2F1%2B \nx-amz-checksum-crc64nvme: rosUhgp5mIg=",
          .status = "200 OK",
          .headers = "ETag: \"one\"\r\n" },
        { .expect = "POST /b/k?uploadId=u%2F1%2B \nx-amz-checksum-crc64nvme: rosUhgp5mIg=\n"
                    "x-amz-checksum-type: FULL_OBJECT\nx-amz-mp-object-size: 9\n"
                    "<Part><PartNumber>1</PartNumber><ETag>&quot;one&quot;</ETag>"
                    "<ChecksumCRC64NVME>rosUhgp5mIg=</ChecksumCRC64NVME></Part>",
          .status = "200 OK",
          .body = ERROR_BODY("InternalError") },
        { .expect = "POST /b/k?uploadId=u%2F1%2B ", .status = "200 OK", .body = COMMITTED });
    const finops_metadata metadata = { "a", "1" };
    const finops_put put = { .key = "k", .size = 9, .metadata = &metadata, .n_metadata = 1 };
    finops_upload *u = upload_one(&f, &put);
    finops_object o = { 0 };

    (void)state;
    fails(u->commit(u, 1, 9, NULL, &o, &f.err), FINOPS_E_TRANSIENT, &f.err);
    ok(u->commit(u, 1, 9, NULL, &o, &f.err), &f.err);
    assert_string_equal(o.version, "all-1");
    assert_string_equal(o.checksum, "crc64nvme:ae8b14860a799888");
    finops_object_done(&o);
    u->close(u);
    end(&f);
}

static void
a_commit_whose_reply_was_lost_is_known_by_what_lies_there(void **state)
{
    RUN(f, { .status = "200 OK", .body = CREATED }, { .status = "200 OK", .headers = "ETag: \"one\"\r\n" },
        { .status = "500 Oops", .body = ERROR_BODY("InternalError") },
        { .status = "404 Not Found", .body = ERROR_BODY("NoSuchUpload") },
        { .expect = "HEAD /b/k",
          .raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nETag: \"all-1\"\r\n"
                 "x-amz-checksum-crc64nvme: rosUhgp5mIg=\r\nx-amz-checksum-type: FULL_OBJECT\r\n\r\n" });
    finops_upload *u = upload_one(&f, &(finops_put){ .key = "k", .size = 9, .create_only = true });
    finops_object o = { 0 };

    (void)state;
    fails(u->commit(u, 1, 9, NULL, &o, &f.err), FINOPS_E_TRANSIENT, &f.err);
    ok(u->commit(u, 1, 9, NULL, &o, &f.err), &f.err);
    assert_string_equal(o.version, "all-1");
    finops_object_done(&o);
    u->close(u);
    end(&f);
}

/* Answers each part with an ETag, whichever comes first. */
static void
take_parts(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    (void)n;
    (void)arg;
    if (strncmp(request, "PUT ", 4) == 0)
        fake_http_reply(conn, "200 OK", "ETag: \"one\"\r\n", "", 0);
    else if (strstr(request, "?uploads"))
        fake_http_reply(conn, "200 OK", "", CREATED, strlen(CREATED));
    else
        fake_http_reply(conn, "200 OK", "", COMMITTED, strlen(COMMITTED));
}

typedef struct sender {
    finops_upload *u;
    unsigned number;
    finops_code rc;
} sender;

static void *
send_one(void *arg)
{
    sender *s = arg;

    s->rc = s->u->part(s->u, s->number, 0, "123456789", 9, NULL, NULL);
    return NULL;
}

static void
parts_that_come_at_once_are_all_kept(void **state)
{
    enum { ROUNDS = 20, PARTS = 12 };
    fixture f = { .server = fake_http_start(take_parts, NULL) };

    (void)state;
    open_with(&f, NULL, 0);
    for (int i = 0; i < ROUNDS; i++) {
        sender senders[PARTS];
        pthread_t threads[PARTS];
        finops_upload *u = NULL;

        ok(d->upload(f.self, &(finops_put){ .key = "k", .size = -1 }, &u, &f.err), &f.err);
        for (unsigned p = 0; p < PARTS; p++) {
            senders[p] = (sender){ .u = u, .number = PARTS - p };
            assert_int_equal(pthread_create(&threads[p], NULL, send_one, &senders[p]), 0);
        }
        for (unsigned p = 0; p < PARTS; p++) {
            assert_int_equal(pthread_join(threads[p], NULL), 0);
            assert_int_equal(senders[p].rc, FINOPS_OK);
        }
        ok(u->commit(u, PARTS, (int64_t)PARTS * 9, NULL, NULL, &f.err), &f.err);
        u->close(u);
    }
    end(&f);
}

static void
an_upload_that_others_took_away_is_an_error(void **state)
{
    RUN(f, { .status = "200 OK", .body = CREATED }, { .status = "200 OK", .headers = "ETag: \"one\"\r\n" },
        { .expect = "if-none-match: *", .status = "404 Not Found", .body = ERROR_BODY("NoSuchUpload") },
        { .expect = "DELETE /b/k?uploadId=u%2F1%2B ", .status = "204 No Content" });
    finops_upload *u = upload_one(&f, &(finops_put){ .key = "k", .size = 9, .create_only = true });

    (void)state;
    fails(u->commit(u, 1, 9, NULL, NULL, &f.err), FINOPS_E_NOT_FOUND, &f.err);
    u->close(u);
    end(&f);
}

/* ---- chunks ---- */

static void
content_goes_out_in_signed_chunks(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "PUT /b/k \ncontent-encoding: aws-chunked,x\nx-amz-decoded-content-length: 9\n"
                    "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\n"
                    "x-amz-trailer: x-amz-checksum-crc64nvme\ncontent-length: "
                    "310\n9;chunk-signature=\n0;chunk-signature=\n"
                    "x-amz-checksum-crc64nvme:rosUhgp5mIg=\nx-amz-trailer-signature:",
          .status = "200 OK",
          .headers = "ETag: \"one\"\r\n" },
        { .expect = "HEAD /b/k ", .status = "200 OK", .headers = "Content-Encoding: aws-chunked,x\r\n" },
        { .expect = "HEAD /b/k ", .status = "200 OK", .headers = "Content-Encoding: aws-chunked\r\n" },
    };
    fixture f = { .server = fake_http_script(script, FO_COUNT(script)) };
    finops_object o = { 0 };

    (void)state;
    open_with(&f, &(finops_setting){ "payload_signing", "chunked" }, 1);
    ok(d->put(f.self, &(finops_put){ .key = "k", .size = 9, .content_encoding = "x" }, "123456789", 9, &o,
              &f.err),
       &f.err);
    assert_string_equal(o.checksum, "crc64nvme:ae8b14860a799888");
    finops_object_done(&o);
    ok(d->stat(f.self, "k", NULL, &o, &f.err), &f.err);
    assert_string_equal(o.content_encoding, "x");
    finops_object_done(&o);
    ok(d->stat(f.self, "k", NULL, &o, &f.err), &f.err);
    assert_null(o.content_encoding);
    finops_object_done(&o);
    end(&f);
}

/* The first part may be stored with its frames: it goes once more, and so do all after it, as a whole. */
static void
parts_of_a_service_that_does_not_know_chunks_are_sent_as_a_whole(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "POST /b/k?uploads ", .status = "200 OK", .body = CREATED },
        { .expect = "partNumber=1\nx-amz-trailer: ", .status = "200 OK", .headers = "ETag: \"bad\"\r\n" },
        { .expect = "partNumber=1\nx-amz-content-sha256: "
                    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
          .status = "200 OK",
          .headers = "ETag: \"one\"\r\n" },
        { .expect = "partNumber=2\nx-amz-content-sha256: "
                    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
          .status = "200 OK",
          .headers = "ETag: \"two\"\r\n" },
        { .expect = "<ETag>&quot;one&quot;</ETag>", .status = "200 OK", .body = COMMITTED },
    };
    fixture f = { .server = fake_http_script(script, FO_COUNT(script)) };
    FO_AUTO(fo_freep) char *elsewhere = fo_format("http://0.0.0.0:%d", fake_http_port(f.server));
    finops_upload *u = NULL;

    (void)state;
    open_with(&f, &(finops_setting){ "endpoint_url", elsewhere }, 1);
    ok(d->upload(f.self, &(finops_put){ .key = "k", .size = -1 }, &u, &f.err), &f.err);
    ok(u->part(u, 1, 0, "123456789", 9, NULL, &f.err), &f.err);
    ok(u->part(u, 2, 9, "123456789", 9, NULL, &f.err), &f.err);
    ok(u->commit(u, 2, 18, NULL, NULL, &f.err), &f.err);
    u->close(u);
    end(&f);
}

/* ---- lists ---- */

#define LIST(more)                                                                                           \
    "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" more "</ListBucketResult>"

static void
names_are_unescaped_only_when_the_answer_says_so(void **state)
{
    RUN(f,
        { .expect = "GET /b?encoding-type=url&list-type=2&max-keys=1000 ",
          .status = "200 OK",
          .body = LIST("<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>"
                       "<Contents><Key>a%2Bb</Key></Contents><Contents><Key>a+c</Key></Contents>"
                       "<Contents><Key>a%01</Key></Contents>") },
        { .status = "200 OK",
          .body = LIST("<Contents><Key>a%2Bb</Key></Contents><Contents><Key>a+c</Key></Contents>") },
        { .status = "200 OK",
          .body = LIST("<EncodingType>url</EncodingType><Contents><Key>a b%2B</Key></Contents>") });
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    const finops_list all = { .prefix = "" };

    (void)state;
    ok(d->list(f.self, &all, keys_add, &keys, &f.err), &f.err);
    assert_string_equal(fo_str_z(&keys), "a\x01 a c a+b ");
    fo_str_clear(&keys);
    ok(d->list(f.self, &all, keys_add, &keys, &f.err), &f.err);
    assert_string_equal(fo_str_z(&keys), "a%2Bb a+c ");
    fo_str_clear(&keys);
    ok(d->list(f.self, &all, keys_add, &keys, &f.err), &f.err);
    assert_string_equal(fo_str_z(&keys), "a b%2B "); /* says so and does not do it */
    end(&f);
}

static void
pages_follow_one_another(void **state)
{
    RUN(f,
        { .expect =
              "GET /b?encoding-type=url&list-type=2&max-keys=2&delimiter=%2F&prefix=p%2F&start-after=p%2Fa ",
          .status = "200 OK",
          .body = LIST("<IsTruncated>true</IsTruncated><NextContinuationToken>t+1/=</NextContinuationToken>"
                       "<Contents><Key>p/c</Key><Size>3</Size></Contents>"
                       "<CommonPrefixes><Prefix>p/b/</Prefix></CommonPrefixes>") },
        { .expect = "&continuation-token=t%2B1%2F%3D ",
          .status = "200 OK",
          .body = LIST("<IsTruncated>false</IsTruncated>"
                       "<Contents><Key>p/d</Key></Contents>") });
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    const finops_list list = { .prefix = "p/", .children = true, .page = 2, .start_after = "p/a" };

    (void)state;
    ok(d->list(f.self, &list, keys_add, &keys, &f.err), &f.err);
    assert_string_equal(fo_str_z(&keys), "p/b/ p/c p/d ");
    end(&f);
}

static void
a_listing_that_is_broken_or_goes_nowhere_is_transient(void **state)
{
    RUN(f, { .status = "200 OK", .body = "<ListBucketResult><Contents>" },
        { .status = "200 OK", .body = LIST("<IsTruncated>true</IsTruncated>") },
        { .status = "200 OK", .body = "<!DOCTYPE x [<!ENTITY e \"e\">]><ListBucketResult/>" });
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    const finops_list all = { .prefix = "" };

    (void)state;
    for (int i = 0; i < 3; i++)
        fails(d->list(f.self, &all, keys_add, &keys, &f.err), FINOPS_E_TRANSIENT, &f.err);
    end(&f);
}

static void
note_removed(size_t index, const finops_error *err, void *arg)
{
    fo_str_addf(arg, "%zu=%s ", index, err ? finops_code_name(finops_error_code(err)) : "ok");
}

static void
each_key_of_a_batch_is_told(void **state)
{
    RUN(f,
        { .expect =
              "POST /b?delete= \ncontent-md5: \n<Object><Key>a&amp;b</Key></Object><Object><Key>c&#13;</Key>",
          .status = "200 OK",
          .body = "<DeleteResult><Error><Key>a&amp;b</Key><Code>SlowDown</Code></Error>"
                  "<Error><Key>d</Key><Code>AccessDenied</Code></Error></DeleteResult>" },
        { .expect = "DELETE /b/%01 ", .status = "204 No Content" });
    const char *const keys[] = { "a&b", "c\r", "\x01", "d" };
    FO_AUTO(fo_str_done) fo_str told = FO_STR_INIT;

    (void)state;
    ok(d->remove_many(f.self, keys, 4, NULL, note_removed, &told, &f.err), &f.err);
    assert_string_equal(fo_str_z(&told), "0=throttled 1=ok 3=denied 2=ok ");
    end(&f);
}

/* ---- options ---- */

static void
encryption_and_payment_go_along(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "x-amz-server-side-encryption: aws:kms\nx-amz-server-side-encryption-aws-kms-key-id: k1\n"
                    "x-amz-request-payer: requester\nPUT /b/in/a%20b/k ",
          .status = "200 OK" },
        { .expect =
              "x-amz-server-side-encryption-customer-key: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"
              "x-amz-server-side-encryption-customer-key-md5: ",
          .status = "200 OK" },
    };
    const finops_setting kms[] = { { "sse", "aws:kms" },
                                   { "sse_kms_key_id", "k1" },
                                   { "requester_pays", "true" },
                                   { "prefix", "/in/a b/" } };
    const finops_setting own[] = { { "sse_c_key", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=" } };
    fixture f = { .server = fake_http_script(script, 2) };

    (void)state;
    open_with(&f, kms, 4);
    ok(d->put(f.self, &(finops_put){ .key = "k" }, "x", 1, NULL, &f.err), &f.err);
    d->close(f.self);
    fo_option_clear(d->options, f.config);
    fo_free(f.config);
    open_with(&f, own, 1);
    ok(get(&f, "k"), &f.err);
    end(&f);
}

static void
options_that_cannot_be_are_refused(void **state)
{
    static const finops_setting wrong[] = {
        { "endpoint_url", "ftp://x" },
        { "endpoint_url", "https://u:very-secret@x" },
        { "endpoint_url", "localhost:9000" },
        { "bucket", "a/b" },
        { "bucket", "" },
        { "sse_c_key", "dGlueQ==" },
        { "sse_c_key", "very-secret!" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(wrong); i++) {
        const finops_setting settings[] = { { "bucket", "b" }, wrong[i] };
        void *config = fo_zalloc(d->config_size), *self = NULL;
        finops_error *err = NULL;
        finops_code rc = fo_option_fill(d->options, d->name, settings, 2, config, &err);

        if (rc == FINOPS_OK)
            rc = d->open(config, &self, &err);
        assert_null(strstr(finops_error_text(err), "very-secret"));
        fails(rc, FINOPS_E_CONFIG, &err);
        assert_null(self);
        fo_option_clear(d->options, config);
        fo_free(config);
    }
}

static void
opening_survives_every_failed_allocation(void **state)
{
    static const finops_setting settings[] = { { "bucket", "b" },
                                               { "prefix", "p" },
                                               { "endpoint_url", "https://s3.test:9000/x" },
                                               { "access_key_id", "i" },
                                               { "secret_access_key", "s" },
                                               { "sse_c_key",
                                                 "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=" } };
    void *config = fo_zalloc(d->config_size);
    finops_code rc;
    unsigned n = 0;

    (void)state;
    assert_int_equal(fo_option_fill(d->options, d->name, settings, 6, config, NULL), FINOPS_OK);
    do {
        void *self = NULL;

        fo_mem_fail_at(++n);
        rc = d->open(config, &self, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        assert_true((self != NULL) == (rc == FINOPS_OK));
        d->close(self);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    fo_option_clear(d->options, config);
    fo_free(config);
}

static finops_code
put_and_get(fixture *f)
{
    finops_code rc = d->put(f->self, &(finops_put){ .key = "k", .size = 3 }, "abc", 3, NULL, &f->err);

    return rc == FINOPS_OK ? get(f, "k") : rc;
}

static void
requests_survive_every_failed_allocation(void **state)
{
    static fake_http_step answers[400];
    finops_code rc;
    unsigned n = 0;
    bool failed;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(answers); i++)
        answers[i] = (fake_http_step){ .status = "200 OK",
                                       .headers = "ETag: \"e\"\r\nx-amz-meta-a: b\r\n",
                                       .body = "12" };
    do {
        fixture f = { .server = fake_http_script(answers, FO_COUNT(answers)) };

        open_with(&f, &(finops_setting){ "payload_signing", "chunked" }, 1);
        fo_mem_fail_at(++n);
        rc = put_and_get(&f);
        failed = fo_mem_failed();
        if (rc != FINOPS_OK && rc != FINOPS_E_MEMORY)
            print_error("%u: %s\n", n, finops_error_text(f.err));
        assert_true(rc == FINOPS_OK || (failed && rc == FINOPS_E_MEMORY)); /* a connection may be given up */
        finops_error_freep(&f.err);
        d->close(f.self);
        fo_option_clear(d->options, f.config);
        fo_free(f.config);
        fake_http_stop(f.server);
    } while (failed);
    fo_mem_fail_at(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_and_codes_are_classified),
        cmocka_unit_test(an_error_names_the_request_and_holds_no_secret),
        cmocka_unit_test(what_retry_after_says_is_told),
        cmocka_unit_test(the_region_is_learned_once_and_kept),
        cmocka_unit_test(the_clock_of_the_service_is_learned),
        cmocka_unit_test(the_clock_is_learned_by_two_threads_at_once),
        cmocka_unit_test(a_service_that_refuses_new_headers_gets_md5),
        cmocka_unit_test(a_service_that_ignores_ranges_is_cut_to_the_range),
        cmocka_unit_test(an_answer_of_another_range_is_not_taken),
        cmocka_unit_test(a_flipped_byte_is_corrupt_and_its_block_not_handed_over),
        cmocka_unit_test(a_body_that_ends_early_is_transient),
        cmocka_unit_test(a_missing_bucket_is_told_by_asking_once),
        cmocka_unit_test(a_condition_met_by_an_attempt_that_broke_is_left_to_a_retry),
        cmocka_unit_test(a_commit_that_fails_inside_its_200_is_made_again),
        cmocka_unit_test(a_commit_whose_reply_was_lost_is_known_by_what_lies_there),
        cmocka_unit_test(parts_that_come_at_once_are_all_kept),
        cmocka_unit_test(an_upload_that_others_took_away_is_an_error),
        cmocka_unit_test(content_goes_out_in_signed_chunks),
        cmocka_unit_test(parts_of_a_service_that_does_not_know_chunks_are_sent_as_a_whole),
        cmocka_unit_test(names_are_unescaped_only_when_the_answer_says_so),
        cmocka_unit_test(pages_follow_one_another),
        cmocka_unit_test(a_listing_that_is_broken_or_goes_nowhere_is_transient),
        cmocka_unit_test(each_key_of_a_batch_is_told),
        cmocka_unit_test(encryption_and_payment_go_along),
        cmocka_unit_test(options_that_cannot_be_are_refused),
        cmocka_unit_test(opening_survives_every_failed_allocation),
        cmocka_unit_test(requests_survive_every_failed_allocation),
    };

    return cmocka_run_group_tests_name("storage/s3", tests, NULL, NULL);
}
