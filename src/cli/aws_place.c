/* Where bills are read from, places of the configuration among it, and files that are landed in one. */
#include "cli/aws_place.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/backends.h"
#include "cli/storage.h"
#include "storage/places.h"

/* ---- bills in a place ---- */

/* "bronze" of "bronze:folder"; 0: it is none. */
static size_t
place_length(const char *bucket)
{
    size_t n = bucket ? strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789_") : 0;

    return n > 0 && bucket[n] == ':' && strncmp(bucket + n, "://", 3) != 0 ? n : 0;
}

static finops_code
keep(fo_strv *texts, char *text, char **ret, finops_error **err)
{
    if (!text || !fo_strv_take(texts, text))
        return fo_error_oom(err);
    *ret = text;
    return FINOPS_OK;
}

static finops_code
set_source(const char *address, const char *name, const char *rest, fo_aws_settings *aws, fo_strv *texts,
           finops_error **err)
{
    FO_AUTO(fo_freep) char *base = fo_storage_base(address);
    finops_code rc;

    if (!base)
        return fo_error_oom(err);
    rc = keep(texts, fo_format("%s%s%s", base, *rest ? "/" : "", rest), &aws->bucket, err);
    return rc == FINOPS_OK ? keep(texts, fo_strdup(name), &aws->place, err) : rc;
}

static finops_code
resolve(finops_registry *registry, const fo_settings *settings, fo_aws_settings *aws, fo_strv *texts,
        finops_error **err)
{
    size_t n = place_length(aws->bucket);
    FO_AUTO(fo_freep) char *name = fo_strndup(aws->bucket, n);
    FO_AUTO(fo_freep) char *address = NULL;
    FO_AUTO(fo_place_settings_done) fo_place_settings found = { 0 };
    finops_code rc;

    if (!name)
        return fo_error_oom(err);
    rc = fo_storage_place_settings(registry, settings, name, &address, NULL, &found, err);
    if (rc == FINOPS_E_NOT_FOUND)
        rc = fo_error_wrap(err, FINOPS_E_CONFIG, "aws.bucket \"%s\"", aws->bucket);
    return rc == FINOPS_OK ? set_source(address, name, aws->bucket + n + 1, aws, texts, err) : rc;
}

finops_code
fo_aws_place_resolve(const fo_cli *cli, fo_settings *settings, fo_strv *texts, fo_aws_settings **ret_exports,
                     finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    bool any = place_length(settings->aws.bucket) > 0;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < settings->n_exports; i++)
        any = any || place_length(settings->exports[i].bucket) > 0;
    if (!any)
        return FINOPS_OK;
    *ret_exports = fo_array(settings->n_exports + 1, sizeof(**ret_exports));
    if (!*ret_exports)
        return fo_error_oom(err);
    for (size_t i = 0; i < settings->n_exports; i++)
        (*ret_exports)[i] = settings->exports[i];
    settings->exports = *ret_exports;
    rc = fo_backends_registry(cli, &registry, err);
    if (rc == FINOPS_OK && place_length(settings->aws.bucket) > 0)
        rc = resolve(registry, settings, &settings->aws, texts, err);
    for (size_t i = 0; rc == FINOPS_OK && i < settings->n_exports; i++)
        if (place_length(settings->exports[i].bucket) > 0)
            rc = resolve(registry, settings, &settings->exports[i], texts, err);
    return rc;
}

/* ---- what is read ---- */

static finops_code
make_registry(void *arg, finops_registry **ret, finops_error **err)
{
    return fo_backends_registry(arg, ret, err);
}

finops_code
fo_cli_sources(const fo_cli *cli, fo_storage_sources *ret, finops_error **err)
{
    return fo_storage_sources_init(ret, cli->settings, make_registry, (void *)(uintptr_t)cli, err);
}

