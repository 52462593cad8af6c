/* Deleting: one, many, and everything below a prefix. */
#include <assert.h>
#include <string.h>

#include "conformance/storage/probe.h"

static bool
one(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a"), *deep = fo_probe_key(p, "d/e/f");

    return fo_probe_put(p, key, "x") && fo_probe_put(p, deep, "y") && fo_probe_remove(p, key) &&
           fo_probe_gone(p, key) && fo_probe_is(p, deep, "y") && fo_probe_remove(p, deep) &&
           fo_probe_gone(p, deep) && fo_probe_put(p, fo_probe_key(p, "d"), "an object where a folder was") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "d");
}

static bool
what_is_not_there(fo_probe *p)
{
    return fo_probe_remove(p, fo_probe_key(p, "missing")) &&
           fo_probe_remove(p, fo_probe_key(p, "no/such/folder/a")) &&
           fo_probe_put(p, fo_probe_key(p, "a"), "x") && fo_probe_remove(p, fo_probe_key(p, "a")) &&
           fo_probe_remove(p, fo_probe_key(p, "a"));
}

typedef struct outcome {
    size_t calls, failed;
    unsigned char *told; /* how often each was */
    size_t n;
} outcome;

static void
note(size_t index, const finops_error *err, void *arg)
{
    outcome *o = arg;

    o->calls++;
    o->failed += err != NULL;
    if (index < o->n)
        o->told[index]++;
}

#define STAYS 11 /* one key of so many */

/* Only those that were to stay are left. */
static bool
rest_stays(fo_probe *p, unsigned n)
{
    FO_AUTO(fo_strv_done) fo_strv left = FO_STRV_INIT;

    if (!fo_probe_list(p, &(finops_list){ .prefix = "k/" }, &left))
        return false;
    for (size_t i = 0; i < left.n; i++) {
        FO_AUTO(fo_str_done) fo_str want = FO_STR_MAX(32);

        fo_str_addf(&want, "k/%05zu", i * STAYS);
        if (strcmp(left.items[i], fo_str_z(&want)) != 0)
            return fo_probe_true(p, false, "%s is there, not %s", left.items[i], fo_str_z(&want));
    }
    return fo_probe_true(p, left.n == n, "%zu keys are left, not %u", left.n, n);
}

/* n keys, each told of once, from among some more. */
static bool
most_of(fo_probe *p, unsigned n)
{
    FO_AUTO(fo_freep) unsigned char *told = fo_zalloc(n);
    FO_AUTO(fo_freep) const char **keys = fo_array(n, sizeof(*keys));
    const unsigned all = n + n / (STAYS - 1);
    outcome o = { .told = told, .n = n };
    finops_error *err = NULL;
    finops_code rc;
    unsigned k = 0;

    if (!told || !keys || !fo_probe_put_many(p, "k/%u", all))
        return fo_probe_true(p, told && keys, "no memory");
    for (unsigned i = 0; i < all; i++)
        if (i % STAYS != 0)
            keys[k++] = fo_probe_key(p, "k/%05u", i);
    assert(k == n);
    rc = finops_storage_delete_many(p->storage, keys, n, &p->call, note, &o, &err);
    if (!fo_probe_ok(p, rc, &err, "delete many") ||
        !fo_probe_true(p, o.calls == n && o.failed == 0, "%zu keys of %u were told of, %zu failed", o.calls,
                       n, o.failed))
        return false;
    for (unsigned i = 0; i < n; i++)
        if (told[i] != 1)
            return fo_probe_true(p, false, "key %u was told of %u times", i, told[i]);
    return rest_stays(p, all - n);
}

static bool
thousand(fo_probe *p)
{
    return most_of(p, 1000);
}

static bool
more_than_a_request(fo_probe *p)
{
    return most_of(p, 2500);
}

