/* The services beside a program: of its container (ECS, EKS) and of its machine (EC2, IMDSv2). Never through
 * a proxy, and only at addresses nobody else can have.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html */
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/credentials_internal.h"
#include "resilience/deadline.h"

#define TOKEN_MAX 4096

/* *ret_status 0: nobody is there. */
static finops_code
ask(const fo_aws_context *context, const char *method, const char *url, const fo_http_header *header,
    fo_str *answer, int *ret_status, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    const fo_http_request request = { .method = method,
                                      .url = url,
                                      .headers = header,
                                      .n_headers = header && header->value ? 1 : 0,
                                      .has_body = strcmp(method, "PUT") == 0,
                                      .direct = true,
                                      .stall_us = FO_AWS_LOCAL_US,
                                      .connect_us = FO_AWS_LOCAL_US,
                                      .call = context->call };
    finops_code rc = fo_http_begin(context->options->http, &request, &e, err);

    if (rc == FINOPS_OK)
        rc = fo_http_body(e, answer, err);
    if (rc == FINOPS_OK)
        *ret_status = fo_http_status(e);
    return rc;
}

/* ---- the machine ---- */

/* Nobody answers where no machine of Amazon's is: that is no failure. */
static bool
nobody_there(finops_code rc, const finops_call *call)
{
    bool over = call && fo_deadline_passed(call->deadline_us, fo_clock_monotonic());

    return rc == FINOPS_E_TRANSIENT || (rc == FINOPS_E_TIMEOUT && !over);
}

static finops_code
machine_token(const fo_aws_context *context, const char *base, fo_str *ret, int *ret_status,
              finops_error **err)
{
    static const fo_http_header life = { "x-aws-ec2-metadata-token-ttl-seconds", "21600" };
    FO_AUTO(fo_freep) char *url = fo_format("%s/latest/api/token", base);

    return url ? ask(context, "PUT", url, &life, ret, ret_status, err) : fo_error_oom(err);
}

/* The name of the role, then its keys. */
static finops_code
machine_role(const fo_aws_context *context, const char *base, const char *token, fo_aws_keys **ret,
             finops_error **err)
{
    FO_AUTO(fo_str_done)
    fo_str url = FO_STR_MAX(TOKEN_MAX), role = FO_STR_MAX(TOKEN_MAX), answer = FO_STR_MAX(FO_AWS_FILE_MAX);
    const fo_http_header header = { "x-aws-ec2-metadata-token", token };
    int status = 0;
    finops_code rc;

    fo_str_addf(&url, "%s/latest/meta-data/iam/security-credentials/", base);
    rc = ask(context, "GET", fo_str_z(&url), &header, &role, &status, err);
    if (rc != FINOPS_OK || status == 404)
        return rc; /* a machine without a role */
    if (role.data)
        role.len = strcspn(role.data, "\r\n");
    fo_str_addn(&url, role.data, role.len);
    rc = fo_str_check(&url, err);
    if (rc == FINOPS_OK && status == 200 && role.len > 0)
        rc = ask(context, "GET", fo_str_z(&url), &header, &answer, &status, err);
    if (rc == FINOPS_OK && (status != 200 || role.len == 0))
        rc = fo_error_set(err, status >= 500 ? FINOPS_E_TRANSIENT : FINOPS_E_AUTH,
                          "the machine's service answered %d", status);
    if (rc == FINOPS_OK)
        rc = fo_aws_keys_json(fo_str_z(&answer), answer.len, "Token", "the machine's service", "machine", ret,
                              err);
    if (answer.data)
        explicit_bzero(answer.data, answer.len);
    return rc;
}

