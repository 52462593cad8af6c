/*
 * Addresses as people and services write them: of the web, of storage, lists of hosts without a proxy, and
 * Azure's connection strings. What is split has its parts where they belong; what is escaped comes back.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/no_proxy.h"
#include "storage/azure/auth.h"
#include "storage/http_object.h"
#include "storage/storage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool truth)
{
    if (!truth)
        abort();
}

static void
of_the_web(const char *text)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_freep) char *endpoint = NULL;
    fo_url url = { 0 };

    if (fo_url_parse(text, &url, &err) == FINOPS_OK) {
        must(!err && url.scheme[0] && url.host && !strpbrk(url.host, "/?#"));
        must(url.port >= 0 && url.port <= 65535);
        must((url.path[0] == '/' || !url.path[0]) && !strpbrk(url.path, "?#"));
        must(!url.query || !strchr(url.query, '#'));
        fo_url_done(&url);
    } else {
        must(err && !url.scheme && !url.host);
    }
    finops_error_freep(&err);
    if (fo_http_endpoint(text, "endpoint_url", &endpoint, &err) == FINOPS_OK)
        must(strncmp(endpoint, "http", 4) == 0 && endpoint[strlen(endpoint) - 1] != '/');
    else
        must(err && !endpoint);
}

static void
of_storage(const char *text)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_storage_address a = { 0 };

    if (fo_storage_address_parse(text, &a, &err) == FINOPS_OK)
        must(!err && a.scheme[0] && !strchr(a.place, '/') && strlen(a.rest) <= strlen(text));
    else
        must(err != NULL);
    fo_storage_address_done(&a);
}

static void
escapes(const char *text)
{
    for (int slashes = 0; slashes < 2; slashes++) {
        FO_AUTO(fo_str_done) fo_str there = FO_STR_MAX(1 << 20), back = FO_STR_MAX(1 << 20);

        fo_url_escape(&there, text, slashes);
        must(!fo_str_ok(&there) ||
             strspn(fo_str_z(&there), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789-_.~%/") == there.len);
        must(fo_url_unescape(&back, fo_str_z(&there), there.len) && strcmp(fo_str_z(&back), text) == 0);
        fo_str_clear(&back);
        (void)fo_url_unescape(&back, text, strlen(text));
    }
}

static void
of_an_account(char *text)
{
    static fo_http_client *http;
    const azure_auth_config config = { .connection_string = text };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    azure_auth *auth = NULL;

    if (!http)
        must(fo_http_client_new(NULL, &http, NULL) == FINOPS_OK);
    if (azure_auth_new(&config, http, &auth, &err) == FINOPS_OK)
        must(!err && auth->key.n <= sizeof(auth->key.bytes));
    else
        must(err && !auth);
    azure_auth_free(auth);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size == 0)
        return 0;
    text = fo_strndup((const char *)data + 1, size - 1);
    if (!text)
        return 0;
    switch (data[0] % 4) {
    case 0:
        of_the_web(text);
        break;
    case 1:
        of_storage(text);
        escapes(text);
        break;
    case 2:
        (void)fo_no_proxy_has(text, "https://a.example.com:8443/x");
        (void)fo_no_proxy_has("example.com, *.test:80,.local *", text);
        break;
    default:
        of_an_account(text);
        break;
    }
    fo_free(text);
    return 0;
}
