/*
 * Three ways to a token:
 * an application with a secret, or with the token its workload was given,
 *   https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
 * and the machine's own service, or that of an App Service,
 *   https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
 */
#include "storage/azure/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "net/oauth.h"

#define AUTHORITY "https://login.microsoftonline.com"
#define MACHINE "http://169.254.169.254"
#define SCOPE "https://storage.azure.com/.default"
#define RESOURCE "https://storage.azure.com/"
#define MACHINE_US 5000000 /* patience with a service that is next door or nowhere */

typedef enum tokens_kind { BY_SECRET, BY_WORKLOAD, BY_MACHINE } tokens_kind;

struct azure_tokens {
    tokens_kind kind;
    char *tenant, *client, *secret, *file, *authority;
    fo_http_client *http; /* borrowed */
    fo_oauth *oauth;
};

static bool
said(const char *text)
{
    return text && *text;
}

static const char *
environment(const char *name)
{
    const char *value = getenv(name);

    return said(value) ? value : NULL;
}

/* ---- an application ---- */

static finops_code
add_proof(const azure_tokens *t, fo_str *form, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FO_TOKEN_MAX);
    finops_code rc;

    if (t->kind == BY_SECRET) {
        fo_oauth_field(form, "client_secret", t->secret);
        return FINOPS_OK;
    }
    rc = fo_file_read(t->file, FO_TOKEN_MAX, &text, err); /* anew each time: it is renewed, too */
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, FINOPS_E_AUTH, "federated_token_file");
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]))
        text.data[--text.len] = '\0';
    fo_oauth_field(form, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    fo_oauth_field(form, "client_assertion", fo_str_z(&text));
    explicit_bzero(text.data, text.len);
    return FINOPS_OK;
}

static finops_code
ask_application(const azure_tokens *t, const finops_call *call, fo_str *ret, int64_t *ret_expires_us,
                finops_error **err)
{
    static const fo_http_header type = { "content-type", FO_OAUTH_FORM };
    FO_AUTO(fo_str_done) fo_str form = FO_STR_MAX(FO_TOKEN_MAX), url = FO_STR_MAX(FO_TOKEN_MAX);
    fo_http_request request = { .method = "POST", .headers = &type, .n_headers = 1, .call = call };
    finops_code rc;

    fo_str_addf(&url, "%s/", t->authority);
    fo_url_escape(&url, t->tenant, false);
    fo_str_add(&url, "/oauth2/v2.0/token");
    fo_oauth_field(&form, "grant_type", "client_credentials");
    fo_oauth_field(&form, "client_id", t->client);
    fo_oauth_field(&form, "scope", SCOPE);
    rc = add_proof(t, &form, err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&form, err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&url, err);
    request.url = fo_str_z(&url);
    request.body = fo_str_z(&form);
    request.body_size = form.len;
    if (rc == FINOPS_OK)
        rc = fo_oauth_ask(t->http, &request, "the token service of Azure", ret, ret_expires_us, err);
    if (form.data)
        explicit_bzero(form.data, form.len);
    return rc;
}

/* ---- the machine ---- */

static finops_code
ask_machine(const azure_tokens *t, const finops_call *call, fo_str *ret, int64_t *ret_expires_us,
            finops_error **err)
{
    const char *place = environment("IDENTITY_ENDPOINT"), *secret = environment("IDENTITY_HEADER");
    const char *machine = environment("AZURE_POD_IDENTITY_AUTHORITY_HOST");
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(FO_TOKEN_MAX), query = FO_STR_MAX(FO_TOKEN_MAX);
    bool app = place && secret;
    fo_http_header header = { app ? "x-identity-header" : "metadata", app ? secret : "true" };
    fo_http_request request = { .method = "GET",
                                .headers = &header,
                                .n_headers = 1,
                                .direct = true,
                                .connect_us = MACHINE_US,
                                .stall_us = MACHINE_US,
                                .call = call };
    finops_code rc;

    fo_oauth_field(&query, "api-version", app ? "2019-08-01" : "2018-02-01");
    fo_oauth_field(&query, "resource", RESOURCE);
    fo_oauth_field(&query, "client_id", t->client);
    if (app)
        fo_str_addf(&url, "%s?%s", place, fo_str_z(&query));
    else
        fo_str_addf(&url, "%s/metadata/identity/oauth2/token?%s", machine ? machine : MACHINE,
                    fo_str_z(&query));
    rc = fo_str_check(&url, err);
    request.url = fo_str_z(&url);
    if (rc == FINOPS_OK)
        rc = fo_oauth_ask(t->http, &request, "the machine's identity service", ret, ret_expires_us, err);
    if (rc == FINOPS_E_TRANSIENT || rc == FINOPS_E_TIMEOUT)
        fo_error_hint(err, "where no managed identity is, set account_key, sas_token, connection_string, or "
                           "tenant_id, client_id and client_secret");
    return rc;
}

