/* Copies and moves. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "conformance/storage/probe.h"

static finops_code
copy(fo_probe *p, const char *from, const char *to, finops_error **err)
{
    return finops_storage_copy(p->storage, &(finops_copy){ .from = from, .to = to, .call = &p->call }, NULL,
                               err);
}

static finops_code
move(fo_probe *p, const char *from, const char *to, finops_error **err)
{
    return finops_storage_move(p->storage, &(finops_copy){ .from = from, .to = to, .call = &p->call }, err);
}

static bool
copies(fo_probe *p)
{
    const char *from = fo_probe_key(p, "from + %%2F"), *to = fo_probe_key(p, "deep/to"),
               *big = fo_probe_key(p, "big");
    finops_error *err = NULL;

    return fo_probe_put(p, from, "text") && fo_probe_ok(p, copy(p, from, to, &err), &err, "copy") &&
           fo_probe_is(p, from, "text") && fo_probe_is(p, to, "text") && fo_probe_put(p, from, "newer") &&
           fo_probe_is(p, to, "text") && fo_probe_ok(p, copy(p, from, to, &err), &err, "copy over it") &&
           fo_probe_is(p, to, "newer") &&
           fo_probe_write(p, &(finops_put){ .key = big, .size = -1 }, NULL, 9 * p->unit + 1, (size_t)p->unit,
                          3, NULL) &&
           fo_probe_ok(p, copy(p, big, to, &err), &err, "copy a large one") &&
           fo_probe_holds(p, to, 9 * p->unit + 1, 3);
}

static bool
same_metadata(fo_probe *p, const char *key)
{
    FO_AUTO(finops_object_done) finops_object o = { 0 };

    return fo_probe_stat(p, key, &o) &&
           fo_probe_true(p, o.content_type && strcmp(o.content_type, "text/csv") == 0,
                         "the content type is %s", o.content_type ? o.content_type : "NULL") &&
           fo_probe_true(p, o.n_metadata == 1 && strcmp(o.metadata[0].value, "me") == 0, "%zu of metadata",
                         o.n_metadata);
}

static bool
keeps_metadata(fo_probe *p)
{
    const char *from = fo_probe_key(p, "from"), *to = fo_probe_key(p, "to"),
               *moved = fo_probe_key(p, "moved");
    const finops_metadata owner = { "owner", "me" };
    const finops_put put = { .key = from, .content_type = "text/csv", .metadata = &owner, .n_metadata = 1 };
    finops_error *err = NULL;
    bool can_copy = fo_probe_has(p, FINOPS_STORAGE_COPY);

    return fo_probe_ok(p, fo_probe_put_raw(p, &put, "x", NULL, &err), &err, "put") &&
           (!can_copy || (fo_probe_ok(p, copy(p, from, to, &err), &err, "copy") && same_metadata(p, to))) &&
           fo_probe_ok(p, move(p, from, moved, &err), &err, "move") && same_metadata(p, moved);
}

static bool
copy_of_nothing(fo_probe *p)
{
    const char *from = fo_probe_key(p, "missing"), *to = fo_probe_key(p, "to");
    finops_error *err = NULL;

    return fo_probe_fails(p, copy(p, from, to, &err), FINOPS_E_NOT_FOUND, &err, "copy of what is missing") &&
           fo_probe_gone(p, to);
}

static bool
copy_on_conditions(fo_probe *p)
{
    const char *from = fo_probe_key(p, "from"), *to = fo_probe_key(p, "to"), *old, *new;
    finops_copy c = { .from = from, .to = to, .call = &p->call };
    finops_error *err = NULL;

    if (!fo_probe_put(p, from, "old") || !(old = fo_probe_version(p, from)) ||
        !fo_probe_put(p, from, "new") || !(new = fo_probe_version(p, from)))
        return false;
    c.if_version = old;
    if (!fo_probe_fails(p, finops_storage_copy(p->storage, &c, NULL, &err), FINOPS_E_PRECONDITION, &err,
                        "copy of a version that was replaced") ||
        !fo_probe_gone(p, to))
        return false;
    c.if_version = new;
    return fo_probe_ok(p, finops_storage_copy(p->storage, &c, NULL, &err), &err, "copy of a version") &&
           fo_probe_is(p, to, "new");
}

static bool
copy_that_creates(fo_probe *p)
{
    const char *from = fo_probe_key(p, "from"), *to = fo_probe_key(p, "to");
    const finops_copy c = { .from = from, .to = to, .create_only = true, .call = &p->call };
    finops_error *err = NULL;

    return fo_probe_put(p, from, "x") &&
           fo_probe_ok(p, finops_storage_copy(p->storage, &c, NULL, &err), &err, "copy to a new key") &&
           fo_probe_is(p, to, "x") && fo_probe_put(p, from, "y") &&
           fo_probe_fails(p, finops_storage_copy(p->storage, &c, NULL, &err), FINOPS_E_EXISTS, &err,
                          "copy to a key that is there") &&
           fo_probe_is(p, to, "x");
}

static bool
onto_itself(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    finops_error *err = NULL;

    return fo_probe_put(p, key, "x") &&
           fo_probe_fails(p, copy(p, key, key, &err), FINOPS_E_ARGUMENT, &err, "copy onto itself") &&
           fo_probe_fails(p, move(p, key, key, &err), FINOPS_E_ARGUMENT, &err, "move onto itself") &&
           fo_probe_is(p, key, "x");
}

static bool
moves(fo_probe *p)
{
    const char *from = fo_probe_key(p, "from"), *to = fo_probe_key(p, "deep/down/to");
    finops_error *err = NULL;

    return fo_probe_put(p, from, "1") && fo_probe_ok(p, move(p, from, to, &err), &err, "move") &&
           fo_probe_gone(p, from) && fo_probe_is(p, to, "1") && fo_probe_put(p, from, "2") &&
           fo_probe_ok(p, move(p, from, to, &err), &err, "move over it") && fo_probe_gone(p, from) &&
           fo_probe_is(p, to, "2") && fo_probe_lists(p, &(finops_list){ .prefix = "" }, "deep/down/to");
}

static bool
move_of_nothing(fo_probe *p)
{
    const char *from = fo_probe_key(p, "missing"), *to = fo_probe_key(p, "to");
    finops_error *err = NULL;

    return fo_probe_put(p, to, "x") &&
           fo_probe_fails(p, move(p, from, to, &err), FINOPS_E_NOT_FOUND, &err, "move of what is missing") &&
           fo_probe_is(p, to, "x");
}

static bool
move_on_conditions(fo_probe *p)
{
    const char *from = fo_probe_key(p, "from"), *to = fo_probe_key(p, "to"), *old;
    finops_copy m = { .from = from, .to = to, .call = &p->call };
    finops_error *err = NULL;

    if (!fo_probe_put(p, from, "old") || !(old = fo_probe_version(p, from)) || !fo_probe_put(p, from, "new"))
        return false;
    m.if_version = old;
    if (!fo_probe_fails(p, finops_storage_move(p->storage, &m, &err), FINOPS_E_PRECONDITION, &err,
                        "move of a version that was replaced") ||
        !fo_probe_is(p, from, "new") || !fo_probe_gone(p, to))
        return false;
    m.if_version = fo_probe_version(p, from);
    return m.if_version &&
           fo_probe_ok(p, finops_storage_move(p->storage, &m, &err), &err, "move of a version") &&
           fo_probe_is(p, to, "new") && fo_probe_gone(p, from);
}

/* ---- atomic ---- */

