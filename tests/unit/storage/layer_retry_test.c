/* The retry layer over a storage that fails as it is told, with a clock that only moves in sleep. */
#include "layers_test.h"

#include "finops/sys/plugin.h"
#include "storage/layers/retry.h"

typedef struct world {
    fo_stage stage;
    faulty *faulty;
} world;

static int
setup(void **state)
{
    static world w;
    const fo_retry_config config = { .attempts = 5, .clock = &layers_fake_clock };
    fo_stage below;

    w.faulty = faulty_memory(&below);
    w.stage = wrapped(&fo_retry_layer, &config, below);
    layers_n_asked = 0;
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

static finops_code
stat_code(world *w, const char *key, finops_error **err)
{
    finops_object object = { 0 };
    finops_code rc = w->stage.driver->stat(w->stage.self, key, NULL, &object, err);

    finops_object_done(&object);
    return rc;
}

static void
f1_only_bad_luck_is_tried_again(void **state)
{
    world *w = *state;

    put_text(w->stage, "k", "v");
    for (int code = 1; code < FINOPS_E_COUNT_; code++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        bool luck = code == FINOPS_E_TRANSIENT || code == FINOPS_E_THROTTLED || code == FINOPS_E_TIMEOUT ||
                    code == FINOPS_E_CORRUPT;
        faulty_fail(w->faulty, FO_OP_STAT, 1, (finops_code)code);
        atomic_store(&w->faulty->calls[FO_OP_STAT], 0);
        assert_int_equal(stat_code(w, "k", &err), luck ? FINOPS_OK : (finops_code)code);
        assert_int_equal(w->faulty->calls[FO_OP_STAT], luck ? 2 : 1);
    }
}

static void
f1_the_last_error_says_how_often_it_was_tried(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    faulty_fail(w->faulty, FO_OP_STAT, 99, FINOPS_E_TRANSIENT);
    assert_int_equal(stat_code(w, "k", &err), FINOPS_E_TRANSIENT);
    assert_string_equal(finops_error_text(err), "5 attempts: stat failed as told (request 4442587FB7D0A2F9)");
    assert_int_equal(w->faulty->calls[FO_OP_STAT], 5);
}

static void
f2_retry_after_is_kept_to_and_capped(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    int64_t before = layers_now_us;

    put_text(w->stage, "k", "v");
    w->faulty->on[FO_OP_STAT].tells_when = true;
    w->faulty->on[FO_OP_STAT].retry_after_us = 3000000;
    faulty_fail(w->faulty, FO_OP_STAT, 1, FINOPS_E_THROTTLED);
    ok(stat_code(w, "k", &err), &err);
    assert_int_equal(layers_now_us - before, 3000000);
    w->faulty->on[FO_OP_STAT].retry_after_us = 3600000000;
    faulty_fail(w->faulty, FO_OP_STAT, 1, FINOPS_E_TRANSIENT);
    before = layers_now_us;
    ok(stat_code(w, "k", &err), &err);
    assert_int_equal(layers_now_us - before, 20000000);
}

static void
f3_pauses_begin_with_50_ms_or_1_s_double_and_end_at_20_s(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    static const uint32_t transient[] = { 50000, 100000, 200000, 400000 };
    static const uint32_t throttled[] = { 1000000, 2000000, 4000000, 8000000 };

    faulty_fail(w->faulty, FO_OP_STAT, 5, FINOPS_E_TRANSIENT);
    assert_int_equal(stat_code(w, "k", &err), FINOPS_E_TRANSIENT);
    assert_memory_equal(layers_asked, transient, sizeof(transient));
    finops_error_freep(&err);
    layers_n_asked = 0;
    faulty_fail(w->faulty, FO_OP_STAT, 5, FINOPS_E_THROTTLED);
    assert_int_equal(stat_code(w, "k", &err), FINOPS_E_THROTTLED);
    assert_memory_equal(layers_asked, throttled, sizeof(throttled));
}

static unsigned
retries_until_dry(world *w, finops_code code)
{
    unsigned n = 0;
    bool dry = false;

    while (!dry) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        atomic_store(&w->faulty->calls[FO_OP_STAT], 0);
        faulty_fail(w->faulty, FO_OP_STAT, 99, code);
        (void)stat_code(w, "k", &err);
        n += atomic_load(&w->faulty->calls[FO_OP_STAT]) - 1;
        dry = strstr(finops_error_text(err), "budget") || strstr(finops_error_text(err), "too much fails");
    }
    return n;
}

static void
f4_the_budget_is_500_and_a_retry_costs_14_or_5(void **state)
{
    world *w = *state;

    assert_int_equal(retries_until_dry(w, FINOPS_E_TRANSIENT), 500 / 14);
    assert_int_equal(retries_until_dry(w, FINOPS_E_THROTTLED), 500 % 14 / 5);
}

