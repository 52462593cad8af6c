/*
 * What a configuration file says, whatever its format: one tree of nodes that know where they were written.
 *
 * A node owns its texts and its children. Texts hold no NUL character. Used from C++, too.
 */
#ifndef FO_CONFIG_TREE_H
#define FO_CONFIG_TREE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FO_TREE_DEPTH_MAX 16 /* far more than any section needs; keeps recursion short */

typedef enum fo_node_type {
    FO_NODE_MAP,
    FO_NODE_LIST,
    FO_NODE_TEXT,
    FO_NODE_INT,   /* text: decimal digits with an optional '-' */
    FO_NODE_FLOAT, /* text: as good as it gets; no option takes one */
    FO_NODE_BOOL,  /* text: "true" or "false" */
    FO_NODE_DATE,  /* text: "2024-10-01" */
    FO_NODE_TIME,  /* a time of day, or a date with one; text: "" */
    FO_NODE_NULL   /* YAML's empty value: as if the key was not there */
} fo_node_type;

typedef struct fo_node {
    fo_node_type type;
    char *key;                    /* in a map, else NULL */
    char *text;                   /* NULL for maps, lists and null */
    unsigned line, column;        /* from 1 */
    struct fo_node *first, *last; /* children */
    struct fo_node *next;         /* sibling */
    size_t n;                     /* number of children */
} fo_node;

/* NULL: no memory. text is copied and may be NULL. */
fo_node *fo_node_new(fo_node_type type, const char *text, size_t n, unsigned line, unsigned column);
/* Copies the key; 0 when there is no memory, else 1. */
int fo_node_set_key(fo_node *node, const char *key, size_t n);
/* Appends a child, which the parent then owns. */
void fo_node_add(fo_node *parent, fo_node *child);
/* The child of a map, or NULL. */
const fo_node *fo_node_find(const fo_node *map, const char *key);
/* With all below it; NULL: no memory. */
fo_node *fo_node_copy(const fo_node *node);
void fo_node_free(fo_node *node);
void fo_node_freep(fo_node **node);

#ifdef __cplusplus
}
#endif
#endif
