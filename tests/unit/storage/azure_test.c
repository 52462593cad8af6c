/* The driver for Azure: signatures as published, and what only a scripted server says. */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "storage/azure/auth.h"
#include "storage/azure/driver.h"
#include "storage_test.h"
#include "support/fake_http.h"

#define EMULATOR_KEY                                                                                         \
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

/* ---- signatures ---- */

static azure_auth *
auth_of_key(const char *account, const char *key)
{
    finops_error *err = NULL;
    azure_auth *auth = NULL;
    fo_http_client *unused = NULL;
    azure_auth_config config = { .account = fo_strdup(account), .account_key = fo_strdup(key) };

    ok(fo_http_client_new(NULL, &unused, &err), &err);
    ok(azure_auth_new(&config, unused, &auth, &err), &err);
    fo_http_client_free(unused);
    fo_free(config.account);
    fo_free(config.account_key);
    return auth;
}

/* https://github.com/Azure/azure-storage-node/blob/master/test/common/sharedkey-tests.js */
static void
a_request_is_signed_as_microsofts_own_library_signs_it(void **state)
{
    azure_auth *auth = auth_of_key("devstoreaccount1", EMULATOR_KEY);
    fo_headers headers = { 0 };
    fo_str text = FO_STR_MAX(1000);
    finops_error *err = NULL;
    const azure_signed request = {
        .method = "GET", .path = "container", .query = "restype=container", .headers = &headers
    };

    (void)state;
    fo_headers_add(&headers, "x-ms-version", "2015-12-11");
    fo_headers_add(&headers, "x-ms-date", "Fri, 23 Sep 2011 01:37:34 GMT");
    ok(azure_sign(&auth->key, &request, &text, &err), &err);
    assert_string_equal(fo_str_z(&text),
                        "SharedKey devstoreaccount1:NcwivCxw8cocF574jVXvZhhRw63VtDIAF2IUobuj52k=");
    fo_str_done(&text);
    azure_auth_free(auth);
}

/* https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key */
static void
what_is_signed_is_what_the_documentation_shows(void **state)
{
    static const struct row {
        const char *method, *path, *query;
        fo_http_header headers[5];
        size_t body_size;
        const char *text;
    } rows[] = {
        { "GET",
          "/mycontainer",
          "restype=container&comp=metadata&timeout=20",
          { { "x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT" }, { "x-ms-version", "2015-02-21" } },
          0,
          "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
          "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20" },
        { "GET",
          "/mycontainer",
          "restype=container&comp=list&include=snapshots&include=metadata&include=uncommittedblobs",
          { { "x-ms-version", "2015-02-21" }, { "X-Ms-Date", "Fri, 26 Jun 2015 23:39:12 GMT" } },
          0,
          "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
          "/myaccount/mycontainer\ncomp:list\ninclude:metadata,snapshots,uncommittedblobs\n"
          "restype:container" },
        { "PUT",
          "/my%20container/a%2Bb",
          "comp=block&blockid=YQ%3D%3D",
          { { "content-type", "text/plain" },
            { "if-match", "\"x\"" },
            { "x-ms-meta-a_b", "2" },
            { "x-ms-meta-a1", "3" },
            { "x-ms-meta-a", "1" } },
          12,
          "PUT\n\n\n12\n\ntext/plain\n\n\n\"x\"\n\n\n\nx-ms-meta-a:1\nx-ms-meta-a_b:2\nx-ms-meta-a1:3\n"
          "/myaccount/my%20container/a%2Bb\nblockid:YQ==\ncomp:block" },
    };
    azure_auth *auth = auth_of_key("myaccount", EMULATOR_KEY);
    finops_error *err = NULL;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        fo_headers headers = { 0 };
        fo_str text = FO_STR_MAX(1000);
        const azure_signed request = { .method = rows[i].method,
                                       .path = rows[i].path,
                                       .query = rows[i].query,
                                       .headers = &headers,
                                       .body_size = rows[i].body_size };

        for (size_t j = 0; j < FO_COUNT(rows[i].headers) && rows[i].headers[j].name; j++)
            fo_headers_add(&headers, rows[i].headers[j].name, rows[i].headers[j].value);
        ok(azure_text_to_sign(&auth->key, &request, &text, &err), &err);
        assert_string_equal(fo_str_z(&text), rows[i].text);
        fo_str_done(&text);
    }
    azure_auth_free(auth);
}

/* ---- a scripted server ---- */

typedef struct fixture {
    fake_http *server;
    void *self;
} fixture;

