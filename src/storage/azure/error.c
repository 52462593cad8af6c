/* What the service refuses, as the interface calls it. The code beats the status.
 * https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "finops/sys/plugin.h"
#include "storage/azure/azure_internal.h"

static const struct row {
    const char *name; /* with a '*' at its end: all that begin so */
    finops_code code;
} rows[] = {
    { "AccountIsDisabled", FINOPS_E_DENIED },
    { "AccountBeingCreated", FINOPS_E_TRANSIENT },
    { "AppendPositionConditionNotMet", FINOPS_E_PRECONDITION },
    { "AuthenticationFailed", FINOPS_E_AUTH },
    { "Authorization*", FINOPS_E_DENIED },
    { "BlobAlreadyExists", FINOPS_E_EXISTS },
    { "BlobArchived", FINOPS_E_DENIED },
    { "BlobBeingRehydrated", FINOPS_E_DENIED },
    { "BlobImmutableDueToPolicy", FINOPS_E_DENIED },
    { "BlobNotFound", FINOPS_E_NOT_FOUND },
    { "BlockCountExceedsLimit", FINOPS_E_ARGUMENT },
    { "CannotVerifyCopySource", FINOPS_E_NOT_FOUND },
    { "ConditionNotMet", FINOPS_E_PRECONDITION },
    { "ContainerBeingDeleted", FINOPS_E_CONFIG },
    { "ContainerDisabled", FINOPS_E_CONFIG },
    { "ContainerNotFound", FINOPS_E_CONFIG },
    { "Crc64Mismatch", FINOPS_E_CORRUPT },
    { "DirectoryIsNotEmpty", FINOPS_E_ARGUMENT },
    { "DirectoryNotEmpty", FINOPS_E_ARGUMENT },
    { "FilesystemBeingDeleted", FINOPS_E_CONFIG },
    { "FilesystemNotFound", FINOPS_E_CONFIG },
    { "InsufficientAccountPermissions", FINOPS_E_DENIED },
    { "InternalError", FINOPS_E_TRANSIENT },
    { "InvalidAuthenticationInfo", FINOPS_E_AUTH },
    { "InvalidBlobType", FINOPS_E_ARGUMENT },
    { "InvalidMd5", FINOPS_E_CORRUPT },
    { "InvalidRange", FINOPS_E_RANGE },
    { "InvalidRenameSourcePath", FINOPS_E_ARGUMENT },
    { "InvalidResourceName", FINOPS_E_ARGUMENT },
    { "Lease*", FINOPS_E_PRECONDITION },
    { "Md5Mismatch", FINOPS_E_CORRUPT },
    { "NoAuthenticationInformation", FINOPS_E_AUTH },
    { "OperationTimedOut", FINOPS_E_TRANSIENT },
    { "OutOfRangeInput", FINOPS_E_ARGUMENT },
    { "PathAlreadyExists", FINOPS_E_EXISTS },
    { "PathConflict", FINOPS_E_ARGUMENT },
    { "PathNotFound", FINOPS_E_NOT_FOUND },
    { "PendingCopyOperation", FINOPS_E_TRANSIENT },
    { "PublicAccessNotPermitted", FINOPS_E_AUTH },
    { "RequestBodyTooLarge", FINOPS_E_ARGUMENT },
    { "RenameDestinationParentPathNotFound", FINOPS_E_NOT_FOUND },
    { "ResourceNotFound", FINOPS_E_NOT_FOUND },
    { "ResourceTypeMismatch", FINOPS_E_ARGUMENT },
    { "ServerBusy", FINOPS_E_THROTTLED },
    { "SnapshotsPresent", FINOPS_E_DENIED },
    { "SourceConditionNotMet", FINOPS_E_PRECONDITION },
    { "SourcePathNotFound", FINOPS_E_NOT_FOUND },
    { "TargetConditionNotMet", FINOPS_E_PRECONDITION },
    { "UnauthorizedBlobOverwrite", FINOPS_E_DENIED },
};

static bool
is_row(const char *name, const char *code)
{
    size_t n = strlen(name) - 1;

    return name[n] == '*' ? strncmp(name, code, n) == 0 : strcmp(name, code) == 0;
}

finops_code
azure_code_of(int status, const char *code)
{
    if (status == 304) /* "ConditionNotMet", of one that was not to be met */
        return FINOPS_E_UNCHANGED;
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        if (is_row(rows[i].name, code))
            return rows[i].code;
    return fo_http_code_of(status);
}

