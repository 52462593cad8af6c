/* The S3 driver: objects in one request and in parts, when services and other writers get in the way. */
#include "s3_test.h"

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
    scripted_end(&f);
}

static finops_upload *
upload_one(scripted *f, const finops_put *put)
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted f = scripted_server(d, script, FO_COUNT(script));
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
    scripted_end(&f);
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
    scripted f = scripted_server(d, script, FO_COUNT(script));
    FO_AUTO(fo_freep) char *elsewhere = fo_format("http://0.0.0.0:%d", fake_http_port(f.server));
    finops_upload *u = NULL;

    (void)state;
    open_with(&f, &(finops_setting){ "endpoint_url", elsewhere }, 1);
    ok(d->upload(f.self, &(finops_put){ .key = "k", .size = -1 }, &u, &f.err), &f.err);
    ok(u->part(u, 1, 0, "123456789", 9, NULL, &f.err), &f.err);
    ok(u->part(u, 2, 9, "123456789", 9, NULL, &f.err), &f.err);
    ok(u->commit(u, 2, 18, NULL, NULL, &f.err), &f.err);
    u->close(u);
    scripted_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_condition_met_by_an_attempt_that_broke_is_left_to_a_retry),
        cmocka_unit_test(a_commit_that_fails_inside_its_200_is_made_again),
        cmocka_unit_test(a_commit_whose_reply_was_lost_is_known_by_what_lies_there),
        cmocka_unit_test(an_upload_that_others_took_away_is_an_error),
        cmocka_unit_test(content_goes_out_in_signed_chunks),
        cmocka_unit_test(parts_of_a_service_that_does_not_know_chunks_are_sent_as_a_whole),
    };

    return cmocka_run_group_tests_name("storage/s3_write", tests, NULL, NULL);
}
