/* The driver for Azure against answers that only a scripted server gives. */
#include "azure_test.h"

#include <stdio.h>

static scripted
start(const fake_http_step *script, size_t n)
{
    scripted f = scripted_server(&fo_azure_driver, script, n);
    const finops_setting settings[] = { { "container", "box" },
                                        { "account", "acct" },
                                        { "account_key", EMULATOR_KEY },
                                        { "endpoint_url", fake_http_url(f.server) } };

    scripted_open(&f, settings, FO_COUNT(settings));
    return f;
}

static void
names_that_xml_cannot_hold_are_decoded_when_the_reply_says_so(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "GET /box?restype=container&comp=list",
          .status = "200 OK",
          .body = "<EnumerationResults><Blobs><Blob><Name Encoded=\"true\">a%01b</Name></Blob>"
                  "<Blob><Name>a%01b</Name></Blob></Blobs><NextMarker/></EnumerationResults>" },
    };
    scripted f = start(script, FO_COUNT(script));
    fo_str keys = FO_STR_MAX(1000);
    finops_error *err = NULL;

    (void)state;
    ok(fo_azure_driver.list(f.self, &(finops_list){ .prefix = "" }, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "a\x01"
                                         "b a%01b ");
    fo_str_done(&keys);
    scripted_end(&f);
}

static void
a_listing_that_is_broken_ends_with_an_error(void **state)
{
#define PAGE(blobs)                                                                                          \
    "<EnumerationResults><Blobs>" blobs "</Blobs><NextMarker>m</NextMarker></EnumerationResults>"
    static const fake_http_step script[] = {
        { .status = "200 OK", .body = PAGE("<Blob><Name>a</Name></Blob>") },
        { .expect = "&marker=m ", .status = "200 OK", .body = PAGE("<Blob><Name>b</Name></Blob>") },
        { .status = "200 OK", .body = PAGE("<Blob><Properties/></Blob>") },
        { .status = "200 OK", .body = "<EnumerationResults><Blobs>" },
    };
    static const char *const told[] = { "a ", "", "" };
    scripted f = start(script, FO_COUNT(script));
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_MAX(1000);
    finops_error *err = NULL;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(told); i++) {
        fo_str_clear(&keys);
        fails(fo_azure_driver.list(f.self, &(finops_list){ .prefix = "" }, keys_add, &keys, &err),
              FINOPS_E_TRANSIENT, &err);
        assert_string_equal(fo_str_z(&keys), told[i]);
    }
    scripted_end(&f);
}

static void
errors_are_told_apart_by_their_code(void **state)
{
    static const struct row {
        const char *status, *code;
        finops_code want;
    } rows[] = {
        { "404 x", "ContainerNotFound", FINOPS_E_CONFIG },
        { "404 x", "BlobNotFound", FINOPS_E_NOT_FOUND },
        { "403 x", "AuthenticationFailed", FINOPS_E_AUTH },
        { "403 x", "AuthorizationPermissionMismatch", FINOPS_E_DENIED },
        { "412 x", "LeaseIdMissing", FINOPS_E_PRECONDITION },
        { "409 x", "BlobAlreadyExists", FINOPS_E_EXISTS },
        { "503 x", "ServerBusy", FINOPS_E_THROTTLED },
        { "500 x", "OperationTimedOut", FINOPS_E_TRANSIENT },
        { "400 x", "Md5Mismatch", FINOPS_E_CORRUPT },
        { "400 x", "InvalidHeaderValue", FINOPS_E_ARGUMENT },
        { "502 x", "", FINOPS_E_TRANSIENT },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        char headers[200];
        finops_error *err = NULL;
        finops_object o;
        fake_http_step step = { .expect = "PUT /box/k ", .status = rows[i].status, .headers = headers };
        scripted f;

        (void)snprintf(headers, sizeof(headers), "x-ms-error-code: %s\r\nx-ms-retry-after-ms: 250\r\n",
                       rows[i].code);
        f = start(&step, 1);
        assert_int_equal(fo_azure_driver.put(f.self, &(finops_put){ .key = "k" }, "1", 1, &o, &err),
                         rows[i].want);
        assert_int_equal(finops_error_retry_after(err), 250000);
        finops_error_free(err);
        scripted_end(&f);
    }
}

