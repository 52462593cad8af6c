/* The token service: taking on a role. https://docs.aws.amazon.com/STS/latest/APIReference/ */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/credentials_internal.h"
#include "net/xml.h"

#define FORM "application/x-www-form-urlencoded; charset=utf-8"

static void
add_field(fo_str *form, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    fo_str_addf(form, "&%s=", name);
    fo_url_escape(form, value, false);
}

/* The token without the line break that editors put at its end. */
static finops_code
add_web_identity(fo_str *form, const char *file, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str token = FO_STR_MAX(FO_AWS_FILE_MAX);
    finops_code rc = fo_file_read(file, FO_AWS_FILE_MAX, &token, err);

    if (rc != FINOPS_OK)
        return fo_error_wrap(err, FINOPS_E_AUTH, "web identity token");
    while (token.len > 0 && strchr(" \t\r\n", token.data[token.len - 1]))
        token.data[--token.len] = '\0';
    add_field(form, "WebIdentityToken", fo_str_z(&token));
    return FINOPS_OK;
}

static finops_code
make_form(const fo_aws_role *role, fo_str *form, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    fo_str_addf(form, "Action=%s&Version=2011-06-15",
                role->token_file ? "AssumeRoleWithWebIdentity" : "AssumeRole");
    add_field(form, "RoleArn", role->arn);
    add_field(form, "RoleSessionName", role->session_name ? role->session_name : "finops");
    add_field(form, "ExternalId", role->external_id);
    add_field(form, "DurationSeconds", role->duration_seconds);
    if (role->token_file)
        rc = add_web_identity(form, role->token_file, err);
    return rc == FINOPS_OK ? fo_str_check(form, err) : rc;
}

static finops_code
endpoint(const fo_aws_context *context, const char *region, fo_str *ret, finops_error **err)
{
    const char *given = fo_aws_env(context->options, "AWS_ENDPOINT_URL_STS");

    if (!given)
        given = fo_aws_env(context->options, "AWS_ENDPOINT_URL");
    if (given)
        fo_str_add(ret, given);
    else if (region)
        fo_str_addf(ret, "https://sts.%s.amazonaws.com%s", region, fo_starts(region, "cn-") ? ".cn" : "");
    else
        fo_str_add(ret, "https://sts.amazonaws.com");
    while (ret->len > 0 && ret->data[ret->len - 1] == '/')
        ret->data[--ret->len] = '\0';
    fo_str_addc(ret, '/');
    return fo_str_check(ret, err);
}

static finops_code
read_keys(const fo_str *answer, fo_aws_keys **ret, finops_error **err)
{
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    const fo_xml_node *found;
    const char *end;
    fo_sigv4_keys keys = { 0 };
    int64_t expires_us = 0;
    finops_code rc = fo_xml_parse(fo_str_z(answer), answer->len, &xml, err);

    if (rc != FINOPS_OK)
        return fo_error_wrap(err, FINOPS_E_TRANSIENT, "answer of the token service");
    found = fo_xml_find(fo_xml_root(xml), "Credentials");
    end = fo_xml_get(found, "Expiration");
    keys = (fo_sigv4_keys){ fo_xml_get(found, "AccessKeyId"), fo_xml_get(found, "SecretAccessKey"),
                            fo_xml_get(found, "SessionToken") };
    if (!keys.access_key_id || !keys.secret_access_key || !end ||
        !fo_time_parse(end, strlen(end), &expires_us))
        return fo_error_set(err, FINOPS_E_AUTH, "the token service answered without credentials");
    return fo_aws_keys_new(&keys, expires_us, "role", ret, err);
}

/* An error document: <Error><Code>, <Message>. Neither has secrets. */
static finops_code
refused(int status, const fo_str *answer, finops_error **err)
{
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    finops_code code = status == 429   ? FINOPS_E_THROTTLED
                       : status >= 500 ? FINOPS_E_TRANSIENT
                                       : FINOPS_E_AUTH;
    const fo_xml_node *e = NULL;
    const char *what, *why;

    if (fo_xml_parse(fo_str_z(answer), answer->len, &xml, NULL) == FINOPS_OK)
        e = fo_xml_find(fo_xml_root(xml), "Error");
    what = fo_xml_get(e, "Code");
    why = fo_xml_get(e, "Message");
    if (what && strcmp(what, "Throttling") == 0)
        code = FINOPS_E_THROTTLED;
    return fo_error_set(err, code, "the token service answered %d %s%s%.300s", status, what ? what : "",
                        why ? ": " : "", why ? why : "");
}

