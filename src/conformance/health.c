/* Health, and what a driver says of itself. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conformance/trial.h"

static bool
it_is_up(fo_trial *t)
{
    finops_health h;
    finops_error *err = NULL;

    memset(&h, 0x55, sizeof(h));
    return fo_trial_ok(t, finops_database_health(t->database, NULL, &h, &err), &err, "health") &&
           fo_trial_true(t, h.state == FINOPS_HEALTH_UP, "a database that answers is said to be %d: %.200s",
                         h.state, h.detail) &&
           fo_trial_true(t, h.latency_ms >= 0 && h.latency_ms < 60000, "a latency of %g ms", h.latency_ms) &&
           fo_trial_true(t, memchr(h.version, 0, sizeof(h.version)) && h.version[0], "no version is told") &&
           fo_trial_true(t, h.detail[0] == '\0', "up, and yet a reason why not: %.200s", h.detail);
}

static bool
asking_often_costs_nothing(fo_trial *t)
{
    finops_pool_figures before = { 0 }, after = { 0 };
    finops_error *err = NULL;
    bool ok = true;

    finops_database_pool(t->database, &before);
    for (int i = 0; ok && i < 20; i++) {
        finops_health h = { 0 };

        ok = fo_trial_ok(t, finops_database_health(t->database, NULL, &h, &err), &err, "health");
    }
    finops_database_pool(t->database, &after);
    return ok && fo_trial_true(t, after.open <= before.open + 1, "%u connections became %u", before.open,
                               after.open);
}

/* A busy session does not stand in its way. */
static bool
it_is_asked_beside_a_transaction(fo_trial *t)
{
    finops_health h = { 0 };
    finops_error *err = NULL;

    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 1) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_add(t, NULL, "a", 1, 1) &&
           fo_trial_ok(t, finops_database_health(t->database, NULL, &h, &err), &err, "health") &&
           fo_trial_true(t, h.state == FINOPS_HEALTH_UP, "%.200s", h.detail) && fo_trial_tx_rollback(t, NULL);
}

static bool
capabilities_make_sense(fo_trial *t)
{
    finops_capabilities c;

    memset(&c, 0, sizeof(c));
    finops_database_capabilities(t->database, &c);
    return fo_trial_true(t, c.quote == '"' || c.quote == '`' || c.quote == '\'',
                         "identifiers are quoted by %d", c.quote) &&
           fo_trial_true(t, !(c.features & FINOPS_DATABASE_EXACT_DECIMALS) || c.max_precision >= 38,
                         "exact decimals of %u digits", c.max_precision) &&
           fo_trial_true(t, c.max_identifier == 0 || c.max_identifier >= 30, "names of %u bytes",
                         c.max_identifier) &&
           fo_trial_true(t, c.max_parameters == 0 || c.max_parameters >= 100, "%u parameters",
                         c.max_parameters);
}

static bool
claims_have_functions(fo_trial *t)
{
    const finops_database_driver *d = t->driver;

    return fo_trial_true(t,
                         !(t->caps.features & FINOPS_DATABASE_TRANSACTIONS) ||
                             (d->begin && d->commit && d->rollback),
                         "transactions are claimed, and begin, commit or rollback is missing") &&
           fo_trial_true(t,
                         !(t->caps.features & FINOPS_DATABASE_DDL_IN_TRANSACTION) ||
                             (t->caps.features & FINOPS_DATABASE_TRANSACTIONS),
                         "DDL in transactions without transactions") &&
           fo_trial_true(t, !d->lock == !d->unlock, "a lock without unlock, or the other way round");
}

static bool
it_describes_itself(fo_trial *t)
{
    const finops_database_driver *d = t->driver;

    if (!d->name[0] || !d->version || !d->version[0] || !d->summary || !d->summary[0])
        return fo_trial_fail(t, "a name, version or summary is missing");
    for (const finops_option *o = d->options; o && o->name; o++)
        if (!o->help || !o->help[0])
            return fo_trial_fail(t, "the option %s has no help", o->name);
    return fo_trial_true(t, strcmp(finops_database_backend(t->database), d->name) == 0, "its name is %s",
                         finops_database_backend(t->database));
}

static bool
secrets_are_marked(fo_trial *t)
{
    static const char *const words[] = { "password", "passwd", "secret", "token", "private_key" };

    for (const finops_option *o = t->driver->options; o && o->name; o++)
        for (size_t i = 0; i < FO_COUNT(words); i++)
            if (strstr(o->name, words[i]) && o->type == FINOPS_OPT_STRING &&
                !(o->flags & FINOPS_OPT_SECRET) && !strstr(o->name, "file"))
                return fo_trial_fail(t, "the option %s is not marked as a secret", o->name);
    return true;
}

static bool
is_alive_says_so(fo_trial *t)
{
    if (!t->driver->is_alive)
        return fo_trial_skip(t, "no way of its own to see whether a connection lives");
    return fo_trial_true(t, t->driver->is_alive(fo_session_native(t->session)),
                         "a fresh connection is called dead") &&
           fo_trial_exec_refused(t, NULL, "SELECT * FROM {nothing}") &&
           fo_trial_true(t, t->driver->is_alive(fo_session_native(t->session)),
                         "a connection is called dead after an error") &&
           fo_trial_expect(t, NULL, "SELECT 1", "1");
}

/* disconnect and close take NULL, says the interface. */
static bool
nothing_is_closed_without_harm(fo_trial *t)
{
    t->driver->disconnect(NULL);
    t->driver->close(NULL);
    return fo_trial_expect(t, NULL, "SELECT 1", "1");
}

static const fo_case cases[] = {
    { "a database that answers is up, with its version", 0, it_is_up },
    { "asking often opens no more connections", 0, asking_often_costs_nothing },
    { "it is asked beside an open transaction", FINOPS_DATABASE_TRANSACTIONS,
      it_is_asked_beside_a_transaction },
    { "the capabilities make sense", 0, capabilities_make_sense },
    { "what is claimed has its functions", 0, claims_have_functions },
    { "the driver describes itself", 0, it_describes_itself },
    { "options that hold secrets are marked", 0, secrets_are_marked },
    { "a living connection is called alive", 0, is_alive_says_so },
    { "closing nothing does no harm", 0, nothing_is_closed_without_harm },
};

const fo_case_area fo_cases_health = { .name = "health", .cases = cases, .n = FO_COUNT(cases) };
