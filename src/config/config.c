/* Finds the configuration file, reads it and merges all that has a say. */
#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "config/config_internal.h"
#include "config/toml.h"

static const char *const file_names[] = { "config.toml", "config.yaml", "config.yml" };

static bool
format_of(const char *path, fo_config_format *ret)
{
    bool toml = fo_ends(path, ".toml");

    *ret = toml ? FO_CONFIG_TOML : FO_CONFIG_YAML;
    return toml || fo_ends(path, ".yaml") || fo_ends(path, ".yml");
}

static const char *
env_value(const char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return (*env)[n + 1] ? *env + n + 1 : NULL;
    return NULL;
}

/* Sets *ret when one of the names is in the folder. A file that is there but closed to us counts: silence
 * would be wrong. */
static finops_code
look_in(const char *folder, char **ret, finops_error **err)
{
    for (size_t i = 0; i < FO_COUNT(file_names); i++) {
        FO_AUTO(fo_freep) char *path = fo_path_join(folder, file_names[i]);

        if (!path)
            return fo_error_oom(err);
        if (access(path, F_OK) == 0) {
            *ret = FO_TAKE(path);
            return FINOPS_OK;
        }
    }
    return FINOPS_OK;
}

/* XDG wants an absolute path and anything else ignored:
 * https://specifications.freedesktop.org/basedir-spec/latest/ */
static finops_code
find_file(const char *const *env, char **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *folder = NULL;
    const char *xdg = env_value(env, "XDG_CONFIG_HOME"), *home = env_value(env, "HOME");
    finops_code rc = look_in("", ret, err);

    if (rc != FINOPS_OK || *ret)
        return rc;
    if (xdg && xdg[0] == '/')
        folder = fo_path_join(xdg, "finops");
    else if (home)
        folder = fo_path_join(home, ".config/finops");
    else
        return FINOPS_OK;
    return folder ? look_in(folder, ret, err) : fo_error_oom(err);
}

static unsigned
line_at(const char *text, size_t offset)
{
    unsigned line = 1;

    for (size_t i = 0; i < offset; i++)
        line += text[i] == '\n';
    return line;
}

finops_code
fo_config_parse_text(fo_config_format format, const char *name, const char *text, size_t n, fo_node **ret,
                     finops_error **err)
{
    fo_toml_problem problem;
    size_t bad;

    if (n > FO_CONFIG_TEXT_MAX)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s: larger than %zu bytes", name, FO_CONFIG_TEXT_MAX);
    if (!fo_utf8_valid(text, n, &bad))
        return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: not valid UTF-8", name, line_at(text, bad));
    if (format == FO_CONFIG_YAML)
        return fo_yaml_parse(name, text, n, ret, err);

    switch (fo_toml_read(text, n, ret, &problem)) {
    case FO_TOML_OK:
        return FINOPS_OK;
    case FO_TOML_MEMORY:
        return fo_error_oom(err);
    default:
        return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: %s", name, problem.line, problem.message);
    }
}

static size_t
count_exports(const fo_node *root)
{
    const fo_node *aws = root ? fo_node_find(root, "aws") : NULL;
    const fo_node *exports = aws && aws->type == FO_NODE_MAP ? fo_node_find(aws, "exports") : NULL;

    if (!exports || exports->type != FO_NODE_LIST || exports->n > FO_CONFIG_EXPORTS_MAX)
        return 0; /* apply_file.c says what is wrong */
    return exports->n;
}

/* A backend named on the command line counts for every dataset. */
static void
override_routing(fo_config *config, const fo_config_source *source)
{
    fo_layer *routing = fo_config_layer(config, "routing");

    for (size_t i = 0; i < source->n_overrides; i++)
        if (fo_streq(source->overrides[i].key, "database.backend"))
            fo_option_clear(routing->section->options, routing->base);
}

