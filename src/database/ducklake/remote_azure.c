/*
 * A lake in Azure Blob Storage. The engine's own extension reads and writes there; what it is told is a
 * connection string (an account's key, a shared access signature) or a token of Entra ID, which it cannot
 * renew: tokens are fetched as the azure storage backend fetches its own.
 * https://duckdb.org/docs/stable/core_extensions/azure
 */
#include "database/ducklake/remote_azure.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "engine/s3_secret.h"
#include "storage/azure/auth.h"
#include "storage/azure/tokens.h"
#include "storage/http_object.h"

#define SUFFIX "core.windows.net"

struct fo_lake_azure {
    azure_auth *auth;
    char *endpoint; /* "https://account.blob.core.windows.net" */
    char *told;     /* the statement the engine was told last */
};

static bool
given(const char *text)
{
    return text && *text;
}

static void
wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    fo_free(FO_TAKE(*text));
}

void
fo_lake_azure_free(fo_lake_azure *azure)
{
    if (!azure)
        return;
    wipe(&azure->told);
    azure_auth_free(azure->auth);
    fo_free(azure->endpoint);
    fo_free(azure);
}

/* ---- where ---- */

static finops_code
bad_place(const char *data_path, finops_error **err)
{
    (void)fo_error_set(err, FINOPS_E_CONFIG, "data_path: %.120s names no container", data_path);
    fo_error_hint(err, "write az://container/folder, and the account as az_account, or "
                       "abfss://container@account.dfs.core.windows.net/folder");
    return FINOPS_E_CONFIG;
}

/* Accounts with folders answer at the address of blobs as well, which is the one emulators have. */
static char *
host_endpoint(const char *host, size_t n)
{
    FO_AUTO(fo_freep) char *text = fo_strndup(host, n);
    const char *dfs = text ? strstr(text, ".dfs.") : NULL;

    if (!text)
        return NULL;
    return dfs ? fo_format("https://%.*s.blob.%s", (int)(dfs - text), text, dfs + strlen(".dfs."))
               : fo_format("https://%s", text);
}

/* What the address says: the scope, and of abfss:// where the account is. */
static finops_code
read_place(const char *data_path, char **ret_scope, char **ret_account, char **ret_endpoint,
           finops_error **err)
{
    const char *rest = strstr(data_path, "://") + strlen("://");
    size_t n = strcspn(rest, "/");
    const char *at = memchr(rest, '@', n);
    size_t name = at ? (size_t)(at - rest) : n;

    if (name == 0 || memchr(rest, '.', name) || (at && n - name < 2))
        return bad_place(data_path, err);
    if (at) {
        const char *host = at + 1;

        *ret_account = fo_strndup(host, strcspn(host, "./"));
        *ret_endpoint = host_endpoint(host, n - name - 1);
        if (!*ret_account || !*ret_endpoint)
            return fo_error_oom(err);
    }
    *ret_scope = fo_format("az://%.*s%s", (int)name, rest, rest + n);
    return *ret_scope ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
set_endpoint(const fo_ducklake_settings *s, char **host, fo_lake_azure *azure, finops_error **err)
{
    const azure_auth *auth = azure->auth;
    const char *suffix = given(s->az_endpoint_suffix) ? s->az_endpoint_suffix : SUFFIX;

    if (given(s->az_endpoint_url))
        return fo_http_endpoint(s->az_endpoint_url, "az_endpoint_url", &azure->endpoint, err);
    if (*host)
        azure->endpoint = FO_TAKE(*host);
    else if (auth->endpoint)
        return fo_http_endpoint(auth->endpoint, "az_connection_string", &azure->endpoint, err);
    else if (auth->key.account)
        azure->endpoint = fo_format("%s://%s.blob.%s", auth->http ? "http" : "https", auth->key.account,
                                    auth->suffix ? auth->suffix : suffix);
    else
        return fo_error_set(
            err, FINOPS_E_CONFIG,
            "az_account is not set, nor is az_connection_string, of the account that data_path "
            "is in");
    return azure->endpoint ? FINOPS_OK : fo_error_oom(err);
}

/* The extension takes tokens to https://account.what-follows and nowhere else. */
static const char *
token_host(const fo_lake_azure *azure)
{
    const char *account = azure->auth->key.account;
    const char *host = fo_starts(azure->endpoint, "https://") ? azure->endpoint + strlen("https://") : NULL;
    size_t n = account ? strlen(account) : 0;

    if (!host || n == 0 || strncmp(host, account, n) != 0 || host[n] != '.' || strchr(host, '/'))
        return NULL;
    return host + n + 1;
}

static finops_code
check_credentials(const fo_lake_azure *azure, finops_error **err)
{
    if (azure->auth->kind == AZURE_BY_NOBODY)
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "az_credential = \"none\": nobody may write a lake that way");
    if (azure->auth->kind != AZURE_BY_TOKEN || token_host(azure))
        return FINOPS_OK;
    (void)fo_error_set(err, FINOPS_E_CONFIG,
                       "data_path: with a token the engine reaches an account at https://<account>.<service> "
                       "only, not at %.200s",
                       azure->endpoint);
    fo_error_hint(err, "set az_account, or give an az_account_key, az_sas_token or az_connection_string");
    return FINOPS_E_CONFIG;
}

