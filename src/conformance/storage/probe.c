/* What cases share: objects, lists, bytes and judgements that write down why. */
#include "conformance/storage/probe.h"

#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define READ_MAX ((size_t)1 << 20)
#define BLOCK ((size_t)256 << 10)
#define PUTTERS 8u
#define THREADS_MAX 64u

/* ---- judgement ---- */

bool
fo_probe_true(fo_probe *p, bool is, const char *fmt, ...)
{
    va_list ap;

    if (is)
        return true;
    va_start(ap, fmt);
    (void)fo_ruling_failv(&p->ruling, fmt, ap);
    va_end(ap);
    return false;
}

bool
fo_probe_ok(fo_probe *p, finops_code rc, finops_error **err, const char *what)
{
    return fo_ruling_ok(&p->ruling, rc, err, what);
}

bool
fo_probe_fails(fo_probe *p, finops_code rc, finops_code want, finops_error **err, const char *what)
{
    return fo_ruling_fails(&p->ruling, rc, want, want, err, what);
}

/* ---- texts ---- */

static const char *
keep(fo_probe *p, fo_str *text)
{
    char *owned = fo_str_take(text);

    if (!owned || !fo_strv_take(&p->texts, owned)) {
        fo_ruling_fail(&p->ruling, "no memory");
        return "";
    }
    return p->texts.items[p->texts.n - 1];
}

const char *
fo_probe_key(fo_probe *p, const char *fmt, ...)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    va_list ap;

    fo_str_add(&text, p->prefix);
    va_start(ap, fmt);
    fo_str_addv(&text, fmt, ap);
    va_end(ap);
    return keep(p, &text);
}

const char *
fo_probe_keep(fo_probe *p, const char *fmt, ...)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    fo_str_addv(&text, fmt, ap);
    va_end(ap);
    return keep(p, &text);
}

/* ---- objects ---- */

finops_code
fo_probe_put_raw(fo_probe *p, const finops_put *put, const char *text, finops_object *ret, finops_error **err)
{
    finops_put whole = *put;

    if (!whole.call)
        whole.call = &p->call;
    return finops_storage_put(p->storage, &whole, text, strlen(text), ret, err);
}

bool
fo_probe_put(fo_probe *p, const char *key, const char *text)
{
    finops_error *err = NULL;
    finops_code rc = fo_probe_put_raw(p, &(finops_put){ .key = key }, text, NULL, &err);

    return fo_probe_ok(p, rc, &err, "put");
}

bool
fo_probe_is(fo_probe *p, const char *key, const char *want)
{
    const finops_get get = { .key = key, .length = -1, .call = &p->call };
    finops_error *err = NULL;
    FO_AUTO(fo_freep) char *data = NULL;
    size_t n = 0;
    finops_code rc = finops_storage_read_all(p->storage, &get, READ_MAX, &data, &n, NULL, &err);

    return fo_probe_ok(p, rc, &err, "read") &&
           fo_probe_true(p, n == strlen(want) && memcmp(data, want, n) == 0,
                         "%s is \"%.100s\" (%zu bytes), not \"%.100s\"", key, data, n, want);
}

bool
fo_probe_stat(fo_probe *p, const char *key, finops_object *ret)
{
    finops_error *err = NULL;
    finops_code rc = finops_storage_stat(p->storage, key, &p->call, ret, &err);

    return fo_probe_ok(p, rc, &err, "stat");
}

const char *
fo_probe_version(fo_probe *p, const char *key)
{
    FO_AUTO(finops_object_done) finops_object object = { 0 };

    if (!fo_probe_stat(p, key, &object) ||
        !fo_probe_true(p, object.version != NULL, "stat of %s has no version", key))
        return NULL;
    return fo_probe_keep(p, "%s", object.version);
}

bool
fo_probe_remove(fo_probe *p, const char *key)
{
    const finops_remove remove = { .key = key, .call = &p->call };
    finops_error *err = NULL;
    finops_code rc = finops_storage_delete_file(p->storage, &remove, &err);

    return fo_probe_ok(p, rc, &err, "delete");
}

static bool
is_key(const finops_object *object, void *arg)
{
    const char **key = arg;

    if (*key && strcmp(object->key, *key) == 0)
        *key = NULL;
    return *key != NULL;
}