static void
f4_success_gives_back_what_the_retry_took(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_attempts figures;

    put_text(w->stage, "k", "v");
    faulty_fail(w->faulty, FO_OP_STAT, 2, FINOPS_E_TRANSIENT);
    ok(stat_code(w, "k", &err), &err);
    assert_true(fo_retry_attempts(&w->stage, &figures));
    assert_int_equal(figures.budget, 500 - 14);
    assert_int_equal(figures.attempts[FO_OP_STAT], 3);
    assert_int_equal(figures.retries[FO_OP_STAT], 2);
}

static void
f10_a_connection_that_was_never_used_costs_nothing(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    int64_t before = layers_now_us;
    fo_attempts figures;

    put_text(w->stage, "k", "v");
    w->faulty->on[FO_OP_STAT].tells_when = true;
    faulty_fail(w->faulty, FO_OP_STAT, 3, FINOPS_E_TRANSIENT);
    ok(stat_code(w, "k", &err), &err);
    assert_true(fo_retry_attempts(&w->stage, &figures));
    assert_int_equal(figures.budget, 500);
    assert_int_equal(layers_now_us, before);
}

static void
f6_the_deadline_of_the_call_is_kept_across_attempts(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_call call = { .deadline_us = layers_now_us + 120000 };
    finops_object object;

    faulty_fail(w->faulty, FO_OP_STAT, 99, FINOPS_E_TRANSIENT);
    assert_int_equal(w->stage.driver->stat(w->stage.self, "k", &call, &object, &err), FINOPS_E_TRANSIENT);
    assert_int_equal(w->faulty->calls[FO_OP_STAT], 2); /* 50 ms, and 100 more would be too late */
}

static bool
at_once(void *arg)
{
    (void)arg;
    return true;
}

static void
f6_a_pause_ends_when_the_call_is_cancelled(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_call call = { .cancelled = at_once };
    int64_t before = layers_now_us;
    finops_object object;

    faulty_fail(w->faulty, FO_OP_STAT, 99, FINOPS_E_THROTTLED);
    assert_int_equal(w->stage.driver->stat(w->stage.self, "k", &call, &object, &err), FINOPS_E_CANCELLED);
    assert_true(layers_now_us - before <= 100000);
}

/* ---- reading ---- */

static void
r6_a_reader_goes_on_at_the_next_byte(void **state)
{
    world *w = *state;
    const finops_get middle = { .key = "k", .offset = 2, .length = 6 };

    put_text(w->stage, "k", "0123456789");
    faulty_body(w->faulty, 3, FINOPS_E_TRANSIENT, 3);
    key_text_is(w->stage, "k", "0123456789");
    assert_int_equal(w->faulty->calls[FO_OP_READ], 4);
    faulty_body(w->faulty, 1, FINOPS_E_TIMEOUT, 2);
    text_is(w->stage, &middle, "234567");
}

static void
r6_a_reader_that_moves_may_break_off_any_number_of_times(void **state)
{
    world *w = *state;

    put_text(w->stage, "k", "0123456789");
    faulty_body(w->faulty, 9, FINOPS_E_TRANSIENT, 1);
    key_text_is(w->stage, "k", "0123456789");
}

static void
r5_what_was_replaced_while_it_was_read_is_never_mixed(void **state)
{
    world *w = *state;
    const finops_get get = { .key = "k", .length = -1 };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_reader *reader = NULL;
    char block[16];
    size_t n;

    put_text(w->stage, "k", "0123456789");
    faulty_body(w->faulty, 1, FINOPS_E_TRANSIENT, 4);
    ok(w->stage.driver->read(w->stage.self, &get, &reader, &err), &err);
    ok(reader->read(reader, block, sizeof(block), &n, &err), &err);
    assert_int_equal(n, 4);
    put_text(w->stage, "k", "abcdefghij");
    assert_int_equal(reader->read(reader, block, sizeof(block), &n, &err), FINOPS_E_PRECONDITION);
    reader->close(reader);
}

static void
i3_damaged_bytes_are_fetched_once_more_and_never_after_some_were_handed_out(void **state)
{
    world *w = *state;
    const finops_get get = { .key = "k", .length = -1 };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_reader *reader = NULL;
    char block[16];
    size_t n;

    put_text(w->stage, "k", "0123456789");
    faulty_body(w->faulty, 1, FINOPS_E_CORRUPT, 0);
    key_text_is(w->stage, "k", "0123456789");
    faulty_body(w->faulty, 1, FINOPS_E_CORRUPT, 10);
    ok(w->stage.driver->read(w->stage.self, &get, &reader, &err), &err);
    ok(reader->read(reader, block, sizeof(block), &n, &err), &err);
    assert_int_equal(n, 10);
    assert_int_equal(reader->read(reader, block, sizeof(block), &n, &err), FINOPS_E_CORRUPT);
    reader->close(reader);
}

