/* Reading and looking. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "conformance/storage/probe.h"

#define SKEW_US (3600 * INT64_C(1000000)) /* that clocks may differ */

static bool
whole(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a"), *empty = fo_probe_key(p, "empty");
    const finops_put put = { .key = key, .size = 300000 };

    return fo_probe_write(p, &put, NULL, 300000, 65536, 1, NULL) && fo_probe_holds(p, key, 300000, 1) &&
           fo_probe_put(p, empty, "") && fo_probe_is(p, empty, "");
}

/* A part of the object of `size` bytes that is at `key`. */
static bool
part_is(fo_probe *p, const char *key, finops_get get, uint64_t offset, uint64_t n)
{
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    finops_code rc;

    get.key = key;
    get.call = &p->call;
    rc = finops_storage_read(p->storage, &get, &reader, &err);
    if (!fo_probe_ok(p, rc, &err, "read of a range"))
        return false;
    if (reader->offset != (int64_t)offset || reader->length != (int64_t)n || reader->object.size != 1000)
        fo_ruling_fail(
            &p->ruling, "the reader has %lld bytes from %lld of %lld, not %" PRIu64 " from %" PRIu64,
            (long long)reader->length, (long long)reader->offset, (long long)reader->object.size, n, offset);
    return fo_probe_reads(p, reader, offset, n, 7) && p->ruling.why.len == 0;
}

static bool
out_of_range(fo_probe *p, const char *key, int64_t offset, int64_t length)
{
    const finops_get get = { .key = key, .offset = offset, .length = length, .call = &p->call };
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    finops_code rc = finops_storage_read(p->storage, &get, &reader, &err);

    if (reader)
        reader->close(reader);
    return fo_probe_fails(p, rc, FINOPS_E_RANGE, &err, "read from behind the end");
}

static const char *
thousand(fo_probe *p)
{
    const char *key = fo_probe_key(p, "thousand");

    return fo_probe_write(p, &(finops_put){ .key = key, .size = 1000 }, NULL, 1000, 1000, 7, NULL) ? key
                                                                                                   : NULL;
}

static bool
ranges(fo_probe *p)
{
    const char *key = thousand(p);

    return key && part_is(p, key, (finops_get){ .offset = 0, .length = 1 }, 0, 1) &&
           part_is(p, key, (finops_get){ .offset = 123, .length = 456 }, 123, 456) &&
           part_is(p, key, (finops_get){ .offset = 999, .length = 1 }, 999, 1) &&
           part_is(p, key, (finops_get){ .offset = 400, .length = -1 }, 400, 600) &&
           part_is(p, key, (finops_get){ .offset = 990, .length = 100 }, 990, 10) &&
           part_is(p, key, (finops_get){ .offset = 0, .length = 1000000 }, 0, 1000) &&
           out_of_range(p, key, 1000, 1) && out_of_range(p, key, 1000, -1) && out_of_range(p, key, 1001, 5) &&
           out_of_range(p, key, INT64_C(1) << 40, -1);
}

static bool
nothing_of_it(fo_probe *p)
{
    const char *key = thousand(p);

    return key && part_is(p, key, (finops_get){ .offset = 0, .length = 0 }, 0, 0) &&
           part_is(p, key, (finops_get){ .offset = 500, .length = 0 }, 500, 0);
}

static bool
suffixes(fo_probe *p)
{
    const char *key = thousand(p);

    return key && part_is(p, key, (finops_get){ .suffix = 1 }, 999, 1) &&
           part_is(p, key, (finops_get){ .suffix = 10 }, 990, 10) &&
           part_is(p, key, (finops_get){ .suffix = 1000 }, 0, 1000) &&
           part_is(p, key, (finops_get){ .suffix = 5000 }, 0, 1000);
}

/* By the driver alone, in one request. */
static bool
suffix_of_the_driver(fo_probe *p)
{
    const char *key = thousand(p);
    const finops_get get = { .key = key, .suffix = 10, .call = &p->call };
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    finops_code rc;

    if (!key)
        return false;
    rc = p->stage->driver->read(p->stage->self, &get, &reader, &err);
    return fo_probe_ok(p, rc, &err, "read of a suffix") && fo_probe_reads(p, reader, 990, 10, 7);
}

/* ---- one version ---- */

static bool
pinned(fo_probe *p)
{
    const char *key = thousand(p), *version = key ? fo_probe_version(p, key) : NULL;
    finops_get get = { .key = key, .length = 100, .if_version = version, .call = &p->call };
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    finops_code rc;

    if (!version || !part_is(p, key, get, 0, 100) || !fo_probe_put(p, key, "another object"))
        return false;
    get.offset = 5;
    rc = finops_storage_read(p->storage, &get, &reader, &err);
    if (reader)
        reader->close(reader);
    return fo_probe_fails(p, rc, FINOPS_E_PRECONDITION, &err, "read of a version that was replaced");
}

