/* Connections: how many, how old, to whom, and what becomes of the dead ones. */
#include "front_fixture.h"

static finops_pool_figures
figures(fixture *f)
{
    finops_pool_figures r;

    finops_database_pool(f->database, &r);
    return r;
}

static finops_code
acquire_within(fixture *f, int64_t us, finops_session **ret, finops_error **err)
{
    const finops_call call = { .deadline_us = fo_deadline_in(us) };

    return finops_session_acquire(f->database, 0, &call, ret, err);
}

static void
nothing_connects_before_the_first_session(void **state)
{
    fixture *f = *state;

    fixture_open(f, &fake_driver, NULL);
    assert_int_equal(atomic_load(&f->world.connects), 0);
    assert_string_equal(finops_database_backend(f->database), "fake");
    finops_session_release(take(f, 0));
    assert_int_equal(atomic_load(&f->world.connects), 1);
}

static void
a_connection_given_back_is_used_again(void **state)
{
    fixture *f = *state;
    finops_session *a;

    fixture_open(f, &fake_driver, NULL);
    a = take(f, 0);
    finops_session_release(a);
    assert_ptr_equal(take(f, 0), a);
    finops_session_release(a);
    assert_int_equal(figures(f).created, 1);
    assert_int_equal(figures(f).acquired, 2);
    assert_int_equal(figures(f).idle, 1);
}

static void
connections_that_read_are_not_lent_to_those_that_write(void **state)
{
    fixture *f = *state;
    finops_session *reader;

    fixture_open(f, &fake_driver, NULL);
    reader = take(f, FINOPS_CONNECT_READ_ONLY);
    finops_session_release(reader);
    finops_session_release(take(f, 0));
    assert_int_equal(figures(f).created, 2);
    assert_ptr_equal(take(f, FINOPS_CONNECT_READ_ONLY), reader);
    finops_session_release(reader);
}

static void
a_full_pool_ends_the_wait_at_the_deadline(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fixture *f = *state;
    finops_session *held, *none = NULL;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 1 });
    held = take(f, 0);
    assert_int_equal(acquire_within(f, 2000, &none, &err), FINOPS_E_TIMEOUT);
    assert_string_equal(finops_error_text(err), "all 1 connections to fake are in use");
    assert_null(none);
    assert_int_equal(figures(f).timeouts, 1);
    assert_int_equal(figures(f).waiting, 0);
    finops_session_release(held);
}

static void
the_pool_has_a_deadline_of_its_own(void **state)
{
    fixture *f = *state;
    finops_session *held, *none = NULL;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 1, .acquire_us = 2000 });
    held = take(f, 0);
    assert_int_equal(finops_session_acquire(f->database, 0, NULL, &none, NULL), FINOPS_E_TIMEOUT);
    finops_session_release(held);
}

/* A driver may wait longer for what it needs, such as the lock of a file, than one waits for the pool. */
static void
connecting_knows_the_calls_deadline_only(void **state)
{
    fixture *f = *state;
    const finops_call call = { .deadline_us = fo_deadline_in(60000000) };
    finops_session *s = NULL;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .acquire_us = 2000 });
    atomic_store(&f->world.connect_deadline, 1);
    finops_session_release(take(f, 0));
    assert_int_equal(atomic_load(&f->world.connect_deadline), 0);
    assert_int_equal(finops_session_acquire(f->database, FINOPS_CONNECT_READ_ONLY, &call, &s, NULL),
                     FINOPS_OK);
    assert_int_equal(atomic_load(&f->world.connect_deadline), call.deadline_us);
    finops_session_release(s);
}

static bool
yes(void *arg)
{
    (void)arg;
    return true;
}

static void
waiting_ends_when_it_is_cancelled(void **state)
{
    const finops_call call = { .cancelled = yes };
    fixture *f = *state;
    finops_session *held, *none = NULL;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 1 });
    held = take(f, 0);
    assert_int_equal(finops_session_acquire(f->database, 0, &call, &none, NULL), FINOPS_E_CANCELLED);
    finops_session_release(held);
}

static void
an_idle_connection_of_the_other_kind_makes_room(void **state)
{
    fixture *f = *state;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 1 });
    finops_session_release(take(f, FINOPS_CONNECT_READ_ONLY));
    finops_session_release(take(f, 0));
    assert_int_equal(atomic_load(&f->world.live_max), 1);
    assert_int_equal(figures(f).open, 1);
    assert_int_equal(figures(f).discarded, 1);
}

