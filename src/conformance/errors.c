/* Errors: the code that fits, a message that names things, and a session that goes on. */
#include <string.h>

#include "base/mem.h"
#include "conformance/trial.h"

static bool
still_works(fo_trial *t)
{
    return fo_trial_expect(t, NULL, "SELECT 1", "1");
}

/* Fails with this code, and the message holds the word. */
static bool
names_it(fo_trial *t, const char *sql, finops_code want, finops_code other, const char *word)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    const finops_statement statement = { .sql = fo_trial_sql(t, sql), .as_text = true };
    finops_code rc = fo_trial_run(t, NULL, &statement, &rows, &err);
    bool named = !err || strstr(finops_error_text(err), word) != NULL;

    if (!named)
        fo_trial_fail(t, "%s: the error does not name %s: %s", sql, word, finops_error_text(err));
    return fo_trial_fails_either(t, rc, want, other, &err, statement.sql) && named && still_works(t);
}

static bool
a_syntax_error(fo_trial *t)
{
    return names_it(t, "SELEKT 1", FINOPS_E_DATABASE, FINOPS_E_USAGE, "SELEKT");
}

static bool
a_syntax_error_far_in(fo_trial *t)
{
    return names_it(t, "SELECT 1, 2, (3 + 4)) AS wrong", FINOPS_E_DATABASE, FINOPS_E_USAGE, ")");
}

static bool
a_missing_table(fo_trial *t)
{
    return names_it(t, "SELECT * FROM {nothing_here}", FINOPS_E_NOT_FOUND, FINOPS_E_NOT_FOUND,
                    "nothing_here");
}

static bool
a_missing_table_in_dml(fo_trial *t)
{
    return names_it(t, "DELETE FROM {nothing_here}", FINOPS_E_NOT_FOUND, FINOPS_E_NOT_FOUND,
                    "nothing_here") &&
           names_it(t, "DROP TABLE {nothing_here}", FINOPS_E_NOT_FOUND, FINOPS_E_NOT_FOUND, "nothing_here");
}

static bool
a_missing_schema(fo_trial *t)
{
    return names_it(t, "SELECT * FROM no_such_schema.no_such_table", FINOPS_E_NOT_FOUND, FINOPS_E_NOT_FOUND,
                    "no_such");
}

static bool
a_missing_column(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 1) &&
           names_it(t, "SELECT missing_one FROM {a}", FINOPS_E_DATABASE, FINOPS_E_NOT_FOUND, "missing_one");
}

static bool
a_missing_function(fo_trial *t)
{
    return names_it(t, "SELECT no_such_function(1)", FINOPS_E_DATABASE, FINOPS_E_NOT_FOUND,
                    "no_such_function");
}

static bool
a_table_that_exists(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 3) &&
           fo_trial_exec_fails(t, NULL, "CREATE TABLE {a} (i INTEGER)", FINOPS_E_EXISTS) && still_works(t) &&
           fo_trial_count(t, NULL, "a", 3);
}

static bool
a_duplicate_key(fo_trial *t)
{
    return fo_trial_exec(t, NULL, "CREATE TABLE {a} (i INTEGER PRIMARY KEY)") &&
           fo_trial_exec(t, NULL, "INSERT INTO {a} VALUES (1)") &&
           fo_trial_exec_refused(t, NULL, "INSERT INTO {a} VALUES (1)") && fo_trial_count(t, NULL, "a", 1);
}

static bool
a_missing_value(fo_trial *t)
{
    return fo_trial_exec(t, NULL, "CREATE TABLE {a} (i INTEGER NOT NULL)") &&
           fo_trial_exec_refused(t, NULL, "INSERT INTO {a} VALUES (NULL)") && fo_trial_count(t, NULL, "a", 0);
}

