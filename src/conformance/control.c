/* Deadlines, cancelling and progress: a call ends when it is told to, and nothing of it remains. */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conformance/trial.h"
#include "finops/sys/plugin.h"

#define SOON_US INT64_C(300000)
#define PATIENCE_US INT64_C(10000000) /* what a call may take to notice, on a loaded machine */

/* Minutes of work with no end in sight, and no rows to speak of. */
#define ENDLESS "SELECT count(*) FROM {n} a, {n} b, {n} c, {n} d WHERE (a.i * b.i + c.i * d.i) % 7 = 9"
/* Rows without end. */
#define FLOOD "SELECT a.i, b.i, c.i FROM {n} a, {n} b, {n} c"

static bool
make_numbers(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "n", FINOPS_WRITE_CREATE, 0, 2000);
}

static bool
usable(fo_trial *t)
{
    return fo_trial_count(t, NULL, "n", 2000);
}

typedef struct control {
    fo_trial *t;
    atomic_bool stop;
    atomic_bool running;
    unsigned calls;  /* of progress */
    double fraction; /* the last known */
    int64_t rows;
    bool odd; /* progress went backwards or out of its range */
} control;

static bool
is_stopped(void *arg)
{
    return atomic_load(&((control *)arg)->stop);
}

static bool
ends_with(fo_trial *t, const char *sql, const finops_call *call, finops_code want)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    const finops_statement statement = { .sql = fo_trial_sql(t, sql), .as_text = true, .call = call };
    int64_t started = fo_clock_monotonic(), took;
    finops_error *err = NULL;
    finops_code rc = fo_trial_run(t, NULL, &statement, &rows, &err);

    took = fo_clock_monotonic() - started;
    return fo_trial_fails(t, rc, want, &err, "an endless statement") &&
           fo_trial_true(t, took < PATIENCE_US, "it took %lld ms to end", (long long)(took / 1000));
}

/* ---- statements ---- */

static bool
a_deadline_ends_a_statement(fo_trial *t)
{
    finops_call call = { 0 };

    if (!make_numbers(t))
        return false;
    call.deadline_us = fo_clock_monotonic() + SOON_US;
    return ends_with(t, ENDLESS, &call, FINOPS_E_TIMEOUT) && usable(t);
}

static bool
a_deadline_passed_long_ago(fo_trial *t)
{
    const finops_call call = { .deadline_us = 1 };

    return make_numbers(t) && ends_with(t, ENDLESS, &call, FINOPS_E_TIMEOUT) && usable(t);
}

static bool
a_deadline_far_off_does_nothing(fo_trial *t)
{
    finops_call call = { .deadline_us = fo_clock_monotonic() + INT64_C(3600000000) };
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    const finops_statement statement = { .sql = "SELECT 1", .as_text = true, .call = &call };
    finops_error *err = NULL;

    return fo_trial_ok(t, fo_trial_run(t, NULL, &statement, &rows, &err), &err, "SELECT 1 within an hour") &&
           fo_trial_true(t, rows.n_rows == 1, "it gave %zu rows", rows.n_rows);
}

/* The next statement of the session has its own time. */
static bool
a_deadline_is_of_one_call(fo_trial *t)
{
    finops_call call = { 0 };
    bool ok = make_numbers(t);

    for (int i = 0; ok && i < 3; i++) {
        call.deadline_us = fo_clock_monotonic() + SOON_US / 3;
        ok = ends_with(t, ENDLESS, &call, FINOPS_E_TIMEOUT) &&
             fo_trial_expect(t, NULL, "SELECT count(*) FROM {n} a, {n} b WHERE a.i < 100", "200000");
    }
    return ok;
}

static bool
cancelled_from_the_start(fo_trial *t)
{
    control c = { .t = t };
    const finops_call call = { .cancelled = is_stopped, .arg = &c };

    atomic_store(&c.stop, true);
    return make_numbers(t) && ends_with(t, ENDLESS, &call, FINOPS_E_CANCELLED) && usable(t);
}

/* Asked often while it runs: the third answer is yes. */
static bool
third_time(void *arg)
{
    control *c = arg;

    return ++c->calls >= 3;
}

