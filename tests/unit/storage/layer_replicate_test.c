/* One storage in three places in memory, of which some fail as they are told. */
#include "layers_test.h"

#include "storage/layers/replicate.h"

#define PLACES 3

typedef struct world {
    fo_stage stage;
    fo_stage place[PLACES];
    faulty *faulty[PLACES];
} world;

static fo_replicate_mode mode; /* of the tests that follow */

static int
setup(void **state)
{
    static world w;
    finops_error *err = NULL;

    for (unsigned i = 0; i < PLACES; i++)
        w.faulty[i] = faulty_memory(&w.place[i]);
    ok(fo_replicate_over(mode, w.place, PLACES, &w.stage, &err), &err);
    *state = &w;
    return 0;
}

static int
teardown(void **state)
{
    world *w = *state;

    fo_stage_close(&w->stage);
    return 0;
}

/* Everything there fails from now on, or works again. */
static void
down(world *w, unsigned place, bool yes)
{
    for (int op = 0; op < FO_OP_COUNT_; op++)
        faulty_fail(w->faulty[place], (fo_storage_op)op, yes ? 1000000 : 0, FINOPS_E_BREAKER_OPEN);
}

static finops_code
put_code(world *w, const char *key, const char *text, finops_error **err)
{
    return put_bytes(w->stage, key, text, strlen(text), err);
}

