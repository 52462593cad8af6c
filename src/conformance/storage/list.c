/* Listings: complete, in order, each key once. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "conformance/storage/probe.h"

static bool
nothing(fo_probe *p)
{
    return fo_probe_lists(p, &(finops_list){ .prefix = "" }, "") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "no/such/folder/" }, "") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "no", .children = true }, "") &&
           fo_probe_put(p, fo_probe_key(p, "a"), "x") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "b" }, "") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "a/" }, "") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "aa" }, "");
}

/* That these are n keys k/00000 ... in order, each once. */
static bool
are_numbered(fo_probe *p, const fo_strv *keys, unsigned first, unsigned n)
{
    char want[32];

    if (!fo_probe_true(p, keys->n == n, "%zu keys are listed, not %u", keys->n, n))
        return false;
    for (unsigned i = 0; i < n; i++) {
        (void)snprintf(want, sizeof(want), "k/%05u", first + i);
        if (strcmp(keys->items[i], want) != 0)
            return fo_probe_true(p, false, "key %u of the list is %s, not %s", i, keys->items[i], want);
    }
    return true;
}

static bool
numbered(fo_probe *p, finops_list list, unsigned first, unsigned n)
{
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;

    return fo_probe_list(p, &list, &keys) && are_numbered(p, &keys, first, n);
}

static bool
pages(fo_probe *p)
{
    return fo_probe_put_many(p, "k/%u", 1205) && numbered(p, (finops_list){ .prefix = "k/" }, 0, 1205) &&
           numbered(p, (finops_list){ .prefix = "" }, 0, 1205) &&
           numbered(p, (finops_list){ .prefix = "k/", .page = 7 }, 0, 1205) &&
           numbered(p, (finops_list){ .prefix = "k/", .page = 1000 }, 0, 1205) &&
           numbered(p, (finops_list){ .prefix = "k/", .start_after = "k/01000", .page = 100 }, 1001, 204);
}

static bool
page_of_one(fo_probe *p)
{
    return fo_probe_put_many(p, "k/%u", 25) &&
           numbered(p, (finops_list){ .prefix = "k/", .page = 1 }, 0, 25) &&
           fo_probe_lists(p, &(finops_list){ .prefix = "", .page = 1, .children = true }, "k/");
}

/* An object beside a folder of its name is K6's matter. */
static bool
order_of_bytes(fo_probe *p)
{
    static const char *const names[] = { "b/x", "a0", "a-b", "A", "a.b", "a b", "\xC3\xA9", "z", "a/b/c" };
    bool ok = true;

    for (size_t i = 0; ok && i < FO_COUNT(names); i++)
        ok = fo_probe_put(p, fo_probe_key(p, "%s", names[i]), "x");
    return ok && fo_probe_lists(p, &(finops_list){ .prefix = "" }, "A|a b|a-b|a.b|a/b/c|a0|b/x|z|\xC3\xA9");
}

static bool
put_tree(fo_probe *p)
{
    static const char *const names[] = { "top", "ab/x", "ab/y", "abc/x", "abd", "z/1/2/3", "z/4" };
    bool ok = true;

    for (size_t i = 0; ok && i < FO_COUNT(names); i++)
        ok = fo_probe_put(p, fo_probe_key(p, "%s", names[i]), "x");
    return ok;
}

static bool
children(fo_probe *p)
{
    return put_tree(p) &&
           fo_probe_lists(p, &(finops_list){ .prefix = "", .children = true }, "ab/|abc/|abd|top|z/") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "ab/", .children = true }, "ab/x|ab/y") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "z/", .children = true }, "z/1/|z/4") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "z/1/", .children = true }, "z/1/2/") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "" }, "ab/x|ab/y|abc/x|abd|top|z/1/2/3|z/4");
}

static bool
prefix_is_a_string(fo_probe *p)
{
    return put_tree(p) && fo_probe_lists(p, &(finops_list){ .prefix = "ab" }, "ab/x|ab/y|abc/x|abd") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "ab", .children = true }, "ab/|abc/|abd") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "abc/x" }, "abc/x") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "z/1/2" }, "z/1/2/3") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "z/1", .children = true }, "z/1/");
}

