/* Lists: of objects, a page at a time, and of unfinished uploads, to be swept. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "storage/s3/s3_internal.h"

#define PAGE_MAX 1000

static void
add_parameter(fo_str *query, const char *name, const char *value)
{
    fo_str_addf(query, "%s%s=", query->len > 0 ? "&" : "", name);
    fo_url_escape(query, value, false);
}

/* "prefix=" with the storage's own before it. */
static void
add_key(const s3_storage *s, fo_str *query, const char *name, const char *key)
{
    fo_str_addf(query, "%s%s=", query->len > 0 ? "&" : "", name);
    fo_url_escape(query, s->prefix, false);
    fo_url_escape(query, key, false);
}

/* ---- names ---- */

/* Whether a text could be the escaped form of another. Some services say that names are escaped, and send
 * them as they are. */
static bool
could_be_escaped(const char *text)
{
    for (; *text; text++)
        if (!fo_is_alpha(*text) && !fo_is_digit(*text) && !strchr("-_.~/*+%!'()", *text))
            return false;
    return true;
}

/* '+' stands for a blank, as in a form. */
static bool
unescape(const char *text, fo_str *ret)
{
    FO_AUTO(fo_str_done) fo_str blanks = FO_STR_MAX(S3_TEXT_MAX);

    for (const char *c = text; *c; c++)
        fo_str_addc(&blanks, *c == '+' ? ' ' : *c);
    return fo_str_ok(&blanks) && fo_url_unescape(ret, fo_str_z(&blanks), blanks.len) && fo_str_ok(ret);
}

/* One entry of a page; its key is relative to the storage's prefix. */
typedef struct entry {
    char *key;
    const fo_xml_node *node;
    bool is_prefix;
} entry;

typedef struct page {
    fo_xml *xml;
    entry *entries;
    size_t n, cap;
} page;

static void
page_done(page *p)
{
    for (size_t i = 0; i < p->n; i++)
        fo_free(p->entries[i].key);
    fo_free(p->entries);
    fo_xml_free(p->xml);
    *p = (page){ 0 };
}

static finops_code
page_add(const s3_storage *s, page *p, const char *name, bool escaped, const fo_xml_node *node,
         bool is_prefix, finops_error **err)
{
    fo_str text = FO_STR_MAX(S3_TEXT_MAX);
    char *key;

    if (escaped && !unescape(name, &text)) {
        fo_str_done(&text);
        return fo_error_set(err, FINOPS_E_TRANSIENT, "s3: a name of the listing is escaped wrongly");
    }
    if (!escaped)
        fo_str_add(&text, name);
    if (!fo_starts(fo_str_z(&text), s->prefix)) {
        fo_str_done(&text);
        return FINOPS_OK; /* not ours */
    }
    key = fo_strdup(fo_str_z(&text) + strlen(s->prefix));
    fo_str_done(&text);
    if (!key || !fo_grow((void **)&p->entries, &p->cap, p->n + 1, sizeof(*p->entries))) {
        fo_free(key);
        return fo_error_oom(err);
    }
    p->entries[p->n++] = (entry){ key, node, is_prefix };
    return FINOPS_OK;
}

static int
by_key(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->key, ((const entry *)b)->key);
}

static bool
all_escaped(const fo_xml_node *root, const char *element)
{
    const char *type = fo_xml_get(root, "EncodingType");

    if (!type || strcmp(type, "url") != 0)
        return false;
    for (const fo_xml_node *e = fo_xml_child(root, element); e; e = fo_xml_next(e, element))
        if (fo_xml_get(e, "Key") && !could_be_escaped(fo_xml_get(e, "Key")))
            return false;
    for (const fo_xml_node *e = fo_xml_child(root, "CommonPrefixes"); e; e = fo_xml_next(e, "CommonPrefixes"))
        if (fo_xml_get(e, "Prefix") && !could_be_escaped(fo_xml_get(e, "Prefix")))
            return false;
    return true;
}

