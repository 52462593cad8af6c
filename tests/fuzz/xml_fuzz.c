/*
 * Any bytes as the answer to a listing: a document is walked to its last element, and what the driver for
 * Azure takes out of it lies below the prefix and is sorted. The first byte picks the prefix.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "storage/azure/azure_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool truth)
{
    if (!truth)
        abort();
}

static size_t
walk(const fo_xml_node *node)
{
    size_t n = 1;

    must(fo_xml_name(node)[0] != '\0' && fo_xml_text(node) != NULL);
    (void)fo_xml_attribute(node, "Encoded");
    for (const fo_xml_node *c = fo_xml_child(node, NULL); c; c = fo_xml_next(c, NULL))
        n += walk(c);
    return n;
}

static void
check(const azure_page *page)
{
    for (size_t i = 0; i < page->n; i++) {
        const finops_object *o = &page->items[i];

        must(o->key && o->key[0] && o->size >= -1);
        must(i == 0 || strcmp(page->items[i - 1].key, o->key) <= 0);
        must(!o->checksum || (strncmp(o->checksum, "md5:", 4) == 0 && strlen(o->checksum) == 36));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char none[] = "", some[] = "a/";
    azure_storage s = { 0 };
    azure_page page = { 0 };
    finops_error *err = NULL;
    fo_xml *xml = NULL;

    if (size == 0)
        return 0;
    s.prefix = data[0] & 1 ? some : none;
    if (fo_xml_parse((const char *)data + 1, size - 1, &xml, &err) == FINOPS_OK) {
        must(!err && walk(fo_xml_root(xml)) > 0);
        (void)fo_xml_find(fo_xml_root(xml), "Code");
        if (azure_page_read(&s, xml, &page, &err) == FINOPS_OK)
            check(&page);
        else
            must(err != NULL);
        azure_page_done(&page);
    } else {
        must(err && !xml);
    }
    finops_error_free(err);
    fo_xml_free(xml);
    return 0;
}