static finops_code
fill(fo_config *config, const fo_config_source *source, const fo_config_text *file, const fo_node *root,
     fo_problems *problems, finops_error **err)
{
    const char *const *env = source->env ? source->env : (const char *const *)environ;
    finops_code rc = fo_config_layers_init(config, count_exports(root), err);

    if (rc == FINOPS_OK && root)
        rc = fo_config_apply_file(config, file, root, problems, err);
    if (rc == FINOPS_OK)
        rc = fo_config_apply_env(config, env, problems, err);
    if (rc == FINOPS_OK && source->env)
        rc = fo_raw_backends_env(&config->raw, source->env, err);
    if (rc == FINOPS_OK)
        rc = fo_config_apply_overrides(config, source, problems, err);
    if (rc == FINOPS_OK)
        override_routing(config, source);
    if (rc == FINOPS_OK)
        rc = fo_config_complete_exports(config, err);
    if (rc == FINOPS_OK)
        rc = fo_config_default_database(config, err);
    if (rc == FINOPS_OK)
        rc = fo_config_check(config, problems, err);
    if (rc == FINOPS_OK)
        rc = fo_problems_error(problems, err);
    if (rc == FINOPS_OK)
        rc = fo_config_make_rows(config, err);
    return rc;
}

finops_code
fo_config_load_text(const fo_config_source *source, const fo_config_text *text, fo_config **ret,
                    finops_error **err)
{
    FO_AUTO(fo_config_freep) fo_config *config = fo_zalloc(sizeof(*config));
    FO_AUTO(fo_node_freep) fo_node *root = NULL;
    fo_problems problems = { 0 };
    finops_code rc;

    if (!config)
        return fo_error_oom(err);
    config->settings.backends = &config->raw;
    if (text) {
        rc = fo_config_parse_text(text->format, text->name, text->text, text->n, &root, err);
        if (rc != FINOPS_OK)
            return rc;
        config->path = fo_strdup(text->name);
        if (!config->path)
            return fo_error_oom(err);
    }
    rc = fill(config, source, text, root, &problems, err);
    fo_problems_done(&problems);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(config);
    return rc;
}

static finops_code
load_file(const fo_config_source *source, const char *path, fo_config **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str content = FO_STR_MAX(FO_CONFIG_TEXT_MAX);
    fo_config_text text = { .name = path };
    struct stat st;
    finops_code rc;

    if (!format_of(path, &text.format))
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "configuration file %s: the name must end in .toml, .yaml or .yml", path);
    rc = fo_file_read(path, FO_CONFIG_TEXT_MAX, &content, err);
    if (rc != FINOPS_OK) /* whatever the reason: a configuration that cannot be used */
        return fo_error_wrap(err, rc == FINOPS_E_MEMORY ? rc : FINOPS_E_CONFIG, "read configuration");
    if (stat(path, &st) != 0)
        return fo_error_errno(err, errno, "read configuration %s", path);
    text.text = fo_str_z(&content);
    text.n = content.len;
    text.mode = (unsigned)st.st_mode;
    return fo_config_load_text(source, &text, ret, err);
}

finops_code
fo_config_load(const fo_config_source *source, fo_config **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *found = NULL;
    const char *path;
    finops_code rc;

    if (!source || !ret)
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "load configuration: no source or no place for the result");
    path = source->path;
    if (!path) {
        rc = find_file(source->env ? source->env : (const char *const *)environ, &found, err);
        if (rc != FINOPS_OK)
            return rc;
        path = found;
    }
    return path ? load_file(source, path, ret, err) : fo_config_load_text(source, NULL, ret, err);
}

void
fo_config_free(fo_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->n_rows; i++) {
        fo_free((char *)(uintptr_t)config->rows[i].key); /* ours, const for the reader */
        fo_free((char *)(uintptr_t)config->rows[i].value);
    }
    for (size_t i = 0; i < config->n_layers; i++)
        fo_layer_done(&config->layers[i]);
    fo_raw_backends_done(&config->raw);
    fo_free(config->settings.exports);
    fo_free(config->rows);
    fo_free(config->layers);
    fo_free(config->path);
    fo_free(config);
}

void
fo_config_freep(fo_config **config)
{
    fo_config_free(*config);
}

const fo_settings *
fo_config_settings(const fo_config *config)
{
    assert(config);
    return &config->settings;
}

const char *
fo_config_path(const fo_config *config)
{
    return config ? config->path : NULL;
}
