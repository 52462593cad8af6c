/* Many threads on one pool while connections fail, die and the database is closed. Made for the thread
 * sanitizer; here it shows that nothing is lost and nothing is too many. */
#include "front_fixture.h"

#include <stdio.h>

#define THREADS 16
#define ROUNDS 300

typedef struct worker {
    fixture *f;
    finops_database *database;
    unsigned seed;
    atomic_uint *done;
    bool cuts; /* connections are lost now and then */
} worker;

static unsigned
next(worker *w)
{
    w->seed = w->seed * 1103515245u + 12345u;
    return w->seed >> 16;
}

static void
use(worker *w, finops_session *s)
{
    unsigned dice = next(w) % 8;

    if (dice == 0 && w->cuts)
        fake_cut(&w->f->world);
    if (dice == 1)
        fake_fail(&w->f->world.connect, 1, FINOPS_E_AUTH);
    if (dice < 4 && finops_session_begin(s, NULL) == FINOPS_OK && dice == 2)
        (void)finops_session_commit(s, NULL);
    (void)fo_session_exec(s, "SELECT 1", NULL, 0, NULL, NULL);
}

static void *
work(void *arg)
{
    worker *w = arg;

    for (unsigned i = 0; i < ROUNDS; i++) {
        const finops_call call = { .deadline_us = next(w) % 4 ? 0 : fo_deadline_in(200) };
        unsigned flags = next(w) % 2 ? FINOPS_CONNECT_READ_ONLY : 0;
        finops_session *s = NULL;

        if (finops_session_acquire(w->database, flags, &call, &s, NULL) == FINOPS_OK)
            use(w, s);
        finops_session_release(s);
        (void)atomic_fetch_add(w->done, 1);
    }
    return NULL;
}

static void
run(fixture *f, bool cuts, bool close_early)
{
    worker workers[THREADS];
    pthread_t threads[THREADS];
    atomic_uint done = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (worker){ .f = f, .database = f->database, .seed = i + 1, .done = &done, .cuts = cuts };
        fo_front_ref(f->database); /* as a program with many owners would keep it */
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    while (close_early && atomic_load(&done) < THREADS * ROUNDS / 4)
        (void)nanosleep(&(struct timespec){ .tv_nsec = 100000 }, NULL);
    if (close_early)
        finops_database_close(f->database);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void
end(fixture *f)
{
    for (unsigned i = 0; i < THREADS; i++)
        fo_front_unref(f->database);
}

static void
run_whole(fixture *f, bool cuts)
{
    const finops_monitor_options monitor = { .interval_us = 500, .error_interval_us = 500 };
    finops_pool_figures figures;

    fixture_open(f, &fake_driver,
                 &(finops_pool_options){
                     .max = 4, .min = 1, .max_idle = 3, .validate_idle_us = 1, .max_lifetime_us = 3000 });
    assert_int_equal(finops_database_monitor(f->database, &monitor, NULL), FINOPS_OK);
    run(f, cuts, false);
    fo_monitor_stop(f->database);
    finops_database_pool(f->database, &figures);
    assert_int_equal(figures.open, figures.idle);
    assert_int_equal(figures.open, atomic_load(&f->world.live));
    assert_int_equal(figures.waiting, 0);
    end(f);
}

static void
there_are_never_more_connections_than_allowed(void **state)
{
    fixture *f = *state;

    run_whole(f, false);
    assert_true(atomic_load(&f->world.live_max) <= 4);
}

static void
none_is_forgotten_when_connections_are_lost(void **state)
{
    run_whole(*state, true);
}

static void
closing_in_the_middle_ends_everything(void **state)
{
    fixture *f = *state;

    fixture_open(f, &fake_driver, &(finops_pool_options){ .max = 4, .validate_idle_us = 1 });
    run(f, true, true);
    assert_int_equal(atomic_load(&f->world.live), 0);
    assert_int_equal(atomic_load(&f->world.closes), 0);
    end(f);
    f->database = NULL;
    assert_int_equal(atomic_load(&f->world.closes), 1);
    atomic_store(&f->world.closes, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(there_are_never_more_connections_than_allowed),
        TEST(none_is_forgotten_when_connections_are_lost),
        TEST(closing_in_the_middle_ends_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
