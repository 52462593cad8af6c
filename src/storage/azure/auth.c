/* Which of what was given lets requests through. */
#include "storage/azure/auth.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/azure/tokens.h"

/* Of the emulators Microsoft ships; everybody knows it.
 * https://learn.microsoft.com/azure/storage/common/storage-connect-azurite */
#define EMULATOR_ACCOUNT "devstoreaccount1"
#define EMULATOR_KEY                                                                                         \
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

static bool
said(const char *text)
{
    return text && *text;
}

static bool
set_text(char **ret, const char *text, size_t n)
{
    fo_free(*ret);
    *ret = n > 0 ? fo_strndup(text, n) : NULL;
    return *ret || n == 0;
}

void
azure_auth_free(azure_auth *auth)
{
    if (!auth)
        return;
    explicit_bzero(auth->key.bytes, sizeof(auth->key.bytes));
    if (auth->sas)
        explicit_bzero(auth->sas, strlen(auth->sas));
    fo_free(auth->key.account);
    fo_free(auth->sas);
    fo_free(auth->endpoint);
    fo_free(auth->suffix);
    azure_tokens_free(auth->tokens);
    fo_free(auth);
}

/* ---- what was given ---- */

static char *
or_environment(char *given, const char *name)
{
    return said(given) ? given : getenv(name);
}

/* The environment fills in what the configuration leaves out: a secret only where it names none, so that two
 * accounts are never mixed. */
static azure_auth_config
with_environment(const azure_auth_config *given)
{
    azure_auth_config c = *given;
    bool own = said(c.account_key) || said(c.connection_string) || said(c.sas_token) || said(c.client_secret);

    if (!own && !said(c.account))
        c.connection_string = getenv("AZURE_STORAGE_CONNECTION_STRING");
    if (!own && !said(c.connection_string)) {
        c.account_key = getenv("AZURE_STORAGE_KEY");
        c.sas_token = getenv("AZURE_STORAGE_SAS_TOKEN");
    }
    if (!said(c.connection_string))
        c.account = or_environment(c.account, "AZURE_STORAGE_ACCOUNT");
    c.tenant_id = or_environment(c.tenant_id, "AZURE_TENANT_ID");
    c.client_id = or_environment(c.client_id, "AZURE_CLIENT_ID");
    c.client_secret = or_environment(c.client_secret, "AZURE_CLIENT_SECRET");
    c.federated_token_file = or_environment(c.federated_token_file, "AZURE_FEDERATED_TOKEN_FILE");
    c.authority_host = or_environment(c.authority_host, "AZURE_AUTHORITY_HOST");
    return c;
}

static finops_code
set_key(azure_auth *auth, const char *base64, size_t n, finops_error **err)
{
    FO_AUTO(fo_freep) char *text = fo_strndup(base64, n);
    FO_AUTO(fo_str_done) fo_str bytes = FO_STR_MAX(AZURE_KEY_MAX);

    if (!text)
        return fo_error_oom(err);
    if (!fo_base64_decode(&bytes, text) || bytes.len == 0)
        return fo_error_set(err, FINOPS_E_CONFIG, "the account's key is not base64 of a key");
    memcpy(auth->key.bytes, bytes.data, bytes.len);
    auth->key.n = bytes.len;
    explicit_bzero(bytes.data, bytes.len);
    explicit_bzero(text, n);
    return FINOPS_OK;
}

static bool
set_sas(azure_auth *auth, const char *text, size_t n)
{
    if (n > 0 && *text == '?') {
        text++;
        n--;
    }
    return set_text(&auth->sas, text, n);
}

static bool
is_name(const char *text, size_t n, const char *name)
{
    return strlen(name) == n && strncasecmp(text, name, n) == 0;
}

static finops_code
set_emulator(azure_auth *auth, finops_error **err)
{
    if (!set_text(&auth->key.account, EMULATOR_ACCOUNT, strlen(EMULATOR_ACCOUNT)))
        return fo_error_oom(err);
    if (!auth->endpoint) {
        const char *place = "http://127.0.0.1:10000/" EMULATOR_ACCOUNT;

        if (!set_text(&auth->endpoint, place, strlen(place)))
            return fo_error_oom(err);
    }
    return set_key(auth, EMULATOR_KEY, strlen(EMULATOR_KEY), err);
}

/* One "Name=value" of a connection string; what does not concern blobs is passed over. */
static finops_code
take_part(azure_auth *auth, const char *name, size_t name_n, const char *value, size_t n, finops_error **err)
{
    bool good = true;

    if (is_name(name, name_n, "AccountKey"))
        return set_key(auth, value, n, err);
    if (is_name(name, name_n, "UseDevelopmentStorage") && is_name(value, n, "true"))
        return set_emulator(auth, err);
    if (is_name(name, name_n, "AccountName"))
        good = set_text(&auth->key.account, value, n);
    else if (is_name(name, name_n, "BlobEndpoint"))
        good = set_text(&auth->endpoint, value, n);
    else if (is_name(name, name_n, "EndpointSuffix"))
        good = set_text(&auth->suffix, value, n);
    else if (is_name(name, name_n, "SharedAccessSignature"))
        good = set_sas(auth, value, n);
    else if (is_name(name, name_n, "DefaultEndpointsProtocol"))
        auth->http = is_name(value, n, "http");
    return good ? FINOPS_OK : fo_error_oom(err);
}