static void *
open_with(const finops_setting *settings, size_t n)
{
    void *config = fo_zalloc(fo_azure_driver.config_size), *self = NULL;
    finops_error *err = NULL;

    ok(fo_option_fill(fo_azure_driver.options, "azure", settings, n, config, &err), &err);
    ok(fo_azure_driver.open(config, &self, &err), &err);
    fo_option_clear(fo_azure_driver.options, config);
    fo_free(config);
    return self;
}

static fixture
start(const fake_http_step *script, size_t n)
{
    fixture f = { .server = fake_http_script(script, n) };
    const finops_setting settings[] = { { "container", "box" },
                                        { "account", "acct" },
                                        { "account_key", EMULATOR_KEY },
                                        { "endpoint_url", fake_http_url(f.server) } };

    f.self = open_with(settings, FO_COUNT(settings));
    return f;
}

static void
stop(fixture *f)
{
    if (fake_http_problem(f->server))
        print_error("%s\n", fake_http_problem(f->server));
    assert_null(fake_http_problem(f->server));
    fo_azure_driver.close(f->self);
    fake_http_stop(f->server);
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
    fixture f = start(script, FO_COUNT(script));
    fo_str keys = FO_STR_MAX(1000);
    finops_error *err = NULL;

    (void)state;
    ok(fo_azure_driver.list(f.self, &(finops_list){ .prefix = "" }, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "a\x01"
                                         "b a%01b ");
    fo_str_done(&keys);
    stop(&f);
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
    fixture f = start(script, FO_COUNT(script));
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_MAX(1000);
    finops_error *err = NULL;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(told); i++) {
        fo_str_clear(&keys);
        fails(fo_azure_driver.list(f.self, &(finops_list){ .prefix = "" }, keys_add, &keys, &err),
              FINOPS_E_TRANSIENT, &err);
        assert_string_equal(fo_str_z(&keys), told[i]);
    }
    stop(&f);
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
        fixture f;

        (void)snprintf(headers, sizeof(headers), "x-ms-error-code: %s\r\nx-ms-retry-after-ms: 250\r\n",
                       rows[i].code);
        f = start(&step, 1);
        assert_int_equal(fo_azure_driver.put(f.self, &(finops_put){ .key = "k" }, "1", 1, &o, &err),
                         rows[i].want);
        assert_int_equal(finops_error_retry_after(err), 250000);
        finops_error_free(err);
        stop(&f);
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
    fixture f = start(script, FO_COUNT(script));
    const finops_put put = { .key = "k", .create_only = true };
    finops_error *err = NULL;

    (void)state;
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "k" }, &err), &err);
    fails(fo_azure_driver.put(f.self, &put, "1", 1, NULL, &err), FINOPS_E_TRANSIENT, &err);
    fails(fo_azure_driver.put(f.self, &put, "1", 1, NULL, &err), FINOPS_E_EXISTS, &err);
    stop(&f);
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
    fixture f = start(script, FO_COUNT(script));
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
    stop(&f);
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
    fixture f = start(script, FO_COUNT(script));
    finops_upload *u = NULL;
    finops_error *err = NULL;

    (void)state;
    ok(fo_azure_driver.upload(f.self, &(finops_put){ .key = "k" }, &u, &err), &err);
    ok(u->part(u, 1, 0, "1", 1, NULL, &err), &err);
    fails(u->commit(u, 1, 1, NULL, NULL, &err), FINOPS_E_NOT_FOUND, &err);
    u->close(u);
    stop(&f);
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
    fixture f = start(script, FO_COUNT(script));
    finops_error *err = NULL;

    (void)state;
    ok(fo_azure_driver.copy(f.self, &(finops_copy){ .from = "a", .to = "b" }, NULL, &err), &err);
    assert_non_null(strstr(fake_http_request(f.server, 0), "/box/a\r\n"));
    stop(&f);
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
    fixture f = start(script, FO_COUNT(script));
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
    stop(&f);
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
    fixture f = { .server = fake_http_script(script, FO_COUNT(script)) };
    const finops_setting settings[] = { { "container", "box@acct.dfs.core.windows.net" },
                                        { "account_key", EMULATOR_KEY },
                                        { "endpoint_url", fake_http_url(f.server) } };
    finops_error *err = NULL;
    finops_object o = { 0 };
    fo_str keys = FO_STR_MAX(1000);
    const finops_copy move = { .from = "a b", .to = "b/c", .create_only = true };

    (void)state;
    f.self = open_with(settings, FO_COUNT(settings));
    assert_true(fo_azure_driver.features(f.self) & FINOPS_STORAGE_MOVE);
    ok(fo_azure_driver.move(f.self, &move, &err), &err);
    fails(fo_azure_driver.move(f.self, &move, &err), FINOPS_E_EXISTS, &err);
    fails(fo_azure_driver.move(f.self, &move, &err), FINOPS_E_NOT_FOUND, &err);
    fails(fo_azure_driver.stat(f.self, "b", NULL, &o, &err), FINOPS_E_NOT_FOUND, &err);
    ok(fo_azure_driver.list(f.self, &(finops_list){ .prefix = "" }, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "b/c ");
    fo_str_done(&keys);
    stop(&f);
}

