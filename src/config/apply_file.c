/* Puts what a file says into the layers: known keys, the type that was written, nearest names for the rest.
 */
#include <assert.h>
#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "config/config_internal.h"

typedef struct applying {
    fo_config *config; /* NULL for a section alone */
    const fo_config_text *file;
    const char *name; /* of the file */
    unsigned mode;
    fo_problems *problems;
    bool warned_mode;
} applying;

static void
describe(const fo_node *node, const finops_option *option, fo_str *ret)
{
    bool secret = option && (option->flags & FINOPS_OPT_SECRET);

    switch (node->type) {
    case FO_NODE_MAP:
        fo_str_add(ret, "a section");
        break;
    case FO_NODE_LIST:
        fo_str_add(ret, "a list");
        break;
    case FO_NODE_TEXT:
        fo_str_add(ret, "text");
        break;
    case FO_NODE_INT:
    case FO_NODE_FLOAT:
        fo_str_addf(ret, secret ? "a number" : "the number %.40s", node->text);
        break;
    case FO_NODE_BOOL:
        fo_str_add(ret, node->text);
        break;
    case FO_NODE_DATE:
        fo_str_addf(ret, "the date %s", node->text);
        break;
    case FO_NODE_TIME:
        fo_str_add(ret, "a time");
        break;
    case FO_NODE_NULL:
        fo_str_add(ret, "nothing");
        break;
    }
}

/* Text stays text: a number would lose leading zeros, so the one who wrote it must say that it is text. */
static bool
type_fits(const finops_option *option, fo_node_type found)
{
    switch (option->type) {
    case FINOPS_OPT_BOOL:
        return found == FO_NODE_BOOL;
    case FINOPS_OPT_INT:
        return found == FO_NODE_INT;
    case FINOPS_OPT_SIZE:
        return found == FO_NODE_INT || found == FO_NODE_TEXT;
    case FINOPS_OPT_DATE:
        return found == FO_NODE_DATE || found == FO_NODE_TEXT;
    case FINOPS_OPT_LIST:
        return found == FO_NODE_LIST;
    default:
        return found == FO_NODE_TEXT;
    }
}

static void
wrong_type(applying *a, const char *path, const finops_option *option, const fo_node *node)
{
    FO_AUTO(fo_str_done) fo_str say = FO_STR_INIT;
    bool wants_text = option->type == FINOPS_OPT_STRING || option->type == FINOPS_OPT_ENUM;
    bool scalar = node->type != FO_NODE_MAP && node->type != FO_NODE_LIST && node->type != FO_NODE_TIME;

    if (option->type == FINOPS_OPT_STRING)
        fo_str_add(&say, "text");
    else
        fo_option_expected(option, &say);
    fo_str_add(&say, ", found ");
    describe(node, option, &say);
    if (node->type == FO_NODE_TEXT) {
        fo_str_addc(&say, ' ');
        fo_option_found(option, node->text, &say);
    } else if (wants_text && scalar) {
        fo_str_add(&say, "; put it in quotes");
    }
    if (!fo_str_ok(&say))
        a->problems->failed = true;
    fo_problem_add(a->problems, node->line, "%s:%u: %s.%s: expected %s", a->name, node->line, path,
                   option->name, fo_str_z(&say));
}

/* A secret in a file that others can read is no longer one. */
static void
guard_secret(applying *a, const char *path, const finops_option *option, const fo_node *node)
{
    bool secret = (option->flags & FINOPS_OPT_SECRET) || (node->text && fo_has_password(node->text));

    if (!secret || !node->text || node->text[0] == '\0' || !(a->mode & 044) || a->warned_mode)
        return;
    a->warned_mode = true;
    fo_problem_add(a->problems, node->line,
                   "%s:%u: %s.%s: a secret stands in a file that others can read (mode %04o)", a->name,
                   node->line, path, option->name, a->mode & 07777);
    a->problems->hint = fo_format("make the file yours alone: chmod 600 %s", a->name);
    if (!a->problems->hint)
        a->problems->failed = true;
}

