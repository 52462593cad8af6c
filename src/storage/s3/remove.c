/* Removing: one object, or many in one request. */
#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "storage/s3/s3_internal.h"

#define MANY_MAX 1000

/* What is not there is gone; only the bucket must be. */
static finops_code
gone(finops_code rc, finops_error **err)
{
    if (rc != FINOPS_E_NOT_FOUND)
        return rc;
    if (err) {
        finops_error_free(*err);
        *err = NULL;
    }
    return FINOPS_OK;
}

finops_code
s3_remove(void *self, const finops_remove *remove, finops_error **err)
{
    s3_storage *s = self;
    FO_AUTO(s3_request_done) s3_request r = { .method = "DELETE", .key = remove->key, .call = remove->call };

    if (remove->if_version && s->endpoint)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "remove of one version is not supported by s3 but on AWS");
    fo_headers_add_version(&r.headers, "if-match", remove->if_version);
    return gone(s3_send_only(s, &r, err), err);
}

/* ---- many ---- */

/* XML 1.0 has no way to write these. */
static bool
fits_xml(const char *key)
{
    for (; *key; key++)
        if ((unsigned char)*key < 0x20 && !strchr("\t\n\r", *key))
            return false;
    return true;
}

static void
add_text(fo_str *xml, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fo_str_add(xml, "&amp;");
            break;
        case '<':
            fo_str_add(xml, "&lt;");
            break;
        case '>':
            fo_str_add(xml, "&gt;");
            break;
        case '\t':
        case '\n':
        case '\r':
            fo_str_addf(xml, "&#%d;", *text);
            break;
        default:
            fo_str_addc(xml, *text);
        }
    }
}

static size_t
make_document(const s3_storage *s, const char *const *keys, size_t n, fo_str *xml)
{
    size_t added = 0;

    fo_str_add(xml, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>");
    for (size_t i = 0; i < n; i++) {
        if (!fits_xml(keys[i]))
            continue;
        fo_str_add(xml, "<Object><Key>");
        add_text(xml, s->prefix);
        add_text(xml, keys[i]);
        fo_str_add(xml, "</Key></Object>");
        added++;
    }
    fo_str_add(xml, "</Delete>");
    return added;
}

static finops_code
send_document(s3_storage *s, const fo_str *body, const finops_call *call, fo_xml **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str md5 = FO_STR_MAX(S3_TEXT_MAX);
    FO_AUTO(s3_request_done)
    s3_request r = { .method = "POST",
                     .query = "delete=",
                     .body = fo_str_z(body),
                     .body_size = body->len,
                     .has_body = true,
                     .call = call };
    finops_code rc = s3_sum_make(S3_SUM_MD5, r.body, r.body_size, &md5, err);

    fo_headers_add(&r.headers, "content-type", "application/xml");
    fo_headers_take(&r.headers, "content-md5", &md5);
    return rc == FINOPS_OK ? s3_send_for_xml(s, &r, ret, err) : rc;
}

/* The entry that says why the key is still there; NULL: it is gone. */
static const fo_xml_node *
error_of(const s3_storage *s, const fo_xml *xml, const char *key)
{
    size_t prefix = strlen(s->prefix);
    const fo_xml_node *e = xml ? fo_xml_child(fo_xml_root(xml), "Error") : NULL;

    for (; e; e = fo_xml_next(e, "Error")) {
        const char *named = fo_xml_get(e, "Key");

        if (named && strncmp(named, s->prefix, prefix) == 0 && strcmp(named + prefix, key) == 0)
            return e;
    }
    return NULL;
}

static void
tell(const s3_storage *s, const fo_xml *xml, const char *key, size_t i, finops_each_removed each, void *arg)
{
    const fo_xml_node *e = error_of(s, xml, key);
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    s3_request r = { .method = "POST" };

    if (e && gone(s3_failure_inside(&r, e, key, &why), &why) != FINOPS_OK)
        each(i, why, arg);
    else
        each(i, NULL, arg);
}

finops_code
s3_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
               finops_each_removed each, void *arg, finops_error **err)
{
    s3_storage *s = self;
    FO_AUTO(fo_str_done) fo_str body = FO_STR_MAX(S3_ANSWER_MAX);
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    finops_code rc = FINOPS_OK;

    if (n > MANY_MAX)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "more than %d keys are removed at once", MANY_MAX);
    if (make_document(s, keys, n, &body) > 0) {
        rc = fo_str_check(&body, err);
        if (rc == FINOPS_OK)
            rc = send_document(s, &body, call, &xml, err);
    }
    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (fits_xml(keys[i]))
            tell(s, xml, keys[i], i, each, arg);
    for (size_t i = 0; i < n; i++) {
        const finops_remove one = { .key = keys[i], .call = call };
        FO_AUTO(finops_error_freep) finops_error *why = NULL;

        if (!fits_xml(keys[i]))
            each(i, s3_remove(s, &one, &why) == FINOPS_OK ? NULL : why, arg);
    }
    return FINOPS_OK;
}
