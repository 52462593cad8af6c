/*
 * YAML by libyaml, turned into the neutral tree.
 *
 * Kept to what a configuration needs: one document of maps, lists and scalars. Anchors and aliases are
 * refused, since a few of them unfold into gigabytes; tags are refused, since the option table knows the
 * types. Plain scalars are read by the core schema of YAML 1.2
 * (https://yaml.org/spec/1.2.2/#103-core-schema), where yes and on are text.
 */
#include <assert.h>
#include <string.h>

#include <yaml.h>

#include "base/mem.h"
#include "config/config_internal.h"

#define KEYS_MAX 2000 /* of one map; a duplicate is looked for among all of them */

typedef struct yaml_reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool have_event;
    const char *name;
} yaml_reader;

static void
reader_done(yaml_reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    yaml_parser_delete(&r->parser);
}

static unsigned
mark_line(const yaml_mark_t *mark)
{
    return (unsigned)mark->line + 1;
}

static finops_code
refuse(const yaml_reader *r, const char *message, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: %s", r->name, mark_line(&r->event.start_mark), message);
}

static finops_code
syntax_error(const yaml_reader *r, finops_error **err)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "not valid YAML";

    if (p->error == YAML_MEMORY_ERROR)
        return fo_error_oom(err);
    if (!p->context)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: %s", r->name, mark_line(&p->problem_mark), problem);
    return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: %s %s that starts in line %u", r->name,
                        mark_line(&p->problem_mark), problem, p->context, mark_line(&p->context_mark));
}

static finops_code
next_event(yaml_reader *r, finops_error **err)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = yaml_parser_parse(&r->parser, &r->event) != 0;
    return r->have_event ? FINOPS_OK : syntax_error(r, err);
}

static size_t
skip_digits(const char *z, size_t i)
{
    while (fo_is_digit(z[i]))
        i++;
    return i;
}

static bool
is_int(const char *z)
{
    size_t begin = z[0] == '-' || z[0] == '+', end = skip_digits(z, begin);

    return end > begin && z[end] == '\0';
}

/* [+-] digits with a point, an exponent or both. */
static bool
is_float(const char *z)
{
    size_t begin = z[0] == '-' || z[0] == '+', i = skip_digits(z, begin), digits = i - begin;

    if (z[i] == '.') {
        size_t end = skip_digits(z, i + 1);

        digits += end - i - 1;
        i = end;
    }
    if (digits == 0)
        return false;
    if (z[i] == 'e' || z[i] == 'E') {
        size_t sign = i + 1 + (z[i + 1] == '-' || z[i + 1] == '+');

        i = skip_digits(z, sign);
        if (i == sign)
            return false;
    }
    return z[i] == '\0';
}

/* Only the form: whether the day exists is the option's question. */
static bool
is_date(const char *z)
{
    return skip_digits(z, 0) == 4 && z[4] == '-' && skip_digits(z, 5) == 7 && z[7] == '-' &&
           skip_digits(z, 8) == 10 && z[10] == '\0';
}

static bool
is_word(const char *z, const char *lower, const char *title, const char *upper)
{
    return fo_streq(z, lower) || fo_streq(z, title) || fo_streq(z, upper);
}

static fo_node_type
scalar_type(const char *z, bool plain)
{
    if (!plain)
        return FO_NODE_TEXT;
    if (z[0] == '\0' || fo_streq(z, "~") || is_word(z, "null", "Null", "NULL"))
        return FO_NODE_NULL;
    if (is_word(z, "true", "True", "TRUE") || is_word(z, "false", "False", "FALSE"))
        return FO_NODE_BOOL;
    if (is_int(z))
        return FO_NODE_INT;
    if (is_date(z))
        return FO_NODE_DATE;
    return is_float(z) ? FO_NODE_FLOAT : FO_NODE_TEXT;
}