finops_code
fo_cli_source_file(fo_storage_sources *sources, const char *arg, fo_strv *texts, const char **ret,
                   finops_error **err)
{
    size_t n = place_length(arg);
    FO_AUTO(fo_freep) char *name = n ? fo_strndup(arg, n) : NULL;
    char *address = NULL;
    finops_code rc;

    *ret = arg;
    if (n == 0)
        return FINOPS_OK;
    if (!name)
        return fo_error_oom(err);
    rc = fo_storage_sources_name(sources, name, arg + n + 1, &address, err);
    if (rc == FINOPS_E_NOT_FOUND && access(arg, F_OK) == 0) { /* a file whose name has a colon */
        if (err)
            finops_error_freep(err);
        return FINOPS_OK;
    }
    if (rc == FINOPS_E_NOT_FOUND)
        return fo_error_wrap(err, FINOPS_E_USAGE, "\"%s\"", arg);
    if (rc != FINOPS_OK)
        return rc;
    if (!fo_strv_take(texts, address))
        return fo_error_oom(err);
    *ret = address;
    return FINOPS_OK;
}

/* ---- landing ---- */

void
fo_lander_done(fo_lander *lander)
{
    fo_storage_stats_add(lander->stats, lander->from);
    fo_storage_stats_add(lander->stats, lander->to);
    finops_storage_close(lander->from);
    finops_storage_close(lander->to);
    finops_registry_free(lander->registry);
    fo_free(lander->from_base);
    fo_free(lander->swept);
    *lander = (fo_lander){ 0 };
}

finops_code
fo_lander_open(fo_cli *cli, const char *place, fo_lander *ret, finops_error **err)
{
    finops_code rc = fo_backends_registry(cli, &ret->registry, err);

    ret->cli = cli;
    if (rc == FINOPS_OK)
        rc = fo_storage_open_place(ret->registry, cli->settings, place, &ret->to, err);
    return rc == FINOPS_E_NOT_FOUND ? fo_error_wrap(err, FINOPS_E_CONFIG, "--land") : rc;
}

/* The bucket or folder that bills are read from, with what that source says of it. */
static finops_code
open_from(fo_lander *lander, const fo_aws_settings *aws, const fo_bill_source *source, finops_error **err)
{
    static const finops_setting links = { "links", "all" };
    finops_code rc;

    if (lander->from && fo_streq(lander->from_base, source->base))
        return FINOPS_OK;
    fo_storage_stats_add(lander->stats, lander->from);
    finops_storage_close(FO_TAKE(lander->from));
    fo_free(FO_TAKE(lander->from_base));
    rc = fo_storage_open_source(lander->registry, lander->cli->settings, aws, source->base, &links,
                                source->remote ? 0 : 1, &lander->from, err);
    if (rc == FINOPS_OK && !(lander->from_base = fo_strdup(source->base)))
        rc = fo_error_oom(err);
    return rc;
}

/* Once an export. */
static finops_code
sweep(fo_lander *lander, const fo_export *export, const finops_call *call, finops_error **err)
{
    uint64_t n;

    if (fo_streq(lander->swept, export->name))
        return FINOPS_OK;
    n = fo_land_sweep(lander->to, export, call);
    if (n > 0)
        fo_info("unfinished files of earlier landings of %s were removed: %" PRIu64, export->name, n);
    fo_free(lander->swept);
    lander->swept = fo_strdup(export->name);
    return lander->swept ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_lander_land(fo_lander *lander, const fo_aws_settings *aws, const fo_bill_source *source,
               const fo_export *export, const fo_delivery *delivery, finops_error **err)
{
    const finops_call call = fo_storage_call(lander->cli);
    finops_code rc = open_from(lander, aws, source, err);

    fo_progress_show(lander->cli, -1, "landing %s %s", export->name, delivery->period);
    if (rc == FINOPS_OK)
        rc =
            fo_land_delivery(lander->from, lander->to, source, export, delivery, &call, &lander->counts, err);
    return rc == FINOPS_OK ? sweep(lander, export, &call, err) : rc;
}