/* libcurl sends again what broke off on a kept connection: its first time may have made the object. */
static void
a_creation_whose_connection_broke_is_in_doubt(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "DELETE /box/k ", .status = "202 Accepted" },
        { .expect = "PUT /box/k \nif-none-match: *", .then = FAKE_HTTP_CUT },
        { .expect = "PUT /box/k ", .status = "409 x", .headers = "x-ms-error-code: BlobAlreadyExists\r\n" },
        { .expect = "PUT /box/k ", .status = "409 x", .headers = "x-ms-error-code: BlobAlreadyExists\r\n" },
    };
    scripted f = start(script, FO_COUNT(script));
    const finops_put put = { .key = "k", .create_only = true };
    finops_error *err = NULL;

    (void)state;
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "k" }, &err), &err);
    fails(fo_azure_driver.put(f.self, &put, "1", 1, NULL, &err), FINOPS_E_TRANSIENT, &err);
    fails(fo_azure_driver.put(f.self, &put, "1", 1, NULL, &err), FINOPS_E_EXISTS, &err);
    scripted_end(&f);
}

/* The commit came through, its answer did not; asked again, the service knows no such blocks any more. */
static void
a_commit_whose_answer_was_lost_is_known_by_its_blocks(void **state)
{
    static const fake_http_step commit = { .expect = "PUT /box/k?comp=blocklist", .then = FAKE_HTTP_CUT };
    finops_upload *u = NULL;
    finops_error *err = NULL;
    finops_object o = { 0 };
    char listed[500], id[100];
    fake_http_step script[] = {
        { .expect = "PUT /box/k?comp=block&blockid=", .status = "201 Created", .then = FAKE_HTTP_CLOSE },
        commit,
        { .expect = "PUT /box/k?comp=blocklist",
          .status = "400 x",
          .headers = "x-ms-error-code: InvalidBlockList\r\n" },
        { .expect = "GET /box/k?comp=blocklist&blocklisttype=committed", .status = "200 OK", .body = listed },
        { .expect = "HEAD /box/k ", .status = "200 OK", .headers = "ETag: \"0x1\"\r\n" },
    };
    scripted f = start(script, FO_COUNT(script));
    finops_code rc;
    const char *sent;

    (void)state;
    ok(fo_azure_driver.upload(f.self, &(finops_put){ .key = "k" }, &u, &err), &err);
    ok(u->part(u, 1, 0, "1", 1, NULL, &err), &err);
    sent = strstr(fake_http_request(f.server, 0), "blockid=") + strlen("blockid=");
    (void)snprintf(id, sizeof(id), "%.*s", (int)strcspn(sent, " "), sent);
    assert_null(strchr(id, '%'));
    (void)snprintf(listed, sizeof(listed),
                   "<BlockList><CommittedBlocks><Block><Name>%s</Name><Size>1</Size></Block>"
                   "</CommittedBlocks></BlockList>",
                   id);
    rc = u->commit(u, 1, 1, NULL, &o, &err);
    fails(rc, FINOPS_E_TRANSIENT, &err);
    ok(u->commit(u, 1, 1, NULL, &o, &err), &err);
    assert_string_equal(o.etag, "0x1");
    finops_object_done(&o);
    u->close(u);
    scripted_end(&f);
}

