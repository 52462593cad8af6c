/* Uploads in parts: invisible until they are committed, and gone when they are not. */
#include <string.h>

#include "base/clock.h"
#include "conformance/storage/probe.h"

#define MIB ((uint64_t)1 << 20)
#define N_PARTS 4u

static bool
begin(fo_probe *p, const char *key, finops_upload **ret)
{
    const finops_put put = { .key = key, .size = -1, .call = &p->call };
    finops_error *err = NULL;

    return fo_probe_ok(p, finops_storage_upload(p->storage, &put, ret, &err), &err, "begin an upload");
}

static void
upload_closep(finops_upload **upload)
{
    if (*upload)
        (*upload)->close(*upload);
    *upload = NULL;
}

/* Of all parts but the last. */
static size_t
part_size(const finops_upload *u)
{
    size_t least = u->min_part > 100000 ? u->min_part : 100000, unit = u->part_unit ? u->part_unit : 1;

    return (least + unit - 1) / unit * unit;
}

/* Part `number` of an object that is this seed's bytes. */
static finops_code
send_raw(fo_probe *p, finops_upload *u, unsigned number, size_t n, unsigned seed, finops_error **err)
{
    FO_AUTO(fo_freep) unsigned char *data = fo_alloc(n + 1);
    uint64_t offset = (uint64_t)(number - 1) * part_size(u);

    if (!data)
        return fo_error_oom(err);
    fo_probe_bytes(data, n, offset, seed);
    return u->part(u, number, (int64_t)offset, data, n, &p->call, err);
}

static bool
send(fo_probe *p, finops_upload *u, unsigned number, size_t n, unsigned seed)
{
    finops_error *err = NULL;

    return fo_probe_ok(p, send_raw(p, u, number, n, seed, &err), &err, "send a part");
}

static bool
commit(fo_probe *p, finops_upload *u, unsigned parts, uint64_t size)
{
    finops_error *err = NULL;
    FO_AUTO(finops_object_done) finops_object told = { 0 };

    return fo_probe_ok(p, u->commit(u, parts, (int64_t)size, &p->call, &told, &err), &err, "commit") &&
           fo_probe_true(p, told.size == (int64_t)size && told.key && told.version,
                         "the commit tells of %lld bytes, %s, version %s", (long long)told.size,
                         told.key ? told.key : "no key", told.version ? told.version : "NULL");
}

static bool
invisible(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a"), *old = fo_probe_key(p, "old");
    FO_AUTO(upload_closep) finops_upload *u = NULL;
    FO_AUTO(upload_closep) finops_upload *over = NULL;

    return fo_probe_put(p, old, "old") && begin(p, key, &u) && begin(p, old, &over) &&
           send(p, u, 1, 70000, 1) && send(p, over, 1, 70000, 2) && fo_probe_gone(p, key) &&
           fo_probe_is(p, old, "old") && commit(p, u, 1, 70000) && commit(p, over, 1, 70000) &&
           fo_probe_holds(p, key, 70000, 1) && fo_probe_holds(p, old, 70000, 2);
}

static bool
closed(fo_probe *p)
{
    const char *key = fo_probe_key(p, "deep/a"), *old = fo_probe_key(p, "old");
    FO_AUTO(upload_closep) finops_upload *u = NULL;
    FO_AUTO(upload_closep) finops_upload *over = NULL;

    if (!fo_probe_put(p, old, "old") || !begin(p, key, &u) || !begin(p, old, &over) ||
        !send(p, u, 1, 70000, 1) || !send(p, over, 1, 70000, 2))
        return false;
    upload_closep(&u);
    upload_closep(&over);
    return fo_probe_gone(p, key) && fo_probe_is(p, old, "old") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "old");
}

static bool
finished(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    FO_AUTO(upload_closep) finops_upload *u = NULL;
    finops_error *err = NULL;
    finops_code rc;

    if (!begin(p, key, &u) || !send(p, u, 1, 5000, 1) || !commit(p, u, 1, 5000))
        return false;
    rc = send_raw(p, u, 1, 6000, 2, &err);
    return fo_probe_fails(p, rc, rc ? rc : FINOPS_E_NOT_FOUND, &err, "a part after the commit") &&
           fo_probe_holds(p, key, 5000, 1);
}

