/* Deadlines, cancellation, and many callers at once. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "conformance/storage/probe.h"
#include "resilience/deadline.h"

#define AT_ONCE_US                                                                                           \
    INT64_C(1000000) /* a hundred milliseconds are promised; machines that run tests are busy */
#define WORKERS 16u
#define TURNS 30u

static bool
always(void *arg)
{
    (void)arg;
    return true;
}

static bool
none(const finops_object *object, void *arg)
{
    (void)object, (void)arg;
    return true;
}

/* Each call of the interface, of objects that are there; the i-th. *ret_name NULL: there are no more. */
static finops_code
call_of(fo_probe *p, unsigned i, const char *there, const char *fresh, const finops_call *call,
        const char **ret_name, finops_error **err)
{
    const finops_get get = { .key = there, .length = -1, .call = call };
    finops_object object = { 0 };
    finops_reader *reader = NULL;
    finops_writer *writer = NULL;
    finops_code rc = FINOPS_OK;

    switch (i) {
    case 0:
        *ret_name = "put";
        return finops_storage_put(p->storage, &(finops_put){ .key = fresh, .call = call }, "x", 1, NULL, err);
    case 1:
        *ret_name = "stat";
        rc = finops_storage_stat(p->storage, there, call, &object, err);
        finops_object_done(&object);
        return rc;
    case 2:
        *ret_name = "list";
        return finops_storage_list_files(p->storage, &(finops_list){ .prefix = p->prefix, .call = call },
                                         none, NULL, err);
    case 3:
        *ret_name = "read";
        rc = finops_storage_read(p->storage, &get, &reader, err);
        if (reader)
            reader->close(reader);
        return rc;
    case 4:
        *ret_name = "delete";
        return finops_storage_delete_file(p->storage, &(finops_remove){ .key = there, .call = call }, err);
    case 5:
        *ret_name = "move";
        return finops_storage_move(p->storage, &(finops_copy){ .from = there, .to = fresh, .call = call },
                                   err);
    case 6:
        *ret_name = "write";
        rc = finops_storage_write(p->storage, &(finops_put){ .key = fresh, .size = -1, .call = call }, NULL,
                                  &writer, err);
        if (rc == FINOPS_OK)
            rc = writer->write(writer, "x", 1, err);
        if (rc == FINOPS_OK)
            rc = writer->commit(writer, NULL, err);
        if (writer)
            writer->close(writer);
        return rc;
    default:
        *ret_name = NULL;
        return rc;
    }
}

/* Each call ends so, soon, and has done nothing. */
static bool
each_ends(fo_probe *p, const finops_call *call, finops_code want)
{
    const char *there = fo_probe_key(p, "there"), *fresh = fo_probe_key(p, "fresh"), *name = "";

    if (!fo_probe_put(p, there, "text"))
        return false;
    for (unsigned i = 0; name; i++) {
        finops_error *err = NULL;
        int64_t began = fo_clock_monotonic();
        finops_code rc = call_of(p, i, there, fresh, call, &name, &err);

        if (name &&
            (!fo_probe_fails(p, rc, want, &err, name) ||
             !fo_probe_true(p, fo_clock_monotonic() - began < AT_ONCE_US, "%s took over a second", name)))
            return false;
    }
    return fo_probe_is(p, there, "text") && fo_probe_lists(p, &(finops_list){ .prefix = "" }, "there");
}

static bool
deadlines(fo_probe *p)
{
    const finops_call late = { .deadline_us = 1 };

    return each_ends(p, &late, FINOPS_E_TIMEOUT);
}

static bool
cancellation(fo_probe *p)
{
    const finops_call cancelled = { .cancelled = always };

    return each_ends(p, &cancelled, FINOPS_E_CANCELLED);
}

static bool
when_set(void *arg)
{
    return atomic_load((atomic_bool *)arg);
}

static bool
cancelled_while_read(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    const finops_put put = { .key = key, .size = (int64_t)(6 * p->unit) };
    atomic_bool stop = false;
    const finops_call call = { .cancelled = when_set, .arg = &stop };
    const finops_get get = { .key = key, .length = -1, .call = &call };
    FO_AUTO(fo_freep) char *buffer = fo_alloc(65536);
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    finops_code rc = FINOPS_OK;
    size_t n = 1;

    if (!buffer || !fo_probe_write(p, &put, NULL, 6 * p->unit, (size_t)p->unit, 1, NULL) ||
        !fo_probe_ok(p, finops_storage_read(p->storage, &get, &reader, &err), &err, "read"))
        return fo_probe_true(p, buffer != NULL, "no memory");
    for (uint64_t at = 0; rc == FINOPS_OK && n > 0; at += n) {
        rc = reader->read(reader, buffer, 65536, &n, &err);
        atomic_store(&stop, true);
    }
    reader->close(reader);
    return fo_probe_fails(p, rc, FINOPS_E_CANCELLED, &err, "reading on");
}

