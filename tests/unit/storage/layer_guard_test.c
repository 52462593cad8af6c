/* The layers that guard a service: deadline, limits, breaker; and the one that counts. */
#include "layers_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "base/log.h"
#include "resilience/deadline.h"
#include "storage/layers/breaker.h"
#include "storage/layers/deadline.h"
#include "storage/layers/limits.h"
#include "storage/layers/metrics.h"
#include "storage/layers/retry.h"

static finops_code
stat_code(fo_stage s, const char *key, const finops_call *call, finops_error **err)
{
    finops_object object = { 0 };
    finops_code rc = s.driver->stat(s.self, key, call, &object, err);

    finops_object_done(&object);
    return rc;
}

/* ---- deadline ---- */

static const fo_deadline_config twenty_ms = { .timeout_us = 20000 };

static void
f6_a_call_that_never_answers_ends_with_the_layers_limit(void **state)
{
    fo_stage below, s;
    faulty *f = faulty_memory(&below);
    finops_error *err = NULL;
    const finops_call shorter = { .deadline_us = fo_deadline_in(1000) };

    (void)state;
    s = wrapped(&fo_deadline_layer, &twenty_ms, below);
    f->on[FO_OP_STAT].hangs = true;
    faulty_fail(f, FO_OP_STAT, 2, FINOPS_E_TIMEOUT);
    assert_int_equal(stat_code(s, "k", NULL, &err), FINOPS_E_TIMEOUT);
    assert_non_null(strstr(finops_error_text(err), "deadline.timeout"));
    finops_error_freep(&err);
    assert_int_equal(stat_code(s, "k", &shorter, &err), FINOPS_E_TIMEOUT);
    assert_null(strstr(finops_error_text(err), "deadline.timeout")); /* the caller's own */
    finops_error_freep(&err);
    fo_stage_close(&s);
}

static void
f5_a_body_that_stalls_is_cut_and_one_that_moves_is_not(void **state)
{
    fo_stage below, s;
    faulty *f = faulty_memory(&below);
    const finops_get get = { .key = "k", .length = -1 };
    finops_reader *reader = NULL;
    finops_error *err = NULL;
    char block[2];
    size_t n = 1;

    (void)state;
    s = wrapped(&fo_deadline_layer, &twenty_ms, below);
    put_text(s, "k", "0123456789");
    ok(s.driver->read(s.self, &get, &reader, &err), &err);
    for (int64_t begin = fo_clock_monotonic(); n > 0;) { /* takes longer than the limit, in all */
        ok(reader->read(reader, block, sizeof(block), &n, &err), &err);
        while (fo_clock_monotonic() - begin < 8000)
            ;
        begin = fo_clock_monotonic();
    }
    reader->close(reader);
    f->body.hangs = true;
    faulty_body(f, 1, FINOPS_E_TIMEOUT, 2);
    ok(s.driver->read(s.self, &get, &reader, &err), &err);
    ok(reader->read(reader, block, sizeof(block), &n, &err), &err);
    fails(reader->read(reader, block, sizeof(block), &n, &err), FINOPS_E_TIMEOUT, &err);
    reader->close(reader);
    fo_stage_close(&s);
}

static bool
yes(void *arg)
{
    (void)arg;
    return true;
}

static void
f6_the_callers_cancellation_stays_one(void **state)
{
    fo_stage below, s;
    faulty *f = faulty_memory(&below);
    finops_error *err = NULL;
    const finops_call call = { .cancelled = yes };
    const finops_list list = { .prefix = "", .call = &call };
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;

    (void)state;
    s = wrapped(&fo_deadline_layer, &twenty_ms, below);
    f->on[FO_OP_LIST].hangs = true;
    faulty_fail(f, FO_OP_LIST, 1, FINOPS_E_TIMEOUT);
    fails(s.driver->list(s.self, &list, keys_add, &keys, &err), FINOPS_E_CANCELLED, &err);
    fo_stage_close(&s);
}

static void
a_layer_that_is_not_asked_for_is_not_there(void **state)
{
    const fo_deadline_config none = { 0 };
    const fo_limits_config no_limits = { .adaptive = true };
    fo_stage below, s;

    (void)state;
    (void)faulty_memory(&below);
    s = wrapped(&fo_deadline_layer, &none, below);
    assert_ptr_equal(s.self, below.self);
    s = wrapped(&fo_limits_layer, &no_limits, below);
    assert_ptr_equal(s.self, below.self);
    fo_stage_close(&s);
}

/* ---- breaker ---- */

static const fo_breaker_config three = { .failures = 3, .pause = 5, .clock = &layers_fake_clock };

