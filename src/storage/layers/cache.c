/*
 * What was read is kept on disk, and used again while the storage says that it is still that version; within
 * `fresh` seconds nobody is asked. An entry is the whole object or a range that was asked for; a range of a
 * whole one is served from it. What is written or removed here is forgotten here at once.
 *
 * Whether a version is still not there (unless_version) is the storage's to answer. Nothing that goes wrong
 * with the folder is a failure of a call.
 */
#include "storage/layers/cache.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "storage/layers/cache_folder.h"
#include "storage/object.h"

typedef struct cache_layer {
    fo_pass pass;
    fo_cache_folder folder;
    char *address;
    uint64_t max_object;
    int64_t fresh_us;
    atomic_ullong hits, misses, revalidated, corrupt;
} cache_layer;

static const finops_option cache_options[] = {
    { "folder", FINOPS_OPT_STRING, offsetof(fo_cache_config, folder), .arg = "PATH",
      .help = "Keep what was read in this folder; several processes may share it." },
    { "size", FINOPS_OPT_SIZE, offsetof(fo_cache_config, size), .value = "1GiB", .min = 1 << 20,
      .max = (int64_t)1 << 50, .help = "Bytes that are kept; what was not used for longest goes first." },
    { "max_object", FINOPS_OPT_SIZE, offsetof(fo_cache_config, max_object), .value = "64MiB", .min = 1,
      .max = (int64_t)1 << 50, .help = "Larger objects and ranges are not kept." },
    { "fresh", FINOPS_OPT_INT, offsetof(fo_cache_config, fresh), .value = "0", .min = 0, .max = 31536000,
      .help = "Seconds for which an entry is used without asking the storage whether it is still right." },
    { 0 },
};

/* Before a write: what is being read now is not kept. */
static fo_cache_place
begin_write(cache_layer *c, const char *key)
{
    fo_cache_place place = fo_cache_place_of(&c->folder, c->address, key);

    atomic_fetch_add(place.generation, 1);
    return place;
}

/* After it: nor is what was kept, whether the write succeeded or not. */
static finops_code
end_write(cache_layer *c, const fo_cache_place *place, finops_code rc)
{
    fo_cache_forget(&c->folder, place);
    return rc;
}

/* ---- reading ---- */

typedef struct cache_reader {
    finops_reader base;
    cache_layer *layer;
    finops_reader *below; /* NULL: from the entry */
    fo_cache_entry entry; /* fd -1: none */
    fo_cache_new new;     /* fd -1: nothing is kept */
    fo_cache_place place;
    unsigned generation;
    char name[FO_CACHE_NAME]; /* of the entry */
    int64_t done;
    const finops_call *call;
} cache_reader;

/* Of the entry of a whole object, or of the range that is asked for. */
static void
name_entry(const fo_cache_place *place, const finops_get *get, char name[FO_CACHE_NAME])
{
    if (!get)
        (void)snprintf(name, FO_CACHE_NAME, "%s/w", place->folder);
    else if (get->suffix > 0)
        (void)snprintf(name, FO_CACHE_NAME, "%s/s%" PRId64, place->folder, get->suffix);
    else
        (void)snprintf(name, FO_CACHE_NAME, "%s/o%" PRId64 "-%" PRId64, place->folder, get->offset,
                       get->length < 0 ? -1 : get->length);
}

/* The entry is damaged: it goes, and the rest comes from the storage, of the same version. */
static finops_code
reopen(cache_reader *r, finops_error **err)
{
    cache_layer *c = r->layer;
    const finops_get rest = { .key = r->base.object.key,
                              .offset = r->base.offset + r->done,
                              .length = r->base.length - r->done,
                              .if_version = r->base.object.version,
                              .call = r->call };

    atomic_fetch_add(&c->corrupt, 1);
    fo_cache_remove(&c->folder, r->name);
    return FO_BELOW(c, read)(FO_SELF(c), &rest, &r->below, err);
}

static finops_code
read_entry(cache_reader *r, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    int64_t left = r->base.length - r->done;

    if (left == 0) {
        *ret_n = 0;
        return FINOPS_OK;
    }
    if ((int64_t)n > left)
        n = (size_t)left;
    *ret_n = fo_cache_entry_read(&r->entry, r->base.offset - r->entry.offset + r->done, buffer, n);
    r->done += (int64_t)*ret_n;
    return *ret_n > 0 ? FINOPS_OK : reopen(r, err);
}

/* Unless it was written meanwhile; also just now, which is why that is looked at again. */
static void
keep(cache_reader *r)
{
    fo_cache_folder *folder = &r->layer->folder;

    if (atomic_load(r->place.generation) == r->generation)
        fo_cache_new_commit(folder, &r->new, &r->place, r->name);
    fo_cache_new_drop(folder, &r->new);
    if (atomic_load(r->place.generation) != r->generation)
        fo_cache_remove(folder, r->name);
}

