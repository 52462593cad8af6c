/* Writing: by name, all or nothing, and what each mode promises. */
#include <string.h>

#include "base/mem.h"
#include "conformance/trial.h"

static const fo_batch_column abc[] = { { .name = "a", .format = "l" },
                                       { .name = "b", .format = "u" },
                                       { .name = "c", .format = "g" } };
static const fo_batch_column cba[] = { { .name = "c", .format = "g" },
                                       { .name = "b", .format = "u" },
                                       { .name = "a", .format = "l" } };
static const fo_batch_column abx[] = { { .name = "a", .format = "l" },
                                       { .name = "b", .format = "u" },
                                       { .name = "x", .format = "u" } };

#define SPEC(table, rows_)                                                                                   \
    (&(fo_batch_spec){ .columns = (table), .n_columns = FO_COUNT(table), .rows = (rows_) })

static bool
columns_are_matched_by_name(fo_trial *t)
{
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_APPEND, SPEC(cba, 2)) &&
           fo_trial_expect(t, NULL, "SELECT a, b, count(*) FROM {a} GROUP BY a, b ORDER BY a",
                           "0|row 0|2;1|row 1|2") &&
           fo_trial_expect(t, NULL, "SELECT count(*) FROM {a} WHERE c <> a + 0.5", "0");
}

static bool
an_absent_column_stays_null(fo_trial *t)
{
    const fo_batch_column a = { .name = "a", .format = "l" };

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_APPEND,
                          &(fo_batch_spec){ .columns = &a, .n_columns = 1, .rows = 3 }) &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(a), count(b), count(c) FROM {a}", "5|5|2|2");
}

static bool
an_unknown_column_is_refused(fo_trial *t)
{
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc;
    bool named;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)))
        return false;
    rc = fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_APPEND, SPEC(abx, 2), &result, &err);
    named = err && strchr(finops_error_text(err), 'x') != NULL;
    if (rc == FINOPS_OK)
        return fo_trial_fail(t, "a column the table has not was written");
    finops_error_freep(&err);
    return fo_trial_true(t, named, "the error does not name the column x") && fo_trial_count(t, NULL, "a", 2);
}

static bool
appending_to_no_table_is_not_found(fo_trial *t)
{
    return fo_trial_write_fails(t, "a", FINOPS_WRITE_APPEND, SPEC(abc, 2), FINOPS_E_NOT_FOUND) &&
           fo_trial_exec_fails(t, NULL, "SELECT count(*) FROM {a}", FINOPS_E_NOT_FOUND);
}

static bool
creating_twice_is_refused(fo_trial *t)
{
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)) &&
           fo_trial_write_fails(t, "a", FINOPS_WRITE_CREATE, SPEC(abc, 3), FINOPS_E_EXISTS) &&
           fo_trial_count(t, NULL, "a", 2);
}

static bool
widening_makes_the_table(fo_trial *t)
{
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_WIDEN, SPEC(abc, 2)) && fo_trial_count(t, NULL, "a", 2);
}

static bool
widening_adds_a_column(fo_trial *t)
{
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_WIDEN, SPEC(abx, 3)) &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(b), count(c), count(x) FROM {a}", "5|5|2|3") &&
           fo_trial_expect(t, NULL, "SELECT count(*) FROM {a} WHERE x IS NULL AND c IS NULL", "0");
}

static bool
widening_by_nothing_appends(fo_trial *t)
{
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_WIDEN, SPEC(cba, 3)) && fo_trial_count(t, NULL, "a", 5);
}

static bool
widening_adds_many_columns(fo_trial *t)
{
    fo_batch_column many[80];
    fo_found_column last;
    size_t n = 0;

    for (size_t i = 0; i < FO_COUNT(many); i++)
        many[i] = (fo_batch_column){ .name = fo_trial_keep(t, "c%zu", i), .format = i % 2 ? "u" : "d:38,18" };
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 1)) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_WIDEN, SPEC(many, 4)) &&
           fo_trial_column(t, "a", "c79", &last, &n) &&
           fo_trial_true(t, last.found && n == 83, "the table has %zu columns, not 83", n) &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(a), count(c0), count(c79) FROM {a}", "5|1|4|4");
}

/* ---- all or nothing ---- */

