/* Writing: whole objects, pieces, and sources that break off. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "conformance/storage/probe.h"

#define RACERS 16u
#define RACES 7u /* each; together over a hundred */

static bool
of_size(fo_probe *p, uint64_t size)
{
    FO_AUTO(finops_object_done) finops_object told = { 0 };
    const char *key = fo_probe_key(p, "size-%" PRIu64, size);
    const finops_put put = { .key = key, .size = (int64_t)size };

    return fo_probe_write(p, &put, &p->parts, size, (size_t)p->unit + 4095, 1, &told) &&
           fo_probe_true(p, told.size == (int64_t)size, "the writer tells of %lld bytes, not %" PRIu64,
                         (long long)told.size, size) &&
           fo_probe_holds(p, key, size, 1) && fo_probe_remove(p, key);
}

static bool
small_sizes(fo_probe *p)
{
    static const uint64_t sizes[] = { 0, 1, 2, 4095, 4096, 65535, 65536, 65537, 1 << 20 };
    bool ok = true;

    for (size_t i = 0; ok && i < FO_COUNT(sizes); i++)
        ok = of_size(p, sizes[i]);
    return ok;
}

static bool
sizes_around_parts(fo_probe *p)
{
    bool ok = true;

    for (uint64_t parts = 1; ok && parts <= 3; parts++)
        ok = of_size(p, parts * 5 * p->unit - 1) && of_size(p, parts * 5 * p->unit) &&
             of_size(p, parts * 5 * p->unit + 1);
    return ok;
}

/* ---- overwriting ---- */

static bool
overwrites(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object before = { 0 };
    FO_AUTO(finops_object_done) finops_object after = { 0 };
    const char *key = fo_probe_key(p, "a");

    return fo_probe_put(p, key, "the old one") && fo_probe_stat(p, key, &before) &&
           fo_probe_put(p, key, "new") && fo_probe_is(p, key, "new") && fo_probe_stat(p, key, &after) &&
           fo_probe_true(p, after.size == 3, "the size is still %lld", (long long)after.size) &&
           fo_probe_true(p, before.version && after.version && strcmp(before.version, after.version) != 0,
                         "the version is still %s", after.version ? after.version : "NULL") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "a");
}

static bool
overwrites_metadata(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object after = { 0 };
    const finops_metadata old[] = { { "one", "1" }, { "two", "2" } }, new = { "three", "3" };
    const char *key = fo_probe_key(p, "a");
    const finops_put first = { .key = key, .content_type = "text/csv", .metadata = old, .n_metadata = 2 };
    const finops_put second = { .key = key, .metadata = &new, .n_metadata = 1 };
    finops_error *err = NULL;

    return fo_probe_ok(p, fo_probe_put_raw(p, &first, "x", NULL, &err), &err, "put") &&
           fo_probe_ok(p, fo_probe_put_raw(p, &second, "y", NULL, &err), &err, "put again") &&
           fo_probe_stat(p, key, &after) &&
           fo_probe_true(p, after.n_metadata == 1 && strcmp(after.metadata[0].name, "three") == 0,
                         "%zu of metadata are left, not the new one alone", after.n_metadata) &&
           fo_probe_true(p, !after.content_type || strcmp(after.content_type, "text/csv") != 0,
                         "the old content type is still there");
}

typedef struct racer {
    fo_probe *p;
    const char *key;
    unsigned number;
    finops_error *err;
} racer;

/* A letter over and over, as often as the letter is far in the alphabet. */
static size_t
race_text(unsigned letter, char text[4096])
{
    size_t n = 64 + letter * 100;

    memset(text, 'a' + (int)letter, n);
    return n;
}

static void *
race_put(void *arg)
{
    racer *r = arg;
    char text[4096];
    size_t n = race_text(r->number, text);

    for (unsigned i = 0; !r->err && i < RACES; i++)
        (void)finops_storage_put(r->p->storage, &(finops_put){ .key = r->key, .call = &r->p->call }, text, n,
                                 NULL, &r->err);
    return NULL;
}

/* That these bytes are one racer's, all of them. */
static bool
is_of_one(fo_probe *p, const char *data, size_t n)
{
    char text[4096];
    unsigned letter = n ? (unsigned)(data[0] - 'a') : RACERS;

    return fo_probe_true(p, letter < RACERS && race_text(letter, text) == n && memcmp(text, data, n) == 0,
                         "%zu bytes that begin with '%c' are nobody's", n, n ? data[0] : ' ');
}

