/* Manifests of AWS billing exports. */
#include "billing/aws/manifest.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define MANIFEST_SUFFIX "-Manifest.json"
#define PERIOD_FOLDER "BILLING_PERIOD="

/* "20241101-20241201" -> "2024-11". */
static bool
manifest_date_range(const char *z, char period[8])
{
    if (strlen(z) != 17 || z[8] != '-')
        return false;
    for (size_t i = 0; i < 17; i++)
        if (i != 8 && !fo_is_digit(z[i]))
            return false;
    memcpy(period, z, 4);
    period[4] = '-';
    memcpy(period + 5, z + 4, 2);
    period[7] = 0;

    int index;
    return fo_period_parse(period, &index);
}

/* "BILLING_PERIOD=2024-11" -> "2024-11". */
static bool
manifest_period_folder(const char *z, char period[8])
{
    int index;

    if (!fo_starts(z, PERIOD_FOLDER) || !fo_period_parse(z + strlen(PERIOD_FOLDER), &index))
        return false;
    memcpy(period, z + strlen(PERIOD_FOLDER), 7);
    period[7] = 0;
    return true;
}

/* Whether parts[at] is the export's folder of a manifest called `file`; sets layout and period. */
static bool
manifest_match(const fo_strv *parts, size_t at, fo_manifest_place *place, size_t *ret_depth)
{
    if (at + 1 < parts->n && manifest_date_range(parts->items[at + 1], place->period)) {
        place->layout = FO_LAYOUT_V1;
        *ret_depth = parts->n - (at + 2);
        return true;
    }
    if (at + 2 < parts->n && fo_streq(parts->items[at + 1], "metadata") &&
        manifest_period_folder(parts->items[at + 2], place->period)) {
        place->layout = FO_LAYOUT_V2;
        *ret_depth = parts->n - (at + 3);
        return true;
    }
    return false;
}

static finops_code
manifest_place_fill(const fo_strv *parts, size_t at, size_t depth, fo_manifest_place *place,
                    finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str root = FO_STR_INIT;

    for (size_t i = 0; i <= at; i++)
        fo_str_addf(&root, "%s%s", i ? "/" : "", parts->items[i]);
    finops_code rc = fo_str_check(&root, err);
    if (rc != FINOPS_OK)
        return rc;
    place->root = fo_str_take(&root);
    place->export_name = fo_strdup(parts->items[at]);
    place->execution = depth == 2 ? fo_strdup(parts->items[parts->n - 2]) : NULL;
    if (!place->root || !place->export_name || (depth == 2 && !place->execution))
        return fo_error_oom(err);
    return FINOPS_OK;
}

finops_code
fo_manifest_locate(const char *key, bool *ret_is, fo_manifest_place *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;
    FO_AUTO(fo_manifest_place_done) fo_manifest_place place = { 0 };

    assert(key && ret_is && ret);
    if (!fo_ends(key, MANIFEST_SUFFIX)) {
        *ret_is = false;
        return FINOPS_OK;
    }
    if (!fo_strv_split(&parts, key, '/'))
        return fo_error_oom(err);

    const char *file = parts.items[parts.n - 1];
    size_t name_len = strlen(file) - strlen(MANIFEST_SUFFIX);
    for (size_t at = 0; at + 1 < parts.n; at++) {
        const char *folder = parts.items[at];
        size_t depth;

        if (strlen(folder) != name_len || strncmp(folder, file, name_len) != 0 || name_len == 0)
            continue;
        if (!manifest_match(&parts, at, &place, &depth) || depth < 1 || depth > 2)
            continue;
        finops_code rc = manifest_place_fill(&parts, at, depth, &place, err);
        if (rc != FINOPS_OK)
            return rc;
        *ret = place;
        place = (fo_manifest_place){ 0 };
        *ret_is = true;
        return FINOPS_OK;
    }
    *ret_is = false;
    return FINOPS_OK;
}

void
fo_manifest_place_done(fo_manifest_place *place)
{
    fo_free(place->export_name);
    fo_free(place->root);
    fo_free(place->execution);
    *place = (fo_manifest_place){ 0 };
}

