/* A server that restarts, is away or cuts connections: nothing is lost, nothing doubled, and work goes on. */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conformance/fault.h"

#define TX FINOPS_DATABASE_TRANSACTIONS
#define SESSIONS 3
#define SOON_US INT64_C(500000)
#define PATIENCE_US INT64_C(5000000)
#define TRIES_MAX 60 /* more than a pool has connections and a breaker failures */

static const char *const restart[] = { "restart", NULL };
static const char *const cut[] = { "kill-connections", NULL };
static const char *const away[] = { "stop", "start", NULL };

/* ---- in the middle of a write ---- */

static bool
cut_in_the_middle(fo_trial *t, fo_fault_work work, const char *hook)
{
    return fo_fault_begin(t) && fo_fault_work_fails(t, work, hook, NULL, FINOPS_E_TRANSIENT) &&
           fo_fault_anew(t) && fo_fault_as_before(t) && fo_fault_work_done(t, work) &&
           fo_fault_as_after(t, work);
}

static bool
restart_in_a_write(fo_trial *t)
{
    return cut_in_the_middle(t, FO_FAULT_APPEND, restart[0]);
}

static bool
restart_in_a_new_table(fo_trial *t)
{
    return cut_in_the_middle(t, FO_FAULT_CREATE, restart[0]);
}

static bool
restart_in_a_replacement(fo_trial *t)
{
    return cut_in_the_middle(t, FO_FAULT_PARTITION, restart[0]);
}

static bool
cut_in_a_write(fo_trial *t)
{
    return cut_in_the_middle(t, FO_FAULT_APPEND, cut[0]);
}

static bool
cut_in_a_replacement(fo_trial *t)
{
    return cut_in_the_middle(t, FO_FAULT_PARTITION, cut[0]);
}

/* ---- restarts ---- */

static bool
what_was_written_outlives_it(fo_trial *t)
{
    return fo_fault_begin(t) && fo_fault_work_done(t, FO_FAULT_PARTITION) &&
           fo_fault_strike(t, restart[0], NULL) && fo_fault_anew(t) &&
           fo_fault_as_after(t, FO_FAULT_PARTITION);
}

static bool
statement_is_cut(fo_trial *t, const char *sql)
{
    return fo_trial_exec_fails(t, NULL, sql, FINOPS_E_TRANSIENT);
}

static bool
an_open_transaction_is_gone(fo_trial *t)
{
    return fo_fault_begin(t) && fo_trial_tx_begin(t, NULL) && fo_trial_exec(t, NULL, "DELETE FROM {a}") &&
           fo_fault_strike(t, restart[0], NULL) && statement_is_cut(t, "DELETE FROM {a}") &&
           fo_fault_anew(t) && fo_fault_as_before(t);
}

/* For so long that a connection which was idle is looked at before it is handed out. */
static bool
idle(void)
{
    const struct timespec second = { .tv_sec = 1, .tv_nsec = 100000000 };

    return nanosleep(&second, NULL) == 0;
}

/* Several of the pool, at the first try each. */
static bool
sessions_work_after(fo_trial *t, unsigned flags, const char *hook)
{
    finops_session *all[SESSIONS] = { NULL };
    bool ok = fo_fault_begin(t);

    for (int i = 0; ok && i < SESSIONS; i++)
        ok = fo_trial_open(t, flags, &all[i]) && fo_trial_count(t, all[i], "a", 30);
    for (int i = 0; i < SESSIONS; i++)
        fo_trial_closep(&all[i]);
    ok = ok && fo_fault_strike(t, hook, NULL) && idle();
    for (int i = 0; ok && i < SESSIONS; i++)
        ok = fo_trial_open(t, flags, &all[i]) && fo_trial_count(t, all[i], "a", 30);
    for (int i = 0; i < SESSIONS; i++)
        fo_trial_closep(&all[i]);
    return ok && fo_fault_anew(t);
}

static bool
sessions_work_after_a_restart(fo_trial *t)
{
    return sessions_work_after(t, 0, restart[0]);
}

static bool
readers_work_after_a_restart(fo_trial *t)
{
    return sessions_work_after(t, FINOPS_CONNECT_READ_ONLY, restart[0]);
}

/* One that is out while it happens: it only reads, so nothing is lost with its connection. */
static bool
a_reader_goes_on(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *reader = NULL;

    return fo_fault_begin(t) && fo_trial_open(t, FINOPS_CONNECT_READ_ONLY, &reader) &&
           fo_trial_count(t, reader, "a", 30) && fo_fault_strike(t, cut[0], NULL) &&
           fo_trial_count(t, reader, "a", 30) && fo_fault_anew(t);
}

/* ---- cut connections ---- */

