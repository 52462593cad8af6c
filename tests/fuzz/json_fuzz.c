/*
 * Any bytes as an answer of Google Cloud Storage: what a listing gives lies below the prefix and is sorted,
 * and an object is what it says or nothing. The first byte picks the prefix.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/gcs/gcs_internal.h"
#include "storage/object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool truth)
{
    if (!truth)
        abort();
}

static void
check_object(const finops_object *o)
{
    must(o->key && o->key[0] && o->size >= -1);
    must(!o->checksum || (strncmp(o->checksum, "crc32c:", 7) == 0 && strlen(o->checksum) == 15));
    for (size_t i = 0; i < o->n_metadata; i++)
        must(o->metadata[i].name && o->metadata[i].value);
}

static void
check_page(const gcs_page *page)
{
    for (size_t i = 0; i < page->n; i++) {
        check_object(&page->items[i]);
        must(i == 0 || strcmp(page->items[i - 1].key, page->items[i].key) <= 0);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char none[] = "", some[] = "a/";
    gcs_storage s = { 0 };
    gcs_page page = { 0 };
    finops_object object = { 0 };
    finops_error *err = NULL;
    json_t *json;

    if (size == 0)
        return 0;
    s.prefix = data[0] & 1 ? some : none;
    json = json_loadb((const char *)data + 1, size - 1, 0, NULL);
    if (!json)
        return 0;
    if (gcs_page_read(&s, json, &page, &err) == FINOPS_OK)
        check_page(&page);
    must(gcs_object_of(json, "key", &object, &err) != FINOPS_OK || !err);
    if (!err)
        check_object(&object);
    finops_object_done(&object);
    finops_error_free(err);
    gcs_page_done(&page);
    json_decref(json);
    return 0;
}