/* An error, NULL or infinity: databases differ. None takes the session with it. */
static bool
a_division_by_zero(fo_trial *t)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    const finops_statement statement = { .sql = "SELECT 1 / (1 - 1)", .as_text = true };
    finops_code rc = fo_trial_run(t, NULL, &statement, &rows, &err);

    if (rc != FINOPS_OK)
        return fo_trial_fails_either(t, rc, FINOPS_E_DATABASE, FINOPS_E_DATA, &err, statement.sql) &&
               still_works(t);
    return still_works(t);
}

/* The bad row comes after many good ones: the error may come from the stream. */
static bool
an_error_late_in_the_result(fo_trial *t)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    static const char *const bad[] = { "x" };
    const fo_batch_column one = { .name = "t", .format = "u", .values = bad, .n_values = 1 };
    const fo_batch_column texts = { .name = "t", .format = "u" };
    finops_error *err = NULL;
    const finops_statement statement = {
        .sql = fo_trial_sql(t, "SELECT CAST(replace(t, 'row ', '') AS INTEGER) FROM {a}"), .as_text = true
    };
    finops_code rc;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                        &(fo_batch_spec){ .columns = &texts, .n_columns = 1, .rows = 50000 }) ||
        !fo_trial_write(t, NULL, "a", FINOPS_WRITE_APPEND,
                        &(fo_batch_spec){ .columns = &one, .n_columns = 1, .rows = 1 }))
        return false;
    rc = fo_trial_run(t, NULL, &statement, &rows, &err);
    if (rc == FINOPS_OK && t->caps.dialect == FINOPS_DIALECT_GENERIC)
        return fo_trial_true(t, rows.n_rows == 50001, "%zu rows came", rows.n_rows);
    return fo_trial_fails_either(t, rc, FINOPS_E_DATABASE, FINOPS_E_DATA, &err, statement.sql) &&
           still_works(t);
}

static bool
nothing_to_run(fo_trial *t)
{
    static const char *const nothings[] = { "", " ", ";", "-- nothing", "/* nothing */", "\n\t" };

    for (size_t i = 0; i < FO_COUNT(nothings); i++) {
        FO_AUTO(fo_result_done) fo_result rows = { 0 };
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        const finops_statement statement = { .sql = nothings[i], .as_text = true };
        finops_code rc = fo_trial_run(t, NULL, &statement, &rows, &err);

        if ((rc != FINOPS_OK) != (err != NULL))
            return fo_trial_fail(t, "\"%s\": code %s %s an error", nothings[i], finops_code_name(rc),
                                 err ? "with" : "without");
        if (!still_works(t))
            return false;
    }
    return true;
}

static bool
an_open_quote(fo_trial *t)
{
    return fo_trial_exec_refused(t, NULL, "SELECT 'open") &&
           fo_trial_exec_refused(t, NULL, "SELECT \"open") && still_works(t);
}

/* One statement is one statement: the second of two is refused or run, never left to the next call. */
static bool
two_statements(fo_trial *t)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    const finops_statement statement = { .sql = "SELECT 1; SELECT 2", .as_text = true };

    (void)fo_trial_run(t, NULL, &statement, &rows, &err);
    finops_error_freep(&err);
    return still_works(t) && fo_trial_expect(t, NULL, "SELECT 3", "3");
}

static bool
an_error_not_wanted(fo_trial *t)
{
    const finops_statement statement = { .sql = "SELEKT 1" };
    finops_code rc = finops_session_execute(t->session, &statement, NULL, NULL, NULL);

    return fo_trial_true(t, rc == FINOPS_E_DATABASE || rc == FINOPS_E_USAGE,
                         "without a place for the error the code is %s", finops_code_name(rc)) &&
           still_works(t);
}

static bool
outputs_stay_untouched(fo_trial *t)
{
    struct ArrowArrayStream stream = { .private_data = t };
    int64_t changed = -77;
    finops_error *err = NULL;
    const finops_statement statement = { .sql = "SELEKT 1" };
    finops_code rc = finops_session_execute(t->session, &statement, &stream, &changed, &err);

    return fo_trial_refused(t, rc, &err, statement.sql) &&
           fo_trial_true(t, changed == -77 && stream.private_data == t && !stream.release,
                         "a failed statement touched its outputs");
}