static bool
sessions_work_after_a_cut(fo_trial *t)
{
    return sessions_work_after(t, 0, cut[0]);
}

static bool
a_transaction_begins_after_a_cut(fo_trial *t)
{
    if (!fo_fault_begin(t))
        return false;
    finops_session_release(FO_TAKE(t->session));
    return fo_fault_strike(t, cut[0], NULL) && idle() && fo_trial_open(t, 0, &t->session) &&
           fo_trial_tx_begin(t, NULL) && fo_trial_exec(t, NULL, "DELETE FROM {a} WHERE m = '2026-01'") &&
           fo_trial_tx_commit(t, NULL) && fo_trial_count(t, NULL, "a", 20);
}

static bool
a_change_is_not_repeated(fo_trial *t)
{
    return fo_fault_begin(t) && fo_trial_exec(t, NULL, "INSERT INTO {a} (m, i) VALUES ('2026-04', 1)") &&
           fo_fault_strike(t, cut[0], NULL) &&
           statement_is_cut(t, "INSERT INTO {a} (m, i) VALUES ('2026-04', 2)") && fo_fault_anew(t) &&
           fo_trial_exec(t, NULL, "INSERT INTO {a} (m, i) VALUES ('2026-04', 3)") &&
           fo_trial_expect(t, NULL, "SELECT i FROM {a} WHERE m = '2026-04' ORDER BY i", "1;3");
}

/* All or nothing, and nobody is told that it is done. */
static bool
a_commit_that_is_cut(fo_trial *t)
{
    finops_error *err = NULL;
    finops_code rc;

    if (!fo_fault_begin(t) || !fo_trial_tx_begin(t, NULL) ||
        !fo_trial_exec(t, NULL, "DELETE FROM {a} WHERE m = '2026-01'") || !fo_fault_strike(t, cut[0], NULL))
        return false;
    rc = finops_session_commit(t->session, &err);
    return fo_trial_fails(t, rc, FINOPS_E_TRANSIENT, &err, "a commit whose connection is cut") &&
           fo_trial_true(t, fo_session_commit_unknown(t->session),
                         "it does not say that its outcome is unknown") &&
           fo_fault_anew(t) &&
           fo_trial_expect(t, NULL,
                           "SELECT CASE WHEN count(*) IN (20, 30) THEN 'all or nothing' END FROM {a}",
                           "all or nothing");
}

/* An end of the stream would be a result with rows missing. */
static bool
a_result_that_is_cut(fo_trial *t)
{
    struct ArrowArrayStream stream = { 0 };
    const finops_statement flood = { .sql = fo_trial_sql(
                                         t, "SELECT a.m, b.m, c.m, d.m FROM {a} a, {a} b, {a} c, {a} d") };
    int64_t rows = 0, started;
    finops_error *err = NULL;
    finops_code rc;

    if (!fo_fault_begin(t) ||
        !fo_trial_ok(t, finops_session_execute(t->session, &flood, &stream, NULL, &err), &err, flood.sql))
        return false;
    if (!fo_fault_strike(t, cut[0], NULL)) {
        stream.release(&stream);
        return false;
    }
    started = fo_clock_monotonic();
    rc = fo_result_count(&stream, &rows, &err);
    if (rc == FINOPS_OK && rows == 810000)
        return fo_trial_skip(t, "a connection that can be cut in the middle of a result");
    return fo_trial_fails(t, rc, FINOPS_E_TRANSIENT, &err, "a result whose connection is cut") &&
           fo_trial_true(t, fo_clock_monotonic() - started < PATIENCE_US, "it took %lld ms to end",
                         (long long)((fo_clock_monotonic() - started) / 1000)) &&
           fo_fault_anew(t);
}

/* The session that holds it is not given back until another has it. */
static bool
a_lock_is_given_back(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *holder = NULL;
    const char *name = fo_trial_name(t, "lock");
    finops_call call = { 0 };
    finops_error *err = NULL;

    if (!t->driver->lock || !t->driver->unlock)
        return fo_trial_skip(t, "locks");
    if (!fo_fault_begin(t) || !fo_trial_ok(t, fo_session_lock(t->session, name, NULL, &err), &err, "lock"))
        return false;
    holder = FO_TAKE(t->session);
    if (!fo_fault_strike(t, cut[0], NULL) || !fo_fault_anew(t))
        return false;
    call.deadline_us = fo_clock_monotonic() + PATIENCE_US;
    return fo_trial_ok(t, fo_session_lock(t->session, name, &call, &err), &err, "lock it again") &&
           fo_trial_ok(t, fo_session_unlock(t->session, name, &err), &err, "unlock");
}

/* ---- a server that is away ---- */

