/* Replacing a partition: afterwards it holds the new rows and nothing else changed, or all is as before. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conformance/trial.h"

#define TX FINOPS_DATABASE_TRANSACTIONS

static const char *const months[] = { "2026-01", "2026-02", "2026-03" };
static const char *const january[] = { "2026-01" }, *const february[] = { "2026-02" };

/* Rows of three months, v is 'old'; new ones are of one month and 'new'. */
static const char *const old_text[] = { "old" }, *const new_text[] = { "new" };

static const fo_batch_column old_rows[] = { { .name = "m", .format = "u", .values = months, .n_values = 3 },
                                            { .name = "v", .format = "u", .values = old_text, .n_values = 1 },
                                            { .name = "i", .format = "l" } };
static const fo_batch_column new_february[] = {
    { .name = "m", .format = "u", .values = february, .n_values = 1 },
    { .name = "v", .format = "u", .values = new_text, .n_values = 1 },
    { .name = "i", .format = "l" }
};

static const finops_partition february_of_a = { .column = "m", .value = "2026-02" };
static const finops_partition all_of_a = { 0 };

#define SPEC(table, rows_)                                                                                   \
    (&(fo_batch_spec){ .columns = (table), .n_columns = FO_COUNT(table), .rows = (rows_) })
#define SUMMARY "SELECT m, v, count(*) FROM {a} GROUP BY m, v ORDER BY m, v"
#define BEFORE "2026-01|old|10;2026-02|old|10;2026-03|old|10"
#define AFTER "2026-01|old|10;2026-02|new|4;2026-03|old|10"

static bool
make_old(fo_trial *t)
{
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(old_rows, 30));
}

static bool
one_partition_is_replaced(fo_trial *t)
{
    return make_old(t) && fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           fo_trial_expect(t, NULL, SUMMARY, AFTER);
}

static bool
twice_is_as_once(fo_trial *t)
{
    return make_old(t) && fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 9)) &&
           fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           fo_trial_expect(t, NULL, SUMMARY, AFTER);
}

static bool
a_partition_that_is_new_is_added(fo_trial *t)
{
    const fo_batch_column first[] = { { .name = "m", .format = "u", .values = january, .n_values = 1 },
                                      { .name = "v", .format = "u", .values = old_text, .n_values = 1 },
                                      { .name = "i", .format = "l" } };

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(first, 10)) &&
           fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           fo_trial_expect(t, NULL, SUMMARY, "2026-01|old|10;2026-02|new|4");
}

static bool
a_table_that_is_new_is_made(fo_trial *t)
{
    return fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           fo_trial_expect(t, NULL, SUMMARY, "2026-02|new|4");
}

static bool
a_partition_may_become_empty(fo_trial *t)
{
    return make_old(t) && fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 0)) &&
           fo_trial_expect(t, NULL, SUMMARY, "2026-01|old|10;2026-03|old|10");
}

static bool
all_rows_are_replaced(fo_trial *t)
{
    return make_old(t) && fo_trial_replace(t, NULL, &all_of_a, SPEC(new_february, 4)) &&
           fo_trial_expect(t, NULL, SUMMARY, "2026-02|new|4");
}

static bool
the_whole_table_is_made_when_new(fo_trial *t)
{
    return fo_trial_replace(t, NULL, &all_of_a, SPEC(new_february, 4)) &&
           fo_trial_expect(t, NULL, SUMMARY, "2026-02|new|4");
}

static bool
the_whole_table_gets_its_new_columns(fo_trial *t)
{
    const fo_batch_column other[] = { { .name = "v", .format = "l" }, { .name = "w", .format = "u" } };
    fo_found_column w;
    size_t n = 0;

    return make_old(t) && fo_trial_replace(t, NULL, &all_of_a, SPEC(other, 5)) &&
           fo_trial_column(t, "a", "w", &w, &n) && fo_trial_true(t, w.found, "the new column w is missing") &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(w) FROM {a}", "5|5") &&
           fo_trial_true(t, n == 2 || !(t->caps.features & FINOPS_DATABASE_DDL_IN_TRANSACTION),
                         "the table made anew has %zu columns", n);
}

static bool
a_new_column_comes_with_the_partition(fo_trial *t)
{
    const fo_batch_column wider[] = { { .name = "m", .format = "u", .values = february, .n_values = 1 },
                                      { .name = "v", .format = "u", .values = new_text, .n_values = 1 },
                                      { .name = "extra", .format = "d:38,18" } };

    return make_old(t) && fo_trial_replace(t, NULL, &february_of_a, SPEC(wider, 4)) &&
           fo_trial_expect(t, NULL, SUMMARY, AFTER) &&
           fo_trial_expect(t, NULL, "SELECT count(extra), count(i) FROM {a}", "4|20");
}

