/* Bills that lie in a place of the configuration, and files that are landed in one. */
#include "cli/aws_place.h"

#include <string.h>

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

/* What of the place the reader of bills can be told. */
static finops_code
take_settings(const fo_place_settings *found, fo_aws_settings *aws, fo_strv *texts, finops_error **err)
{
    const struct {
        const char *name;
        char **to;
    } all[] = { { "region", &aws->region },
                { "endpoint_url", &aws->endpoint_url },
                { "profile", &aws->profile },
                { "access_key_id", &aws->access_key_id },
                { "secret_access_key", &aws->secret_access_key },
                { "session_token", &aws->session_token },
                { "addressing", &aws->addressing } };
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < FO_COUNT(all); i++) {
        const char *value = fo_place_settings_value(found, all[i].name);

        if (!value && all[i].to == &aws->addressing)
            value = "virtual";
        *all[i].to = NULL;
        if (value)
            rc = keep(texts, fo_strdup(value), all[i].to, err);
    }
    return rc;
}

/* The reader of bills sees the stored bytes. */
static finops_code
layers_check(const fo_place_settings *found, const char *place, finops_error **err)
{
    static const char *const changing[] = { "encrypt.", "compress." };

    for (size_t i = 0; i < found->n; i++)
        for (size_t k = 0; k < FO_COUNT(changing); k++)
            if (fo_starts(found->items[i].name, changing[k]))
                return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                                    "bills cannot be read from storage %s, whose objects are changed by %s",
                                    place, found->items[i].name);
    return FINOPS_OK;
}

static finops_code
set_source(const char *address, const char *rest, const fo_place_settings *found, const char *place,
           fo_aws_settings *aws, fo_strv *texts, finops_error **err)
{
    FO_AUTO(fo_storage_address_done) fo_storage_address parts = { 0 };
    bool s3;
    finops_code rc = fo_storage_address_parse(address, &parts, err);

    if (rc != FINOPS_OK)
        return rc;
    s3 = fo_streq(parts.scheme, "s3") || fo_streq(parts.scheme, "s3a") || fo_streq(parts.scheme, "s3n");
    if (!s3 && !fo_streq(parts.scheme, "file"))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "bills are read from S3 and from folders, and storage %s is %s", place, address);
    if (s3)
        rc = take_settings(found, aws, texts, err);
    if (rc == FINOPS_OK && *rest) {
        const char *prefix = aws->prefix ? aws->prefix : "";
        rc = keep(texts, fo_format("%s%s%s", rest, *prefix ? "/" : "", prefix), &aws->prefix, err);
    }
    if (rc == FINOPS_OK)
        rc = keep(texts,
                  s3 ? fo_format("s3://%s%s%s", parts.place, *parts.rest ? "/" : "", parts.rest)
                     : fo_format("file://%s", parts.rest),
                  &aws->bucket, err);
    return rc;
}

finops_code
fo_aws_place_resolve(const fo_cli *cli, fo_settings *settings, fo_strv *texts, finops_error **err)
{
    fo_aws_settings *aws = &settings->aws;
    size_t n = place_length(aws->bucket);
    FO_AUTO(fo_freep) char *name = n ? fo_strndup(aws->bucket, n) : NULL;
    FO_AUTO(fo_freep) char *address = NULL;
    FO_AUTO(fo_place_settings_done) fo_place_settings found = { 0 };
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    finops_code rc;

    if (n == 0)
        return FINOPS_OK;
    if (!name)
        return fo_error_oom(err);
    rc = fo_backends_registry(cli, &registry, err);
    if (rc == FINOPS_OK)
        rc = fo_storage_place_settings(registry, settings, name, &address, NULL, &found, err);
    if (rc == FINOPS_E_NOT_FOUND)
        rc = fo_error_wrap(err, FINOPS_E_CONFIG, "aws.bucket %s", aws->bucket);
    if (rc == FINOPS_OK)
        rc = layers_check(&found, name, err);
    return rc == FINOPS_OK ? set_source(address, aws->bucket + n + 1, &found, name, aws, texts, err) : rc;
}

/* ---- landing ---- */

void
fo_lander_done(fo_lander *lander)
{
    finops_storage_close(lander->from);
    finops_storage_close(lander->to);
    finops_registry_free(lander->registry);
    fo_free(lander->from_base);
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
    fo_settings settings = *lander->cli->settings;
    finops_code rc;

    if (lander->from && fo_streq(lander->from_base, source->base))
        return FINOPS_OK;
    finops_storage_close(FO_TAKE(lander->from));
    fo_free(FO_TAKE(lander->from_base));
    settings.aws = *aws;
    rc = fo_storage_open_address(lander->registry, &settings, source->base, &links, source->bucket ? 0 : 1,
                                 &lander->from, err);
    if (rc == FINOPS_OK && !(lander->from_base = fo_strdup(source->base)))
        rc = fo_error_oom(err);
    return rc;
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
    return rc;
}
