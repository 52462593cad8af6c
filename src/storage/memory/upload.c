/* Uploads in parts: kept beside the objects until they are committed. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/memory/driver_internal.h"
#include "storage/object.h"
#include "storage/put_copy.h"

#define PARTS_MAX 10000
#define PART_MAX ((size_t)5 << 30)

typedef struct part {
    memory_bytes *bytes; /* NULL: not sent */
    int64_t offset;
} part;

struct memory_upload {
    finops_upload base;
    memory_storage *m;
    memory_upload *next;
    unsigned long long id;
    fo_put_copy put;
    int64_t begun_us;
    part *parts; /* number - 1 is the index; this and all below under the storage's lock */
    size_t n, cap;
    bool swept;
    bool storing;         /* a commit puts the parts together, without the lock */
    finops_object stored; /* by a commit; its key is NULL before */
};

static void
parts_done(memory_upload *u)
{
    for (size_t i = 0; i < u->n; i++)
        memory_bytes_release(u->parts[i].bytes);
    fo_free(u->parts);
    u->parts = NULL;
    u->n = u->cap = 0;
}

static void
upload_free(memory_upload *u)
{
    parts_done(u);
    finops_object_done(&u->stored);
    fo_put_copy_done(&u->put);
    fo_free(u);
}

static void
upload_close(finops_upload *upload)
{
    memory_upload *u = (memory_upload *)upload;

    (void)pthread_mutex_lock(&u->m->lock);
    for (memory_upload **at = &u->m->uploads; *at; at = &(*at)->next)
        if (*at == u) {
            *at = u->next;
            break;
        }
    (void)pthread_mutex_unlock(&u->m->lock);
    upload_free(u);
}

/* Under the lock. */
static finops_code
still_open(const memory_upload *u, finops_error **err)
{
    if (u->swept)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload of %s was removed", u->put.put.key);
    if (u->stored.key || u->storing)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload of %s is finished", u->put.put.key);
    return FINOPS_OK;
}

static finops_code
part_keep(memory_upload *u, unsigned number, int64_t offset, memory_bytes *bytes, finops_error **err)
{
    finops_code rc = still_open(u, err);

    if (rc == FINOPS_OK && !fo_grow((void **)&u->parts, &u->cap, number, sizeof(*u->parts)))
        rc = fo_error_oom(err);
    if (rc != FINOPS_OK) {
        memory_bytes_release(bytes);
        return rc;
    }
    for (; u->n < number; u->n++)
        u->parts[u->n] = (part){ 0 };
    memory_bytes_release(u->parts[number - 1].bytes);
    u->parts[number - 1] = (part){ .bytes = bytes, .offset = offset };
    return FINOPS_OK;
}

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    memory_upload *u = (memory_upload *)upload;
    memory_bytes *bytes;
    finops_code rc = fo_call_check(call, err);

    if (rc != FINOPS_OK)
        return rc;
    if (number < 1 || number > PARTS_MAX || n > PART_MAX || offset < 0)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u of %s: a number, size or offset that cannot be",
                            number, u->put.put.key);
    bytes = memory_bytes_new(n);
    if (!bytes)
        return fo_error_oom(err);
    if (n > 0)
        memcpy(bytes->data, data, n);
    (void)pthread_mutex_lock(&u->m->lock);
    rc = part_keep(u, number, offset, bytes, err);
    (void)pthread_mutex_unlock(&u->m->lock);
    return rc;
}

/* That parts 1..n follow one another and come to this size. */
static finops_code
parts_check(const memory_upload *u, unsigned n, int64_t size, finops_error **err)
{
    int64_t at = 0;

    for (unsigned i = 0; i < n; i++) {
        if (i >= u->n || !u->parts[i].bytes)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u was never sent", i + 1);
        if (u->parts[i].offset != at)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u does not begin where the one before ends",
                                i + 1);
        at += (int64_t)u->parts[i].bytes->n;
    }
    if (at != size)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the parts come to %lld bytes, not %lld", (long long)at,
                            (long long)size);
    return FINOPS_OK;
}

static finops_code
upload_store(memory_upload *u, unsigned n, int64_t size, finops_object *ret, finops_error **err)
{
    memory_bytes *bytes = memory_bytes_new((size_t)size);
    size_t at = 0;

    if (!bytes)
        return fo_error_oom(err);
    for (unsigned i = 0; i < n; i++) {
        memcpy(bytes->data + at, u->parts[i].bytes->data, u->parts[i].bytes->n);
        at += u->parts[i].bytes->n;
    }
    return memory_store(u->m, &u->put.put, bytes, ret, err);
}