static void
a_dead_connection_is_replaced_before_it_is_lent(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .validate_idle_us = 1 });
    finops_session_release(take(f, 0));
    fake_cut(&f->world);
    (void)nanosleep(&(struct timespec){ .tv_nsec = 10000 }, NULL);
    s = take(f, 0);
    assert_int_equal(fo_session_exec(s, "SELECT 1", NULL, 0, NULL, NULL), FINOPS_OK);
    finops_session_release(s);
    assert_int_equal(figures(f).discarded, 1);
    assert_int_equal(figures(f).open, 1);
}

static void
what_was_used_a_moment_ago_is_not_asked_again(void **state)
{
    fixture *f = *state;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .validate_idle_us = 60000000 });
    finops_session_release(take(f, 0));
    finops_session_release(take(f, 0));
    assert_int_equal(atomic_load(&f->world.probes), 0);
}

static void
a_driver_without_is_alive_is_asked_with_a_statement(void **state)
{
    fixture *f = *state;

    fixture_open(f, &fake_driver_bare, &(finops_pool_options){ .validate_idle_us = 1 });
    finops_session_release(take(f, 0));
    (void)nanosleep(&(struct timespec){ .tv_nsec = 10000 }, NULL);
    finops_session_release(take(f, 0));
    assert_string_equal(fake_log(&f->world, 0), "SELECT 1");
    assert_int_equal(figures(f).created, 1);
}

static void
a_connection_lost_while_used_does_not_come_back(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    f->world.execute.kills = true;
    fake_fail(&f->world.execute, 1, FINOPS_E_TRANSIENT);
    assert_int_equal(fo_session_exec(s, "DELETE", NULL, 0, NULL, NULL), FINOPS_E_TRANSIENT);
    finops_session_release(s);
    assert_int_equal(figures(f).idle, 0);
    assert_int_equal(figures(f).open, 0);
}

static void
a_statement_that_was_refused_leaves_the_connection_good(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, NULL);
    s = take(f, 0);
    fake_fail(&f->world.execute, 1, FINOPS_E_DATABASE);
    assert_int_equal(fo_session_exec(s, "SELEC", NULL, 0, NULL, NULL), FINOPS_E_DATABASE);
    finops_session_release(s);
    assert_int_equal(figures(f).idle, 1);
}

static void
no_more_than_max_idle_are_kept(void **state)
{
    fixture *f = *state;
    finops_session *s[3];

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 3, .max_idle = 1 });
    for (size_t i = 0; i < 3; i++)
        s[i] = take(f, 0);
    for (size_t i = 0; i < 3; i++)
        finops_session_release(s[i]);
    assert_int_equal(figures(f).idle, 1);
    assert_int_equal(figures(f).open, 1);
    assert_int_equal(atomic_load(&f->world.live), 1);
}

static finops_pool_figures
after_both_kinds_are_given_back(fixture *f, unsigned min)
{
    finops_session *writer, *reader;

    f->world.capabilities.features &= ~(uint64_t)FINOPS_DATABASE_CONCURRENT_WRITERS;
    fixture_open(f, &fake_driver, &(finops_pool_options){ .min = min });
    reader = take(f, FINOPS_CONNECT_READ_ONLY);
    writer = take(f, 0);
    finops_session_release(reader);
    finops_session_release(writer);
    return figures(f);
}

static void
who_could_keep_other_writers_out_is_closed(void **state)
{
    fixture *f = *state;
    const finops_pool_figures got = after_both_kinds_are_given_back(f, 0);

    assert_int_equal(got.open, 0);
    assert_int_equal(got.idle, 0);
    assert_int_equal(got.discarded, 2);
}

static void
who_could_keep_other_writers_out_stays_where_that_is_asked_for(void **state)
{
    assert_int_equal(after_both_kinds_are_given_back(*state, 2).idle, 2);
}

static void
a_connection_past_its_lifetime_is_closed(void **state)
{
    fixture *f = *state;
    finops_session *s;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max_lifetime_us = 1 });
    s = take(f, 0);
    (void)nanosleep(&(struct timespec){ .tv_nsec = 10000 }, NULL);
    finops_session_release(s);
    assert_int_equal(figures(f).open, 0);
    finops_session_release(take(f, 0));
    assert_int_equal(figures(f).created, 2);
}

static void
connecting_is_tried_again_while_that_helps(void **state)
{
    fixture *f = *state;

    fixture_open(f, &fake_driver, NULL);
    fake_fail(&f->world.connect, 2, FINOPS_E_TRANSIENT);
    finops_session_release(take(f, 0));
    assert_int_equal(atomic_load(&f->world.connects), 3);
}