/* What was begun is ended with the bytes of one version, or fails. */
static bool
replaced_while_read(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    const finops_put put = { .key = key, .size = (int64_t)(6 * p->unit) };
    const finops_get get = { .key = key, .length = -1, .call = &p->call };
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    unsigned char *got = fo_alloc(2 * p->unit);
    uint64_t at = 0;
    size_t n = 1;
    finops_code rc;
    bool ok = got && fo_probe_write(p, &put, NULL, 6 * p->unit, (size_t)p->unit, 1, NULL) &&
              fo_probe_ok(p, finops_storage_read(p->storage, &get, &reader, &err), &err, "read");

    while (ok && n > 0) {
        rc = reader->read(reader, got, p->unit, &n, &err);
        if (rc != FINOPS_OK) {
            ok = fo_probe_fails(p, rc, FINOPS_E_PRECONDITION, &err, "going on to read what was replaced");
            break;
        }
        fo_probe_bytes(got + p->unit, n, at, 1);
        ok = fo_probe_true(p, memcmp(got, got + p->unit, n) == 0, "bytes of another version after %" PRIu64,
                           at) &&
             (at > 0 || fo_probe_write(p, &put, NULL, 6 * p->unit, (size_t)p->unit, 2, NULL));
        at += n;
    }
    if (reader)
        reader->close(reader);
    fo_free(got);
    return ok && fo_probe_holds(p, key, 6 * p->unit, 2);
}

static bool
unchanged(fo_probe *p)
{
    const char *key = thousand(p), *version = key ? fo_probe_version(p, key) : NULL;
    finops_get get = { .key = key, .length = -1, .unless_version = version, .call = &p->call };
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    finops_code rc;

    if (!version)
        return false;
    rc = finops_storage_read(p->storage, &get, &reader, &err);
    if (reader)
        reader->close(reader);
    return fo_probe_fails(p, rc, FINOPS_E_UNCHANGED, &err, "read unless it is the version that is there") &&
           fo_probe_put(p, key, "new") &&
           fo_probe_ok(p, finops_storage_read(p->storage, &get, &reader, &err), &err,
                       "read unless an old version") &&
           (reader->close(reader), true);
}

/* ---- files of this machine ---- */

typedef struct spool {
    char path[64];
} spool;

static bool
spool_make(fo_probe *p, spool *ret)
{
    int fd;

    (void)snprintf(ret->path, sizeof(ret->path), "/tmp/finops-test-XXXXXX");
    fd = mkstemp(ret->path);
    if (fd >= 0)
        (void)close(fd);
    return fo_probe_true(p, fd >= 0, "no temporary file %s", ret->path);
}

static void
spool_done(spool *s)
{
    if (s->path[0])
        (void)unlink(s->path);
}

static bool
file_fill(fo_probe *p, const char *path, uint64_t size)
{
    FO_AUTO(fo_freep) unsigned char *data = fo_alloc((size_t)size);
    FILE *f = fopen(path, "w");
    bool ok = data && f;

    if (ok) {
        fo_probe_bytes(data, (size_t)size, 0, 9);
        ok = fwrite(data, 1, (size_t)size, f) == size;
    }
    if (f)
        ok = fclose(f) == 0 && ok;
    return fo_probe_true(p, ok, "cannot fill %s", path);
}

static bool
file_is(fo_probe *p, const char *path, uint64_t size)
{
    FO_AUTO(fo_freep) unsigned char *data = fo_alloc(2 * (size_t)size + 1);
    FILE *f = fopen(path, "r");
    size_t n = data && f ? fread(data, 1, (size_t)size + 1, f) : 0;

    if (f)
        (void)fclose(f);
    if (!fo_probe_true(p, n == size, "the file has %zu bytes, not %" PRIu64, n, size))
        return false;
    fo_probe_bytes(data + size, (size_t)size, 0, 9);
    return fo_probe_true(p, memcmp(data, data + size, (size_t)size) == 0, "the file has other bytes");
}

static bool
up_and_down(fo_probe *p)
{
    const uint64_t sizes[] = { 0, 1000, 12 * p->unit + 5 };
    finops_transfer transfer = p->parts;
    FO_AUTO(spool_done) spool up = { "" };
    FO_AUTO(spool_done) spool down = { "" };
    bool ok = spool_make(p, &up) && spool_make(p, &down);

    transfer.parallel = 3;
    for (size_t i = 0; ok && i < FO_COUNT(sizes); i++) {
        const char *key = fo_probe_key(p, "%zu", i);
        const finops_put put = { .key = key, .call = &p->call };
        const finops_get get = { .key = key, .length = -1, .call = &p->call };
        finops_error *err = NULL;

        ok = file_fill(p, up.path, sizes[i]) &&
             fo_probe_ok(p, finops_storage_upload_file(p->storage, up.path, &put, &transfer, NULL, &err),
                         &err, "upload a file") &&
             fo_probe_holds(p, key, sizes[i], 9) &&
             fo_probe_ok(p, finops_storage_download_file(p->storage, &get, down.path, &transfer, NULL, &err),
                         &err, "download a file") &&
             file_is(p, down.path, sizes[i]);
    }
    return ok;
}