static bool
rows_of_no_partition_stay(fo_trial *t)
{
    static const char *const some[] = { NULL, "2026-02" };
    const fo_batch_column with_null[] = { { .name = "m", .format = "u", .values = some, .n_values = 2 },
                                          { .name = "v", .format = "u", .values = old_text, .n_values = 1 } };

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(with_null, 10)) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_WIDEN, SPEC(old_rows, 0)) &&
           fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(m) FROM {a}", "9|4");
}

/* ---- columns of other types ---- */

typedef struct typed_partition {
    const char *name, *format;
    const char *one, *other; /* as Arrow stores them */
    const char *value;       /* text of one */
} typed_partition;

static const typed_partition typed[] = {
    { "a date", "tdD", "20454", "20485", "2026-01-01" },
    { "a timestamp", "tsu:", "1767225600000000", "1769904000000000", "2026-01-01 00:00:00" },
    { "an instant", "tsu:UTC", "1767225600000000", "1769904000000000", "2026-01-01 00:00:00+00" },
    { "a number", "l", "202601", "202602", "202601" },
    { "a small number", "s", "1", "2", "1" },
    { "a decimal", "d:10,2", "1.50", "2.50", "1.50" },
    { "a truth value", "b", "true", "false", "true" },
};

static bool
typed_is_replaced(fo_trial *t)
{
    const typed_partition *p = t->c->data;
    const char *const both[] = { p->one, p->other }, *const one[] = { p->one };
    const fo_batch_column before[] = { { .name = "p", .format = p->format, .values = both, .n_values = 2 },
                                       { .name = "v", .format = "u", .values = old_text, .n_values = 1 } };
    const fo_batch_column after[] = { { .name = "p", .format = p->format, .values = one, .n_values = 1 },
                                      { .name = "v", .format = "u", .values = new_text, .n_values = 1 } };
    const finops_partition partition = { .column = "p", .value = p->value };

    if (p->format[0] == 'd' && !(t->caps.features & FINOPS_DATABASE_EXACT_DECIMALS))
        return fo_trial_skip(t, "exact decimals");
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(before, 20)) &&
           fo_trial_replace(t, NULL, &partition, SPEC(after, 3)) &&
           fo_trial_expect(t, NULL, "SELECT v, count(*) FROM {a} GROUP BY v ORDER BY v", "new|3;old|10");
}

/* ---- failures ---- */

static bool
breaks_off(fo_trial *t, const finops_partition *partition)
{
    const fo_batch_spec broken = {
        .columns = new_february, .n_columns = 3, .rows = 20000, .batch = 1000, .fails = true
    };
    finops_error *err = NULL;
    finops_write_result result = { .rows = -7 };
    finops_code rc = fo_trial_replace_at(t, NULL, partition, &broken, &result, &err);
    bool named = err && strstr(finops_error_text(err), FO_BATCH_FAILURE);

    finops_error_freep(&err);
    return fo_trial_true(t, rc != FINOPS_OK, "a stream that broke off replaced the rows") &&
           fo_trial_true(t, named, "the error does not say what the stream said");
}

static bool
a_failure_in_the_middle_leaves_the_old_rows(fo_trial *t)
{
    return make_old(t) && breaks_off(t, &february_of_a) && fo_trial_expect(t, NULL, SUMMARY, BEFORE);
}

static bool
a_failure_leaves_the_whole_table(fo_trial *t)
{
    return make_old(t) && breaks_off(t, &all_of_a) && fo_trial_expect(t, NULL, SUMMARY, BEFORE);
}

static bool
after_a_failure_it_works(fo_trial *t)
{
    return make_old(t) && breaks_off(t, &february_of_a) && breaks_off(t, &all_of_a) &&
           fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           fo_trial_expect(t, NULL, SUMMARY, AFTER);
}

/* ---- transactions ---- */

static bool
a_rollback_brings_the_old_rows_back(fo_trial *t)
{
    return make_old(t) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           fo_trial_expect(t, NULL, SUMMARY, AFTER) && fo_trial_tx_rollback(t, NULL) &&
           fo_trial_expect(t, NULL, SUMMARY, BEFORE);
}