static bool
broken_stream(fo_trial *t, finops_write_mode mode)
{
    const fo_batch_spec spec = {
        .columns = abc, .n_columns = 3, .rows = 20000, .batch = 1000, .fails = true
    };
    finops_error *err = NULL;
    finops_write_result result = { .rows = -7 };
    finops_code rc = fo_trial_write_raw(t, NULL, "a", mode, &spec, &result, &err);
    bool named = err && strstr(finops_error_text(err), FO_BATCH_FAILURE);

    if (rc == FINOPS_OK)
        return fo_trial_fail(t, "a stream that broke off was written");
    fo_trial_true(t, named, "the error does not say what the stream said: %s", finops_error_text(err));
    finops_error_freep(&err);
    return named;
}

static bool
a_broken_stream_leaves_nothing(fo_trial *t)
{
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)) &&
           broken_stream(t, FINOPS_WRITE_APPEND) && fo_trial_count(t, NULL, "a", 2);
}

static bool
a_broken_stream_makes_no_table(fo_trial *t)
{
    return broken_stream(t, FINOPS_WRITE_CREATE) &&
           fo_trial_exec_fails(t, NULL, "SELECT count(*) FROM {a}", FINOPS_E_NOT_FOUND);
}

static bool
a_broken_stream_adds_no_row_when_widening(fo_trial *t)
{
    const fo_batch_spec spec = { .columns = abx, .n_columns = 3, .rows = 20000, .batch = 999, .fails = true };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)))
        return false;
    rc = fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_WIDEN, &spec, &result, &err);
    finops_error_freep(&err);
    return fo_trial_true(t, rc != FINOPS_OK, "a stream that broke off was written") &&
           fo_trial_count(t, NULL, "a", 2);
}

static bool
a_stream_that_fails_at_once_leaves_nothing(fo_trial *t)
{
    const fo_batch_spec spec = { .columns = abc, .n_columns = 3, .rows = 0, .fails = true };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc = fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_CREATE, &spec, &result, &err);

    finops_error_freep(&err);
    return fo_trial_true(t, rc != FINOPS_OK, "a stream that failed at once was written") &&
           fo_trial_exec_fails(t, NULL, "SELECT count(*) FROM {a}", FINOPS_E_NOT_FOUND) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2));
}

static bool
the_session_works_after_a_broken_stream(fo_trial *t)
{
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)) &&
           broken_stream(t, FINOPS_WRITE_APPEND) && broken_stream(t, FINOPS_WRITE_WIDEN) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_APPEND, SPEC(abc, 3)) && fo_trial_count(t, NULL, "a", 5);
}

/* 'x' is no number: the driver refuses the type, or the row; either way nothing of the batch stays. */
static bool
text_for_a_number_leaves_nothing(fo_trial *t)
{
    static const char *const texts[] = { "1", "2", "x" };
    const fo_batch_column column = { .name = "a", .format = "u", .values = texts, .n_values = 3 };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 2)))
        return false;
    rc = fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_APPEND,
                            &(fo_batch_spec){ .columns = &column, .n_columns = 1, .rows = 3 }, &result, &err);
    finops_error_freep(&err);
    if (rc == FINOPS_OK)
        return fo_trial_fail(t, "the text x was stored in a column of whole numbers");
    return fo_trial_count(t, NULL, "a", 2);
}

static bool
a_number_too_large_leaves_nothing(fo_trial *t)
{
    static const char *const large[] = { "1", "99999999999" };
    const fo_batch_column narrow = { .name = "a", .format = "i" };
    const fo_batch_column wide = { .name = "a", .format = "l", .values = large, .n_values = 2 };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                        &(fo_batch_spec){ .columns = &narrow, .n_columns = 1, .rows = 2 }))
        return false;
    rc = fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_APPEND,
                            &(fo_batch_spec){ .columns = &wide, .n_columns = 1, .rows = 2 }, &result, &err);
    finops_error_freep(&err);
    if (rc == FINOPS_OK) /* then its columns are as wide as that */
        return fo_trial_expect(t, NULL, "SELECT count(*), max(a) FROM {a}", "4|99999999999");
    return fo_trial_count(t, NULL, "a", 2);
}

/* ---- types meet ---- */

