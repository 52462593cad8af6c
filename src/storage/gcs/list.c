/* Listings. https://cloud.google.com/storage/docs/json_api/v1/objects/list */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "storage/gcs/gcs_internal.h"

#define PAGE_MAX 1000u

void
gcs_page_done(gcs_page *p)
{
    for (size_t i = 0; i < p->n; i++)
        finops_object_done(&p->items[i]);
    fo_free(p->items);
    *p = (gcs_page){ 0 };
}

static finops_code
add(gcs_page *p, const gcs_storage *s, const char *name, const json_t *about, finops_error **err)
{
    size_t n = strlen(s->prefix);
    finops_object prefix;
    finops_code rc;

    if (!name || !fo_starts(name, s->prefix) || !name[n])
        return FINOPS_OK;
    if (!fo_grow((void **)&p->items, &p->cap, p->n + 1, sizeof(*p->items)))
        return fo_error_oom(err);
    prefix = (finops_object){ .key = name + n, .is_prefix = true, .size = -1, .modified_us = -1 };
    rc = about ? gcs_object_of(about, name + n, &p->items[p->n], err)
               : finops_object_copy(&prefix, &p->items[p->n], err);
    p->n += rc == FINOPS_OK;
    return rc;
}

static int
by_key(const void *a, const void *b)
{
    return strcmp(((const finops_object *)a)->key, ((const finops_object *)b)->key);
}

finops_code
gcs_page_read(const gcs_storage *s, const json_t *json, gcs_page *p, finops_error **err)
{
    json_t *items = json_object_get(json, "items"), *prefixes = json_object_get(json, "prefixes");
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < json_array_size(items) && rc == FINOPS_OK; i++) {
        const json_t *item = json_array_get(items, i);

        rc = add(p, s, json_string_value(json_object_get(item, "name")), item, err);
    }
    for (size_t i = 0; i < json_array_size(prefixes) && rc == FINOPS_OK; i++)
        rc = add(p, s, json_string_value(json_array_get(prefixes, i)), NULL, err);
    if (p->n > 1)
        qsort(p->items, p->n, sizeof(*p->items), by_key);
    return rc;
}

static void
parameter(fo_str *url, const char *name, const char *a, const char *b)
{
    fo_str_addf(url, "&%s=", name);
    fo_url_escape(url, a, false);
    fo_url_escape(url, b, false);
}

static finops_code
page_fetch(gcs_storage *s, const finops_list *list, const char *token, json_t **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(GCS_TEXT_MAX);
    gcs_request r = { .method = "GET", .call = list->call };
    finops_code rc = gcs_url(s, "", "?projection=noAcl", &url, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(&url, "&maxResults=%u", list->page > 0 && list->page < PAGE_MAX ? list->page : PAGE_MAX);
    if (*s->prefix || *list->prefix)
        parameter(&url, "prefix", s->prefix, list->prefix);
    if (list->children)
        parameter(&url, "delimiter", "/", "");
    if (list->start_after) /* which includes it; page_tell() does not */
        parameter(&url, "startOffset", s->prefix, list->start_after);
    if (token)
        parameter(&url, "pageToken", token, "");
    rc = fo_str_check(&url, err);
    r.url = fo_str_z(&url);
    return rc == FINOPS_OK ? gcs_send_for_json(s, &r, ret, err) : rc;
}

/* False: the caller has seen enough. */
static bool
page_tell(const finops_list *list, const gcs_page *p, fo_str *last, finops_each_object each, void *arg)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *key = p->items[i].key;

        if ((list->start_after && strcmp(key, list->start_after) <= 0) || strcmp(key, fo_str_z(last)) == 0)
            continue;
        fo_str_clear(last);
        fo_str_add(last, key);
        if (!each(&p->items[i], arg))
            return false;
    }
    return true;
}

finops_code
gcs_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    FO_AUTO(fo_freep) char *token = NULL;
    FO_AUTO(fo_str_done) fo_str last = FO_STR_MAX(GCS_TEXT_MAX);
    bool more = true;
    finops_code rc = FINOPS_OK;

    while (rc == FINOPS_OK && more) {
        FO_AUTO(gcs_page_done) gcs_page p = { 0 };
        json_t *json = NULL;
        const char *next;

        rc = page_fetch(self, list, token, &json, err);
        if (rc == FINOPS_OK)
            rc = gcs_page_read(self, json, &p, err);
        next = json_string_value(json_object_get(json, "nextPageToken"));
        if (rc == FINOPS_OK && next && *next && fo_streq(next, token))
            rc = fo_error_set(err, FINOPS_E_TRANSIENT, "gcs: the listing goes on nowhere");
        if (rc == FINOPS_OK) {
            more = page_tell(list, &p, &last, each, arg) && next && *next;
            fo_free(token);
            token = more ? fo_strdup(next) : NULL;
            rc = more && !token ? fo_error_oom(err) : fo_str_check(&last, err);
        }
        json_decref(json);
    }
    return rc;
}