static bool
a_rollback_brings_the_whole_table_back(fo_trial *t)
{
    return make_old(t) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_replace(t, NULL, &all_of_a, SPEC(new_february, 4)) && fo_trial_count(t, NULL, "a", 4) &&
           fo_trial_tx_rollback(t, NULL) && fo_trial_expect(t, NULL, SUMMARY, BEFORE);
}

static bool
it_is_part_of_the_callers_transaction(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *other = NULL;

    return make_old(t) && fo_trial_numbers(t, NULL, "state", FINOPS_WRITE_CREATE, 0, 1) &&
           fo_trial_open(t, 0, &other) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           fo_trial_add(t, NULL, "state", 1, 1) && fo_trial_count(t, other, "state", 1) &&
           fo_trial_tx_commit(t, NULL) && fo_trial_count(t, other, "state", 2) &&
           fo_trial_expect(t, other, SUMMARY, AFTER);
}

/* ---- before_swap ---- */

typedef struct swap_watch {
    fo_trial *t;
    unsigned calls;
    finops_code answer;
    const char *sql; /* run in it; may be NULL */
} swap_watch;

static finops_code
swap_called(void *arg, finops_error **err)
{
    swap_watch *w = arg;

    w->calls++;
    if (w->answer != FINOPS_OK)
        return fo_error_set(err, w->answer, "the swap is not wanted");
    if (w->sql) {
        const finops_statement statement = { .sql = w->sql };

        return finops_session_execute(w->t->session, &statement, NULL, NULL, err);
    }
    return FINOPS_OK;
}

static bool
before_swap_is_called_once(fo_trial *t)
{
    swap_watch w = { .t = t };
    const finops_partition one = { .column = "m", .value = "2026-02", .before_swap = swap_called, .arg = &w };
    const finops_partition all = { .before_swap = swap_called, .arg = &w };

    return make_old(t) && fo_trial_replace(t, NULL, &one, SPEC(new_february, 4)) &&
           fo_trial_true(t, w.calls == 1, "before_swap was called %u times", w.calls) &&
           fo_trial_replace(t, NULL, &all, SPEC(new_february, 4)) &&
           fo_trial_true(t, w.calls == 2, "before_swap of a whole table was called %u times", w.calls - 1);
}

static bool
the_error_of_before_swap_stops_it(fo_trial *t)
{
    swap_watch w = { .t = t, .answer = FINOPS_E_DRIFT };
    const finops_partition one = { .column = "m", .value = "2026-02", .before_swap = swap_called, .arg = &w };
    const finops_partition all = { .before_swap = swap_called, .arg = &w };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc;

    if (!make_old(t))
        return false;
    rc = fo_trial_replace_at(t, NULL, &one, SPEC(new_february, 4), &result, &err);
    if (!fo_trial_fails(t, rc, FINOPS_E_DRIFT, &err, "replace_partition") ||
        !fo_trial_expect(t, NULL, SUMMARY, BEFORE))
        return false;
    rc = fo_trial_replace_at(t, NULL, &all, SPEC(new_february, 4), &result, &err);
    return fo_trial_fails(t, rc, FINOPS_E_DRIFT, &err, "replace_partition of all") &&
           fo_trial_expect(t, NULL, SUMMARY, BEFORE);
}

/* It is called when the rows are stored, or what it does is undone with the rest. */
static bool
a_failure_undoes_what_before_swap_did(fo_trial *t)
{
    swap_watch w = { .t = t };
    const finops_partition one = { .column = "m", .value = "2026-02", .before_swap = swap_called, .arg = &w };
    const finops_partition all = { .before_swap = swap_called, .arg = &w };

    w.sql = fo_trial_sql(t, "DROP VIEW {v}");
    return make_old(t) && fo_trial_exec(t, NULL, "CREATE VIEW {v} AS SELECT m, v FROM {a}") &&
           breaks_off(t, &one) && fo_trial_count(t, NULL, "v", 30) && breaks_off(t, &all) &&
           fo_trial_count(t, NULL, "v", 30);
}

static bool
a_view_is_dropped_before_the_swap(fo_trial *t)
{
    swap_watch w = { .t = t };
    const finops_partition all = { .before_swap = swap_called, .arg = &w };

    w.sql = fo_trial_sql(t, "DROP VIEW {v}");
    return make_old(t) && fo_trial_exec(t, NULL, "CREATE VIEW {v} AS SELECT m, v FROM {a}") &&
           fo_trial_tx_begin(t, NULL) && fo_trial_replace(t, NULL, &all, SPEC(new_february, 4)) &&
           fo_trial_exec(t, NULL, "CREATE VIEW {v} AS SELECT m, v FROM {a}") && fo_trial_tx_commit(t, NULL) &&
           fo_trial_count(t, NULL, "v", 4);
}

