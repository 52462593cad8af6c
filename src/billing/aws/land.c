/* Raw files of deliveries into a storage of the user's, and the record that finds them again. */
#include "billing/aws/land.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define LANDED "system=aws/table=cur/"
#define RECORD "/current-Manifest.json"
#define RECORD_MAX ((size_t)16 << 20)
#define BUFFER ((size_t)256 << 10)
#define DAY_US (INT64_C(86400) * 1000000)
#define SUM 32

/* ---- one file ---- */

static void
sum_text(uint64_t crc, char sum[SUM])
{
    (void)snprintf(sum, SUM, "crc64nvme:%016" PRIx64, crc);
}

/* Reads all of an object, into the writer unless that is NULL, and sums it up. */
static finops_code
pump(finops_reader *reader, finops_writer *writer, char sum[SUM], finops_error **err)
{
    FO_AUTO(fo_freep) char *buffer = fo_alloc(BUFFER);
    finops_code rc = buffer ? FINOPS_OK : fo_error_oom(err);
    int64_t left = reader->length;
    uint64_t crc = 0;

    while (rc == FINOPS_OK && left > 0) {
        size_t n = 0;

        rc = reader->read(reader, buffer, BUFFER, &n, err);
        if (rc == FINOPS_OK && n == 0)
            rc = fo_error_set(err, FINOPS_E_TRANSIENT, "%" PRId64 " bytes are missing at the end", left);
        if (rc == FINOPS_OK && writer)
            rc = writer->write(writer, buffer, n, err);
        crc = fo_crc64nvme(crc, buffer, n);
        left -= (int64_t)n;
    }
    sum_text(crc, sum);
    return rc;
}

static bool
keeps_sum(const finops_object *object)
{
    return object->checksum && fo_starts(object->checksum, "crc64nvme:");
}

/* The checksum of what is stored, read back where the service keeps none. */
static finops_code
sum_of(finops_storage *storage, const finops_object *object, const finops_call *call, char sum[SUM],
       finops_error **err)
{
    const finops_get get = { .key = object->key, .length = -1, .call = call };
    finops_reader *reader = NULL;
    finops_code rc;

    if (keeps_sum(object)) {
        (void)snprintf(sum, SUM, "%s", object->checksum);
        return FINOPS_OK;
    }
    rc = finops_storage_read(storage, &get, &reader, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = pump(reader, NULL, sum, err);
    reader->close(reader);
    return rc;
}

static bool
is_missing(finops_code rc, finops_error **err)
{
    if (rc == FINOPS_E_NOT_FOUND && err)
        finops_error_freep(err);
    return rc == FINOPS_E_NOT_FOUND;
}

/* Where nothing is kept beside the bytes, nothing is asked to be. */
static bool
keeps_types(const finops_storage *storage)
{
    return (finops_storage_features(storage) & FINOPS_STORAGE_METADATA) != 0;
}

/* A file on its way, and what is known of it. */
typedef struct land_one {
    finops_storage *from, *to;
    const char *key, *to_key;
    const finops_call *call;
    int64_t known_size; /* of the record of this version; -1: there is none */
    const char *known_sum;
    finops_object source, there;
    char sum[SUM]; /* of the source */
} land_one;

static void
land_one_done(land_one *f)
{
    finops_object_done(&f->source);
    finops_object_done(&f->there);
}

/* Whether what lies in the target is the file. Of a source that keeps no checksum the record's counts, so
 * that it is not read every night. */
static finops_code
is_landed(land_one *f, bool *ret, finops_error **err)
{
    char landed[SUM] = "";
    finops_code rc = finops_storage_stat(f->to, f->to_key, f->call, &f->there, err);

    *ret = false;
    if (is_missing(rc, err) || (rc == FINOPS_OK && f->there.size != f->source.size))
        return FINOPS_OK;
    if (rc == FINOPS_OK && !keeps_sum(&f->source) && f->known_size == f->source.size)
        (void)snprintf(f->sum, SUM, "%s", f->known_sum);
    else if (rc == FINOPS_OK)
        rc = sum_of(f->from, &f->source, f->call, f->sum, err);
    if (rc == FINOPS_OK)
        rc = sum_of(f->to, &f->there, f->call, landed, err);
    *ret = rc == FINOPS_OK && strcmp(f->sum, landed) == 0;
    return rc;
}

static finops_code
copy_file(land_one *f, finops_error **err)
{
    bool types = keeps_types(f->to);
    const finops_get get = { .key = f->key, .length = -1, .if_version = f->source.version, .call = f->call };
    const finops_put put = { .key = f->to_key,
                             .size = f->source.size,
                             .content_type = types ? f->source.content_type : NULL,
                             .content_encoding = types ? f->source.content_encoding : NULL,
                             .call = f->call };
    finops_reader *reader = NULL;
    finops_writer *writer = NULL;
    finops_code rc = finops_storage_read(f->from, &get, &reader, err);

    if (rc == FINOPS_OK)
        rc = finops_storage_write(f->to, &put, NULL, &writer, err);
    if (rc == FINOPS_OK)
        rc = pump(reader, writer, f->sum, err);
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, NULL, err);
    if (writer)
        writer->close(writer);
    if (reader)
        reader->close(reader);
    return rc;
}