static finops_code
fetch(void *arg, const finops_call *call, fo_str *ret, int64_t *ret_expires_us, finops_error **err)
{
    const azure_tokens *t = arg;

    return t->kind == BY_MACHINE ? ask_machine(t, call, ret, ret_expires_us, err)
                                 : ask_application(t, call, ret, ret_expires_us, err);
}

/* ---- which way ---- */

static finops_code
choose(azure_tokens *t, const azure_auth_config *c, finops_error **err)
{
    const char *want = said(c->credential) ? c->credential : "auto";
    bool any = strcmp(want, "auto") == 0;
    bool application = said(c->tenant_id) && said(c->client_id);

    if ((any || strcmp(want, "client_secret") == 0) && application && said(c->client_secret))
        t->kind = BY_SECRET;
    else if ((any || strcmp(want, "workload_identity") == 0) && application && said(c->federated_token_file))
        t->kind = BY_WORKLOAD;
    else if (any || strcmp(want, "managed_identity") == 0)
        t->kind = BY_MACHINE;
    else
        return fo_error_set(err, FINOPS_E_CONFIG, "credential = \"%s\" needs tenant_id, client_id and %s",
                            want,
                            strcmp(want, "client_secret") == 0 ? "client_secret" : "federated_token_file");
    return FINOPS_OK;
}

static bool
set_text(char **ret, const char *text)
{
    *ret = said(text) ? fo_strdup(text) : NULL;
    return *ret || !said(text);
}

finops_code
azure_tokens_new(const azure_auth_config *c, fo_http_client *http, azure_tokens **ret, finops_error **err)
{
    azure_tokens *t = fo_zalloc(sizeof(*t));
    finops_code rc;

    if (!t)
        return fo_error_oom(err);
    t->http = http;
    rc = choose(t, c, err);
    if (rc == FINOPS_OK &&
        (!set_text(&t->tenant, c->tenant_id) || !set_text(&t->client, c->client_id) ||
         !set_text(&t->secret, c->client_secret) || !set_text(&t->file, c->federated_token_file)))
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = fo_http_endpoint(said(c->authority_host) ? c->authority_host : AUTHORITY, "azure.authority_host",
                              &t->authority, err);
    if (rc == FINOPS_OK) {
        t->oauth = fo_oauth_new(fetch, t);
        rc = t->oauth ? FINOPS_OK : fo_error_oom(err);
    }
    if (rc != FINOPS_OK) {
        azure_tokens_free(t);
        return rc;
    }
    *ret = t;
    return FINOPS_OK;
}

void
azure_tokens_free(azure_tokens *t)
{
    if (!t)
        return;
    fo_oauth_free(t->oauth);
    if (t->secret)
        explicit_bzero(t->secret, strlen(t->secret));
    fo_free(t->tenant);
    fo_free(t->client);
    fo_free(t->secret);
    fo_free(t->file);
    fo_free(t->authority);
    fo_free(t);
}

finops_code
azure_tokens_get(azure_tokens *t, const finops_call *call, fo_str *ret, finops_error **err)
{
    return fo_oauth_get(t->oauth, call, ret, err);
}

bool
azure_tokens_expired(azure_tokens *t, const char *token)
{
    fo_oauth_expired(t->oauth, token);
    return true;
}