finops_code
fo_aws_keys_machine(const fo_aws_context *context, fo_aws_keys **ret, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *problem = NULL;
    FO_AUTO(fo_str_done) fo_str token = FO_STR_MAX(TOKEN_MAX);
    const char *off = fo_aws_env(context->options, "AWS_EC2_METADATA_DISABLED");
    const char *base = fo_aws_env(context->options, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    FO_AUTO(fo_freep) char *place = NULL;
    int status = 0;
    finops_code rc;

    if (off && strcasecmp(off, "true") == 0)
        return FINOPS_OK;
    place = fo_strdup(base ? base : "http://169.254.169.254");
    if (!place)
        return fo_error_oom(err);
    while (fo_ends(place, "/"))
        place[strlen(place) - 1] = '\0';
    rc = machine_token(context, place, &token, &status, &problem);
    if (nobody_there(rc, context->call)) {
        fo_debug("no service of a machine: %s", finops_error_text(problem));
        return FINOPS_OK;
    }
    if (rc == FINOPS_OK && status >= 500)
        rc = fo_error_set(&problem, FINOPS_E_TRANSIENT, "the machine's service answered %d", status);
    if (rc != FINOPS_OK) {
        if (err)
            *err = FO_TAKE(problem);
        return rc;
    }
    if (status != 200)
        return FINOPS_OK; /* something else lives at that address */
    return machine_role(context, place, fo_str_z(&token), ret, err);
}

/* ---- the container ---- */

/* https, this machine, or the two addresses Amazon uses: what is sent there is a secret. */
static bool
trusted(const char *text)
{
    static const char *const hosts[] = { "localhost", "[::1]", "169.254.170.2", "169.254.170.23",
                                         "[fd00:ec2::23]" };
    FO_AUTO(fo_url_done) fo_url url = { 0 };

    if (fo_url_parse(text, &url, NULL) != FINOPS_OK)
        return false;
    if (strcmp(url.scheme, "https") == 0)
        return true;
    if (strcmp(url.scheme, "http") != 0 || url.user)
        return false;
    for (size_t i = 0; i < FO_COUNT(hosts); i++)
        if (strcasecmp(url.host, hosts[i]) == 0)
            return true;
    /* "127.0.0.1.evil.test" is no address. */
    return fo_starts(url.host, "127.") && strspn(url.host, "0123456789.") == strlen(url.host);
}

static finops_code
container_token(const fo_aws_options *o, fo_str *ret, finops_error **err)
{
    const char *file = fo_aws_env(o, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *token = fo_aws_env(o, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    finops_code rc = FINOPS_OK;

    if (file)
        rc = fo_file_read(file, TOKEN_MAX, ret, err);
    else if (token)
        fo_str_add(ret, token);
    while (ret->len > 0 && strchr(" \t\r\n", ret->data[ret->len - 1]))
        ret->data[--ret->len] = '\0';
    return rc == FINOPS_OK ? fo_str_check(ret, err)
                           : fo_error_wrap(err, FINOPS_E_AUTH, "token of the container");
}

static finops_code
container_url(const fo_aws_options *o, fo_str *ret, finops_error **err)
{
    const char *path = fo_aws_env(o, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = fo_aws_env(o, "AWS_CONTAINER_CREDENTIALS_FULL_URI");

    if (path)
        fo_str_addf(ret, "http://169.254.170.2%s%s", *path == '/' ? "" : "/", path);
    else if (full && !trusted(full))
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, this machine, or an address "
                            "of a container's service");
    else if (full)
        fo_str_add(ret, full);
    return fo_str_check(ret, err);
}

finops_code
fo_aws_keys_container(const fo_aws_context *context, fo_aws_keys **ret, finops_error **err)
{
    FO_AUTO(fo_str_done)
    fo_str url = FO_STR_MAX(TOKEN_MAX), token = FO_STR_MAX(TOKEN_MAX), answer = FO_STR_MAX(FO_AWS_FILE_MAX);
    fo_http_header header = { "authorization", NULL };
    int status = 0;
    finops_code rc = container_url(context->options, &url, err);

    if (rc == FINOPS_OK && url.len == 0)
        return FINOPS_OK;
    if (rc == FINOPS_OK)
        rc = container_token(context->options, &token, err);
    if (token.len > 0)
        header.value = fo_str_z(&token);
    if (rc == FINOPS_OK)
        rc = ask(context, "GET", fo_str_z(&url), &header, &answer, &status, err);
    if (rc == FINOPS_OK && status != 200)
        rc = fo_error_set(err, status >= 500 ? FINOPS_E_TRANSIENT : FINOPS_E_AUTH,
                          "the container's service answered %d", status);
    if (rc == FINOPS_OK)
        rc = fo_aws_keys_json(fo_str_z(&answer), answer.len, "Token", "the container's service", "container",
                              ret, err);
    if (answer.data)
        explicit_bzero(answer.data, answer.len);
    return rc;
}