static bool
narrow_numbers_fit_a_wide_column(fo_trial *t)
{
    static const char *const formats[] = { "c", "s", "i", "C", "S", "I" };
    bool ok = fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 1);

    for (size_t i = 0; ok && i < FO_COUNT(formats); i++) {
        const fo_batch_column column = { .name = "i", .format = formats[i] };

        ok = fo_trial_write(t, NULL, "a", FINOPS_WRITE_APPEND,
                            &(fo_batch_spec){ .columns = &column, .n_columns = 1, .rows = 3 });
    }
    return ok && fo_trial_expect(t, NULL, "SELECT count(*), sum(i) FROM {a}", "19|18");
}

static bool
a_smaller_decimal_fits_a_larger(fo_trial *t)
{
    static const char *const amounts[] = { "1.50", "-0.25" };
    const fo_batch_column wide = { .name = "d", .format = "d:38,18" };
    const fo_batch_column small = { .name = "d", .format = "d:10,2", .values = amounts, .n_values = 2 };
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    const finops_statement all = { .sql = fo_trial_sql(t, "SELECT d FROM {a} ORDER BY d") };

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                        &(fo_batch_spec){ .columns = &wide, .n_columns = 1, .rows = 1 }) ||
        !fo_trial_write(t, NULL, "a", FINOPS_WRITE_APPEND,
                        &(fo_batch_spec){ .columns = &small, .n_columns = 1, .rows = 2 }) ||
        !fo_trial_ok(t, fo_trial_run(t, NULL, &all, &rows, &err), &err, all.sql))
        return false;
    return fo_trial_true(
        t,
        rows.n_rows == 3 && fo_value_same(FINOPS_TYPE_DECIMAL, false, "-0.25", fo_result_cell(&rows, 0, 0)) &&
            fo_value_same(FINOPS_TYPE_DECIMAL, false, "1.5", fo_result_cell(&rows, 2, 0)),
        "-0.25 and 1.50 became %s and %s", fo_result_cell(&rows, 0, 0), fo_result_cell(&rows, 2, 0));
}

/* A digit that does not fit is refused or kept; never rounded away without a word. */
static bool
a_finer_decimal_is_never_rounded(fo_trial *t)
{
    static const char *const fine[] = { "0.015" };
    const fo_batch_column coarse = { .name = "d", .format = "d:10,2" };
    const fo_batch_column finer = { .name = "d", .format = "d:10,3", .values = fine, .n_values = 1 };
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    finops_write_result result;
    const finops_statement least = { .sql = fo_trial_sql(t, "SELECT d FROM {a} ORDER BY d") };
    finops_code rc;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                        &(fo_batch_spec){ .columns = &coarse, .n_columns = 1, .rows = 1 }))
        return false;
    rc = fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_APPEND,
                            &(fo_batch_spec){ .columns = &finer, .n_columns = 1, .rows = 1 }, &result, &err);
    finops_error_freep(&err);
    if (rc != FINOPS_OK)
        return fo_trial_count(t, NULL, "a", 1);
    return fo_trial_ok(t, fo_trial_run(t, NULL, &least, &rows, &err), &err, least.sql) &&
           fo_trial_true(t, fo_value_same(FINOPS_TYPE_DECIMAL, false, "0.015", fo_result_cell(&rows, 0, 0)),
                         "0.015 became %s in a column of two places", fo_result_cell(&rows, 0, 0));
}

/* What a column cannot hold is refused before or when the value is met; kept as it is, it is fine, too. */
static bool
kept_or_refused(fo_trial *t, const char *column, const char *format, const char *value,
                finops_column_type kind, const char *want)
{
    const char *const one[] = { value };
    const fo_batch_column held = { .name = "c", .format = column };
    const fo_batch_column sent = { .name = "c", .format = format, .values = one, .n_values = 1 };
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    finops_write_result result;
    const finops_statement all = { .sql = fo_trial_sql(t, "SELECT c FROM {a}"), .as_text = true };
    finops_code rc;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                        &(fo_batch_spec){ .columns = &held, .n_columns = 1 }))
        return false;
    rc = fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_APPEND,
                            &(fo_batch_spec){ .columns = &sent, .n_columns = 1, .rows = 1 }, &result, &err);
    if (rc != FINOPS_OK)
        return fo_trial_refused(t, rc, &err, "write") && fo_trial_count(t, NULL, "a", 0);
    return fo_trial_ok(t, fo_trial_run(t, NULL, &all, &rows, &err), &err, all.sql) &&
           fo_trial_true(t, rows.n_rows == 1 && fo_value_same(kind, false, want, fo_result_cell(&rows, 0, 0)),
                         "%s became %s", want, fo_result_cell(&rows, 0, 0));
}

