/* The driver for Azure: what it can be told, and how a storage of it is made. */
#include "storage/azure/driver.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"
#include "storage/azure/azure_internal.h"
#include "storage/object.h"

#define FEATURES                                                                                             \
    (FINOPS_STORAGE_FLAT_KEYS | FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_IF_VERSION |                     \
     FINOPS_STORAGE_REMOVE_IF | FINOPS_STORAGE_UNLESS_VERSION | FINOPS_STORAGE_METADATA |                    \
     FINOPS_STORAGE_CHECKSUM | FINOPS_STORAGE_PARTS | FINOPS_STORAGE_COPY | FINOPS_STORAGE_SWEEP |           \
     FINOPS_STORAGE_REMOTE | FINOPS_STORAGE_PARTS_STAY)

#define AT(member) offsetof(azure_config, member)

static const finops_option azure_options[] = {
    { "container", FINOPS_OPT_STRING, AT(container), .flags = FINOPS_OPT_REQUIRED,
      .help = "Container that holds the objects." },
    { "prefix", FINOPS_OPT_STRING, AT(prefix), .help = "Folder in the container below which all keys lie." },
    { "account", FINOPS_OPT_STRING, AT(auth.account), .env = "AZURE_STORAGE_ACCOUNT",
      .help = "Storage account; the connection string may name it as well." },
    { "account_key", FINOPS_OPT_STRING, AT(auth.account_key), .flags = FINOPS_OPT_SECRET,
      .env = "AZURE_STORAGE_KEY", .help = "Key of the account, which signs all requests." },
    { "connection_string", FINOPS_OPT_STRING, AT(auth.connection_string), .flags = FINOPS_OPT_SECRET,
      .env = "AZURE_STORAGE_CONNECTION_STRING",
      .help = "Account, key or shared access signature and endpoint in one text, as the portal shows it." },
    { "sas_token", FINOPS_OPT_STRING, AT(auth.sas_token), .flags = FINOPS_OPT_SECRET,
      .env = "AZURE_STORAGE_SAS_TOKEN", .help = "Shared access signature, \"sv=...&sig=...\"." },
    { "credential", FINOPS_OPT_ENUM, AT(auth.credential), .value = "auto",
      .allow = "auto shared_key sas client_secret workload_identity managed_identity none",
      .help = "How to log in; auto takes the first that is set, in this order, and managed_identity last." },
    { "tenant_id", FINOPS_OPT_STRING, AT(auth.tenant_id), .env = "AZURE_TENANT_ID",
      .help = "Entra ID tenant of client_id." },
    { "client_id", FINOPS_OPT_STRING, AT(auth.client_id), .env = "AZURE_CLIENT_ID",
      .help = "Application that logs in, or the managed identity where there are several." },
    { "client_secret", FINOPS_OPT_STRING, AT(auth.client_secret), .flags = FINOPS_OPT_SECRET,
      .env = "AZURE_CLIENT_SECRET", .needs = "client_id", .help = "Secret of the application." },
    { "federated_token_file", FINOPS_OPT_STRING, AT(auth.federated_token_file), .arg = "FILE",
      .env = "AZURE_FEDERATED_TOKEN_FILE", .help = "File with the token of the workload (Kubernetes)." },
    { "authority_host", FINOPS_OPT_STRING, AT(auth.authority_host), .arg = "URL",
      .env = "AZURE_AUTHORITY_HOST", .help = "Address of Entra ID in clouds of their own." },
    { "endpoint_url", FINOPS_OPT_STRING, AT(endpoint_url), .arg = "URL",
      .help = "Address of the blob service; with an emulator http://127.0.0.1:10000/devstoreaccount1." },
    { "endpoint_suffix", FINOPS_OPT_STRING, AT(endpoint_suffix), .value = "core.windows.net",
      .help = "What follows \"account.blob.\" in clouds of their own." },
    { "hierarchical", FINOPS_OPT_BOOL, AT(hierarchical), .value = "false",
      .help = "The account has folders (Data Lake Storage Gen2), as abfss:// addresses say." },
    { "checksum", FINOPS_OPT_ENUM, AT(checksum), .value = "md5", .allow = "md5 crc64 none",
      .help = "How the service checks what it is sent; crc64 costs less, and emulators do not know it." },
    FO_HTTP_OPTIONS(azure_config, network),
    { 0 },
};

static bool
said(const char *text)
{
    return text && *text;
}

/* Three lower case letters, digits and hyphens at least, or one of two names of its own. */
static finops_code
check_container(const char *name, finops_error **err)
{
    size_t n = strlen(name);

    if (strcmp(name, "$root") == 0 || strcmp(name, "$web") == 0)
        return FINOPS_OK;
    if (n < 3 || n > 63 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != n)
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "azure.container = \"%.80s\": a name has 3 to 63 lower case letters, digits and "
                            "hyphens",
                            name);
    return FINOPS_OK;
}

/* What is set, what the connection string says, or that of the account. */
static finops_code
set_endpoint(azure_storage *s, const azure_config *c, finops_error **err)
{
    const char *given = said(c->endpoint_url) ? c->endpoint_url : s->auth->endpoint;
    FO_AUTO(fo_freep) char *made = NULL;

    if (given)
        return fo_http_endpoint(given, "azure.endpoint_url", &s->endpoint, err);
    if (!s->auth->key.account)
        return fo_error_set(err, FINOPS_E_CONFIG, "azure.account is not set, nor is azure.endpoint_url");
    made = fo_format("%s://%s.blob.%s", s->auth->http ? "http" : "https", s->auth->key.account,
                     s->auth->suffix ? s->auth->suffix : c->endpoint_suffix);
    return made ? fo_http_endpoint(made, "azure.account", &s->endpoint, err) : fo_error_oom(err);
}