static bool
start_after(fo_probe *p)
{
    return put_tree(p) &&
           fo_probe_lists(p, &(finops_list){ .prefix = "", .start_after = "ab/x" },
                          "ab/y|abc/x|abd|top|z/1/2/3|z/4") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "", .start_after = "ab/xx" },
                          "ab/y|abc/x|abd|top|z/1/2/3|z/4") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "ab/", .start_after = "ab/y" }, "") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "z/", .start_after = "a" }, "z/1/2/3|z/4") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "ab", .start_after = "top" }, "") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "", .start_after = "z/4" }, "") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "", .start_after = "abd", .children = true },
                          "top|z/") &&
           fo_probe_lists(p, &(finops_list){ .prefix = "", .start_after = "ab/", .children = true },
                          "abc/|abd|top|z/");
}

typedef struct halt {
    fo_strv *keys;
    size_t after;
} halt;

static bool
take_some(const finops_object *object, void *arg)
{
    halt *h = arg;

    return fo_strv_add(h->keys, object->key) && h->keys->n < h->after;
}

/* Ended after so many keys, and gone on with from the last of them. */
static bool
in_two(fo_probe *p, size_t after, unsigned n)
{
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv rest = FO_STRV_INIT;
    halt h = { .keys = &keys, .after = after };
    const finops_list list = { .prefix = fo_probe_key(p, "k/"), .call = &p->call };
    finops_error *err = NULL;
    finops_code rc = finops_storage_list_files(p->storage, &list, take_some, &h, &err);

    return fo_probe_ok(p, rc, &err, "list") &&
           fo_probe_true(p, keys.n == after, "told to stop after %zu keys it gave %zu", after, keys.n) &&
           fo_probe_list(
               p, &(finops_list){ .prefix = "k/", .start_after = keys.items[after - 1] + strlen(p->prefix) },
               &rest) &&
           are_numbered(p, &rest, (unsigned)after, n - (unsigned)after);
}

static bool
goes_on(fo_probe *p)
{
    static const size_t cuts[] = { 1, 2, 7, 20, 39, 40 };
    bool ok = fo_probe_put_many(p, "k/%u", 40);

    for (size_t i = 0; ok && i < FO_COUNT(cuts); i++)
        ok = in_two(p, cuts[i], 40);
    return ok;
}

static bool
controls(fo_probe *p)
{
    static const char *const names[] = { "\x01", "a\tb", "a\nb", "a\rb", "c%0Ad", "\x7f" };
    FO_AUTO(fo_str_done) fo_str want = FO_STR_INIT;

    for (size_t i = 0; i < FO_COUNT(names); i++) {
        finops_error *err = NULL;
        finops_code rc =
            fo_probe_put_raw(p, &(finops_put){ .key = fo_probe_key(p, "%s", names[i]) }, "x", NULL, &err);

        if (rc == FINOPS_OK)
            fo_str_addf(&want, "%s%s", want.len ? "|" : "", names[i]);
        else if (!fo_probe_fails(p, rc, FINOPS_E_ARGUMENT, &err, "put of a key with controls"))
            return false;
    }
    return fo_probe_lists(p, &(finops_list){ .prefix = "" }, fo_str_z(&want)) &&
           fo_probe_lists(p, &(finops_list){ .prefix = "", .children = true, .page = 2 }, fo_str_z(&want));
}

/* ---- while others write ---- */

typedef struct meddler {
    fo_probe *p;
    const char *keys[20];
    atomic_bool stop;
    finops_error *err;
} meddler;

static void *
meddle(void *arg)
{
    meddler *m = arg;

    for (unsigned i = 0; !m->err && !atomic_load(&m->stop); i = (i + 1) % 20) {
        const finops_put put = { .key = m->keys[i], .call = &m->p->call };
        const finops_remove remove = { .key = m->keys[(i + 10) % 20], .call = &m->p->call };

        if (finops_storage_put(m->p->storage, &put, "y", 1, NULL, &m->err) == FINOPS_OK)
            (void)finops_storage_delete_file(m->p->storage, &remove, &m->err);
    }
    return NULL;
}

/* What nobody touches is there exactly once. */
static bool
untouched(fo_probe *p, unsigned n)
{
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv mine = FO_STRV_INIT;

    if (!fo_probe_list(p, &(finops_list){ .prefix = "k/", .page = 7 }, &keys))
        return false;
    for (size_t i = 0; i < keys.n; i++)
        if (!strchr(keys.items[i], 'm') && !fo_strv_add(&mine, keys.items[i]))
            return fo_ruling_fail(&p->ruling, "no memory");
    return are_numbered(p, &mine, 0, n);
}

