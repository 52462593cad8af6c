/* Tokens of Google, https://google.aip.dev/auth/4110 */
#include "storage/gcs/auth.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/oauth.h"

#define SCOPE "https://www.googleapis.com/auth/devstorage.read_write"
#define TOKEN_URI "https://oauth2.googleapis.com/token"
#define MACHINE_US 5000000
#define LIFE 3600 /* seconds a claim asks for */

typedef enum gcs_kind { BY_NOBODY, BY_ACCOUNT, BY_USER, BY_MACHINE } gcs_kind;

struct gcs_auth {
    gcs_kind kind;
    json_t *file;
    fo_http_client *http; /* borrowed */
    fo_oauth *oauth;
};

static bool
said(const char *text)
{
    return text && *text;
}

static const char *
of_file(const gcs_auth *auth, const char *name)
{
    return json_string_value(json_object_get(auth->file, name));
}

/* ---- a signed claim ---- */

finops_code
gcs_rsa_sign(const char *key, const char *text, size_t n, fo_str *ret, finops_error **err)
{
    BIO *bio = BIO_new_mem_buf(key, -1);
    EVP_PKEY *pkey = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char bytes[1024];
    size_t size = sizeof(bytes);
    bool good = pkey && ctx && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA &&
                EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
                EVP_DigestSign(ctx, bytes, &size, (const unsigned char *)text, n) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    BIO_free(bio);
    if (!good)
        return fo_error_set(err, FINOPS_E_AUTH,
                            "the private key of the service account is no RSA key in PEM");
    fo_str_addn(ret, (const char *)bytes, size);
    return fo_str_check(ret, err);
}

/* Base64 for addresses: '-' and '_', and nothing at the end. */
static void
add_base64url(fo_str *ret, const void *p, size_t n)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FO_TOKEN_MAX);

    fo_base64(&text, p, n);
    for (size_t i = 0; i < text.len && text.data[i] != '='; i++)
        fo_str_addc(ret, text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i]);
}

finops_code
gcs_jwt(const gcs_claim *claim, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str head = FO_STR_MAX(FO_TOKEN_MAX), body = FO_STR_MAX(FO_TOKEN_MAX);
    FO_AUTO(fo_str_done) fo_str signature = FO_STR_MAX(FO_TOKEN_MAX);
    int64_t now = claim->now_us / 1000000;
    size_t begin = ret->len;
    finops_code rc;

    fo_str_add(&head, "{\"alg\":\"RS256\",\"typ\":\"JWT\"");
    if (said(claim->key_id)) {
        fo_str_add(&head, ",\"kid\":");
        fo_str_add_json(&head, claim->key_id, strlen(claim->key_id));
    }
    fo_str_addc(&head, '}');
    fo_str_add(&body, "{\"iss\":");
    fo_str_add_json(&body, claim->email, strlen(claim->email));
    fo_str_add(&body, ",\"scope\":\"" SCOPE "\",\"aud\":");
    fo_str_add_json(&body, claim->audience, strlen(claim->audience));
    fo_str_addf(&body, ",\"iat\":%" PRId64 ",\"exp\":%" PRId64 "}", now, now + LIFE);
    add_base64url(ret, fo_str_z(&head), head.len);
    fo_str_addc(ret, '.');
    add_base64url(ret, fo_str_z(&body), body.len);
    rc = fo_str_check(ret, err);
    if (rc == FINOPS_OK)
        rc = gcs_rsa_sign(claim->key, ret->data + begin, ret->len - begin, &signature, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_addc(ret, '.');
    add_base64url(ret, signature.data, signature.len);
    return fo_str_check(ret, err);
}

/* ---- asking ---- */

static finops_code
make_form(const gcs_auth *auth, const char *uri, fo_str *form, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str jwt = FO_STR_MAX(FO_TOKEN_MAX);
    const gcs_claim claim = { of_file(auth, "client_email"), of_file(auth, "private_key_id"),
                              of_file(auth, "private_key"), uri, fo_clock_now() };
    finops_code rc = FINOPS_OK;

    if (auth->kind == BY_ACCOUNT) {
        rc = gcs_jwt(&claim, &jwt, err);
        fo_oauth_field(form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
        fo_oauth_field(form, "assertion", fo_str_z(&jwt));
    } else {
        fo_oauth_field(form, "grant_type", "refresh_token");
        fo_oauth_field(form, "client_id", of_file(auth, "client_id"));
        fo_oauth_field(form, "client_secret", of_file(auth, "client_secret"));
        fo_oauth_field(form, "refresh_token", of_file(auth, "refresh_token"));
    }
    return rc == FINOPS_OK ? fo_str_check(form, err) : rc;
}

static finops_code
ask_service(const gcs_auth *auth, const finops_call *call, fo_str *ret, int64_t *ret_expires_us,
            finops_error **err)
{
    static const fo_http_header type = { "content-type", FO_OAUTH_FORM };
    FO_AUTO(fo_str_done) fo_str form = FO_STR_MAX(FO_TOKEN_MAX);
    const char *uri = of_file(auth, "token_uri") ? of_file(auth, "token_uri") : TOKEN_URI;
    fo_http_request request = {
        .method = "POST", .url = uri, .headers = &type, .n_headers = 1, .call = call
    };
    finops_code rc = make_form(auth, uri, &form, err);

    request.body = fo_str_z(&form);
    request.body_size = form.len;
    if (rc == FINOPS_OK)
        rc = fo_oauth_ask(auth->http, &request, "the token service of Google", ret, ret_expires_us, err);
    if (form.data)
        explicit_bzero(form.data, form.len);
    return rc;
}

static finops_code
ask_machine(const gcs_auth *auth, const finops_call *call, fo_str *ret, int64_t *ret_expires_us,
            finops_error **err)
{
    static const fo_http_header flavor = { "metadata-flavor", "Google" };
    const char *host = getenv("GCE_METADATA_HOST");
    FO_AUTO(fo_freep)
    char *url = fo_format("http://%s/computeMetadata/v1/instance/service-accounts/default/token",
                          said(host) ? host : "metadata.google.internal");
    const fo_http_request request = { .method = "GET",
                                      .url = url,
                                      .headers = &flavor,
                                      .n_headers = 1,
                                      .direct = true,
                                      .connect_us = MACHINE_US,
                                      .stall_us = MACHINE_US,
                                      .call = call };
    finops_code rc;

    if (!url)
        return fo_error_oom(err);
    rc = fo_oauth_ask(auth->http, &request, "the machine's metadata service", ret, ret_expires_us, err);
    if (rc == FINOPS_E_TRANSIENT || rc == FINOPS_E_TIMEOUT)
        fo_error_hint(err, "outside of Google's machines set GOOGLE_APPLICATION_CREDENTIALS to the file of a "
                           "service account");
    return rc;
}

static finops_code
fetch(void *arg, const finops_call *call, fo_str *ret, int64_t *ret_expires_us, finops_error **err)
{
    const gcs_auth *auth = arg;

    return auth->kind == BY_MACHINE ? ask_machine(auth, call, ret, ret_expires_us, err)
                                    : ask_service(auth, call, ret, ret_expires_us, err);
}

/* ---- which way ---- */

static finops_code
load(gcs_auth *auth, const char *path, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FO_TOKEN_MAX);
    finops_code rc = fo_file_read(path, FO_TOKEN_MAX, &text, err);
    const char *type;

    if (rc != FINOPS_OK)
        return fo_error_wrap(err, FINOPS_E_CONFIG, "gcs.credentials_file");
    auth->file = json_loadb(fo_str_z(&text), text.len, 0, NULL);
    explicit_bzero(text.data, text.len);
    type = of_file(auth, "type");
    if (fo_streq(type, "service_account") && of_file(auth, "client_email") && of_file(auth, "private_key"))
        auth->kind = BY_ACCOUNT;
    else if (fo_streq(type, "authorized_user") && of_file(auth, "refresh_token"))
        auth->kind = BY_USER;
    else
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "gcs.credentials_file %s is neither of a service account nor of a user", path);
    return FINOPS_OK;
}