static void
a_wrong_password_is_not_tried_again(void **state)
{
    fixture *f = *state;
    finops_session *none = NULL;

    fixture_open(f, &fake_driver, NULL);
    fake_fail(&f->world.connect, 9, FINOPS_E_AUTH);
    assert_int_equal(acquire_within(f, 1000000, &none, NULL), FINOPS_E_AUTH);
    assert_int_equal(atomic_load(&f->world.connects), 1);
    assert_int_equal(figures(f).open, 0);
}

static void
a_session_that_could_not_be_had_is_not_counted(void **state)
{
    fixture *f = *state;
    finops_session *s = NULL;

    fixture_open(f, &fake_driver, NULL);
    fake_fail(&f->world.connect, 1, FINOPS_E_AUTH);
    assert_int_equal(finops_session_acquire(f->database, 0, NULL, &s, NULL), FINOPS_E_AUTH);
    assert_int_equal(figures(f).acquired, 0);
    finops_session_release(take(f, 0));
    assert_int_equal(figures(f).acquired, 1);
}

static void
a_server_that_is_down_is_left_alone_after_a_while(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fixture *f = *state;
    finops_session *none = NULL;

    fixture_open(f, &fake_driver, NULL);
    fake_fail(&f->world.connect, 1000, FINOPS_E_TRANSIENT);
    for (int i = 0; i < 6; i++)
        assert_int_equal(acquire_within(f, 1000, &none, NULL), FINOPS_E_TRANSIENT);
    assert_int_equal(atomic_load(&f->world.connects), 5);
    assert_int_equal(acquire_within(f, 1000, &none, &err), FINOPS_E_TRANSIENT);
    assert_string_equal(finops_error_text(err),
                        "fake is left alone for another 5 s after 5 failed connections in a row");
    assert_non_null(finops_error_hint(err));
}

static void
a_health_check_that_is_fine_lets_callers_in_again(void **state)
{
    fixture *f = *state;
    finops_session *none = NULL;
    finops_health health;

    fixture_open(f, &fake_driver, NULL);
    fake_fail(&f->world.connect, 5, FINOPS_E_TRANSIENT);
    for (int i = 0; i < 6; i++)
        assert_int_equal(acquire_within(f, 1000, &none, NULL), FINOPS_E_TRANSIENT);
    assert_int_equal(finops_database_health(f->database, NULL, &health, NULL), FINOPS_OK);
    finops_session_release(take(f, 0));
}

/* Threads that come one after the other, each waiting for the only connection. */
typedef struct queue {
    fixture *f;
    pthread_mutex_t lock;
    unsigned order[4], n;
} queue;

typedef struct queued {
    queue *q;
    unsigned id, flags;
} queued;

static void *
queue_up(void *arg)
{
    queued *me = arg;
    finops_session *s = take(me->q->f, me->flags);

    (void)pthread_mutex_lock(&me->q->lock);
    me->q->order[me->q->n++] = me->id;
    (void)pthread_mutex_unlock(&me->q->lock);
    finops_session_release(s);
    return NULL;
}

static void
wait_for_waiting(fixture *f, unsigned n)
{
    while (figures(f).waiting < n)
        (void)nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
}

static void
serve_in_order(fixture *f, const unsigned *flags)
{
    queue q = { .f = f, .lock = PTHREAD_MUTEX_INITIALIZER };
    queued who[4];
    pthread_t threads[4];
    finops_session *held = take(f, 0);

    for (unsigned i = 0; i < 4; i++) {
        who[i] = (queued){ .q = &q, .id = i, .flags = flags[i] };
        assert_int_equal(pthread_create(&threads[i], NULL, queue_up, &who[i]), 0);
        wait_for_waiting(f, i + 1);
    }
    finops_session_release(held);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(q.order[i], i);
}

static void
who_came_first_is_served_first(void **state)
{
    fixture *f = *state;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 1 });
    serve_in_order(f, (const unsigned[]){ 0, 0, 0, 0 });
    assert_int_equal(figures(f).created, 1);
}

static void
who_wants_another_kind_is_served_in_turn_too(void **state)
{
    fixture *f = *state;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 1 });
    serve_in_order(f, (const unsigned[]){ FINOPS_CONNECT_READ_ONLY, 0, 0, FINOPS_CONNECT_READ_ONLY });
    assert_int_equal(atomic_load(&f->world.live_max), 1);
    assert_int_equal(figures(f).created, 4);
}

static void *
wait_in_vain(void *arg)
{
    fixture *f = arg;
    finops_session *none = NULL;

    assert_int_equal(finops_session_acquire(f->database, 0, NULL, &none, NULL), FINOPS_E_ARGUMENT);
    return NULL;
}

static void *
wait_for_refusal(void *arg)
{
    fixture *f = arg;
    finops_session *none = NULL;

    assert_int_equal(finops_session_acquire(f->database, 0, NULL, &none, NULL), FINOPS_E_AUTH);
    return NULL;
}

