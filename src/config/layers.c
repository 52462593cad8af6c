/* The values of every section with where each came from; one way to set a value, whoever brings it. */
#include "config/config_internal.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

const fo_config_section *
fo_config_section_find(const char *path)
{
    for (const fo_config_section *s = fo_config_sections; s->path; s++)
        if (fo_streq(s->path, path))
            return s;
    return NULL;
}

int
fo_option_index(const finops_option *table, const char *name)
{
    for (int i = 0; table[i].name; i++)
        if (fo_streq(table[i].name, name))
            return i;
    return -1;
}

const finops_option *
fo_config_find(const char *key, const fo_config_section **ret_section)
{
    const char *dot = strrchr(key, '.');

    for (const fo_config_section *s = fo_config_sections; dot && s->path; s++) {
        int i;

        if (strlen(s->path) != (size_t)(dot - key) || strncmp(s->path, key, strlen(s->path)) != 0)
            continue;
        i = fo_option_index(s->options, dot + 1);
        if (i < 0)
            return NULL;
        if (ret_section)
            *ret_section = s;
        return &s->options[i];
    }
    return NULL;
}

static size_t
table_size(const finops_option *table)
{
    size_t n = 0;

    while (table[n].name)
        n++;
    return n;
}

finops_code
fo_layer_init(fo_layer *layer, const fo_config_section *section, void *base, size_t entry, finops_error **err)
{
    layer->section = section;
    layer->base = base;
    layer->name = entry > 0 ? fo_format("%s[%zu]", section->path, entry) : fo_strdup(section->path);
    layer->origins = fo_array(table_size(section->options), sizeof(*layer->origins));
    if (!layer->name || !layer->origins)
        return fo_error_oom(err);
    layer->n = table_size(section->options);
    return entry > 0 ? FINOPS_OK : fo_option_defaults(section->options, base, err);
}

void
fo_layer_done(fo_layer *layer)
{
    for (size_t k = 0; k < layer->n; k++)
        fo_free(layer->origins[k].text);
    if (layer->section)
        fo_option_clear(layer->section->options, layer->base);
    fo_free(layer->origins);
    fo_free(layer->name);
}

finops_code
fo_config_layers_init(fo_config *config, size_t n_exports, finops_error **err)
{
    size_t n = n_exports;
    finops_code rc = FINOPS_OK;

    for (const fo_config_section *s = fo_config_sections; s->path; s++)
        n += !s->repeated;
    config->layers = fo_array(n, sizeof(*config->layers));
    if (!config->layers)
        return fo_error_oom(err);
    for (const fo_config_section *s = fo_config_sections; s->path && rc == FINOPS_OK; s++)
        if (!s->repeated)
            rc = fo_layer_init(&config->layers[config->n_layers++], s, (char *)&config->settings + s->offset,
                               0, err);
    if (rc != FINOPS_OK || n_exports == 0)
        return rc;

    config->settings.exports = fo_array(n_exports, sizeof(*config->settings.exports));
    if (!config->settings.exports)
        return fo_error_oom(err);
    config->settings.n_exports = n_exports;
    for (size_t i = 0; i < n_exports && rc == FINOPS_OK; i++)
        rc = fo_layer_init(&config->layers[config->n_layers++], fo_config_section_find("aws.exports"),
                           &config->settings.exports[i], i + 1, err);
    return rc;
}

fo_layer *
fo_config_layer(fo_config *config, const char *section)
{
    for (size_t i = 0; i < config->n_layers; i++)
        if (fo_streq(config->layers[i].name, section))
            return &config->layers[i];
    return NULL;
}

bool
fo_layer_mark(fo_layer *layer, size_t row, const fo_value *value)
{
    fo_origin *origin = &layer->origins[row];
    char *text = fo_strdup(value->origin);

    assert(row < layer->n);

    if (!text)
        return false;
    fo_free(origin->text);
    *origin = (fo_origin){ .kind = value->kind, .text = text, .line = value->line };
    return true;
}

static void
problem_of(const fo_layer *layer, const finops_option *option, const fo_value *value, const char *message,
           fo_problems *problems)
{
    if (value->kind == FO_ORIGIN_FLAG)
        fo_problem_add(problems, value->order, "%s: %s", value->origin + strlen("flag "), message);
    else
        fo_problem_add(problems, value->order, "%s: %s.%s: %s", value->origin, layer->section->path,
                       option->name, message);
}