static bool
cancelled_while_written(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    atomic_bool stop = false;
    const finops_call call = { .cancelled = when_set, .arg = &stop };
    const finops_put put = { .key = key, .size = -1, .call = &call };
    FO_AUTO(fo_freep) char *buffer = fo_zalloc(p->unit);
    finops_writer *writer = NULL;
    finops_error *err = NULL;
    finops_code rc;

    if (!buffer ||
        !fo_probe_ok(p, finops_storage_write(p->storage, &put, &p->parts, &writer, &err), &err, "write"))
        return fo_probe_true(p, buffer != NULL, "no memory");
    rc = writer->write(writer, buffer, p->unit, &err);
    atomic_store(&stop, true);
    for (int i = 0; rc == FINOPS_OK && i < 20; i++)
        rc = writer->write(writer, buffer, p->unit, &err);
    if (rc == FINOPS_OK)
        rc = writer->commit(writer, NULL, &err);
    writer->close(writer);
    return fo_probe_fails(p, rc, FINOPS_E_CANCELLED, &err, "writing on") && fo_probe_gone(p, key);
}

/* ---- many callers ---- */

typedef struct worker {
    fo_probe *p;
    const char *keys[TURNS];
    finops_error *err;
    bool odd;
} worker;

static void
turn(worker *w, const char *key)
{
    const finops_call *call = &w->p->call;
    const finops_get get = { .key = key, .length = -1, .call = call };
    FO_AUTO(fo_freep) char *data = NULL;
    size_t n = 0;

    if (finops_storage_put(w->p->storage, &(finops_put){ .key = key, .call = call }, key, strlen(key), NULL,
                           &w->err) ||
        finops_storage_read_all(w->p->storage, &get, 4096, &data, &n, NULL, &w->err) ||
        finops_storage_list_files(w->p->storage, &(finops_list){ .prefix = key, .call = call }, none, NULL,
                                  &w->err) ||
        finops_storage_delete_file(w->p->storage, &(finops_remove){ .key = key, .call = call }, &w->err))
        return;
    w->odd = w->odd || n != strlen(key) || memcmp(data, key, n) != 0;
}

static void *
work(void *arg)
{
    worker *w = arg;

    for (unsigned i = 0; !w->err && i < TURNS; i++)
        turn(w, w->keys[i]);
    return NULL;
}

static bool
many_callers(fo_probe *p)
{
    worker workers[WORKERS];
    bool ok;

    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (worker){ .p = p };
        for (unsigned k = 0; k < TURNS; k++)
            workers[i].keys[k] = fo_probe_key(p, "%u/%u", i % 4, i * 1000 + k);
    }
    ok = fo_probe_threads(p, WORKERS, work, workers, sizeof(workers[0]));
    for (unsigned i = 0; i < WORKERS; i++) {
        ok = fo_probe_ok(p, finops_error_code(workers[i].err), &workers[i].err, "one of many callers") && ok;
        ok = fo_probe_true(p, !workers[i].odd, "caller %u read what another wrote", i) && ok;
    }
    return ok && fo_probe_lists(p, &(finops_list){ .prefix = "" }, "");
}

/* ---- the driver itself ---- */

static bool
slots_and_claims(fo_probe *p)
{
    const finops_storage_driver *d = p->stage->driver;
    const struct {
        uint64_t feature;
        bool slot;
        const char *name;
    } rows[] = { { FINOPS_STORAGE_PARTS, d->upload != NULL, "upload" },
                 { FINOPS_STORAGE_COPY, d->copy != NULL, "copy" },
                 { FINOPS_STORAGE_MOVE, d->move != NULL, "move" },
                 { FINOPS_STORAGE_PRESIGN, d->presign != NULL, "presign" },
                 { FINOPS_STORAGE_SWEEP, d->sweep != NULL, "sweep" } };
    bool ok = true;

    for (size_t i = 0; ok && i < FO_COUNT(rows); i++)
        ok = fo_probe_true(p, rows[i].slot || !fo_probe_has(p, rows[i].feature),
                           "%s is claimed and has no slot", rows[i].name);
    return ok && fo_probe_true(p,
                               !fo_probe_has(p, FINOPS_STORAGE_PARTS_IN_ORDER) ||
                                   fo_probe_has(p, FINOPS_STORAGE_PARTS),
                               "parts in order are claimed, and no parts");
}

static const fo_probe_case cases[] = {
    { "F6 past its deadline a call ends with timeout and has done nothing", 0, deadlines, 0 },
    { "F6 a cancelled call ends at once and has done nothing", 0, cancellation, 0 },
    { "F6 a read is cancelled on its way", 0, cancelled_while_read, 0 },
    { "F6 a write is cancelled on its way and leaves nothing", 0, cancelled_while_written, 0 },
    { "F10 sixteen callers at once do not disturb one another", 0, many_callers, 0 },
    { "Y1 what is claimed has its slot", 0, slots_and_claims, 0 },
};

const fo_probe_area fo_probes_control = { "control", cases, FO_COUNT(cases) };
