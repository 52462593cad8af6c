/* Where imports read from, opened with what the configuration says. */
#include "storage/sources.h"

#include <assert.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "storage/layers/layer.h"
#include "storage/s3/driver.h"
#include "storage/writer.h"

/* ---- which storage ---- */

char *
fo_storage_base(const char *address)
{
    size_t n = strlen(address);

    if (!fo_files_is_remote(address))
        return fo_path_absolute(strncasecmp(address, "file://", 7) == 0 ? address + 7 : address);
    while (n > 0 && address[n - 1] == '/')
        n--;
    return fo_strndup(address, n);
}

static bool
lies_in(const char *base, const char *address)
{
    size_t n = strlen(base);

    return strncmp(base, address, n) == 0 && (address[n] == '/' || address[n] == '\0');
}

/* The source's own base; *ret NULL: it is a path that no storage of the configuration stands for. */
static finops_code
source_base(const fo_aws_settings *aws, char **ret, finops_error **err)
{
    if (!aws || !aws->bucket || (!aws->place && !fo_files_is_remote(aws->bucket)))
        return FINOPS_OK;
    *ret = fo_storage_base(aws->bucket);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_storage_open_source(finops_registry *registry, const fo_settings *settings, const fo_aws_settings *aws,
                       const char *base, const finops_setting *more, size_t n_more, finops_storage **ret,
                       finops_error **err)
{
    fo_settings own;
    FO_AUTO(fo_freep) char *of_source = NULL;
    finops_code rc;

    assert(registry && settings && base && ret);
    rc = source_base(aws, &of_source, err);
    if (rc != FINOPS_OK)
        return rc;
    if (aws && aws->place && of_source && strcmp(of_source, base) == 0)
        return fo_storage_open_place_at(registry, settings, aws->place, base, ret, err);
    own = *settings;
    if (aws)
        own.aws = *aws;
    return fo_storage_open_address(registry, &own, base, more, n_more, ret, err);
}

/* "s3://bucket" of "s3://bucket/key"; of "sftp://host//folder/file" the folder, whose path begins at the
 * root. */
static char *
base_of(const char *address)
{
    const char *place = strstr(address, "://") + strlen("://");
    size_t n = (size_t)(place - address) + strcspn(place, "/");

    if (fo_starts(address + n, "//"))
        n = (size_t)(strrchr(address, '/') - address);
    return fo_strndup(address, n);
}

/* What the address is looked for in: the source where it lies there, else its bucket. *ret NULL: a path. */
static finops_code
find_base(const fo_aws_settings *aws, const char *address, char **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *base = NULL;
    finops_code rc = source_base(aws, &base, err);

    if (rc == FINOPS_OK && base && lies_in(base, address))
        *ret = FO_TAKE(base);
    else if (rc == FINOPS_OK && fo_files_is_remote(address) && !(*ret = base_of(address)))
        rc = fo_error_oom(err);
    return rc;
}

static finops_code
make_registry(fo_storage_sources *s, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&s->lock);
    if (!s->registry)
        rc = s->make(s->arg, &s->registry, err);
    (void)pthread_mutex_unlock(&s->lock);
    return rc;
}

/* ---- places that are named ---- */

typedef struct fo_storage_named {
    char *name, *base;
} fo_storage_named;

static const fo_storage_named *
named_of(const fo_storage_sources *s, const char *address)
{
    for (size_t i = 0; i < s->n_named; i++)
        if (lies_in(s->named[i].base, address))
            return &s->named[i];
    return NULL;
}

