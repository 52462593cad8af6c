/* What a storage is told, gathered from the file, the environment and the sections that hold for it. */
#include "config/place.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/place_internal.h"

#define ENV_PLACES "OPEN_FINOPS_STORAGE_"
#define PLACE "storage."

/* ---- settings ---- */

void
fo_place_settings_done(fo_place_settings *settings)
{
    fo_free(settings->items);
    fo_strv_done(&settings->texts);
    *settings = (fo_place_settings){ 0 };
}

finops_code
fo_place_settings_add(fo_place_settings *to, const char *name, const char *value, const char *origin,
                      bool secret, finops_error **err)
{
    fo_strv *texts = &to->texts;

    if (!fo_grow((void **)&to->items, &to->cap, to->n + 1, sizeof(*to->items)) || !fo_strv_add(texts, name) ||
        !fo_strv_add(texts, value) || !fo_strv_add(texts, origin ? origin : "default"))
        return fo_error_oom(err);
    to->items[to->n++] = (fo_place_setting){ .name = texts->items[texts->n - 3],
                                             .value = texts->items[texts->n - 2],
                                             .origin = texts->items[texts->n - 1],
                                             .secret = secret };
    return FINOPS_OK;
}

void
fo_place_setting_show(const fo_place_setting *setting, fo_str *ret)
{
    if (setting->secret)
        fo_str_add(ret, "<redacted>");
    else
        fo_redact(setting->value, ret);
}

const char *
fo_place_settings_value(const fo_place_settings *settings, const char *name)
{
    for (size_t i = settings->n; i > 0; i--)
        if (fo_streq(settings->items[i - 1].name, name))
            return settings->items[i - 1].value;
    return NULL;
}

void
fo_place_done(fo_place *place)
{
    fo_free(place->name);
    fo_free(place->address);
    fo_free(place->backend);
    fo_free(place->origin);
    fo_place_settings_done(&place->preset);
    *place = (fo_place){ 0 };
}

/* ---- sections that hold for every storage ---- */

/* The text of a setting of a section, "" when it is unset or there is none. */
static finops_code
section_text(const fo_settings *settings, const char *path, const char *name, fo_str *ret, finops_error **err)
{
    const fo_config_section *section = fo_config_section_find(path);
    int row = section ? fo_option_index(section->options, name) : -1;
    const void *base = section ? (const char *)settings + section->offset : NULL;

    if (row >= 0 && fo_option_is_set(&section->options[row], base))
        fo_option_text(&section->options[row], base, ret);
    return fo_str_check(ret, err);
}

/* What drivers call otherwise than [network] does. */
static const char *
network_name(const char *name)
{
    return fo_streq(name, "stall_timeout") ? "timeout" : name;
}

/* Sets a row that nothing else sets from a section, where that has it. */
static finops_code
apply_section_text(fo_layer *layer, size_t row, const fo_settings *settings, const char *path,
                   const char *name, fo_problems *problems, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    FO_AUTO(fo_freep) char *origin = fo_format("[%s]", path);
    finops_code rc = section_text(settings, path, name, &text, err);

    if (rc == FINOPS_OK && !origin)
        return fo_error_oom(err);
    if (rc != FINOPS_OK || text.len == 0)
        return rc;
    const fo_value value = {
        .kind = FO_ORIGIN_ENV, .order = FO_ORDER_ENV, .origin = origin, .text = fo_str_z(&text)
    };
    return fo_layer_set(layer, row, &value, problems, err);
}

static bool
is_set(const fo_layer *layer, size_t row)
{
    return layer->origins[row].kind != FO_ORIGIN_DEFAULT;
}

/* Who may use the place: those come together, from one source. */
static bool
is_credential(const finops_option *option)
{
    return ((option->flags & FINOPS_OPT_SECRET) && option->env) || fo_streq(option->name, "profile");
}

/* The address says where it is, and [aws] where bills are. */
static bool
is_address_part(const finops_option *option)
{
    return fo_streq(option->name, "bucket") || fo_streq(option->name, "prefix");
}

static bool
has_credentials(const fo_layer *layer)
{
    for (size_t i = 0; i < layer->n; i++)
        if (is_set(layer, i) && is_credential(&layer->section->options[i]))
            return true;
    return false;
}