static bool
a_thousand_errors(fo_trial *t)
{
    bool ok = true;

    for (int i = 0; ok && i < 200; i++)
        ok = fo_trial_exec_fails(t, NULL, "SELECT * FROM {nothing}", FINOPS_E_NOT_FOUND);
    return ok && still_works(t);
}

static bool
words_of_any_script(fo_trial *t)
{
    return fo_trial_exec_refused(t, NULL, "SELECT \"spalte_\xC3\xBC\xE6\x97\xA5\" FROM {nothing}") &&
           still_works(t);
}

static bool
a_statement_of_a_megabyte(fo_trial *t)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "SELECT length('");
    for (int i = 0; i < 100000; i++)
        fo_str_add(&sql, "0123456789");
    fo_str_add(&sql, "')");
    return fo_trial_expect(t, NULL, fo_str_z(&sql), "1000000");
}

static bool
rows_changed_are_told(fo_trial *t)
{
    static const struct {
        const char *sql;
        int64_t want;
    } steps[] = { { "INSERT INTO {a} VALUES (100)", 1 },
                  { "UPDATE {a} SET i = i + 1 WHERE i < 5", 5 },
                  { "DELETE FROM {a} WHERE i < 3", 2 },
                  { "DELETE FROM {a} WHERE i = 12345", 0 } };

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 10))
        return false;
    for (size_t i = 0; i < FO_COUNT(steps); i++) {
        const finops_statement statement = { .sql = fo_trial_sql(t, steps[i].sql) };
        int64_t changed = -77;
        finops_error *err = NULL;
        finops_code rc = finops_session_execute(t->session, &statement, NULL, &changed, &err);

        if (!fo_trial_ok(t, rc, &err, statement.sql))
            return false;
        if (changed != -1 && changed != steps[i].want)
            return fo_trial_fail(t, "%s says it changed %lld rows", statement.sql, (long long)changed);
    }
    return fo_trial_expect(t, NULL, "SELECT count(*), sum(i) FROM {a}", "9|147");
}

static bool
rows_not_wanted_are_dropped(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 50000) &&
           fo_trial_exec(t, NULL, "SELECT * FROM {a}") && fo_trial_exec(t, NULL, "SELECT * FROM {a}") &&
           fo_trial_count(t, NULL, "a", 50000);
}

static const fo_case cases[] = {
    { "a syntax error is named", 0, a_syntax_error },
    { "a syntax error far in is named", 0, a_syntax_error_far_in },
    { "a missing table is not_found", 0, a_missing_table },
    { "a missing table is not_found for DELETE and DROP", 0, a_missing_table_in_dml },
    { "a missing schema is not_found", 0, a_missing_schema },
    { "a missing column is named", 0, a_missing_column },
    { "a missing function is named", 0, a_missing_function },
    { "a table that is there is exists", 0, a_table_that_exists },
    { "a duplicate key is refused", 0, a_duplicate_key, .unless = FINOPS_DATABASE_NO_KEYS },
    { "a NULL where none may be is refused", 0, a_missing_value },
    { "a division by zero does no harm", 0, a_division_by_zero },
    { "an error late in the result is told", 0, an_error_late_in_the_result },
    { "nothing to run is no crash", 0, nothing_to_run },
    { "an open quote is refused", 0, an_open_quote },
    { "two statements in one do not leak into the next", 0, two_statements },
    { "the error need not be asked for", 0, an_error_not_wanted },
    { "a failed statement leaves its outputs alone", 0, outputs_stay_untouched },
    { "two hundred errors wear nothing out", 0, a_thousand_errors },
    { "an error speaks of names in any script", 0, words_of_any_script },
    { "a statement of a megabyte is run", 0, a_statement_of_a_megabyte },
    { "the number of rows changed is told", 0, rows_changed_are_told },
    { "rows nobody asked for are dropped", 0, rows_not_wanted_are_dropped },
};

const fo_case_area fo_cases_errors = { .name = "errors", .cases = cases, .n = FO_COUNT(cases) };
