/* Over libxml2, which is told to fetch nothing and to be silent. */
#include "net/xml.h"

#include <assert.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

static pthread_once_t xml_once = PTHREAD_ONCE_INIT;

/* The two types are one each; the casts are here alone. */
static xmlDoc *
doc_of(const fo_xml *xml)
{
    xmlDoc *doc;

    memcpy(&doc, &xml, sizeof(doc));
    return doc;
}

static const xmlNode *
node_of(const fo_xml_node *node)
{
    return (const xmlNode *)(const void *)node;
}

static const fo_xml_node *
element(const xmlNode *node, const char *name)
{
    for (; node; node = node->next)
        if (node->type == XML_ELEMENT_NODE && (!name || strcmp((const char *)node->name, name) == 0))
            return (const fo_xml_node *)(const void *)node;
    return NULL;
}

finops_code
fo_xml_parse(const char *text, size_t n, fo_xml **ret, finops_error **err)
{
    xmlDoc *doc;

    assert((text || n == 0) && ret);

    (void)pthread_once(&xml_once, xmlInitParser);
    if (n == 0 || n > INT_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "no XML document");
    doc = xmlReadMemory(text, (int)n, NULL, NULL,
                        XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA |
                            XML_PARSE_COMPACT);
    if (!doc || doc->intSubset || !xmlDocGetRootElement(doc)) {
        xmlFreeDoc(doc);
        return fo_error_set(err, FINOPS_E_DATA, "no well-formed XML document");
    }
    *ret = (fo_xml *)(void *)doc;
    return FINOPS_OK;
}

void
fo_xml_free(fo_xml *xml)
{
    if (xml)
        xmlFreeDoc(doc_of(xml));
}

void
fo_xml_freep(fo_xml **xml)
{
    fo_xml_free(*xml);
    *xml = NULL;
}

const fo_xml_node *
fo_xml_root(const fo_xml *xml)
{
    return element(xmlDocGetRootElement(doc_of(xml)), NULL);
}

const char *
fo_xml_name(const fo_xml_node *node)
{
    return (const char *)node_of(node)->name;
}

const fo_xml_node *
fo_xml_child(const fo_xml_node *node, const char *name)
{
    return node ? element(node_of(node)->children, name) : NULL;
}

const fo_xml_node *
fo_xml_next(const fo_xml_node *node, const char *name)
{
    return element(node_of(node)->next, name);
}

const char *
fo_xml_text(const fo_xml_node *node)
{
    for (const xmlNode *n = node_of(node)->children; n; n = n->next)
        if (n->type == XML_TEXT_NODE)
            return (const char *)n->content;
    return "";
}

const char *
fo_xml_get(const fo_xml_node *node, const char *name)
{
    const fo_xml_node *child = fo_xml_child(node, name);

    return child ? fo_xml_text(child) : NULL;
}

const char *
fo_xml_attribute(const fo_xml_node *node, const char *name)
{
    for (const xmlAttr *a = node_of(node)->properties; a; a = a->next)
        if (strcmp((const char *)a->name, name) == 0)
            return a->children ? (const char *)a->children->content : "";
    return NULL;
}

const fo_xml_node *
fo_xml_find(const fo_xml_node *node, const char *name)
{
    if (!node || strcmp(fo_xml_name(node), name) == 0)
        return node;
    for (const fo_xml_node *c = fo_xml_child(node, NULL); c; c = fo_xml_next(c, NULL)) {
        const fo_xml_node *found = fo_xml_find(c, name);

        if (found)
            return found;
    }
    return NULL;
}