bool
fo_probe_gone(fo_probe *p, const char *key)
{
    const finops_list list = { .prefix = key, .call = &p->call };
    const finops_get get = { .key = key, .length = -1, .call = &p->call };
    finops_error *err = NULL;
    finops_object object;
    finops_reader *reader = NULL;
    const char *seen = key;
    finops_code rc = finops_storage_stat(p->storage, key, &p->call, &object, &err);

    if (rc == FINOPS_OK)
        finops_object_done(&object);
    if (!fo_probe_fails(p, rc, FINOPS_E_NOT_FOUND, &err, "stat of what is not there"))
        return false;
    rc = finops_storage_read(p->storage, &get, &reader, &err);
    if (rc == FINOPS_OK)
        reader->close(reader);
    if (!fo_probe_fails(p, rc, FINOPS_E_NOT_FOUND, &err, "read of what is not there"))
        return false;
    rc = finops_storage_list_files(p->storage, &list, is_key, &seen, &err);
    return fo_probe_ok(p, rc, &err, "list") &&
           fo_probe_true(p, seen != NULL, "%s is listed and not there", key);
}

/* ---- many objects ---- */

typedef struct putter {
    fo_probe *p;
    const char *const *keys;
    unsigned n;
    atomic_uint *next;
    finops_error *err;
} putter;

static void *
put_some(void *arg)
{
    putter *w = arg;

    for (unsigned i; !w->err && (i = atomic_fetch_add(w->next, 1)) < w->n;)
        (void)finops_storage_put(w->p->storage, &(finops_put){ .key = w->keys[i], .call = &w->p->call },
                                 w->keys[i], strlen(w->keys[i]), NULL, &w->err);
    return NULL;
}

bool
fo_probe_put_many(fo_probe *p, const char *fmt, unsigned n)
{
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
    putter putters[PUTTERS];
    atomic_uint next = 0;
    bool ok;

    for (unsigned i = 0; i < n; i++) {
        FO_AUTO(fo_str_done) fo_str key = FO_STR_INIT;
        const char *number = strstr(fmt, "%u");

        assert(number);
        fo_str_addf(&key, "%s%.*s%05u%s", p->prefix, (int)(number - fmt), fmt, i, number + 2);
        if (!fo_strv_add(&keys, fo_str_z(&key)))
            return fo_ruling_fail(&p->ruling, "no memory");
    }
    for (unsigned i = 0; i < PUTTERS; i++)
        putters[i] = (putter){ .p = p, .keys = (const char *const *)keys.items, .n = n, .next = &next };
    ok = fo_probe_threads(p, PUTTERS, put_some, putters, sizeof(putters[0]));
    for (unsigned i = 0; i < PUTTERS; i++)
        ok = fo_probe_ok(p, finops_error_code(putters[i].err), &putters[i].err, "put of many") && ok;
    return ok;
}

/* ---- lists ---- */

typedef struct gatherer {
    fo_probe *p;
    fo_strv *keys;
    bool failed;
} gatherer;

static bool
gather(const finops_object *object, void *arg)
{
    gatherer *g = arg;
    size_t n = strlen(g->p->prefix);

    if (!fo_starts(object->key, g->p->prefix))
        g->failed = !fo_probe_true(g->p, false, "the list has %s, which is not asked for", object->key);
    else if (object->is_prefix != fo_ends(object->key, "/") && object->is_prefix)
        g->failed = !fo_probe_true(g->p, false, "the prefix %s has no '/' at its end", object->key);
    else if (!fo_strv_add(g->keys, object->key + n))
        g->failed = !fo_probe_true(g->p, false, "no memory");
    return !g->failed;
}

bool
fo_probe_list(fo_probe *p, const finops_list *list, fo_strv *ret)
{
    gatherer g = { .p = p, .keys = ret };
    finops_list whole = *list;
    finops_error *err = NULL;
    finops_code rc;

    whole.prefix = fo_probe_key(p, "%s", list->prefix);
    whole.start_after = list->start_after ? fo_probe_key(p, "%s", list->start_after) : NULL;
    whole.call = &p->call;
    rc = finops_storage_list_files(p->storage, &whole, gather, &g, &err);
    return fo_probe_ok(p, rc, &err, "list") && !g.failed;
}

bool
fo_probe_lists(fo_probe *p, const finops_list *list, const char *want)
{
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    if (!fo_probe_list(p, list, &keys))
        return false;
    for (size_t i = 0; i < keys.n; i++)
        fo_str_addf(&text, "%s%s", i ? "|" : "", keys.items[i]);
    return fo_probe_true(p, strcmp(fo_str_z(&text), want) == 0,
                         "the list of \"%s\"%s%s%s is \"%.500s\", not \"%.500s\"", list->prefix,
                         list->children ? ", children" : "", list->start_after ? " after " : "",
                         list->start_after ? list->start_after : "", fo_str_z(&text), want);
}

