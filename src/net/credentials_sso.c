/* Single sign-on: the token that `aws sso login` left, changed for the keys of a role.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/credentials_internal.h"

typedef struct sso {
    const char *cache_name; /* of the session, or the start address: what the file's name is made of */
    const char *region, *account, *role;
} sso;

/* False: the profile has nothing of it. */
static bool
sso_of(const fo_aws_profiles *ps, const char *profile, sso *ret)
{
    const char *session = fo_aws_profiles_get(ps, profile, "sso_session");

    ret->account = fo_aws_profiles_get(ps, profile, "sso_account_id");
    ret->role = fo_aws_profiles_get(ps, profile, "sso_role_name");
    ret->cache_name = session ? session : fo_aws_profiles_get(ps, profile, "sso_start_url");
    ret->region = session ? fo_aws_profiles_sso(ps, session, "sso_region")
                          : fo_aws_profiles_get(ps, profile, "sso_region");
    return ret->cache_name != NULL;
}

static finops_code
sign_in_again(const char *profile, const char *why, finops_error **err)
{
    fo_error_set(err, FINOPS_E_AUTH, "profile %s: %s", profile, why);
    fo_error_hint(err, "run: aws sso login --profile %s", profile);
    return FINOPS_E_AUTH;
}

static finops_code
cached_token(const fo_aws_context *context, const char *profile, const sso *s, char **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FO_AWS_FILE_MAX);
    FO_AUTO(fo_freep) char *path = NULL;
    unsigned char sum[FO_SHA256_BYTES];
    char name[sizeof("sso/cache/.json") + 2 * sizeof(sum)], hex[FO_SHA256_HEX];
    json_t *json;
    const char *token, *end;
    int64_t expires_us = 0;
    size_t n;
    finops_code rc = fo_digest(FO_SHA1, s->cache_name, strlen(s->cache_name), sum, &n, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_hex(sum, n, hex);
    (void)snprintf(name, sizeof(name), "sso/cache/%s.json", hex);
    path = fo_aws_home_file(context->options, name);
    if (!path || fo_file_read(path, FO_AWS_FILE_MAX, &text, NULL) != FINOPS_OK)
        return sign_in_again(profile, "nobody has signed in yet", err);
    json = json_loadb(fo_str_z(&text), text.len, 0, NULL);
    token = json_string_value(json_object_get(json, "accessToken"));
    end = json_string_value(json_object_get(json, "expiresAt"));
    if (!token || !end || !fo_time_parse(end, strlen(end), &expires_us))
        rc = sign_in_again(profile, "the token of the single sign-on cannot be read", err);
    else if (expires_us <= fo_clock_now())
        rc = sign_in_again(profile, "the single sign-on has expired", err);
    else if (!(*ret = fo_strdup(token)))
        rc = fo_error_oom(err);
    json_decref(json);
    if (text.data)
        explicit_bzero(text.data, text.len);
    return rc;
}

/* {"roleCredentials": {"accessKeyId", "secretAccessKey", "sessionToken", "expiration": milliseconds}} */
static finops_code
read_answer(const fo_str *answer, fo_aws_keys **ret, finops_error **err)
{
    json_t *json = json_loadb(fo_str_z(answer), answer->len, 0, NULL);
    json_t *found = json_object_get(json, "roleCredentials");
    const fo_sigv4_keys keys = { json_string_value(json_object_get(found, "accessKeyId")),
                                 json_string_value(json_object_get(found, "secretAccessKey")),
                                 json_string_value(json_object_get(found, "sessionToken")) };
    int64_t expires_us = (int64_t)json_integer_value(json_object_get(found, "expiration")) * 1000;
    finops_code rc;

    if (!keys.access_key_id || !keys.secret_access_key || expires_us <= 0)
        rc = fo_error_set(err, FINOPS_E_AUTH, "the single sign-on answered without credentials");
    else
        rc = fo_aws_keys_new(&keys, expires_us, "single sign-on", ret, err);
    json_decref(json);
    return rc;
}

static finops_code
make_url(const fo_aws_context *context, const sso *s, fo_str *url, finops_error **err)
{
    const char *given = fo_aws_env(context->options, "AWS_ENDPOINT_URL_SSO");

    if (given)
        fo_str_add(url, given);
    else
        fo_str_addf(url, "https://portal.sso.%s.amazonaws.com", s->region);
    fo_str_add(url, "/federation/credentials?role_name=");
    fo_url_escape(url, s->role, false);
    fo_str_add(url, "&account_id=");
    fo_url_escape(url, s->account, false);
    return fo_str_check(url, err);
}

static finops_code
change_token(const fo_aws_context *context, const char *profile, const sso *s, const char *token,
             fo_aws_keys **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(FO_AWS_FILE_MAX), answer = FO_STR_MAX(FO_AWS_FILE_MAX);
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    const fo_http_header header = { "x-amz-sso_bearer_token", token };
    fo_http_request request = { .method = "GET", .headers = &header, .n_headers = 1, .call = context->call };
    finops_code rc = make_url(context, s, &url, err);

    request.url = fo_str_z(&url);
    if (rc == FINOPS_OK)
        rc = fo_http_begin(context->options->http, &request, &e, err);
    if (rc == FINOPS_OK)
        rc = fo_http_body(e, &answer, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_http_status(e) == 200)
        rc = read_answer(&answer, ret, err);
    else if (fo_http_status(e) == 401)
        rc = sign_in_again(profile, "the single sign-on is not valid any more", err);
    else
        rc = fo_error_set(err, fo_http_status(e) >= 500 ? FINOPS_E_TRANSIENT : FINOPS_E_AUTH,
                          "profile %s: the single sign-on answered %d", profile, fo_http_status(e));
    if (answer.data)
        explicit_bzero(answer.data, answer.len);
    return rc;
}

finops_code
fo_aws_keys_sso(const fo_aws_context *context, const fo_aws_profiles *profiles, const char *profile,
                fo_aws_keys **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *token = NULL;
    sso s;
    finops_code rc;

    if (!sso_of(profiles, profile, &s))
        return FINOPS_OK;
    if (!s.region || !s.account || !s.role)
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "profile %s: single sign-on needs sso_region, sso_account_id and sso_role_name",
                            profile);
    rc = cached_token(context, profile, &s, &token, err);
    if (rc == FINOPS_OK)
        rc = change_token(context, profile, &s, token, ret, err);
    if (token)
        explicit_bzero(token, strlen(token));
    return rc;
}
