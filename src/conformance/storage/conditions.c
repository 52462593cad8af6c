/* Writes on conditions, which state and commit files stand on. */
#include <stdio.h>
#include <string.h>

#include "conformance/storage/probe.h"

#define RACERS 8u
#define ROUNDS 5u

static bool
creates(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    const finops_put put = { .key = key, .create_only = true };
    finops_error *err = NULL;

    return fo_probe_ok(p, fo_probe_put_raw(p, &put, "first", NULL, &err), &err, "create") &&
           fo_probe_fails(p, fo_probe_put_raw(p, &put, "second", NULL, &err), FINOPS_E_EXISTS, &err,
                          "create what is there") &&
           fo_probe_is(p, key, "first") && fo_probe_remove(p, key) &&
           fo_probe_ok(p, fo_probe_put_raw(p, &put, "third", NULL, &err), &err, "create again") &&
           fo_probe_is(p, key, "third");
}

typedef struct racer {
    fo_probe *p;
    const char *key, *version; /* NULL: create */
    char text[16];
    finops_code rc;
    finops_error *err;
} racer;

static void *
race(void *arg)
{
    racer *r = arg;
    const finops_put put = {
        .key = r->key, .create_only = !r->version, .if_version = r->version, .call = &r->p->call
    };

    r->rc = finops_storage_put(r->p->storage, &put, r->text, strlen(r->text), NULL, &r->err);
    return NULL;
}

/* One of eight wins, the others get this code, and its text is there. No text comes twice: a version may be
 * the content's hash. */
static bool
one_wins(fo_probe *p, const char *key, const char *version, unsigned round, finops_code others)
{
    racer racers[RACERS];
    unsigned won = 0, winner = 0;
    bool ok;

    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (racer){ .p = p, .key = key, .version = version };
        (void)snprintf(racers[i].text, sizeof(racers[i].text), "racer %u.%u", i, round);
    }
    ok = fo_probe_threads(p, RACERS, race, racers, sizeof(racers[0]));
    for (unsigned i = 0; i < RACERS; i++) {
        if (racers[i].rc == FINOPS_OK) {
            won++;
            winner = i;
        } else {
            ok = fo_probe_fails(p, racers[i].rc, others, &racers[i].err, "racing put") && ok;
        }
        finops_error_freep(&racers[i].err);
    }
    return ok && fo_probe_true(p, won == 1, "%u of %u won", won, RACERS) &&
           fo_probe_is(p, key, racers[winner].text);
}

static bool
creators_race(fo_probe *p)
{
    bool ok = true;

    for (unsigned i = 0; ok && i < ROUNDS; i++)
        ok = one_wins(p, fo_probe_key(p, "%u", i), NULL, i, FINOPS_E_EXISTS);
    return ok;
}

static bool
replacers_race(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    bool ok = fo_probe_put(p, key, "racer ?");

    for (unsigned i = 0; ok && i < ROUNDS; i++) {
        const char *version = fo_probe_version(p, key);

        ok = version && one_wins(p, key, version, i, FINOPS_E_PRECONDITION);
    }
    return ok;
}

static bool
replaces(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a"), *old, *new;
    finops_put put = { .key = key };
    finops_error *err = NULL;

    if (!fo_probe_put(p, key, "old") || !(old = fo_probe_version(p, key)))
        return false;
    put.if_version = old;
    if (!fo_probe_ok(p, fo_probe_put_raw(p, &put, "new", NULL, &err), &err, "replace the version") ||
        !(new = fo_probe_version(p, key)) ||
        !fo_probe_fails(p, fo_probe_put_raw(p, &put, "lost", NULL, &err), FINOPS_E_PRECONDITION, &err,
                        "replace a stale version") ||
        !fo_probe_is(p, key, "new"))
        return false;
    put.if_version = new;
    return fo_probe_remove(p, key) &&
           fo_probe_fails(p, fo_probe_put_raw(p, &put, "lost", NULL, &err), FINOPS_E_PRECONDITION, &err,
                          "replace what is gone") &&
           fo_probe_gone(p, key);
}

/* What a put told is as good as what stat tells. *told becomes what the next put tells. */
static bool
replaces_once(fo_probe *p, const char *key, int turn, finops_object *told)
{
    FO_AUTO(finops_object_done) finops_object before = *told;
    const finops_put put = { .key = key, .if_version = before.version };
    finops_error *err = NULL;

    *told = (finops_object){ 0 };
    return fo_probe_true(p, before.version != NULL, "the put told no version") &&
           fo_probe_ok(p, fo_probe_put_raw(p, &put, fo_probe_keep(p, "%d", turn), told, &err), &err,
                       "replace") &&
           fo_probe_true(p, told->version && strcmp(told->version, before.version) != 0,
                         "the version stays %s", before.version);
}

static bool
replaces_what_it_put(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a");
    FO_AUTO(finops_object_done) finops_object told = { 0 };
    finops_error *err = NULL;
    bool ok = fo_probe_ok(p, fo_probe_put_raw(p, &(finops_put){ .key = key }, "0", &told, &err), &err, "put");

    for (int i = 1; ok && i < 6; i++)
        ok = replaces_once(p, key, i, &told);
    return ok && fo_probe_is(p, key, "5");
}