static bool
a_view_shows_the_new_rows(fo_trial *t)
{
    if (t->caps.features & FINOPS_DATABASE_VIEWS_PIN_TABLES)
        return fo_trial_skip(t, "tables that views do not pin");
    return make_old(t) && fo_trial_exec(t, NULL, "CREATE VIEW {v} AS SELECT m, v FROM {a}") &&
           fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           fo_trial_count(t, NULL, "v", 24) && fo_trial_replace(t, NULL, &all_of_a, SPEC(new_february, 4)) &&
           fo_trial_count(t, NULL, "v", 4);
}

/* ---- others meanwhile ---- */

typedef struct reader {
    fo_trial *t;
    finops_session *session;
    const char *sql;
    atomic_bool stop;
    unsigned reads, mixed;
    char what[200];
} reader;

/* Each set of rows is 500 of one value: two values, or another number, is a mix of old and new. */
static void *
read_on(void *arg)
{
    reader *r = arg;
    const finops_statement statement = { .sql = r->sql, .as_text = true };

    while (!atomic_load(&r->stop) && !r->mixed) {
        FO_AUTO(fo_result_done) fo_result rows = { 0 };
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        finops_code rc = fo_trial_run(r->t, r->session, &statement, &rows, &err);
        const char *n = fo_result_cell(&rows, 0, 0), *values = fo_result_cell(&rows, 0, 1);

        r->mixed += rc != FINOPS_OK || !fo_streq(n, "500") || !fo_streq(values, "1");
        if (r->mixed)
            (void)snprintf(r->what, sizeof(r->what), "%s rows of %s values%s%s", n ? n : "no",
                           values ? values : "no", rc == FINOPS_OK ? "" : ": ", finops_error_text(err));
        r->reads++;
    }
    return NULL;
}

static bool
swap_often(fo_trial *t, const char *column)
{
    bool ok = true;

    for (int round = 0; ok && round < 30; round++) {
        const char *const v[] = { fo_trial_keep(t, "%d", round) };
        const fo_batch_column rows[] = { { .name = "m", .format = "u", .values = february, .n_values = 1 },
                                         { .name = "v", .format = "u", .values = v, .n_values = 1 } };
        const finops_partition partition = { .column = column, .value = column ? "2026-02" : NULL };

        ok = fo_trial_replace(t, NULL, &partition, SPEC(rows, 500));
    }
    return ok;
}

static bool
readers_meanwhile(fo_trial *t, const char *column)
{
    const fo_batch_column first[] = { { .name = "m", .format = "u", .values = february, .n_values = 1 },
                                      { .name = "v", .format = "u", .values = old_text, .n_values = 1 } };
    reader r = { .t = t };
    pthread_t thread;
    bool ok;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(first, 500)) ||
        !fo_trial_open(t, 0, &r.session))
        return false;
    r.sql = fo_trial_sql(t, "SELECT count(*), count(DISTINCT v) FROM {a}");
    if (pthread_create(&thread, NULL, read_on, &r) != 0) {
        finops_session_release(r.session);
        return fo_trial_fail(t, "no thread");
    }
    ok = swap_often(t, column);
    atomic_store(&r.stop, true);
    (void)pthread_join(thread, NULL);
    finops_session_release(r.session);
    return ok && fo_trial_true(t, r.mixed == 0, "after %u reads a reader saw %s", r.reads, r.what) &&
           fo_trial_true(t, r.reads > 0, "the reader never got to read");
}

static bool
readers_see_old_or_new(fo_trial *t)
{
    return readers_meanwhile(t, "m");
}

static bool
readers_see_old_or_new_tables(fo_trial *t)
{
    return readers_meanwhile(t, NULL);
}

/* ---- leftovers ---- */

static bool
count_name(const char *schema, const char *name, bool is_view, void *arg)
{
    (void)schema;
    (void)name;
    (void)is_view;
    (*(unsigned *)arg)++;
    return true;
}