static void
a_commit_that_lost_to_another_writer_is_told(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "PUT /box/k?comp=block&blockid=", .status = "201 Created" },
        { .expect = "PUT /box/k?comp=blocklist",
          .status = "400 x",
          .headers = "x-ms-error-code: InvalidBlockList\r\n" },
        { .expect = "GET /box/k?comp=blocklist&blocklisttype=committed",
          .status = "200 OK",
          .body = "<BlockList><CommittedBlocks><Block><Name>eA==</Name><Size>1</Size></Block>"
                  "</CommittedBlocks></BlockList>" },
    };
    scripted f = start(script, FO_COUNT(script));
    finops_upload *u = NULL;
    finops_error *err = NULL;

    (void)state;
    ok(fo_azure_driver.upload(f.self, &(finops_put){ .key = "k" }, &u, &err), &err);
    ok(u->part(u, 1, 0, "1", 1, NULL, &err), &err);
    fails(u->commit(u, 1, 1, NULL, NULL, &err), FINOPS_E_NOT_FOUND, &err);
    u->close(u);
    scripted_end(&f);
}

static void
a_copy_that_is_pending_is_waited_for(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "PUT /box/b ",
          .status = "202 Accepted",
          .headers = "x-ms-copy-id: 1-2\r\nx-ms-copy-status: pending\r\n" },
        { .expect = "HEAD /box/b ", .status = "200 OK", .headers = "x-ms-copy-status: pending\r\n" },
        { .expect = "HEAD /box/b ", .status = "200 OK", .headers = "x-ms-copy-status: success\r\n" },
    };
    scripted f = start(script, FO_COUNT(script));
    finops_error *err = NULL;

    (void)state;
    ok(fo_azure_driver.copy(f.self, &(finops_copy){ .from = "a", .to = "b" }, NULL, &err), &err);
    assert_non_null(strstr(fake_http_request(f.server, 0), "/box/a\r\n"));
    scripted_end(&f);
}

/* A body that ends early, and one byte that changed on the way. */
static void
what_comes_wrong_is_never_given_as_right(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "GET /box/k ",
          .status = "200 OK",
          .headers = "ETag: \"1\"\r\nx-ms-meta-finops_crc64nvme: ae8b14860a799888\r\n",
          .body = "123456789" },
        { .expect = "GET /box/k ",
          .status = "200 OK",
          .headers = "ETag: \"1\"\r\nx-ms-meta-finops_crc64nvme: ae8b14860a799888\r\n",
          .body = "123456788" },
        { .expect = "GET /box/k ",
          .raw = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1234",
          .then = FAKE_HTTP_CLOSE },
        { .expect = "GET /box/k \nx-ms-range: bytes=2-4", .status = "200 OK", .body = "123456789" },
    };
    scripted f = start(script, FO_COUNT(script));
    fo_str text = FO_STR_MAX(100);
    finops_error *err = NULL;
    finops_reader *r = NULL;
    char block[100];
    size_t n;

    (void)state;
    ok(fo_azure_driver.read(f.self, &(finops_get){ .key = "k", .length = -1 }, &r, &err), &err);
    reader_text(r, &text);
    assert_string_equal(fo_str_z(&text), "123456789");
    ok(fo_azure_driver.read(f.self, &(finops_get){ .key = "k", .length = -1 }, &r, &err), &err);
    fails(r->read(r, block, sizeof(block), &n, &err), FINOPS_E_CORRUPT, &err);
    r->close(r);
    ok(fo_azure_driver.read(f.self, &(finops_get){ .key = "k", .length = -1 }, &r, &err), &err);
    ok(r->read(r, block, sizeof(block), &n, &err), &err);
    assert_int_equal(n, 4);
    fails(r->read(r, block, sizeof(block), &n, &err), FINOPS_E_TRANSIENT, &err);
    r->close(r);
    ok(fo_azure_driver.read(f.self, &(finops_get){ .key = "k", .offset = 2, .length = 3 }, &r, &err), &err);
    reader_text(r, &text);
    assert_string_equal(fo_str_z(&text), "345");
    fo_str_done(&text);
    scripted_end(&f);
}

/* ---- accounts with folders ---- */

