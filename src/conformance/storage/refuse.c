/* What a storage does not claim it refuses, before anything is sent: never something else in its place. */
#include "conformance/storage/probe.h"

static finops_code
try_create_only(fo_probe *p, const char *key, finops_error **err)
{
    return fo_probe_put_raw(p, &(finops_put){ .key = key, .create_only = true }, "x", NULL, err);
}

static finops_code
try_if_version(fo_probe *p, const char *key, finops_error **err)
{
    return fo_probe_put_raw(p, &(finops_put){ .key = key, .if_version = "v" }, "x", NULL, err);
}

static finops_code
try_remove_if(fo_probe *p, const char *key, finops_error **err)
{
    const finops_remove remove = { .key = key, .if_version = "v", .call = &p->call };

    return finops_storage_delete_file(p->storage, &remove, err);
}

static finops_code
try_unless_version(fo_probe *p, const char *key, finops_error **err)
{
    const finops_get get = { .key = key, .length = -1, .unless_version = "v", .call = &p->call };
    finops_reader *reader = NULL;
    finops_code rc = finops_storage_read(p->storage, &get, &reader, err);

    if (reader)
        reader->close(reader);
    return rc;
}

static finops_code
try_metadata(fo_probe *p, const char *key, finops_error **err)
{
    const finops_metadata one = { "name", "value" };

    return fo_probe_put_raw(p, &(finops_put){ .key = key, .metadata = &one, .n_metadata = 1 }, "x", NULL,
                            err);
}

static finops_code
try_parts(fo_probe *p, const char *key, finops_error **err)
{
    finops_upload *upload = NULL;
    finops_code rc =
        finops_storage_upload(p->storage, &(finops_put){ .key = key, .call = &p->call }, &upload, err);

    if (upload)
        upload->close(upload);
    return rc;
}

static finops_code
try_copy(fo_probe *p, const char *key, finops_error **err)
{
    const finops_copy copy = { .from = key, .to = fo_probe_key(p, "copy"), .call = &p->call };

    return finops_storage_copy(p->storage, &copy, NULL, err);
}

/* The front door can move by copying; the stage behind it is asked. */
static finops_code
try_move(fo_probe *p, const char *key, finops_error **err)
{
    const finops_copy move = { .from = key, .to = fo_probe_key(p, "moved"), .call = &p->call };

    return fo_stage_move(p->stage, &move, err);
}

static finops_code
try_presign(fo_probe *p, const char *key, finops_error **err)
{
    const finops_presign presign = { .key = key, .seconds = 60, .call = &p->call };
    char *url = NULL;
    finops_code rc = finops_storage_presign(p->storage, &presign, &url, err);

    fo_free(url);
    return rc;
}

static finops_code
try_sweep(fo_probe *p, const char *key, finops_error **err)
{
    return finops_storage_sweep(p->storage, key, 1, &p->call, NULL, NULL, err);
}

static const struct {
    uint64_t feature;
    const char *name;
    finops_code (*try)(fo_probe *p, const char *key, finops_error **err); /* NULL: nothing to ask for */
} rows[] = {
    { FINOPS_STORAGE_FLAT_KEYS, "flat keys", NULL },
    { FINOPS_STORAGE_CREATE_ONLY, "create-only writes", try_create_only },
    { FINOPS_STORAGE_IF_VERSION, "writes that replace one version", try_if_version },
    { FINOPS_STORAGE_REMOVE_IF, "removal of one version", try_remove_if },
    { FINOPS_STORAGE_UNLESS_VERSION, "reads unless a version", try_unless_version },
    { FINOPS_STORAGE_METADATA, "metadata", try_metadata },
    { FINOPS_STORAGE_CHECKSUM, "checksums kept by the service", NULL },
    { FINOPS_STORAGE_PARTS, "uploads in parts", try_parts },
    { FINOPS_STORAGE_COPY, "copies by the service", try_copy },
    { FINOPS_STORAGE_MOVE, "atomic moves", try_move },
    { FINOPS_STORAGE_PRESIGN, "presigned addresses", try_presign },
    { FINOPS_STORAGE_SWEEP, "sweeping of unfinished uploads", try_sweep },
    { FINOPS_STORAGE_SUFFIX, "suffixes in one request", NULL },
};

bool
fo_probe_refuses(fo_probe *p, uint64_t missing)
{
    const char *key = fo_probe_key(p, "here");

    if (!fo_probe_put(p, key, "x"))
        return false;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        finops_error *err = NULL;

        if (!(missing & rows[i].feature))
            continue;
        if (rows[i].try &&
            !fo_probe_fails(p, rows[i].try(p, key, &err), FINOPS_E_UNSUPPORTED, &err, rows[i].name))
            return false;
        return fo_ruling_skip(&p->ruling, "no %s%s", rows[i].name, rows[i].try ? "; they are refused" : "");
    }
    return fo_ruling_skip(&p->ruling, "a feature of a later version");
}