/* What other tools' variables, [aws] for the driver s3 of an address, and [network] say of unset rows. */
static finops_code
apply_shared(fo_layer *layer, const fo_settings *settings, bool aws, fo_problems *problems,
             finops_error **err)
{
    const char *const *env = fo_raw_env(settings->backends);
    bool own = has_credentials(layer);
    finops_code rc = FINOPS_OK;

    for (size_t row = 0; rc == FINOPS_OK && row < layer->n; row++) {
        const finops_option *option = &layer->section->options[row];

        if (is_set(layer, row) || (own && is_credential(option)) || (aws && is_address_part(option)))
            continue;
        if (aws && fo_option_index(fo_config_section_find("aws")->options, option->name) >= 0) {
            /* It has heard the environment, and an entry of aws.exports takes nothing from there. */
            rc = apply_section_text(layer, row, settings, "aws", option->name, problems, err);
            continue;
        }
        rc = fo_layer_apply_shared_env(layer, row, env, problems, err);
        if (rc == FINOPS_OK && !is_set(layer, row))
            rc = apply_section_text(layer, row, settings, "network", network_name(option->name), problems,
                                    err);
    }
    return rc;
}

/* ---- a table ---- */

typedef struct filling {
    const fo_settings *settings;
    const fo_place *place; /* NULL: an address given by hand */
    const fo_place_table *tables;
    size_t n_tables;
    const finops_setting *given;
    size_t n_given;
    fo_problems problems;
    fo_place_settings *ret;
} filling;

static bool
is_given(const filling *f, const fo_place_table *table, const char *name)
{
    for (size_t i = 0; !table->layer && i < f->n_given; i++)
        if (fo_streq(f->given[i].name, name))
            return true;
    return false;
}

static const fo_node *
node_of(const filling *f)
{
    const fo_raw_backends *raw = f->settings->backends;
    const fo_node *node = raw && raw->places && f->place ? fo_node_find(raw->places, f->place->name) : NULL;

    return node && node->type == FO_NODE_MAP ? node : NULL;
}

static bool
is_layer(const filling *f, const char *name)
{
    for (size_t i = 0; i < f->n_tables; i++)
        if (fo_streq(f->tables[i].layer, name))
            return true;
    return false;
}

/* The layer whose section this nearly is. */
static const char *
near_layer(const filling *f, const char *name)
{
    const char *names[32];
    size_t n = 0;

    for (size_t i = 0; i < f->n_tables && n < FO_COUNT(names); i++)
        if (f->tables[i].layer)
            names[n++] = f->tables[i].layer;
    return fo_nearest(name, names, n);
}

