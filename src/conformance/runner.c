/* Runs the cases: a session each, a schema for all, which is gone at the end whatever happened. */
#include "conformance/conformance.h"

#include <assert.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conformance/trial.h"

typedef struct suite {
    const fo_conformance_options *options;
    finops_capabilities caps;
    char schema[64];
    bool has_schema;
    unsigned serial;
    fo_conformance_summary summary;
} suite;

const char *
fo_case_outcome_name(fo_case_outcome outcome)
{
    static const char *const names[] = { "ok", "FAILED", "not claimed" };

    return names[outcome];
}

/* ---- the database ---- */

static void
trial_start(suite *s, const fo_case *c, fo_trial *ret)
{
    *ret = (fo_trial){ .c = c,
                       .options = s->options,
                       .database = s->options->database,
                       .caps = s->caps,
                       .schema = s->schema,
                       .serial = s->serial++,
                       .why = FO_STR_INIT };
}

static void
trial_done(fo_trial *t)
{
    finops_session_release(t->session);
    fo_strv_done(&t->texts);
    fo_str_done(&t->why);
}

/* Names of what is to be dropped: dropping while listing would change the list. */
typedef struct leftovers {
    fo_strv names;
    bool failed;
} leftovers;

static bool
leftover_add(const char *schema, const char *name, bool is_view, void *arg)
{
    leftovers *l = arg;
    char *text = fo_format("%c%s", is_view ? 'v' : 't', name);

    (void)schema;
    l->failed = l->failed || !fo_strv_take(&l->names, text);
    return !l->failed;
}

/* Views first. What cannot be dropped stays: the next line says so. */
static void
tables_drop(fo_trial *t)
{
    leftovers left = { 0 };
    finops_error *err = NULL;

    (void)finops_session_tables(t->session, t->schema, leftover_add, &left, &err);
    finops_error_freep(&err);
    for (int views = 1; views >= 0; views--)
        for (size_t i = 0; i < left.names.n; i++)
            if ((left.names.items[i][0] == 'v') == (views == 1)) {
                const char *name = fo_trial_qualified(t, t->schema, left.names.items[i] + 1);

                (void)fo_trial_exec(t, NULL, fo_trial_keep(t, "DROP %s %s", views ? "VIEW" : "TABLE", name));
            }
    fo_strv_done(&left.names);
}

static void
schema_drop(suite *s)
{
    fo_trial t;
    finops_error *err = NULL;

    trial_start(s, NULL, &t);
    if (finops_session_acquire(s->options->database, 0, NULL, &t.session, &err) == FINOPS_OK) {
        tables_drop(&t);
        if (s->has_schema)
            (void)fo_trial_exec(&t, NULL, fo_trial_keep(&t, "DROP SCHEMA %s", fo_trial_quote(&t, s->schema)));
    }
    finops_error_freep(&err);
    trial_done(&t);
}

static finops_code
schema_make(suite *s, finops_error **err)
{
    uint64_t number = 0;
    fo_trial t;
    finops_code rc;

    if (getentropy(&number, sizeof(number)) != 0)
        return fo_error_set(err, FINOPS_E_IO, "no random number for the name of the test schema");
    (void)snprintf(s->schema, sizeof(s->schema), "finops_test_%016" PRIx64, number);
    trial_start(s, NULL, &t);
    rc = finops_session_acquire(s->options->database, 0, NULL, &t.session, err);
    if (rc == FINOPS_OK && (s->caps.features & FINOPS_DATABASE_SCHEMAS)) {
        const finops_statement make = { .sql = fo_trial_keep(&t, "CREATE SCHEMA %s",
                                                             fo_trial_quote(&t, s->schema)) };

        rc = finops_session_execute(t.session, &make, NULL, NULL, err);
        s->has_schema = rc == FINOPS_OK;
    }
    trial_done(&t);
    if (rc != FINOPS_OK)
        s->schema[0] = '\0';
    return rc;
}

static void
suite_done(suite *s)
{
    if (s->schema[0])
        schema_drop(s);
}

/* ---- cases ---- */

static bool
is_chosen(const suite *s, const char *area, const char *name)
{
    FO_AUTO(fo_freep) char *both = NULL;
    const char *filter = s->options->filter;

    if (!filter)
        return true;
    both = fo_format("%s: %s", area, name);
    return fnmatch(filter, area, 0) == 0 || fnmatch(filter, name, 0) == 0 ||
           (both && fnmatch(filter, both, 0) == 0);
}

