/* Small XML documents, as services answer: elements and their text, without names' prefixes. */
#ifndef FO_NET_XML_H
#define FO_NET_XML_H

#include <stddef.h>

#include "base/error.h"

typedef struct fo_xml fo_xml;           /* a document */
typedef struct fo_xml_node fo_xml_node; /* an element of it; borrowed */

/* FINOPS_E_DATA: not well-formed, or with a DTD, which nobody needs and some abuse. */
finops_code fo_xml_parse(const char *text, size_t n, fo_xml **ret, finops_error **err);
void fo_xml_free(fo_xml *xml);
void fo_xml_freep(fo_xml **xml);

const fo_xml_node *fo_xml_root(const fo_xml *xml);
const char *fo_xml_name(const fo_xml_node *node);
/* The first child element, the next sibling element; with a name, of that name. NULL: none. */
const fo_xml_node *fo_xml_child(const fo_xml_node *node, const char *name);
const fo_xml_node *fo_xml_next(const fo_xml_node *node, const char *name);
/* The text in it; "" when there is none. */
const char *fo_xml_text(const fo_xml_node *node);
/* The text of a child; NULL: no such child. */
const char *fo_xml_get(const fo_xml_node *node, const char *name);
/* An attribute's value, of letters and digits; NULL: there is none. */
const char *fo_xml_attribute(const fo_xml_node *node, const char *name);
/* The first element of that name, however deep; NULL. */
const fo_xml_node *fo_xml_find(const fo_xml_node *node, const char *name);

#endif