static bool
read_one(fo_probe *p, const char *key)
{
    const finops_get get = { .key = key, .length = -1, .call = &p->call };
    FO_AUTO(fo_freep) char *data = NULL;
    finops_error *err = NULL;
    size_t n = 0;
    finops_code rc = finops_storage_read_all(p->storage, &get, 4096, &data, &n, NULL, &err);

    return fo_probe_ok(p, rc, &err, "read") && is_of_one(p, data, n);
}

static bool
racing_puts(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    racer racers[RACERS];
    bool ok;

    for (unsigned i = 0; i < RACERS; i++)
        racers[i] = (racer){ .p = p, .key = key, .number = i };
    ok = fo_probe_threads(p, RACERS, race_put, racers, sizeof(racers[0]));
    for (unsigned i = 0; i < RACERS; i++)
        ok = fo_probe_ok(p, finops_error_code(racers[i].err), &racers[i].err, "racing put") && ok;
    return ok && read_one(p, key) && fo_probe_lists(p, &(finops_list){ .prefix = "" }, "a");
}

/* Old or new, never a mix, never nothing. */
static bool
reads_while_overwritten(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    racer racers[4];
    pthread_t threads[FO_COUNT(racers)];
    unsigned started = 0;
    bool ok;

    racers[0] = (racer){ .p = p, .key = key, .number = 0 };
    (void)race_put(&racers[0]);
    ok = fo_probe_ok(p, finops_error_code(racers[0].err), &racers[0].err, "put");
    for (; ok && started < FO_COUNT(racers); started++) {
        racers[started] = (racer){ .p = p, .key = key, .number = started };
        if (pthread_create(&threads[started], NULL, race_put, &racers[started]) != 0)
            break;
    }
    for (int i = 0; ok && i < 60; i++)
        ok = read_one(p, key);
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(threads[i], NULL);
        ok = fo_probe_ok(p, finops_error_code(racers[i].err), &racers[i].err, "racing put") && ok;
    }
    return ok;
}

/* ---- what a put tells ---- */

static bool
tells_the_same(fo_probe *p, const finops_object *told, const char *key)
{
    FO_AUTO(finops_object_done) finops_object there = { 0 };

    return fo_probe_stat(p, key, &there) &&
           fo_probe_true(p, told->key && strcmp(told->key, key) == 0, "it tells of %s",
                         told->key ? told->key : "NULL") &&
           fo_probe_true(p, told->size == there.size, "it tells of %lld bytes, stat of %lld",
                         (long long)told->size, (long long)there.size) &&
           fo_probe_true(p, told->version && there.version && strcmp(told->version, there.version) == 0,
                         "it tells of version %s, stat of %s", told->version ? told->version : "NULL",
                         there.version ? there.version : "NULL") &&
           fo_probe_true(p, told->etag && there.etag && strcmp(told->etag, there.etag) == 0,
                         "it tells of etag %s, stat of %s", told->etag ? told->etag : "NULL",
                         there.etag ? there.etag : "NULL");
}

static bool
put_tells(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object told = { 0 };
    const char *key = fo_probe_key(p, "a");
    finops_error *err = NULL;

    return fo_probe_ok(p, fo_probe_put_raw(p, &(finops_put){ .key = key }, "text", &told, &err), &err,
                       "put") &&
           tells_the_same(p, &told, key);
}

static bool
commit_tells(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object told = { 0 };
    const char *key = fo_probe_key(p, "a");
    const finops_put put = { .key = key, .size = -1 };

    return fo_probe_write(p, &put, &p->parts, 6 * p->unit, (size_t)p->unit, 1, &told) &&
           tells_the_same(p, &told, key);
}

static bool
same_text(fo_probe *p, const char *what, const char *want, const char *got)
{
    return fo_probe_true(p, got && strcmp(got, want) == 0, "%s is \"%s\", not \"%s\"", what,
                         got ? got : "NULL", want);
}

static const finops_metadata labels[] = { { "cost-centre", "4711 and some blanks" },
                                          { "empty", "" },
                                          { "owner", "a, b; c=d \"e\" %41 +" } };

