/* The JSON schema of the configuration file, for editors and for `finops config schema`. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/mem.h"
#include "config/config_internal.h"

#define DATE_PATTERN "^([0-9]{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?$"
#define SIZE_PATTERN "^[0-9]+([kKmMgGtT]([iI]?[bB])?|[bB])?$"

/* jansson's setters with "_new" take the value over and fail on NULL, so that one flag at the end tells. */
static bool
put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0;
}

static json_t *
type_only(const char *type)
{
    json_t *schema = json_object();

    if (schema && !put(schema, "type", json_string(type))) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

static bool
put_range(json_t *schema, const finops_option *option)
{
    return option->max == 0 || (put(schema, "minimum", json_integer(option->min)) &&
                                put(schema, "maximum", json_integer(option->max)));
}

/* An empty text means unset, so it is a word of every list that has no default. */
static json_t *
words(const finops_option *option)
{
    json_t *list = json_array();
    bool ok = list != NULL;

    for (const char *p = option->allow; ok && *p;) {
        size_t n = strcspn(p, " ");

        ok = json_array_append_new(list, json_stringn(p, n)) == 0;
        p += n;
        p += strspn(p, " ");
    }
    if (ok && !option->value)
        ok = json_array_append_new(list, json_string("")) == 0;
    if (!ok)
        json_decref(list);
    return ok ? list : NULL;
}

/* A number of bytes, or text with a unit. */
static json_t *
size_forms(const finops_option *option)
{
    json_t *number = type_only("integer"), *text = type_only("string");
    bool ok = number && text && put_range(number, option) && put(text, "pattern", json_string(SIZE_PATTERN));

    if (!ok) {
        json_decref(number);
        json_decref(text);
        return NULL;
    }
    return json_pack("[o, o]", number, text);
}

static bool
put_type(json_t *schema, const finops_option *option)
{
    switch (option->type) {
    case FINOPS_OPT_BOOL:
        return put(schema, "type", json_string("boolean"));
    case FINOPS_OPT_INT:
        return put(schema, "type", json_string("integer")) && put_range(schema, option);
    case FINOPS_OPT_SIZE:
        return put(schema, "anyOf", size_forms(option));
    case FINOPS_OPT_ENUM:
        return put(schema, "enum", words(option));
    case FINOPS_OPT_DATE:
        return put(schema, "type", json_string("string")) &&
               put(schema, "pattern", json_string(DATE_PATTERN));
    case FINOPS_OPT_LIST:
        return put(schema, "type", json_string("array")) && put(schema, "items", type_only("string"));
    default:
        return put(schema, "type", json_string("string"));
    }
}

static bool
put_default(json_t *schema, const finops_option *option)
{
    if (!option->value || option->type == FINOPS_OPT_LIST)
        return true;
    if (option->type == FINOPS_OPT_BOOL)
        return put(schema, "default", json_boolean(fo_streq(option->value, "true")));
    if (option->type == FINOPS_OPT_INT) {
        unsigned long long n;

        if (!fo_parse_u64(option->value, &n))
            return true; /* a negative default: leave it to the help */
        return put(schema, "default", json_integer((json_int_t)n));
    }
    return put(schema, "default", json_string(option->value));
}

static json_t *
option_schema(const finops_option *option)
{
    json_t *schema = json_object();
    bool ok = schema && put_type(schema, option) && put(schema, "description", json_string(option->help)) &&
              put_default(schema, option);

    if (ok && (option->flags & FINOPS_OPT_SECRET))
        ok = put(schema, "writeOnly", json_true());
    if (!ok)
        json_decref(schema);
    return ok ? schema : NULL;
}

static json_t *
section_schema(const char *help)
{
    json_t *schema = type_only("object");
    bool ok = schema && (!help || put(schema, "description", json_string(help))) &&
              put(schema, "additionalProperties", json_false()) && put(schema, "properties", json_object());

    if (!ok)
        json_decref(schema);
    return ok ? schema : NULL;
}

static bool
put_options(json_t *schema, const finops_option *table)
{
    json_t *properties = json_object_get(schema, "properties");

    for (const finops_option *option = table; option->name; option++)
        if (!(option->flags & FINOPS_OPT_FLAG_ONLY) && !put(properties, option->name, option_schema(option)))
            return false;
    return true;
}

/* What a place can be told: where it is, what any driver can be told, and the layers. That of plugins is not
 * known, so that nothing is forbidden. */
static json_t *
place_schema(const fo_config_storages *storages)
{
    static const finops_option where[] = {
        { "address", FINOPS_OPT_STRING, .help = "Where it is, such as s3://bucket/prefix or a folder." },
        { "backend", FINOPS_OPT_STRING, .help = "The service, where its own options say where it is." },
        { 0 },
    };
    json_t *schema = section_schema("A place that holds objects.");
    json_t *properties = json_object_get(schema, "properties");
    bool ok = schema && json_object_del(schema, "additionalProperties") == 0 && put_options(schema, where);

    for (size_t i = 0; ok && i < storages->n_drivers; i++)
        ok = !storages->drivers[i].options || put_options(schema, storages->drivers[i].options);
    for (size_t i = 0; ok && i < storages->n_layers; i++) {
        json_t *layer = section_schema(NULL);

        ok = layer && put_options(layer, storages->layers[i].options);
        if (ok)
            ok = put(properties, storages->layers[i].name, layer);
        else
            json_decref(layer);
    }
    if (!ok)
        json_decref(schema);
    return ok ? schema : NULL;
}

/* What stands in the section of a plugin is not known here. */
static bool
put_named(json_t *schema, const fo_config_section *section, const fo_config_storages *storages)
{
    if (fo_streq(section->path, "storage"))
        return put(schema, "additionalProperties", storages ? place_schema(storages) : type_only("object"));
    return !fo_streq(section->path, "database") || put(schema, "additionalProperties", type_only("object"));
}

/* Where a section of this path hangs: its parent's schema (borrowed) and its own last name. */
static json_t *
parent_of(json_t *root, const char *path, const char **ret_name)
{
    json_t *at = root;
    const char *dot;

    while (at && (dot = strchr(path, '.')) != NULL) {
        at = json_object_getn(json_object_get(at, "properties"), path, (size_t)(dot - path));
        path = dot + 1;
    }
    *ret_name = path;
    return at;
}

static bool
put_section(json_t *root, const fo_config_section *section, const fo_config_storages *storages)
{
    const char *name;
    json_t *parent = parent_of(root, section->path, &name);
    json_t *schema = section_schema(section->repeated ? NULL : section->help);

    assert(parent); /* a table error: sections are listed after their parents */
    if (!schema || !put_named(schema, section, storages) || !put_options(schema, section->options)) {
        json_decref(schema);
        return false;
    }
    if (section->repeated)
        schema = json_pack("{s:s, s:s, s:o}", "type", "array", "description", section->help, "items", schema);
    return put(json_object_get(parent, "properties"), name, schema);
}

static json_t *
whole_schema(const fo_config_storages *storages)
{
    json_t *root =
        json_pack("{s:s, s:s, s:s, s:b, s:{}}", "$schema", "https://json-schema.org/draft/2020-12/schema",
                  "title", "finops configuration", "type", "object", "additionalProperties", 0, "properties");
    bool ok = root != NULL;

    for (const fo_config_section *s = fo_config_sections; ok && s->path; s++)
        ok = put_section(root, s, storages);
    if (!ok)
        json_decref(root);
    return ok ? root : NULL;
}

finops_code
fo_config_schema(const fo_config_storages *storages, fo_str *ret, finops_error **err)
{
    json_t *root = whole_schema(storages);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;

    json_decref(root);
    if (!text)
        return fo_error_oom(err);
    fo_str_add(ret, text);
    fo_str_addc(ret, '\n');
    free(text);
    return fo_str_check(ret, err);
}