static finops_code
set_items(applying *a, fo_layer *layer, size_t row, const fo_node *node, const fo_value *value,
          finops_error **err)
{
    const finops_option *option = &layer->section->options[row];
    finops_code rc = fo_option_set(option, layer->base, "", err);

    for (const fo_node *item = node->first; item && rc == FINOPS_OK; item = item->next) {
        if (item->type != FO_NODE_TEXT)
            wrong_type(a, layer->section->path, option, item);
        else
            rc = fo_option_list_add(option, layer->base, item->text, err);
    }
    if (rc == FINOPS_OK && !fo_layer_mark(layer, row, value))
        rc = fo_error_oom(err);
    return rc;
}

static finops_code
set_option(applying *a, fo_layer *layer, size_t row, const fo_node *node, finops_error **err)
{
    FO_AUTO(fo_freep) char *origin = NULL;
    const finops_option *option = &layer->section->options[row];
    fo_value value = { .kind = FO_ORIGIN_FILE, .line = node->line, .order = node->line };

    if (node->type == FO_NODE_NULL)
        return FINOPS_OK;
    if (!type_fits(option, node->type)) {
        wrong_type(a, layer->section->path, option, node);
        return FINOPS_OK;
    }
    guard_secret(a, layer->section->path, option, node);
    origin = fo_format("%s:%u", a->name, node->line);
    if (!origin)
        return fo_error_oom(err);
    value.origin = origin;
    value.text = node->text;
    if (node->type == FO_NODE_LIST)
        return set_items(a, layer, row, node, &value, err);
    return fo_layer_set(layer, row, &value, a->problems, err);
}

/* The section right below `path` that a full path names: "duckdb" of "database.duckdb" for "database"; else
 * NULL. */
static const char *
child_section(const char *path, const fo_config_section *section)
{
    size_t n = path ? strlen(path) : 0;
    const char *rest = section->path;

    if (n > 0) {
        if (strncmp(rest, path, n) != 0 || rest[n] != '.')
            return NULL;
        rest += n + 1;
    }
    return strchr(rest, '.') ? NULL : rest;
}

/* The name in this place that was perhaps meant. */
static const char *
nearest_here(const fo_config_section *here, const char *key)
{
    const char *names[64];
    size_t n = 0;

    for (const finops_option *o = here ? here->options : NULL; o && o->name && n < FO_COUNT(names); o++)
        names[n++] = o->name;
    for (const fo_config_section *s = fo_config_sections; s->path && n < FO_COUNT(names); s++) {
        const char *child = child_section(here ? here->path : NULL, s);

        if (child)
            names[n++] = child;
    }
    return fo_nearest(key, names, n);
}

/* The section that has a key of just this name: it was written below the wrong heading. */
static const fo_config_section *
section_with(const char *key)
{
    for (const fo_config_section *s = fo_config_sections; s->path; s++)
        if (!s->repeated && fo_option_index(s->options, key) >= 0)
            return s;
    return NULL;
}

static void
unknown(applying *a, const fo_config_section *here, const fo_node *node)
{
    const char *what = node->type == FO_NODE_MAP ? "section" : "key";
    const char *near = nearest_here(here, node->key);
    const fo_config_section *other = section_with(node->key);
    const char *dot = here ? "." : "";
    const char *path = here ? here->path : "";

    if (near)
        fo_problem_add(a->problems, node->line, "%s:%u: %s%s%.60s: unknown %s, did you mean %s?", a->name,
                       node->line, path, dot, node->key, what, near);
    else if (other)
        fo_problem_add(a->problems, node->line, "%s:%u: %s%s%.60s: unknown key, %s is in the section %s",
                       a->name, node->line, path, dot, node->key, node->key, other->path);
    else
        fo_problem_add(a->problems, node->line, "%s:%u: %s%s%.60s: unknown %s", a->name, node->line, path,
                       dot, node->key, what);
}

static finops_code apply_map(applying *a, fo_layer *layer, const fo_node *map, finops_error **err);

static void
wrong_place(applying *a, const fo_config_section *section, const fo_node *node)
{
    FO_AUTO(fo_str_done) fo_str found = FO_STR_INIT;

    describe(node, NULL, &found);
    if (!fo_str_ok(&found))
        a->problems->failed = true;
    if (section->repeated && node->key)
        fo_problem_add(
            a->problems, node->line,
            "%s:%u: %s: expected a list of sections ([[%s]] in TOML, \"- key: value\" in YAML), found %s",
            a->name, node->line, section->path, section->path, fo_str_z(&found));
    else if (section->repeated)
        fo_problem_add(a->problems, node->line, "%s:%u: %s: expected a section in each entry, found %s",
                       a->name, node->line, section->path, fo_str_z(&found));
    else
        fo_problem_add(a->problems, node->line,
                       "%s:%u: %s: expected a section ([%s] in TOML, \"%s:\" in YAML), found %s", a->name,
                       node->line, section->path, section->path, node->key, fo_str_z(&found));
}

