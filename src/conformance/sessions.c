/* Sessions: many of them, from many threads, each with its own work. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conformance/trial.h"

#define THREADS 8
#define SESSIONS_MAX 256
#define SHORT_US INT64_C(100000)

static bool
a_session_is_taken_and_given_back(fo_trial *t)
{
    bool ok = true;

    for (int i = 0; ok && i < 200; i++) {
        FO_AUTO(fo_trial_closep) finops_session *s = NULL;

        ok = fo_trial_open(t, 0, &s) && (i % 20 || fo_trial_expect(t, s, "SELECT 1", "1"));
    }
    return ok;
}

static bool
releasing_nothing_is_fine(fo_trial *t)
{
    finops_session_release(NULL);
    finops_database_close(NULL);
    return fo_trial_expect(t, NULL, "SELECT 1", "1");
}

static bool
two_sessions_at_once(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *one = NULL;
    FO_AUTO(fo_trial_closep) finops_session *two = NULL;

    return fo_trial_open(t, 0, &one) && fo_trial_open(t, 0, &two) &&
           fo_trial_numbers(t, one, "a", FINOPS_WRITE_CREATE, 0, 5) && fo_trial_count(t, two, "a", 5) &&
           fo_trial_numbers(t, two, "b", FINOPS_WRITE_CREATE, 0, 7) && fo_trial_count(t, one, "b", 7);
}

/* Two results are read in turns. */
static bool
two_results_at_once(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *other = NULL;
    struct ArrowArrayStream first = { 0 };
    const finops_statement all = { .sql = fo_trial_sql(t, "SELECT i FROM {a}") };
    int64_t rows = -1, others = -1;
    finops_error *err = NULL;
    struct ArrowArrayStream second = { 0 };

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 20000) || !fo_trial_open(t, 0, &other) ||
        !fo_trial_ok(t, finops_session_execute(t->session, &all, &first, NULL, &err), &err, all.sql))
        return false;
    if (!fo_trial_ok(t, finops_session_execute(other, &all, &second, NULL, &err), &err, all.sql)) {
        first.release(&first);
        return false;
    }
    return fo_trial_ok(t, fo_result_count(&second, &others, &err), &err, "the second result") &
               fo_trial_ok(t, fo_result_count(&first, &rows, &err), &err, "the first result") &&
           fo_trial_true(t, rows == 20000 && others == 20000, "%lld and %lld rows", (long long)rows,
                         (long long)others);
}

/* ---- the pool ---- */

static bool
figures_are_kept(fo_trial *t)
{
    finops_pool_figures before = { 0 }, during = { 0 }, after = { 0 };
    finops_session *s = NULL;

    finops_database_pool(t->database, &before);
    if (!fo_trial_open(t, 0, &s))
        return false;
    finops_database_pool(t->database, &during);
    finops_session_release(s);
    finops_database_pool(t->database, &after);
    return fo_trial_true(t, during.acquired == before.acquired + 1,
                         "one more acquired shows as %llu after %llu", (unsigned long long)during.acquired,
                         (unsigned long long)before.acquired) &&
           /* Kept or closed: where one process writes at a time, an idle connection would keep others out. */
           fo_trial_true(
               t,
               during.open >= 2 && (after.idle >= 1 || after.open < during.open) && after.open >= after.idle,
               "%u open with two out, then %u of which %u idle", during.open, after.open, after.idle);
}

/* Takes sessions until there are no more: the last wait ends at its deadline. */
static bool
drain(fo_trial *t, finops_session **all, size_t *n, finops_code *ret, int64_t *ret_us)
{
    finops_error *err = NULL;

    for (*n = 0, *ret = FINOPS_OK; *n < SESSIONS_MAX && *ret == FINOPS_OK;) {
        const finops_call call = { .deadline_us = fo_clock_monotonic() + SHORT_US };
        int64_t started = fo_clock_monotonic();

        *ret = finops_session_acquire(t->database, 0, &call, &all[*n], &err);
        *ret_us = fo_clock_monotonic() - started;
        *n += *ret == FINOPS_OK;
    }
    if (*ret == FINOPS_OK)
        return true;
    return fo_trial_fails(t, *ret, FINOPS_E_TIMEOUT, &err, "a session beyond the pool's limit");
}

static bool
an_exhausted_pool_times_out(fo_trial *t)
{
    finops_session *all[SESSIONS_MAX];
    finops_code last;
    int64_t us = 0;
    size_t n;
    bool ok = drain(t, all, &n, &last, &us);

    for (size_t i = 0; i < n; i++)
        finops_session_release(all[i]);
    if (ok && last == FINOPS_OK)
        return fo_trial_skip(t, "a pool of less than %d connections", SESSIONS_MAX);
    return ok &&
           fo_trial_true(t, us >= SHORT_US / 2 && us < 100 * SHORT_US, "the wait took %lld ms",
                         (long long)(us / 1000)) &&
           fo_trial_open(t, 0, &all[0]) && (finops_session_release(all[0]), true);
}

/* ---- threads ---- */

typedef struct worker {
    fo_trial *t;
    pthread_t thread;
    const char *select, *insert;
    const finops_write write;
    unsigned number;
    bool ok;
    char why[300];
} worker;

static bool
statement_works(worker *w, finops_session *s, const char *sql)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_statement statement = { .sql = sql, .as_text = true };
    finops_code rc = fo_trial_run(w->t, s, &statement, &rows, &err);

    if (rc != FINOPS_OK)
        (void)snprintf(w->why, sizeof(w->why), "%s: %s: %s", sql, finops_code_name(rc),
                       finops_error_text(err));
    return rc == FINOPS_OK;
}