static finops_code
choose(gcs_auth *auth, const gcs_auth_config *c, bool emulator, finops_error **err)
{
    const char *want = said(c->credential) ? c->credential : "auto";
    const char *path =
        said(c->credentials_file) ? c->credentials_file : getenv("GOOGLE_APPLICATION_CREDENTIALS");

    if (strcmp(want, "none") == 0 || (emulator && strcmp(want, "auto") == 0 && !said(c->credentials_file)))
        return FINOPS_OK;
    if (strcmp(want, "machine") != 0 && said(path))
        return load(auth, path, err);
    if (strcmp(want, "file") == 0)
        return fo_error_set(err, FINOPS_E_CONFIG, "gcs.credentials_file is not set");
    auth->kind = BY_MACHINE;
    return FINOPS_OK;
}

finops_code
gcs_auth_new(const gcs_auth_config *config, bool emulator, fo_http_client *http, gcs_auth **ret,
             finops_error **err)
{
    gcs_auth *auth = fo_zalloc(sizeof(*auth));
    finops_code rc;

    if (!auth)
        return fo_error_oom(err);
    auth->http = http;
    rc = choose(auth, config, emulator, err);
    if (rc == FINOPS_OK) {
        auth->oauth = fo_oauth_new(fetch, auth);
        rc = auth->oauth ? FINOPS_OK : fo_error_oom(err);
    }
    if (rc != FINOPS_OK) {
        gcs_auth_free(auth);
        return rc;
    }
    *ret = auth;
    return FINOPS_OK;
}

void
gcs_auth_free(gcs_auth *auth)
{
    if (!auth)
        return;
    fo_oauth_free(auth->oauth);
    json_decref(auth->file);
    fo_free(auth);
}

finops_code
gcs_auth_get(gcs_auth *auth, const finops_call *call, fo_str *ret, finops_error **err)
{
    if (auth->kind == BY_NOBODY)
        return FINOPS_OK;
    fo_str_add(ret, "Bearer ");
    return fo_oauth_get(auth->oauth, call, ret, err);
}

bool
gcs_auth_expired(gcs_auth *auth, const char *header)
{
    if (auth->kind == BY_NOBODY || !fo_starts(header, "Bearer "))
        return false;
    fo_oauth_expired(auth->oauth, header + strlen("Bearer "));
    return true;
}

const char *
gcs_auth_key(const gcs_auth *auth, const char **ret_email)
{
    if (auth->kind != BY_ACCOUNT)
        return NULL;
    *ret_email = of_file(auth, "client_email");
    return of_file(auth, "private_key");
}