static void
a_move_is_a_rename_and_makes_the_folder_it_needs(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "PUT /box/b/c \nx-ms-rename-source: /box/a%20b",
          .status = "404 x",
          .headers = "x-ms-error-code: RenameDestinationParentPathNotFound\r\n" },
        { .expect = "PUT /box/b?resource=directory \nif-none-match: *", .status = "201 Created" },
        { .expect = "PUT /box/b/c \nx-ms-rename-source: /box/a%20b\nif-none-match: *",
          .status = "201 Created" },
        { .expect = "PUT /box/b/c ", .status = "409 x", .headers = "x-ms-error-code: PathAlreadyExists\r\n" },
        { .expect = "PUT /box/b/c ",
          .status = "404 x",
          .headers = "x-ms-error-code: SourcePathNotFound\r\n" },
        { .expect = "HEAD /box/b ", .status = "200 OK", .headers = "x-ms-resource-type: directory\r\n" },
        { .expect = "GET /box?restype=container&comp=list",
          .status = "200 OK",
          .body = "<EnumerationResults><Blobs><Blob><Name>b</Name><Properties><ResourceType>directory"
                  "</ResourceType></Properties></Blob><Blob><Name>b/c</Name></Blob></Blobs>"
                  "</EnumerationResults>" },
    };
    scripted f = scripted_server(&fo_azure_driver, script, FO_COUNT(script));
    const finops_setting settings[] = { { "container", "box@acct.dfs.core.windows.net" },
                                        { "account_key", EMULATOR_KEY },
                                        { "endpoint_url", fake_http_url(f.server) } };
    finops_error *err = NULL;
    finops_object o = { 0 };
    fo_str keys = FO_STR_MAX(1000);
    const finops_copy move = { .from = "a b", .to = "b/c", .create_only = true };

    (void)state;
    scripted_open(&f, settings, FO_COUNT(settings));
    assert_true(fo_azure_driver.features(f.self) & FINOPS_STORAGE_MOVE);
    ok(fo_azure_driver.move(f.self, &move, &err), &err);
    fails(fo_azure_driver.move(f.self, &move, &err), FINOPS_E_EXISTS, &err);
    fails(fo_azure_driver.move(f.self, &move, &err), FINOPS_E_NOT_FOUND, &err);
    fails(fo_azure_driver.stat(f.self, "b", NULL, &o, &err), FINOPS_E_NOT_FOUND, &err);
    ok(fo_azure_driver.list(f.self, &(finops_list){ .prefix = "" }, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "b/c ");
    fo_str_done(&keys);
    scripted_end(&f);
}

static scripted
start_with_folders(const fake_http_step *script, size_t n)
{
    scripted f = scripted_server(&fo_azure_driver, script, n);
    const finops_setting settings[] = { { "container", "box@acct.dfs.core.windows.net" },
                                        { "prefix", "lake" },
                                        { "sas_token", "sv=1&sig=s3cret" },
                                        { "endpoint_url", fake_http_url(f.server) } };

    scripted_open(&f, settings, FO_COUNT(settings));
    return f;
}

static void
a_folder_is_no_object(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "GET /box/lake/d?", .status = "200 OK", .headers = "x-ms-resource-type: directory\r\n" },
        { .expect = "HEAD /box/lake/d?", .status = "200 OK", .headers = "x-ms-meta-hdi_isfolder: true\r\n" },
        { .expect = "HEAD /box/lake/d?", .status = "200 OK", .headers = "x-ms-resource-type: directory\r\n" },
        { .expect = "PUT /box/lake/d?",
          .status = "409 x",
          .headers = "x-ms-error-code: ResourceTypeMismatch\r\n" },
        { .expect = "DELETE /box/lake/d?",
          .status = "409 x",
          .headers = "x-ms-error-code: DirectoryIsNotEmpty\r\n" },
    };
    scripted f = start_with_folders(script, FO_COUNT(script));
    finops_get get = { .key = "d", .length = -1 };
    finops_error *err = NULL;
    finops_reader *r = NULL;
    finops_object o;

    (void)state;
    fails(fo_azure_driver.read(f.self, &get, &r, &err), FINOPS_E_ARGUMENT, &err);
    get.length = 0;
    fails(fo_azure_driver.read(f.self, &get, &r, &err), FINOPS_E_ARGUMENT, &err);
    fails(fo_azure_driver.stat(f.self, "d", NULL, &o, &err), FINOPS_E_NOT_FOUND, &err);
    fails(fo_azure_driver.put(f.self, &(finops_put){ .key = "d" }, "1", 1, NULL, &err), FINOPS_E_ARGUMENT,
          &err);
    fails(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "d" }, &err), FINOPS_E_ARGUMENT, &err);
    scripted_end(&f);
}