static finops_code
read_scalar(const yaml_reader *r, fo_node **ret, finops_error **err)
{
    const char *z = (const char *)r->event.data.scalar.value;
    size_t n = r->event.data.scalar.length;
    fo_node_type type;

    if (memchr(z, 0, n))
        return refuse(r, "text with a NUL character", err);
    type = scalar_type(z, r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
    if (type == FO_NODE_BOOL) {
        z = fo_lower(z[0]) == 't' ? "true" : "false";
        n = strlen(z);
    } else if (type == FO_NODE_INT && z[0] == '+') {
        z++;
        n--;
    } else if (type == FO_NODE_NULL) {
        z = NULL;
    }
    *ret = fo_node_new(type, z, n, mark_line(&r->event.start_mark), (unsigned)r->event.start_mark.column + 1);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static bool
has_anchor_or_tag(const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT:
        return e->data.scalar.anchor || e->data.scalar.tag;
    case YAML_SEQUENCE_START_EVENT:
        return e->data.sequence_start.anchor || e->data.sequence_start.tag;
    case YAML_MAPPING_START_EVENT:
        return e->data.mapping_start.anchor || e->data.mapping_start.tag;
    default:
        return e->type == YAML_ALIAS_EVENT;
    }
}

static finops_code read_node(yaml_reader *r, unsigned depth, fo_node **ret, finops_error **err);

static finops_code
read_list(yaml_reader *r, unsigned depth, fo_node *list, finops_error **err)
{
    for (;;) {
        fo_node *item = NULL;
        finops_code rc = next_event(r, err);

        if (rc != FINOPS_OK || r->event.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        rc = read_node(r, depth + 1, &item, err);
        if (rc != FINOPS_OK)
            return rc;
        fo_node_add(list, item);
    }
}

/* The key of the event at hand, checked against those before it. */
static finops_code
read_key(const yaml_reader *r, const fo_node *map, char **ret, finops_error **err)
{
    const fo_node *twin;
    const char *key;

    if (has_anchor_or_tag(&r->event))
        return refuse(r, "anchors, aliases and tags are not supported here: write the value out", err);
    if (r->event.type != YAML_SCALAR_EVENT)
        return refuse(r, "a key must be plain text", err);
    if (map->n >= KEYS_MAX)
        return refuse(r, "too many keys", err);
    key = (const char *)r->event.data.scalar.value;
    if (memchr(key, 0, r->event.data.scalar.length))
        return refuse(r, "key with a NUL character", err);
    twin = fo_node_find(map, key);
    if (twin)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: key \"%.60s\" already exists in line %u", r->name,
                            mark_line(&r->event.start_mark), key, twin->line);
    *ret = fo_strdup(key);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
read_map(yaml_reader *r, unsigned depth, fo_node *map, finops_error **err)
{
    for (;;) {
        FO_AUTO(fo_freep) char *key = NULL;
        fo_node *value = NULL;
        unsigned line;
        finops_code rc = next_event(r, err);

        if (rc != FINOPS_OK || r->event.type == YAML_MAPPING_END_EVENT)
            return rc;
        rc = read_key(r, map, &key, err);
        if (rc != FINOPS_OK)
            return rc;
        line = mark_line(&r->event.start_mark);
        rc = next_event(r, err);
        if (rc == FINOPS_OK)
            rc = read_node(r, depth + 1, &value, err);
        if (rc != FINOPS_OK)
            return rc;
        value->key = FO_TAKE(key);
        value->line = line; /* a section's value starts a line later, and people look for the key */
        fo_node_add(map, value);
    }
}

static finops_code
read_node(yaml_reader *r, unsigned depth, fo_node **ret, finops_error **err)
{
    FO_AUTO(fo_node_freep) fo_node *node = NULL;
    bool map = r->event.type == YAML_MAPPING_START_EVENT;
    finops_code rc;

    if (has_anchor_or_tag(&r->event))
        return refuse(r, "anchors, aliases and tags are not supported here: write the value out", err);
    if (depth > FO_TREE_DEPTH_MAX)
        return refuse(r, "nested too deeply", err);
    if (r->event.type == YAML_SCALAR_EVENT)
        return read_scalar(r, ret, err);

    assert(map || r->event.type == YAML_SEQUENCE_START_EVENT);
    node = fo_node_new(map ? FO_NODE_MAP : FO_NODE_LIST, NULL, 0, mark_line(&r->event.start_mark),
                       (unsigned)r->event.start_mark.column + 1);
    if (!node)
        return fo_error_oom(err);
    rc = map ? read_map(r, depth, node, err) : read_list(r, depth, node, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = FO_TAKE(node);
    return FINOPS_OK;
}

/* The one document; nothing at all is an empty map. */
static finops_code
read_document(yaml_reader *r, fo_node **ret, finops_error **err)
{
    finops_code rc = next_event(r, err); /* stream start */

    if (rc == FINOPS_OK)
        rc = next_event(r, err);
    if (rc != FINOPS_OK)
        return rc;
    if (r->event.type == YAML_STREAM_END_EVENT) {
        *ret = fo_node_new(FO_NODE_MAP, NULL, 0, 1, 1);
        return *ret ? FINOPS_OK : fo_error_oom(err);
    }
    rc = next_event(r, err);
    if (rc == FINOPS_OK)
        rc = read_node(r, 0, ret, err);
    if (rc == FINOPS_OK)
        rc = next_event(r, err); /* document end */
    if (rc == FINOPS_OK)
        rc = next_event(r, err);
    if (rc == FINOPS_OK && r->event.type != YAML_STREAM_END_EVENT)
        rc = refuse(r, "a second document starts here; a configuration is one document", err);
    return rc;
}

finops_code
fo_yaml_parse(const char *name, const char *text, size_t n, fo_node **ret, finops_error **err)
{
    FO_AUTO(fo_node_freep) fo_node *root = NULL;
    yaml_reader r = { .name = name };
    finops_code rc;

    if (!yaml_parser_initialize(&r.parser))
        return fo_error_oom(err);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    rc = read_document(&r, &root, err);
    reader_done(&r);
    if (rc != FINOPS_OK)
        return rc;
    if (root->type == FO_NODE_NULL)
        root->type = FO_NODE_MAP; /* comments only */
    if (root->type != FO_NODE_MAP)
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "%s:%u: expected sections such as \"aws:\" at the start of a line", name,
                            root->line);
    *ret = FO_TAKE(root);
    return FINOPS_OK;
}