static bool
cancelled_while_it_runs(fo_trial *t)
{
    control c = { .t = t };
    const finops_call call = { .cancelled = third_time, .arg = &c };

    return make_numbers(t) && ends_with(t, ENDLESS, &call, FINOPS_E_CANCELLED) && usable(t);
}

static bool
never_cancelled_runs_to_its_end(fo_trial *t)
{
    control c = { .t = t };
    const finops_call call = { .cancelled = is_stopped, .arg = &c };
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    const finops_statement statement = { .sql = fo_trial_sql(t, "SELECT count(*) FROM {n} a, {n} b"),
                                         .as_text = true,
                                         .call = &call };
    finops_error *err = NULL;

    return make_numbers(t) &&
           fo_trial_ok(t, fo_trial_run(t, NULL, &statement, &rows, &err), &err, statement.sql) &&
           fo_trial_true(t, fo_streq(fo_result_cell(&rows, 0, 0), "4000000"), "it gave %s",
                         fo_result_cell(&rows, 0, 0));
}

/* ---- results ---- */

/* Reads until the stream ends in an error; *ret_code. */
static bool
stream_until_error(fo_trial *t, const finops_call *call, control *stop_after_first, finops_code want)
{
    struct ArrowArrayStream stream = { 0 };
    const finops_statement statement = { .sql = fo_trial_sql(t, FLOOD), .call = call };
    int64_t started = fo_clock_monotonic(), rows = 0;
    finops_error *err = NULL;
    finops_code rc = finops_session_execute(t->session, &statement, &stream, NULL, &err);

    while (rc == FINOPS_OK) {
        struct ArrowArray batch = { 0 };
        int errnum = stream.get_next(&stream, &batch);

        if (errnum) {
            const char *why = stream.get_last_error(&stream);

            rc = fo_error_set(&err, finops_stream_code(errnum), "%s", why ? why : "");
        } else if (!batch.release) {
            break;
        } else {
            rows += batch.length;
            batch.release(&batch);
        }
        if (stop_after_first)
            atomic_store(&stop_after_first->stop, true);
        if (fo_clock_monotonic() - started > PATIENCE_US)
            break;
    }
    if (stream.release)
        stream.release(&stream);
    if (rc == FINOPS_OK)
        return fo_trial_fail(t, "%lld rows were streamed and no end", (long long)rows);
    return fo_trial_fails(t, rc, want, &err, "an endless result");
}

static bool
a_deadline_ends_a_result(fo_trial *t)
{
    finops_call call = { 0 };

    if (!make_numbers(t))
        return false;
    call.deadline_us = fo_clock_monotonic() + SOON_US;
    return stream_until_error(t, &call, NULL, FINOPS_E_TIMEOUT) && usable(t);
}

static bool
a_result_is_cancelled(fo_trial *t)
{
    control c = { .t = t };
    const finops_call call = { .cancelled = is_stopped, .arg = &c };

    return make_numbers(t) && stream_until_error(t, &call, &c, FINOPS_E_CANCELLED) && usable(t);
}

/* An abandoned result does not have to be read to its end first. */
static bool
an_endless_result_is_given_up(fo_trial *t)
{
    struct ArrowArrayStream stream = { 0 };
    struct ArrowArray batch = { 0 };
    const finops_statement statement = { .sql = fo_trial_sql(t, FLOOD) };
    int64_t started;
    finops_error *err = NULL;
    int errnum;

    if (!make_numbers(t))
        return false;
    started = fo_clock_monotonic();
    if (!fo_trial_ok(t, finops_session_execute(t->session, &statement, &stream, NULL, &err), &err, FLOOD))
        return false;
    errnum = stream.get_next(&stream, &batch);
    if (!errnum && batch.release)
        batch.release(&batch);
    stream.release(&stream);
    return fo_trial_true(t, errnum == 0, "the first batch failed with errno %d", errnum) &&
           fo_trial_true(t, fo_clock_monotonic() - started < PATIENCE_US, "giving up took %lld ms",
                         (long long)((fo_clock_monotonic() - started) / 1000)) &&
           usable(t);
}

/* ---- writes ---- */