static bool
a_fraction_is_never_cut(fo_trial *t)
{
    return kept_or_refused(t, "l", "g", "1.5", FINOPS_TYPE_DOUBLE, "1.5");
}

static bool
a_decimal_is_never_cut_to_a_whole_number(fo_trial *t)
{
    return kept_or_refused(t, "l", "d:10,2", "2.75", FINOPS_TYPE_DECIMAL, "2.75");
}

static bool
a_time_of_day_is_never_lost(fo_trial *t)
{
    return kept_or_refused(t, "tdD", "tsu:", "1709251199123456", FINOPS_TYPE_TIMESTAMP,
                           "2024-02-29T23:59:59.123456");
}

static bool
a_large_decimal_never_wraps(fo_trial *t)
{
    return kept_or_refused(t, "d:10,2", "d:38,2", "123456789012345678.25", FINOPS_TYPE_DECIMAL,
                           "123456789012345678.25");
}

static bool
a_large_unsigned_number_never_wraps(fo_trial *t)
{
    return kept_or_refused(t, "l", "L", "18446744073709551615", FINOPS_TYPE_INT, "18446744073709551615");
}

static bool
an_infinity_is_never_a_number(fo_trial *t)
{
    return kept_or_refused(t, "l", "g", "inf", FINOPS_TYPE_DOUBLE, "inf");
}

/* ---- figures and the database's own SQL ---- */

static bool
a_result_is_not_wanted(fo_trial *t)
{
    struct ArrowArrayStream stream;
    const finops_write write = { .schema = t->schema,
                                 .table = fo_trial_name(t, "a"),
                                 .mode = FINOPS_WRITE_CREATE };
    const finops_source source = { .stream = &stream };
    finops_error *err = NULL;

    if (!fo_batch_stream(SPEC(abc, 5), &stream))
        return fo_trial_fail(t, "no memory");
    return fo_trial_ok(t, finops_session_write(t->session, &write, &source, NULL, &err), &err, "write") &&
           fo_trial_count(t, NULL, "a", 5);
}

static bool
an_unlogged_table_holds_rows(fo_trial *t)
{
    const finops_write write = {
        .schema = t->schema, .table = fo_trial_name(t, "a"), .mode = FINOPS_WRITE_CREATE, .unlogged = true
    };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc = fo_trial_write_at(t, NULL, &write, SPEC(abc, 5), &result, &err);

    return fo_trial_ok(t, rc, &err, "write to an unlogged table") && fo_trial_count(t, NULL, "a", 5);
}

static finops_code
write_sql(fo_trial *t, const char *sql, finops_write_mode mode, finops_write_result *ret, finops_error **err)
{
    const finops_write write = { .schema = t->schema, .table = fo_trial_name(t, "a"), .mode = mode };
    const finops_source source = { .sql = fo_trial_sql(t, sql) };

    return finops_session_write(t->session, &write, &source, ret, err);
}

static bool
its_own_sql_is_a_source(fo_trial *t)
{
    finops_write_result result = { 0 };
    finops_error *err = NULL;

    return fo_trial_numbers(t, NULL, "b", FINOPS_WRITE_CREATE, 0, 10) &&
           fo_trial_ok(t, write_sql(t, "SELECT i, i * 2 AS j FROM {b}", FINOPS_WRITE_CREATE, &result, &err),
                       &err, "write of a SELECT") &&
           fo_trial_true(t, result.rows == 10, "it says %lld rows", (long long)result.rows) &&
           fo_trial_ok(t, write_sql(t, "SELECT 7 AS j, 'x' AS k", FINOPS_WRITE_WIDEN, &result, &err), &err,
                       "widening write of a SELECT") &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(i), sum(j), count(k) FROM {a}", "11|10|97|1");
}

