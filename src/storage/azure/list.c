/* Listings: https://learn.microsoft.com/rest/api/storageservices/list-blobs */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/azure/azure_internal.h"

#define PAGE_MAX 5000u

void
azure_page_done(azure_page *p)
{
    fo_free(p->items);
    fo_strv_done(&p->texts);
    fo_free(p->marker);
    *p = (azure_page){ 0 };
}

/* Names that XML cannot hold come percent-encoded and say so. */
static finops_code
name_of(azure_page *p, const fo_xml_node *item, const char **ret, finops_error **err)
{
    const fo_xml_node *name = fo_xml_child(item, "Name");
    const char *encoded = name ? fo_xml_attribute(name, "Encoded") : NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(AZURE_TEXT_MAX);
    char *own;

    if (!name)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "azure: an entry of the listing has no name");
    *ret = fo_xml_text(name);
    if (!encoded || strcmp(encoded, "true") != 0 || !fo_url_unescape(&text, *ret, strlen(*ret)))
        return FINOPS_OK;
    own = fo_str_take(&text);
    if (!own || !fo_strv_take(&p->texts, own))
        return fo_error_oom(err);
    *ret = own;
    return FINOPS_OK;
}

static int64_t
number_of(const fo_xml_node *properties, const char *name)
{
    const char *text = fo_xml_get(properties, name);
    unsigned long long v;

    return text && fo_parse_u64(text, &v) && v <= INT64_MAX ? (int64_t)v : -1;
}

static const char *
md5_of(azure_page *p, const fo_xml_node *properties)
{
    const char *text = fo_xml_get(properties, "Content-MD5");
    FO_AUTO(fo_str_done) fo_str bytes = FO_STR_MAX(FO_SHA256_BYTES);
    char hex[FO_SHA256_HEX], *own;

    if (!text || !fo_base64_decode(&bytes, text) || bytes.len != 16)
        return NULL;
    fo_hex(bytes.data, bytes.len, hex);
    own = fo_format("md5:%s", hex);
    return own && fo_strv_take(&p->texts, own) ? own : NULL;
}

static const char *
some(const char *text)
{
    return text && *text ? text : NULL;
}

static finops_object
object_of(azure_page *p, const fo_xml_node *item, const char *key)
{
    const fo_xml_node *about = fo_xml_child(item, "Properties");
    const char *modified = fo_xml_get(about, "Last-Modified");
    finops_object o = { .key = key, .size = -1, .modified_us = -1 };

    if (strcmp(fo_xml_name(item), "BlobPrefix") == 0) {
        o.is_prefix = true;
        return o;
    }
    o.size = number_of(about, "Content-Length");
    if (modified && !fo_http_date_parse(modified, &o.modified_us))
        o.modified_us = -1;
    o.etag = some(fo_xml_get(about, "Etag"));
    o.version = o.etag;
    o.content_type = some(fo_xml_get(about, "Content-Type"));
    o.content_encoding = some(fo_xml_get(about, "Content-Encoding"));
    o.cache_control = some(fo_xml_get(about, "Cache-Control"));
    o.checksum = md5_of(p, about);
    return o;
}

static int
by_key(const void *a, const void *b)
{
    return strcmp(((const finops_object *)a)->key, ((const finops_object *)b)->key);
}

/* Accounts with folders list them as objects, too. */
static bool
is_folder(const fo_xml_node *item)
{
    return fo_streq(fo_xml_get(fo_xml_child(item, "Properties"), "ResourceType"), "directory") ||
           fo_streq(fo_xml_get(fo_xml_child(item, "Metadata"), "hdi_isfolder"), "true");
}

static finops_code
add(const azure_storage *s, azure_page *p, const fo_xml_node *item, finops_error **err)
{
    size_t n_prefix = strlen(s->prefix);
    const char *name = NULL;
    finops_code rc = name_of(p, item, &name, err);

    if (rc != FINOPS_OK || is_folder(item) || !fo_starts(name, s->prefix) || !name[n_prefix])
        return rc;
    if (!fo_grow((void **)&p->items, &p->cap, p->n + 1, sizeof(*p->items)))
        return fo_error_oom(err);
    p->items[p->n++] = object_of(p, item, name + n_prefix);
    return FINOPS_OK;
}