/* ---- listing ---- */

static void
l8_a_listing_goes_on_after_its_last_key(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    const finops_list all = { .prefix = "" }, children = { .prefix = "", .children = true };

    put_text(w->stage, "a/1", "");
    put_text(w->stage, "a/2", "");
    put_text(w->stage, "b", "");
    put_text(w->stage, "c", "");
    w->faulty->on[FO_OP_LIST].after = 2;
    faulty_fail(w->faulty, FO_OP_LIST, 1, FINOPS_E_TRANSIENT);
    ok(w->stage.driver->list(w->stage.self, &all, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "a/1 a/2 b c ");
    fo_str_clear(&keys);
    w->faulty->on[FO_OP_LIST].after = 1; /* the prefix "a/", which keys above it have, too */
    faulty_fail(w->faulty, FO_OP_LIST, 1, FINOPS_E_TRANSIENT);
    ok(w->stage.driver->list(w->stage.self, &children, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "a/ b c ");
}

/* ---- writing ---- */

static finops_code
put_once(world *w, const char *text, finops_object *ret, finops_error **err)
{
    const finops_metadata own = { "colour", "dark red" };
    const finops_put put = {
        .key = "k", .size = (int64_t)strlen(text), .create_only = true, .metadata = &own, .n_metadata = 1
    };

    return w->stage.driver->put(w->stage.self, &put, text, strlen(text), ret, err);
}

static void
c6_an_own_write_whose_answer_was_lost_is_a_success(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_object made = { 0 };

    w->faulty->on[FO_OP_PUT].done = true;
    faulty_fail(w->faulty, FO_OP_PUT, 1, FINOPS_E_TRANSIENT);
    ok(put_once(w, "mine", &made, &err), &err);
    assert_int_equal(made.size, 4);
    assert_non_null(made.version);
    assert_int_equal(made.n_metadata, 1);
    finops_object_done(&made);
    key_text_is(w->stage, "k", "mine");
}

static void
c6_anothers_write_is_not_taken_for_the_own(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    put_text(w->stage, "k", "mine"); /* the very same bytes */
    faulty_fail(w->faulty, FO_OP_PUT, 1, FINOPS_E_TRANSIENT);
    assert_int_equal(put_once(w, "mine", NULL, &err), FINOPS_E_EXISTS);
}

static void
p4_the_mark_of_a_write_is_never_seen(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_get get = { .key = "k", .length = -1 };
    finops_reader *reader = NULL;
    finops_object object = { 0 };

    ok(put_once(w, "mine", NULL, &err), &err);
    ok(w->stage.driver->stat(w->stage.self, "k", NULL, &object, &err), &err);
    assert_int_equal(object.n_metadata, 1);
    assert_string_equal(object.metadata[0].value, "dark red");
    finops_object_done(&object);
    ok(w->stage.driver->read(w->stage.self, &get, &reader, &err), &err);
    assert_int_equal(reader->object.n_metadata, 1);
    reader->close(reader);
}

static void
m2_a_part_that_failed_is_sent_again_alone(void **state)
{
    world *w = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_put put = { .key = "k", .size = 6 };
    finops_upload *upload = NULL;

    ok(w->stage.driver->upload(w->stage.self, &put, &upload, &err), &err);
    ok(upload->part(upload, 1, 0, "abc", 3, NULL, &err), &err);
    faulty_fail(w->faulty, FO_OP_PART, 1, FINOPS_E_THROTTLED);
    ok(upload->part(upload, 2, 3, "def", 3, NULL, &err), &err);
    assert_int_equal(w->faulty->calls[FO_OP_PART], 3);
    faulty_fail(w->faulty, FO_OP_COMMIT, 1, FINOPS_E_TRANSIENT);
    ok(upload->commit(upload, 2, 6, NULL, NULL, &err), &err);
    upload->close(upload);
    key_text_is(w->stage, "k", "abcdef");
}

typedef struct gone {
    unsigned ok, failed;
    bool seen[40];
} gone;

static void
count_gone(size_t i, const finops_error *err, void *arg)
{
    gone *g = arg;

    assert_false(g->seen[i]); /* told once */
    g->seen[i] = true;
    *(err ? &g->failed : &g->ok) += 1;
}

static void
remove_forty(world *w, gone *g, finops_code want)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    char names[40][8];
    const char *keys[40];

    *g = (gone){ 0 };
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "k%u", i);
        keys[i] = names[i];
        put_text(w->stage, keys[i], "");
    }
    atomic_store(&w->faulty->keys, 0);
    assert_int_equal(w->stage.driver->remove_many(w->stage.self, keys, 40, NULL, count_gone, g, &err), want);
}

