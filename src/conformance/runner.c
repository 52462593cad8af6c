/* Runs the cases: a session each, a schema for all, which is gone at the end whatever happened. */
#include "conformance/conformance.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conformance/fault.h"
#include "conformance/hook.h"
#include "conformance/suite.h"

const char *
fo_case_outcome_name(fo_case_outcome outcome)
{
    static const char *const names[] = { "ok", "FAILED", "not claimed", "not run" };

    return names[outcome];
}

/* ---- the list of cases ---- */

bool
fo_case_next(fo_case_cursor *at, const char **ret_area, fo_case *ret)
{
    for (const fo_case_area *area; (area = fo_case_areas[at->area]) != NULL; at->area++, at->index = 0) {
        size_t i = at->index++;

        *ret_area = area->name;
        if (i < area->n) {
            *ret = area->cases[i];
            return true;
        }
        *ret = (fo_case){ 0 };
        if (area->make && area->make(i - area->n, ret, at->name))
            return true;
    }
    return false;
}

bool
fo_case_chosen(const fo_suite *s, const char *area, const char *name)
{
    return fo_case_matches(s->options.filter, area, name);
}

void
fo_case_tell(fo_suite *s, const char *area, const char *name, fo_case_outcome outcome, const char *why,
             int64_t us)
{
    unsigned *const counts[] = { &s->summary.passed, &s->summary.failed, &s->summary.not_claimed,
                                 &s->summary.not_run };
    const fo_case_result result = { .area = area,
                                    .name = name,
                                    .outcome = outcome,
                                    .why = outcome == FO_CASE_OK ? "" : why,
                                    .seconds = (double)us / 1e6 };

    ++*counts[outcome];
    if (s->options.each)
        s->options.each(&result, s->options.arg);
}

/* ---- one case ---- */

void
fo_trial_start(fo_suite *s, const fo_case *c, fo_trial *ret)
{
    *ret = (fo_trial){ .c = c,
                       .options = &s->options,
                       .database = s->options.database,
                       .caps = s->caps,
                       .schema = s->schema,
                       .serial = s->serial++,
                       .ruling = FO_RULING_INIT };
}

void
fo_trial_done(fo_trial *t)
{
    finops_session_release(t->session);
    fo_strv_done(&t->texts);
    fo_ruling_done(&t->ruling);
}

static const char *
missing_feature(uint64_t missing)
{
    static const char *const names[] = { "transactions",   "DDL in transactions",
                                         "reading files",  "nested types",
                                         "time travel",    "concurrent writers",
                                         "schemas",        "views pin tables",
                                         "exact decimals", "server",
                                         "no keys" };

    for (size_t i = 0; i < FO_COUNT(names); i++)
        if (missing & (UINT64_C(1) << i))
            return names[i];
    return "a feature of a later version";
}

static bool
trial_run(fo_suite *s, fo_trial *t)
{
    finops_session *session = NULL;
    finops_error *err = NULL;
    finops_code rc = finops_session_acquire(t->database, 0, NULL, &session, &err);

    if (!fo_trial_ok(t, rc, &err, "acquire a session"))
        return false;
    fo_watchdog_watch(s, t, session);
    return t->c->run(t) &&
           fo_trial_true(t, t->ruling.why.len == 0, "a helper noted a failure the case did not see");
}

/* Why it is not even tried. */
static bool
is_claimed(const fo_suite *s, fo_trial *t)
{
    const char *hook;

    if (s->options.list)
        return false;
    if (t->c->is_long && !s->options.with_long)
        return fo_trial_skip(t, "takes long: only with --long");
    if (t->c->needs & ~s->caps.features)
        return fo_trial_skip(t, "%s", missing_feature(t->c->needs & ~s->caps.features));
    if (t->c->unless & s->caps.features)
        return fo_trial_skip(t, "%s", missing_feature(t->c->unless & s->caps.features));
    hook = fo_hook_missing(s->options.hooks, t->c->hooks);
    if (!hook)
        return true;
    return s->options.hooks ? fo_trial_skip(t, "no hook %s", hook)
                            : fo_trial_skip(t, "no hook %s: only with --hooks", hook);
}

/* A session is given back within the case's time, too. */
static fo_case_outcome
judge(fo_suite *s, const char *area, fo_trial *t)
{
    bool ok;

    fo_watchdog_begin(s, area, t);
    ok = trial_run(s, t) && !t->ruling.why.len;
    ok = fo_fault_end(t) && ok;
    finops_session_release(fo_watchdog_forget(s, t));
    fo_watchdog_end(s);
    if (ok)
        return FO_CASE_OK;
    if (!t->ruling.why.len)
        fo_trial_fail(t, "failed without a reason");
    return t->ruling.not_claimed ? FO_CASE_NOT_CLAIMED : FO_CASE_FAILED;
}

static void
case_run(fo_suite *s, const char *area, const fo_case *c)
{
    int64_t started = fo_clock_monotonic();
    fo_case_outcome outcome = FO_CASE_NOT_CLAIMED;
    fo_trial t;

    fo_trial_start(s, c, &t);
    if (is_claimed(s, &t))
        outcome = judge(s, area, &t);
    fo_case_tell(s, area, c->name, outcome, fo_str_z(&t.ruling.why), fo_clock_monotonic() - started);
    fo_trial_done(&t);
}

/* ---- all of them ---- */

/* What is no case and may hang all the same. */
static finops_code
schema_step(fo_suite *s, const char *name, finops_error **err)
{
    const fo_case step = { .name = name };
    fo_trial t;
    finops_code rc = FINOPS_OK;

    fo_trial_start(s, &step, &t);
    fo_watchdog_begin(s, "schema", &t);
    if (!s->schema[0])
        rc = fo_schema_make(s, err);
    else
        fo_schema_drop(s, 0);
    fo_watchdog_end(s);
    fo_trial_done(&t);
    return rc;
}

finops_code
fo_cases_run(fo_suite *s, finops_error **err)
{
    const char *area;
    fo_case c;
    finops_code rc = FINOPS_OK;

    if (!s->options.list)
        rc = schema_step(s, "the schema of the tests is made", err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "make a schema for the tests");
    while (rc == FINOPS_OK && fo_case_next(&s->at, &area, &c)) {
        if (fo_cancelled(s->options.cancel))
            rc = fo_error_set(err, FINOPS_E_CANCELLED, "stopped before all cases were run");
        else if (fo_case_chosen(s, area, c.name))
            case_run(s, area, &c);
    }
    if (!s->options.list)
        (void)schema_step(s, "the schema of the tests is dropped", err);
    return rc;
}

finops_code
fo_conformance_run(const fo_conformance_options *options, fo_conformance_summary *ret, finops_error **err)
{
    fo_suite *s;
    finops_code rc;

    assert(options && ret && (options->list || options->database));

    s = fo_zalloc(sizeof(*s));
    if (!s)
        return fo_error_oom(err);
    s->options = *options;
    if (!options->list)
        finops_database_capabilities(options->database, &s->caps);
    rc = options->list ? fo_cases_run(s, err) : fo_watchdog_run(s, err);
    if (rc == FINOPS_OK)
        *ret = s->summary;
    if (!s->summary.hung[0]) /* else its thread still has it */
        fo_free(s);
    return rc;
}