/* Nobody else touches the parts while `storing`. */
static finops_code
upload_store_once(memory_upload *u, unsigned n, int64_t size, finops_error **err)
{
    finops_object stored = { 0 };
    bool done;
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&u->m->lock);
    done = u->stored.key != NULL;
    if (!done)
        rc = still_open(u, err);
    if (rc == FINOPS_OK && !done)
        rc = parts_check(u, n, size, err);
    u->storing = rc == FINOPS_OK && !done;
    (void)pthread_mutex_unlock(&u->m->lock);
    if (rc != FINOPS_OK || done)
        return rc;
    rc = upload_store(u, n, size, &stored, err);
    (void)pthread_mutex_lock(&u->m->lock);
    u->storing = false;
    u->stored = stored;
    if (rc == FINOPS_OK)
        parts_done(u);
    (void)pthread_mutex_unlock(&u->m->lock);
    return rc;
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    memory_upload *u = (memory_upload *)upload;
    finops_code rc = fo_call_check(call, err);

    if (rc == FINOPS_OK)
        rc = upload_store_once(u, parts, size, err);
    if (rc == FINOPS_OK && ret)
        rc = finops_object_copy(&u->stored, ret, err);
    return rc;
}

finops_code
memory_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    memory_storage *m = self;
    memory_upload *u;
    finops_code rc = fo_call_check(put->call, err);

    if (rc != FINOPS_OK)
        return rc;
    u = fo_zalloc(sizeof(*u));
    rc = u ? fo_put_copy_make(put, &u->put, err) : fo_error_oom(err);
    if (rc != FINOPS_OK) {
        fo_free(u);
        return rc;
    }
    u->put.put.call = NULL;
    u->base = (finops_upload){ .min_part = 1,
                               .max_part = PART_MAX,
                               .max_parts = PARTS_MAX,
                               .part = upload_part,
                               .commit = upload_commit,
                               .close = upload_close };
    u->m = m;
    u->id = atomic_fetch_add(&m->serial, 1);
    u->begun_us = fo_clock_now();
    (void)pthread_mutex_lock(&m->lock);
    u->next = m->uploads;
    m->uploads = u;
    (void)pthread_mutex_unlock(&m->lock);
    *ret = &u->base;
    return FINOPS_OK;
}

/* ---- sweep ---- */

static int64_t
upload_size(const memory_upload *u)
{
    int64_t size = 0;

    for (size_t i = 0; i < u->n; i++)
        size += u->parts[i].bytes ? (int64_t)u->parts[i].bytes->n : 0;
    return size;
}

/* What sweep() found, to be told without a lock. */
typedef struct found {
    unsigned long long id;
    finops_object object;
} found;

typedef struct finds {
    found *items;
    size_t n, cap;
} finds;

static void
finds_done(finds *f)
{
    for (size_t i = 0; i < f->n; i++)
        finops_object_done(&f->items[i].object);
    fo_free(f->items);
}

static finops_code
find_add(finds *f, memory_upload *u, finops_error **err)
{
    const finops_object object = { .key = u->put.put.key,
                                   .size = upload_size(u),
                                   .modified_us = u->begun_us };
    finops_code rc;

    if (!fo_grow((void **)&f->items, &f->cap, f->n + 1, sizeof(*f->items)))
        return fo_error_oom(err);
    rc = finops_object_copy(&object, &f->items[f->n].object, err);
    if (rc != FINOPS_OK)
        return rc;
    f->items[f->n++].id = u->id;
    return rc;
}

static finops_code
find_all(memory_storage *m, const char *prefix, int64_t before_us, finds *f, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&m->lock);
    for (memory_upload *u = m->uploads; u && rc == FINOPS_OK; u = u->next) {
        if (!u->swept && !u->storing && !u->stored.key && u->begun_us < before_us &&
            fo_starts(u->put.put.key, prefix))
            rc = find_add(f, u, err);
    }
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

/* Its owner, if there is one yet, finds it gone. */
static void
sweep_one(memory_storage *m, unsigned long long id)
{
    (void)pthread_mutex_lock(&m->lock);
    for (memory_upload *u = m->uploads; u; u = u->next)
        if (u->id == id && !u->storing) {
            u->swept = !u->stored.key;
            parts_done(u);
        }
    (void)pthread_mutex_unlock(&m->lock);
}

finops_code
memory_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
             finops_each_object each, void *arg, finops_error **err)
{
    FO_AUTO(finds_done) finds f = { 0 };
    finops_code rc = fo_call_check(call, err);

    if (rc == FINOPS_OK)
        rc = find_all(self, prefix, begun_before_us, &f, err);
    for (size_t i = 0; i < f.n && rc == FINOPS_OK; i++) {
        if (!each || each(&f.items[i].object, arg))
            sweep_one(self, f.items[i].id);
        rc = fo_call_check(call, err);
    }
    return rc;
}
