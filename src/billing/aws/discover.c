/* Finds the billing exports of a bucket or folder. */
#include "billing/aws/discover.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "billing/aws/land.h"

#define READERS 8 /* manifests read at once from object storage, where each costs a round trip */

static int
discover_by_name(const void *a, const void *b)
{
    const fo_export *x = a, *y = b;
    int c = strcmp(x->name, y->name);

    return c ? c : strcmp(x->source_uri, y->source_uri);
}

static int
discover_by_period(const void *a, const void *b)
{
    return strcmp(((const fo_delivery *)a)->period, ((const fo_delivery *)b)->period);
}

/* Whether the month lies within start_date and end_date, which may name days. */
static bool
discover_in_range(const fo_aws_settings *aws, const char *period)
{
    if (aws->start_date && strncmp(period, aws->start_date, 7) < 0)
        return false;
    return !aws->end_date || strncmp(period, aws->end_date, 7) <= 0;
}

static bool
discover_wanted(const fo_aws_settings *aws, const fo_manifest_place *place)
{
    if (aws->export_name && !fo_streq(aws->export_name, place->export_name))
        return false;
    if (aws->cur_version && !fo_streq(aws->cur_version, place->layout == FO_LAYOUT_V1 ? "v1" : "v2"))
        return false;
    return discover_in_range(aws, place->period);
}

/* The current manifest lies right below the period. Where a provider writes only one a execution, the last
 * one counts. */
static bool
discover_newer(const fo_manifest_place *a, const fo_manifest_place *b)
{
    if (!a->execution || !b->execution)
        return !a->execution;
    return strcmp(a->execution, b->execution) > 0;
}

static finops_code
discover_source_uri(const fo_bill_source *source, const char *root, char **ret, finops_error **err)
{
    *ret = fo_format("%s%s/%s", *source->base == '/' ? "file://" : "", source->base, root);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static fo_export *
discover_find(const fo_exports *exports, const char *uri, fo_layout layout)
{
    for (size_t i = 0; i < exports->n; i++)
        if (fo_streq(exports->items[i].source_uri, uri) && exports->items[i].layout == layout)
            return &exports->items[i];
    return NULL;
}

/* Takes *uri over when it makes one. */
static finops_code
discover_export(fo_exports *exports, size_t *cap, char **uri, const fo_manifest_place *place, fo_export **ret,
                finops_error **err)
{
    *ret = discover_find(exports, *uri, place->layout);
    if (*ret)
        return FINOPS_OK;
    if (!fo_grow((void **)&exports->items, cap, exports->n + 1, sizeof(fo_export)))
        return fo_error_oom(err);
    fo_export *e = &exports->items[exports->n];
    *e = (fo_export){ .name = fo_strdup(place->export_name), .layout = place->layout };
    if (!e->name)
        return fo_error_oom(err);
    e->source_uri = FO_TAKE(*uri);
    exports->n++;
    *ret = e;
    return FINOPS_OK;
}

/* Adds the manifest, or lets the newer of two for one month stay. Takes over *place, and *landed (may be
 * NULL). */
static finops_code
discover_delivery(fo_export *e, const char *address, fo_manifest_place *place, char **landed,
                  finops_error **err)
{
    fo_delivery *d = NULL;

    for (size_t i = 0; i < e->n_deliveries && !d; i++)
        if (strcmp(e->deliveries[i].period, place->period) == 0)
            d = &e->deliveries[i];
    if (d && !discover_newer(place, &d->place))
        return FINOPS_OK;
    FO_AUTO(fo_freep) char *copy = fo_strdup(address);
    if (!copy)
        return fo_error_oom(err);
    if (!d) {
        size_t cap = e->n_deliveries;
        if (!fo_grow((void **)&e->deliveries, &cap, e->n_deliveries + 1, sizeof(fo_delivery)))
            return fo_error_oom(err);
        d = &e->deliveries[e->n_deliveries++];
        *d = (fo_delivery){ 0 };
    }
    fo_free(d->manifest_address);
    fo_manifest_place_done(&d->place);
    fo_free(d->landed);
    d->manifest_address = FO_TAKE(copy);
    d->landed = landed ? FO_TAKE(*landed) : NULL;
    memcpy(d->period, place->period, sizeof(d->period));
    d->place = *place;
    *place = (fo_manifest_place){ 0 };
    return FINOPS_OK;
}

/* A month whose files were landed: its record says which version it is and where that came from. */
static finops_code
discover_landed(fo_files *files, const char *address, size_t base, size_t folder, const fo_aws_settings *aws,
                fo_exports *exports, size_t *cap, finops_error **err)
{
    FO_AUTO(fo_manifest_place_done) fo_manifest_place place = { 0 };
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FO_MANIFEST_MAX);
    FO_AUTO(fo_landed_done) fo_landed landed = { 0 };
    bool is = false;
    fo_export *e = NULL;
    finops_code rc = fo_files_read(files, address, FO_MANIFEST_MAX, &text, err);

    if (rc == FINOPS_OK)
        rc = fo_landed_parse(fo_str_z(&text), text.len, address + base, &landed, err);
    if (rc == FINOPS_OK)
        rc = fo_manifest_locate(landed.manifest, &is, &place, err);
    if (rc != FINOPS_OK || !is || !discover_wanted(aws, &place))
        return rc;
    FO_AUTO(fo_freep) char *uri = fo_strdup(landed.source_uri);
    FO_AUTO(fo_freep)
    char *below = fo_format("%.*s/version=%s", (int)folder, address + base, landed.version);
    FO_AUTO(fo_freep)
    char *manifest = below ? fo_format("%.*s%s/%s", (int)base, address, below, landed.manifest) : NULL;
    if (!uri || !manifest)
        return fo_error_oom(err);
    rc = discover_export(exports, cap, &uri, &place, &e, err);
    if (rc == FINOPS_OK)
        rc = discover_delivery(e, manifest, &place, &below, err);
    return rc;
}

