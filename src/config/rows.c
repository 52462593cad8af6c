/* Every value with its origin, as `finops config show` prints it. */
#include "base/mem.h"
#include "config/config_internal.h"

static finops_code
shown_value(const finops_option *option, const void *base, char **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str plain = FO_STR_INIT, shown = FO_STR_INIT;

    fo_option_text(option, base, &plain);
    if (!fo_str_ok(&plain))
        return fo_error_oom(err);
    if ((option->flags & FINOPS_OPT_SECRET) && plain.len > 0)
        fo_str_add(&shown, "<redacted>");
    else
        fo_redact(fo_str_z(&plain), &shown);
    *ret = fo_str_take(&shown);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
make_row(const fo_layer *layer, size_t i, fo_config_row *row, finops_error **err)
{
    FO_AUTO(fo_freep) char *key = fo_format("%s.%s", layer->name, layer->section->options[i].name);
    FO_AUTO(fo_freep) char *value = NULL;
    finops_code rc;

    if (!key)
        return fo_error_oom(err);
    rc = shown_value(&layer->section->options[i], layer->base, &value, err);
    if (rc != FINOPS_OK)
        return rc;
    row->origin = layer->origins[i].text ? layer->origins[i].text : "default"; /* borrowed from the layer */
    row->key = FO_TAKE(key);
    row->value = FO_TAKE(value);
    return FINOPS_OK;
}

/* Entries of aws.exports come last in the layers and in the middle of the sections. */
static finops_code
add_section_rows(fo_config *config, const fo_config_section *section, finops_error **err)
{
    for (size_t i = 0; i < config->n_layers; i++) {
        const fo_layer *layer = &config->layers[i];

        for (size_t k = 0; k < layer->n && layer->section == section; k++) {
            finops_code rc = make_row(layer, k, &config->rows[config->n_rows], err);

            if (rc != FINOPS_OK)
                return rc;
            config->n_rows++;
        }
    }
    return FINOPS_OK;
}

/* Which options of a plugin are secrets is not known here. */
static finops_code
add_backend_rows(fo_config *config, const fo_node *section, finops_error **err)
{
    for (const fo_node *child = section->first; child; child = child->next) {
        FO_AUTO(fo_freep) char *key = fo_format("database.%s.%s", section->key, child->key);
        FO_AUTO(fo_freep) char *value = fo_strdup("<redacted>");
        FO_AUTO(fo_freep) char *origin = fo_format("%s:%u", config->raw.file, child->line);

        if (!key || !value || !origin || !fo_strv_add(&config->raw.origins, origin))
            return fo_error_oom(err);
        config->rows[config->n_rows++] =
            (fo_config_row){ FO_TAKE(key), FO_TAKE(value),
                             config->raw.origins.items[config->raw.origins.n - 1] };
    }
    return FINOPS_OK;
}

finops_code
fo_config_make_rows(fo_config *config, finops_error **err)
{
    size_t n = 0;
    finops_code rc = FINOPS_OK;

    const fo_node *backends = config->raw.sections ? config->raw.sections->first : NULL;

    for (size_t i = 0; i < config->n_layers; i++)
        n += config->layers[i].n;
    for (const fo_node *s = backends; s; s = s->next)
        n += s->n;
    config->rows = fo_array(n, sizeof(*config->rows));
    if (!config->rows)
        return fo_error_oom(err);
    for (const fo_config_section *s = fo_config_sections; s->path && rc == FINOPS_OK; s++)
        rc = add_section_rows(config, s, err);
    for (const fo_node *s = backends; s && rc == FINOPS_OK; s = s->next)
        rc = add_backend_rows(config, s, err);
    return rc;
}

finops_code
fo_config_rows(const fo_config *config, const fo_config_row **ret_rows, size_t *ret_n, finops_error **err)
{
    if (!config || !ret_rows || !ret_n)
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "configuration rows: no configuration or no place for them");
    *ret_rows = config->rows;
    *ret_n = config->n_rows;
    return FINOPS_OK;
}
