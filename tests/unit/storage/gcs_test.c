/* The driver for Google Cloud Storage: claims against OpenSSL, and uploads that are taken in pieces. */
#include "scripted.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "storage/gcs/auth.h"
#include "storage/gcs/driver.h"

#define KIB 1024u

/* ---- claims ---- */

static char *
pem_of(EVP_PKEY *pkey)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *copy;
    long n;

    assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
    n = BIO_get_mem_data(bio, &data);
    copy = fo_strndup(data, (size_t)n);
    BIO_free(bio);
    return copy;
}

static void
a_claim_is_signed_so_that_openssl_takes_it(void **state)
{
    EVP_PKEY *pkey = EVP_RSA_gen(2048);
    FO_AUTO(fo_freep) char *pem = pem_of(pkey);
    FO_AUTO(fo_str_done) fo_str jwt = FO_STR_MAX(10000), part = FO_STR_MAX(10000);
    const gcs_claim claim = { "me@x.iam", "k1", pem, "https://t/token", INT64_C(1700000000000000) };
    finops_error *err = NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    char *first, *second;

    (void)state;
    ok(gcs_jwt(&claim, &jwt, &err), &err);
    assert_null(strpbrk(jwt.data, "+/="));
    first = strchr(jwt.data, '.');
    second = strchr(first + 1, '.');
    assert_true(fo_base64_decode(&part, second + 1));
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey), 1);
    assert_int_equal(EVP_DigestVerify(ctx, (const unsigned char *)part.data, part.len,
                                      (const unsigned char *)jwt.data, (size_t)(second - jwt.data)),
                     1);
    *first = *second = '\0';
    fo_str_clear(&part);
    assert_true(fo_base64_decode(&part, jwt.data));
    assert_string_equal(fo_str_z(&part), "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}");
    fo_str_clear(&part);
    assert_true(fo_base64_decode(&part, first + 1));
    assert_string_equal(
        fo_str_z(&part),
        "{\"iss\":\"me@x.iam\",\"scope\":\"https://www.googleapis.com/auth/devstorage.read_write\","
        "\"aud\":\"https://t/token\",\"iat\":1700000000,\"exp\":1700003600}");
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
}

/* ---- a scripted server ---- */

static void
open_at(scripted *f, const char *file)
{
    const finops_setting settings[] = { { "bucket", "box" },
                                        { "endpoint_url", fake_http_url(f->server) },
                                        { "credentials_file", file } };

    scripted_open(f, settings, file ? 3 : 2);
}

/* Opens with a file of that text, which is gone then. */
static void
open_with_file(scripted *f, const char *text)
{
    char path[] = "/tmp/finops-account-XXXXXX";
    int fd = mkstemp(path);
    ssize_t n = (ssize_t)strlen(text);

    assert_true(fd >= 0 && write(fd, text, (size_t)n) == n && close(fd) == 0);
    open_at(f, path);
    assert_int_equal(unlink(path), 0);
}