static void
f8_a_breaker_opens_refuses_at_once_and_closes_after_a_probe(void **state)
{
    fo_stage below, s;
    faulty *f = faulty_memory(&below);
    finops_error *err = NULL;

    (void)state;
    s = wrapped(&fo_breaker_layer, &three, below);
    put_text(s, "k", "v");
    faulty_fail(f, FO_OP_STAT, 3, FINOPS_E_TRANSIENT);
    for (unsigned i = 0; i < 3; i++)
        fails(stat_code(s, "k", NULL, &err), FINOPS_E_TRANSIENT, &err);
    assert_int_equal(stat_code(s, "k", NULL, &err), FINOPS_E_BREAKER_OPEN);
    assert_string_equal(finops_error_text(err), "mem://test failed too often and is left alone for 5000 ms");
    finops_error_freep(&err);
    assert_int_equal(f->calls[FO_OP_STAT], 3);
    layers_now_us += 5000000;
    ok(stat_code(s, "k", NULL, &err), &err);
    ok(stat_code(s, "k", NULL, &err), &err);
    fo_stage_close(&s);
}

static void
f8_answers_that_say_no_do_not_count(void **state)
{
    static const finops_code answers[] = { FINOPS_E_NOT_FOUND, FINOPS_E_PRECONDITION, FINOPS_E_EXISTS,
                                           FINOPS_E_DENIED, FINOPS_E_CANCELLED };
    fo_breaker_state now = FO_BREAKER_OPEN;
    fo_stage below, s;
    faulty *f = faulty_memory(&below);

    (void)state;
    s = wrapped(&fo_breaker_layer, &three, below);
    for (size_t i = 0; i < FO_COUNT(answers); i++) {
        finops_error *err = NULL;
        faulty_fail(f, FO_OP_STAT, 9, answers[i]);
        for (unsigned n = 0; n < 9; n++)
            fails(stat_code(s, "k", NULL, &err), answers[i], &err);
    }
    assert_true(fo_breaker_layer_state(&s, &now));
    assert_int_equal(now, FO_BREAKER_CLOSED);
    fo_stage_close(&s);
}

static void
f8_bodies_that_break_off_for_good_count(void **state)
{
    const finops_get get = { .key = "k", .length = -1 };
    fo_stage below, s;
    faulty *f = faulty_memory(&below);
    finops_reader *readers[3];
    finops_error *err = NULL;
    char block[4];
    size_t n;

    (void)state;
    s = wrapped(&fo_breaker_layer, &three, below);
    put_text(s, "k", "v");
    faulty_body(f, 3, FINOPS_E_TRANSIENT, 0);
    for (unsigned i = 0; i < 3; i++)
        ok(s.driver->read(s.self, &get, &readers[i], &err), &err);
    for (unsigned i = 0; i < 3; i++) {
        fails(readers[i]->read(readers[i], block, sizeof(block), &n, &err), FINOPS_E_TRANSIENT, &err);
        readers[i]->close(readers[i]);
    }
    fails(stat_code(s, "k", NULL, &err), FINOPS_E_BREAKER_OPEN, &err);
    fo_stage_close(&s);
}

/* ---- limits ---- */

typedef struct crowd {
    fo_stage stage;
    unsigned bad;
} crowd;

static void *
put_many(void *arg)
{
    crowd *c = arg;
    unsigned bad = 0;

    for (unsigned i = 0; i < 50; i++) {
        const finops_put put = { .key = "k", .size = 1 };
        bad += c->stage.driver->put(c->stage.self, &put, "x", 1, NULL, NULL) != FINOPS_OK;
    }
    return bad ? c : NULL;
}

static void
f9_no_more_than_so_many_requests_are_under_way(void **state)
{
    const fo_limits_config four = { .concurrency = 4 };
    fo_stage below;
    faulty *f = faulty_memory(&below);
    crowd c = { .stage = wrapped(&fo_limits_layer, &four, below) };
    pthread_t threads[16];

    (void)state;
    f->hold_us = 50;
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_many, &c), 0);
    for (unsigned i = 0; i < 16; i++) {
        void *bad = &c;
        assert_int_equal(pthread_join(threads[i], &bad), 0);
        assert_null(bad);
    }
    assert_int_equal(f->calls[FO_OP_PUT], 800);
    assert_in_range(f->inside_max, 2, 4);
    fo_stage_close(&c.stage);
}

static void
f9_requests_keep_to_the_rate(void **state)
{
    const fo_limits_config hundred = { .rate = 100, .clock = &layers_fake_clock };
    fo_stage below, s;
    int64_t begin;

    (void)state;
    (void)faulty_memory(&below);
    s = wrapped(&fo_limits_layer, &hundred, below);
    layers_now_us += 1000000;
    begin = layers_now_us;
    for (unsigned i = 0; i < 1000; i++)
        put_text(s, "k", "v");
    assert_in_range(layers_now_us - begin, 9500000, 10500000);
    fo_stage_close(&s);
}