static void
azure_close(void *self)
{
    azure_storage *s = self;

    if (!s)
        return;
    azure_auth_free(s->auth);
    fo_http_client_free(s->http);
    fo_free(s->container);
    fo_free(s->prefix);
    fo_free(s->endpoint);
    fo_free(s->dfs);
    fo_free(s->host_account);
    fo_free(s->host_endpoint);
    fo_free(s);
}

/* "https://account.dfs.core.windows.net" for "https://account.blob...", and the other way; `to` as "blob". */
static char *
other_endpoint(const char *endpoint, const char *from, const char *to)
{
    FO_AUTO(fo_freep) char *middle = fo_format(".%s.", from);
    const char *at = middle ? strstr(endpoint, middle) : NULL;

    /* An address without the name, of a test or a gateway, is that of both. */
    if (!at)
        return middle ? fo_strdup(endpoint) : NULL;
    return fo_format("%.*s.%s.%s", (int)(at - endpoint), endpoint, to, at + strlen(middle));
}

/* "container@account.dfs.core.windows.net", as abfss:// addresses have it: an account with folders. */
static finops_code
set_host(azure_storage *s, azure_config *c, const char *host, finops_error **err)
{
    FO_AUTO(fo_freep) char *dfs = fo_format("https://%s", host);
    FO_AUTO(fo_freep) char *account = fo_strndup(host, strcspn(host, "."));

    if (!dfs || !account)
        return fo_error_oom(err);
    if (!said(c->auth.account)) {
        s->host_account = FO_TAKE(account);
        c->auth.account = s->host_account;
    }
    if (said(c->endpoint_url))
        return FINOPS_OK;
    s->host_endpoint = other_endpoint(dfs, "dfs", "blob");
    c->endpoint_url = s->host_endpoint;
    return s->host_endpoint ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
open_parts(azure_storage *s, const azure_config *config, finops_error **err)
{
    azure_config copy = *config, *c = &copy; /* its texts are the caller's */
    const fo_http_options options = fo_http_options_of(&c->network, "account and endpoint_url");
    const char *host = strchr(c->container, '@');
    finops_code rc = FINOPS_OK;

    s->container = fo_strndup(c->container, strcspn(c->container, "@"));
    if (!s->container)
        return fo_error_oom(err);
    rc = check_container(s->container, err);
    if (rc == FINOPS_OK && host)
        rc = set_host(s, c, host + 1, err);
    if (rc != FINOPS_OK)
        return rc;
    s->prefix = fo_storage_prefix(c->prefix);
    if (!s->container || !s->prefix)
        return fo_error_oom(err);
    s->sum = strcmp(c->checksum, "crc64") == 0  ? AZURE_SUM_CRC64
             : strcmp(c->checksum, "none") == 0 ? AZURE_SUM_NONE
                                                : AZURE_SUM_MD5;
    rc = fo_http_client_new(&options, &s->http, err);
    if (rc == FINOPS_OK)
        rc = azure_auth_new(&c->auth, s->http, &s->auth, err);
    if (rc == FINOPS_OK)
        rc = set_endpoint(s, c, err);
    if (rc == FINOPS_OK && (host || c->hierarchical)) {
        s->dfs = other_endpoint(s->endpoint, "blob", "dfs");
        rc = s->dfs ? FINOPS_OK : fo_error_oom(err);
    }
    return rc;
}

static finops_code
azure_open(const void *config, void **ret_self, finops_error **err)
{
    azure_storage *s = fo_zalloc(sizeof(*s));
    finops_code rc;

    if (!s)
        return fo_error_oom(err);
    rc = open_parts(s, config, err);
    if (rc != FINOPS_OK) {
        azure_close(s);
        return rc;
    }
    *ret_self = s;
    return FINOPS_OK;
}

/* Only the account's key can sign for others. */
static uint64_t
azure_features(void *self)
{
    const azure_storage *s = self;

    return (s->dfs ? (FEATURES & ~(uint64_t)FINOPS_STORAGE_FLAT_KEYS) | FINOPS_STORAGE_MOVE : FEATURES) |
           (s->auth->kind == AZURE_BY_KEY ? (uint64_t)FINOPS_STORAGE_PRESIGN : 0);
}

const finops_storage_driver fo_azure_driver = {
    .abi = FINOPS_STORAGE_ABI,
    .size = sizeof(finops_storage_driver),
    .name = "azure",
    .version = FINOPS_VERSION,
    .summary = "Azure Blob Storage",
    .options = azure_options,
    .config_size = sizeof(azure_config),
    .schemes = "az abfss",
    .place_option = "container",
    .prefix_option = "prefix",
    .open = azure_open,
    .close = azure_close,
    .features = azure_features,
    .stat = azure_stat,
    .list = azure_list,
    .read = azure_read,
    .put = azure_put,
    .remove = azure_remove,
    .upload = azure_upload_begin,
    .remove_many = azure_remove_many,
    .copy = azure_copy,
    .move = azure_move,
    .presign = azure_presign,
    .sweep = azure_sweep,
};