static void
a_service_account_shows_its_claim(void **state)
{
    static const fake_http_step script[] = {
        { .expect =
              "POST /token \ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=ey",
          .status = "200 OK",
          .body = "{\"access_token\":\"t1\",\"expires_in\":3599}" },
        { .expect = "DELETE /storage/v1/b/box/o/a?alt=json \nauthorization: Bearer t1",
          .status = "204 No Content" },
    };
    scripted f = scripted_server(&fo_gcs_driver, script, FO_COUNT(script));
    EVP_PKEY *pkey = EVP_RSA_gen(2048);
    FO_AUTO(fo_freep) char *pem = pem_of(pkey);
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(10000);
    char *url = NULL;
    finops_error *err = NULL;

    (void)state;
    fo_str_addf(
        &text,
        "{\"type\":\"service_account\",\"client_email\":\"me\",\"token_uri\":\"%s/token\",\"private_key\":",
        fake_http_url(f.server));
    fo_str_add_json(&text, pem, strlen(pem));
    fo_str_addc(&text, '}');
    open_with_file(&f, fo_str_z(&text));
    ok(fo_gcs_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    ok(fo_gcs_driver.presign(f.self, &(finops_presign){ .key = "a b", .seconds = 60 }, &url, &err), &err);
    assert_non_null(strstr(url, "/box/a%20b?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=me%2F"));
    fo_free(url);
    EVP_PKEY_free(pkey);
    scripted_end(&f);
}

/* One that the service does not take any more is asked for again, once. */
static void
a_user_shows_what_a_login_left(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "POST /token \ngrant_type=refresh_token&client_id=app&client_secret=s3c%2Fret&"
                    "refresh_token=1%2F%2Fr",
          .status = "200 OK",
          .body = "{\"access_token\":\"one\",\"expires_in\":3599}" },
        { .expect = "DELETE /storage/v1/b/box/o/a?alt=json \nauthorization: Bearer one",
          .status = "401 Unauthorized",
          .body = "{\"error\":{\"code\":401,\"message\":\"Invalid Credentials\"}}" },
        { .expect = "POST /token ",
          .status = "200 OK",
          .body = "{\"access_token\":\"two\",\"expires_in\":3599}" },
        { .expect = "DELETE /storage/v1/b/box/o/a?alt=json \nauthorization: Bearer two",
          .status = "204 No Content" },
        { .expect = "DELETE /storage/v1/b/box/o/a?alt=json \nauthorization: Bearer two",
          .status = "401 Unauthorized" },
        { .expect = "POST /token ",
          .status = "400 Bad Request",
          .body = "{\"error\":\"invalid_grant\",\"error_description\":\"Token has been revoked.\"}" },
    };
    scripted f = scripted_server(&fo_gcs_driver, script, FO_COUNT(script));
    FO_AUTO(fo_freep)
    char *text = fo_format("{\"type\":\"authorized_user\",\"token_uri\":\"%s/token\",\"client_id\":\"app\","
                           "\"client_secret\":\"s3c/ret\",\"refresh_token\":\"1//r\"}",
                           fake_http_url(f.server));
    finops_error *err = NULL;

    (void)state;
    open_with_file(&f, text);
    ok(fo_gcs_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    assert_int_equal(fo_gcs_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), FINOPS_E_AUTH);
    assert_non_null(strstr(finops_error_text(err), "invalid_grant: Token has been revoked."));
    assert_null(strstr(finops_error_text(err), "s3c"));
    finops_error_free(err);
    scripted_end(&f);
}

/* https://cloud.google.com/compute/docs/access/authenticate-workloads */
static void
the_machine_gives_tokens_to_who_has_none(void **state)
{
    static const fake_http_step script[] = {
        { .expect =
              "GET /computeMetadata/v1/instance/service-accounts/default/token \nmetadata-flavor: Google",
          .status = "503 Service Unavailable",
          .headers = "Retry-After: 2\r\n" },
        { .expect = "GET /computeMetadata/v1/instance/service-accounts/default/token ",
          .status = "200 OK",
          .body = "{\"access_token\":\"one\",\"expires_in\":3600,\"token_type\":\"Bearer\"}" },
        { .expect = "DELETE /storage/v1/b/box/o/a?alt=json \nauthorization: Bearer one",
          .status = "204 No Content" },
        { .expect = "GET /computeMetadata/v1/instance/service-accounts/default/token ",
          .status = "200 OK",
          .body = "{\"access_token\":\"two\",\"expires_in\":3600}" },
        { .expect = "DELETE /storage/v1/b/box/o/b?alt=json \nauthorization: Bearer two",
          .status = "204 No Content" },
    };
    scripted f = scripted_server(&fo_gcs_driver, script, FO_COUNT(script));
    const finops_setting settings[] = { { "bucket", "box" },
                                        { "endpoint_url", fake_http_url(f.server) },
                                        { "credential", "machine" } };
    finops_error *err = NULL;

    (void)state;
    assert_int_equal(setenv("GCE_METADATA_HOST", fake_http_url(f.server) + strlen("http://"), 1), 0);
    fo_clock_fix(INT64_C(1700000000000000));
    scripted_open(&f, settings, FO_COUNT(settings));
    assert_int_equal(fo_gcs_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), FINOPS_E_TRANSIENT);
    assert_int_equal(finops_error_retry_after(err), 2000000);
    finops_error_freep(&err);
    ok(fo_gcs_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    fo_clock_fix(INT64_C(1700003301000000)); /* five minutes before its end */
    ok(fo_gcs_driver.remove(f.self, &(finops_remove){ .key = "b" }, &err), &err);
    fo_clock_fix(-1);
    assert_int_equal(unsetenv("GCE_METADATA_HOST"), 0);
    scripted_end(&f);
}

