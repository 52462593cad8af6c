/* Breaking the server and looking at what became of the rows. */
#include "conformance/fault.h"

#include <assert.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conformance/hook.h"

#define MIDDLE (FO_FAULT_ROWS / 2)
#define PAUSE_NS 100000000
#define ASK_US INT64_C(5000000)

#define FIFTY "lorem ipsum dolor sit amet consectetur adipiscing "
static const char *const months[] = { "2026-01", "2026-02", "2026-03" }, *const february[] = { "2026-02" };
static const char *const old_text[] = { "old" };
static const char *const new_text[] = { "new " FIFTY FIFTY FIFTY "elit" };

static const fo_batch_column old_rows[] = { { .name = "m", .format = "u", .values = months, .n_values = 3 },
                                            { .name = "v", .format = "u", .values = old_text, .n_values = 1 },
                                            { .name = "i", .format = "l" } };
static const fo_batch_column new_rows[] = { { .name = "m", .format = "u", .values = february, .n_values = 1 },
                                            { .name = "v", .format = "u", .values = new_text, .n_values = 1 },
                                            { .name = "i", .format = "l" } };

/* ---- hooks ---- */

static finops_code
run_hook(fo_trial *t, const char *hook, const char *mend, finops_error **err)
{
    if (mend)
        t->mend = mend;
    return fo_hook_run(t->options->hooks, hook, t->schema, t->broken, err);
}

bool
fo_fault_strike(fo_trial *t, const char *hook, const char *mend)
{
    finops_error *err = NULL;

    return fo_trial_ok(t, run_hook(t, hook, mend, &err), &err, "break it");
}

bool
fo_fault_mend(fo_trial *t)
{
    const char *hook = atomic_exchange(&t->mend, NULL);
    finops_error *err = NULL;

    return !hook || fo_trial_ok(t, run_hook(t, hook, NULL, &err), &err, "mend it");
}

/* ---- sessions ---- */

static finops_code
ask(finops_session *s, int64_t deadline_us, finops_error **err)
{
    const finops_call call = { .deadline_us = deadline_us };
    const finops_statement statement = { .sql = "SELECT 1", .call = &call };

    return finops_session_execute(s, &statement, NULL, NULL, err);
}

bool
fo_fault_answers(fo_trial *t, finops_session *s)
{
    finops_error *err = NULL;
    finops_code rc = ask(s ? s : t->session, fo_clock_monotonic() + ASK_US, &err);

    return fo_trial_ok(t, rc, &err, "SELECT 1");
}

finops_code
fo_fault_try(fo_trial *t, int64_t deadline_us, finops_session **ret, finops_error **err)
{
    const finops_call call = { .deadline_us = deadline_us };
    finops_session *s = NULL;
    finops_code rc = finops_session_acquire(t->database, 0, &call, &s, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = ask(s, deadline_us, err);
    if (rc == FINOPS_OK)
        *ret = s;
    else
        finops_session_release(s);
    return rc;
}

bool
fo_fault_anew(fo_trial *t)
{
    const struct timespec pause = { .tv_nsec = PAUSE_NS };
    int64_t until = fo_clock_monotonic() + FO_FAULT_PATIENCE_US;
    finops_error *err = NULL;
    finops_code rc;

    finops_session_release(FO_TAKE(t->session));
    for (;;) {
        rc = fo_fault_try(t, fo_clock_monotonic() + ASK_US, &t->session, &err);
        if (rc == FINOPS_OK || fo_clock_monotonic() > until)
            return fo_trial_ok(t, rc, &err, "a session that answers, half a minute later");
        finops_error_freep(&err);
        (void)nanosleep(&pause, NULL);
    }
}

bool
fo_fault_begin(fo_trial *t)
{
    const fo_batch_spec old = { .columns = old_rows, .n_columns = FO_COUNT(old_rows), .rows = 30 };

    t->broken = fo_trial_name(t, "a");
    return fo_fault_anew(t) && fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, &old);
}