/* At its end it is known to be complete and, where the storage checks that, right. */
static finops_code
read_below(cache_reader *r, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    size_t got = 0;
    finops_code rc = r->below->read(r->below, buffer, n, &got, err);

    if (rc != FINOPS_OK) {
        fo_cache_new_drop(&r->layer->folder, &r->new);
        return rc;
    }
    r->done += (int64_t)got;
    fo_cache_new_add(&r->new, buffer, got > 0 ? got : 0);
    if (got == 0 && r->new.fd >= 0 && r->done == r->base.length)
        keep(r);
    *ret_n = got;
    return FINOPS_OK;
}

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    cache_reader *r = (cache_reader *)reader;
    size_t got = 0;
    finops_code rc = FINOPS_OK;

    if (!r->below)
        rc = read_entry(r, buffer, n, &got, err);
    if (rc == FINOPS_OK && got == 0 && r->below)
        rc = read_below(r, buffer, n, &got, err);
    if (rc == FINOPS_OK)
        *ret_n = got;
    return rc;
}

static void
reader_close(finops_reader *reader)
{
    cache_reader *r = (cache_reader *)reader;
    char end;
    size_t got = 1;

    if (!r)
        return;
    /* Who knows the size does not ask for the end; the storage does, which has still to say that it is right.
     */
    if (r->new.fd >= 0 && r->done == r->base.length &&
        r->below->read(r->below, &end, 1, &got, NULL) == FINOPS_OK &&got == 0)
        keep(r);
    if (r->below)
        r->below->close(r->below);
    fo_cache_new_drop(&r->layer->folder, &r->new);
    fo_cache_entry_close(&r->entry);
    fo_free(r);
}

/* ---- hit or miss ---- */

static bool
open_entry(cache_reader *r, const finops_get *get)
{
    cache_layer *c = r->layer;
    bool damaged = false;

    name_entry(&r->place, NULL, r->name);
    if (fo_cache_entry_open(&c->folder, r->name, &r->entry, &damaged))
        return true;
    if (!damaged) {
        name_entry(&r->place, get, r->name);
        if (fo_cache_entry_open(&c->folder, r->name, &r->entry, &damaged))
            return true;
    }
    r->entry.fd = -1;
    if (damaged) {
        atomic_fetch_add(&c->corrupt, 1);
        fo_cache_remove(&c->folder, r->name);
    }
    return false;
}

/* Two objects of one hash there are none; a folder that was tampered with there may be. */
static finops_code
serve(cache_reader *r, const finops_get *get, finops_error **err)
{
    int64_t offset = 0, length = 0;
    finops_code rc = fo_get_resolve(get, r->entry.object.size, &offset, &length, err);

    if (rc != FINOPS_OK)
        return rc;
    atomic_fetch_add(&r->layer->hits, 1);
    r->base.object = r->entry.object;
    r->base.offset = offset;
    r->base.length = length;
    return FINOPS_OK;
}

