/*
 * Where imports read from: the storages of sources of bills and of files that are named by their addresses,
 * as the reader of files (engine/files.h) opens them.
 */
#ifndef FO_STORAGE_SOURCES_H
#define FO_STORAGE_SOURCES_H

#include <pthread.h>

#include "engine/files.h"
#include "storage/places.h"
#include "storage/stats.h"

typedef struct fo_storage_sources {
    fo_files_places files; /* what the reader of files is given; first member */
    const fo_settings *settings;
    finops_code (*make)(void *arg, finops_registry **ret, finops_error **err);
    void *arg;
    pthread_mutex_t lock;
    finops_registry *registry; /* made when the first storage is opened */
    char *temporary;
    struct fo_storage_named *named; /* places of the configuration that files were named in */
    size_t n_named, cap_named;
    fo_storage_stats stats; /* of storages that were closed */
} fo_storage_sources;

/*
 * settings are borrowed. `make` makes the registry, the first time that one is needed. All files that were
 * opened by it are closed before fo_storage_sources_done().
 */
finops_code fo_storage_sources_init(fo_storage_sources *sources, const fo_settings *settings,
                                    finops_code (*make)(void *arg, finops_registry **ret, finops_error **err),
                                    void *arg, finops_error **err) FO_MUST_USE;
void fo_storage_sources_done(fo_storage_sources *sources); /* all zero is fine */

/* The address of a key in the place [storage.<name>], which is opened with what the configuration says of it.
 * The caller frees *ret. FINOPS_E_NOT_FOUND: there is no such place. Not after the first file was opened. */
finops_code fo_storage_sources_name(fo_storage_sources *sources, const char *name, const char *key,
                                    char **ret, finops_error **err) FO_MUST_USE;

/* What the addresses in a place begin with: the absolute path of a folder, "s3://bucket/prefix". */
char *fo_storage_base(const char *address);

/*
 * The storage of a source's base: of the place of the configuration where aws->place names one, else the
 * address with what `aws` says and `more` settings.
 */
finops_code fo_storage_open_source(finops_registry *registry, const fo_settings *settings,
                                   const fo_aws_settings *aws, const char *base, const finops_setting *more,
                                   size_t n_more, finops_storage **ret, finops_error **err) FO_MUST_USE;

#endif