static bool
failed_download(fo_probe *p)
{
    FO_AUTO(spool_done) spool down = { "" };
    const finops_get get = { .key = fo_probe_key(p, "missing"), .length = -1, .call = &p->call };
    finops_error *err = NULL;

    return spool_make(p, &down) && file_fill(p, down.path, 100) &&
           fo_probe_fails(p, finops_storage_download_file(p->storage, &get, down.path, NULL, NULL, &err),
                          FINOPS_E_NOT_FOUND, &err, "download of what is not there") &&
           file_is(p, down.path, 100);
}

/* ---- what is not there, and what is no object ---- */

static bool
missing(fo_probe *p)
{
    return fo_probe_gone(p, fo_probe_key(p, "missing")) &&
           fo_probe_gone(p, fo_probe_key(p, "deep/down/missing")) &&
           fo_probe_put(p, fo_probe_key(p, "there"), "x") && fo_probe_gone(p, fo_probe_key(p, "there-not"));
}

static bool
prefix_is_no_object(fo_probe *p)
{
    const char *folder = fo_probe_key(p, "folder");
    const finops_get get = { .key = folder, .length = -1, .call = &p->call };
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    finops_object object;
    bool flat = fo_probe_has(p, FINOPS_STORAGE_FLAT_KEYS);
    finops_code rc;

    if (!fo_probe_put(p, fo_probe_key(p, "folder/a"), "x"))
        return false;
    rc = finops_storage_stat(p->storage, folder, &p->call, &object, &err);
    if (rc == FINOPS_OK)
        finops_object_done(&object);
    if (!fo_probe_fails(p, rc, FINOPS_E_NOT_FOUND, &err, "stat of a prefix"))
        return false;
    rc = finops_storage_read(p->storage, &get, &reader, &err);
    if (reader)
        reader->close(reader);
    return fo_probe_fails(p, rc, flat ? FINOPS_E_NOT_FOUND : FINOPS_E_ARGUMENT, &err, "read of a prefix");
}

static bool
stat_tells(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object o = { 0 };
    const char *key = fo_probe_key(p, "a");
    int64_t before = fo_clock_now();

    return fo_probe_put(p, key, "12345") && fo_probe_stat(p, key, &o) &&
           fo_probe_true(p, o.size == 5, "%lld bytes", (long long)o.size) &&
           fo_probe_true(p, o.modified_us > before - SKEW_US && o.modified_us < fo_clock_now() + SKEW_US,
                         "modified at %lld, and it is %lld", (long long)o.modified_us, (long long)before) &&
           fo_probe_true(p, o.version && o.version[0], "no version") &&
           fo_probe_true(p, o.etag && o.etag[0] && o.etag[0] != '"', "the etag is %s",
                         o.etag ? o.etag : "NULL") &&
           fo_probe_true(p, !o.is_prefix, "it is told to be a prefix");
}

static bool
closed_early(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    const finops_put put = { .key = key, .size = (int64_t)(6 * p->unit) };
    const finops_get get = { .key = key, .length = -1, .call = &p->call };
    bool ok = fo_probe_write(p, &put, NULL, 6 * p->unit, (size_t)p->unit, 1, NULL);

    for (int i = 0; ok && i < 30; i++) {
        finops_reader *reader = NULL;
        finops_error *err = NULL;
        char some[10];
        size_t n = 1;

        ok = fo_probe_ok(p, finops_storage_read(p->storage, &get, &reader, &err), &err, "read");
        if (ok && i % 2)
            ok = fo_probe_ok(p, reader->read(reader, some, sizeof(some), &n, &err), &err, "read ten bytes") &&
                 fo_probe_true(p, n > 0, "nothing came");
        if (reader)
            reader->close(reader);
    }
    return ok && fo_probe_holds(p, key, 6 * p->unit, 1);
}

static const fo_probe_case cases[] = {
    { "R1 a whole object is what was written", 0, whole, 0 },
    { "R1 no bytes of an object can be read", 0, nothing_of_it, 0 },
    { "R1 a file goes up and comes down, whole and in parts", 0, up_and_down, 0 },
    { "R1 a download that fails leaves the file that was there", 0, failed_download, 0 },
    { "R2 ranges are exact, clamped at the end and refused behind it", 0, ranges, 0 },
    { "R4 a suffix is read, whatever the service has", 0, suffixes, 0 },
    { "R4 a suffix is read in one request where that is claimed", FINOPS_STORAGE_SUFFIX, suffix_of_the_driver,
      0 },
    { "R5 a version that was replaced is not read on", 0, pinned, 0 },
    { "R5 an object replaced while it is read never mixes", 0, replaced_while_read, 0 },
    { "R7 what is missing is not_found", 0, missing, 0 },
    { "R7 a prefix is no object", 0, prefix_is_no_object, 0 },
    { "R8 stat tells size, time, version and etag", 0, stat_tells, 0 },
    { "R9 a reader may be closed early", 0, closed_early, 0 },
    { "R10 a read unless a version gives a changed object alone", FINOPS_STORAGE_UNLESS_VERSION, unchanged,
      0 },
};

const fo_probe_area fo_probes_read = { "read", cases, FO_COUNT(cases) };