static finops_code
apply_entries(applying *a, const fo_config_section *section, const fo_node *node, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    finops_code rc = FINOPS_OK;
    size_t i = 0;

    if (node->type == FO_NODE_NULL)
        return FINOPS_OK;
    if (node->type != FO_NODE_LIST) {
        wrong_place(a, section, node);
        return FINOPS_OK;
    }
    if (node->n > FO_CONFIG_EXPORTS_MAX) {
        fo_problem_add(a->problems, node->line, "%s:%u: %s: more than %d entries", a->name, node->line,
                       section->path, FO_CONFIG_EXPORTS_MAX);
        return FINOPS_OK;
    }
    for (const fo_node *item = node->first; item && rc == FINOPS_OK; item = item->next) {
        fo_str_clear(&name);
        fo_str_addf(&name, "%s[%zu]", section->path, ++i);
        if (!fo_str_ok(&name))
            return fo_error_oom(err);
        if (item->type == FO_NODE_MAP)
            rc = apply_map(a, fo_config_layer(a->config, fo_str_z(&name)), item, err);
        else
            wrong_place(a, section, item);
    }
    return rc;
}

static finops_code
apply_section(applying *a, const fo_config_section *section, const fo_node *node, finops_error **err)
{
    if (section->repeated)
        return apply_entries(a, section, node, err);
    if (node->type == FO_NODE_NULL)
        return FINOPS_OK;
    if (node->type == FO_NODE_MAP)
        return apply_map(a, fo_config_layer(a->config, section->path), node, err);
    wrong_place(a, section, node);
    return FINOPS_OK;
}

/* [database.<name>] of a plugin, or [storage.<name>]: what may stand in it its driver knows. */
static bool
is_named(const fo_config_section *here, const char *path, const fo_node *node)
{
    const char *key = node->key;

    if (!here || !fo_streq(here->path, path) || (node->type != FO_NODE_MAP && node->type != FO_NODE_NULL))
        return false;
    if (*key < 'a' || *key > 'z')
        return false;
    return key[strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* layer is NULL for the file's top. */
static finops_code
apply_map(applying *a, fo_layer *layer, const fo_node *map, finops_error **err)
{
    const fo_config_section *here = layer ? layer->section : NULL;
    finops_code rc = FINOPS_OK;

    for (const fo_node *child = map->first; child && rc == FINOPS_OK; child = child->next) {
        const fo_config_section *section = NULL;
        int row = layer ? fo_option_index(here->options, child->key) : -1;

        for (const fo_config_section *s = fo_config_sections; s->path && !section; s++)
            if (fo_streq(child_section(here ? here->path : NULL, s), child->key))
                section = s;
        if (row >= 0)
            rc = set_option(a, layer, (size_t)row, child, err);
        else if (section)
            rc = apply_section(a, section, child, err);
        else if (is_named(here, "storage", child))
            rc = fo_raw_place_add(&a->config->raw, a->file, child) ? FINOPS_OK : fo_error_oom(err);
        else if (is_named(here, "database", child))
            rc = fo_raw_backend_add(&a->config->raw, a->file, child) ? FINOPS_OK : fo_error_oom(err);
        else
            unknown(a, here, child);
    }
    return rc;
}

finops_code
fo_config_apply_file(fo_config *config, const fo_config_text *file, const fo_node *root,
                     fo_problems *problems, finops_error **err)
{
    applying a = {
        .config = config, .file = file, .name = file->name, .mode = file->mode, .problems = problems
    };

    assert(root->type == FO_NODE_MAP);
    return apply_map(&a, NULL, root, err);
}

finops_code
fo_layer_apply_section(fo_layer *layer, const fo_config_text *file, const fo_node *section,
                       fo_problems *problems, finops_error **err)
{
    applying a = { .file = file, .name = file->name, .mode = file->mode, .problems = problems };

    assert(section->type == FO_NODE_MAP);
    return apply_map(&a, layer, section, err);
}