/* What of the section of a place is the driver's: all but where it is, and the layers. */
static finops_code
driver_node(filling *f, const fo_node *node, fo_node **ret, finops_error **err)
{
    FO_AUTO(fo_node_freep) fo_node *own = fo_node_new(FO_NODE_MAP, NULL, 0, node->line, node->column);
    const char *file = f->settings->backends->file;

    for (const fo_node *child = node->first; own && child; child = child->next) {
        const char *near = child->type == FO_NODE_MAP ? near_layer(f, child->key) : NULL;
        fo_node *copy;

        if (fo_streq(child->key, "address") || fo_streq(child->key, "backend"))
            continue;
        if (is_layer(f, child->key)) {
            if (child->type != FO_NODE_MAP && child->type != FO_NODE_NULL)
                fo_problem_add(&f->problems, child->line, "%s:%u: storage.%s.%s: expected a section", file,
                               child->line, f->place->name, child->key);
            continue;
        }
        if (near) {
            fo_problem_add(&f->problems, child->line,
                           "%s:%u: storage.%s.%.60s: unknown section, did you mean %s?", file, child->line,
                           f->place->name, child->key, near);
            continue;
        }
        copy = fo_node_copy(child);
        if (!copy)
            return fo_error_oom(err);
        fo_node_add(own, copy);
    }
    *ret = FO_TAKE(own);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
apply_file(filling *f, const fo_place_table *table, fo_layer *layer, finops_error **err)
{
    const fo_node *node = node_of(f);
    FO_AUTO(fo_node_freep) fo_node *own = NULL;
    finops_code rc = FINOPS_OK;

    if (node && table->layer) {
        node = fo_node_find(node, table->layer);
        if (node && node->type != FO_NODE_MAP)
            node = NULL;
    } else if (node) {
        rc = driver_node(f, node, &own, err);
        node = own;
    }
    if (rc != FINOPS_OK || !node)
        return rc;
    const fo_config_text file = { .name = f->settings->backends->file, .mode = f->settings->backends->mode };
    return fo_layer_apply_section(layer, &file, node, &f->problems, err);
}

static finops_code
apply_text(fo_layer *layer, const char *name, const char *text, const char *origin, fo_problems *problems,
           finops_error **err)
{
    int row = fo_option_index(layer->section->options, name);
    const fo_value value = { .kind = FO_ORIGIN_ENV, .order = FO_ORDER_ENV, .origin = origin, .text = text };

    return row >= 0 ? fo_layer_set(layer, (size_t)row, &value, problems, err) : FINOPS_OK;
}

/* In rising order of what has a say; what is shared fills only what is still unset. */
static finops_code
apply_all(filling *f, const fo_place_table *table, fo_layer *layer, finops_error **err)
{
    const char *const *env = fo_raw_env(f->settings->backends);
    finops_code rc = FINOPS_OK;
    bool set;

    for (size_t i = 0; rc == FINOPS_OK && f->place && !table->layer && i < f->place->preset.n; i++) {
        const fo_place_setting *p = &f->place->preset.items[i];

        rc = apply_text(layer, p->name, p->value, p->origin, &f->problems, err);
    }
    if (rc == FINOPS_OK && f->place)
        rc = apply_file(f, table, layer, err);
    for (size_t row = 0; rc == FINOPS_OK && f->place && row < layer->n; row++)
        rc = fo_layer_apply_own_env(layer, row, env, &set, &f->problems, err);
    for (size_t i = 0; rc == FINOPS_OK && !table->layer && i < f->n_given; i++)
        rc = apply_text(layer, f->given[i].name, f->given[i].value, "the address", &f->problems, err);
    return rc;
}

/* What is set, as texts. */
static finops_code
tell(filling *f, const fo_place_table *table, const fo_layer *layer, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t row = 0; rc == FINOPS_OK && row < layer->n; row++) {
        const finops_option *option = &layer->section->options[row];
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
        FO_AUTO(fo_freep) char *name = NULL;

        if (!is_set(layer, row) || is_given(f, table, option->name))
            continue;
        fo_option_text(option, layer->base, &text);
        name = table->layer ? fo_format("%s.%s", table->layer, option->name) : fo_strdup(option->name);
        if (!name || !fo_str_ok(&text))
            return fo_error_oom(err);
        if (text.len > 0)
            rc = fo_place_settings_add(f->ret, name, fo_str_z(&text), layer->origins[row].text,
                                       (option->flags & FINOPS_OPT_SECRET) != 0, err);
    }
    return rc;
}

static finops_code
fill_table(filling *f, const fo_place_table *table, bool aws, finops_error **err)
{
    static const finops_option none[] = { { 0 } };
    const char *point = table->layer ? "." : "", *layer_name = table->layer ? table->layer : "";
    FO_AUTO(fo_freep)
    char *path = fo_format(PLACE "%s%s%s", f->place ? f->place->name : "address", point, layer_name);
    FO_AUTO(fo_freep) void *config = fo_zalloc(table->config_size ? table->config_size : 1);
    const fo_config_section section = { .path = path, .options = table->options ? table->options : none };
    fo_layer layer = { 0 };
    finops_code rc;

    if (!path || !config)
        return fo_error_oom(err);
    rc = fo_layer_init(&layer, &section, config, 0, err);
    if (rc == FINOPS_OK)
        rc = apply_all(f, table, &layer, err);
    if (rc == FINOPS_OK && !table->layer)
        rc = apply_shared(&layer, f->settings, aws, &f->problems, err);
    if (rc == FINOPS_OK && f->place)
        fo_layer_check(&layer, &f->problems);
    if (rc == FINOPS_OK)
        rc = tell(f, table, &layer, err);
    fo_layer_done(&layer);
    return rc;
}

finops_code
fo_config_address(const fo_settings *settings, const char *driver, const fo_place_table *table,
                  const finops_setting *given, size_t n_given, fo_place_settings *ret, finops_error **err)
{
    filling f = {
        .settings = settings, .tables = table, .n_tables = 1, .given = given, .n_given = n_given, .ret = ret
    };
    finops_code rc = fill_table(&f, table, fo_streq(driver, "s3"), err);

    if (rc == FINOPS_OK)
        rc = fo_problems_error(&f.problems, err);
    fo_problems_done(&f.problems);
    return rc;
}

/* ---- the environment of a place ---- */