static bool
turn(worker *w, const char *sql)
{
    finops_session *s = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_code rc = finops_session_acquire(w->t->database, 0, NULL, &s, &err);
    bool ok;

    if (rc != FINOPS_OK) {
        (void)snprintf(w->why, sizeof(w->why), "acquire: %s", finops_error_text(err));
        return false;
    }
    ok = statement_works(w, s, sql);
    finops_session_release(s);
    return ok;
}

static void *
read_turns(void *arg)
{
    worker *w = arg;

    w->ok = true;
    for (int i = 0; w->ok && i < 25; i++)
        w->ok = turn(w, w->select);
    return NULL;
}

static void *
write_turns(void *arg)
{
    worker *w = arg;

    w->ok = true;
    for (int i = 0; w->ok && i < 10; i++)
        w->ok = turn(w, w->insert) && turn(w, w->select);
    return NULL;
}

/* Runs one function in all threads; texts are made before, the trial is not theirs to write to. */
static bool
all_threads(fo_trial *t, worker *workers, void *(*run)(void *))
{
    unsigned started = 0;
    bool ok = true;

    for (; started < THREADS; started++)
        if (pthread_create(&workers[started].thread, NULL, run, &workers[started]) != 0)
            break;
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; ok && i < started; i++)
        ok = fo_trial_true(t, workers[i].ok, "thread %u: %s", i, workers[i].why);
    return ok && fo_trial_true(t, started == THREADS, "only %u threads could be started", started);
}

static bool
many_threads_read(fo_trial *t)
{
    worker workers[THREADS] = { 0 };

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 10000))
        return false;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].t = t;
        workers[i].select = fo_trial_sql(t, fo_trial_keep(t, "SELECT sum(i) FROM {a} WHERE i %% 8 = %u", i));
    }
    return all_threads(t, workers, read_turns);
}

static bool
many_threads_write(fo_trial *t)
{
    worker workers[THREADS] = { 0 };
    bool ok = true;

    for (unsigned i = 0; ok && i < THREADS; i++) {
        const char *table = fo_trial_keep(t, "w%u", i);

        workers[i].t = t;
        workers[i].insert = fo_trial_sql(t, fo_trial_keep(t, "INSERT INTO {%s} VALUES (1)", table));
        workers[i].select = fo_trial_sql(t, fo_trial_keep(t, "SELECT count(*) FROM {%s}", table));
        ok = fo_trial_numbers(t, NULL, table, FINOPS_WRITE_CREATE, 0, 0);
    }
    ok = ok && all_threads(t, workers, write_turns);
    for (unsigned i = 0; ok && i < THREADS; i++)
        ok = fo_trial_count(t, NULL, fo_trial_keep(t, "w%u", i), 10);
    return ok;
}

/* Into one table: every row of every thread is there at the end. */
static bool
many_threads_write_one_table(fo_trial *t)
{
    worker workers[THREADS] = { 0 };

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 0))
        return false;
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].t = t;
        workers[i].insert = fo_trial_sql(t, fo_trial_keep(t, "INSERT INTO {a} VALUES (%u)", i));
        workers[i].select = fo_trial_sql(t, "SELECT count(*) FROM {a}");
    }
    return all_threads(t, workers, write_turns) &&
           fo_trial_expect(t, NULL, "SELECT count(*), sum(i), count(DISTINCT i) FROM {a}", "80|280|8");
}

static void *
write_batches(void *arg)
{
    static const fo_batch_column i = { .name = "i", .format = "l" };
    const fo_batch_spec spec = { .columns = &i, .n_columns = 1, .rows = 5000, .batch = 500 };
    worker *w = arg;
    finops_session *s = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_code rc = finops_session_acquire(w->t->database, 0, NULL, &s, &err);
    finops_write_result result = { 0 };

    for (int round = 0; rc == FINOPS_OK && round < 3; round++) {
        struct ArrowArrayStream stream;
        const finops_source source = { .stream = &stream };

        rc = fo_batch_stream(&spec, &stream) ? finops_session_write(s, &w->write, &source, &result, &err)
                                             : FINOPS_E_MEMORY;
    }
    finops_session_release(s);
    w->ok = rc == FINOPS_OK;
    if (!w->ok)
        (void)snprintf(w->why, sizeof(w->why), "%s: %s", finops_code_name(rc), finops_error_text(err));
    return NULL;
}

static bool
many_threads_write_batches(fo_trial *t)
{
    const char *table = fo_trial_name(t, "a");
    const finops_write write = { .schema = t->schema, .table = table, .mode = FINOPS_WRITE_APPEND };
    worker workers[THREADS] = {
        { .t = t, .write = write }, { .t = t, .write = write }, { .t = t, .write = write },
        { .t = t, .write = write }, { .t = t, .write = write }, { .t = t, .write = write },
        { .t = t, .write = write }, { .t = t, .write = write },
    };

    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 0) &&
           all_threads(t, workers, write_batches) &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(DISTINCT i) FROM {a}", "120000|5000");
}

static const fo_case cases[] = {
    { "a session is taken and given back", 0, a_session_is_taken_and_given_back },
    { "releasing nothing is fine", 0, releasing_nothing_is_fine },
    { "two sessions work at once", 0, two_sessions_at_once },
    { "two results are read at once", 0, two_results_at_once },
    { "the pool keeps its figures", 0, figures_are_kept },
    { "an exhausted pool times out and recovers", 0, an_exhausted_pool_times_out },
    { "eight threads read", 0, many_threads_read },
    { "eight threads write a table each", 0, many_threads_write },
    { "eight threads write one table", 0, many_threads_write_one_table },
    { "eight threads write batches into one table", 0, many_threads_write_batches },
};

const fo_case_area fo_cases_sessions = { .name = "sessions", .cases = cases, .n = FO_COUNT(cases) };
