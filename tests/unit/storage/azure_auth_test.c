/* Who the driver for Azure is: signatures as published, and tokens from where they come. */
#include "azure_test.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "storage/azure/auth.h"

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
    scripted f = scripted_server(&fo_azure_driver, script, FO_COUNT(script));
    const finops_setting settings[] = {
        { "container", "box" },        { "endpoint_url", fake_http_url(f.server) },
        { "tenant_id", "my-tenant" },  { "client_id", "app" },
        { "client_secret", "s3cr+t" }, { "authority_host", fake_http_url(f.server) },
    };
    finops_error *err = NULL;

    (void)state;
    scripted_open(&f, settings, FO_COUNT(settings));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "b" }, &err), &err);
    assert_int_equal(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "c" }, &err), FINOPS_E_AUTH);
    assert_string_equal(finops_error_text(err),
                        "the token service of Azure answered 401 invalid_client: AADSTS7000215: wrong.");
    finops_error_free(err);
    scripted_end(&f);
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
    scripted f = scripted_server(&fo_azure_driver, script, FO_COUNT(script));
    const finops_setting settings[] = { { "container", "box" },
                                        { "endpoint_url", fake_http_url(f.server) },
                                        { "credential", "managed_identity" },
                                        { "client_id", "mine" } };
    finops_error *err = NULL;

    (void)state;
    assert_int_equal(setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", fake_http_url(f.server), 1), 0);
    scripted_open(&f, settings, FO_COUNT(settings));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    assert_int_equal(unsetenv("AZURE_POD_IDENTITY_AUTHORITY_HOST"), 0);
    scripted_end(&f);
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
    scripted f = scripted_server(&fo_azure_driver, script, FO_COUNT(script));
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
    scripted_open(&f, settings, FO_COUNT(settings));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    (void)unlink(path);
    scripted_end(&f);
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
    scripted f = scripted_server(&fo_azure_driver, script, FO_COUNT(script));
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
    scripted_open(&f, settings, FO_COUNT(settings));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    write_file(path, "second\n");
    fo_clock_fix(INT64_C(1700003301000000));
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    fo_clock_fix(-1);
    assert_int_equal(unlink(path), 0);
    scripted_end(&f);
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
    scripted f = scripted_server(&fo_azure_driver, script, FO_COUNT(script));
    const finops_setting settings[] = { { "container", "box" },
                                        { "endpoint_url", fake_http_url(f.server) },
                                        { "credential", "managed_identity" } };
    FO_AUTO(fo_freep) char *place = fo_format("%s/msi/token", fake_http_url(f.server));
    finops_error *err = NULL;

    (void)state;
    assert_int_equal(setenv("IDENTITY_ENDPOINT", place, 1) | setenv("IDENTITY_HEADER", "h4sh", 1), 0);
    scripted_open(&f, settings, FO_COUNT(settings));
    assert_int_equal(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err),
                     FINOPS_E_THROTTLED);
    assert_int_equal(finops_error_retry_after(err), 3000000);
    finops_error_freep(&err);
    ok(fo_azure_driver.remove(f.self, &(finops_remove){ .key = "a" }, &err), &err);
    assert_int_equal(unsetenv("IDENTITY_ENDPOINT") | unsetenv("IDENTITY_HEADER"), 0);
    scripted_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_signed_as_microsofts_own_library_signs_it),
        cmocka_unit_test(what_is_signed_is_what_the_documentation_shows),
        cmocka_unit_test(an_application_logs_in_once_and_again_when_its_token_is_refused),
        cmocka_unit_test(the_machine_gives_tokens_to_who_has_none),
        cmocka_unit_test(a_workload_shows_the_token_it_was_given),
        cmocka_unit_test(a_workload_shows_what_it_has_been_given_meanwhile),
        cmocka_unit_test(an_app_asks_at_the_place_it_was_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
