/*
 * What a remote store says: its HTTP status and, of S3, its own code, which tells more: a wrong secret and a
 * missing permission are both 403. https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
#include <string.h>

#include "base/mem.h"
#include "engine/engine_internal.h"

#define HINT_POLICY                                                                                          \
    "the policy of these credentials must allow s3:ListBucket on the bucket and s3:GetObject on its files"
#define HINT_REGION "set [aws] region to that of the bucket"
#define HINT_SESSION "the session of these credentials has ended or its token is wrong; sign in anew"

typedef struct answer {
    int status;      /* 0: any */
    const char *why; /* the store's code; NULL: any */
    finops_code code;
    const char *hint;
} answer;

/* The first row that fits counts. */
static const answer answers[] = {
    { 0, "SignatureDoesNotMatch", FINOPS_E_AUTH,
      "check the credentials: secret_access_key does not belong to access_key_id" },
    { 0, "InvalidAccessKeyId", FINOPS_E_AUTH,
      "check the credentials: the server does not know access_key_id" },
    { 0, "ExpiredToken", FINOPS_E_AUTH, HINT_SESSION },
    { 0, "InvalidToken", FINOPS_E_AUTH, HINT_SESSION },
    { 0, "TokenRefreshRequired", FINOPS_E_AUTH, HINT_SESSION },
    { 0, "RequestTimeTooSkewed", FINOPS_E_AUTH,
      "set this machine's clock: signatures hold for minutes only" },
    { 0, "AuthorizationHeaderMalformed", FINOPS_E_CONFIG, HINT_REGION },
    { 0, "PermanentRedirect", FINOPS_E_CONFIG, HINT_REGION },
    { 0, "AccessDenied", FINOPS_E_DENIED, HINT_POLICY },
    { 0, "NoSuchBucket", FINOPS_E_NOT_FOUND,
      "check the name of the bucket, and endpoint_url when it is set" },
    { 0, "InvalidBucketName", FINOPS_E_NOT_FOUND, "check the name of the bucket" },
    { 0, "SlowDown", FINOPS_E_THROTTLED, NULL },
    { 301, NULL, FINOPS_E_CONFIG, HINT_REGION },
    { 307, NULL, FINOPS_E_CONFIG, HINT_REGION },
    { 400, NULL, FINOPS_E_DENIED, "check the credentials, their session token and the region" },
    { 401, NULL, FINOPS_E_AUTH, "check the credentials and their session token" },
    { 403, NULL, FINOPS_E_DENIED, "check the credentials and the region; " HINT_POLICY },
    { 404, NULL, FINOPS_E_NOT_FOUND, NULL },
    { 407, NULL, FINOPS_E_AUTH, "give user and password in [network] proxy: http://user:password@host:port" },
    { 408, NULL, FINOPS_E_TIMEOUT, NULL },
    { 429, NULL, FINOPS_E_THROTTLED, NULL },
    { 503, NULL, FINOPS_E_THROTTLED, NULL },
};

/* The status in "… (HTTP 403 Forbidden)", "HTTP code 404" and their like; 0 when there is none. */
static int
http_status(const char *text)
{
    for (const char *p = strstr(text, "HTTP "); p; p = strstr(p, "HTTP ")) {
        p += strlen("HTTP ");
        if (fo_starts(p, "code "))
            p += strlen("code ");
        if (p[0] >= '1' && p[0] <= '5' && fo_is_digit(p[1]) && fo_is_digit(p[2]) && !fo_is_digit(p[3]))
            return (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
    }
    return 0;
}

/* What the store says, "Code: message", stands in a paragraph of its own; "" when it says nothing. */
static const char *
second_paragraph(const char *text)
{
    const char *p = strstr(text, "\n\n");

    return p && !fo_starts(p + 2, "Authentication Failure") ? p + 2 : "";
}

static void
tell(const char *text, const char *said, fo_str *ret)
{
    if (fo_starts(text, "HTTP Error: "))
        text += strlen("HTTP Error: ");
    fo_str_addn(ret, text, strcspn(text, "\n"));
    if (*said) {
        fo_str_add(ret, ": ");
        fo_str_addn(ret, said, strcspn(said, "\n"));
    }
    /* A full stop ends the store's sentence, not ours. */
    if (fo_str_ok(ret) && fo_ends(ret->data, "."))
        ret->data[--ret->len] = '\0';
}

bool
fo_engine_http(const char *text, fo_str *ret_text, finops_code *ret_code, const char **ret_hint)
{
    int status = http_status(text);
    const char *said = second_paragraph(text);

    if (!status)
        return false;
    *ret_code = status >= 500 ? FINOPS_E_TRANSIENT : FINOPS_E_IO;
    *ret_hint = NULL;
    for (size_t i = 0; i < FO_COUNT(answers); i++) {
        const answer *a = &answers[i];

        if ((a->status && a->status != status) || (a->why && !fo_starts(said, a->why)))
            continue;
        *ret_code = a->code;
        *ret_hint = a->hint;
        break;
    }
    tell(text, said, ret_text);
    return true;
}