/* A variable of it that is of no table. */
static bool
is_known_variable(const filling *f, const char *key)
{
    if (fo_streq(key, "address") || fo_streq(key, "backend"))
        return true;
    for (size_t i = 0; i < f->n_tables; i++) {
        const char *layer = f->tables[i].layer;
        size_t n = layer ? strlen(layer) : 0;
        const char *name = !layer ? key : fo_starts(key, layer) && key[n] == '_' ? key + n + 1 : NULL;

        if (name && f->tables[i].options && fo_option_index(f->tables[i].options, name) >= 0)
            return true;
    }
    return false;
}

/* Whether it is of another place, whose name begins as this one's does: bronze and bronze_old. */
static bool
is_of_other(const fo_strv *places, const char *own, const char *tail)
{
    for (size_t i = 0; i < places->n; i++) {
        size_t n = strlen(places->items[i]);

        if (!fo_streq(places->items[i], own) && n > strlen(own) && fo_starts(tail, places->items[i]) &&
            tail[n] == '_')
            return true;
    }
    return false;
}

/* Not an error, as elsewhere: it may be meant for another version of finops. */
static finops_code
warn_variables(const filling *f, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv places = FO_STRV_INIT;
    const char *own = f->place->name;
    size_t n = strlen(own);
    finops_code rc = fo_config_places(f->settings, &places, err);

    for (const char *const *e = fo_raw_env(f->settings->backends); rc == FINOPS_OK && *e; e++) {
        FO_AUTO(fo_freep) char *tail = NULL;

        if (!fo_starts(*e, ENV_PLACES))
            continue;
        tail = fo_strndup(*e + strlen(ENV_PLACES), strcspn(*e + strlen(ENV_PLACES), "="));
        if (!tail)
            return fo_error_oom(err);
        for (char *p = tail; *p; p++)
            *p = fo_lower(*p);
        if (fo_starts(tail, own) && tail[n] == '_' && !is_known_variable(f, tail + n + 1) &&
            !is_of_other(&places, own, tail))
            fo_warn("environment variable %.*s is no option of " PLACE "%s", (int)strcspn(*e, "="), *e, own);
    }
    return rc;
}

finops_code
fo_config_place_settings(const fo_settings *settings, const fo_place *place, const fo_place_table *tables,
                         size_t n_tables, const finops_setting *given, size_t n_given, fo_place_settings *ret,
                         finops_error **err)
{
    filling f = { .settings = settings,
                  .place = place,
                  .tables = tables,
                  .n_tables = n_tables,
                  .given = given,
                  .n_given = n_given,
                  .ret = ret };
    finops_code rc = FINOPS_OK;

    assert(settings && place && tables && ret);
    for (size_t i = 0; rc == FINOPS_OK && i < n_tables; i++)
        rc = fill_table(&f, &tables[i], false, err);
    if (rc == FINOPS_OK)
        rc = warn_variables(&f, err);
    if (rc == FINOPS_OK)
        rc = fo_problems_error(&f.problems, err);
    fo_problems_done(&f.problems);
    return rc;
}

/* ---- which places there are ---- */