/* "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=...;EndpointSuffix=core.windows.net" */
static finops_code
take_connection_string(azure_auth *auth, const char *text, finops_error **err)
{
    while (*text) {
        size_t n = strcspn(text, ";"), name = strcspn(text, "=;");
        finops_code rc = FINOPS_OK;

        if (n > 0 && name == n)
            return fo_error_set(err, FINOPS_E_CONFIG, "connection_string has a part that is no Name=value");
        if (n > 0)
            rc = take_part(auth, text, name, text + name + 1, n - name - 1, err);
        if (rc != FINOPS_OK)
            return fo_error_wrap(err, rc, "connection_string");
        text += n + (text[n] == ';');
    }
    return FINOPS_OK;
}

/* What is given by itself goes before what the connection string says. */
static finops_code
take_given(azure_auth *auth, const azure_auth_config *c, finops_error **err)
{
    finops_code rc =
        said(c->connection_string) ? take_connection_string(auth, c->connection_string, err) : FINOPS_OK;

    if (rc == FINOPS_OK && said(c->account) && !set_text(&auth->key.account, c->account, strlen(c->account)))
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK && said(c->account_key))
        rc = set_key(auth, c->account_key, strlen(c->account_key), err);
    if (rc == FINOPS_OK && said(c->sas_token) && !set_sas(auth, c->sas_token, strlen(c->sas_token)))
        rc = fo_error_oom(err);
    return rc;
}

static finops_code
missing(const char *what, const char *credential, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_CONFIG, "%s is missing, which credential = \"%s\" needs", what,
                        credential);
}

/* Which is used: the first of those that are there, or the one that is named. */
static finops_code
choose(azure_auth *auth, const azure_auth_config *c, fo_http_client *http, finops_error **err)
{
    const char *want = said(c->credential) ? c->credential : "auto";
    bool any = strcmp(want, "auto") == 0;
    bool key = auth->key.n > 0 && auth->key.account;

    if (strcmp(want, "none") == 0)
        return FINOPS_OK;
    if (strcmp(want, "shared_key") == 0 && !key)
        return missing(auth->key.n > 0 ? "the account's name" : "the account's key", want, err);
    if (strcmp(want, "sas") == 0 && !auth->sas)
        return missing("sas_token", want, err);
    if (auth->key.n > 0 && !auth->key.account)
        return fo_error_set(err, FINOPS_E_CONFIG, "account is missing, which account_key belongs to");
    if (key && (any || strcmp(want, "shared_key") == 0))
        auth->kind = AZURE_BY_KEY;
    else if (auth->sas && (any || strcmp(want, "sas") == 0))
        auth->kind = AZURE_BY_SAS;
    else
        auth->kind = AZURE_BY_TOKEN;
    return auth->kind == AZURE_BY_TOKEN ? azure_tokens_new(c, http, &auth->tokens, err) : FINOPS_OK;
}

finops_code
azure_auth_new(const azure_auth_config *config, fo_http_client *http, azure_auth **ret, finops_error **err)
{
    azure_auth *auth = fo_zalloc(sizeof(*auth));
    azure_auth_config all;
    finops_code rc;

    assert(config && http && ret);

    if (!auth)
        return fo_error_oom(err);
    all = with_environment(config);
    rc = take_given(auth, &all, err);
    if (rc == FINOPS_OK)
        rc = choose(auth, &all, http, err);
    if (rc != FINOPS_OK) {
        azure_auth_free(auth);
        return rc;
    }
    *ret = auth;
    return FINOPS_OK;
}

/* ---- a request ---- */

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static void
add_date(fo_headers *headers)
{
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t now = fo_clock_now();
    fo_civil c;

    fo_civil_from_micros(now, &c);
    fo_headers_addf(headers, "x-ms-date", "%.3s, %02u %.3s %04d %02u:%02u:%02u GMT",
                    days + now / 86400000000 % 7 * 3, c.day, months + (c.month - 1) * 3, c.year, c.hour,
                    c.minute, c.second);
}

finops_code
azure_authorize(azure_auth *auth, const azure_signed *request, const finops_call *call, fo_headers *headers,
                finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX((size_t)1 << 16);
    azure_signed r = *request;
    finops_code rc = FINOPS_OK;

    add_date(headers);
    r.headers = headers;
    if (auth->kind == AZURE_BY_KEY)
        rc = azure_sign(&auth->key, &r, &text, err);
    else if (auth->kind == AZURE_BY_TOKEN)
        rc = azure_tokens_get(auth->tokens, call, &text, err);
    if (rc == FINOPS_OK && text.len > 0)
        fo_headers_addf(headers, "authorization", "%s%s", auth->kind == AZURE_BY_TOKEN ? "Bearer " : "",
                        fo_str_z(&text));
    if (text.data)
        explicit_bzero(text.data, text.len);
    return rc == FINOPS_OK ? fo_headers_check(headers, err) : rc;
}

bool
azure_auth_expired(azure_auth *auth, const fo_headers *headers)
{
    if (auth->kind != AZURE_BY_TOKEN)
        return false;
    for (size_t i = 0; i < headers->n; i++)
        if (strcmp(headers->items[i].name, "authorization") == 0)
            return azure_tokens_expired(auth->tokens, headers->items[i].value + strlen("Bearer "));
    return false;
}
