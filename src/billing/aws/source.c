/* Where bills are looked for: a bucket or a folder of the same layout. */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/mem.h"
#include "billing/aws/discover.h"
#include "storage/sources.h"

/* Joins two prefixes, each without slashes at its ends. */
static finops_code
source_set_prefix(fo_bill_source *source, const char *inner, const char *outer, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str prefix = FO_STR_INIT;
    const char *const parts[] = { inner, outer };

    for (size_t i = 0; i < FO_COUNT(parts); i++) {
        const char *p = parts[i] ? parts[i] : "";
        while (*p == '/')
            p++;
        size_t n = strlen(p);
        while (n > 0 && p[n - 1] == '/')
            n--;
        if (n > 0 && prefix.len > 0)
            fo_str_addc(&prefix, '/');
        fo_str_addn(&prefix, p, n);
    }
    finops_code rc = fo_str_check(&prefix, err);
    if (rc != FINOPS_OK)
        return rc;
    source->prefix = fo_str_take(&prefix);
    return source->prefix ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
source_set_bucket(fo_bill_source *source, const char *name, size_t n, finops_error **err)
{
    if (n == 0)
        return fo_error_set(err, FINOPS_E_CONFIG, "aws.bucket has no bucket name");
    source->remote = true;
    source->bucket = fo_strndup(name, n);
    source->base = source->bucket ? fo_format("s3://%s", source->bucket) : NULL;
    return source->base ? FINOPS_OK : fo_error_oom(err);
}

/* The bytes of "s3://" in front of a bucket, in any of its spellings; 0: it is something else. */
static size_t
s3_scheme(const char *bucket)
{
    static const char *const schemes[] = { "s3://", "s3a://", "s3n://" };

    for (size_t i = 0; i < FO_COUNT(schemes); i++)
        if (strncasecmp(bucket, schemes[i], strlen(schemes[i])) == 0)
            return strlen(schemes[i]);
    return 0;
}

/* A copy of a bucket: a folder, or an address of a service. */
static finops_code
source_set_copy(fo_bill_source *source, const char *bucket, finops_error **err)
{
    source->base = fo_storage_base(bucket);
    source->remote = fo_files_is_remote(bucket);
    return source->base ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_bill_source_parse(const fo_aws_settings *aws, fo_bill_source *ret, finops_error **err)
{
    FO_AUTO(fo_bill_source_done) fo_bill_source source = { 0 };
    const char *bucket = aws->bucket;
    const char *inner = NULL;
    size_t scheme;
    finops_code rc = FINOPS_OK;

    if (!bucket || !*bucket) {
        rc = fo_error_set(err, FINOPS_E_CONFIG, "no bucket or folder to read bills from");
        fo_error_hint(err, "pass --bucket s3://NAME or a folder, or set [aws] bucket in config.toml");
        return rc;
    }
    scheme = s3_scheme(bucket);
    if (scheme > 0 && !aws->place) {
        const char *name = bucket + scheme;
        size_t n = strcspn(name, "/");
        inner = name + n;
        rc = source_set_bucket(&source, name, n, err);
    } else if (aws->place || strchr(bucket, '/') || fo_streq(bucket, ".")) {
        rc = source_set_copy(&source, bucket, err);
    } else {
        rc = source_set_bucket(&source, bucket, strlen(bucket), err);
    }
    if (rc == FINOPS_OK)
        rc = source_set_prefix(&source, inner, aws->prefix, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = source;
    source = (fo_bill_source){ 0 };
    return FINOPS_OK;
}

void
fo_bill_source_done(fo_bill_source *source)
{
    fo_free(source->base);
    fo_free(source->bucket);
    fo_free(source->prefix);
    *source = (fo_bill_source){ 0 };
}

finops_code
fo_bill_address(const fo_bill_source *source, const char *key, fo_str *ret, finops_error **err)
{
    assert(source && key && ret);
    fo_str_addf(ret, "%s/%s", source->base, key);
    return fo_str_check(ret, err);
}

finops_code
fo_delivery_files(const fo_delivery *delivery, const fo_bill_source *source, fo_strv *addresses,
                  fo_bill_file **ret, finops_error **err)
{
    const fo_strv *keys = &delivery->manifest->keys;
    FO_AUTO(fo_freep) fo_bill_file *files = fo_array(keys->n ? keys->n : 1, sizeof(*files));

    if (!files)
        return fo_error_oom(err);
    for (size_t i = 0; i < keys->n; i++) {
        FO_AUTO(fo_str_done) fo_str address = FO_STR_INIT;
        FO_AUTO(fo_freep)
        char *landed = delivery->landed ? fo_format("%s/%s", delivery->landed, keys->items[i]) : NULL;
        if (delivery->landed && !landed)
            return fo_error_oom(err);
        finops_code rc = fo_bill_address(source, landed ? landed : keys->items[i], &address, err);
        if (rc != FINOPS_OK)
            return rc;
        if (!fo_strv_add(addresses, fo_str_z(&address)))
            return fo_error_oom(err);
    }
    for (size_t i = 0; i < keys->n; i++) /* only now: the list of addresses has moved while it grew */
        files[i] = (fo_bill_file){ .address = addresses->items[i], .label = keys->items[i] };
    *ret = FO_TAKE(files);
    return FINOPS_OK;
}