/* After a success it need not be known any more. */
static bool
committed_twice(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    FO_AUTO(upload_closep) finops_upload *u = NULL;
    finops_error *err = NULL;
    finops_code rc;

    if (!begin(p, key, &u) || !send(p, u, 1, 5000, 1) || !commit(p, u, 1, 5000))
        return false;
    rc = u->commit(u, 1, 5000, &p->call, NULL, &err);
    return (rc == FINOPS_OK || fo_probe_fails(p, rc, FINOPS_E_NOT_FOUND, &err, "commit again")) &&
           fo_probe_holds(p, key, 5000, 1);
}

typedef struct sender {
    fo_probe *p;
    finops_upload *u;
    unsigned number;
    size_t n;
    finops_error *err;
} sender;

static void *
send_one(void *arg)
{
    sender *s = arg;

    (void)send_raw(s->p, s->u, s->number, s->n, 3, &s->err);
    return NULL;
}

static bool
at_once(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    FO_AUTO(upload_closep) finops_upload *u = NULL;
    sender senders[N_PARTS];
    bool ok = begin(p, key, &u);
    uint64_t size = 0;

    if (!ok)
        return false;
    for (unsigned i = 0; i < N_PARTS; i++) { /* the last first */
        senders[i] = (sender){ .p = p, .u = u, .number = N_PARTS - i, .n = i ? part_size(u) : 12345 };
        size += senders[i].n;
    }
    ok = fo_probe_threads(p, N_PARTS, send_one, senders, sizeof(senders[0]));
    for (unsigned i = 0; i < N_PARTS; i++)
        ok = fo_probe_ok(p, finops_error_code(senders[i].err), &senders[i].err, "send parts at once") && ok;
    return ok && commit(p, u, N_PARTS, size) && fo_probe_holds(p, key, size, 3);
}

static bool
out_of_order(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    FO_AUTO(upload_closep) finops_upload *u = NULL;

    if (fo_probe_has(p, FINOPS_STORAGE_PARTS_IN_ORDER))
        return fo_ruling_skip(&p->ruling, "parts are sent in order");
    if (!begin(p, key, &u))
        return false;
    return send(p, u, 3, 777, 4) && send(p, u, 1, part_size(u), 4) && send(p, u, 2, part_size(u), 4) &&
           commit(p, u, 3, 2 * part_size(u) + 777) && fo_probe_holds(p, key, 2 * part_size(u) + 777, 4) &&
           at_once(p);
}

static bool
sent_again(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    FO_AUTO(upload_closep) finops_upload *u = NULL;

    if (fo_probe_has(p, FINOPS_STORAGE_PARTS_IN_ORDER))
        return fo_ruling_skip(&p->ruling, "parts are sent in order");
    if (!begin(p, key, &u))
        return false;
    return send(p, u, 1, part_size(u), 9) && send(p, u, 2, 5000, 9) && send(p, u, 1, part_size(u), 5) &&
           send(p, u, 2, 777, 5) && commit(p, u, 2, part_size(u) + 777) &&
           fo_probe_holds(p, key, part_size(u) + 777, 5);
}

static bool
part_is_missing(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    FO_AUTO(upload_closep) finops_upload *u = NULL;
    finops_error *err = NULL;
    finops_code rc;

    if (!begin(p, key, &u) || !send(p, u, 1, part_size(u), 1))
        return false;
    rc = u->commit(u, 2, (int64_t)part_size(u) + 1, &p->call, NULL, &err);
    return fo_probe_fails(p, rc, rc ? rc : FINOPS_E_ARGUMENT, &err, "commit of a part that was never sent") &&
           fo_probe_gone(p, key);
}

static bool
bounds(fo_probe *p)
{
    FO_AUTO(upload_closep) finops_upload *u = NULL;

    return begin(p, fo_probe_key(p, "a"), &u) &&
           fo_probe_true(p, u->max_part >= u->min_part && u->max_parts >= 2,
                         "parts of %zu to %zu bytes, at most %u", u->min_part, u->max_part, u->max_parts) &&
           fo_probe_true(p, (double)u->max_part * u->max_parts >= 5e12,
                         "at most %u parts of %zu bytes: under 5 TB", u->max_parts, u->max_part);
}

/* ---- sweep ---- */

typedef struct seen {
    fo_probe *p;
    unsigned n;
    bool keep;
} seen;

static bool
see(const finops_object *object, void *arg)
{
    seen *s = arg;

    (void)fo_probe_true(s->p, object->key && fo_starts(object->key, s->p->prefix), "the sweep tells of %s",
                        object->key ? object->key : "NULL");
    s->n++;
    return !s->keep;
}

