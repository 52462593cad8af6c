/* Requests signed with an account's key, and signatures for others made with it.
 * https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
 * https://learn.microsoft.com/rest/api/storageservices/create-service-sas */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/azure/auth.h"

#define TEXT_MAX ((size_t)1 << 20)
#define PARAMETERS_MAX 64

static const char *
header_of(const fo_headers *h, const char *name)
{
    for (size_t i = 0; i < h->n; i++)
        if (strcasecmp(h->items[i].name, name) == 0)
            return h->items[i].value;
    return "";
}

/* The service sorts names as its .NET does: a hyphen before all, '_' before digits, digits before letters. */
static int
weight(char c)
{
    return c == '-' ? 1 : c == '_' ? 2 : (unsigned char)fo_lower(c) + 3;
}

static int
compare_headers(const void *a, const void *b)
{
    const char *x = ((const fo_http_header *)a)->name, *y = ((const fo_http_header *)b)->name;

    for (; *x && *y && weight(*x) == weight(*y); x++, y++)
        continue;
    return !*x || !*y ? !*y - !*x : weight(*x) - weight(*y);
}

/* "x-ms-date:...\n" and so on. */
static void
add_headers(const fo_headers *headers, fo_str *ret)
{
    fo_http_header own[FO_HEADERS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < headers->n; i++)
        if (strncasecmp(headers->items[i].name, "x-ms-", 5) == 0)
            own[n++] = headers->items[i];
    qsort(own, n, sizeof(*own), compare_headers);
    for (size_t i = 0; i < n; i++) {
        for (const char *c = own[i].name; *c; c++)
            fo_str_addc(ret, fo_lower(*c));
        fo_str_addf(ret, ":%s\n", own[i].value);
    }
}

typedef struct parameter {
    char *name, *value; /* unescaped */
} parameter;

static int
compare_parameters(const void *a, const void *b)
{
    const parameter *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->value, y->value);
}

static char *
unescaped(const char *p, size_t n)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(TEXT_MAX);

    return fo_url_unescape(&text, p, n) ? fo_str_take(&text) : NULL;
}

static finops_code
parse_query(const char *query, parameter *ret, size_t *ret_n, finops_error **err)
{
    while (query && *query) {
        size_t n = strcspn(query, "&"), name = strcspn(query, "=&");
        parameter *p = &ret[*ret_n];

        if (*ret_n == PARAMETERS_MAX)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "a query of more than %d parameters", PARAMETERS_MAX);
        (*ret_n)++;
        p->name = unescaped(query, name);
        p->value = unescaped(query + name + (name < n), n - name - (name < n));
        if (!p->name || !p->value)
            return fo_error_oom(err);
        for (char *c = p->name; *c; c++)
            *c = fo_lower(*c);
        query += n + (query[n] == '&');
    }
    return FINOPS_OK;
}

/* "\nname:value", values of one name after commas. */
static finops_code
add_query(const char *query, fo_str *ret, finops_error **err)
{
    parameter all[PARAMETERS_MAX] = { 0 };
    size_t n = 0;
    finops_code rc = parse_query(query, all, &n, err);

    qsort(all, n, sizeof(*all), compare_parameters);
    for (size_t i = 0; i < n && rc == FINOPS_OK; i++) {
        if (i > 0 && strcmp(all[i].name, all[i - 1].name) == 0)
            fo_str_addf(ret, ",%s", all[i].value);
        else
            fo_str_addf(ret, "\n%s:%s", all[i].name, all[i].value);
    }
    for (size_t i = 0; i < n; i++) {
        fo_free(all[i].name);
        fo_free(all[i].value);
    }
    return rc;
}

finops_code
azure_text_to_sign(const azure_key *key, const azure_signed *r, fo_str *ret, finops_error **err)
{
    static const char *const standard[] = { "content-md5",         "content-type", "date",
                                            "if-modified-since",   "if-match",     "if-none-match",
                                            "if-unmodified-since", "range" };
    finops_code rc;

    fo_str_addf(ret, "%s\n%s\n%s\n", r->method, header_of(r->headers, "content-encoding"),
                header_of(r->headers, "content-language"));
    if (r->body_size > 0)
        fo_str_addf(ret, "%zu", r->body_size);
    for (size_t i = 0; i < FO_COUNT(standard); i++)
        fo_str_addf(ret, "\n%s", header_of(r->headers, standard[i]));
    fo_str_addc(ret, '\n');
    add_headers(r->headers, ret);
    fo_str_addf(ret, "/%s%s", key->account, r->path);
    rc = add_query(r->query, ret, err);
    return rc == FINOPS_OK ? fo_str_check(ret, err) : rc;
}

/* HMAC of a text in base64. */
static finops_code
signature(const azure_key *key, const fo_str *text, fo_str *ret, finops_error **err)
{
    unsigned char mac[FO_SHA256_BYTES];
    finops_code rc = fo_hmac_sha256(key->bytes, key->n, fo_str_z(text), text->len, mac, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_base64(ret, mac, sizeof(mac));
    return fo_str_check(ret, err);
}

finops_code
azure_sign(const azure_key *key, const azure_signed *request, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(TEXT_MAX);
    finops_code rc;

    assert(key->account && key->n > 0);

    rc = azure_text_to_sign(key, request, &text, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(ret, "SharedKey %s:", key->account);
    return signature(key, &text, ret, err);
}

/* ---- for others ---- */

#define SAS_VERSION "2020-12-06"

static void
add_parameter(fo_str *ret, const char *name, const char *value)
{
    fo_str_addf(ret, "%s%s=", ret->len > 0 && ret->data[ret->len - 1] != '?' ? "&" : "", name);
    fo_url_escape(ret, value, false);
}

finops_code
azure_sas_make(const azure_key *key, const azure_sas *sas, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(TEXT_MAX), mac = FO_STR_MAX(TEXT_MAX);
    const char *protocol = sas->http ? "https,http" : "https";
    char expires[FO_TIME_TEXT];
    finops_code rc;

    (void)fo_time_format(sas->expires_us / 1000000 * 1000000, expires);
    /* permissions, start, expiry, resource, identifier, address, protocol, version, kind, snapshot,
     * encryption scope, and five headers of the answer */
    fo_str_addf(&text, "%s\n\n%s\n/blob/%s/%s/%s\n\n\n%s\n" SAS_VERSION "\nb\n\n\n\n\n\n\n", sas->permissions,
                expires, key->account, sas->container, sas->key, protocol);
    rc = fo_str_check(&text, err);
    if (rc == FINOPS_OK)
        rc = signature(key, &text, &mac, err);
    if (rc != FINOPS_OK)
        return rc;
    add_parameter(ret, "sv", SAS_VERSION);
    add_parameter(ret, "spr", protocol);
    add_parameter(ret, "se", expires);
    add_parameter(ret, "sr", "b");
    add_parameter(ret, "sp", sas->permissions);
    add_parameter(ret, "sig", fo_str_z(&mac));
    return fo_str_check(ret, err);
}
