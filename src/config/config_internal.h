/* Shared by the files of src/config and their tests only. */
#ifndef FO_CONFIG_CONFIG_INTERNAL_H
#define FO_CONFIG_CONFIG_INTERNAL_H

#include "base/error.h"
#include "base/str.h"
#include "config/config.h"
#include "config/tree.h"

#define FO_CONFIG_TEXT_MAX ((size_t)256 << 10) /* bytes of a file */
#define FO_CONFIG_EXPORTS_MAX 1000
#define FO_CONFIG_PROBLEMS_MAX 100 /* shown; the rest is counted */

typedef enum fo_config_format { FO_CONFIG_TOML, FO_CONFIG_YAML } fo_config_format;

/* Every mistake found, a line each. */
typedef struct fo_problem {
    unsigned order; /* line in the file; larger than any line for what was found elsewhere */
    size_t seq;
    char *text;
} fo_problem;

typedef struct fo_problems {
    fo_problem *items;
    size_t n, cap, dropped;
    char *hint;
    bool failed; /* no memory for one */
} fo_problems;

#define FO_ORDER_ENV (~0U - 2)
#define FO_ORDER_FLAG (~0U - 1)
#define FO_ORDER_CHECK (~0U)

void fo_problem_add(fo_problems *problems, unsigned order, const char *fmt, ...) FO_PRINTF(3, 4);
/* FINOPS_OK when there are none, else FINOPS_E_CONFIG (flags alone: FINOPS_E_USAGE) with all, as they stand
 * in the file. */
finops_code fo_problems_error(fo_problems *problems, finops_error **err);
void fo_problems_done(fo_problems *problems);

typedef enum fo_origin_kind {
    FO_ORIGIN_DEFAULT,
    FO_ORIGIN_FILE,
    FO_ORIGIN_ENV,
    FO_ORIGIN_FLAG
} fo_origin_kind;

typedef struct fo_origin {
    fo_origin_kind kind;
    char *text;    /* "config.toml:12"; NULL: default */
    unsigned line; /* of FO_ORIGIN_FILE */
} fo_origin;

/* One section's values with their origins: sections that are there once, in order, then the entries of
 * aws.exports. */
typedef struct fo_layer {
    const fo_config_section *section;
    char *name;         /* "aws", "aws.exports[1]" */
    void *base;         /* in settings */
    fo_origin *origins; /* one for each row */
    size_t n;           /* rows */
} fo_layer;

/* What is known of the sections of plugins and storages before their option tables are. */
typedef struct fo_raw_backends {
    char *file; /* name of the file */
    unsigned mode;
    fo_node *sections; /* a map: "sqlite" is the section [database.sqlite] */
    fo_node *places;   /* the same of [storage.bronze] */
    char **env;        /* ends with NULL; NULL: the process's own */
    fo_strv origins;   /* of their rows */
} fo_raw_backends;

struct fo_config {
    fo_settings settings;
    fo_raw_backends raw;
    fo_layer *layers;
    size_t n_layers;
    char *path;
    fo_config_row *rows;
    size_t n_rows;
};

/* Reads a text into a tree; `name` goes in front of messages. The root is a map. */
finops_code fo_config_parse_text(fo_config_format format, const char *name, const char *text, size_t n,
                                 fo_node **ret, finops_error **err);
finops_code fo_yaml_parse(const char *name, const char *text, size_t n, fo_node **ret, finops_error **err);

/* fo_config_load with the file's text given; source->path is not read. mode: the file's permission bits. */
typedef struct fo_config_text {
    fo_config_format format;
    const char *name;
    const char *text;
    size_t n;
    unsigned mode;
} fo_config_text;
finops_code fo_config_load_text(const fo_config_source *source, const fo_config_text *text, fo_config **ret,
                                finops_error **err);

/* Layers with their defaults, `n_exports` empty entries after the plain sections. */
finops_code fo_config_layers_init(fo_config *config, size_t n_exports, finops_error **err);
fo_layer *fo_config_layer(fo_config *config, const char *section);
const fo_config_section *fo_config_section_find(const char *path);
/* Sets one value with its origin; a value that is wrong becomes a problem and changes nothing. */
typedef struct fo_value {
    fo_origin_kind kind;
    unsigned line;      /* in the file */
    unsigned order;     /* of a problem */
    const char *origin; /* "config.toml:12" */
    const char *text;
} fo_value;
finops_code fo_layer_set(fo_layer *layer, size_t row, const fo_value *value, fo_problems *problems,
                         finops_error **err);