static bool
some_are_missing(fo_probe *p)
{
    const char *keys[] = { fo_probe_key(p, "a"), fo_probe_key(p, "missing"),
                           fo_probe_key(p, "b &<>\"'%%2F") };
    unsigned char told[3] = { 0 };
    outcome o = { .told = told, .n = 3 };
    finops_error *err = NULL;

    return fo_probe_put(p, keys[0], "x") && fo_probe_put(p, keys[2], "y") &&
           fo_probe_put(p, fo_probe_key(p, "stays"), "z") &&
           fo_probe_ok(p, finops_storage_delete_many(p->storage, keys, 3, &p->call, note, &o, &err), &err,
                       "delete many") &&
           fo_probe_true(p, o.calls == 3 && o.failed == 0, "%zu were told of, %zu failed", o.calls,
                         o.failed) &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "stays") &&
           fo_probe_ok(p, finops_storage_delete_many(p->storage, keys, 0, &p->call, note, &o, &err), &err,
                       "delete none");
}

/* The others go all the same. */
static bool
one_cannot_be(fo_probe *p)
{
    const char *keys[] = { fo_probe_key(p, "a"), fo_probe_key(p, "\xFF"), fo_probe_key(p, "b") };
    unsigned char told[3] = { 0 };
    outcome o = { .told = told, .n = 3 };
    finops_error *err = NULL;
    finops_code rc;

    if (!fo_probe_put(p, keys[0], "x") || !fo_probe_put(p, keys[2], "y"))
        return false;
    rc = finops_storage_delete_many(p->storage, keys, 3, &p->call, note, &o, &err);
    if (rc == FINOPS_E_ARGUMENT) /* refused as a whole, before anything is sent */
        return fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, "delete many") &&
               fo_probe_lists(p, &(finops_list){ .prefix = "" }, "a|b");
    return fo_probe_fails(p, rc, FINOPS_E_PARTIAL, &err, "delete many, one of which cannot be") &&
           fo_probe_true(p, o.failed == 1 && told[1] == 1, "%zu failed", o.failed) &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "");
}

static bool
below_a_prefix(fo_probe *p)
{
    const char *prefix = fo_probe_key(p, "a/");
    finops_error *err = NULL;
    uint64_t n = 0;

    return fo_probe_put_many(p, "a/%u", 30) && fo_probe_put(p, fo_probe_key(p, "ab"), "x") &&
           fo_probe_put(p, fo_probe_key(p, "b/a/c"), "y") &&
           fo_probe_ok(p, finops_storage_delete_prefix(p->storage, prefix, &p->call, &n, &err), &err,
                       "delete a prefix") &&
           fo_probe_true(p, n == 30, "%llu are told to be gone", (unsigned long long)n) &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "ab|b/a/c") &&
           fo_probe_ok(p, finops_storage_delete_prefix(p->storage, prefix, &p->call, &n, &err), &err,
                       "delete an empty prefix") &&
           fo_probe_true(p, n == 0, "%llu are told to be gone", (unsigned long long)n);
}

static bool
below_everything(fo_probe *p)
{
    finops_error *err = NULL;
    const char *key = fo_probe_key(p, "a");

    return fo_probe_put(p, key, "x") &&
           fo_probe_fails(p, finops_storage_delete_prefix(p->storage, "", &p->call, NULL, &err),
                          FINOPS_E_ARGUMENT, &err, "delete the empty prefix") &&
           fo_probe_is(p, key, "x");
}

static const fo_probe_case cases[] = {
    { "D1 an object is deleted", 0, one, 0 },
    { "D1 deleting what is not there succeeds", 0, what_is_not_there, 0 },
    { "D2 1,000 keys are deleted, each told once", 0, thousand, 0 },
    { "D2 2,500 keys are deleted, each told once", 0, more_than_a_request, 0 },
    { "D2 of many some may be missing, and have any name", 0, some_are_missing, 0 },
    { "D2 of many one cannot be, and is told", 0, one_cannot_be, 0 },
    { "D3 a prefix is deleted, and nothing beside it", 0, below_a_prefix, 0 },
    { "D3 the empty prefix is not deleted", 0, below_everything, 0 },
};

const fo_probe_area fo_probes_remove = { "remove", cases, FO_COUNT(cases) };