static finops_code
fetch(cache_reader *r, const finops_get *get, finops_error **err)
{
    cache_layer *c = r->layer;
    finops_code rc;

    if (!r->below) {
        r->generation = atomic_load(r->place.generation);
        rc = FO_BELOW(c, read)(FO_SELF(c), get, &r->below, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    atomic_fetch_add(&c->misses, 1);
    r->base.object = r->below->object;
    r->base.offset = r->below->offset;
    r->base.length = r->below->length;
    name_entry(&r->place, r->base.offset == 0 && r->base.length == r->base.object.size ? NULL : get, r->name);
    if (r->base.object.version && r->base.object.key && r->base.length >= 0 &&
        (uint64_t)r->base.length <= c->max_object && r->place.folder[0])
        fo_cache_new_begin(&c->folder, &r->base.object, r->base.offset, r->base.length, &r->new);
    return FINOPS_OK;
}

/* Whether the entry is still right. When it is not, r->below may have the new bytes already. */
static finops_code
ask(cache_reader *r, const finops_get *get, bool *ret_right, finops_error **err)
{
    cache_layer *c = r->layer;
    finops_get changed = *get;
    finops_object now = { 0 };
    finops_error *why = NULL;
    finops_code rc;

    *ret_right = false;
    if (!(fo_stage_features(&c->pass.below) & FINOPS_STORAGE_UNLESS_VERSION)) {
        rc = FO_BELOW(c, stat)(FO_SELF(c), get->key, get->call, &now, err);
        *ret_right = rc == FINOPS_OK && fo_streq(now.version, r->entry.object.version);
        finops_object_done(&now);
        return rc;
    }
    changed.unless_version = r->entry.object.version;
    changed.if_version = NULL; /* the same, or nothing is to come */
    r->generation = atomic_load(r->place.generation);
    rc = FO_BELOW(c, read)(FO_SELF(c), &changed, &r->below, &why);
    *ret_right = rc == FINOPS_E_UNCHANGED;
    if (rc == FINOPS_OK || *ret_right) {
        finops_error_free(why);
        return FINOPS_OK;
    }
    if (err)
        *err = FO_TAKE(why);
    finops_error_free(why);
    return rc;
}

static finops_code
open_cached(cache_reader *r, const finops_get *get, finops_error **err)
{
    cache_layer *c = r->layer;
    bool right = fo_clock_now() - r->entry.checked_us < c->fresh_us;
    finops_code rc;

    if (get->if_version && !fo_streq(get->if_version, r->entry.object.version)) {
        fo_cache_entry_close(&r->entry);
        return fetch(r, get, err);
    }
    if (right) {
        fo_cache_entry_touch(&r->entry, false);
        return serve(r, get, err);
    }
    rc = ask(r, get, &right, err);
    if (rc == FINOPS_OK && right) {
        atomic_fetch_add(&c->revalidated, 1);
        fo_cache_entry_touch(&r->entry, true);
        return serve(r, get, err);
    }
    fo_cache_entry_close(&r->entry);
    fo_cache_forget(&c->folder, &r->place);
    r->generation = atomic_load(r->place.generation);
    if (get->if_version && r->below) { /* it is another: the storage says so */
        r->below->close(r->below);
        r->below = NULL;
    }
    return rc == FINOPS_OK ? fetch(r, get, err) : rc;
}

static finops_code
cache_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    cache_layer *c = self;
    cache_reader *r;
    finops_code rc;

    if (get->unless_version)
        return FO_BELOW(c, read)(FO_SELF(c), get, ret, err);
    r = fo_zalloc(sizeof(*r));
    if (!r)
        return fo_error_oom(err);
    r->base = (finops_reader){ .read = reader_read, .close = reader_close };
    r->layer = c;
    r->call = get->call;
    r->entry.fd = r->new.fd = -1;
    r->place = fo_cache_place_of(&c->folder, c->address, get->key);
    rc = open_entry(r, get) ? open_cached(r, get, err) : fetch(r, get, err);
    if (rc == FINOPS_OK)
        *ret = &r->base;
    else
        reader_close(&r->base);
    return rc;
}

/* ---- writing ---- */

static finops_code
cache_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
          finops_error **err)
{
    cache_layer *c = self;
    fo_cache_place place = begin_write(c, put->key);

    return end_write(c, &place, FO_BELOW(c, put)(FO_SELF(c), put, data, n, ret, err));
}

static finops_code
cache_remove(void *self, const finops_remove *remove, finops_error **err)
{
    cache_layer *c = self;
    fo_cache_place place = begin_write(c, remove->key);

    return end_write(c, &place, FO_BELOW(c, remove)(FO_SELF(c), remove, err));
}

static finops_code
cache_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                  finops_each_removed each, void *arg, finops_error **err)
{
    cache_layer *c = self;
    finops_code rc;

    for (size_t i = 0; i < n; i++)
        (void)begin_write(c, keys[i]);
    rc = FO_BELOW(c, remove_many)(FO_SELF(c), keys, n, call, each, arg, err);
    for (size_t i = 0; i < n; i++) {
        fo_cache_place place = begin_write(c, keys[i]);
        (void)end_write(c, &place, rc);
    }
    return rc;
}

static finops_code
cache_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    cache_layer *c = self;
    fo_cache_place place = begin_write(c, copy->to);

    return end_write(c, &place, FO_BELOW(c, copy)(FO_SELF(c), copy, ret, err));
}

static finops_code
cache_move(void *self, const finops_copy *move, finops_error **err)
{
    cache_layer *c = self;
    fo_cache_place from = begin_write(c, move->from), to = begin_write(c, move->to);
    finops_code rc = FO_BELOW(c, move)(FO_SELF(c), move, err);

    (void)end_write(c, &from, rc);
    return end_write(c, &to, rc);
}

typedef struct cache_upload {
    fo_pass_upload pass;
    char *key;
} cache_upload;

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    cache_upload *u = (cache_upload *)upload;

    return u->pass.below->part(u->pass.below, number, offset, data, n, call, err);
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    cache_upload *u = (cache_upload *)upload;
    fo_cache_place place = begin_write(u->pass.layer, u->key);

    return end_write(u->pass.layer, &place,
                     u->pass.below->commit(u->pass.below, parts, size, call, ret, err));
}

