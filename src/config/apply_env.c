/* Environment and flags into the layers. An empty variable counts as not set. */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/config_internal.h"

#define ENV_PREFIX "OPEN_FINOPS_"
#define BACKEND_PREFIX ENV_PREFIX "DATABASE_"

static const char *
lookup(const char *const *env, const char *name, size_t n)
{
    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return (*env)[n + 1] ? *env + n + 1 : NULL;
    return NULL;
}

static finops_code
set_from(fo_layer *layer, size_t row, const char *name, size_t n, const char *text, fo_problems *problems,
         finops_error **err)
{
    FO_AUTO(fo_freep) char *origin = fo_format("env %.*s", (int)n, name);
    fo_value value = { .kind = FO_ORIGIN_ENV, .order = FO_ORDER_ENV, .origin = origin, .text = text };

    if (!origin)
        return fo_error_oom(err);
    return fo_layer_set(layer, row, &value, problems, err);
}

finops_code
fo_layer_apply_own_env(fo_layer *layer, size_t row, const char *const *env, bool *ret_set,
                       fo_problems *problems, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str own = FO_STR_INIT;
    finops_code rc = fo_option_env_name(layer->section->path, layer->section->options[row].name, &own, err);
    const char *text = rc == FINOPS_OK ? lookup(env, fo_str_z(&own), own.len) : NULL;

    *ret_set = text != NULL;
    return text ? set_from(layer, row, fo_str_z(&own), own.len, text, problems, err) : rc;
}

/* Our own name first, then those the row shares with other tools, in its order. */
finops_code
fo_layer_apply_env(fo_layer *layer, size_t row, const char *const *env, fo_problems *problems,
                   finops_error **err)
{
    bool set = false;
    finops_code rc;

    if (layer->section->options[row].flags & FINOPS_OPT_FLAG_ONLY)
        return FINOPS_OK;
    rc = fo_layer_apply_own_env(layer, row, env, &set, problems, err);
    return rc == FINOPS_OK && !set ? fo_layer_apply_shared_env(layer, row, env, problems, err) : rc;
}

finops_code
fo_layer_apply_shared_env(fo_layer *layer, size_t row, const char *const *env, fo_problems *problems,
                          finops_error **err)
{
    const finops_option *option = &layer->section->options[row];
    const char *text;

    for (const char *p = option->env; p && *p;) {
        size_t n = strcspn(p, " ");

        text = lookup(env, p, n);
        if (text)
            return set_from(layer, row, p, n, text, problems, err);
        p += n;
        p += strspn(p, " ");
    }
    return FINOPS_OK;
}

/* Of the further names of a row, those that are not another tool's. */
static bool
add_ours(fo_strv *ret, const char *names)
{
    for (const char *p = names; p && *p;) {
        size_t n = strcspn(p, " ");

        if (fo_starts(p, ENV_PREFIX) && !fo_strv_addn(ret, p, n))
            return false;
        p += n;
        p += strspn(p, " ");
    }
    return true;
}

static finops_code
known_names(fo_strv *ret, finops_error **err)
{
    for (const fo_config_section *s = fo_config_sections; s->path; s++) {
        for (const finops_option *o = s->options; !s->repeated && o->name; o++) {
            FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
            finops_code rc = fo_option_env_name(s->path, o->name, &name, err);

            if (rc != FINOPS_OK)
                return rc;
            if (!fo_strv_add(ret, fo_str_z(&name)) || !add_ours(ret, o->env))
                return fo_error_oom(err);
        }
    }
    return FINOPS_OK;
}

/* Without the prefix that all share, which would make any two look alike. */
static const char *
nearest_name(const char *name, const fo_strv *known)
{
    const char *tails[128];
    size_t n = 0;

    for (; n < known->n && n < FO_COUNT(tails); n++)
        tails[n] = known->items[n] + strlen(ENV_PREFIX);
    return fo_nearest(name + strlen(ENV_PREFIX), tails, n);
}

/* What a plugin or a storage can be told is known when it is opened. So near to a name of ours it is none of
 * a plugin. */
static bool
is_of_plugin(const char *name, const char *near)
{
    if (fo_starts(name, ENV_PREFIX "STORAGE_"))
        return true;
    if (!fo_starts(name, BACKEND_PREFIX) || (near && fo_edit_distance(name + strlen(ENV_PREFIX), near) <= 2))
        return false;
    for (const fo_config_section *s = fo_config_sections; s->path; s++) {
        FO_AUTO(fo_str_done) fo_str ours = FO_STR_INIT;

        if (!fo_starts(s->path, "database.") || fo_option_env_name(s->path, "", &ours, NULL) != FINOPS_OK)
            continue;
        if (fo_starts(name, fo_str_z(&ours)) && name[ours.len] == '_')
            return false;
    }
    return true;
}