finops_code
fo_lake_azure_new(const fo_ducklake_settings *s, const char *data_path, fo_http_client *http,
                  fo_lake_azure **ret, char **ret_scope, finops_error **err)
{
    FO_AUTO(fo_freep) char *scope = NULL, *account = NULL, *host = NULL;
    fo_lake_azure *azure = fo_zalloc(sizeof(*azure));
    azure_auth_config config = { .account = s->az_account,
                                 .account_key = s->az_account_key,
                                 .connection_string = s->az_connection_string,
                                 .sas_token = s->az_sas_token,
                                 .credential = s->az_credential,
                                 .tenant_id = s->az_tenant_id,
                                 .client_id = s->az_client_id,
                                 .client_secret = s->az_client_secret,
                                 .federated_token_file = s->az_federated_token_file,
                                 .authority_host = s->az_authority_host };
    finops_code rc = azure ? read_place(data_path, &scope, &account, &host, err) : fo_error_oom(err);

    if (rc == FINOPS_OK && account && !given(config.account))
        config.account = account;
    if (rc == FINOPS_OK)
        rc = azure_auth_new(&config, http, &azure->auth, err);
    if (rc == FINOPS_OK)
        rc = set_endpoint(s, &host, azure, err);
    if (rc == FINOPS_OK)
        rc = check_credentials(azure, err);
    if (rc != FINOPS_OK) {
        fo_lake_azure_free(azure);
        return rc;
    }
    *ret = azure;
    *ret_scope = FO_TAKE(scope);
    return FINOPS_OK;
}

/* ---- who ---- */

static void
add_connection_string(const fo_lake_azure *azure, fo_str *sql)
{
    const azure_auth *auth = azure->auth;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    fo_str_addf(&text, "DefaultEndpointsProtocol=%s;BlobEndpoint=%s",
                fo_starts(azure->endpoint, "http://") ? "http" : "https", azure->endpoint);
    if (auth->key.account)
        fo_str_addf(&text, ";AccountName=%s", auth->key.account);
    if (auth->kind == AZURE_BY_SAS) {
        fo_str_addf(&text, ";SharedAccessSignature=%s", auth->sas);
    } else {
        fo_str_add(&text, ";AccountKey=");
        fo_base64(&text, auth->key.bytes, auth->key.n);
    }
    fo_str_add(sql, ", CONNECTION_STRING ");
    fo_sql_literal(sql, fo_str_z(&text));
    sql->failed |= !fo_str_ok(&text);
    if (text.data)
        explicit_bzero(text.data, text.len);
}

static finops_code
add_token(const fo_lake_azure *azure, const finops_call *call, fo_str *sql, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str token = FO_STR_MAX((size_t)1 << 16);
    finops_code rc = azure_tokens_get(azure->auth->tokens, call, &token, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(sql, ", PROVIDER access_token, ACCESS_TOKEN ");
    fo_sql_literal(sql, fo_str_z(&token));
    fo_str_add(sql, ", ACCOUNT_NAME ");
    fo_sql_literal(sql, azure->auth->key.account);
    fo_str_add(sql, ", ENDPOINT ");
    fo_sql_literal(sql, token_host(azure));
    explicit_bzero(token.data, token.len);
    return FINOPS_OK;
}

/* Its own transport looks for the authorities of another system than this one, curl's for those of this. */
static const char transport_sql[] = "SET GLOBAL azure_transport_option_type = 'curl'";

finops_code
fo_lake_azure_tell(fo_lake_azure *azure, const char *name, const char *scope, fo_conn *conn,
                   const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = FINOPS_OK;

    fo_str_add(&sql, "CREATE OR REPLACE TEMPORARY SECRET ");
    fo_sql_ident(&sql, name);
    fo_str_add(&sql, " (TYPE azure, SCOPE ");
    fo_sql_literal(&sql, scope);
    if (azure->auth->kind == AZURE_BY_TOKEN)
        rc = add_token(azure, call, &sql, err);
    else
        add_connection_string(azure, &sql);
    fo_str_addc(&sql, ')');
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK && !(azure->told && fo_streq(azure->told, fo_str_z(&sql)))) {
        rc = fo_conn_exec(conn, transport_sql, err);
        if (rc == FINOPS_OK)
            rc = fo_s3_redact(NULL, NULL, fo_conn_exec(conn, fo_str_z(&sql), err), err);
        wipe(&azure->told);
        if (rc == FINOPS_OK && !(azure->told = fo_strdup(fo_str_z(&sql))))
            rc = fo_error_oom(err);
    }
    if (sql.data)
        explicit_bzero(sql.data, sql.len);
    return rc;
}
