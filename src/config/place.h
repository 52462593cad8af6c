/* What a storage is told: gathered for one place from everything that has a say. */
#ifndef FO_CONFIG_PLACE_H
#define FO_CONFIG_PLACE_H

#include "base/error.h"
#include "base/str.h"
#include "config/settings.h"
#include "finops/sys/option.h"

/* One of them, as finops_storage_open() takes it: "region", "retry.attempts". */
typedef struct fo_place_setting {
    const char *name, *value;
    const char *origin; /* "config.toml:12" */
    bool secret;
} fo_place_setting;

typedef struct fo_place_settings {
    fo_place_setting *items;
    size_t n, cap;
    fo_strv texts; /* what they point to */
} fo_place_settings;

/* Appends its value as it may be shown. */
void fo_place_setting_show(const fo_place_setting *setting, fo_str *ret);
void fo_place_settings_done(fo_place_settings *settings);
const char *fo_place_settings_value(const fo_place_settings *settings, const char *name); /* NULL: none */

/* A place with a name: [storage.bronze], OPEN_FINOPS_STORAGE_BRONZE_ADDRESS, or what [platform] says. */
typedef struct fo_place {
    char *name;
    char *address;            /* NULL: the backend's options say it */
    char *backend;            /* NULL: the address says it */
    char *origin;             /* of the address, else of the backend */
    fo_place_settings preset; /* of [platform] */
} fo_place;

void fo_place_done(fo_place *place);
/* Names of all places, sorted. */
finops_code fo_config_places(const fo_settings *settings, fo_strv *ret, finops_error **err);
/* FINOPS_E_NOT_FOUND, with the name that was perhaps meant; FINOPS_E_CONFIG when neither address nor backend
 * is said. */
finops_code fo_config_place(const fo_settings *settings, const char *name, fo_place *ret, finops_error **err);

/* An option table that has a say in a place. */
typedef struct fo_place_table {
    const char *layer; /* [storage.bronze.<layer>]; NULL: the driver */
    const finops_option *options;
    size_t config_size;
} fo_place_table;

/*
 * What the tables' options are set to: OPEN_FINOPS_STORAGE_<NAME>_<OPTION>, the file, the environment names
 * that the option shares with other tools (credentials only where the place has none of its own), [network].
 * `given` is what the address says, of the driver. FINOPS_E_CONFIG names everything that is wrong with file
 * and line.
 */
finops_code fo_config_place_settings(const fo_settings *settings, const fo_place *place,
                                     const fo_place_table *tables, size_t n_tables,
                                     const finops_setting *given, size_t n_given, fo_place_settings *ret,
                                     finops_error **err);

/*
 * For an address that was given by hand: the environment names that options share with other tools, then, of
 * the driver "s3", the section [aws], then [network].
 */
finops_code fo_config_address(const fo_settings *settings, const char *driver, const fo_place_table *table,
                              const finops_setting *given, size_t n_given, fo_place_settings *ret,
                              finops_error **err);

#endif