/* What the service of the next test says and saw. */
typedef struct session {
    char location[200];
    unsigned char data[2048 * KIB];
    size_t have;        /* bytes it keeps */
    unsigned requests;  /* PUTs so far */
    unsigned take_half; /* of this PUT it keeps the first unit only */
    unsigned cut;       /* this PUT is stored, and its answer lost */
    unsigned nothing;   /* this PUT gets a 308 without Range */
    bool deleted, uneven;
} session;

static void
answer_object(fake_http_conn *conn, const session *s)
{
    char body[200];
    int n = snprintf(body, sizeof(body), "{\"name\":\"k\",\"generation\":\"7\",\"size\":\"%zu\"}", s->have);

    fake_http_reply(conn, "200 OK", "", body, (size_t)n);
}

static void
keep_bytes(session *s, const char *request, const char *range)
{
    size_t first = strtoull(range, NULL, 10), last = strtoull(strchr(range, '-') + 1, NULL, 10);
    const char *body = strstr(request, "\r\n\r\n") + 4;
    size_t n = last + 1 - first;

    if (strstr(range, "/*") && n % (256 * KIB) != 0)
        s->uneven = true;
    if (s->requests == s->take_half)
        n = 256 * KIB;
    assert_true(first == s->have && s->have + n <= sizeof(s->data));
    memcpy(s->data + s->have, body, n);
    s->have += n;
}

static void
serve(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    session *s = arg;
    const char *range = strcasestr(request, "content-range: bytes ");
    char text[100] = "";
    bool last;

    (void)n;
    if (strncmp(request, "POST", 4) == 0) {
        fake_http_reply(conn, "200 OK", s->location, "", 0);
        return;
    }
    if (strncmp(request, "DELETE", 6) == 0) {
        s->deleted = true;
        fake_http_reply(conn, "499 Client Closed Request", "", "", 0);
        return;
    }
    s->requests++;
    range += strlen("content-range: bytes ");
    last = fo_is_digit(strchr(range, '/')[1]);
    if (*range != '*' && s->requests != s->nothing)
        keep_bytes(s, request, range);
    if (s->requests == s->cut) {
        fake_http_then(conn, FAKE_HTTP_CLOSE);
        (void)fake_http_send(conn, "HTTP/1.1 308 Resume\r\nRange: by", 30);
        return;
    }
    if (last && s->have == strtoull(strchr(range, '/') + 1, NULL, 10)) {
        answer_object(conn, s);
        return;
    }
    if (s->have > 0)
        (void)snprintf(text, sizeof(text), "Range: bytes=0-%zu\r\n", s->have - 1);
    fake_http_reply(conn, "308 Resume Incomplete", text, "", 0);
}

static session *
session_new(scripted *f)
{
    session *s = fo_zalloc(sizeof(*s));

    *f = (scripted){ .driver = &fo_gcs_driver, .server = fake_http_start(serve, s) };
    (void)snprintf(s->location, sizeof(s->location), "Location: %s/session\r\n", fake_http_url(f->server));
    open_at(f, NULL);
    return s;
}