static bool
health_is(fo_trial *t, finops_health_state want)
{
    const finops_call call = { .deadline_us = fo_clock_monotonic() + PATIENCE_US };
    finops_health health = { 0 };
    finops_error *err = NULL;
    finops_code rc = finops_database_health(t->database, &call, &health, &err);

    return fo_trial_ok(t, rc, &err, "health") &&
           fo_trial_true(t, health.state == want, "the health is %d, not %d: %s", health.state, want,
                         health.detail);
}

/* Whatever is in the pool is dead, and there is no other. *ret_open: the breaker said so, not the server. */
static bool
try_in_vain(fo_trial *t, bool *ret_open)
{
    finops_session *s = NULL;
    finops_error *err = NULL;
    finops_code rc = fo_fault_try(t, fo_clock_monotonic() + SOON_US, &s, &err);

    finops_session_release(s);
    *ret_open = err && strstr(finops_error_text(err), "left alone");
    return fo_trial_fails_either(t, rc, FINOPS_E_TRANSIENT, FINOPS_E_TIMEOUT, &err,
                                 "a session of a server that is away");
}

static bool
stop(fo_trial *t)
{
    if (!fo_fault_begin(t))
        return false;
    finops_session_release(FO_TAKE(t->session));
    return fo_fault_strike(t, away[0], away[1]);
}

static bool
it_is_told_as_down(fo_trial *t)
{
    bool open;

    return health_is(t, FINOPS_HEALTH_UP) && stop(t) && try_in_vain(t, &open) &&
           health_is(t, FINOPS_HEALTH_DOWN) && fo_fault_mend(t) && health_is(t, FINOPS_HEALTH_UP) &&
           fo_fault_anew(t) && fo_fault_as_before(t);
}

static bool
breaker_opens(fo_trial *t)
{
    bool open = false, ok = stop(t);

    for (int i = 0; ok && !open && i < TRIES_MAX; i++)
        ok = try_in_vain(t, &open);
    return ok && fo_trial_true(t, open, "after %d failures it is still asked", TRIES_MAX);
}

static bool
the_breaker_recovers(fo_trial *t)
{
    return breaker_opens(t) && fo_fault_mend(t) && fo_fault_anew(t) && fo_fault_as_before(t);
}

static bool
health_closes_the_breaker(fo_trial *t)
{
    return breaker_opens(t) && fo_fault_mend(t) && health_is(t, FINOPS_HEALTH_UP) &&
           fo_trial_open(t, 0, &t->session) && fo_fault_answers(t, NULL) && fo_fault_as_before(t);
}

static const fo_case cases[] = {
    { "a restart in the middle of a write leaves none of its rows", 0, restart_in_a_write, .hooks = restart },
    { "a restart in the middle of a new table leaves no table", 0, restart_in_a_new_table, .hooks = restart },
    { "a restart in the middle of a replacement leaves the old rows", TX, restart_in_a_replacement,
      .hooks = restart },
    { "what was written outlives a restart", 0, what_was_written_outlives_it, .hooks = restart },
    { "a transaction that was open is gone after a restart", TX, an_open_transaction_is_gone,
      .hooks = restart },
    { "sessions of the pool work after a restart", 0, sessions_work_after_a_restart, .hooks = restart },
    { "readers work after a restart", 0, readers_work_after_a_restart, .hooks = restart },
    { "a connection cut in the middle of a write loses and doubles nothing", 0, cut_in_a_write,
      .hooks = cut },
    { "a connection cut in the middle of a replacement leaves the old rows", TX, cut_in_a_replacement,
      .hooks = cut },
    { "sessions of the pool work after their connections were cut", 0, sessions_work_after_a_cut,
      .hooks = cut },
    { "a reader goes on after its connection was cut", 0, a_reader_goes_on, .hooks = cut },
    { "a transaction begins though the pool's connection was cut", TX, a_transaction_begins_after_a_cut,
      .hooks = cut },
    { "a change whose connection was cut is not repeated", 0, a_change_is_not_repeated, .hooks = cut },
    { "a commit whose connection was cut is told as unknown", TX, a_commit_that_is_cut, .hooks = cut },
    { "a result whose connection was cut does not just end", 0, a_result_that_is_cut, .hooks = cut },
    { "a lock is given back when its connection was cut", 0, a_lock_is_given_back, .hooks = cut },
    { "a server that is away is down, and up when it is back", 0, it_is_told_as_down, .hooks = away },
    { "the breaker opens while the server is away, and closes by itself", 0, the_breaker_recovers,
      .hooks = away },
    { "a health check closes the breaker of a server that is back", 0, health_closes_the_breaker,
      .hooks = away },
};

const fo_case_area fo_cases_outage = { .name = "outage", .cases = cases, .n = FO_COUNT(cases) };
