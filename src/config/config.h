/*
 * Configuration: flag > environment > file > default, with the origin of every value kept.
 *
 * One file, TOML or YAML by its ending: --config, else ./config.toml, ./config.yaml, ./config.yml, else
 * $XDG_CONFIG_HOME (or ~/.config)/finops/config.{toml,yaml,yml}.
 */
#ifndef FO_CONFIG_CONFIG_H
#define FO_CONFIG_CONFIG_H

#include "base/error.h"
#include "base/str.h"
#include "config/settings.h"
#include "finops/sys/option.h"

/* A section of the file, e.g. "database.duckdb", its rows, and where its struct lies in fo_settings. */
typedef struct fo_config_section {
    const char *path;
    const finops_option *options;
    size_t offset;
    bool repeated; /* an array of tables: aws.exports */
    const char *help;
} fo_config_section;

/* All sections, parents first, ended by a NULL path: parsing, schema and reference come from this one list.
 */
extern const fo_config_section fo_config_sections[];
/* Of [database.duckdb]: what fills fo_duckdb_settings. */
extern const finops_option fo_duckdb_options[];

/* A value given on the command line: dotted key ("aws.bucket"), text, and how it was spelled ("--bucket"). */
typedef struct fo_config_override {
    const char *key;
    const char *value;
    const char *spelling;
} fo_config_override;

typedef struct fo_config_source {
    const char *path;       /* --config, NULL: look in the usual places */
    const char *const *env; /* NULL-ended "NAME=value" list; NULL: the process's environment */
    const fo_config_override *overrides;
    size_t n_overrides;
} fo_config_source;

typedef struct fo_config fo_config;

/* The row of a dotted key, e.g. "aws.bucket"; NULL when there is none. ret_section may be NULL. */
const finops_option *fo_config_find(const char *key, const fo_config_section **ret_section);

/* Reads, merges and checks everything; every problem found in the file is in the one error, a line each. */
finops_code fo_config_load(const fo_config_source *source, fo_config **ret, finops_error **err);
void fo_config_free(fo_config *config);
void fo_config_freep(fo_config **config);
const fo_settings *fo_config_settings(const fo_config *config); /* borrowed */
const char *fo_config_path(const fo_config *config);            /* the file read, or NULL */

/*
 * One row for each option, sorted as declared, those of the n-th export as "aws.exports[n].bucket" (from 1):
 * key, value (secrets "<redacted>", unset ""), origin ("default", "config.toml:12", "env AWS_REGION",
 * "flag --bucket"). Borrowed from the configuration.
 */
typedef struct fo_config_row {
    const char *key;
    const char *value;
    const char *origin;
} fo_config_row;
finops_code fo_config_rows(const fo_config *config, const fo_config_row **ret_rows, size_t *ret_n,
                           finops_error **err);

/*
 * The configuration of a backend, built in or a plugin, as its driver's option table wants it: a struct of
 * config_size bytes filled from [database.<backend>] and the environment
 * (OPEN_FINOPS_DATABASE_<BACKEND>_<KEY> and what the table names). FINOPS_E_CONFIG names file and line of
 * everything that is wrong. The caller frees *ret_config with fo_config_backend_free(). `table` may be NULL.
 */
finops_code fo_config_backend(const fo_settings *settings, const char *backend, const finops_option *table,
                              size_t config_size, void **ret_config, finops_error **err) FO_MUST_USE;
/* NULL is fine. */
void fo_config_backend_free(const finops_option *table, void *config);

typedef enum fo_dataset { FO_DATASET_BILLS, FO_DATASET_FINDINGS, FO_DATASET_RECORDS } fo_dataset;
/* The backends a dataset goes to, at least one: [routing], else [database] backend; names separated by
 * commas. Readers ask the first. *ret is empty on entry. */
finops_code fo_settings_backends(const fo_settings *settings, fo_dataset dataset, fo_strv *ret,
                                 finops_error **err);

/* The tables that [storage.<name>] is made of, which are not known here. */
typedef struct fo_config_table {
    const char *name, *summary;
    const finops_option *options;
} fo_config_table;

typedef struct fo_config_storages {
    const fo_config_table *drivers;
    size_t n_drivers;
    const fo_config_table *layers; /* [storage.<name>.<layer>] */
    size_t n_layers;
} fo_config_storages;

/* JSON schema (draft 2020-12) of the file. storages may be NULL. */
finops_code fo_config_schema(const fo_config_storages *storages, fo_str *ret, finops_error **err);
/* Markdown reference of every section and option, for docs/reference/configuration.md. */
finops_code fo_config_reference(const fo_config_storages *storages, fo_str *ret, finops_error **err);

/*
 * Parses one value by its row into the struct at base + offset (frees what was there; keeps it on failure).
 * Empty for a string, an enum, a date or a list means unset: the default again. FINOPS_E_CONFIG says what was
 * expected and found, without the name of the option, which the caller puts in front as it was spelled:
 * "--jobs: expected a whole number from 1 to 64, found ...". A list is the text split at commas.
 */
finops_code fo_option_set(const finops_option *option, void *base, const char *text, finops_error **err);
/* Adds one item to a FINOPS_OPT_LIST as it stands, commas and all: a flag that may be repeated. */
finops_code fo_option_list_add(const finops_option *option, void *base, const char *item, finops_error **err);
/*
 * The defaults, then the settings, then whether what is required is set and what belongs together is
 * together. `owner` names the table in errors: "s3.bucket must be set". What is in config is the caller's,
 * also on failure: fo_option_clear().
 */
finops_code fo_option_fill(const finops_option *table, const char *owner, const finops_setting *settings,
                           size_t n, void *config, finops_error **err);
/* Sets every row to its default. */
finops_code fo_option_defaults(const finops_option *table, void *base, finops_error **err);
/* Frees what the table's rows own in base. */
void fo_option_clear(const finops_option *table, void *base);
/* The row's number in a table, or -1. */
int fo_option_index(const finops_option *table, const char *name);
/* Numbers and booleans always are; texts and lists when they are not empty. */
bool fo_option_is_set(const finops_option *option, const void *base);
/* "OPEN_FINOPS_AWS_BUCKET" for ("aws", "bucket"), appended. */
finops_code fo_option_env_name(const char *section, const char *name, fo_str *ret, finops_error **err);

#endif
