/* The S3 driver against answers that real servers give rarely; s3_write_test.c has writing, s3_threads_test.c
 * many threads. */
#include "s3_test.h"

#include "base/clock.h"

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
        scripted f = begun(&rows[i].step, 1);

        fails(get(&f, "k"), rows[i].code, &f.err);
        scripted_end(&f);
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
    scripted_end(&f);
}

static void
what_retry_after_says_is_told(void **state)
{
    RUN(f, { .status = "503 Slow Down", .headers = "Retry-After: 7\r\n" });

    (void)state;
    assert_int_equal(get(&f, "k"), FINOPS_E_THROTTLED);
    assert_true(finops_error_retry_after(f.err) == 7000000);
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
}

static void
a_body_that_ends_early_is_transient(void **state)
{
    RUN(f, { .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", .then = FAKE_HTTP_CLOSE });

    (void)state;
    fails(get(&f, "k"), FINOPS_E_TRANSIENT, &f.err);
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted_end(&f);
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
    scripted f = scripted_server(d, script, 2);

    (void)state;
    open_with(&f, kms, 4);
    ok(d->put(f.self, &(finops_put){ .key = "k" }, "x", 1, NULL, &f.err), &f.err);
    open_with(&f, own, 1);
    ok(get(&f, "k"), &f.err);
    scripted_end(&f);
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
put_and_get(scripted *f)
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
        scripted f = scripted_server(d, answers, FO_COUNT(answers));

        open_with(&f, &(finops_setting){ "payload_signing", "chunked" }, 1);
        fo_mem_fail_at(++n);
        rc = put_and_get(&f);
        failed = fo_mem_failed();
        if (rc != FINOPS_OK && rc != FINOPS_E_MEMORY)
            print_error("%u: %s\n", n, finops_error_text(f.err));
        assert_true(rc == FINOPS_OK || (failed && rc == FINOPS_E_MEMORY)); /* a connection may be given up */
        finops_error_freep(&f.err);
        d->close(f.self);
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
        cmocka_unit_test(a_service_that_refuses_new_headers_gets_md5),
        cmocka_unit_test(a_service_that_ignores_ranges_is_cut_to_the_range),
        cmocka_unit_test(an_answer_of_another_range_is_not_taken),
        cmocka_unit_test(a_flipped_byte_is_corrupt_and_its_block_not_handed_over),
        cmocka_unit_test(a_body_that_ends_early_is_transient),
        cmocka_unit_test(a_missing_bucket_is_told_by_asking_once),
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