/* What was written is looked at before it counts. */
static finops_code
check_file(land_one *f, finops_error **err)
{
    char landed[SUM] = "";
    finops_code rc;

    finops_object_done(&f->there);
    rc = finops_storage_stat(f->to, f->to_key, f->call, &f->there, err);
    if (rc == FINOPS_OK)
        rc = sum_of(f->to, &f->there, f->call, landed, err);
    if (rc == FINOPS_OK && (f->there.size != f->source.size || strcmp(f->sum, landed) != 0))
        rc = fo_error_set(err, FINOPS_E_CORRUPT, "%s is not what %s is", f->to_key, f->key);
    return rc;
}

/* Copies a file unless the same is there. */
static finops_code
land_file(land_one *f, fo_land_counts *counts, finops_error **err)
{
    bool landed = false;
    finops_code rc = finops_storage_stat(f->from, f->key, f->call, &f->source, err);

    if (rc == FINOPS_OK)
        rc = is_landed(f, &landed, err);
    if (rc == FINOPS_OK && !landed)
        rc = copy_file(f, err);
    if (rc == FINOPS_OK && !landed)
        rc = check_file(f, err);
    if (rc != FINOPS_OK)
        return rc;
    counts->files += !landed;
    counts->skipped += landed;
    counts->bytes += landed ? 0 : f->source.size;
    return FINOPS_OK;
}

/* ---- a delivery ---- */

typedef struct landing {
    finops_storage *from, *to;
    const fo_delivery *delivery;
    const finops_call *call;
    fo_land_counts *counts;
    char *folder; /* of the period */
    json_t *files;
    char *record_key;
    char *record; /* the text of the record that is there; NULL: none */
    size_t record_n;
    json_t *known; /* the files of that record, when it is of this version */
} landing;

static void
landing_done(landing *l)
{
    fo_free(l->folder);
    fo_free(l->record_key);
    free(l->record);
    json_decref(l->known);
    json_decref(l->files);
}

/* What the record of this very version says of a file. */
static void
know(const landing *l, land_one *f)
{
    size_t i;
    json_t *file;

    f->known_size = -1;
    json_array_foreach(l->known, i, file)
    {
        const char *sum = json_string_value(json_object_get(file, "checksum"));

        if (!sum || strlen(sum) >= SUM || !fo_streq(json_string_value(json_object_get(file, "key")), f->key))
            continue;
        f->known_size = json_integer_value(json_object_get(file, "size"));
        f->known_sum = sum;
        return;
    }
}