static void
closing_ends_all_waiting_and_spares_who_is_out(void **state)
{
    fixture *f = *state;
    finops_session *held;
    pthread_t thread;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 1 });
    held = take(f, 0);
    assert_int_equal(pthread_create(&thread, NULL, wait_in_vain, f), 0);
    wait_for_waiting(f, 1);
    finops_database_close(FO_TAKE(f->database));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(atomic_load(&f->world.closes), 0);
    assert_int_equal(fo_session_exec(held, "SELECT 1", NULL, 0, NULL, NULL), FINOPS_OK);
    finops_session_release(held);
    assert_int_equal(atomic_load(&f->world.closes), 1);
    atomic_store(&f->world.closes, 0);
}

/* The first in the queue gets the room of a lost connection and cannot connect; the second then can. */
static void
a_failed_connection_hands_its_room_to_the_next(void **state)
{
    fixture *f = *state;
    queue q = { .f = f, .lock = PTHREAD_MUTEX_INITIALIZER };
    queued who = { .q = &q };
    pthread_t first, second;
    finops_session *held;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 1 });
    held = take(f, 0);
    assert_int_equal(pthread_create(&first, NULL, wait_for_refusal, f), 0);
    wait_for_waiting(f, 1);
    assert_int_equal(pthread_create(&second, NULL, queue_up, &who), 0);
    wait_for_waiting(f, 2);
    fake_fail(&f->world.connect, 1, FINOPS_E_AUTH);
    fake_fail(&f->world.execute, 1, FINOPS_E_TRANSIENT);
    f->world.execute.kills = true;
    assert_int_equal(fo_session_exec(held, "DELETE", NULL, 0, NULL, NULL), FINOPS_E_TRANSIENT);
    finops_session_release(held);
    assert_int_equal(pthread_join(first, NULL), 0);
    assert_int_equal(pthread_join(second, NULL), 0);
    assert_int_equal(figures(f).open, 1);
}

static void
a_pool_with_negative_times_is_refused(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fixture *f = *state;
    fake_config config = { .world = &f->world };
    finops_database *none = NULL;

    assert_int_equal(
        fo_front_open(&fake_driver, NULL, &config, &(fo_front_options){ .pool.acquire_us = -1 }, &none, &err),
        FINOPS_E_ARGUMENT);
    assert_null(none);
    atomic_store(&f->world.closes, 0);
}

static void
acquiring_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    finops_session *s = NULL;
    finops_code rc;
    unsigned n = 0;

    fixture_open(f, &fake_driver, NULL);
    do {
        fo_mem_fail_at(++n);
        rc = finops_session_acquire(f->database, 0, NULL, &s, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    assert_true(n > 2);
    finops_session_release(s);
    assert_int_equal(figures(f).open, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_connects_before_the_first_session),
        TEST(a_connection_given_back_is_used_again),
        TEST(connections_that_read_are_not_lent_to_those_that_write),
        TEST(a_full_pool_ends_the_wait_at_the_deadline),
        TEST(the_pool_has_a_deadline_of_its_own),
        TEST(connecting_knows_the_calls_deadline_only),
        TEST(waiting_ends_when_it_is_cancelled),
        TEST(an_idle_connection_of_the_other_kind_makes_room),
        TEST(a_dead_connection_is_replaced_before_it_is_lent),
        TEST(what_was_used_a_moment_ago_is_not_asked_again),
        TEST(a_driver_without_is_alive_is_asked_with_a_statement),
        TEST(a_connection_lost_while_used_does_not_come_back),
        TEST(a_statement_that_was_refused_leaves_the_connection_good),
        TEST(no_more_than_max_idle_are_kept),
        TEST(who_could_keep_other_writers_out_is_closed),
        TEST(who_could_keep_other_writers_out_stays_where_that_is_asked_for),
        TEST(a_connection_past_its_lifetime_is_closed),
        TEST(connecting_is_tried_again_while_that_helps),
        TEST(a_wrong_password_is_not_tried_again),
        TEST(a_session_that_could_not_be_had_is_not_counted),
        TEST(a_server_that_is_down_is_left_alone_after_a_while),
        TEST(a_health_check_that_is_fine_lets_callers_in_again),
        TEST(who_came_first_is_served_first),
        TEST(who_wants_another_kind_is_served_in_turn_too),
        TEST(closing_ends_all_waiting_and_spares_who_is_out),
        TEST(a_failed_connection_hands_its_room_to_the_next),
        TEST(a_pool_with_negative_times_is_refused),
        TEST(acquiring_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
