/* What the service refuses, as the interface calls it. The code in the document beats the status.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "finops/sys/plugin.h"
#include "storage/http_object.h"
#include "storage/s3/s3_internal.h"

static const struct row {
    const char *name;
    finops_code code;
} rows[] = {
    { "AccessDenied", FINOPS_E_DENIED },
    { "AccountProblem", FINOPS_E_DENIED },
    { "AllAccessDisabled", FINOPS_E_DENIED },
    { "AuthorizationHeaderMalformed", FINOPS_E_AUTH },
    { "BadDigest", FINOPS_E_CORRUPT },
    { "BandwidthLimitExceeded", FINOPS_E_THROTTLED },
    { "ConditionalRequestConflict", FINOPS_E_TRANSIENT },
    { "EntityTooLarge", FINOPS_E_ARGUMENT },
    { "EntityTooSmall", FINOPS_E_ARGUMENT },
    { "ExistingObjectIsDirectory", FINOPS_E_ARGUMENT }, /* of versitygw, whose keys are files */
    { "ExpiredToken", FINOPS_E_AUTH },
    { "IncompleteBody", FINOPS_E_TRANSIENT },
    { "InternalError", FINOPS_E_TRANSIENT },
    { "InvalidAccessKeyId", FINOPS_E_AUTH },
    { "InvalidBucketName", FINOPS_E_CONFIG },
    { "InvalidDigest", FINOPS_E_CORRUPT },
    { "InvalidObjectState", FINOPS_E_DENIED },
    { "InvalidRange", FINOPS_E_RANGE },
    { "InvalidToken", FINOPS_E_AUTH },
    { "KeyTooLongError", FINOPS_E_ARGUMENT },
    { "MethodNotAllowed", FINOPS_E_UNSUPPORTED },
    { "NoSuchBucket", FINOPS_E_CONFIG },
    { "NoSuchKey", FINOPS_E_NOT_FOUND },
    { "NoSuchUpload", FINOPS_E_NOT_FOUND },
    { "NoSuchVersion", FINOPS_E_NOT_FOUND },
    { "NotImplemented", FINOPS_E_UNSUPPORTED },
    { "ObjectParentIsFile", FINOPS_E_ARGUMENT },
    { "OperationAborted", FINOPS_E_TRANSIENT },
    { "PermanentRedirect", FINOPS_E_CONFIG },
    { "PreconditionFailed", FINOPS_E_PRECONDITION },
    { "ProvisionedThroughputExceededException", FINOPS_E_THROTTLED },
    { "RequestLimitExceeded", FINOPS_E_THROTTLED },
    { "RequestThrottled", FINOPS_E_THROTTLED },
    { "RequestThrottledException", FINOPS_E_THROTTLED },
    { "RequestTimeTooSkewed", FINOPS_E_AUTH },
    { "RequestTimeout", FINOPS_E_TRANSIENT },
    { "ServiceUnavailable", FINOPS_E_TRANSIENT },
    { "SignatureDoesNotMatch", FINOPS_E_AUTH },
    { "SlowDown", FINOPS_E_THROTTLED },
    { "SlowDownRead", FINOPS_E_THROTTLED },
    { "SlowDownWrite", FINOPS_E_THROTTLED },
    { "Throttling", FINOPS_E_THROTTLED },
    { "ThrottlingException", FINOPS_E_THROTTLED },
    { "TooManyRequests", FINOPS_E_THROTTLED },
    { "TokenRefreshRequired", FINOPS_E_AUTH },
    { "XAdminUserNotFound", FINOPS_E_AUTH }, /* of versitygw: no such access key */
    { "XAmzContentChecksumMismatch", FINOPS_E_CORRUPT },
    { "XAmzContentSHA256Mismatch", FINOPS_E_CORRUPT },
};

finops_code
s3_code_of(int status, const char *code)
{
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        if (strcmp(rows[i].name, code) == 0)
            return rows[i].code;
    return fo_http_code_of(status);
}

static void
hint(const s3_storage *s, const char *code, finops_error **err)
{
    if (strcmp(code, "SignatureDoesNotMatch") == 0 || strcmp(code, "InvalidAccessKeyId") == 0)
        fo_error_hint(
            err, "check the credentials, access_key_id and secret_access_key, and endpoint_url where it is "
                 "not AWS");
    if (strcmp(code, "AccessDenied") == 0)
        fo_error_hint(
            err, "the policy of these credentials must allow it: to read takes s3:ListBucket on the bucket "
                 "and s3:GetObject on its objects");
    if (strcmp(code, "RequestTimeTooSkewed") == 0)
        fo_error_hint(err, "set the clock of this machine");
    if (strcmp(code, "NoSuchBucket") == 0)
        fo_error_hint(err, "create the bucket %s, or name another", s->bucket);
    if (strcmp(code, "ExpiredToken") == 0)
        fo_error_hint(err, "the session_token has expired: get a new one");
    if (strcmp(code, "InvalidToken") == 0 || strcmp(code, "InvalidTokenId") == 0)
        fo_error_hint(err, "check the session_token, which belongs to access_key_id: get a new one");
}

static finops_code
say(s3_request *r, int status, const char *where, const fo_xml_node *error, const char *id,
    finops_error **err)
{
    const char *code = fo_xml_get(error, "Code");
    const char *message = fo_xml_get(error, "Message");
    finops_code rc;

    (void)snprintf(r->code, sizeof(r->code), "%s", code ? code : "");
    rc = s3_code_of(status == 200 ? 500 : status, r->code);
    return fo_error_set(err, rc, "s3 %s %s: %d%s%s%s%.300s%s%.64s%s", r->method, where, status,
                        code ? " " : "", r->code, message && *message ? ": " : "", message ? message : "",
                        id ? " (request " : "", id ? id : "", id ? ")" : "");
}

finops_code
s3_failure_inside(s3_request *r, const fo_xml_node *error, const char *where, finops_error **err)
{
    return say(r, 200, where, error, NULL, err);
}

finops_code
s3_failure(s3_storage *s, s3_request *r, fo_http_exchange *e, char region[S3_REGION], finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(S3_TEXT_MAX);
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    const fo_xml_node *error = NULL;
    const char *told = fo_http_header_value(e, "x-amz-bucket-region");
    FO_AUTO(fo_freep)
    char *where = fo_format("%s/%s%s", s->bucket, r->key ? s->prefix : "", r->key ? r->key : "");
    int64_t after = fo_http_retry_after(e);
    finops_error *why = NULL;
    finops_code rc;

    /* Where the document does not come whole, the status says enough. */
    if (fo_http_body(e, &text, NULL) == FINOPS_OK && text.len > 0 &&
        fo_xml_parse(text.data, text.len, &xml, NULL) == FINOPS_OK)
        error = fo_xml_find(fo_xml_root(xml), "Error");
    if (!told)
        told = fo_xml_get(error, "Region");
    (void)snprintf(region, S3_REGION, "%s", told ? told : "");

    rc = say(r, fo_http_status(e), where ? where : "", error, fo_http_header_value(e, "x-amz-request-id"),
             &why);
    hint(s, r->code, &why);
    if (why && after >= 0)
        finops_error_set_retry_after(why, after);
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}