static bool
same_labels(fo_probe *p, const finops_object *o, const char *type)
{
    bool ok = same_text(p, "content type", type, o->content_type) &&
              same_text(p, "content encoding", "gzip", o->content_encoding) &&
              same_text(p, "cache control", "max-age=60, private", o->cache_control);

    for (size_t i = 0, at = 0; ok && i < FO_COUNT(labels); i++) {
        for (at = 0; at < o->n_metadata && strcmp(o->metadata[at].name, labels[i].name) != 0; at++)
            continue;
        if (at == o->n_metadata && labels[i].value[0] == '\0')
            continue; /* some services drop what is empty */
        ok = fo_probe_true(p, at < o->n_metadata, "metadata %s is gone", labels[i].name) &&
             same_text(p, labels[i].name, labels[i].value, o->metadata[at].value);
    }
    return ok;
}

static bool
labels_come_back(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object there = { 0 };
    const char *key = fo_probe_key(p, "a");
    const finops_put put = { .key = key,
                             .content_type = "text/csv; charset=utf-8",
                             .content_encoding = "gzip",
                             .cache_control = "max-age=60, private",
                             .metadata = labels,
                             .n_metadata = FO_COUNT(labels) };
    const finops_get get = { .key = key, .length = 2, .call = &p->call };
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    bool ok = fo_probe_ok(p, fo_probe_put_raw(p, &put, "text", NULL, &err), &err, "put") &&
              fo_probe_stat(p, key, &there) && same_labels(p, &there, put.content_type) &&
              fo_probe_ok(p, finops_storage_read(p->storage, &get, &reader, &err), &err, "read") &&
              same_labels(p, &reader->object, put.content_type);

    if (reader)
        reader->close(reader);
    return ok;
}

static bool
labels_of_parts_come_back(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object there = { 0 };
    const char *key = fo_probe_key(p, "a");
    const finops_put put = { .key = key,
                             .size = -1,
                             .content_type = "application/x-parquet",
                             .content_encoding = "gzip",
                             .cache_control = "max-age=60, private",
                             .metadata = labels,
                             .n_metadata = FO_COUNT(labels) };

    return fo_probe_write(p, &put, &p->parts, 6 * p->unit, (size_t)p->unit, 1, NULL) &&
           fo_probe_stat(p, key, &there) && same_labels(p, &there, put.content_type);
}

/* ---- sources ---- */

static bool
unknown_length(fo_probe *p)
{
    const char *small = fo_probe_key(p, "small"), *large = fo_probe_key(p, "large"),
               *none = fo_probe_key(p, "none");

    return fo_probe_write(p, &(finops_put){ .key = small, .size = -1 }, NULL, 70001, 4096, 2, NULL) &&
           fo_probe_holds(p, small, 70001, 2) &&
           fo_probe_write(p, &(finops_put){ .key = large, .size = -1 }, &p->parts, 11 * p->unit + 3, 65536, 3,
                          NULL) &&
           fo_probe_holds(p, large, 11 * p->unit + 3, 3) &&
           fo_probe_write(p, &(finops_put){ .key = none, .size = -1 }, NULL, 0, 1, 0, NULL) &&
           fo_probe_is(p, none, "");
}

static bool
byte_by_byte(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");

    return fo_probe_write(p, &(finops_put){ .key = key, .size = -1 }, NULL, 20000, 1, 4, NULL) &&
           fo_probe_holds(p, key, 20000, 4);
}

static bool
ragged(fo_probe *p)
{
    static const size_t chunks[] = { 3, 1021, 65537, 1048583, 6000011 };
    bool ok = true;

    for (size_t i = 0; ok && i < FO_COUNT(chunks); i++) {
        const char *key = fo_probe_key(p, "%zu", chunks[i]);
        uint64_t size = chunks[i] < 1000 ? 5000 : 7 * p->unit + 7;

        ok =
            fo_probe_write(p, &(finops_put){ .key = key, .size = -1 }, &p->parts, size, chunks[i], 5, NULL) &&
            fo_probe_holds(p, key, size, 5);
    }
    return ok;
}