static void
hint(const azure_storage *s, const azure_request *r, finops_error **err)
{
    if (finops_error_code(*err) == FINOPS_E_AUTH && s->auth->kind != AZURE_BY_TOKEN)
        fo_error_hint(err, "check the account's name and key, or that the shared access signature is still "
                           "good, and the clock of this machine");
    if (strcmp(r->code, "ContainerNotFound") == 0 || strcmp(r->code, "FilesystemNotFound") == 0)
        fo_error_hint(err, "create the container %s, or name another", s->container);
    if (strcmp(r->code, "AuthorizationPermissionMismatch") == 0)
        fo_error_hint(err, "this needs a role such as Storage Blob Data Contributor, or a shared access "
                           "signature with the permission");
    if (fo_starts(r->code, "Lease"))
        fo_error_hint(err, "another program holds a lease of it: wait until that ends, or break the lease");
}

/* The first line of a message; the rest are the request's number and the time, or what was signed. */
static int
first_line(const char *text)
{
    size_t n = text ? strcspn(text, "\r\n") : 0;

    return (int)(n < 300 ? n : 300);
}

/* x-ms-retry-after-ms, which some services under a gateway send, or Retry-After. */
static int64_t
retry_after(const fo_http_exchange *e)
{
    const char *ms = fo_http_header_value(e, "x-ms-retry-after-ms");
    unsigned long long v;

    if (ms && fo_parse_u64(ms, &v))
        return v < 86400000 ? (int64_t)v * 1000 : 86400 * INT64_C(1000000);
    return fo_http_retry_after(e);
}

/* The same code is for "not allowed" and, of some, for a wrong signature. */
static finops_code
code_with_message(int status, const char *code, const char *message)
{
    if (message && fo_starts(message, "Server failed to authenticate the request"))
        return FINOPS_E_AUTH;
    return azure_code_of(status, code);
}

static finops_code
say(const azure_storage *s, azure_request *r, fo_http_exchange *e, const fo_xml_node *error,
    finops_error **err)
{
    const char *code = fo_http_header_value(e, "x-ms-error-code");
    const char *message = fo_xml_get(error, "Message");
    const char *id = fo_http_header_value(e, "x-ms-request-id");

    if (!code)
        code = fo_xml_get(error, "Code");
    (void)snprintf(r->code, sizeof(r->code), "%s", code ? code : "");
    return fo_error_set(err, code_with_message(r->status, r->code, message),
                        "azure %s %s/%s%s: %d%s%s%s%.*s%s%.64s%s", r->method, s->container,
                        r->key ? s->prefix : "", r->key ? r->key : "", r->status, code ? " " : "", r->code,
                        message && *message ? ": " : "", first_line(message), message ? message : "",
                        id ? " (request " : "", id ? id : "", id ? ")" : "");
}

finops_code
azure_failure(const azure_storage *s, azure_request *r, fo_http_exchange *e, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(AZURE_TEXT_MAX);
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    const fo_xml_node *error = NULL;
    finops_error *why = NULL;
    int64_t after = retry_after(e);
    finops_code rc;

    /* Where the document does not come whole, the header and the status say enough. */
    if (fo_http_body(e, &text, NULL) == FINOPS_OK && text.len > 0 &&
        fo_xml_parse(text.data, text.len, &xml, NULL) == FINOPS_OK)
        error = fo_xml_find(fo_xml_root(xml), "Error");
    rc = say(s, r, e, error, &why);
    hint(s, r, &why);
    if (why && after >= 0)
        finops_error_set_retry_after(why, after);
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

finops_code
azure_condition(const finops_put *put, const azure_request *r, finops_code rc, finops_error **err)
{
    bool conditional = put->create_only || put->if_version;

    if (conditional && r->resent && (rc == FINOPS_E_EXISTS || rc == FINOPS_E_PRECONDITION))
        return fo_error_wrap(err, FINOPS_E_TRANSIENT, "the connection broke, so that it may have been done");
    if (put->create_only && rc == FINOPS_E_PRECONDITION && strcmp(r->code, "ConditionNotMet") == 0)
        return fo_error_wrap(err, FINOPS_E_EXISTS, "it exists");
    if (put->if_version && rc == FINOPS_E_NOT_FOUND)
        return fo_error_wrap(err, FINOPS_E_PRECONDITION, "there is no such object to replace");
    return rc;
}