/* They would be cleaned on the way, and be other keys. */
static void
keys_of_accounts_with_folders_are_paths(void **state)
{
    static const char *const keys[] = { "a//b", "/a", "a/", ".", "a/../b", "a/./b", "a\\b" };
    scripted f = start_with_folders(NULL, 0);
    finops_error *err = NULL;
    finops_object o;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(keys); i++) {
        fails(fo_azure_driver.stat(f.self, keys[i], NULL, &o, &err), FINOPS_E_ARGUMENT, &err);
        fails(fo_azure_driver.put(f.self, &(finops_put){ .key = keys[i] }, "1", 1, NULL, &err),
              FINOPS_E_ARGUMENT, &err);
    }
    for (size_t i = 0; i + 1 < FO_COUNT(keys); i++)
        fails(fo_azure_driver.move(f.self, &(finops_copy){ .from = keys[i], .to = "b" }, &err),
              FINOPS_E_ARGUMENT, &err);
    scripted_end(&f);
}

/* Sent a second time, it would find nothing to rename and say that there was nothing. */
static void
a_rename_is_never_sent_again_by_itself(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "DELETE /box/lake/a?", .status = "202 Accepted" },
        { .expect = "PUT /box/lake/b?sv=1&sig=s3cret \nx-ms-rename-source: /box/lake/a?sv=1&sig=s3cret\n"
                    "x-ms-source-if-match: \"0x1\"",
          .then = FAKE_HTTP_CUT },
        { .expect = "PUT /box/lake/b?",
          .status = "412 x",
          .headers = "x-ms-error-code: SourceConditionNotMet\r\n" },
    };
    scripted f = start_with_folders(script, FO_COUNT(script));
    const finops_copy move = { .from = "a", .to = "b", .if_version = "0x1" };
    finops_error *err = NULL;

    (void)state;
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    assert_int_equal(fo_azure_driver.move(f.self, &move, &err), FINOPS_E_TRANSIENT);
    assert_null(strstr(finops_error_text(err), "s3cret"));
    finops_error_freep(&err);
    assert_int_equal(fo_azure_driver.move(f.self, &move, &err), FINOPS_E_PRECONDITION);
    assert_null(strstr(finops_error_text(err), "s3cret"));
    finops_error_freep(&err);
    scripted_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_xml_cannot_hold_are_decoded_when_the_reply_says_so),
        cmocka_unit_test(a_listing_that_is_broken_ends_with_an_error),
        cmocka_unit_test(errors_are_told_apart_by_their_code),
        cmocka_unit_test(a_creation_whose_connection_broke_is_in_doubt),
        cmocka_unit_test(a_commit_whose_answer_was_lost_is_known_by_its_blocks),
        cmocka_unit_test(a_commit_that_lost_to_another_writer_is_told),
        cmocka_unit_test(a_copy_that_is_pending_is_waited_for),
        cmocka_unit_test(what_comes_wrong_is_never_given_as_right),
        cmocka_unit_test(a_folder_is_no_object),
        cmocka_unit_test(keys_of_accounts_with_folders_are_paths),
        cmocka_unit_test(a_rename_is_never_sent_again_by_itself),
        cmocka_unit_test(a_move_is_a_rename_and_makes_the_folder_it_needs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
