/*
 * Backends whose options are not declared here: sections of plugins are kept as they were written until the
 * plugin's option table is known, and then read like any other.
 */
#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/config_internal.h"

static const finops_option no_options[] = { { 0 } };

static bool
keep(fo_raw_backends *raw, fo_node **map, const fo_config_text *file, const fo_node *section)
{
    fo_node *copy;

    if (!*map)
        *map = fo_node_new(FO_NODE_MAP, NULL, 0, 1, 1);
    if (!raw->file)
        raw->file = fo_strdup(file->name);
    if (!*map || !raw->file)
        return false;
    raw->mode = file->mode;
    copy = fo_node_copy(section);
    if (copy)
        fo_node_add(*map, copy);
    return copy != NULL;
}

bool
fo_raw_backend_add(fo_raw_backends *raw, const fo_config_text *file, const fo_node *section)
{
    return keep(raw, &raw->sections, file, section);
}

bool
fo_raw_place_add(fo_raw_backends *raw, const fo_config_text *file, const fo_node *section)
{
    return keep(raw, &raw->places, file, section);
}

const char *const *
fo_raw_env(const fo_raw_backends *raw)
{
    return (const char *const *)(raw && raw->env ? raw->env : environ);
}

finops_code
fo_raw_backends_env(fo_raw_backends *raw, const char *const *env, finops_error **err)
{
    size_t n = 0;

    while (env[n])
        n++;
    raw->env = fo_array(n + 1, sizeof(*raw->env));
    for (size_t i = 0; raw->env && i < n; i++) {
        raw->env[i] = fo_strdup(env[i]);
        if (!raw->env[i])
            return fo_error_oom(err);
    }
    return raw->env ? FINOPS_OK : fo_error_oom(err);
}

void
fo_raw_backends_done(fo_raw_backends *raw)
{
    for (size_t i = 0; raw->env && raw->env[i]; i++)
        fo_free(raw->env[i]);
    fo_free(raw->env);
    fo_node_free(raw->sections);
    fo_node_free(raw->places);
    fo_strv_done(&raw->origins);
    fo_free(raw->file);
    *raw = (fo_raw_backends){ 0 };
}

/* The built-in backend whose name this one nearly is. */
static const char *
near_built_in(const char *name)
{
    static const char prefix[] = "database.";
    const char *names[32];
    size_t n = 0;

    for (const fo_config_section *s = fo_config_sections; s->path && n < FO_COUNT(names); s++)
        if (fo_starts(s->path, prefix))
            names[n++] = s->path + strlen(prefix);
    return fo_nearest(name, names, n);
}

void
fo_raw_backends_check(const fo_config *config, fo_problems *problems)
{
    const fo_raw_backends *raw = &config->raw;

    for (const fo_node *s = raw->sections ? raw->sections->first : NULL; s; s = s->next) {
        const char *near = near_built_in(s->key);

        if (near && !fo_streq(s->key, config->settings.database.backend))
            fo_problem_add(problems, s->line, "%s:%u: database.%.60s: unknown section, did you mean %s?",
                           raw->file, s->line, s->key, near);
    }
}

/* A value that was read already, by its row of fo_config_sections, into the driver's own struct. */
static finops_code
copy_value(fo_layer *layer, size_t row, const finops_option *from, const void *base, finops_error **err)
{
    const finops_option *to = &layer->section->options[row];
    finops_option flat = *to;

    if (to->type != from->type)
        return fo_error_set(err, FINOPS_E_INTERNAL, "%s.%s has another type in the driver", layer->name,
                            to->name);
    flat.offset = 0;
    return fo_option_copy(&flat, (char *)layer->base + to->offset, (const char *)base + from->offset, err);
}

/* The row of that name in the backend's section or in one below it, and the section; NULL: in none. */
static const finops_option *
known_row(const char *path, const char *name, const fo_config_section **ret)
{
    size_t n = strlen(path);

    for (const fo_config_section *s = fo_config_sections; s->path; s++) {
        int i = -1;

        if (strncmp(s->path, path, n) == 0 && (s->path[n] == '\0' || s->path[n] == '.'))
            i = fo_option_index(s->options, name);
        if (i >= 0) {
            *ret = s;
            return &s->options[i];
        }
    }
    return NULL;
}

static finops_code
fill_row(fo_layer *layer, size_t row, const fo_settings *settings, const char *const *env,
         fo_problems *problems, finops_error **err)
{
    const fo_config_section *section = NULL;
    const finops_option *from = known_row(layer->name, layer->section->options[row].name, &section);

    if (!from)
        return fo_layer_apply_env(layer, row, env, problems, err);
    return copy_value(layer, row, from, (const char *)settings + section->offset, err);
}

/* As for every section: what the file says, then the environment. */
static finops_code
fill(fo_layer *layer, const char *backend, const fo_settings *settings, fo_problems *problems,
     finops_error **err)
{
    const fo_raw_backends *raw = settings->backends;
    const fo_node *section = raw && raw->sections ? fo_node_find(raw->sections, backend) : NULL;
    const char *const *env = fo_raw_env(raw);
    finops_code rc = FINOPS_OK;

    if (section && section->type == FO_NODE_MAP) {
        const fo_config_text file = { .name = raw->file, .mode = raw->mode };

        rc = fo_layer_apply_section(layer, &file, section, problems, err);
    }
    for (size_t row = 0; row < layer->n && rc == FINOPS_OK; row++)
        rc = fill_row(layer, row, settings, env, problems, err);
    if (rc == FINOPS_OK && !fo_config_section_find(layer->name))
        rc = fo_layer_warn_env(layer, env, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_layer_check(layer, problems);
    if (problems->n > 0 && !problems->hint)
        problems->hint = fo_format("finops backends describe %s tells its options", backend);
    return fo_problems_error(problems, err);
}

finops_code
fo_config_backend(const fo_settings *settings, const char *backend, const finops_option *table,
                  size_t config_size, void **ret_config, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = fo_format("database.%s", backend);
    FO_AUTO(fo_freep) void *config = fo_zalloc(config_size ? config_size : 1);
    const fo_config_section section = { .path = path, .options = table ? table : no_options };
    fo_problems problems = { 0 };
    fo_layer layer = { 0 };
    finops_code rc;

    assert(settings && backend && ret_config);

    if (!path || !config)
        return fo_error_oom(err);
    rc = fo_layer_init(&layer, &section, config, 0, err);
    if (rc == FINOPS_OK)
        rc = fill(&layer, backend, settings, &problems, err);
    fo_problems_done(&problems);
    if (rc == FINOPS_OK) {
        layer.section = NULL; /* the values are the caller's now */
        *ret_config = FO_TAKE(config);
    }
    fo_layer_done(&layer);
    return rc;
}

void
fo_config_backend_free(const finops_option *table, void *config)
{
    if (config && table)
        fo_option_clear(table, config);
    fo_free(config);
}