static bool
sweep(fo_probe *p, const char *prefix, int64_t before_us, seen *s)
{
    finops_error *err = NULL;

    return fo_probe_ok(p, finops_storage_sweep(p->storage, prefix, before_us, &p->call, see, s, &err), &err,
                       "sweep");
}

static bool
closed_is_swept(fo_probe *p)
{
    FO_AUTO(upload_closep) finops_upload *u = NULL;
    seen s = { .p = p };

    if (!begin(p, fo_probe_key(p, "a"), &u) || !send(p, u, 1, 70000, 1))
        return false;
    upload_closep(&u);
    if (fo_probe_has(p, FINOPS_STORAGE_PARTS_STAY)) {
        seen again = { .p = p };

        return sweep(p, p->prefix, INT64_MAX, &s) && sweep(p, p->prefix, INT64_MAX, &again) &&
               fo_probe_true(p, s.n == 1 && again.n == 0, "%u uploads are left, and %u when swept", s.n,
                             again.n);
    }
    return sweep(p, p->prefix, INT64_MAX, &s) && fo_probe_true(p, s.n == 0, "%u uploads are left", s.n);
}

/* One under way is removed, and then fails, or is known to live, and then ends well. */
static bool
swept_or_spared(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    FO_AUTO(upload_closep) finops_upload *u = NULL;
    seen kept = { .p = p, .keep = true }, s = { .p = p }, again = { .p = p };
    finops_error *err = NULL;
    finops_code rc;

    if (!begin(p, key, &u) || !send(p, u, 1, 5000, 1) || !sweep(p, p->prefix, INT64_MAX, &kept) ||
        !sweep(p, p->prefix, INT64_MAX, &s) || !sweep(p, p->prefix, INT64_MAX, &again))
        return false;
    if (!fo_probe_true(p, kept.n == s.n && again.n == 0,
                       "a sweep that keeps saw %u, one that removes %u, another %u", kept.n, s.n, again.n))
        return false;
    if (s.n == 0)
        return commit(p, u, 1, 5000) && fo_probe_holds(p, key, 5000, 1);
    rc = u->commit(u, 1, 5000, &p->call, NULL, &err);
    return fo_probe_fails(p, rc, rc ? rc : FINOPS_E_NOT_FOUND, &err, "commit of what was swept") &&
           fo_probe_gone(p, key);
}

static bool
young_is_spared(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    FO_AUTO(upload_closep) finops_upload *u = NULL;
    seen s = { .p = p };

    return begin(p, key, &u) && send(p, u, 1, 5000, 1) &&
           sweep(p, p->prefix, fo_clock_now() - INT64_C(7200000000), &s) &&
           sweep(p, fo_probe_key(p, "other"), INT64_MAX, &s) &&
           fo_probe_true(p, s.n == 0, "%u uploads were swept that are young or elsewhere", s.n) &&
           commit(p, u, 1, 5000) && fo_probe_holds(p, key, 5000, 1);
}

static const fo_probe_case cases[] = {
    { "M1 nothing is seen of an upload before it is committed", FINOPS_STORAGE_PARTS, invisible, 0 },
    { "M1 an upload that is closed leaves nothing", FINOPS_STORAGE_PARTS, closed, 0 },
    { "M1 a finished upload takes no more parts", FINOPS_STORAGE_PARTS, finished, 0 },
    { "M2 parts come in any order and at once", FINOPS_STORAGE_PARTS, out_of_order, 0 },
    { "M2 a part sent again takes the place of the first", FINOPS_STORAGE_PARTS, sent_again, 0 },
    { "M2 a part that was never sent is missed", FINOPS_STORAGE_PARTS, part_is_missing, 0 },
    { "M3 the parts it takes come to 5 TB", FINOPS_STORAGE_PARTS, bounds, 0 },
    { "M5 a commit that is repeated does no harm", FINOPS_STORAGE_PARTS, committed_twice, 0 },
    { "M6 an upload that is closed leaves nothing to sweep", FINOPS_STORAGE_PARTS | FINOPS_STORAGE_SWEEP,
      closed_is_swept, 0 },
    { "M6 an upload under way is swept and fails, or is spared and ends",
      FINOPS_STORAGE_PARTS | FINOPS_STORAGE_SWEEP, swept_or_spared, 0 },
    { "M6 a young upload, or one elsewhere, is not swept", FINOPS_STORAGE_PARTS | FINOPS_STORAGE_SWEEP,
      young_is_spared, 0 },
};

const fo_probe_area fo_probes_parts = { "parts", cases, FO_COUNT(cases) };