finops_code
fo_layer_set(fo_layer *layer, size_t row, const fo_value *value, fo_problems *problems, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *bad = NULL;
    const finops_option *option = &layer->section->options[row];
    finops_code rc = fo_option_set(option, layer->base, value->text, &bad);

    assert(row < layer->n);

    if (rc == FINOPS_OK)
        return fo_layer_mark(layer, row, value) ? FINOPS_OK : fo_error_oom(err);
    if (rc == FINOPS_E_MEMORY || finops_error_code(bad) == FINOPS_E_MEMORY)
        return fo_error_oom(err);
    problem_of(layer, option, value, finops_error_text(bad), problems);
    return FINOPS_OK;
}

/* What says whose bucket it is and who may read it goes together: an entry with its own takes none from
 * [aws]. */
static bool
is_credential(const char *name)
{
    static const char *const names[] = { "profile", "access_key_id", "secret_access_key", "session_token" };

    for (size_t i = 0; i < FO_COUNT(names); i++)
        if (fo_streq(names[i], name))
            return true;
    return false;
}

/* Flags that say what an export is are for [aws] alone; with them every entry would be the same one. */
static bool
is_identity(const char *name)
{
    return fo_streq(name, "bucket") || fo_streq(name, "prefix") || fo_streq(name, "export_name");
}

static bool
has_own_credentials(const fo_layer *entry)
{
    for (size_t i = 0; i < entry->n; i++)
        if (entry->origins[i].kind != FO_ORIGIN_DEFAULT && is_credential(entry->section->options[i].name) &&
            fo_option_is_set(&entry->section->options[i], entry->base))
            return true;
    return false;
}

static finops_code
complete(fo_layer *entry, const fo_layer *aws, finops_error **err)
{
    bool own = has_own_credentials(entry);

    for (size_t i = 0; i < entry->n; i++) {
        const finops_option *option = &entry->section->options[i];
        const fo_origin *from = &aws->origins[i];
        bool flag = from->kind == FO_ORIGIN_FLAG && !is_identity(option->name);
        finops_code rc;

        if ((entry->origins[i].kind != FO_ORIGIN_DEFAULT && !flag) || (own && is_credential(option->name)))
            continue;
        rc = fo_option_copy(option, entry->base, aws->base, err);
        if (rc != FINOPS_OK)
            return rc;
        if (from->kind != FO_ORIGIN_DEFAULT) {
            fo_value value = { .kind = from->kind, .line = from->line, .origin = from->text };

            if (!fo_layer_mark(entry, i, &value))
                return fo_error_oom(err);
        }
    }
    return FINOPS_OK;
}

finops_code
fo_config_complete_exports(fo_config *config, finops_error **err)
{
    const fo_layer *aws = fo_config_layer(config, "aws");
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < config->n_layers && rc == FINOPS_OK; i++)
        if (config->layers[i].section->repeated)
            rc = complete(&config->layers[i], aws, err);
    return rc;
}

/* Sets a file to one of this name in data_dir unless somebody said where it is. */
static finops_code
default_file(fo_config *config, const char *section, const char *option_name, const char *name,
             finops_error **err)
{
    const fo_layer *layer = fo_config_layer(config, section);
    const finops_option *option = layer->section->options;
    int row = fo_option_index(option, option_name);

    assert(row >= 0);
    if (layer->origins[row].kind != FO_ORIGIN_DEFAULT || !config->settings.project.data_dir)
        return FINOPS_OK;
    FO_AUTO(fo_freep) char *path = fo_format("%s/%s", config->settings.project.data_dir, name);
    return path ? fo_option_set(&option[row], layer->base, path, err) : fo_error_oom(err);
}

finops_code
fo_config_default_database(fo_config *config, finops_error **err)
{
    static const struct {
        const char *section, *option, *name;
    } files[] = { { "database.duckdb", "database_path", "finops.duckdb" },
                  { "database.ducklake", "database_path", "finops.ducklake" } };
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < FO_COUNT(files); i++)
        rc = default_file(config, files[i].section, files[i].option, files[i].name, err);
    return rc;
}