static fixture
start_with_folders(const fake_http_step *script, size_t n)
{
    fixture f = { .server = fake_http_script(script, n) };
    const finops_setting settings[] = { { "container", "box@acct.dfs.core.windows.net" },
                                        { "prefix", "lake" },
                                        { "sas_token", "sv=1&sig=s3cret" },
                                        { "endpoint_url", fake_http_url(f.server) } };

    f.self = open_with(settings, FO_COUNT(settings));
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
    fixture f = start_with_folders(script, FO_COUNT(script));
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
    stop(&f);
}

/* They would be cleaned on the way, and be other keys. */
static void
keys_of_accounts_with_folders_are_paths(void **state)
{
    static const char *const keys[] = { "a//b", "/a", "a/", ".", "a/../b", "a/./b", "a\\b" };
    fixture f = start_with_folders(NULL, 0);
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
    stop(&f);
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
    fixture f = start_with_folders(script, FO_COUNT(script));
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
    stop(&f);
}

/* ---- tokens ---- */

static void
an_application_logs_in_once_and_again_when_its_token_is_refused(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "POST /my-tenant/oauth2/v2.0/token \ngrant_type=client_credentials\nclient_id=app\n"
                    "client_secret=s3cr%2Bt\nscope=https%3A%2F%2Fstorage.azure.com%2F.default",
          .status = "200 OK",
          .body = "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"one\"}" },
        { .expect = "DELETE /box/a \nauthorization: Bearer one", .status = "202 Accepted" },
        { .expect = "DELETE /box/b \nauthorization: Bearer one",
          .status = "401 x",
          .headers = "x-ms-error-code: InvalidAuthenticationInfo\r\n" },
        { .expect = "POST /my-tenant/oauth2/v2.0/token ",
          .status = "200 OK",
          .body = "{\"expires_in\":\"3599\",\"access_token\":\"two\"}" },
        { .expect = "DELETE /box/b \nauthorization: Bearer two", .status = "202 Accepted" },
        { .expect = "DELETE /box/c \nauthorization: Bearer two",
          .status = "401 x",
          .headers = "x-ms-error-code: InvalidAuthenticationInfo\r\n" },
        { .expect = "POST /my-tenant/oauth2/v2.0/token ",
          .status = "401 x",
          .body =
              "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: wrong.\\r\\nTrace\"}" },
    };
    fixture f = { .server = fake_http_script(script, FO_COUNT(script)) };
    const finops_setting settings[] = {
        { "container", "box" },        { "endpoint_url", fake_http_url(f.server) },
        { "tenant_id", "my-tenant" },  { "client_id", "app" },
        { "client_secret", "s3cr+t" }, { "authority_host", fake_http_url(f.server) },
    };
    finops_error *err = NULL;

    (void)state;
    f.self = open_with(settings, FO_COUNT(settings));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "b" }, &err), &err);
    assert_int_equal(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "c" }, &err), FINOPS_E_AUTH);
    assert_string_equal(finops_error_text(err),
                        "the token service of Azure answered 401 invalid_client: AADSTS7000215: wrong.");
    finops_error_free(err);
    stop(&f);
}

static void
the_machine_gives_tokens_to_who_has_none(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2F"
                    "storage.azure.com%2F&client_id=mine\nmetadata: true",
          .status = "200 OK",
          .body = "{\"expires_on\":\"4102444800\",\"access_token\":\"of the machine\"}" },
        { .expect = "DELETE /box/a \nauthorization: Bearer of the machine", .status = "202 Accepted" },
    };
    fixture f = { .server = fake_http_script(script, FO_COUNT(script)) };
    const finops_setting settings[] = { { "container", "box" },
                                        { "endpoint_url", fake_http_url(f.server) },
                                        { "credential", "managed_identity" },
                                        { "client_id", "mine" } };
    finops_error *err = NULL;

    (void)state;
    assert_int_equal(setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", fake_http_url(f.server), 1), 0);
    f.self = open_with(settings, FO_COUNT(settings));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    assert_int_equal(unsetenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"), 0);
    stop(&f);
}

static void
a_workload_shows_the_token_it_was_given(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "POST /t/oauth2/v2.0/token \nclient_assertion=of.the.workload\n"
                    "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
          .status = "200 OK",
          .body = "{\"expires_in\":3599,\"access_token\":\"one\"}" },
        { .expect = "DELETE /box/a \nauthorization: Bearer one", .status = "202 Accepted" },
    };
    fixture f = { .server = fake_http_script(script, FO_COUNT(script)) };
    char path[] = "/tmp/finops-token-XXXXXX";
    int fd = mkstemp(path);
    const finops_setting settings[] = {
        { "container", "box" },
        { "endpoint_url", fake_http_url(f.server) },
        { "tenant_id", "t" },
        { "client_id", "app" },
        { "federated_token_file", path },
        { "authority_host", fake_http_url(f.server) },
    };
    finops_error *err = NULL;

    (void)state;
    assert_true(fd >= 0 && write(fd, "of.the.workload\n", 16) == 16 && close(fd) == 0);
    f.self = open_with(settings, FO_COUNT(settings));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    (void)unlink(path);
    stop(&f);
}