static bool
its_own_sql_is_matched_by_name(fo_trial *t)
{
    finops_write_result result = { 0 };
    finops_error *err = NULL;

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, SPEC(abc, 1)) &&
           fo_trial_ok(t, write_sql(t, "SELECT 'z' AS b, 9 AS a", FINOPS_WRITE_APPEND, &result, &err), &err,
                       "write of a SELECT") &&
           fo_trial_expect(t, NULL, "SELECT a, b, c FROM {a} WHERE b = 'z'", "9|z|NULL");
}

static bool
a_source_that_is_wrong_sql_leaves_nothing(fo_trial *t)
{
    finops_write_result result = { 0 };
    finops_error *err = NULL;
    finops_code rc = write_sql(t, "SELECT nothing FROM {nowhere}", FINOPS_WRITE_CREATE, &result, &err);
    bool ok = rc != FINOPS_OK && finops_error_text(err)[0];

    finops_error_freep(&err);
    return fo_trial_true(t, ok, "a SELECT from nowhere was written") &&
           fo_trial_exec_fails(t, NULL, "SELECT count(*) FROM {a}", FINOPS_E_NOT_FOUND);
}

static const fo_case cases[] = {
    { "columns are matched by name", 0, columns_are_matched_by_name },
    { "an absent column stays NULL", 0, an_absent_column_stays_null },
    { "an unknown column is refused by name and nothing is written", 0, an_unknown_column_is_refused },
    { "appending to no table is not_found", 0, appending_to_no_table_is_not_found },
    { "creating a table that is there is refused", 0, creating_twice_is_refused },
    { "a widening write makes the table", 0, widening_makes_the_table },
    { "a widening write adds a column", 0, widening_adds_a_column },
    { "a widening write that lacks nothing appends", 0, widening_by_nothing_appends },
    { "a widening write adds eighty columns", 0, widening_adds_many_columns },
    { "a stream that breaks off leaves nothing", 0, a_broken_stream_leaves_nothing },
    { "a stream that breaks off makes no table", 0, a_broken_stream_makes_no_table },
    { "a stream that breaks off adds no row when widening", 0, a_broken_stream_adds_no_row_when_widening },
    { "a stream that fails at once leaves nothing", 0, a_stream_that_fails_at_once_leaves_nothing },
    { "the session works after a stream broke off", 0, the_session_works_after_a_broken_stream },
    { "text for a number leaves nothing", 0, text_for_a_number_leaves_nothing },
    { "a number too large leaves nothing or is kept", 0, a_number_too_large_leaves_nothing },
    { "narrow numbers fit a wide column", 0, narrow_numbers_fit_a_wide_column },
    { "a smaller decimal fits a larger", FINOPS_DATABASE_EXACT_DECIMALS, a_smaller_decimal_fits_a_larger },
    { "a finer decimal is never rounded silently", FINOPS_DATABASE_EXACT_DECIMALS,
      a_finer_decimal_is_never_rounded },
    { "a fraction is never cut for a whole number", 0, a_fraction_is_never_cut },
    { "a decimal is never cut for a whole number", 0, a_decimal_is_never_cut_to_a_whole_number },
    { "a time of day is never lost to a date", 0, a_time_of_day_is_never_lost },
    { "a decimal too large never wraps", FINOPS_DATABASE_EXACT_DECIMALS, a_large_decimal_never_wraps },
    { "an unsigned number too large never wraps", 0, a_large_unsigned_number_never_wraps },
    { "an infinity is never a number", 0, an_infinity_is_never_a_number },
    { "the result of a write need not be asked for", 0, a_result_is_not_wanted },
    { "an unlogged table holds rows", 0, an_unlogged_table_holds_rows },
    { "its own SQL is a source", FINOPS_DATABASE_READS_FILES, its_own_sql_is_a_source },
    { "its own SQL is matched by name", FINOPS_DATABASE_READS_FILES, its_own_sql_is_matched_by_name },
    { "a source of wrong SQL leaves nothing", FINOPS_DATABASE_READS_FILES,
      a_source_that_is_wrong_sql_leaves_nothing },
};

const fo_case_area fo_cases_write = { .name = "write", .cases = cases, .n = FO_COUNT(cases) };