static void
f9_throttling_slows_requests_down(void **state)
{
    const fo_limits_config hundred = {
        .rate = 100, .concurrency = 64, .adaptive = true, .clock = &layers_fake_clock
    };
    fo_stage below, s;
    faulty *f = faulty_memory(&below);
    finops_error *err = NULL;
    int64_t begin;

    (void)state;
    s = wrapped(&fo_limits_layer, &hundred, below);
    layers_now_us += 1000000;
    faulty_fail(f, FO_OP_STAT, 1, FINOPS_E_THROTTLED);
    fails(stat_code(s, "k", NULL, &err), FINOPS_E_THROTTLED, &err);
    assert_int_equal(fo_limits_now(&s), 5);
    begin = layers_now_us;
    for (unsigned i = 0; i < 33; i++)
        put_text(s, "k", "v");
    assert_in_range(layers_now_us - begin, 440000, 500000); /* at 70 a second */
    fo_stage_close(&s);
}

static void
a_reader_that_is_held_keeps_nobody_waiting(void **state)
{
    const fo_limits_config one = { .concurrency = 1 };
    const finops_get get = { .key = "k", .length = -1 };
    fo_stage below, s;
    finops_reader *a = NULL, *b = NULL;
    finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    (void)state;
    (void)faulty_memory(&below);
    s = wrapped(&fo_limits_layer, &one, below);
    put_text(s, "k", "v");
    ok(s.driver->read(s.self, &get, &a, &err), &err);
    ok(s.driver->read(s.self, &get, &b, &err), &err);
    reader_text(a, &text);
    reader_text(b, &text);
    assert_string_equal(fo_str_z(&text), "v");
    fo_stage_close(&s);
}

/* ---- metrics ---- */

static void
y7_calls_bytes_attempts_and_failures_are_counted_once(void **state)
{
    const fo_retry_config retry = { .attempts = 3, .clock = &layers_fake_clock };
    const fo_metrics_config on = { .enabled = true };
    fo_stage below, s;
    faulty *f = faulty_memory(&below);
    finops_error *err = NULL;
    fo_storage_figures x;
    FO_AUTO(fo_str_done) fo_str json = FO_STR_INIT;

    (void)state;
    s = wrapped(&fo_metrics_layer, &on, wrapped(&fo_retry_layer, &retry, below));
    put_text(s, "k", "0123456789");
    faulty_body(f, 1, FINOPS_E_TRANSIENT, 5);
    key_text_is(s, "k", "0123456789");
    faulty_fail(f, FO_OP_STAT, 2, FINOPS_E_TRANSIENT);
    ok(stat_code(s, "k", NULL, &err), &err);
    fails(stat_code(s, "absent", NULL, &err), FINOPS_E_NOT_FOUND, &err);
    assert_true(fo_metrics_read(&s, &x));
    assert_int_equal(x.bytes_out, 10);
    assert_int_equal(x.bytes_in, 10);
    assert_int_equal(x.ops[FO_OP_READ].calls, 1);
    assert_int_equal(x.ops[FO_OP_READ].attempts, 2);
    assert_int_equal(x.ops[FO_OP_READ].retries, 1);
    assert_int_equal(x.ops[FO_OP_STAT].calls, 2);
    assert_int_equal(x.ops[FO_OP_STAT].attempts, 4);
    assert_int_equal(x.ops[FO_OP_STAT].retries, 2);
    assert_int_equal(x.ops[FO_OP_STAT].errors, 1);
    assert_int_equal(x.codes[FINOPS_E_NOT_FOUND], 1);
    assert_int_equal(x.open_readers, 0);
    assert_true(fo_metrics_percentile(&x.ops[FO_OP_STAT], 0.99) > 0);
    fo_metrics_json(&x, &json);
    assert_non_null(
        strstr(fo_str_z(&json), "\"stat\":{\"calls\":2,\"errors\":1,\"attempts\":4,\"retries\":2"));
    fo_stage_close(&s);
}

static unsigned
lines_with(const char *text, const char *word)
{
    unsigned n = 0;

    for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
        n++;
    return n;
}