static finops_code
sign(const fo_str *url, const fo_str *form, const char *region, const fo_sigv4_keys *keys,
     fo_sigv4_headers *ret, finops_error **err)
{
    static const fo_http_header type = { "content-type", FORM };
    fo_sigv4 *signer = fo_sigv4_new();
    char payload[FO_SHA256_HEX], host[300];
    const char *place = strstr(fo_str_z(url), "://");
    fo_sigv4_request r = { .method = "POST",
                           .host = host,
                           .path = "/",
                           .headers = &type,
                           .n_headers = 1,
                           .payload = payload,
                           .region = region ? region : "us-east-1",
                           .service = "sts",
                           .keys = keys,
                           .now_us = fo_clock_now() };
    finops_code rc = FINOPS_OK;

    if (!signer)
        return fo_error_oom(err);
    place = place ? place + 3 : fo_str_z(url);
    (void)snprintf(host, sizeof(host), "%.*s", (int)strcspn(place, "/"), place);
    rc = fo_sha256_hex(fo_str_z(form), form->len, payload, err);
    if (rc == FINOPS_OK)
        rc = fo_sigv4_sign(signer, &r, ret, err);
    fo_sigv4_free(signer);
    return rc;
}

finops_code
fo_aws_assume_role(const fo_aws_context *context, const fo_aws_role *role, const fo_sigv4_keys *keys,
                   fo_aws_keys **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str form = FO_STR_MAX(FO_AWS_FILE_MAX), url = FO_STR_MAX(FO_AWS_FILE_MAX);
    FO_AUTO(fo_str_done) fo_str answer = FO_STR_MAX(FO_AWS_FILE_MAX);
    FO_AUTO(fo_sigv4_headers_done) fo_sigv4_headers signature = { 0 };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    fo_http_header headers[5] = { { "content-type", FORM } };
    fo_http_request request = { .method = "POST", .headers = headers, .n_headers = 1, .call = context->call };
    finops_code rc = make_form(role, &form, err);

    if (rc == FINOPS_OK)
        rc = endpoint(context, role->region, &url, err);
    if (rc == FINOPS_OK && keys)
        rc = sign(&url, &form, role->region, keys, &signature, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "assume role %s", role->arn);
    for (size_t i = 0; i < signature.n; i++)
        headers[request.n_headers++] = signature.items[i];
    request.url = fo_str_z(&url);
    request.body = fo_str_z(&form);
    request.body_size = form.len;
    rc = fo_http_begin(context->options->http, &request, &e, err);
    if (rc == FINOPS_OK)
        rc = fo_http_body(e, &answer, err);
    if (rc == FINOPS_OK)
        rc = fo_http_status(e) == 200 ? read_keys(&answer, ret, err)
                                      : refused(fo_http_status(e), &answer, err);
    if (answer.data)
        explicit_bzero(answer.data, answer.len);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "assume role %s", role->arn);
}

finops_code
fo_aws_keys_web_identity(const fo_aws_context *context, fo_aws_keys **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *region = NULL;
    fo_aws_role role = { .arn = fo_aws_env(context->options, "AWS_ROLE_ARN"),
                         .session_name = fo_aws_env(context->options, "AWS_ROLE_SESSION_NAME"),
                         .token_file = fo_aws_env(context->options, "AWS_WEB_IDENTITY_TOKEN_FILE") };
    finops_code rc;

    if (!role.arn || !role.token_file)
        return FINOPS_OK;
    rc = fo_aws_region(context->options, &region, err);
    if (rc != FINOPS_OK)
        return rc;
    role.region = region;
    return fo_aws_assume_role(context, &role, NULL, ret, err);
}
