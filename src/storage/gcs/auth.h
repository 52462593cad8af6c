/* Who asks Google: a service account's key, a user who logged in, the machine, or nobody. */
#ifndef FO_STORAGE_GCS_AUTH_H
#define FO_STORAGE_GCS_AUTH_H

#include "base/error.h"
#include "base/str.h"
#include "finops/sys/call.h"
#include "net/http.h"

typedef struct gcs_auth gcs_auth;

typedef struct gcs_auth_config {
    char *credentials_file; /* JSON as Google hands it out; NULL: the environment, then the machine */
    char *credential;       /* "auto" */
} gcs_auth_config;

/* A service account's claim, as text. https://developers.google.com/identity/protocols/oauth2/service-account
 */
typedef struct gcs_claim {
    const char *email, *key_id, *key; /* PEM */
    const char *audience;             /* the token service */
    int64_t now_us;
} gcs_claim;

/* "header.claims.signature", appended. */
finops_code gcs_jwt(const gcs_claim *claim, fo_str *ret, finops_error **err);
/* RS256 of a text with a PEM key, the bytes appended. */
finops_code gcs_rsa_sign(const char *key, const char *text, size_t n, fo_str *ret, finops_error **err);

/* `http` is borrowed; `emulator`: nobody logs in unless it is told how. */
finops_code gcs_auth_new(const gcs_auth_config *config, bool emulator, fo_http_client *http, gcs_auth **ret,
                         finops_error **err);
void gcs_auth_free(gcs_auth *auth); /* NULL is fine */
/* "Bearer ...", appended; nothing for nobody. */
finops_code gcs_auth_get(gcs_auth *auth, const finops_call *call, fo_str *ret, finops_error **err);
/* The service does not take it any more; false: there is none that could be renewed. */
bool gcs_auth_expired(gcs_auth *auth, const char *header);
/* The key that can sign for others, and whose it is; NULL: there is none. */
const char *gcs_auth_key(const gcs_auth *auth, const char **ret_email);

#endif