static void
y7_each_failed_attempt_is_one_line_with_the_request_id(void **state)
{
    const fo_retry_config retry = { .attempts = 3, .clock = &layers_fake_clock };
    const fo_metrics_config on = { .enabled = true };
    char path[] = "/tmp/layers-log-XXXXXX", text[4096] = { 0 };
    int file = mkstemp(path), saved = dup(2);
    fo_stage below, s;
    faulty *f = faulty_memory(&below);
    finops_error *err = NULL;

    (void)state;
    s = wrapped(&fo_metrics_layer, &on, wrapped(&fo_retry_layer, &retry, below));
    assert_true(file >= 0 && saved >= 0);
    (void)dup2(file, 2);
    fo_log_setup(FO_LOG_DEBUG, false, false);
    faulty_fail(f, FO_OP_STAT, 9, FINOPS_E_TRANSIENT);
    finops_code rc = stat_code(s, "some/key", NULL, &err);
    fo_log_setup(FO_LOG_INFO, false, false);
    (void)dup2(saved, 2);
    fails(rc, FINOPS_E_TRANSIENT, &err);
    assert_true(pread(file, text, sizeof(text) - 1, 0) > 0);
    assert_int_equal(lines_with(text, "\n"), 3);
    assert_int_equal(lines_with(text, "4442587FB7D0A2F9"), 3);
    assert_int_equal(lines_with(text, "some/key"), 3);
    (void)close(file);
    (void)close(saved);
    (void)unlink(path);
    fo_stage_close(&s);
}

static void *
count_calls(void *arg)
{
    const fo_stage *s = arg;

    for (unsigned i = 0; i < 500; i++)
        put_text(*s, "k", "v");
    return NULL;
}

static void
y7_threads_lose_no_count(void **state)
{
    const fo_metrics_config on = { .enabled = true };
    fo_storage_figures x;
    pthread_t threads[8];
    fo_stage below, s;

    (void)state;
    (void)faulty_memory(&below);
    s = wrapped(&fo_metrics_layer, &on, below);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_calls, &s), 0);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(fo_metrics_read(&s, &x));
    assert_int_equal(x.ops[FO_OP_PUT].calls, 4000);
    assert_int_equal(x.bytes_out, 4000);
    fo_stage_close(&s);
}

/* ---- the order ---- */

static void
y1_a_stack_in_the_wrong_order_is_refused(void **state)
{
    const fo_retry_config retry = { .attempts = 3 };
    const fo_metrics_config on = { .enabled = true };
    fo_stage below, s, no = { 0 };
    finops_error *err = NULL;

    (void)state;
    (void)faulty_memory(&below);
    s = wrapped(&fo_breaker_layer, &three, below);
    assert_int_equal(fo_retry_layer.wrap(&retry, "mem://", s, &no, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err),
                        "the layer retry cannot be around breaker: it belongs below it");
    finops_error_freep(&err);
    s = wrapped(&fo_metrics_layer, &on, s);
    assert_int_equal(fo_metrics_layer.wrap(&on, "mem://", s, &no, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), "the layer metrics cannot be around metrics once more");
    finops_error_freep(&err);
    assert_null(no.driver);
    fo_stage_close(&s);
}

static void
y1_what_the_storage_lacks_the_layers_lack(void **state)
{
    const fo_metrics_config on = { .enabled = true };
    const finops_presign presign = { .key = "k", .seconds = 60 };
    fo_stage below, s;
    finops_error *err = NULL;
    char *url = NULL;

    (void)state;
    (void)faulty_memory(&below);
    s = wrapped(&fo_metrics_layer, &on, wrapped(&fo_breaker_layer, &three, below));
    assert_int_equal(fo_stage_features(&s), fo_stage_features(&below));
    assert_null(s.driver->presign);
    fails(fo_stage_presign(&s, &presign, &url, &err), FINOPS_E_UNSUPPORTED, &err);
    assert_string_equal(s.driver->name, below.driver->name);
    fo_stage_close(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(f6_a_call_that_never_answers_ends_with_the_layers_limit),
        cmocka_unit_test(f5_a_body_that_stalls_is_cut_and_one_that_moves_is_not),
        cmocka_unit_test(f6_the_callers_cancellation_stays_one),
        cmocka_unit_test(a_layer_that_is_not_asked_for_is_not_there),
        cmocka_unit_test(f8_a_breaker_opens_refuses_at_once_and_closes_after_a_probe),
        cmocka_unit_test(f8_answers_that_say_no_do_not_count),
        cmocka_unit_test(f8_bodies_that_break_off_for_good_count),
        cmocka_unit_test(f9_no_more_than_so_many_requests_are_under_way),
        cmocka_unit_test(f9_requests_keep_to_the_rate),
        cmocka_unit_test(f9_throttling_slows_requests_down),
        cmocka_unit_test(a_reader_that_is_held_keeps_nobody_waiting),
        cmocka_unit_test(y7_calls_bytes_attempts_and_failures_are_counted_once),
        cmocka_unit_test(y7_each_failed_attempt_is_one_line_with_the_request_id),
        cmocka_unit_test(y7_threads_lose_no_count),
        cmocka_unit_test(y1_a_stack_in_the_wrong_order_is_refused),
        cmocka_unit_test(y1_what_the_storage_lacks_the_layers_lack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