/* Parts of odd sizes; a part that fails is sent again, as the layers above do. */
static void
send_all(scripted *f, session *s, unsigned failures)
{
    static const size_t sizes[] = { 300 * KIB, 256 * KIB, 1, 700 * KIB + 3, 5 };
    unsigned char *data = fo_alloc(2048 * KIB);
    finops_upload *u = NULL;
    finops_error *err = NULL;
    finops_object o = { 0 };
    int64_t at = 0;
    finops_code rc;

    for (size_t i = 0; i < 2048 * KIB; i++)
        data[i] = (unsigned char)(i * 31 + i / 251);
    ok(fo_gcs_driver.upload(f->self, &(finops_put){ .key = "k" }, &u, &err), &err);
    for (unsigned i = 0; i < FO_COUNT(sizes); i++) {
        while ((rc = u->part(u, i + 1, at, data + at, sizes[i], NULL, &err)) == FINOPS_E_TRANSIENT &&
               failures > 0) {
            failures--;
            finops_error_freep(&err);
        }
        ok(rc, &err);
        at += (int64_t)sizes[i];
    }
    while ((rc = u->commit(u, FO_COUNT(sizes), at, NULL, &o, &err)) == FINOPS_E_TRANSIENT && failures > 0) {
        failures--;
        finops_error_freep(&err);
    }
    ok(rc, &err);
    assert_int_equal(failures, 0);
    assert_string_equal(o.version, "7");
    finops_object_done(&o);
    u->close(u);
    assert_int_equal(s->have, at);
    assert_memory_equal(s->data, data, s->have);
    assert_false(s->uneven || s->deleted);
    fo_free(data);
}

static void
an_upload_goes_in_whole_units_and_in_order(void **state)
{
    scripted f;
    session *s = session_new(&f);

    (void)state;
    send_all(&f, s, 0);
    scripted_end(&f);
    fo_free(s);
}

static void
an_upload_goes_on_from_where_the_service_is(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 4; at++) {
        scripted f;
        session *s = session_new(&f);

        s->take_half = at == 3 ? 3 : 0; /* the third piece is of several units */
        s->cut = at == 4 ? 0 : at + (at == 3);
        send_all(&f, s, s->cut ? 1 : 0);
        scripted_end(&f);
        fo_free(s);
    }
}

static void
a_308_without_a_range_means_that_nothing_was_stored(void **state)
{
    scripted f;
    session *s = session_new(&f);

    (void)state;
    s->nothing = 1;
    send_all(&f, s, 0);
    scripted_end(&f);
    fo_free(s);
}

static void
an_upload_that_is_closed_is_cancelled(void **state)
{
    scripted f;
    session *s = session_new(&f);
    finops_upload *u = NULL;
    finops_error *err = NULL;

    (void)state;
    ok(fo_gcs_driver.upload(f.self, &(finops_put){ .key = "k" }, &u, &err), &err);
    ok(u->part(u, 1, 0, "1", 1, NULL, &err), &err);
    fails(u->part(u, 3, 1, "1", 1, NULL, &err), FINOPS_E_ARGUMENT, &err);
    u->close(u);
    assert_true(s->deleted);
    scripted_end(&f);
    fo_free(s);
}

static void
a_copy_that_takes_several_steps_goes_on_to_its_end(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "POST /storage/v1/b/box/o/a%2Fb/rewriteTo/b/box/o/c?alt=json ",
          .status = "200 OK",
          .body = "{\"done\":false,\"rewriteToken\":\"x/y\"}" },
        { .expect = "rewriteToken=x%2Fy",
          .status = "200 OK",
          .body = "{\"done\":true,\"resource\":{\"size\":\"3\",\"generation\":\"9\"}}" },
    };
    scripted f = scripted_server(&fo_gcs_driver, script, FO_COUNT(script));
    finops_object o = { 0 };
    finops_error *err = NULL;

    (void)state;
    open_at(&f, NULL);
    ok(fo_gcs_driver.copy(f.self, &(finops_copy){ .from = "a/b", .to = "c" }, &o, &err), &err);
    assert_true(o.size == 3 && strcmp(o.version, "9") == 0);
    finops_object_done(&o);
    scripted_end(&f);
}

