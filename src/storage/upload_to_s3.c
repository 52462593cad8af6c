/* The helper of programs that know but S3. */
#include "base/mem.h"
#include "base/str.h"
#include "storage/storage.h"

static finops_code
upload(finops_registry *registry, const char *address, const char *file, const char *key, finops_error **err)
{
    finops_storage *storage = NULL;
    const finops_put put = { .key = key };
    finops_code rc = finops_storage_open(registry, address, NULL, 0, &storage, err);

    if (rc == FINOPS_OK)
        rc = finops_storage_upload_file(storage, file, &put, NULL, NULL, err);
    finops_storage_close(storage);
    return rc;
}

finops_code
finops_upload_to_s3(const char *file, const char *bucket, const char *key, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str address = FO_STR_INIT;
    finops_registry *registry = NULL;
    finops_code rc;

    if (!file || !bucket || !key)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "upload_to_s3: file, bucket and key are needed");
    fo_str_addf(&address, "s3://%s", bucket);
    rc = fo_str_check(&address, err);
    if (rc == FINOPS_OK)
        rc = finops_registry_new(&registry, err);
    if (rc == FINOPS_OK)
        rc = upload(registry, fo_str_z(&address), file, key, err);
    finops_registry_free(registry);
    return rc;
}