/* The entries of an answer, in order. */
static finops_code
page_read(const s3_storage *s, page *p, const char *element, finops_error **err)
{
    const fo_xml_node *root = fo_xml_root(p->xml);
    bool escaped = all_escaped(root, element), sorted = true;
    finops_code rc = FINOPS_OK;

    for (const fo_xml_node *e = fo_xml_child(root, NULL); e && rc == FINOPS_OK; e = fo_xml_next(e, NULL)) {
        bool is_prefix = strcmp(fo_xml_name(e), "CommonPrefixes") == 0;
        const char *name = is_prefix ? fo_xml_get(e, "Prefix") : fo_xml_get(e, "Key");

        if (name && (is_prefix || strcmp(fo_xml_name(e), element) == 0))
            rc = page_add(s, p, name, escaped, e, is_prefix, err);
    }
    for (size_t i = 1; i < p->n && sorted; i++)
        sorted = by_key(&p->entries[i - 1], &p->entries[i]) <= 0;
    if (!sorted)
        qsort(p->entries, p->n, sizeof(*p->entries), by_key);
    return rc;
}

/* ---- objects ---- */

static bool
tell(const entry *e, finops_each_object each, void *arg)
{
    finops_object o = { .key = e->key, .is_prefix = e->is_prefix, .size = -1, .modified_us = -1 };
    const char *size = fo_xml_get(e->node, "Size"), *modified = fo_xml_get(e->node, "LastModified");
    const char *etag = fo_xml_get(e->node, "ETag");
    char bare[256];
    unsigned long long v;

    if (size && fo_parse_u64(size, &v) && v <= INT64_MAX)
        o.size = (int64_t)v;
    if (modified && !fo_time_parse(modified, strlen(modified), &o.modified_us))
        o.modified_us = -1;
    if (etag) {
        etag += strspn(etag, "\"");
        (void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(etag, "\""), etag);
        o.etag = o.version = bare;
    }
    return each(&o, arg);
}

static finops_code
list_query(const s3_storage *s, const finops_list *list, const char *token, fo_str *query, finops_error **err)
{
    fo_str_clear(query);
    fo_str_addf(query, "encoding-type=url&list-type=2&max-keys=%u",
                list->page > 0 && list->page < PAGE_MAX ? list->page : PAGE_MAX);
    if (list->children)
        add_parameter(query, "delimiter", "/");
    if (s->prefix[0] || list->prefix[0])
        add_key(s, query, "prefix", list->prefix);
    if (token[0])
        add_parameter(query, "continuation-token", token);
    else if (list->start_after)
        add_key(s, query, "start-after", list->start_after);
    return fo_str_check(query, err);
}

static finops_code
list_page(s3_storage *s, const finops_list *list, const char *token, page *p, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str query = FO_STR_MAX(S3_TEXT_MAX);
    FO_AUTO(s3_request_done) s3_request r = { .method = "GET", .call = list->call };
    finops_code rc = list_query(s, list, token, &query, err);

    r.query = fo_str_z(&query);
    if (rc == FINOPS_OK)
        rc = s3_send_for_xml(s, &r, &p->xml, err);
    return rc == FINOPS_OK ? page_read(s, p, "Contents", err) : rc;
}

finops_code
s3_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    s3_storage *s = self;
    FO_AUTO(fo_str_done) fo_str token = FO_STR_MAX(S3_TEXT_MAX);

    for (;;) {
        FO_AUTO(page_done) page p = { 0 };
        const char *more, *next;
        finops_code rc = list_page(s, list, fo_str_z(&token), &p, err);

        if (rc != FINOPS_OK)
            return rc;
        for (size_t i = 0; i < p.n; i++) {
            /* With a delimiter what lies below "a/" comes as "a/", which the key to start after may be. */
            if (list->start_after && strcmp(p.entries[i].key, list->start_after) <= 0)
                continue;
            if (!tell(&p.entries[i], each, arg))
                return FINOPS_OK;
        }
        more = fo_xml_get(fo_xml_root(p.xml), "IsTruncated");
        next = fo_xml_get(fo_xml_root(p.xml), "NextContinuationToken");
        if (!more || strcmp(more, "true") != 0)
            return FINOPS_OK;
        if (!next || !*next || strcmp(next, fo_str_z(&token)) == 0)
            return fo_error_set(err, FINOPS_E_TRANSIENT, "s3 GET %s: the listing goes on nowhere", s->bucket);
        fo_str_clear(&token);
        fo_str_add(&token, next);
    }
}

