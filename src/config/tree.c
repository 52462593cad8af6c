/* The neutral tree that TOML and YAML are read into. */
#include "config/tree.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

fo_node *
fo_node_new(fo_node_type type, const char *text, size_t n, unsigned line, unsigned column)
{
    fo_node *node = fo_zalloc(sizeof(*node));

    if (!node)
        return NULL;
    node->type = type;
    node->line = line;
    node->column = column;
    if (text) {
        assert(!memchr(text, 0, n));
        node->text = fo_strndup(text, n);
        if (!node->text) {
            fo_free(node);
            return NULL;
        }
    }
    return node;
}

int
fo_node_set_key(fo_node *node, const char *key, size_t n)
{
    assert(!node->key && !memchr(key, 0, n));

    node->key = fo_strndup(key, n);
    return node->key != NULL;
}

void
fo_node_add(fo_node *parent, fo_node *child)
{
    assert(parent->type == FO_NODE_MAP || parent->type == FO_NODE_LIST);
    assert(!child->next && (parent->type == FO_NODE_LIST || child->key));

    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->n++;
}

const fo_node *
fo_node_find(const fo_node *map, const char *key)
{
    for (const fo_node *child = map->first; child; child = child->next)
        if (fo_streq(child->key, key))
            return child;
    return NULL;
}

fo_node *
fo_node_copy(const fo_node *node)
{
    const char *text = node->text;
    fo_node *copy = fo_node_new(node->type, text, text ? strlen(text) : 0, node->line, node->column);
    bool ok = copy && (!node->key || fo_node_set_key(copy, node->key, strlen(node->key)));

    for (const fo_node *child = node->first; child && ok; child = child->next) {
        fo_node *below = fo_node_copy(child);

        ok = below != NULL;
        if (ok)
            fo_node_add(copy, below);
    }
    if (ok)
        return copy;
    fo_node_free(copy);
    return NULL;
}

void
fo_node_free(fo_node *node)
{
    if (!node)
        return;
    for (fo_node *child = node->first, *next; child; child = next) {
        next = child->next;
        fo_node_free(child);
    }
    fo_free(node->key);
    fo_free(node->text);
    fo_free(node);
}

void
fo_node_freep(fo_node **node)
{
    fo_node_free(*node);
}