/* Required text member. */
static finops_code
manifest_text(const json_t *json, const char *member, const char *label, char **ret, finops_error **err)
{
    const char *z = json_string_value(json_object_get(json, member));

    if (!z || !*z)
        return fo_error_set(err, FINOPS_E_DATA, "manifest %s has no \"%s\"", label, member);
    for (const char *p = z; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return fo_error_set(err, FINOPS_E_DATA, "manifest %s: \"%s\" holds control characters", label,
                                member);
    *ret = fo_strdup(z);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

/* A key as written may carry a leading '/' (some old manifests do). It must stay below the export's folder.
 */
static finops_code
manifest_check_key(const char *key, const fo_manifest_place *place, const char *label, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;

    for (const char *p = key; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return fo_error_set(err, FINOPS_E_DATA, "manifest %s names a file with control characters",
                                label);
    if (!fo_strv_split(&parts, key, '/'))
        return fo_error_oom(err);
    for (size_t i = 0; i < parts.n; i++)
        if (fo_streq(parts.items[i], "..") || fo_streq(parts.items[i], "."))
            return fo_error_set(err, FINOPS_E_DATA, "manifest %s names %s, whose path is not plain", label,
                                key);

    size_t root = strlen(place->root);
    if (strncmp(key, place->root, root) != 0 || key[root] != '/')
        return fo_error_set(err, FINOPS_E_DATA,
                            "manifest %s names %s, which is outside its export's folder %s/", label, key,
                            place->root);
    return FINOPS_OK;
}

/*
 * An export mirrored to the top of a local folder has lost the prefix it had in the bucket:
 * "cur/acme/export/…" is then found at "export/…". Only this form of difference is accepted.
 */
static const char *
manifest_strip_lost_prefix(const char *key, const fo_manifest_place *place)
{
    size_t n = strlen(place->export_name);

    if (strchr(place->root, '/') || (strncmp(key, place->root, n) == 0 && key[n] == '/'))
        return key;
    for (const char *p = strchr(key, '/'); p; p = strchr(p + 1, '/'))
        if (strncmp(p + 1, place->export_name, n) == 0 && p[1 + n] == '/')
            return p + 1;
    return key;
}

/* Adds one entry of reportKeys or dataFiles. */
static finops_code
manifest_add_file(fo_manifest *m, const char *entry, const fo_manifest_place *place, const char *label,
                  finops_error **err)
{
    const char *key = entry;

    if (place->layout == FO_LAYOUT_V2) {
        const char *slash = fo_starts(entry, "s3://") ? strchr(entry + 5, '/') : NULL;
        if (!slash)
            return fo_error_set(err, FINOPS_E_DATA, "manifest %s names %s, which is no s3:// address", label,
                                entry);
        FO_AUTO(fo_freep) char *bucket = fo_strndup(entry + 5, (size_t)(slash - entry - 5));
        if (!bucket)
            return fo_error_oom(err);
        if (m->bucket && !fo_streq(m->bucket, bucket))
            return fo_error_set(err, FINOPS_E_DATA,
                                "manifest %s names %s, which is in another bucket than %s", label, entry,
                                m->bucket);
        if (!m->bucket)
            m->bucket = FO_TAKE(bucket);
        key = slash + 1;
    } else if (strstr(entry, "://")) {
        return fo_error_set(err, FINOPS_E_DATA, "manifest %s names %s, which is no key of its bucket", label,
                            entry);
    } else if (*key == '/') {
        key++;
    }
    key = manifest_strip_lost_prefix(key, place);
    finops_code rc = manifest_check_key(key, place, label, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_strv_has(&m->keys, key))
        return fo_error_set(err, FINOPS_E_DATA, "manifest %s names %s twice", label, key);
    return fo_strv_add(&m->keys, key) ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
manifest_files(fo_manifest *m, const json_t *json, const fo_manifest_place *place, const char *label,
               finops_error **err)
{
    const char *member = place->layout == FO_LAYOUT_V2 ? "dataFiles" : "reportKeys";
    const json_t *files = json_object_get(json, member);

    if (!json_is_array(files))
        return fo_error_set(err, FINOPS_E_DATA, "manifest %s has no list \"%s\"", label, member);
    if (json_array_size(files) > FO_MANIFEST_FILES_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "manifest %s lists %zu files, more than %d", label,
                            json_array_size(files), FO_MANIFEST_FILES_MAX);
    for (size_t i = 0; i < json_array_size(files); i++) {
        const char *entry = json_string_value(json_array_get(files, i));
        if (!entry)
            return fo_error_set(err, FINOPS_E_DATA, "manifest %s: %s[%zu] is no text", label, member, i);
        finops_code rc = manifest_add_file(m, entry, place, label, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static bool
manifest_says_parquet(const fo_manifest *m, const json_t *json)
{
    const char *type = json_string_value(json_object_get(json, "contentType"));
    const char *compression = json_string_value(json_object_get(json, "compression"));

    if (m->keys.n > 0)
        return fo_ends(m->keys.items[0], ".parquet");
    return (type && strcasestr(type, "parquet")) || (compression && strcasestr(compression, "parquet"));
}

/* The FOCUS table an export selects from, "FOCUS_1_0_AWS", or NULL for a CUR. Not terminated. */
static const char *
manifest_focus_table(json_t *json)
{
    const char *query = json_string_value(json_object_get(json, "query"));
    const char *from = query ? strcasestr(query, "FROM FOCUS_") : NULL;
    json_t *tables = json_object_get(json, "tableConfigurations");
    const char *table;
    json_t *ignored;

    if (from)
        return from + strlen("FROM ");
    json_object_foreach(tables, table, ignored) if (fo_starts(table, "FOCUS_")) return table;
    return NULL;
}

/* "v1", "v2", or "focus-1.2" for FOCUS_1_2_AWS. */
static void
manifest_set_format(fo_manifest *m, json_t *json, fo_layout layout)
{
    const char *table = layout == FO_LAYOUT_V2 ? manifest_focus_table(json) : NULL;
    const char *v = table ? table + strlen("FOCUS_") : NULL;

    if (v && fo_is_digit(v[0]) && v[1] == '_' && fo_is_digit(v[2]))
        snprintf(m->format, sizeof(m->format), "focus-%c.%c", v[0], v[2]);
    else
        snprintf(m->format, sizeof(m->format), "%s",
                 table                    ? "focus-1.0"
                 : layout == FO_LAYOUT_V1 ? "v1"
                                          : "v2");
}

finops_code
fo_manifest_parse(const char *text, size_t len, const fo_manifest_place *place, const char *label,
                  fo_manifest **ret, finops_error **err)
{
    FO_AUTO(fo_manifest_freep) fo_manifest *m = fo_zalloc(sizeof(*m));
    json_error_t why;

    assert(text && place && label && ret);
    if (!m)
        return fo_error_oom(err);
    FO_AUTO(json_decrefp) json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!json)
        return fo_error_set(err, FINOPS_E_DATA, "manifest %s line %d is not JSON: %s", label, why.line,
                            why.text);
    if (!json_is_object(json))
        return fo_error_set(err, FINOPS_E_DATA, "manifest %s is not a JSON object", label);

    finops_code rc = manifest_text(json, place->layout == FO_LAYOUT_V2 ? "executionId" : "assemblyId", label,
                                   &m->version_id, err);
    if (rc != FINOPS_OK)
        return rc;
    const char *account = json_string_value(json_object_get(json, "account"));
    if (account && *account && !(m->account = fo_strdup(account)))
        return fo_error_oom(err);
    const char *bucket = json_string_value(json_object_get(json, "bucket"));
    if (place->layout == FO_LAYOUT_V1 && bucket && *bucket && !(m->bucket = fo_strdup(bucket)))
        return fo_error_oom(err);
    rc = manifest_files(m, json, place, label, err);
    if (rc != FINOPS_OK)
        return rc;
    m->parquet = manifest_says_parquet(m, json);
    manifest_set_format(m, json, place->layout);
    *ret = FO_TAKE(m);
    return FINOPS_OK;
}

void
fo_manifest_free(fo_manifest *manifest)
{
    if (!manifest)
        return;
    fo_free(manifest->version_id);
    fo_free(manifest->account);
    fo_free(manifest->bucket);
    fo_strv_done(&manifest->keys);
    fo_free(manifest);
}

void
fo_manifest_freep(fo_manifest **manifest)
{
    fo_manifest_free(*manifest);
    *manifest = NULL;
}