static bool
removes(fo_probe *p)
{
    const char *key = fo_probe_key(p, "a"), *old;
    finops_remove remove = { .key = key, .call = &p->call };
    finops_error *err = NULL;

    if (!fo_probe_put(p, key, "old") || !(old = fo_probe_version(p, key)) || !fo_probe_put(p, key, "new"))
        return false;
    remove.if_version = old;
    if (!fo_probe_fails(p, finops_storage_delete_file(p->storage, &remove, &err), FINOPS_E_PRECONDITION, &err,
                        "delete a stale version") ||
        !fo_probe_is(p, key, "new"))
        return false;
    remove.if_version = fo_probe_version(p, key);
    return remove.if_version &&
           fo_probe_ok(p, finops_storage_delete_file(p->storage, &remove, &err), &err,
                       "delete the version") &&
           fo_probe_gone(p, key);
}

static bool
commit_one(fo_probe *p, const finops_put *put, const char *text, finops_code *ret_rc, finops_error **err)
{
    finops_upload *upload = NULL;
    finops_put whole = *put;
    finops_error *problem = NULL;
    bool ok;

    whole.size = -1;
    whole.call = &p->call;
    ok = fo_probe_ok(p, finops_storage_upload(p->storage, &whole, &upload, &problem), &problem,
                     "begin an upload") &&
         fo_probe_ok(p, upload->part(upload, 1, 0, text, strlen(text), &p->call, &problem), &problem,
                     "send a part");
    if (ok)
        *ret_rc = upload->commit(upload, 1, (int64_t)strlen(text), &p->call, NULL, err);
    if (upload)
        upload->close(upload);
    return ok;
}

static bool
commit_creates(fo_probe *p)
{
    const finops_put put = { .key = fo_probe_key(p, "a"), .create_only = true };
    finops_upload *early = NULL;
    finops_error *err = NULL;
    finops_code rc = FINOPS_OK;
    bool ok;

    /* Begun while there was nothing, and ended when there is. */
    ok = fo_probe_ok(p, finops_storage_upload(p->storage, &put, &early, &err), &err, "begin an upload") &&
         fo_probe_ok(p, early->part(early, 1, 0, "late", 4, &p->call, &err), &err, "send a part") &&
         commit_one(p, &put, "first", &rc, &err) && fo_probe_ok(p, rc, &err, "create by an upload") &&
         fo_probe_fails(p, early->commit(early, 1, 4, &p->call, NULL, &err), FINOPS_E_EXISTS, &err,
                        "create what came meanwhile");
    if (early)
        early->close(early);
    return ok && fo_probe_is(p, put.key, "first");
}

static bool
commit_replaces(fo_probe *p)
{
    finops_put put = { .key = fo_probe_key(p, "a") };
    finops_error *err = NULL;
    finops_code rc = FINOPS_OK;

    if (!fo_probe_put(p, put.key, "old") || !(put.if_version = fo_probe_version(p, put.key)))
        return false;
    return commit_one(p, &put, "new", &rc, &err) &&
           fo_probe_ok(p, rc, &err, "replace the version by an upload") &&
           commit_one(p, &put, "lost", &rc, &err) &&
           fo_probe_fails(p, rc, FINOPS_E_PRECONDITION, &err, "replace a stale version by an upload") &&
           fo_probe_is(p, put.key, "new");
}

static bool
not_both(fo_probe *p)
{
    const finops_put put = { .key = fo_probe_key(p, "a"), .create_only = true, .if_version = "v" };
    finops_error *err = NULL;

    return fo_probe_fails(p, fo_probe_put_raw(p, &put, "x", NULL, &err), FINOPS_E_ARGUMENT, &err,
                          "create and replace at once") &&
           fo_probe_gone(p, put.key);
}

static const fo_probe_case cases[] = {
    { "C1 what is there is not created again", FINOPS_STORAGE_CREATE_ONLY, creates, 0 },
    { "C2 of eight creators one wins", FINOPS_STORAGE_CREATE_ONLY, creators_race, 0 },
    { "C3 the right version is replaced, a stale or missing one not", FINOPS_STORAGE_IF_VERSION, replaces,
      0 },
    { "C3 the version that a put tells can be replaced", FINOPS_STORAGE_IF_VERSION, replaces_what_it_put, 0 },
    { "C3 the right version is deleted, a stale one not", FINOPS_STORAGE_REMOVE_IF, removes, 0 },
    { "C3 nobody creates and replaces at once", FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_IF_VERSION,
      not_both, 0 },
    { "C4 of eight who replace one version one wins", FINOPS_STORAGE_IF_VERSION, replacers_race, 0 },
    { "C7 an upload creates when it is committed, not before",
      FINOPS_STORAGE_PARTS | FINOPS_STORAGE_CREATE_ONLY, commit_creates, 0 },
    { "C7 an upload replaces the right version alone", FINOPS_STORAGE_PARTS | FINOPS_STORAGE_IF_VERSION,
      commit_replaces, 0 },
};

const fo_probe_area fo_probes_conditions = { "conditions", cases, FO_COUNT(cases) };