static finops_code
discover_one(const char *address, const fo_bill_source *source, const fo_aws_settings *aws,
             fo_exports *exports, size_t *cap, finops_error **err)
{
    FO_AUTO(fo_manifest_place_done) fo_manifest_place place = { 0 };
    FO_AUTO(fo_freep) char *uri = NULL;
    bool is = false;
    fo_export *e = NULL;
    finops_code rc = fo_manifest_locate(address + strlen(source->base) + 1, &is, &place, err);

    if (rc != FINOPS_OK || !is || !discover_wanted(aws, &place))
        return rc;
    rc = discover_source_uri(source, place.root, &uri, err);
    if (rc == FINOPS_OK)
        rc = discover_export(exports, cap, &uri, &place, &e, err);
    return rc == FINOPS_OK ? discover_delivery(e, address, &place, NULL, err) : rc;
}

static finops_code
discover_classify(fo_files *files, const fo_strv *addresses, const fo_bill_source *source,
                  const fo_aws_settings *aws, fo_exports *exports, finops_error **err)
{
    size_t base = strlen(source->base) + 1, cap = 0, folder = 0;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < addresses->n; i++) {
        const char *address = addresses->items[i];

        if (fo_landed_is_record(address + base, &folder))
            rc = discover_landed(files, address, base, folder, aws, exports, &cap, err);
        else if (!fo_landed_is_below(address + base))
            rc = discover_one(address, source, aws, exports, &cap, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    qsort(exports->items, exports->n, sizeof(fo_export), discover_by_name);
    for (size_t i = 0; i < exports->n; i++)
        qsort(exports->items[i].deliveries, exports->items[i].n_deliveries, sizeof(fo_delivery),
              discover_by_period);
    return FINOPS_OK;
}

/* One manifest; what is wrong with it stays with the delivery. */
static void
discover_read(fo_files *files, const fo_bill_source *source, fo_delivery *d)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FO_MANIFEST_MAX);
    const char *label = d->manifest_address + strlen(source->base) + 1;

    if (fo_files_read(files, d->manifest_address, FO_MANIFEST_MAX, &text, &d->error) != FINOPS_OK)
        return;
    if (fo_manifest_parse(fo_str_z(&text), text.len, &d->place, label, &d->manifest, &d->error) != FINOPS_OK)
        return;
    if (source->bucket && !d->landed && d->manifest->bucket &&
        !fo_streq(d->manifest->bucket, source->bucket)) {
        fo_error_set(&d->error, FINOPS_E_DATA, "manifest %s names files in bucket %s, not in %s", label,
                     d->manifest->bucket, source->bucket);
        fo_manifest_free(FO_TAKE(d->manifest));
    }
}

typedef struct discover_work {
    fo_files *files;
    const fo_bill_source *source;
    const fo_cancel *cancel;
    fo_delivery **items;
    size_t n;
    _Atomic size_t next;
} discover_work;