/* ---- bytes ---- */

/* Each eight bytes are a number of their own (splitmix64), so that bytes of another place are noticed. */
static uint64_t
word_at(uint64_t index, unsigned seed)
{
    uint64_t z = (index + 1) * UINT64_C(0x9E3779B97F4A7C15) + seed;

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void
fo_probe_bytes(unsigned char *to, size_t n, uint64_t offset, unsigned seed)
{
    size_t i = 0;

    while (i < n) {
        uint64_t word = htole64(word_at((offset + i) / 8, seed));
        size_t at = (size_t)((offset + i) % 8), part = 8 - at < n - i ? 8 - at : n - i;

        if (part == sizeof(word))
            memcpy(to + i, &word, sizeof(word)); /* at once: most of a suite's time goes by here */
        else
            memcpy(to + i, (const unsigned char *)&word + at, part);
        i += part;
    }
}

bool
fo_probe_write(fo_probe *p, const finops_put *put, const finops_transfer *transfer, uint64_t size,
               size_t chunk, unsigned seed, finops_object *ret)
{
    FO_AUTO(fo_freep) unsigned char *block = fo_alloc(chunk);
    finops_put whole = *put;
    finops_writer *writer = NULL;
    finops_error *err = NULL;
    finops_code rc;

    whole.call = &p->call;
    rc = block ? finops_storage_write(p->storage, &whole, transfer, &writer, &err) : fo_error_oom(&err);
    for (uint64_t at = 0; rc == FINOPS_OK && at < size;) {
        size_t n = size - at < chunk ? (size_t)(size - at) : chunk;

        fo_probe_bytes(block, n, at, seed);
        rc = writer->write(writer, block, n, &err);
        at += n;
    }
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, ret, &err);
    if (writer)
        writer->close(writer);
    return fo_probe_ok(p, rc, &err, "write");
}

/* Reads what comes; false with a reason when it is something else. */
static bool
reads(fo_probe *p, finops_reader *reader, uint64_t offset, uint64_t size, unsigned seed)
{
    FO_AUTO(fo_freep) unsigned char *got = fo_alloc(2 * BLOCK);
    finops_error *err = NULL;
    uint64_t at = 0;
    size_t n = 1;

    while (got && n > 0) {
        finops_code rc = reader->read(reader, got, BLOCK, &n, &err);

        if (!fo_probe_ok(p, rc, &err, "read"))
            return false;
        fo_probe_bytes(got + BLOCK, n, offset + at, seed);
        if (memcmp(got, got + BLOCK, n) != 0)
            return fo_probe_true(p, false, "wrong bytes between %" PRIu64 " and %" PRIu64, offset + at,
                                 offset + at + n);
        at += n;
    }
    return fo_probe_true(p, got && at == size, "%" PRIu64 " bytes came, not %" PRIu64, at, size);
}

bool
fo_probe_reads(fo_probe *p, finops_reader *reader, uint64_t offset, uint64_t size, unsigned seed)
{
    bool ok = reads(p, reader, offset, size, seed);

    reader->close(reader);
    return ok;
}

bool
fo_probe_holds(fo_probe *p, const char *key, uint64_t size, unsigned seed)
{
    const finops_get get = { .key = key, .length = -1, .call = &p->call };
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    finops_code rc = finops_storage_read(p->storage, &get, &reader, &err);

    if (!fo_probe_ok(p, rc, &err, "read"))
        return false;
    if (reader->object.size != (int64_t)size || reader->length != (int64_t)size)
        fo_ruling_fail(&p->ruling, "the reader has %lld of %lld bytes, not %" PRIu64,
                       (long long)reader->length, (long long)reader->object.size, size);
    return fo_probe_reads(p, reader, 0, size, seed) && p->ruling.why.len == 0;
}

/* ---- threads ---- */

bool
fo_probe_threads(fo_probe *p, unsigned n, void *(*work)(void *item), void *items, size_t size)
{
    pthread_t threads[THREADS_MAX];
    unsigned started = 0;

    assert(n <= THREADS_MAX);
    while (started < n && pthread_create(&threads[started], NULL, work, (char *)items + started * size) == 0)
        started++;
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    return fo_probe_true(p, started == n, "no more than %u threads", started);
}