static const fo_batch_column numbers = { .name = "i", .format = "l" };

static void
stop_at_row_5000(int64_t row, void *arg)
{
    control *c = arg;

    if (row >= 5000)
        atomic_store(&c->stop, true);
}

static bool
write_ends_with(fo_trial *t, const finops_call *call, const fo_batch_spec *spec, finops_code want)
{
    const finops_write write = {
        .schema = t->schema, .table = fo_trial_name(t, "n"), .mode = FINOPS_WRITE_APPEND, .call = call
    };
    int64_t started = fo_clock_monotonic(), took;
    finops_error *err = NULL;
    finops_write_result result = { 0 };
    finops_code rc = fo_trial_write_at(t, NULL, &write, spec, &result, &err);

    took = fo_clock_monotonic() - started;
    return fo_trial_fails(t, rc, want, &err, "an endless write") &&
           fo_trial_true(t, took < PATIENCE_US, "it took %lld ms to end", (long long)(took / 1000));
}

static bool
a_write_is_cancelled(fo_trial *t)
{
    control c = { .t = t };
    const finops_call call = { .cancelled = is_stopped, .arg = &c };
    const fo_batch_spec spec = { .columns = &numbers,
                                 .n_columns = 1,
                                 .rows = INT64_C(4000000000),
                                 .batch = 1000,
                                 .on_batch = stop_at_row_5000,
                                 .arg = &c };

    return make_numbers(t) && write_ends_with(t, &call, &spec, FINOPS_E_CANCELLED) && usable(t);
}

static bool
a_deadline_ends_a_write(fo_trial *t)
{
    const fo_batch_spec spec = {
        .columns = &numbers, .n_columns = 1, .rows = INT64_C(4000000000), .batch = 1000
    };
    finops_call call = { 0 };

    if (!make_numbers(t))
        return false;
    call.deadline_us = fo_clock_monotonic() + SOON_US;
    return write_ends_with(t, &call, &spec, FINOPS_E_TIMEOUT) && usable(t);
}

static bool
a_replacement_is_cancelled(fo_trial *t)
{
    static const char *const values[] = { "1" };
    const fo_batch_column columns[] = { { .name = "m", .format = "u", .values = values, .n_values = 1 },
                                        { .name = "i", .format = "l" } };
    control c = { .t = t };
    const finops_call call = { .cancelled = is_stopped, .arg = &c };
    const finops_partition partition = { .column = "m", .value = "1", .call = &call };
    const fo_batch_spec few = { .columns = columns, .n_columns = 2, .rows = 3 };
    const fo_batch_spec endless = { .columns = columns,
                                    .n_columns = 2,
                                    .rows = INT64_C(4000000000),
                                    .batch = 1000,
                                    .on_batch = stop_at_row_5000,
                                    .arg = &c };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, &few))
        return false;
    rc = fo_trial_replace_at(t, NULL, &partition, &endless, &result, &err);
    return fo_trial_fails(t, rc, FINOPS_E_CANCELLED, &err, "an endless replacement") &&
           fo_trial_count(t, NULL, "a", 3);
}

/* ---- another thread ---- */

/* Cancels again and again: what comes before the call began ends nothing. */
static void *
cancel_on(void *arg)
{
    control *c = arg;
    void *conn = fo_session_native(c->t->session);

    while (atomic_load(&c->running)) {
        const struct timespec pause = { .tv_nsec = 20000000 };

        (void)nanosleep(&pause, NULL);
        c->t->driver->cancel(conn);
    }
    return NULL;
}

static bool
another_thread_cancels(fo_trial *t)
{
    control c = { .t = t };
    pthread_t thread;
    bool ok;

    if (!t->driver->cancel)
        return fo_trial_skip(t, "no cancel from another thread");
    if (!make_numbers(t))
        return false;
    atomic_store(&c.running, true);
    if (pthread_create(&thread, NULL, cancel_on, &c) != 0)
        return fo_trial_fail(t, "no thread");
    ok = ends_with(t, ENDLESS, NULL, FINOPS_E_CANCELLED);
    atomic_store(&c.running, false);
    (void)pthread_join(thread, NULL);
    return ok && usable(t);
}