/* Promises more than comes. */
static bool
short_by(fo_probe *p, uint64_t promised, uint64_t comes)
{
    FO_AUTO(fo_freep) unsigned char *block = fo_alloc((size_t)comes + 1);
    const char *key = fo_probe_key(p, "short");
    const finops_put put = { .key = key, .size = (int64_t)promised, .call = &p->call };
    finops_writer *writer = NULL;
    finops_error *err = NULL;
    finops_code rc =
        block ? finops_storage_write(p->storage, &put, &p->parts, &writer, &err) : fo_error_oom(&err);

    if (!fo_probe_ok(p, rc, &err, "begin to write"))
        return false;
    fo_probe_bytes(block, (size_t)comes, 0, 1);
    rc = writer->write(writer, block, (size_t)comes, &err);
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, NULL, &err);
    writer->close(writer);
    return fo_probe_fails(p, rc, rc ? rc : FINOPS_E_DATA, &err, "commit of less than was promised") &&
           fo_probe_gone(p, key);
}

static bool
source_ends_short(fo_probe *p)
{
    return short_by(p, 100, 50) && short_by(p, 6 * p->unit, 6 * p->unit - 1) &&
           short_by(p, 16 * p->unit, 11 * p->unit);
}

/* Gives up after so many bytes. */
static bool
forsaken(fo_probe *p, const char *key, uint64_t size)
{
    FO_AUTO(fo_freep) unsigned char *block = fo_alloc((size_t)size);
    const finops_put put = { .key = key, .size = -1, .call = &p->call };
    finops_writer *writer = NULL;
    finops_error *err = NULL;
    finops_code rc =
        block ? finops_storage_write(p->storage, &put, &p->parts, &writer, &err) : fo_error_oom(&err);

    if (rc == FINOPS_OK) {
        fo_probe_bytes(block, (size_t)size, 0, 1);
        rc = writer->write(writer, block, (size_t)size, &err);
        writer->close(writer);
    }
    return fo_probe_ok(p, rc, &err, "write");
}

static bool
source_fails(fo_probe *p)
{
    const char *fresh = fo_probe_key(p, "fresh"), *old = fo_probe_key(p, "old");

    return forsaken(p, fresh, 100) && fo_probe_gone(p, fresh) && forsaken(p, fresh, 12 * p->unit) &&
           fo_probe_gone(p, fresh) && fo_probe_put(p, old, "old") && forsaken(p, old, 12 * p->unit) &&
           fo_probe_is(p, old, "old");
}

static bool
deep(fo_probe *p)
{
    const char *key = fo_probe_key(p, "system=aws/table=cur/export=e/period=2026-11/version=1/part-0.csv.gz");

    return fo_probe_put(p, key, "x") && fo_probe_is(p, key, "x") &&
           fo_probe_put(p, fo_probe_key(p, "system=aws/table=cur/other"), "y") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "system=aws/", .children = true },
                          "system=aws/table=cur/");
}

static const fo_probe_case cases[] = {
    { "P1 objects of 0, 1 and a few thousand bytes are whole", 0, small_sizes, 0 },
    { "P1 objects a byte less and more than one, two and three parts are whole", 0, sizes_around_parts, 0 },
    { "P2 a put replaces content, size and version", 0, overwrites, 0 },
    { "P2 a put replaces metadata", FINOPS_STORAGE_METADATA, overwrites_metadata, 0 },
    { "P2 a hundred racing puts end as one of them", 0, racing_puts, 0 },
    { "P2 a reader sees the old object or the new", 0, reads_while_overwritten, 0 },
    { "P3 a put tells size, version and etag of what is there", 0, put_tells, 0 },
    { "P3 the end of a long write tells them, too", 0, commit_tells, 0 },
    { "P4 content type, encoding, cache control and metadata come back", FINOPS_STORAGE_METADATA,
      labels_come_back, 0 },
    { "P4 those of an object in parts do, too", FINOPS_STORAGE_METADATA, labels_of_parts_come_back, 0 },
    { "P5 an object of unknown length is written", 0, unknown_length, 0 },
    { "P5 an object is written byte by byte", 0, byte_by_byte, 0 },
    { "P5 an object is written in ragged chunks", 0, ragged, 0 },
    { "P6 a source that ends short leaves nothing", 0, source_ends_short, 0 },
    { "P6 a source that breaks off leaves what was there", 0, source_fails, 0 },
    { "P7 folders that are missing are made", 0, deep, 0 },
};

const fo_probe_area fo_probes_put = { "put", cases, FO_COUNT(cases) };