static void
write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* What the workload was given is renewed, too: it is read again each time. */
static void
a_workload_shows_what_it_has_been_given_meanwhile(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "POST /t/oauth2/v2.0/token \nclient_assertion=first",
          .status = "200 OK",
          .body = "{\"expires_in\":3600,\"access_token\":\"one\"}" },
        { .expect = "DELETE /box/a \nauthorization: Bearer one", .status = "202 Accepted" },
        { .expect = "POST /t/oauth2/v2.0/token \nclient_assertion=second",
          .status = "200 OK",
          .body = "{\"expires_in\":3600,\"access_token\":\"two\"}" },
        { .expect = "DELETE /box/a \nauthorization: Bearer two", .status = "202 Accepted" },
    };
    fixture f = { .server = fake_http_script(script, FO_COUNT(script)) };
    char path[] = "/tmp/finops-token-XXXXXX";
    int fd = mkstemp(path);
    const finops_setting settings[] = {
        { "container", "box" },
        { "endpoint_url", fake_http_url(f.server) },
        { "tenant_id", "t" },
        { "client_id", "app" },
        { "federated_token_file", path },
        { "authority_host", fake_http_url(f.server) },
    };
    finops_error *err = NULL;

    (void)state;
    assert_true(fd >= 0 && close(fd) == 0);
    write_file(path, "first");
    fo_clock_fix(INT64_C(1700000000000000));
    f.self = open_with(settings, FO_COUNT(settings));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    write_file(path, "second\n");
    fo_clock_fix(INT64_C(1700003301000000));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    fo_clock_fix(-1);
    assert_int_equal(unlink(path), 0);
    stop(&f);
}

/* https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference */
static void
an_app_asks_at_the_place_it_was_told(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "GET /msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fstorage.azure.com%2F \n"
                    "x-identity-header: h4sh",
          .status = "429 Slow",
          .headers = "Retry-After: 3\r\n" },
        { .expect = "GET /msi/token?",
          .status = "200 OK",
          .body = "{\"expires_on\":\"4102444800\",\"access_token\":\"of the app\"}" },
        { .expect = "DELETE /box/a \nauthorization: Bearer of the app", .status = "202 Accepted" },
    };
    fixture f = { .server = fake_http_script(script, FO_COUNT(script)) };
    const finops_setting settings[] = { { "container", "box" },
                                        { "endpoint_url", fake_http_url(f.server) },
                                        { "credential", "managed_identity" } };
    FO_AUTO(fo_freep) char *place = fo_format("%s/msi/token", fake_http_url(f.server));
    finops_error *err = NULL;

    (void)state;
    assert_int_equal(setenv("IDENTITY_ENDPOINT", place, 1) | setenv("IDENTITY_HEADER", "h4sh", 1), 0);
    f.self = open_with(settings, FO_COUNT(settings));
    assert_int_equal(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err),
                     FINOPS_E_THROTTLED);
    assert_int_equal(finops_error_retry_after(err), 3000000);
    finops_error_freep(&err);
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    assert_int_equal(unsetenv("IDENTITY_ENDPOINT") | unsetenv("IDENTITY_HEADER"), 0);
    stop(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_signed_as_microsofts_own_library_signs_it),
        cmocka_unit_test(what_is_signed_is_what_the_documentation_shows),
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
        cmocka_unit_test(an_application_logs_in_once_and_again_when_its_token_is_refused),
        cmocka_unit_test(the_machine_gives_tokens_to_who_has_none),
        cmocka_unit_test(a_workload_shows_the_token_it_was_given),
        cmocka_unit_test(a_workload_shows_what_it_has_been_given_meanwhile),
        cmocka_unit_test(an_app_asks_at_the_place_it_was_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