/* The place of OPEN_FINOPS_STORAGE_<NAME>_ADDRESS or _BACKEND, which need no section. */
static finops_code
add_of_variable(const char *variable, fo_strv *ret, finops_error **err)
{
    static const char *const ends[] = { "_ADDRESS", "_BACKEND" };
    size_t begin = strlen(ENV_PLACES), n = strcspn(variable, "=");

    for (size_t i = 0; fo_starts(variable, ENV_PLACES) && i < FO_COUNT(ends); i++) {
        size_t end = strlen(ends[i]);
        FO_AUTO(fo_freep) char *name = NULL;

        if (n <= begin + end || strncmp(variable + n - end, ends[i], end) != 0 || !variable[n] ||
            !variable[n + 1])
            continue;
        name = fo_strndup(variable + begin, n - begin - end);
        for (char *p = name; p && *p; p++)
            *p = fo_lower(*p);
        if (!name || (!fo_strv_has(ret, name) && !fo_strv_add(ret, name)))
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

finops_code
fo_config_places(const fo_settings *settings, fo_strv *ret, finops_error **err)
{
    const fo_raw_backends *raw = settings->backends;
    finops_code rc = FINOPS_OK;

    for (const fo_node *s = raw && raw->places ? raw->places->first : NULL; s; s = s->next)
        if (!fo_strv_has(ret, s->key) && !fo_strv_add(ret, s->key))
            return fo_error_oom(err);
    for (const char *const *e = fo_raw_env(raw); rc == FINOPS_OK && *e; e++)
        rc = add_of_variable(*e, ret, err);
    if (rc == FINOPS_OK && fo_platform_has_place(settings) && !fo_strv_has(ret, "bronze") &&
        !fo_strv_add(ret, "bronze"))
        rc = fo_error_oom(err);
    fo_strv_sort(ret);
    return rc;
}

/* "address" or "backend" of a place: its variable, else the file. */
static finops_code
key_text(const fo_settings *settings, const char *name, const char *key, char **ret, char **ret_origin,
         finops_error **err)
{
    const fo_raw_backends *raw = settings->backends;
    const fo_node *section = raw && raw->places ? fo_node_find(raw->places, name) : NULL;
    const fo_node *node = section && section->type == FO_NODE_MAP ? fo_node_find(section, key) : NULL;
    FO_AUTO(fo_freep) char *path = fo_format(PLACE "%s", name);
    FO_AUTO(fo_str_done) fo_str variable = FO_STR_INIT;
    finops_code rc = path ? fo_option_env_name(path, key, &variable, err) : fo_error_oom(err);

    if (rc != FINOPS_OK)
        return rc;
    for (const char *const *e = fo_raw_env(raw); *e; e++)
        if (fo_starts(*e, fo_str_z(&variable)) && (*e)[variable.len] == '=' && (*e)[variable.len + 1]) {
            *ret = fo_strdup(*e + variable.len + 1);
            *ret_origin = fo_format("env %s", fo_str_z(&variable));
            return *ret && *ret_origin ? FINOPS_OK : fo_error_oom(err);
        }
    if (!node || node->type == FO_NODE_NULL || (node->text && !*node->text))
        return FINOPS_OK;
    if (node->type != FO_NODE_TEXT)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: " PLACE "%s.%s: expected text", raw->file,
                            node->line, name, key);
    *ret = fo_strdup(node->text);
    *ret_origin = fo_format("%s:%u", raw->file, node->line);
    return *ret && *ret_origin ? FINOPS_OK : fo_error_oom(err);
}

/* The section is there and says nothing of where it is. */
static finops_code
no_address(const fo_settings *settings, const char *name, finops_error **err)
{
    static const char *const keys[] = { "address", "backend" };
    const fo_raw_backends *raw = settings->backends;
    const fo_node *section = raw && raw->places ? fo_node_find(raw->places, name) : NULL;

    for (const fo_node *child = section ? section->first : NULL; child; child = child->next) {
        const char *near = fo_nearest(child->key, keys, FO_COUNT(keys));

        if (near && !fo_streq(near, child->key))
            return fo_error_set(err, FINOPS_E_CONFIG,
                                "%s:%u: " PLACE "%s.%.60s: unknown key, did you mean %s?", raw->file,
                                child->line, name, child->key, near);
    }
    return fo_error_set(err, FINOPS_E_CONFIG,
                        "%s:%u: " PLACE "%s: address, or backend and its options, must be set",
                        raw && raw->file ? raw->file : "configuration", section ? section->line : 0, name);
}

static finops_code
not_found(const fo_strv *places, const char *name, finops_error **err)
{
    const char *near = fo_nearest(name, (const char *const *)places->items, places->n);

    (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "no storage is called %.60s", name);
    if (near)
        fo_error_hint(err, "did you mean %s?", near);
    else
        fo_error_hint(err, "[storage.%.60s] with an address in the configuration makes one", name);
    return FINOPS_E_NOT_FOUND;
}

finops_code
fo_config_place(const fo_settings *settings, const char *name, fo_place *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv places = FO_STRV_INIT;
    FO_AUTO(fo_freep) char *origin = NULL;
    finops_code rc = fo_config_places(settings, &places, err);

    if (rc != FINOPS_OK)
        return rc;
    if (!fo_strv_has(&places, name))
        return not_found(&places, name, err);
    ret->name = fo_strdup(name);
    if (!ret->name)
        return fo_error_oom(err);
    rc = key_text(settings, name, "address", &ret->address, &ret->origin, err);
    if (rc == FINOPS_OK)
        rc = key_text(settings, name, "backend", &ret->backend, &origin, err);
    if (rc == FINOPS_OK && !ret->origin)
        ret->origin = FO_TAKE(origin);
    if (rc != FINOPS_OK || ret->address || ret->backend)
        return rc;
    const fo_raw_backends *raw = settings->backends;
    bool section = raw && raw->places && fo_node_find(raw->places, name);
    if (!section && fo_streq(name, "bronze") && fo_platform_has_place(settings))
        return fo_platform_place(settings, ret, err);
    return no_address(settings, name, err);
}