static void
d2_only_the_keys_of_a_batch_that_failed_are_tried_again(void **state)
{
    world *w = *state;
    gone g;

    w->faulty->on[FO_OP_REMOVE_MANY].every = 4;
    faulty_fail(w->faulty, FO_OP_REMOVE_MANY, 1, FINOPS_E_THROTTLED);
    remove_forty(w, &g, FINOPS_OK);
    assert_int_equal(g.ok, 40);
    assert_int_equal(w->faulty->keys, 50);
    faulty_fail(w->faulty, FO_OP_REMOVE_MANY, 1, FINOPS_E_DENIED);
    remove_forty(w, &g, FINOPS_OK);
    assert_int_equal(g.failed, 10);
    assert_int_equal(w->faulty->keys, 40);
}

static void
d2_a_batch_that_never_works_tells_each_key_once(void **state)
{
    world *w = *state;
    gone g;

    w->faulty->on[FO_OP_REMOVE_MANY].every = 1;
    faulty_fail(w->faulty, FO_OP_REMOVE_MANY, 99, FINOPS_E_TRANSIENT);
    remove_forty(w, &g, FINOPS_OK);
    assert_int_equal(g.failed, 40);
    w->faulty->on[FO_OP_REMOVE_MANY].every = 0;
    remove_forty(w, &g, FINOPS_E_TRANSIENT); /* of all keys */
    assert_int_equal(g.failed, 0);
}

static void
f11_chaos_ends_with_the_right_bytes_or_a_clean_error(void **state)
{
    world *w = *state;
    unsigned random = 12345, wrong = 0, failed = 0;

    for (unsigned i = 0; i < 1000; i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        char text[32];
        const finops_put put = { .key = "k" };

        (void)snprintf(text, sizeof(text), "content number %u", i);
        random = random * 1103515245u + 12345u;
        if (random >> 16 & 1)
            faulty_body(w->faulty, random >> 20 & 3, FINOPS_E_TRANSIENT, random >> 24 & 15);
        faulty_fail(w->faulty, FO_OP_PUT, random >> 18 & 3, FINOPS_E_TRANSIENT);
        faulty_fail(w->faulty, FO_OP_READ, random >> 22 & 3, FINOPS_E_THROTTLED);
        if (w->stage.driver->put(w->stage.self, &put, text, strlen(text), NULL, &err) != FINOPS_OK) {
            failed++;
            continue;
        }
        const finops_get get = { .key = "k", .length = -1 };
        finops_reader *reader = NULL;
        char back[32] = { 0 };
        size_t n = 1, done = 0;
        finops_code rc = w->stage.driver->read(w->stage.self, &get, &reader, &err);
        while (rc == FINOPS_OK && n > 0) {
            rc = reader->read(reader, back + done, sizeof(back) - 1 - done, &n, &err);
            done += rc == FINOPS_OK ? n : 0;
        }
        wrong += rc == FINOPS_OK && strcmp(back, text) != 0;
        failed += rc != FINOPS_OK;
        if (reader)
            reader->close(reader);
    }
    assert_int_equal(wrong, 0);
    assert_true(failed < 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(f1_only_bad_luck_is_tried_again),
        TEST(f1_the_last_error_says_how_often_it_was_tried),
        TEST(f2_retry_after_is_kept_to_and_capped),
        TEST(f3_pauses_begin_with_50_ms_or_1_s_double_and_end_at_20_s),
        TEST(f4_the_budget_is_500_and_a_retry_costs_14_or_5),
        TEST(f4_success_gives_back_what_the_retry_took),
        TEST(f10_a_connection_that_was_never_used_costs_nothing),
        TEST(f6_the_deadline_of_the_call_is_kept_across_attempts),
        TEST(f6_a_pause_ends_when_the_call_is_cancelled),
        TEST(r6_a_reader_goes_on_at_the_next_byte),
        TEST(r6_a_reader_that_moves_may_break_off_any_number_of_times),
        TEST(r5_what_was_replaced_while_it_was_read_is_never_mixed),
        TEST(i3_damaged_bytes_are_fetched_once_more_and_never_after_some_were_handed_out),
        TEST(l8_a_listing_goes_on_after_its_last_key),
        TEST(c6_an_own_write_whose_answer_was_lost_is_a_success),
        TEST(c6_anothers_write_is_not_taken_for_the_own),
        TEST(p4_the_mark_of_a_write_is_never_seen),
        TEST(m2_a_part_that_failed_is_sent_again_alone),
        TEST(d2_only_the_keys_of_a_batch_that_failed_are_tried_again),
        TEST(d2_a_batch_that_never_works_tells_each_key_once),
        TEST(f11_chaos_ends_with_the_right_bytes_or_a_clean_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