static finops_code
named_add(fo_storage_sources *s, const char *name, const char *base, finops_error **err)
{
    void *items = s->named;
    bool ok;

    for (size_t i = 0; i < s->n_named; i++)
        if (fo_streq(s->named[i].name, name))
            return FINOPS_OK;
    ok = fo_grow(&items, &s->cap_named, s->n_named + 1, sizeof(*s->named));
    s->named = items;
    if (!ok)
        return fo_error_oom(err);
    s->named[s->n_named] = (fo_storage_named){ .name = fo_strdup(name), .base = fo_strdup(base) };
    s->n_named++;
    return s->named[s->n_named - 1].name && s->named[s->n_named - 1].base ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_storage_sources_name(fo_storage_sources *s, const char *name, const char *key, char **ret,
                        finops_error **err)
{
    FO_AUTO(fo_freep) char *address = NULL;
    FO_AUTO(fo_freep) char *base = NULL;
    FO_AUTO(fo_place_settings_done) fo_place_settings found = { 0 };
    finops_code rc = make_registry(s, err);

    if (rc == FINOPS_OK)
        rc = fo_storage_place_settings(s->registry, s->settings, name, &address, NULL, &found, err);
    if (rc != FINOPS_OK)
        return rc;
    base = fo_storage_base(address);
    if (!base)
        return fo_error_oom(err);
    rc = named_add(s, name, base, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = fo_format("%s/%s", base, key);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static bool
sources_covers(fo_files_places *places, const char *path)
{
    return named_of((fo_storage_sources *)places, path) != NULL;
}

/* ---- opening ---- */

static finops_code
open_named(fo_storage_sources *s, const fo_storage_named *named, finops_storage **ret, char **ret_base,
           finops_error **err)
{
    char *base = fo_strdup(named->base);
    finops_code rc = base ? fo_storage_open_place_at(s->registry, s->settings, named->name, NULL, ret, err)
                          : fo_error_oom(err);

    if (rc == FINOPS_OK)
        *ret_base = base;
    else
        fo_free(base);
    return rc;
}

static finops_code
sources_open(fo_files_places *places, const fo_aws_settings *aws, const char *address, finops_storage **ret,
             char **ret_base, finops_error **err)
{
    fo_storage_sources *s = (fo_storage_sources *)places;
    const fo_storage_named *named = named_of(s, address);
    FO_AUTO(fo_freep) char *base = NULL;
    finops_code rc = make_registry(s, err);

    if (rc == FINOPS_OK && named)
        return open_named(s, named, ret, ret_base, err);
    if (rc == FINOPS_OK)
        rc = find_base(aws, address, &base, err);
    if (rc != FINOPS_OK || !base)
        return rc;
    rc = fo_storage_open_source(s->registry, s->settings, aws, base, NULL, 0, ret, err);
    if (rc == FINOPS_OK)
        *ret_base = FO_TAKE(base);
    return rc;
}

/* ---- how the engine reads it ---- */

/* Layers without which the engine would see other bytes than the storage, or more than it may. */
static bool
only_through(const fo_stage *stage)
{
    static const fo_layer *const layers[] = { &fo_limits_layer, &fo_replicate_layer, &fo_encrypt_layer,
                                              &fo_compress_layer, &fo_cache_layer };

    for (size_t i = 0; i < FO_COUNT(layers); i++)
        if (fo_pass_find(stage, layers[i]))
            return true;
    return false;
}

static finops_code
sources_native(fo_files_places *places, finops_storage *storage, const finops_call *call,
               fo_files_native *ret, finops_error **err)
{
    const fo_stage *stage = fo_storage_stage(storage);
    const fo_stage bottom = fo_pass_bottom(stage);

    (void)places;
    if (bottom.driver != &fo_s3_driver || only_through(stage))
        return FINOPS_OK;
    return fo_s3_native(bottom.self, call, ret, err);
}

static finops_code
sources_fetch(fo_files_places *places, finops_storage *storage, const finops_get *get, int fd,
              const char *label, finops_object *ret, finops_error **err)
{
    (void)places;
    return fo_storage_download_fd(storage, get, fd, label, NULL, ret, err);
}

static void
sources_closing(fo_files_places *places, const finops_storage *storage)
{
    fo_storage_sources *s = (fo_storage_sources *)places;

    (void)pthread_mutex_lock(&s->lock);
    fo_storage_stats_add(&s->stats, storage);
    (void)pthread_mutex_unlock(&s->lock);
}

/* ---- made and done ---- */

finops_code
fo_storage_sources_init(fo_storage_sources *sources, const fo_settings *settings,
                        finops_code (*make)(void *arg, finops_registry **ret, finops_error **err), void *arg,
                        finops_error **err)
{
    const fo_duckdb_settings *d = &settings->duckdb;
    FO_AUTO(fo_freep) char *database = d->database_path ? fo_path_absolute(d->database_path) : NULL;
    size_t n = database ? (size_t)(fo_path_base(database) - database) : 0;

    *sources = (fo_storage_sources){ .settings = settings, .make = make, .arg = arg };
    (void)pthread_mutex_init(&sources->lock, NULL);
    sources->files = (fo_files_places){ .open = sources_open,
                                        .native = sources_native,
                                        .fetch = sources_fetch,
                                        .covers = sources_covers,
                                        .closing = sources_closing };
    if (d->temp_directory && *d->temp_directory)
        sources->temporary = fo_strdup(d->temp_directory);
    else
        sources->temporary = n > 1 ? fo_strndup(database, n - 1) : fo_strdup("");
    sources->files.temporary = sources->temporary;
    if (sources->temporary)
        return FINOPS_OK;
    fo_storage_sources_done(sources);
    return fo_error_oom(err);
}

void
fo_storage_sources_done(fo_storage_sources *sources)
{
    if (!sources->make)
        return;
    finops_registry_free(sources->registry);
    fo_free(sources->temporary);
    for (size_t i = 0; i < sources->n_named; i++) {
        fo_free(sources->named[i].name);
        fo_free(sources->named[i].base);
    }
    fo_free(sources->named);
    fo_storage_stats_done(&sources->stats);
    (void)pthread_mutex_destroy(&sources->lock);
    *sources = (fo_storage_sources){ 0 };
}