finops_code
fo_layer_warn_env(const fo_layer *layer, const char *const *env, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str prefix = FO_STR_INIT;
    const finops_option *options = layer->section->options;
    finops_code rc = fo_option_env_name(layer->section->path, "", &prefix, err);

    for (; *env && rc == FINOPS_OK; env++) {
        FO_AUTO(fo_freep) char *key = NULL;

        if (!fo_starts(*env, fo_str_z(&prefix)) || (*env)[prefix.len] != '_')
            continue;
        key = fo_strndup(*env + prefix.len + 1, strcspn(*env + prefix.len + 1, "="));
        if (!key)
            return fo_error_oom(err);
        for (char *p = key; *p; p++)
            *p = fo_lower(*p);
        if (fo_option_index(options, key) < 0)
            fo_warn("environment variable %.*s is no option of %s", (int)strcspn(*env, "="), *env,
                    layer->section->path);
    }
    return rc;
}

/* Not an error: the variable may be meant for another version of finops. */
static finops_code
warn_unknown(const char *const *env, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv known = FO_STRV_INIT;
    finops_code rc = FINOPS_OK;

    for (; *env && rc == FINOPS_OK; env++) {
        FO_AUTO(fo_freep) char *name = NULL;
        const char *near;

        if (!fo_starts(*env, ENV_PREFIX))
            continue;
        if (known.n == 0)
            rc = known_names(&known, err);
        name = fo_strndup(*env, strcspn(*env, "="));
        if (rc == FINOPS_OK && !name)
            rc = fo_error_oom(err);
        if (rc != FINOPS_OK || fo_strv_has(&known, name))
            continue;
        near = nearest_name(name, &known);
        if (is_of_plugin(name, near))
            continue;
        if (near)
            fo_warn("environment variable %.80s is not known, did you mean " ENV_PREFIX "%s?", name, near);
        else
            fo_warn("environment variable %.80s is not known", name);
    }
    return rc;
}

/*
 * Temporary keys come in threes. With a key pair from the environment, a session token of the file belongs to
 * another pair, and every request would be refused.
 */
static void
drop_stale_token(fo_layer *aws)
{
    const finops_option *table = aws->section->options;
    int key = fo_option_index(table, "access_key_id"), token = fo_option_index(table, "session_token");

    assert(key >= 0 && token >= 0);
    if (aws->origins[key].kind != FO_ORIGIN_ENV || aws->origins[token].kind != FO_ORIGIN_FILE)
        return;
    fo_free(aws->origins[token].text);
    aws->origins[token] = (fo_origin){ 0 };
    fo_free(((fo_aws_settings *)aws->base)->session_token);
    ((fo_aws_settings *)aws->base)->session_token = NULL;
}

finops_code
fo_config_apply_env(fo_config *config, const char *const *env, fo_problems *problems, finops_error **err)
{
    for (size_t i = 0; i < config->n_layers; i++) {
        fo_layer *layer = &config->layers[i];

        for (size_t row = 0; row < layer->n && !layer->section->repeated; row++) {
            finops_code rc = fo_layer_apply_env(layer, row, env, problems, err);

            if (rc != FINOPS_OK)
                return rc;
        }
    }
    drop_stale_token(fo_config_layer(config, "aws"));
    return warn_unknown(env, err);
}

static finops_code
apply_override(fo_config *config, const fo_config_override *o, fo_problems *problems, finops_error **err)
{
    FO_AUTO(fo_freep) char *origin = fo_format("flag %s", o->spelling);
    fo_value value = { .kind = FO_ORIGIN_FLAG, .order = FO_ORDER_FLAG, .origin = origin, .text = o->value };
    const fo_config_section *section = NULL;
    const finops_option *option = fo_config_find(o->key, &section);

    if (!origin)
        return fo_error_oom(err);
    if (!option || section->repeated)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: there is no setting %s", o->spelling, o->key);
    if (option->flags & FINOPS_OPT_SECRET) {
        fo_problem_add(problems, FO_ORDER_FLAG,
                       "%s: secrets are not taken from the command line, where others see them", o->spelling);
        return FINOPS_OK;
    }
    return fo_layer_set(fo_config_layer(config, section->path), (size_t)(option - section->options), &value,
                        problems, err);
}

finops_code
fo_config_apply_overrides(fo_config *config, const fo_config_source *source, fo_problems *problems,
                          finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < source->n_overrides && rc == FINOPS_OK; i++)
        rc = apply_override(config, &source->overrides[i], problems, err);
    return rc;
}
