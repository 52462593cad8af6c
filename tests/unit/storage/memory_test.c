/* What the conformance suite cannot know of the driver in memory: its insides under load. */
#include "storage_test.h"

#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "storage/memory/driver.h"

static const finops_storage_driver *const d = &fo_memory_driver;

static void *
opened(void)
{
    finops_error *err = NULL;
    void *m = NULL;

    ok(d->open(NULL, &m, &err), &err);
    return m;
}

static void
put_text(void *m, const char *key, const char *text)
{
    finops_error *err = NULL;

    ok(d->put(m, &(finops_put){ .key = key }, text, strlen(text), NULL, &err), &err);
}

static void
ten_thousand_keys_are_listed_in_order_whatever_order_they_came_in(void **state)
{
    void *m = opened();
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    finops_error *err = NULL;
    char key[16];
    const char *at;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        (void)snprintf(key, sizeof(key), "k%05u", (i * 7919u) % 10000u);
        put_text(m, key, key);
    }
    ok(d->list(m, &(finops_list){ .prefix = "k" }, keys_add, &keys, &err), &err);
    at = fo_str_z(&keys);
    for (unsigned i = 0; i < 10000; i++, at += 7) {
        (void)snprintf(key, sizeof(key), "k%05u ", i);
        assert_memory_equal(at, key, 7);
    }
    assert_string_equal(at, "");
    for (unsigned i = 0; i < 10000; i += 2) {
        (void)snprintf(key, sizeof(key), "k%05u", i);
        ok(d->remove(m, &(finops_remove){ .key = key }, &err), &err);
    }
    fo_str_clear(&keys);
    ok(d->list(m, &(finops_list){ .prefix = "k0000" }, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "k00001 k00003 k00005 k00007 k00009 ");
    d->close(m);
}

static void
a_reader_goes_on_with_what_it_began(void **state)
{
    void *m = opened();
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_error *err = NULL;
    finops_reader *r = NULL;

    (void)state;
    put_text(m, "a", "the old one");
    ok(d->read(m, &(finops_get){ .key = "a", .length = -1 }, &r, &err), &err);
    put_text(m, "a", "the new one");
    ok(d->remove(m, &(finops_remove){ .key = "a" }, &err), &err);
    reader_text(r, &text);
    assert_string_equal(fo_str_z(&text), "the old one");
    d->close(m);
}

static void
children_go_on_behind_what_was_told_last(void **state)
{
    static const char *const keys[] = { "a", "a/b", "a/c", "a0", "b/c/d", "c" };
    static const struct {
        const char *prefix, *after, *want;
    } cases[] = { { "", NULL, "a a/ a0 b/ c " },
                  { "", "a", "a/ a0 b/ c " },
                  { "", "a/", "a0 b/ c " },
                  { "", "a/b", "a0 b/ c " },
                  { "a", NULL, "a a/ a0 " },
                  { "a/", NULL, "a/b a/c " },
                  { "a/", "a/b", "a/c " },
                  { "b/", NULL, "b/c/ " },
                  { "x", NULL, "" },
                  { "", "z", "" } };
    void *m = opened();

    (void)state;
    for (size_t i = 0; i < FO_COUNT(keys); i++)
        put_text(m, keys[i], "x");
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        const finops_list list = { .prefix = cases[i].prefix,
                                   .children = true,
                                   .start_after = cases[i].after };
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
        finops_error *err = NULL;

        ok(d->list(m, &list, keys_add, &text, &err), &err);
        assert_string_equal(fo_str_z(&text), cases[i].want);
    }
    d->close(m);
}

static bool
sweep_seen(const finops_object *object, void *arg)
{
    fo_str_add(arg, object->key);
    return strcmp(object->key, "up/kept") != 0;
}

static void
a_swept_upload_is_gone_for_its_owner(void **state)
{
    void *m = opened();
    FO_AUTO(fo_str_done) fo_str seen = FO_STR_INIT;
    finops_error *err = NULL;
    finops_upload *gone = NULL, *kept = NULL;
    finops_object stored;

    (void)state;
    ok(d->upload(m, &(finops_put){ .key = "up/gone" }, &gone, &err), &err);
    ok(d->upload(m, &(finops_put){ .key = "up/kept" }, &kept, &err), &err);
    ok(gone->part(gone, 1, 0, "abc", 3, NULL, &err), &err);
    ok(kept->part(kept, 2, 3, "def", 3, NULL, &err), &err);
    ok(d->sweep(m, "up/", INT64_MAX, NULL, sweep_seen, &seen, &err), &err);
    assert_int_equal(seen.len, strlen("up/keptup/gone"));
    fails(gone->part(gone, 2, 3, "def", 3, NULL, &err), FINOPS_E_NOT_FOUND, &err);
    fails(gone->commit(gone, 1, 3, NULL, NULL, &err), FINOPS_E_NOT_FOUND, &err);
    fails(kept->commit(kept, 2, 6, NULL, NULL, &err), FINOPS_E_ARGUMENT, &err);
    ok(kept->part(kept, 1, 0, "abc", 3, NULL, &err), &err);
    ok(kept->commit(kept, 2, 6, NULL, &stored, &err), &err);
    assert_int_equal(stored.size, 6);
    finops_object_done(&stored);
    ok(kept->commit(kept, 2, 6, NULL, NULL, &err), &err);
    fails(kept->part(kept, 3, 6, "x", 1, NULL, &err), FINOPS_E_NOT_FOUND, &err);
    gone->close(gone);
    kept->close(kept);
    d->close(m);
}

#define RACERS 8

typedef struct racer {
    void *m;
    unsigned number, won;
} racer;

static void *
race(void *arg)
{
    racer *r = arg;
    char key[16];

    for (unsigned i = 0; i < 500; i++) {
        const finops_put put = { .key = key, .create_only = true };

        (void)snprintf(key, sizeof(key), "k%u", i);
        r->won += d->put(r->m, &put, &r->number, sizeof(r->number), NULL, NULL) == FINOPS_OK;
    }
    return NULL;
}

static void
racing_creators_have_one_winner_each(void **state)
{
    void *m = opened();
    racer racers[RACERS];
    pthread_t threads[RACERS];
    unsigned won = 0;

    (void)state;
    for (unsigned i = 0; i < RACERS; i++) {
        racers[i] = (racer){ .m = m, .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (unsigned i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        won += racers[i].won;
    }
    assert_int_equal(won, 500);
    d->close(m);
}

static void
a_put_survives_every_failed_allocation(void **state)
{
    void *m = opened();
    finops_code rc = FINOPS_E_MEMORY;
    finops_object told;

    (void)state;
    for (unsigned n = 1; rc != FINOPS_OK; n++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;

        fo_mem_fail_at(n);
        rc = d->put(m, &(finops_put){ .key = "a" }, "x", 1, &told, &err);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_mem_fail_at(0);
        if (rc != FINOPS_OK)
            assert_int_equal(d->stat(m, "a", NULL, &told, NULL), FINOPS_E_NOT_FOUND);
    }
    assert_int_equal(told.size, 1);
    finops_object_done(&told);
    d->close(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_keys_are_listed_in_order_whatever_order_they_came_in),
        cmocka_unit_test(a_reader_goes_on_with_what_it_began),
        cmocka_unit_test(children_go_on_behind_what_was_told_last),
        cmocka_unit_test(a_swept_upload_is_gone_for_its_owner),
        cmocka_unit_test(racing_creators_have_one_winner_each),
        cmocka_unit_test(a_put_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