/* ---- unfinished uploads ---- */

static finops_code
abort_one(s3_storage *s, const char *key, const char *id, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str query = FO_STR_MAX(S3_TEXT_MAX);
    FO_AUTO(s3_request_done) s3_request r = { .method = "DELETE", .key = key, .call = call };
    finops_code rc;

    add_parameter(&query, "uploadId", id);
    r.query = fo_str_z(&query);
    rc = fo_str_check(&query, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = s3_send_only(s, &r, err);
    if (rc == FINOPS_E_NOT_FOUND && err) {
        finops_error_free(*err); /* somebody was faster */
        *err = NULL;
    }
    return rc == FINOPS_E_NOT_FOUND ? FINOPS_OK : rc;
}

static finops_code
sweep_one(s3_storage *s, const entry *e, int64_t begun_before_us, const finops_call *call,
          finops_each_object each, void *arg, finops_error **err)
{
    const char *begun = fo_xml_get(e->node, "Initiated"), *id = fo_xml_get(e->node, "UploadId");
    finops_object o = { .key = e->key, .size = -1, .modified_us = -1 };

    if (!id || !begun || !fo_time_parse(begun, strlen(begun), &o.modified_us) ||
        o.modified_us >= begun_before_us)
        return FINOPS_OK;
    if (each && !each(&o, arg))
        return FINOPS_OK;
    return abort_one(s, e->key, id, call, err);
}

static finops_code
uploads_page(s3_storage *s, const char *prefix, const char *key, const char *id, const finops_call *call,
             page *p, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str query = FO_STR_MAX(S3_TEXT_MAX);
    FO_AUTO(s3_request_done) s3_request r = { .method = "GET", .call = call };
    finops_code rc;

    fo_str_add(&query, "encoding-type=url&uploads=");
    add_key(s, &query, "prefix", prefix);
    if (key[0])
        add_parameter(&query, "key-marker", key);
    if (id[0])
        add_parameter(&query, "upload-id-marker", id);
    r.query = fo_str_z(&query);
    rc = fo_str_check(&query, err);
    if (rc == FINOPS_OK)
        rc = s3_send_for_xml(s, &r, &p->xml, err);
    return rc == FINOPS_OK ? page_read(s, p, "Upload", err) : rc;
}

finops_code
s3_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
         finops_each_object each, void *arg, finops_error **err)
{
    s3_storage *s = self;
    FO_AUTO(fo_str_done) fo_str key = FO_STR_MAX(S3_TEXT_MAX), id = FO_STR_MAX(S3_TEXT_MAX);

    for (;;) {
        FO_AUTO(page_done) page p = { 0 };
        const char *more, *next, *next_id;
        finops_code rc = uploads_page(s, prefix, fo_str_z(&key), fo_str_z(&id), call, &p, err);

        for (size_t i = 0; i < p.n && rc == FINOPS_OK; i++)
            rc = sweep_one(s, &p.entries[i], begun_before_us, call, each, arg, err);
        if (rc != FINOPS_OK)
            return rc;
        more = fo_xml_get(fo_xml_root(p.xml), "IsTruncated");
        next = fo_xml_get(fo_xml_root(p.xml), "NextKeyMarker");
        next_id = fo_xml_get(fo_xml_root(p.xml), "NextUploadIdMarker");
        if (!more || strcmp(more, "true") != 0 || !next || !*next)
            return FINOPS_OK;
        fo_str_clear(&key);
        fo_str_clear(&id);
        if (!fo_xml_get(fo_xml_root(p.xml), "EncodingType"))
            fo_str_add(&key, next);
        else if (!unescape(next, &key))
            return fo_error_set(err, FINOPS_E_TRANSIENT, "s3: a name of the listing is escaped wrongly");
        fo_str_add(&id, next_id ? next_id : "");
    }
}