static void
y6_a_write_is_in_every_place(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_remove gone = { .key = "a" };
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    const finops_list list = { .prefix = "" };
    const finops_copy copy = { .from = "a", .to = "b" };

    put_text(w->stage, "a", "text");
    ok(fo_stage_copy(&w->stage, &copy, NULL, &err), &err);
    for (unsigned i = 0; i < PLACES; i++)
        key_text_is(w->place[i], "b", "text");
    ok(w->stage.driver->remove(w->stage.self, &gone, &err), &err);
    ok(w->stage.driver->list(w->stage.self, &list, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "b ");
    key_text_is(w->stage, "b", "text");
}

static void
y6_a_read_falls_back_when_a_place_is_down(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    const finops_list list = { .prefix = "" };
    fo_replicate_figures figures;

    put_text(w->stage, "k", "text");
    down(w, 0, true);
    key_text_is(w->stage, "k", "text");
    ok(w->stage.driver->stat(w->stage.self, "k", NULL, &object, &err), &err);
    assert_int_equal(object.size, 4);
    ok(w->stage.driver->list(w->stage.self, &list, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "k ");
    assert_true(fo_replicate_read_figures(&w->stage, &figures));
    assert_int_equal(figures.fallbacks, 3);
    down(w, 1, true);
    down(w, 2, true);
    char back[8];
    size_t n;
    const finops_get get = { .key = "k", .length = -1 };
    fails(get_bytes(w->stage, &get, back, sizeof(back), &n, &err), FINOPS_E_BREAKER_OPEN, &err);
}

static void
y6_a_body_that_breaks_off_goes_on_from_another_place(void **state)
{
    world *w = *state;

    put_text(w->stage, "k", "0123456789");
    faulty_body(w->faulty[0], 1, FINOPS_E_TRANSIENT, 4);
    key_text_is(w->stage, "k", "0123456789");
    assert_int_equal(w->faulty[1]->calls[FO_OP_READ], 1);
}

static void
y6_a_listing_goes_on_from_another_place(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    const finops_list list = { .prefix = "" };

    put_text(w->stage, "a", "");
    put_text(w->stage, "b", "");
    put_text(w->stage, "c", "");
    w->faulty[0]->on[FO_OP_LIST].after = 2;
    faulty_fail(w->faulty[0], FO_OP_LIST, 1, FINOPS_E_TRANSIENT);
    ok(w->stage.driver->list(w->stage.self, &list, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "a b c ");
}

static void
y6_one_place_down_fails_a_write_in_mode_all_only(void **state)
{
    world *w = *state;
    finops_error *err = NULL;

    down(w, 2, true);
    finops_code rc = put_code(w, "k", "text", &err);
    if (mode == FO_REPLICATE_ALL) {
        assert_int_equal(rc, FINOPS_E_BREAKER_OPEN);
        assert_non_null(strstr(finops_error_text(err), "k: done in 2 of 3 places"));
        finops_error_freep(&err);
    } else {
        ok(rc, &err);
    }
    fo_replicate_figures figures;
    assert_true(fo_replicate_read_figures(&w->stage, &figures));
    assert_int_equal(figures.behind[2], 1);
    assert_int_equal(figures.behind[0] + figures.behind[1], 0);
}

static void
y6_the_first_place_down_fails_a_write_but_with_a_quorum(void **state)
{
    world *w = *state;
    finops_error *err = NULL;

    put_text(w->stage, "k", "old");
    down(w, 0, true);
    finops_code rc = put_code(w, "k", "new", &err);
    down(w, 0, false);
    if (mode == FO_REPLICATE_QUORUM) {
        ok(rc, &err);
        key_text_is(w->stage, "k", "new"); /* the first missed it, and is asked last */
        key_text_is(w->place[0], "k", "old");
    } else {
        fails(rc, FINOPS_E_BREAKER_OPEN, &err);
        key_text_is(w->stage, "k", "old");
    }
}

static void
y6_two_places_down_leave_no_quorum(void **state)
{
    world *w = *state;
    finops_error *err = NULL;

    down(w, 1, true);
    down(w, 2, true);
    finops_code rc = put_code(w, "k", "text", &err);
    if (mode == FO_REPLICATE_PRIMARY_FIRST)
        ok(rc, &err);
    else
        fails(rc, FINOPS_E_BREAKER_OPEN, &err);
}

static void
c2_the_first_place_decides_about_conditions(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_put once = { .key = "k", .size = 3, .create_only = true };
    FO_AUTO(finops_object_done) finops_object made = { 0 };

    ok(w->stage.driver->put(w->stage.self, &once, "one", 3, &made, &err), &err);
    fails(w->stage.driver->put(w->stage.self, &once, "two", 3, NULL, &err), FINOPS_E_EXISTS, &err);
    const finops_put replace = { .key = "k", .size = 3, .if_version = made.version };
    ok(w->stage.driver->put(w->stage.self, &replace, "new", 3, NULL, &err), &err);
    fails(w->stage.driver->put(w->stage.self, &replace, "old", 3, NULL, &err), FINOPS_E_PRECONDITION, &err);
    const finops_get pinned = { .key = "k", .length = -1, .if_version = made.version };
    char back[8];
    size_t n;
    fails(get_bytes(w->stage, &pinned, back, sizeof(back), &n, &err), FINOPS_E_PRECONDITION, &err);
    for (unsigned i = 0; i < PLACES; i++)
        key_text_is(w->place[i], "k", "new");
    down(w, 0, true);
    const finops_put other = { .key = "other", .size = 3, .create_only = true };
    fails(w->stage.driver->put(w->stage.self, &other, "one", 3, NULL, &err), FINOPS_E_BREAKER_OPEN, &err);
}

static void
r10_an_unchanged_object_is_told_by_its_version(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    FO_AUTO(finops_object_done) finops_object object = { 0 };
    char back[8];
    size_t n;

    put_text(w->stage, "k", "one");
    ok(w->stage.driver->stat(w->stage.self, "k", NULL, &object, &err), &err);
    const finops_get unless = { .key = "k", .length = -1, .unless_version = object.version };
    fails(get_bytes(w->stage, &unless, back, sizeof(back), &n, &err), FINOPS_E_UNCHANGED, &err);
    put_text(w->stage, "k", "two");
    ok(get_bytes(w->stage, &unless, back, sizeof(back), &n, &err), &err);
    assert_memory_equal(back, "two", 3);
}

static void
m1_an_upload_goes_to_every_place(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    const finops_put put = { .key = "k", .size = 6 };
    FO_AUTO(finops_object_done) finops_object made = { 0 };
    finops_upload *upload = NULL;

    ok(w->stage.driver->upload(w->stage.self, &put, &upload, &err), &err);
    ok(upload->part(upload, 1, 0, "abc", 3, NULL, &err), &err);
    faulty_fail(w->faulty[1], FO_OP_PART, 1, FINOPS_E_TRANSIENT);
    finops_code rc = upload->part(upload, 2, 3, "def", 3, NULL, &err);
    if (mode == FO_REPLICATE_ALL) {
        fails(rc, FINOPS_E_TRANSIENT, &err);
    } else {
        ok(rc, &err);
        ok(upload->commit(upload, 2, 6, NULL, &made, &err), &err);
        key_text_is(w->stage, "k", "abcdef");
        key_text_is(w->place[2], "k", "abcdef");
    }
    upload->close(upload);
}

static void
count_left(size_t i, const finops_error *err, void *arg)
{
    (void)i;
    *(unsigned *)arg += err != NULL;
}

static void
d2_a_batch_is_removed_everywhere(void **state)
{
    static const char *const keys[] = { "a", "b", "c" };
    world *w = *state;
    finops_error *err = NULL;
    unsigned left = 0;

    for (unsigned i = 0; i < 3; i++)
        put_text(w->stage, keys[i], "");
    w->faulty[2]->on[FO_OP_REMOVE_MANY].every = 3;
    faulty_fail(w->faulty[2], FO_OP_REMOVE_MANY, 1, FINOPS_E_DENIED);
    ok(w->stage.driver->remove_many(w->stage.self, keys, 3, NULL, count_left, &left, &err), &err);
    assert_int_equal(left, mode == FO_REPLICATE_ALL ? 1 : 0);
}

/* ---- divergence ---- */

static bool
note(const fo_divergence *d, void *arg)
{
    fo_str_addf(arg, "%s:%s%u/%u%s ", d->key, d->should_be ? "" : "-", d->has, d->differs,
                d->repaired ? "!" : "");
    return true;
}

static void
differ(world *w)
{
    const finops_remove gone = { .key = "lost" };

    for (unsigned i = 0; i < PLACES; i++) {
        put_text(w->place[i], "same", "same");
        put_text(w->place[i], "lost", "lost");
        put_text(w->place[i], "other", i == 2 ? "BAD." : "good");
    }
    put_text(w->place[2], "extra", "extra");
    assert_int_equal(w->place[1].driver->remove(w->place[1].self, &gone, NULL), FINOPS_OK);
}

static void
y6_divergence_is_told_and_repaired(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str found = FO_STR_INIT;

    differ(w);
    ok(fo_replicate_compare(&w->stage, "", false, NULL, note, &found, &err), &err);
    assert_string_equal(fo_str_z(&found), "extra:-0/4 lost:5/0 other:3/4 ");
    fo_str_clear(&found);
    ok(fo_replicate_compare(&w->stage, "", true, NULL, note, &found, &err), &err);
    assert_string_equal(fo_str_z(&found), "extra:-0/4! lost:5/0! other:3/4! ");
    fo_str_clear(&found);
    ok(fo_replicate_compare(&w->stage, "", false, NULL, note, &found, &err), &err);
    assert_string_equal(fo_str_z(&found), "");
    key_text_is(w->place[1], "lost", "lost");
    key_text_is(w->place[2], "other", "good");
}

static void
y6_the_primary_is_right_where_it_comes_first_else_most_are(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str found = FO_STR_INIT;

    put_text(w->place[0], "k", "first");
    put_text(w->place[1], "k", "other");
    put_text(w->place[2], "k", "other");
    put_text(w->place[1], "l", "two of them");
    put_text(w->place[2], "l", "two of them");
    ok(fo_replicate_compare(&w->stage, "", true, NULL, note, &found, &err), &err);
    bool first = mode == FO_REPLICATE_PRIMARY_FIRST;
    assert_string_equal(fo_str_z(&found), first ? "k:1/6! l:-0/6! " : "k:6/1! l:6/0! ");
    key_text_is(w->place[0], "k", first ? "first" : "other");
    key_text_is(w->place[2], "k", first ? "first" : "other");
}

static void
y6_many_pages_are_compared(void **state)
{
    world *w = *state;
    finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str found = FO_STR_INIT;
    char key[16];

    for (unsigned i = 0; i < 1205; i++) {
        (void)snprintf(key, sizeof(key), "%05u", i);
        for (unsigned j = 0; j < PLACES; j++)
            if (!(j == 1 && i % 500 == 499))
                put_text(w->place[j], key, "x");
    }
    ok(fo_replicate_compare(&w->stage, "", false, NULL, note, &found, &err), &err);
    assert_string_equal(fo_str_z(&found), "00499:5/0 00999:5/0 ");
}

static void
y6_features_are_what_all_places_can(void **state)
{
    world *w = *state;

    w->faulty[1]->pass.less = FINOPS_STORAGE_METADATA;
    assert_false(fo_stage_features(&w->stage) & FINOPS_STORAGE_METADATA);
    assert_false(fo_stage_features(&w->stage) & FINOPS_STORAGE_MOVE);
    assert_true(fo_stage_features(&w->stage) & FINOPS_STORAGE_CREATE_ONLY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    static const char *const names[] = { "all", "quorum", "primary_first" };
    const struct CMUnitTest tests[] = {
        TEST(y6_a_write_is_in_every_place),
        TEST(y6_a_read_falls_back_when_a_place_is_down),
        TEST(y6_a_body_that_breaks_off_goes_on_from_another_place),
        TEST(y6_a_listing_goes_on_from_another_place),
        TEST(y6_one_place_down_fails_a_write_in_mode_all_only),
        TEST(y6_the_first_place_down_fails_a_write_but_with_a_quorum),
        TEST(y6_two_places_down_leave_no_quorum),
        TEST(c2_the_first_place_decides_about_conditions),
        TEST(r10_an_unchanged_object_is_told_by_its_version),
        TEST(m1_an_upload_goes_to_every_place),
        TEST(d2_a_batch_is_removed_everywhere),
        TEST(y6_divergence_is_told_and_repaired),
        TEST(y6_the_primary_is_right_where_it_comes_first_else_most_are),
        TEST(y6_many_pages_are_compared),
        TEST(y6_features_are_what_all_places_can),
    };
    int failed = 0;

    for (unsigned i = 0; i < 3; i++) {
        mode = (fo_replicate_mode)i;
        failed += cmocka_run_group_tests_name(names[i], tests, NULL, NULL);
    }
    return failed;
}