static void
tell(suite *s, const char *area, const fo_trial *t, fo_case_outcome outcome, double seconds)
{
    const fo_case_result result = { .area = area,
                                    .name = t->c->name,
                                    .outcome = outcome,
                                    .why = outcome == FO_CASE_OK ? "" : fo_str_z(&t->why),
                                    .seconds = seconds };

    s->summary.passed += outcome == FO_CASE_OK;
    s->summary.failed += outcome == FO_CASE_FAILED;
    s->summary.not_claimed += outcome == FO_CASE_NOT_CLAIMED;
    if (s->options->each)
        s->options->each(&result, s->options->arg);
}

static const char *
missing_feature(uint64_t missing)
{
    static const char *const names[] = { "transactions", "DDL in transactions", "reading files",
                                         "nested types", "time travel",         "concurrent writers",
                                         "schemas",      "views pin tables",    "exact decimals",
                                         "server" };

    for (size_t i = 0; i < FO_COUNT(names); i++)
        if (missing & (UINT64_C(1) << i))
            return names[i];
    return "a feature of a later version";
}

static bool
trial_run(fo_trial *t)
{
    finops_error *err = NULL;
    finops_code rc = finops_session_acquire(t->database, 0, NULL, &t->session, &err);

    if (!fo_trial_ok(t, rc, &err, "acquire a session"))
        return false;
    t->driver = fo_session_driver(t->session);
    return t->c->run(t) && fo_trial_true(t, t->why.len == 0, "a helper noted a failure the case did not see");
}

static void
case_run(suite *s, const char *area, const fo_case *c)
{
    int64_t started = fo_clock_monotonic();
    fo_case_outcome outcome;
    fo_trial t;

    if (!is_chosen(s, area, c->name))
        return;
    trial_start(s, c, &t);
    if (s->options->list) {
        outcome = FO_CASE_NOT_CLAIMED;
    } else if (c->is_long && !s->options->with_long) {
        outcome = FO_CASE_NOT_CLAIMED;
        fo_trial_fail(&t, "takes long: only with --long");
    } else if (c->needs & ~s->caps.features) {
        outcome = FO_CASE_NOT_CLAIMED;
        fo_trial_fail(&t, "%s", missing_feature(c->needs & ~s->caps.features));
    } else if (trial_run(&t) && !t.why.len) {
        outcome = FO_CASE_OK;
    } else {
        if (!t.why.len)
            fo_trial_fail(&t, "failed without a reason");
        outcome = t.not_claimed ? FO_CASE_NOT_CLAIMED : FO_CASE_FAILED;
    }
    tell(s, area, &t, outcome, (double)(fo_clock_monotonic() - started) / 1e6);
    trial_done(&t);
}

static finops_code
area_run(suite *s, const fo_case_area *area, finops_error **err)
{
    char name[FO_CASE_NAME];

    for (size_t i = 0; i < area->n; i++) {
        if (fo_cancelled(s->options->cancel))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped before all cases were run");
        case_run(s, area->name, &area->cases[i]);
    }
    for (size_t i = 0; area->make; i++) {
        fo_case c = { 0 };

        if (!area->make(i, &c, name))
            break;
        if (fo_cancelled(s->options->cancel))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped before all cases were run");
        case_run(s, area->name, &c);
    }
    return FINOPS_OK;
}

finops_code
fo_conformance_run(const fo_conformance_options *options, fo_conformance_summary *ret, finops_error **err)
{
    FO_AUTO(suite_done) suite s = { .options = options };
    finops_code rc = FINOPS_OK;

    assert(options && ret && (options->list || options->database));
    if (!options->list) {
        finops_database_capabilities(options->database, &s.caps);
        rc = schema_make(&s, err);
        if (rc != FINOPS_OK)
            return fo_error_wrap(err, rc, "make a schema for the tests");
    }
    for (size_t i = 0; rc == FINOPS_OK && fo_case_areas[i]; i++)
        rc = area_run(&s, fo_case_areas[i], err);
    if (rc == FINOPS_OK)
        *ret = s.summary;
    return rc;
}