static void
upload_close(finops_upload *upload)
{
    cache_upload *u = (cache_upload *)upload;

    if (u)
        fo_free(u->key);
    fo_pass_upload_close(upload);
}

static finops_code
cache_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    cache_layer *c = self;
    cache_upload *u = fo_zalloc(sizeof(*u));
    finops_code rc = FINOPS_OK;

    if (u)
        u->key = fo_strdup(put->key);
    if (!u || !u->key)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = FO_BELOW(c, upload)(FO_SELF(c), put, &u->pass.below, err);
    if (rc != FINOPS_OK) {
        upload_close(u ? &u->pass.base : NULL);
        return rc;
    }
    fo_pass_upload_ready(&u->pass, c, upload_part, upload_commit);
    u->pass.base.close = upload_close;
    *ret = &u->pass.base;
    return FINOPS_OK;
}

typedef struct cache_writer {
    finops_writer base;
    finops_writer *below;
    cache_layer *layer;
    char *key;
} cache_writer;

static finops_code
writer_write(finops_writer *writer, const void *data, size_t n, finops_error **err)
{
    cache_writer *w = (cache_writer *)writer;

    return w->below->write(w->below, data, n, err);
}

static finops_code
writer_commit(finops_writer *writer, finops_object *ret, finops_error **err)
{
    cache_writer *w = (cache_writer *)writer;
    fo_cache_place place = begin_write(w->layer, w->key);

    return end_write(w->layer, &place, w->below->commit(w->below, ret, err));
}

static void
writer_close(finops_writer *writer)
{
    cache_writer *w = (cache_writer *)writer;

    if (!w)
        return;
    if (w->below)
        w->below->close(w->below);
    fo_free(w->key);
    fo_free(w);
}

static finops_code
cache_write(void *self, const finops_put *put, finops_writer **ret, finops_error **err)
{
    cache_layer *c = self;
    cache_writer *w = fo_zalloc(sizeof(*w));
    finops_code rc = FINOPS_OK;

    if (w)
        w->key = fo_strdup(put->key);
    if (!w || !w->key)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = FO_BELOW(c, write)(FO_SELF(c), put, &w->below, err);
    if (rc != FINOPS_OK) {
        writer_close(w ? &w->base : NULL);
        return rc;
    }
    w->layer = c;
    w->base = (finops_writer){ .write = writer_write, .commit = writer_commit, .close = writer_close };
    *ret = &w->base;
    return FINOPS_OK;
}

/* ---- the layer ---- */

static const finops_storage_driver slots = {
    .read = cache_read,
    .put = cache_put,
    .remove = cache_remove,
    .upload = cache_upload_begin,
    .write = cache_write,
    .remove_many = cache_remove_many,
    .copy = cache_copy,
    .move = cache_move,
};

static void
cache_done(void *self)
{
    cache_layer *c = self;

    fo_cache_folder_close(&c->folder);
    fo_free(c->address);
}

static finops_code
cache_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
{
    const fo_cache_config *config_ = config;
    finops_code rc = FINOPS_OK;
    cache_layer *c;

    if (!config_->folder) {
        *ret = below;
        return FINOPS_OK;
    }
    c = fo_pass_new(&fo_cache_layer, sizeof(*c), &slots, below, &rc, err);
    if (!c)
        return rc;
    c->pass.done = cache_done;
    c->max_object = config_->max_object < config_->size ? config_->max_object : config_->size;
    c->fresh_us = config_->fresh * 1000000;
    rc = fo_cache_folder_open(config_->folder, config_->size, &c->folder, err);
    c->address = rc == FINOPS_OK ? fo_strdup(address) : NULL;
    if (rc == FINOPS_OK && !c->address)
        rc = fo_error_oom(err);
    if (rc != FINOPS_OK) {
        fo_pass_drop(&c->pass);
        return fo_error_wrap(err, rc, "cache of %s", address);
    }
    *ret = fo_pass_stage(&c->pass);
    return FINOPS_OK;
}

const fo_layer fo_cache_layer = {
    .name = "cache",
    .options = cache_options,
    .config_size = sizeof(fo_cache_config),
    .wrap = cache_wrap,
};

bool
fo_cache_read_figures(const fo_stage *stage, fo_cache_figures *ret)
{
    cache_layer *c = fo_pass_find(stage, &fo_cache_layer);

    if (!c)
        return false;
    *ret = (fo_cache_figures){ .hits = atomic_load(&c->hits),
                               .misses = atomic_load(&c->misses),
                               .revalidated = atomic_load(&c->revalidated),
                               .corrupt = atomic_load(&c->corrupt),
                               .evicted = atomic_load(&c->folder.evicted) };
    return true;
}