typedef struct mover {
    fo_probe *p;
    const char *from, *to;
    atomic_bool done;
    finops_error *err;
} mover;

static void *
move_again_and_again(void *arg)
{
    mover *m = arg;

    for (int i = 0; !m->err && i < 50; i++)
        if (finops_storage_put(m->p->storage, &(finops_put){ .key = m->from, .call = &m->p->call }, "x", 1,
                               NULL, &m->err) == FINOPS_OK)
            (void)move(m->p, m->from, m->to, &m->err);
    atomic_store(&m->done, true);
    return NULL;
}

/* The target is there all the time. */
static bool
moves_at_once(fo_probe *p)
{
    mover m = { .p = p, .from = fo_probe_key(p, "from"), .to = fo_probe_key(p, "to") };
    pthread_t thread;
    bool ok = fo_probe_put(p, m.to, "x");

    if (!ok || !fo_probe_true(p, pthread_create(&thread, NULL, move_again_and_again, &m) == 0, "no thread"))
        return false;
    while (ok && !atomic_load(&m.done))
        ok = fo_probe_is(p, m.to, "x");
    (void)pthread_join(thread, NULL);
    return fo_probe_ok(p, finops_error_code(m.err), &m.err, "move") && ok;
}

static const fo_probe_case cases[] = {
    { "D4 a copy has the content, and is one of its own", FINOPS_STORAGE_COPY, copies, 0 },
    { "D4 copies and moves keep content type and metadata", FINOPS_STORAGE_METADATA, keeps_metadata, 0 },
    { "D4 a copy of what is missing is not_found", FINOPS_STORAGE_COPY, copy_of_nothing, 0 },
    { "D4 one version is copied", FINOPS_STORAGE_COPY, copy_on_conditions, 0 },
    { "D4 a copy may only create", FINOPS_STORAGE_COPY | FINOPS_STORAGE_CREATE_ONLY, copy_that_creates, 0 },
    { "D5 nothing is copied or moved onto itself", 0, onto_itself, 0 },
    { "D5 a move leaves nothing at the old place", 0, moves, 0 },
    { "D5 a move of what is missing is not_found and leaves the target", 0, move_of_nothing, 0 },
    { "D5 one version is moved", 0, move_on_conditions, 0 },
    { "D5 a move replaces at once", FINOPS_STORAGE_MOVE, moves_at_once, 0 },
};

const fo_probe_area fo_probes_copy = { "copy", cases, FO_COUNT(cases) };
