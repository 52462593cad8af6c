/* A read-only session reads; whatever would change something is refused as "usage", before it changed it. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conformance/trial.h"

static bool
make_a(fo_trial *t, finops_session **ret)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 10) &&
           fo_trial_open(t, FINOPS_CONNECT_READ_ONLY, ret);
}

static bool
it_reads(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *s = NULL;

    return make_a(t, &s) && fo_trial_expect(t, s, "SELECT count(*), sum(i) FROM {a}", "10|45") &&
           fo_trial_expect(t, s, "WITH x AS (SELECT i FROM {a}) SELECT max(i) FROM x", "9");
}

static bool
it_tells_the_catalog(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *s = NULL;
    finops_session *own = t->session;
    fo_found_column c;
    bool ok;

    if (!make_a(t, &s))
        return false;
    t->session = s;
    ok = fo_trial_column(t, "a", "i", &c, NULL) && fo_trial_true(t, c.found, "the column i is missing");
    t->session = own;
    return ok;
}

static const char *const refused[] = {
    "INSERT INTO {a} VALUES (100)",
    "UPDATE {a} SET i = 0",
    "DELETE FROM {a}",
    "DROP TABLE {a}",
    "CREATE TABLE {b} (i INTEGER)",
    "CREATE TABLE {b} AS SELECT * FROM {a}",
    "CREATE VIEW {b} AS SELECT * FROM {a}",
    "ALTER TABLE {a} ADD COLUMN j INTEGER",
    "/* SELECT */ DELETE FROM {a}",
    "-- SELECT\nDELETE FROM {a}",
    "  \n\t delete from {a}",
    "SELECT 1; DELETE FROM {a}",
};

static bool
it_refuses(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *s = NULL;
    const char *sql = t->c->data;

    /* Two statements in one are refused in any case, by whichever rule is met first. */
    bool two = strchr(sql, ';') != NULL;

    return make_a(t, &s) &&
           (two ? fo_trial_exec_refused(t, s, sql) : fo_trial_exec_fails(t, s, sql, FINOPS_E_USAGE)) &&
           fo_trial_expect(t, s, "SELECT count(*), sum(i) FROM {a}", "10|45") &&
           fo_trial_expect(t, NULL, "SELECT count(*), sum(i) FROM {a}", "10|45");
}

static bool
it_refuses_a_write(fo_trial *t)
{
    static const fo_batch_column i = { .name = "i", .format = "l" };
    const fo_batch_spec spec = { .columns = &i, .n_columns = 1, .rows = 5 };
    FO_AUTO(fo_trial_closep) finops_session *s = NULL;
    finops_error *err = NULL;
    finops_write_result result;

    return make_a(t, &s) &&
           fo_trial_fails(t, fo_trial_write_raw(t, s, "a", FINOPS_WRITE_APPEND, &spec, &result, &err),
                          FINOPS_E_USAGE, &err, "write") &&
           fo_trial_fails(t, fo_trial_write_raw(t, s, "b", FINOPS_WRITE_CREATE, &spec, &result, &err),
                          FINOPS_E_USAGE, &err, "write of a new table") &&
           fo_trial_count(t, NULL, "a", 10);
}

static bool
it_refuses_a_replacement(fo_trial *t)
{
    static const fo_batch_column i = { .name = "i", .format = "l" };
    const fo_batch_spec spec = { .columns = &i, .n_columns = 1, .rows = 5 };
    const finops_partition all = { 0 };
    FO_AUTO(fo_trial_closep) finops_session *s = NULL;
    finops_error *err = NULL;
    finops_write_result result;

    return make_a(t, &s) &&
           fo_trial_fails(t, fo_trial_replace_at(t, s, &all, &spec, &result, &err), FINOPS_E_USAGE, &err,
                          "replace_partition") &&
           fo_trial_count(t, NULL, "a", 10);
}

/* What the same session is read from sees what others commit. */
static bool
it_sees_new_rows(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *s = NULL;

    return make_a(t, &s) && fo_trial_count(t, s, "a", 10) && fo_trial_add(t, NULL, "a", 10, 5) &&
           fo_trial_count(t, s, "a", 15);
}

/* A connection taken for writing must not come back as one that reads, nor the other way round. */
static bool
the_pool_keeps_them_apart(fo_trial *t)
{
    bool ok = fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 10);

    for (int i = 0; ok && i < 5; i++) {
        finops_session *reader = NULL, *writer = NULL;

        ok = fo_trial_open(t, FINOPS_CONNECT_READ_ONLY, &reader) &&
             fo_trial_exec_fails(t, reader, "DELETE FROM {a}", FINOPS_E_USAGE);
        finops_session_release(reader);
        ok = ok && fo_trial_open(t, 0, &writer) && fo_trial_exec(t, writer, "UPDATE {a} SET i = i");
        finops_session_release(writer);
    }
    return ok && fo_trial_count(t, NULL, "a", 10);
}

static const fo_case cases[] = {
    { "a read-only session reads", 0, it_reads },
    { "a read-only session tells the catalog", 0, it_tells_the_catalog },
    { "a read-only session refuses a write of rows", 0, it_refuses_a_write },
    { "a read-only session refuses a replacement", FINOPS_DATABASE_TRANSACTIONS, it_refuses_a_replacement },
    { "a read-only session sees what others commit", 0, it_sees_new_rows },
    { "the pool keeps those that write apart", 0, the_pool_keeps_them_apart },
};

static bool
make(size_t index, fo_case *ret, char name[FO_CASE_NAME])
{
    size_t at = 0;

    if (index >= FO_COUNT(refused))
        return false;
    (void)snprintf(name, FO_CASE_NAME, "a read-only session refuses %s", refused[index]);
    for (; name[at]; at++) /* a line a case */
        name[at] = name[at] == '\n' || name[at] == '\t' ? ' ' : name[at];
    *ret = (fo_case){ .name = name, .run = it_refuses, .data = refused[index] };
    return true;
}

const fo_case_area fo_cases_readonly = {
    .name = "readonly", .cases = cases, .n = FO_COUNT(cases), .make = make
};
