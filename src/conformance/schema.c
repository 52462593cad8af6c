/* The schema a run works in: made first, and dropped with all that is in it, whatever happened. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "conformance/suite.h"

#define ASKS_MAX 20 /* connections that a fault may have left dead in the pool, and some */

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

static bool
drop(fo_trial *t, const finops_call *call, const char *what, const char *name)
{
    const finops_statement statement = { .sql = fo_trial_keep(t, "DROP %s %s", what, name), .call = call };
    finops_error *err = NULL;
    finops_code rc = finops_session_execute(t->session, &statement, NULL, NULL, &err);

    return fo_trial_ok(t, rc, &err, statement.sql);
}

/* Views first. */
static void
tables_drop(fo_trial *t, const finops_call *call)
{
    leftovers left = { 0 };
    finops_error *err = NULL;
    finops_code rc = finops_session_tables(t->session, t->schema, leftover_add, &left, &err);

    (void)fo_trial_ok(t, rc, &err, "list the tables of the tests");
    for (int views = 1; views >= 0; views--)
        for (size_t i = 0; i < left.names.n; i++)
            if ((left.names.items[i][0] == 'v') == (views == 1))
                (void)drop(t, call, views ? "VIEW" : "TABLE",
                           fo_trial_qualified(t, t->schema, left.names.items[i] + 1));
    fo_strv_done(&left.names);
}

/* One that answers: the last case may have cut them all. */
static bool
session_take(fo_trial *t, const finops_call *call)
{
    const finops_statement ask = { .sql = "SELECT 1", .call = call };

    for (int i = 0; i < ASKS_MAX; i++) {
        if (finops_session_acquire(t->database, 0, call, &t->session, NULL) != FINOPS_OK)
            return false;
        if (finops_session_execute(t->session, &ask, NULL, NULL, NULL) == FINOPS_OK)
            return true;
        finops_session_release(FO_TAKE(t->session));
    }
    return false;
}

void
fo_schema_drop(fo_suite *s, int64_t deadline_us)
{
    const finops_call call = { .deadline_us = deadline_us };
    fo_trial t;
    bool dropped;

    if (!s->schema[0])
        return;
    fo_trial_start(s, NULL, &t);
    dropped = session_take(&t, &call);
    if (dropped) {
        /* A lake makes a new state of its catalog for each: hundreds one by one take minutes. */
        bool at_once = s->has_schema && s->caps.dialect == FINOPS_DIALECT_DUCKDB;
        const char *schema = fo_trial_quote(&t, s->schema);

        if (!at_once)
            tables_drop(&t, &call);
        if (s->has_schema)
            (void)drop(&t, &call, "SCHEMA", at_once ? fo_trial_keep(&t, "%s CASCADE", schema) : schema);
        dropped = t.ruling.why.len == 0;
    }
    if (!dropped)
        memcpy(s->summary.left, s->schema, sizeof(s->summary.left));
    fo_trial_done(&t);
}

finops_code
fo_schema_make(fo_suite *s, finops_error **err)
{
    uint64_t number = 0;
    fo_trial t;
    finops_code rc;

    if (getentropy(&number, sizeof(number)) != 0)
        return fo_error_set(err, FINOPS_E_IO, "no random number for the name of the test schema");
    (void)pthread_mutex_lock(&s->guard.lock); /* should it hang, the watchdog looks at it */
    (void)snprintf(s->schema, sizeof(s->schema), "finops_test_%016" PRIx64, number);
    (void)pthread_mutex_unlock(&s->guard.lock);
    fo_trial_start(s, NULL, &t);
    rc = finops_session_acquire(s->options.database, 0, NULL, &t.session, err);
    if (rc == FINOPS_OK && (s->caps.features & FINOPS_DATABASE_SCHEMAS)) {
        const finops_statement make = { .sql = fo_trial_keep(&t, "CREATE SCHEMA %s",
                                                             fo_trial_quote(&t, s->schema)) };

        rc = finops_session_execute(t.session, &make, NULL, NULL, err);
        s->has_schema = rc == FINOPS_OK;
    }
    fo_trial_done(&t);
    if (rc != FINOPS_OK)
        s->schema[0] = '\0';
    return rc;
}