static finops_code
land_key(landing *l, const char *key, finops_error **err)
{
    FO_AUTO(fo_freep)
    char *to = fo_format("%s/version=%s/%s", l->folder, l->delivery->manifest->version_id, key);
    FO_AUTO(land_one_done)
    land_one f = { .from = l->from, .to = l->to, .key = key, .to_key = to, .call = l->call };
    json_t *file;
    finops_code rc;

    if (!to)
        return fo_error_oom(err);
    know(l, &f);
    rc = land_file(&f, l->counts, err);
    if (rc != FINOPS_OK)
        return rc;
    file = json_pack("{s:s, s:I, s:s}", "key", key, "size", (json_int_t)f.source.size, "checksum", f.sum);
    return json_array_append_new(l->files, file) == 0 ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
read_record(landing *l, finops_error **err)
{
    const finops_get get = { .key = l->record_key, .length = -1, .call = l->call };
    finops_code rc = finops_storage_read_all(l->to, &get, RECORD_MAX, &l->record, &l->record_n, NULL, err);
    json_t *root;

    if (is_missing(rc, err))
        return FINOPS_OK;
    root = rc == FINOPS_OK ? json_loadb(l->record, l->record_n, 0, NULL) : NULL;
    if (fo_streq(json_string_value(json_object_get(root, "version")), l->delivery->manifest->version_id))
        l->known = json_incref(json_object_get(root, "files"));
    json_decref(root);
    return rc;
}

/* Written only when it would say something else: an unchanged month changes nothing. */
static finops_code
write_record(landing *l, const char *source_uri, const char *manifest_key, finops_error **err)
{
    const finops_put put = { .key = l->record_key,
                             .content_type = keeps_types(l->to) ? "application/json" : NULL,
                             .call = l->call };
    json_t *record = json_pack("{s:s, s:s, s:s, s:O}", "version", l->delivery->manifest->version_id, "source",
                               source_uri, "manifest", manifest_key, "files", l->files);
    char *text = record ? json_dumps(record, JSON_INDENT(1)) : NULL;
    finops_code rc = FINOPS_OK;

    json_decref(record);
    if (!text)
        return fo_error_oom(err);
    if (!l->record || l->record_n != strlen(text) || memcmp(text, l->record, l->record_n) != 0)
        rc = finops_storage_put(l->to, &put, text, strlen(text), NULL, err);
    free(text);
    return rc;
}

finops_code
fo_land_delivery(finops_storage *from, finops_storage *to, const fo_bill_source *source,
                 const fo_export *export, const fo_delivery *delivery, const finops_call *call,
                 fo_land_counts *ret, finops_error **err)
{
    const char *manifest_key = delivery->manifest_address + strlen(source->base) + 1;
    FO_AUTO(landing_done)
    landing l = { .from = from, .to = to, .delivery = delivery, .call = call, .counts = ret };
    finops_code rc;

    assert(delivery->manifest && !delivery->landed);
    l.folder = fo_format(LANDED "export=%s/period=%s", export->name, delivery->period);
    l.record_key = l.folder ? fo_format("%s%s", l.folder, RECORD) : NULL;
    l.files = json_array();
    if (!l.record_key || !l.files)
        return fo_error_oom(err);
    rc = read_record(&l, err);
    for (size_t i = 0; rc == FINOPS_OK && i < delivery->manifest->keys.n; i++)
        rc = land_key(&l, delivery->manifest->keys.items[i], err);
    if (rc == FINOPS_OK)
        rc = land_key(&l, manifest_key, err);
    if (rc == FINOPS_OK)
        rc = write_record(&l, export->source_uri, manifest_key, err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "land %s %s", export->name, delivery->period);
}

static bool
count_swept(const finops_object *object, void *arg)
{
    (void)object;
    ++*(uint64_t *)arg;
    return true;
}

uint64_t
fo_land_sweep(finops_storage *to, const fo_export *export, const finops_call *call)
{
    FO_AUTO(fo_freep) char *folder = fo_format(LANDED "export=%s/", export->name);
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    uint64_t swept = 0;

    if (!folder || !(finops_storage_features(to) & FINOPS_STORAGE_SWEEP))
        return 0;
    if (finops_storage_sweep(to, folder, fo_clock_now() - DAY_US, call, count_swept, &swept, &err) !=
        FINOPS_OK)
        fo_debug("%s", finops_error_text(err));
    return swept;
}

/* ---- finding them again ---- */

bool
fo_landed_is_below(const char *key)
{
    const char *at = strstr(key, LANDED);

    return at && (at == key || at[-1] == '/');
}

bool
fo_landed_is_record(const char *key, size_t *ret_folder)
{
    const char *period = strstr(key, "/period=");

    if (!fo_landed_is_below(key) || !period || !fo_ends(key, RECORD))
        return false;
    *ret_folder = strlen(key) - strlen(RECORD);
    return strchr(period + 1, '/') == key + *ret_folder;
}

void
fo_landed_done(fo_landed *landed)
{
    fo_free(landed->version);
    fo_free(landed->source_uri);
    fo_free(landed->manifest);
    *landed = (fo_landed){ 0 };
}

finops_code
fo_landed_parse(const char *text, size_t n, const char *label, fo_landed *ret, finops_error **err)
{
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
    const char *version = NULL, *source = NULL, *manifest = NULL;
    fo_landed landed = { 0 };
    finops_code rc = FINOPS_OK;

    if (!root || json_unpack(root, "{s:s, s:s, s:s}", "version", &version, "source", &source, "manifest",
                             &manifest) != 0)
        rc = fo_error_set(err, FINOPS_E_DATA, "%s is no record of landed files", label);
    if (rc == FINOPS_OK &&
        (strchr(version, '/') || !fo_path_is_below(version) || !fo_path_is_below(manifest)))
        rc = fo_error_set(err, FINOPS_E_DATA, "%s names a version or manifest that cannot be", label);
    if (rc == FINOPS_OK) {
        landed = (fo_landed){ fo_strdup(version), fo_strdup(source), fo_strdup(manifest) };
        if (!landed.version || !landed.source_uri || !landed.manifest) {
            fo_landed_done(&landed);
            rc = fo_error_oom(err);
        }
    }
    json_decref(root);
    if (rc == FINOPS_OK)
        *ret = landed;
    return rc;
}