finops_code
azure_page_read(const azure_storage *s, const fo_xml *xml, azure_page *p, finops_error **err)
{
    const fo_xml_node *all = fo_xml_child(fo_xml_root(xml), "Blobs");
    const char *marker = some(fo_xml_get(fo_xml_root(xml), "NextMarker"));
    finops_code rc = FINOPS_OK;

    for (const fo_xml_node *i = fo_xml_child(all, NULL); i && rc == FINOPS_OK; i = fo_xml_next(i, NULL))
        rc = add(s, p, i, err);
    if (p->n > 1)
        qsort(p->items, p->n, sizeof(*p->items), by_key);
    p->marker = marker ? fo_strdup(marker) : NULL;
    return rc == FINOPS_OK && marker && !p->marker ? fo_error_oom(err) : rc;
}

static void
add_parameter(fo_str *query, const char *name, const char *value)
{
    fo_str_addf(query, "&%s=", name);
    fo_url_escape(query, value, false);
}

static finops_code
page_fetch(azure_storage *s, const finops_list *list, const char *include, const char *marker, fo_xml **ret,
           finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str query = FO_STR_MAX(AZURE_TEXT_MAX), prefix = FO_STR_MAX(AZURE_TEXT_MAX);
    FO_AUTO(azure_request_done) azure_request r = { .method = "GET", .call = list->call };
    finops_code rc;

    fo_str_addf(&prefix, "%s%s", s->prefix, list->prefix);
    fo_str_addf(&query, "restype=container&comp=list&maxresults=%u",
                list->page > 0 && list->page < PAGE_MAX ? list->page : PAGE_MAX);
    if (prefix.len > 0)
        add_parameter(&query, "prefix", fo_str_z(&prefix));
    if (list->children)
        add_parameter(&query, "delimiter", "/");
    if (include)
        add_parameter(&query, "include", include);
    if (marker)
        add_parameter(&query, "marker", marker);
    rc = fo_str_check(&query, err);
    r.query = fo_str_z(&query);
    return rc == FINOPS_OK ? azure_send_for_xml(s, &r, ret, err) : rc;
}

/* A prefix may be on two pages, and what comes after `start_after` is for us to see to: the service has no
 * such thing. */
static bool
is_wanted(const finops_list *list, const finops_object *o, const fo_str *last)
{
    if (list->start_after && strcmp(o->key, list->start_after) <= 0)
        return false;
    return last->len == 0 || strcmp(o->key, last->data) != 0;
}

/* False: the caller has seen enough. */
static bool
page_tell(const finops_list *list, const azure_page *p, fo_str *last, finops_each_object each, void *arg)
{
    for (size_t i = 0; i < p->n; i++) {
        if (!is_wanted(list, &p->items[i], last))
            continue;
        fo_str_clear(last);
        fo_str_add(last, p->items[i].key);
        if (!each(&p->items[i], arg))
            return false;
    }
    return true;
}

finops_code
azure_list_with(azure_storage *s, const finops_list *list, const char *include, finops_each_object each,
                void *arg, finops_error **err)
{
    FO_AUTO(fo_freep) char *marker = NULL;
    FO_AUTO(fo_str_done) fo_str last = FO_STR_MAX(AZURE_TEXT_MAX);
    bool more = true;
    finops_code rc = FINOPS_OK;

    while (rc == FINOPS_OK && more) {
        FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
        FO_AUTO(azure_page_done) azure_page p = { 0 };

        rc = page_fetch(s, list, include, marker, &xml, err);
        if (rc == FINOPS_OK)
            rc = azure_page_read(s, xml, &p, err);
        if (rc == FINOPS_OK && p.marker && fo_streq(p.marker, marker))
            rc = fo_error_set(err, FINOPS_E_TRANSIENT, "azure GET %s: the listing goes on nowhere",
                              s->container);
        if (rc == FINOPS_OK) {
            more = page_tell(list, &p, &last, each, arg) && p.marker;
            fo_free(marker);
            marker = FO_TAKE(p.marker);
            rc = fo_str_check(&last, err);
        }
    }
    return rc;
}

finops_code
azure_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    return azure_list_with(self, list, NULL, each, arg, err);
}
