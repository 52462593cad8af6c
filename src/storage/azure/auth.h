/*
 * Who asks Azure: an account's key (SharedKey), a shared access signature, or a token of Entra ID that is
 * renewed ahead of its end.
 * https://learn.microsoft.com/rest/api/storageservices/authorize-requests-to-azure-storage
 */
#ifndef FO_STORAGE_AZURE_AUTH_H
#define FO_STORAGE_AZURE_AUTH_H

#include "base/error.h"
#include "base/str.h"
#include "finops/sys/call.h"
#include "net/http.h"
#include "storage/http_object.h"

#define AZURE_VERSION "2021-12-02" /* of the service's interface */
#define AZURE_KEY_MAX 128          /* bytes of an account's key */

/* Filled by the option table; NULL and "" are the same: not given. */
typedef struct azure_auth_config {
    char *account, *account_key, *connection_string, *sas_token;
    char *credential; /* "auto" */
    char *tenant_id, *client_id, *client_secret, *federated_token_file, *authority_host;
} azure_auth_config;

typedef enum azure_kind { AZURE_BY_NOBODY, AZURE_BY_KEY, AZURE_BY_SAS, AZURE_BY_TOKEN } azure_kind;

typedef struct azure_key {
    char *account;
    unsigned char bytes[AZURE_KEY_MAX];
    size_t n;
} azure_key;

typedef struct azure_auth {
    azure_kind kind;
    azure_key key;  /* its account is set whenever it is known */
    char *sas;      /* "sv=...&sig=...", without a question mark */
    char *endpoint; /* a connection string's; NULL: none */
    char *suffix;   /* of it, "core.windows.net"; NULL */
    bool http;      /* it says DefaultEndpointsProtocol=http */
    struct azure_tokens *tokens;
} azure_auth;

/* `http` is borrowed. FINOPS_E_CONFIG: what was given does not fit together. */
finops_code azure_auth_new(const azure_auth_config *config, fo_http_client *http, azure_auth **ret,
                           finops_error **err);
void azure_auth_free(azure_auth *auth); /* NULL is fine */

/* A request as it is signed. */
typedef struct azure_signed {
    const char *method;
    const char *path;          /* "/container/a%20b", as it goes out */
    const char *query;         /* escaped; NULL: none */
    const fo_headers *headers; /* x-ms-date and x-ms-version are among them */
    size_t body_size;
} azure_signed;

/* "SharedKey account:signature", appended. */
finops_code azure_sign(const azure_key *key, const azure_signed *request, fo_str *ret, finops_error **err);
/* What is signed, appended: for who looks for a mistake, and tests. */
finops_code azure_text_to_sign(const azure_key *key, const azure_signed *request, fo_str *ret,
                               finops_error **err);

/* Adds the headers that let the request through; a shared access signature is for the caller to add to the
 * query. The request's own headers are `headers`. */
finops_code azure_authorize(azure_auth *auth, const azure_signed *request, const finops_call *call,
                            fo_headers *headers, finops_error **err);
/* The service says that the token in these headers has expired; false: it is none that could be renewed. */
bool azure_auth_expired(azure_auth *auth, const fo_headers *headers);

typedef struct azure_sas {
    const char *container, *key; /* unescaped */
    const char *permissions;     /* "r", "cw" */
    int64_t expires_us;
    bool http; /* over http as well as https */
} azure_sas;
/* A service's signature for one blob, as a query, appended. */
finops_code azure_sas_make(const azure_key *key, const azure_sas *sas, fo_str *ret, finops_error **err);

#endif