static bool
cancelling_nothing_harms_nothing(fo_trial *t)
{
    bool ok = true;

    if (!t->driver->cancel)
        return fo_trial_skip(t, "no cancel from another thread");
    for (int i = 0; ok && i < 20; i++) {
        t->driver->cancel(fo_session_native(t->session));
        ok = fo_trial_expect(t, NULL, "SELECT 1", "1");
    }
    return ok;
}

/* ---- transactions and progress ---- */

static bool
a_cancelled_statement_can_be_rolled_back(fo_trial *t)
{
    control c = { .t = t };
    const finops_call call = { .cancelled = third_time, .arg = &c };

    return make_numbers(t) && fo_trial_tx_begin(t, NULL) && fo_trial_exec(t, NULL, "DELETE FROM {n}") &&
           ends_with(t,
                     "SELECT count(*) FROM {m} a, {m} b, {m} c, {m} d WHERE (a.i * b.i + c.i * d.i) % 7 = 9",
                     &call, FINOPS_E_CANCELLED) &&
           fo_trial_tx_rollback(t, NULL) && usable(t);
}

static bool
cancel_inside_a_transaction(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "m", FINOPS_WRITE_CREATE, 0, 2000) &&
           a_cancelled_statement_can_be_rolled_back(t);
}

static void
progress_seen(double fraction, int64_t rows, void *arg)
{
    control *c = arg;

    c->calls++;
    c->odd = c->odd || fraction > 1.0 || (fraction >= 0 && fraction < c->fraction) || rows < c->rows;
    c->fraction = fraction >= 0 ? fraction : c->fraction;
    c->rows = rows;
}

static bool
progress_goes_forward(fo_trial *t)
{
    control c = { .t = t };
    const finops_call call = { .progress = progress_seen, .arg = &c };
    const finops_write write = {
        .schema = t->schema, .table = fo_trial_name(t, "a"), .mode = FINOPS_WRITE_CREATE, .call = &call
    };
    const fo_batch_spec spec = { .columns = &numbers, .n_columns = 1, .rows = 500000, .batch = 10000 };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc = fo_trial_write_at(t, NULL, &write, &spec, &result, &err);

    if (!fo_trial_ok(t, rc, &err, "write"))
        return false;
    if (c.calls == 0)
        return fo_trial_skip(t, "no progress of a write");
    return fo_trial_true(t, !c.odd, "progress went backwards or beyond its range") &&
           fo_trial_true(t, c.rows <= 500000, "progress told of %lld rows", (long long)c.rows);
}

static const fo_case cases[] = {
    { "a deadline ends a statement", 0, a_deadline_ends_a_statement },
    { "a deadline that has passed ends it at once", 0, a_deadline_passed_long_ago },
    { "a deadline far off does nothing", 0, a_deadline_far_off_does_nothing },
    { "a deadline is of one call alone", 0, a_deadline_is_of_one_call },
    { "a statement cancelled from the start ends", 0, cancelled_from_the_start },
    { "a statement is cancelled while it runs", 0, cancelled_while_it_runs },
    { "a statement nobody cancels runs to its end", 0, never_cancelled_runs_to_its_end },
    { "a deadline ends a result", 0, a_deadline_ends_a_result },
    { "a result is cancelled between batches", 0, a_result_is_cancelled },
    { "an endless result is given up at once", 0, an_endless_result_is_given_up },
    { "a write is cancelled and leaves nothing", 0, a_write_is_cancelled },
    { "a deadline ends a write and leaves nothing", 0, a_deadline_ends_a_write },
    { "a replacement is cancelled and leaves the old rows", FINOPS_DATABASE_TRANSACTIONS,
      a_replacement_is_cancelled },
    { "another thread cancels", 0, another_thread_cancels },
    { "cancelling nothing harms nothing", 0, cancelling_nothing_harms_nothing },
    { "a statement cancelled inside a transaction can be rolled back", FINOPS_DATABASE_TRANSACTIONS,
      cancel_inside_a_transaction },
    { "progress goes forward", 0, progress_goes_forward },
};

const fo_case_area fo_cases_control = { .name = "control", .cases = cases, .n = FO_COUNT(cases) };