static void *
discover_worker(void *arg)
{
    discover_work *work = arg;
    size_t i;

    while (!fo_cancelled(work->cancel) && (i = atomic_fetch_add(&work->next, 1)) < work->n)
        discover_read(work->files, work->source, work->items[i]);
    return NULL;
}

static finops_code
discover_read_all(fo_files *files, const fo_bill_source *source, const fo_cancel *cancel, fo_exports *exports,
                  finops_error **err)
{
    discover_work work = { .files = files, .source = source, .cancel = cancel };
    pthread_t threads[READERS];
    unsigned running = 0;
    size_t total = 0;

    for (size_t i = 0; i < exports->n; i++)
        total += exports->items[i].n_deliveries;
    FO_AUTO(fo_freep) fo_delivery **items = fo_array(total ? total : 1, sizeof(fo_delivery *));
    if (!items)
        return fo_error_oom(err);
    for (size_t i = 0; i < exports->n; i++)
        for (size_t j = 0; j < exports->items[i].n_deliveries; j++)
            items[work.n++] = &exports->items[i].deliveries[j];
    work.items = items;
    if (source->remote)
        while (running < READERS && running + 1 < work.n &&
               pthread_create(&threads[running], NULL, discover_worker, &work) == 0)
            running++;
    discover_worker(&work);
    for (unsigned i = 0; i < running; i++)
        pthread_join(threads[i], NULL);
    if (fo_cancelled(cancel))
        return fo_error_set(err, FINOPS_E_CANCELLED, "stopped while reading manifests");
    return FINOPS_OK;
}

/* In a local mirror nothing says which bucket it is; all manifests of an export must at least agree. */
static void
discover_check_buckets(fo_exports *exports)
{
    for (size_t i = 0; i < exports->n; i++) {
        const char *first = NULL;
        for (size_t j = 0; j < exports->items[i].n_deliveries; j++) {
            fo_delivery *d = &exports->items[i].deliveries[j];
            if (!d->manifest || !d->manifest->bucket)
                continue;
            if (!first)
                first = d->manifest->bucket;
            if (fo_streq(first, d->manifest->bucket))
                continue;
            fo_error_set(&d->error, FINOPS_E_DATA,
                         "manifest %s names files in bucket %s, other months of %s are in %s",
                         fo_path_base(d->manifest_address), d->manifest->bucket, exports->items[i].name,
                         first);
            fo_manifest_free(FO_TAKE(d->manifest));
        }
    }
}

finops_code
fo_exports_discover(fo_files *files, const fo_aws_settings *aws, bool read, const fo_cancel *cancel,
                    fo_exports *ret, finops_error **err)
{
    FO_AUTO(fo_bill_source_done) fo_bill_source source = { 0 };
    FO_AUTO(fo_exports_done) fo_exports exports = { 0 };
    FO_AUTO(fo_strv_done) fo_strv addresses = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str root = FO_STR_INIT;

    assert(files && aws && ret);
    finops_code rc = fo_bill_source_parse(aws, &source, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(&root, "%s%s%s", source.base, *source.prefix ? "/" : "", source.prefix);
    rc = fo_str_check(&root, err);
    if (rc == FINOPS_OK)
        rc = fo_files_list(files, fo_str_z(&root), "-Manifest.json", &addresses, err);
    if (rc == FINOPS_OK)
        rc = discover_classify(files, &addresses, &source, aws, &exports, err);
    if (rc == FINOPS_OK && read)
        rc = discover_read_all(files, &source, cancel, &exports, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!source.bucket)
        discover_check_buckets(&exports);
    *ret = exports;
    exports = (fo_exports){ 0 };
    return FINOPS_OK;
}

static void
discover_delivery_done(fo_delivery *d)
{
    fo_free(d->manifest_address);
    fo_free(d->landed);
    fo_manifest_place_done(&d->place);
    fo_manifest_free(d->manifest);
    finops_error_free(d->error);
}

void
fo_exports_done(fo_exports *exports)
{
    for (size_t i = 0; i < exports->n; i++) {
        fo_export *e = &exports->items[i];
        for (size_t j = 0; j < e->n_deliveries; j++)
            discover_delivery_done(&e->deliveries[j]);
        fo_free(e->deliveries);
        fo_free(e->name);
        fo_free(e->source_uri);
    }
    fo_free(exports->items);
    *exports = (fo_exports){ 0 };
}
