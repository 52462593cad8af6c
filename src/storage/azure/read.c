/* What is there, and its bytes. */
#include <string.h>

#include "base/crc.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/azure/azure_internal.h"
#include "storage/object.h"

/* Names of metadata are identifiers there, so that '-' goes out as '_', which ours never have. */
static bool
metadata_name(char *name)
{
    if (strcmp(name, AZURE_SUM_META) == 0)
        return false;
    for (; *name; name++)
        if (*name == '_')
            *name = '-';
    return true;
}

/* Our own, or the MD5 that the service keeps. An answer with a range has the range's under the usual name. */
static void
checksum(const fo_http_exchange *e, fo_str *ret)
{
    const char *own = fo_http_header_value(e, AZURE_META AZURE_SUM_META);
    const char *md5 = fo_http_header_value(e, "x-ms-blob-content-md5");
    FO_AUTO(fo_str_done) fo_str bytes = FO_STR_MAX(FO_SHA256_BYTES);
    char hex[FO_SHA256_HEX];

    if (own && strlen(own) == 16 && strspn(own, "0123456789abcdef") == 16) {
        fo_str_addf(ret, "crc64nvme:%s", own);
        return;
    }
    if (!md5 && fo_http_status(e) != 206)
        md5 = fo_http_header_value(e, "content-md5");
    if (!md5 || !fo_base64_decode(&bytes, md5) || bytes.len != 16)
        return;
    fo_hex(bytes.data, bytes.len, hex);
    fo_str_addf(ret, "md5:%s", hex);
}

const fo_http_spelling azure_spelling = { .metadata = AZURE_META,
                                          .metadata_name = metadata_name,
                                          .checksum = checksum };

/* Accounts with folders answer for them, too. */
static bool
is_folder(const fo_http_exchange *e)
{
    return fo_streq(fo_http_header_value(e, "x-ms-resource-type"), "directory") ||
           fo_streq(fo_http_header_value(e, AZURE_META "hdi_isfolder"), "true");
}

/* `folder`: what one is to who asks. */
static finops_code
ask(azure_storage *s, azure_request *r, finops_code folder, fo_http_exchange **ret, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    finops_code rc = azure_send(s, r, &e, err);

    if (rc != FINOPS_OK)
        return rc;
    if (is_folder(e))
        return fo_error_set(err, folder, "%s is a folder", r->key);
    *ret = FO_TAKE(e);
    return FINOPS_OK;
}

finops_code
azure_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(fo_http_object_done) fo_http_object about = { 0 };
    FO_AUTO(azure_request_done) azure_request r = { .method = "HEAD", .key = key, .call = call };
    finops_code rc = ask(self, &r, FINOPS_E_NOT_FOUND, &e, err);

    if (rc == FINOPS_OK)
        rc = fo_http_object_make(e, key, &azure_spelling, &about, err);
    return rc == FINOPS_OK ? finops_object_copy(&about.object, ret, err) : rc;
}

/* A range that cannot be asked for: of no bytes. */
static finops_code
read_nothing(azure_storage *s, const finops_get *get, finops_reader **ret, finops_error **err)
{
    FO_AUTO(azure_request_done) azure_request r = { .method = "HEAD", .key = get->key, .call = get->call };
    fo_http_exchange *e = NULL;
    finops_code rc = ask(s, &r, FINOPS_E_ARGUMENT, &e, err);

    return rc == FINOPS_OK ? fo_http_reader_new(e, get, &azure_spelling, true, ret, err) : rc;
}

finops_code
azure_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    azure_storage *s = self;
    FO_AUTO(azure_request_done) azure_request r = { .method = "GET", .key = get->key, .call = get->call };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    fo_http_exchange *e = NULL;
    finops_code rc;

    if (get->suffix > 0)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "azure reads no suffix in one request");
    if (get->length == 0)
        return read_nothing(s, get, ret, err);
    fo_headers_add_range(&r.headers, "x-ms-range", get);
    fo_headers_add_version(&r.headers, "if-match", get->if_version);
    fo_headers_add_version(&r.headers, "if-none-match", get->unless_version);
    rc = ask(s, &r, FINOPS_E_ARGUMENT, &e, &why);
    if (rc == FINOPS_E_RANGE)
        return read_nothing(s, get, ret, err); /* of an empty object perhaps */
    if (rc == FINOPS_OK)
        return fo_http_reader_new(e, get, &azure_spelling, false, ret, err);
    if (err)
        *err = FO_TAKE(why);
    return rc;
}