static bool
nothing_is_left_behind(fo_trial *t)
{
    unsigned before = 0, after = 0;
    finops_error *err = NULL;

    return make_old(t) &&
           fo_trial_ok(t, finops_session_tables(t->session, t->schema, count_name, &before, &err), &err,
                       "tables") &&
           fo_trial_replace(t, NULL, &february_of_a, SPEC(new_february, 4)) &&
           breaks_off(t, &february_of_a) && fo_trial_replace(t, NULL, &all_of_a, SPEC(new_february, 4)) &&
           breaks_off(t, &all_of_a) &&
           fo_trial_ok(t, finops_session_tables(t->session, t->schema, count_name, &after, &err), &err,
                       "tables") &&
           fo_trial_true(t, before == after, "the schema had %u tables before and %u after", before, after);
}

static bool
its_own_sql_replaces(fo_trial *t)
{
    const finops_partition partition = {
        .schema = t->schema, .table = fo_trial_name(t, "a"), .column = "m", .value = "2026-02"
    };
    const finops_source source = { .sql = "SELECT '2026-02' AS m, 'new' AS v, 1 AS i UNION ALL "
                                          "SELECT '2026-02', 'new', 2 UNION ALL SELECT '2026-02', 'new', 3 "
                                          "UNION ALL SELECT '2026-02', 'new', 4" };
    finops_write_result result = { 0 };
    finops_error *err = NULL;
    finops_code rc;

    if (!make_old(t))
        return false;
    rc = finops_session_replace_partition(t->session, &partition, &source, &result, &err);
    return fo_trial_ok(t, rc, &err, "replace_partition by SQL") &&
           fo_trial_true(t, result.rows == 4, "it says %lld rows", (long long)result.rows) &&
           fo_trial_expect(t, NULL, SUMMARY, AFTER);
}

static const fo_case cases[] = {
    { "one partition is replaced, others are untouched", TX, one_partition_is_replaced },
    { "replacing twice is as replacing once", TX, twice_is_as_once },
    { "a partition that is new is added", TX, a_partition_that_is_new_is_added },
    { "a table that is new is made", TX, a_table_that_is_new_is_made },
    { "a partition may become empty", TX, a_partition_may_become_empty },
    { "all rows are replaced", TX, all_rows_are_replaced },
    { "a whole table that is new is made", TX, the_whole_table_is_made_when_new },
    { "a whole table gets its new columns", TX, the_whole_table_gets_its_new_columns },
    { "a new column comes with the partition", TX, a_new_column_comes_with_the_partition },
    { "rows of no partition stay", TX, rows_of_no_partition_stay },
    { "a failure in the middle leaves the old rows", TX, a_failure_in_the_middle_leaves_the_old_rows },
    { "a failure leaves the whole table as it was", TX, a_failure_leaves_the_whole_table },
    { "after a failure it works", TX, after_a_failure_it_works },
    { "nothing is left behind", TX, nothing_is_left_behind },
    { "a rollback brings the old rows back", TX, a_rollback_brings_the_old_rows_back },
    { "a rollback brings the whole table back", TX | FINOPS_DATABASE_DDL_IN_TRANSACTION,
      a_rollback_brings_the_whole_table_back },
    { "it is part of the caller's transaction", TX, it_is_part_of_the_callers_transaction },
    { "before_swap is called once", TX, before_swap_is_called_once },
    { "the error of before_swap stops it", TX, the_error_of_before_swap_stops_it },
    { "a failure undoes what before_swap did", TX | FINOPS_DATABASE_DDL_IN_TRANSACTION,
      a_failure_undoes_what_before_swap_did },
    { "a view can be dropped before the swap", TX | FINOPS_DATABASE_DDL_IN_TRANSACTION,
      a_view_is_dropped_before_the_swap },
    { "a view shows the new rows", TX, a_view_shows_the_new_rows },
    { "readers see the old rows or the new", TX, readers_see_old_or_new },
    { "readers see the old table or the new", TX | FINOPS_DATABASE_DDL_IN_TRANSACTION,
      readers_see_old_or_new_tables },
    { "its own SQL is a source", TX | FINOPS_DATABASE_READS_FILES, its_own_sql_replaces },
};

static bool
make(size_t index, fo_case *ret, char name[FO_CASE_NAME])
{
    if (index >= FO_COUNT(typed))
        return false;
    (void)snprintf(name, FO_CASE_NAME, "a partition by %s is replaced", typed[index].name);
    *ret = (fo_case){ .name = name, .needs = TX, .run = typed_is_replaced, .data = &typed[index] };
    return true;
}

const fo_case_area fo_cases_partition = {
    .name = "partition", .cases = cases, .n = FO_COUNT(cases), .make = make
};
