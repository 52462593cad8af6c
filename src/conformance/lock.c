/* Locks between processes, by name. */
#include "base/clock.h"
#include "base/mem.h"
#include "conformance/trial.h"

static bool
has_locks(fo_trial *t)
{
    if (!t->driver->lock || !t->driver->unlock)
        return fo_trial_skip(t, "locks");
    return true;
}

static bool
take(fo_trial *t, finops_session *s, const char *name)
{
    const finops_call call = { .deadline_us = fo_clock_monotonic() + INT64_C(5000000) };
    finops_error *err = NULL;

    return fo_trial_ok(t, fo_session_lock(s ? s : t->session, name, &call, &err), &err, "lock");
}

static bool
give(fo_trial *t, finops_session *s, const char *name)
{
    finops_error *err = NULL;

    return fo_trial_ok(t, fo_session_unlock(s ? s : t->session, name, &err), &err, "unlock");
}

static bool
is_busy(fo_trial *t, finops_session *s, const char *name)
{
    const finops_call call = { .deadline_us = fo_clock_monotonic() + INT64_C(200000) };
    int64_t started = fo_clock_monotonic();
    finops_error *err = NULL;
    finops_code rc = fo_session_lock(s, name, &call, &err);

    return fo_trial_fails(t, rc, FINOPS_E_BUSY, &err, "a lock another holds") &&
           fo_trial_true(t, fo_clock_monotonic() - started < INT64_C(5000000), "the wait took %lld ms",
                         (long long)((fo_clock_monotonic() - started) / 1000));
}

static bool
one_holds_it(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *other = NULL;
    const char *name = fo_trial_name(t, "lock");

    return has_locks(t) && fo_trial_open(t, 0, &other) && take(t, NULL, name) && is_busy(t, other, name) &&
           give(t, NULL, name) && take(t, other, name) && is_busy(t, t->session, name) &&
           give(t, other, name);
}

static bool
names_are_locks_of_their_own(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *other = NULL;

    return has_locks(t) && fo_trial_open(t, 0, &other) && take(t, NULL, fo_trial_name(t, "one")) &&
           take(t, other, fo_trial_name(t, "two")) && is_busy(t, other, fo_trial_name(t, "one")) &&
           give(t, other, fo_trial_name(t, "two")) && give(t, NULL, fo_trial_name(t, "one"));
}

static bool
a_released_session_gives_it_back(fo_trial *t)
{
    finops_session *other = NULL;
    const char *name = fo_trial_name(t, "lock");
    bool ok;

    if (!has_locks(t) || !fo_trial_open(t, 0, &other))
        return false;
    ok = take(t, other, name);
    finops_session_release(other);
    return ok && take(t, NULL, name) && give(t, NULL, name);
}

static bool
it_outlives_a_transaction(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *other = NULL;
    const char *name = fo_trial_name(t, "lock");

    return has_locks(t) && fo_trial_open(t, 0, &other) && fo_trial_tx_begin(t, NULL) && take(t, NULL, name) &&
           fo_trial_tx_rollback(t, NULL) && is_busy(t, other, name) && give(t, NULL, name) &&
           take(t, other, name) && give(t, other, name);
}

static bool
names_are_any_text(fo_trial *t)
{
    static const char *const names[] = {
        "it's", "a\"b", "x'; DROP SCHEMA public; --", "\xC3\xBC", " ", "a\nb"
    };
    FO_AUTO(fo_trial_closep) finops_session *other = NULL;
    bool ok = has_locks(t) && fo_trial_open(t, 0, &other);

    for (size_t i = 0; ok && i < FO_COUNT(names); i++) {
        const char *name = fo_trial_keep(t, "%s %s", t->schema, names[i]);

        ok = take(t, NULL, name) && is_busy(t, other, name) && give(t, NULL, name);
    }
    return ok;
}

static bool
work_goes_on_under_it(fo_trial *t)
{
    const char *name = fo_trial_name(t, "lock");

    return has_locks(t) && take(t, NULL, name) && fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 3) &&
           fo_trial_count(t, NULL, "a", 3) && give(t, NULL, name);
}

static const fo_case cases[] = {
    { "one session holds a lock, another is told it is busy", 0, one_holds_it },
    { "each name is a lock of its own", 0, names_are_locks_of_their_own },
    { "a released session gives its lock back", 0, a_released_session_gives_it_back },
    { "a lock outlives a transaction", FINOPS_DATABASE_TRANSACTIONS, it_outlives_a_transaction },
    { "a lock's name may be any text", 0, names_are_any_text },
    { "work goes on under a lock", 0, work_goes_on_under_it },
};

const fo_case_area fo_cases_lock = { .name = "lock", .cases = cases, .n = FO_COUNT(cases) };