/* libcurl sends again what broke off on a kept connection: its first time may have made the object. */
static void
a_creation_whose_connection_broke_is_in_doubt(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "DELETE /storage/v1/b/box/o/k?", .status = "204 No Content" },
        { .expect = "POST /upload/storage/v1/b/box/o?uploadType=multipart&name=k&ifGenerationMatch=0",
          .then = FAKE_HTTP_CUT },
        { .expect = "POST /upload/", .status = "412 Precondition Failed", .body = "{}" },
        { .expect = "POST /upload/", .status = "412 Precondition Failed", .body = "{}" },
    };
    scripted f = scripted_server(&fo_gcs_driver, script, FO_COUNT(script));
    const finops_put put = { .key = "k", .create_only = true };
    finops_error *err = NULL;

    (void)state;
    open_at(&f, NULL);
    ok(fo_gcs_driver.remove(f.self, &(finops_remove){ .key = "k" }, &err), &err);
    fails(fo_gcs_driver.put(f.self, &put, "1", 1, NULL, &err), FINOPS_E_TRANSIENT, &err);
    fails(fo_gcs_driver.put(f.self, &put, "1", 1, NULL, &err), FINOPS_E_EXISTS, &err);
    scripted_end(&f);
}

/* Neither the emulator nor a proxy before the service may look at them. */
static void
a_condition_nobody_looked_at_is_checked_against_what_came(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "GET /storage/v1/b/box/o/k?alt=media&ifGenerationMatch=1 ",
          .status = "200 OK",
          .headers = "x-goog-generation: 2\r\n",
          .body = "new" },
        { .expect = "GET /storage/v1/b/box/o/k?alt=media&ifGenerationNotMatch=2 ",
          .status = "200 OK",
          .headers = "x-goog-generation: 2\r\n",
          .body = "new" },
    };
    scripted f = scripted_server(&fo_gcs_driver, script, FO_COUNT(script));
    finops_reader *r = NULL;
    finops_error *err = NULL;

    (void)state;
    open_at(&f, NULL);
    fails(fo_gcs_driver.read(f.self, &(finops_get){ .key = "k", .length = -1, .if_version = "1" }, &r, &err),
          FINOPS_E_PRECONDITION, &err);
    fails(fo_gcs_driver.read(f.self, &(finops_get){ .key = "k", .length = -1, .unless_version = "2" }, &r,
                             &err),
          FINOPS_E_UNCHANGED, &err);
    scripted_end(&f);
}

static void
a_listing_that_is_broken_ends_with_an_error(void **state)
{
    static const fake_http_step script[] = {
        { .status = "200 OK", .body = "{\"items\":[{\"name\":\"a\"}],\"nextPageToken\":\"t\"}" },
        { .expect = "&pageToken=t ",
          .status = "200 OK",
          .body = "{\"items\":[{\"name\":\"b\"}],\"nextPageToken\":\"t\"}" },
        { .status = "200 OK", .body = "{\"items\":[{\"name\":" },
    };
    static const char *const told[] = { "a ", "" };
    scripted f = scripted_server(&fo_gcs_driver, script, FO_COUNT(script));
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_MAX(1000);
    finops_error *err = NULL;

    (void)state;
    open_at(&f, NULL);
    for (size_t i = 0; i < FO_COUNT(told); i++) {
        fo_str_clear(&keys);
        fails(fo_gcs_driver.list(f.self, &(finops_list){ .prefix = "" }, keys_add, &keys, &err),
              FINOPS_E_TRANSIENT, &err);
        assert_string_equal(fo_str_z(&keys), told[i]);
    }
    scripted_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_claim_is_signed_so_that_openssl_takes_it),
        cmocka_unit_test(a_service_account_shows_its_claim),
        cmocka_unit_test(a_user_shows_what_a_login_left),
        cmocka_unit_test(the_machine_gives_tokens_to_who_has_none),
        cmocka_unit_test(an_upload_goes_in_whole_units_and_in_order),
        cmocka_unit_test(an_upload_goes_on_from_where_the_service_is),
        cmocka_unit_test(a_308_without_a_range_means_that_nothing_was_stored),
        cmocka_unit_test(an_upload_that_is_closed_is_cancelled),
        cmocka_unit_test(a_copy_that_takes_several_steps_goes_on_to_its_end),
        cmocka_unit_test(a_listing_that_is_broken_ends_with_an_error),
        cmocka_unit_test(a_creation_whose_connection_broke_is_in_doubt),
        cmocka_unit_test(a_condition_nobody_looked_at_is_checked_against_what_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