static bool
while_others_write(fo_probe *p)
{
    meddler m = { .p = p };
    pthread_t thread;
    bool ok = fo_probe_put_many(p, "k/%u", 60);

    for (unsigned i = 0; i < FO_COUNT(m.keys); i++)
        m.keys[i] = fo_probe_key(p, "k/%05um%u", i * 3, i);
    if (!ok || !fo_probe_true(p, pthread_create(&thread, NULL, meddle, &m) == 0, "no thread"))
        return false;
    for (int i = 0; ok && i < 20; i++)
        ok = untouched(p, 60);
    atomic_store(&m.stop, true);
    (void)pthread_join(thread, NULL);
    return fo_probe_ok(p, finops_error_code(m.err), &m.err, "writing beside a list") && ok;
}

/* ---- very many ---- */

typedef struct tally {
    uint64_t n;
    char last[256];
    bool ordered;
} tally;

static bool
count(const finops_object *object, void *arg)
{
    tally *t = arg;

    t->ordered = t->ordered && strcmp(t->last, object->key) < 0;
    (void)snprintf(t->last, sizeof(t->last), "%s", object->key);
    t->n++;
    return true;
}

static bool
hundred_thousand(fo_probe *p)
{
    tally t = { .ordered = true };
    struct rusage before, after;
    const finops_list list = { .prefix = fo_probe_key(p, "k/"), .call = &p->call };
    finops_error *err = NULL;
    finops_code rc;

    if (!fo_probe_put_many(p, "k/%u", 100000))
        return false;
    (void)getrusage(RUSAGE_SELF, &before);
    rc = finops_storage_list_files(p->storage, &list, count, &t, &err);
    (void)getrusage(RUSAGE_SELF, &after);
    return fo_probe_ok(p, rc, &err, "list") &&
           fo_probe_true(p, t.n == 100000 && t.ordered, "%llu keys came%s", (unsigned long long)t.n,
                         t.ordered ? "" : ", out of order") &&
           fo_probe_true(p, after.ru_maxrss - before.ru_maxrss < 32 << 10, "the list took %ld KiB",
                         after.ru_maxrss - before.ru_maxrss);
}

static bool
unfinished(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    finops_upload *upload = NULL;
    finops_error *err = NULL;
    finops_code rc = finops_storage_upload(
        p->storage, &(finops_put){ .key = key, .size = -1, .call = &p->call }, &upload, &err);
    bool ok = fo_probe_ok(p, rc, &err, "begin an upload") &&
              fo_probe_ok(p, upload->part(upload, 1, 0, "x", 1, &p->call, &err), &err, "send a part") &&
              fo_probe_lists(p, &(finops_list){ .prefix = "" }, "") &&
              fo_probe_lists(p, &(finops_list){ .prefix = "", .children = true }, "");

    if (upload)
        upload->close(upload);
    return ok && fo_probe_lists(p, &(finops_list){ .prefix = "" }, "");
}

static const fo_probe_case cases[] = {
    { "L1 where nothing is the list is empty", 0, nothing, 0 },
    { "L2 1,205 keys come complete and in order, in pages of any size", 0, pages, 0 },
    { "L2 pages of one key give all", 0, page_of_one, 0 },
    { "L2 the order is that of bytes", 0, order_of_bytes, 0 },
    { "L3 children are objects and prefixes of one level", 0, children, 0 },
    { "L4 a prefix is cut anywhere", 0, prefix_is_a_string, 0 },
    { "L5 a list begins behind any key", 0, start_after, 0 },
    { "L5 a list that was ended goes on with the rest", 0, goes_on, 0 },
    { "L6 keys with controls survive a list", 0, controls, 0 },
    { "L7 keys that nobody touches are listed once while others come and go", 0, while_others_write, 0 },
    { "L8 100,000 keys are listed in bounded memory", 0, hundred_thousand, FO_PROBE_LONG },
    { "L9 unfinished uploads are not listed", FINOPS_STORAGE_PARTS, unfinished, 0 },
};

const fo_probe_area fo_probes_list = { "list", cases, FO_COUNT(cases) };
