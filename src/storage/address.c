/* Addresses of places: "s3://bucket/prefix", "file:///folder", a path. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "storage/storage.h"

#define SCHEME_MAX 32

/* Bytes before "://"; 0 when it is a path. */
static size_t
scheme_length(const char *text)
{
    size_t n = 0;

    while (n < SCHEME_MAX && (fo_is_alpha(text[n]) || (n > 0 && (fo_is_digit(text[n]) || text[n] == '+'))))
        n++;
    return strncmp(text + n, "://", 3) == 0 ? n : 0;
}

void
fo_storage_address_done(fo_storage_address *address)
{
    fo_free(address->scheme);
    fo_free(address->place);
    fo_free(address->rest);
    *address = (fo_storage_address){ 0 };
}

static finops_code
path_address(const char *path, fo_storage_address *ret, finops_error **err)
{
    fo_storage_address a = { .scheme = fo_strdup("file"), .place = fo_strdup(""), .rest = fo_strdup(path) };

    if (!a.scheme || !a.place || !a.rest) {
        fo_storage_address_done(&a);
        return fo_error_oom(err);
    }
    *ret = a;
    return FINOPS_OK;
}

/* What stands behind "file://" is a path, and what has no place; of others the place ends at the first '/'.
 */
static finops_code
split(const char *text, size_t n_scheme, fo_storage_address *ret, finops_error **err)
{
    const char *rest = text + n_scheme + 3;
    bool file = n_scheme == 4 && strncasecmp(text, "file", 4) == 0;
    size_t n = file ? 0 : strcspn(rest, "/");
    fo_storage_address a = { .scheme = fo_strndup(text, n_scheme), .place = fo_strndup(rest, n) };

    a.rest = fo_strdup(rest + n + (n > 0 && rest[n] == '/'));
    if (!a.scheme || !a.place || !a.rest) {
        fo_storage_address_done(&a);
        return fo_error_oom(err);
    }
    for (char *p = a.scheme; *p; p++)
        *p = fo_lower(*p);
    *ret = a;
    return FINOPS_OK;
}

finops_code
fo_storage_address_parse(const char *text, fo_storage_address *ret, finops_error **err)
{
    size_t n, bad = 0;

    assert(text && ret);
    n = scheme_length(text);
    if (!*text)
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "an address is needed, such as s3://bucket/prefix or a folder");
    if (!fo_utf8_valid(text, strlen(text), &bad))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the address is no UTF-8 from its byte %zu on", bad);
    if (n == 0 && strstr(text, "://"))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the address %.60s has no scheme that could be one",
                            text);
    if (n > 0 && !text[n + 3] && strncasecmp(text, "file", n) != 0)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the address %.60s names no bucket, container or host",
                            text);
    return n > 0 ? split(text, n, ret, err) : path_address(text, ret, err);
}
