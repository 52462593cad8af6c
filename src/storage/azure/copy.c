/* Copies by the service, and addresses for others.
 * https://learn.microsoft.com/rest/api/storageservices/copy-blob */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "storage/azure/azure_internal.h"
#include "storage/object.h"

#define POLL_FIRST_US 50000
#define POLL_MOST_US 2000000
#define TICK_US 50000
#define PRESIGN_MAX (INT64_C(10) * 365 * 86400)

/* Waits in small steps, looking at the call. */
static finops_code
wait_for(int64_t micros, const finops_call *call, finops_error **err)
{
    finops_code rc = fo_call_check(call, err);

    for (; rc == FINOPS_OK && micros > 0; micros -= TICK_US) {
        (void)nanosleep(&(struct timespec){ .tv_nsec = TICK_US * 1000L }, NULL);
        rc = fo_call_check(call, err);
    }
    return rc;
}

/* What is half copied must not stay; the caller's limits do not count for that. */
static void
abort_copy(azure_storage *s, const char *key, const char *id)
{
    FO_AUTO(fo_freep) char *query = fo_format("comp=copy&copyid=%s", id);
    FO_AUTO(azure_request_done)
    azure_request r = { .method = "PUT", .key = key, .query = query, .has_body = true };

    if (!query)
        return;
    fo_headers_add(&r.headers, "x-ms-copy-action", "abort");
    (void)azure_send_only(s, &r, NULL);
}

/* Until the copy is no longer pending. */
static finops_code
wait_copied(azure_storage *s, const finops_copy *copy, const char *id, finops_error **err)
{
    int64_t pause = POLL_FIRST_US;
    finops_code rc;

    for (;;) {
        FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
        FO_AUTO(azure_request_done)
        azure_request r = { .method = "HEAD", .key = copy->to, .call = copy->call };
        const char *status;

        rc = wait_for(pause, copy->call, err);
        if (rc == FINOPS_OK)
            rc = azure_send(s, &r, &e, err);
        if (rc != FINOPS_OK)
            break;
        status = fo_http_header_value(e, "x-ms-copy-status");
        if (!status || strcmp(status, "success") == 0)
            return FINOPS_OK;
        if (strcmp(status, "pending") != 0)
            return fo_error_set(err, FINOPS_E_TRANSIENT, "azure copy of %s: %s", copy->from, status);
        pause = pause * 2 < POLL_MOST_US ? pause * 2 : POLL_MOST_US;
    }
    abort_copy(s, copy->to, id);
    return rc;
}

static finops_code
start_copy(azure_storage *s, const finops_copy *copy, azure_request *r, fo_http_exchange **ret,
           finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str source = FO_STR_MAX(AZURE_TEXT_MAX);
    finops_code rc = azure_place(s, copy->from, &source, err);

    if (rc != FINOPS_OK)
        return rc;
    if (s->auth->kind == AZURE_BY_SAS)
        fo_str_addf(&source, "?%s", s->auth->sas);
    rc = fo_str_check(&source, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_headers_addf(&r->headers, "x-ms-copy-source", "%s", source.data);
    fo_headers_add_version(&r->headers, "x-ms-source-if-match", copy->if_version);
    if (copy->create_only)
        fo_headers_add(&r->headers, "if-none-match", "*");
    return azure_send(s, r, ret, err);
}

finops_code
azure_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    azure_storage *s = self;
    FO_AUTO(azure_request_done)
    azure_request r = { .method = "PUT", .key = copy->to, .has_body = true, .call = copy->call };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    const char *status, *id;
    finops_code rc;

    if (fo_streq(copy->from, copy->to))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s cannot be copied onto itself", copy->from);
    rc = start_copy(s, copy, &r, &e, err);
    if (rc == FINOPS_E_PRECONDITION && copy->create_only &&
        (strcmp(r.code, "TargetConditionNotMet") == 0 ||
         (!copy->if_version && strcmp(r.code, "ConditionNotMet") == 0)))
        return fo_error_wrap(err, FINOPS_E_EXISTS, "it exists");
    if (rc != FINOPS_OK)
        return rc;
    status = fo_http_header_value(e, "x-ms-copy-status");
    id = fo_http_header_value(e, "x-ms-copy-id");
    if (status && strcmp(status, "pending") == 0)
        rc = wait_copied(s, copy, id ? id : "", err);
    return rc == FINOPS_OK && ret ? azure_stat(s, copy->to, copy->call, ret, err) : rc;
}

finops_code
azure_presign(void *self, const finops_presign *presign, char **ret_url, finops_error **err)
{
    azure_storage *s = self;
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(AZURE_TEXT_MAX);
    FO_AUTO(fo_freep) char *key = fo_format("%s%s", s->prefix, presign->key);
    azure_sas sas = { .container = s->container,
                      .key = key,
                      .permissions = presign->put ? "cw" : "r",
                      .http = fo_starts(s->endpoint, "http://") };
    finops_code rc;

    if (!key)
        return fo_error_oom(err);
    if (s->auth->kind != AZURE_BY_KEY)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "azure signs addresses with the account's key only");
    if (presign->seconds < 1 || presign->seconds > PRESIGN_MAX)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "an address is good for 1 second to 10 years");
    sas.expires_us = fo_clock_now() + presign->seconds * 1000000;
    rc = azure_place(s, presign->key, &url, err);
    fo_str_addc(&url, '?');
    if (rc == FINOPS_OK)
        rc = azure_sas_make(&s->auth->key, &sas, &url, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_url = fo_str_take(&url);
    return *ret_url ? FINOPS_OK : fo_error_oom(err);
}