/* Puts the origin of a row that was set otherwise. False: no memory. */
bool fo_layer_mark(fo_layer *layer, size_t row, const fo_value *value);

/* A layer of its own, with its defaults; `section` must outlive it. */
finops_code fo_layer_init(fo_layer *layer, const fo_config_section *section, void *base, size_t entry,
                          finops_error **err);
void fo_layer_done(fo_layer *layer);
/* What one section of a file says. */
finops_code fo_layer_apply_section(fo_layer *layer, const fo_config_text *file, const fo_node *section,
                                   fo_problems *problems, finops_error **err);
/* What the environment says of one row. */
finops_code fo_layer_apply_env(fo_layer *layer, size_t row, const char *const *env, fo_problems *problems,
                               finops_error **err);
/* The same, but of its own name alone, and of those it shares with other tools alone. */
finops_code fo_layer_apply_own_env(fo_layer *layer, size_t row, const char *const *env, bool *ret_set,
                                   fo_problems *problems, finops_error **err);
finops_code fo_layer_apply_shared_env(fo_layer *layer, size_t row, const char *const *env,
                                      fo_problems *problems, finops_error **err);
/* Warns of variables that begin as those of the layer do and are of no row. */
finops_code fo_layer_warn_env(const fo_layer *layer, const char *const *env, finops_error **err);
/* What must be set, and what must come together. */
void fo_layer_check(const fo_layer *layer, fo_problems *problems);

/* Keeps a copy of a section of a plugin (backend.c). False: no memory. */
bool fo_raw_backend_add(fo_raw_backends *raw, const fo_config_text *file, const fo_node *section);
/* The same of a storage. */
bool fo_raw_place_add(fo_raw_backends *raw, const fo_config_text *file, const fo_node *section);
const char *const *fo_raw_env(const fo_raw_backends *raw); /* raw may be NULL */
finops_code fo_raw_backends_env(fo_raw_backends *raw, const char *const *env, finops_error **err);
/* A section of no plugin that is in use, near to the name of one that is built in: a slip. */
void fo_raw_backends_check(const fo_config *config, fo_problems *problems);
void fo_raw_backends_done(fo_raw_backends *raw);

finops_code fo_config_apply_file(fo_config *config, const fo_config_text *file, const fo_node *root,
                                 fo_problems *problems, finops_error **err);
finops_code fo_config_apply_env(fo_config *config, const char *const *env, fo_problems *problems,
                                finops_error **err);
finops_code fo_config_apply_overrides(fo_config *config, const fo_config_source *source,
                                      fo_problems *problems, finops_error **err);
/* database_path, where nothing says it, is in project.data_dir. */
finops_code fo_config_default_database(fo_config *config, finops_error **err);
/* Fills what the entries of aws.exports leave out from [aws]. */
finops_code fo_config_complete_exports(fo_config *config, finops_error **err);
/* Rules about more than one value, and about the form of some. */
finops_code fo_config_check(fo_config *config, fo_problems *problems, finops_error **err);
finops_code fo_config_make_rows(fo_config *config, finops_error **err);

/* "a whole number from 1 to 20" */
void fo_option_expected(const finops_option *option, fo_str *ret);
/* '"text"', shortened, without control characters and passwords; "a secret" for a secret. */
void fo_option_found(const finops_option *option, const char *text, fo_str *ret);
/* The value as fo_option_set would read it; lists with commas, unset as "". */
void fo_option_text(const finops_option *option, const void *base, fo_str *ret);
finops_code fo_option_copy(const finops_option *option, void *to, const void *from, finops_error **err);
/* Appends the text with the password of a URL replaced: http://user:<redacted>@host. */
void fo_redact(const char *text, fo_str *ret);
/* Whether fo_redact would change it. */
bool fo_has_password(const char *text);

#endif