bool
fo_fault_end(fo_trial *t)
{
    const char *const tables[] = { "DROP TABLE {a}", "DROP TABLE {b}" };
    bool mended = fo_fault_mend(t);

    for (size_t i = 0; t->c->hooks && t->session && i < FO_COUNT(tables); i++) {
        const finops_statement drop = { .sql = fo_trial_sql(t, tables[i]) };

        (void)finops_session_execute(t->session, &drop, NULL, NULL, NULL); /* there or not */
    }
    return mended;
}

/* ---- big writes ---- */

/* Of the thread that reads the stream, which need not be the case's. */
typedef struct blow {
    fo_trial *t;
    const char *hook, *mend;
    atomic_bool struck;
    finops_code rc;
    finops_error *err;
} blow;

static void
strike_in_the_middle(int64_t row, void *arg)
{
    blow *b = arg;

    if (!b->hook || row < MIDDLE || atomic_exchange(&b->struck, true))
        return;
    b->rc = run_hook(b->t, b->hook, b->mend, &b->err);
}

static finops_code
work_run(fo_trial *t, fo_fault_work work, int64_t rows, blow *b, finops_error **err)
{
    static const finops_partition of_a = { .column = "m", .value = "2026-02" };
    const fo_batch_spec spec = { .columns = new_rows,
                                 .n_columns = FO_COUNT(new_rows),
                                 .rows = rows,
                                 .batch = 1000,
                                 .on_batch = strike_in_the_middle,
                                 .arg = b };
    finops_write_result result;

    if (work == FO_FAULT_PARTITION)
        return fo_trial_replace_at(t, NULL, &of_a, &spec, &result, err);
    return fo_trial_write_raw(t, NULL, work == FO_FAULT_CREATE ? "b" : "a",
                              work == FO_FAULT_CREATE ? FINOPS_WRITE_CREATE : FINOPS_WRITE_APPEND, &spec,
                              &result, err);
}

bool
fo_fault_work_fails(fo_trial *t, fo_fault_work work, const char *hook, const char *mend, finops_code want)
{
    blow b = { .t = t, .hook = hook, .mend = mend };
    finops_error *err = NULL;
    finops_code rc = work_run(t, work, FO_FAULT_DOOMED_ROWS, &b, &err);
    bool struck = atomic_load(&b.struck);

    if (hook && struck && !fo_trial_ok(t, b.rc, &b.err, "break it")) {
        finops_error_freep(&err);
        return false;
    }
    return fo_trial_fails(t, rc, want, &err, "a big write") &&
           fo_trial_true(t, !hook || struck, "it ended before it came to its middle");
}

finops_code
fo_fault_work_try(fo_trial *t, fo_fault_work work, finops_error **err)
{
    blow b = { .t = t };

    return work_run(t, work, FO_FAULT_DOOMED_ROWS, &b, err);
}

bool
fo_fault_work_done(fo_trial *t, fo_fault_work work)
{
    blow b = { .t = t };
    finops_error *err = NULL;

    return fo_trial_ok(t, work_run(t, work, FO_FAULT_ROWS, &b, &err), &err, "a big write");
}

/* ---- what is there ---- */

#define SUMMARY "SELECT m, substr(v, 1, 3), count(*) FROM {%s} GROUP BY 1, 2 ORDER BY 1, 2"

static bool
expect(fo_trial *t, const char *table, const char *want)
{
    return fo_trial_expect(t, NULL, fo_trial_keep(t, SUMMARY, table), want);
}

bool
fo_fault_as_before(fo_trial *t)
{
    fo_found_column column;
    size_t n = 0;

    return expect(t, "a", "2026-01|old|10;2026-02|old|10;2026-03|old|10") &&
           fo_trial_column(t, "b", "m", &column, &n) &&
           fo_trial_true(t, n == 0, "the table that could not be made is there");
}

bool
fo_fault_as_after(fo_trial *t, fo_fault_work work)
{
    static const char *const wanted[] = {
        [FO_FAULT_APPEND] = "2026-01|old|10;2026-02|new|100000;2026-02|old|10;2026-03|old|10",
        [FO_FAULT_CREATE] = "2026-02|new|100000",
        [FO_FAULT_PARTITION] = "2026-01|old|10;2026-02|new|100000;2026-03|old|10",
    };

    return expect(t, work == FO_FAULT_CREATE ? "b" : "a", wanted[work]);
}
