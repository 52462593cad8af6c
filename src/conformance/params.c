/* Parameters are values, never SQL, whatever they hold and however many there are. */
#include <string.h>

#include "base/mem.h"
#include "conformance/trial.h"

static bool
null_is_null(fo_trial *t)
{
    const char *const none[] = { NULL };

    return fo_trial_expect_with(t, "SELECT CASE WHEN CAST($1 AS TEXT) IS NULL THEN 'null' ELSE 'not' END",
                                none, 1, "null");
}

static bool
null_comes_back_null(fo_trial *t)
{
    const char *const some[] = { NULL, "x", NULL };

    return fo_trial_expect_with(t, "SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT)", some, 3,
                                "NULL|x|NULL");
}

static bool
the_empty_text_is_not_null(fo_trial *t)
{
    const char *const some[] = { "", NULL };

    return fo_trial_expect_with(
        t, "SELECT coalesce(CAST($1 AS TEXT), 'null'), coalesce(CAST($2 AS TEXT), 'null')", some, 2, "|null");
}

static bool
the_tenth_is_not_the_first(fo_trial *t)
{
    const char *const p[] = { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l" };

    return fo_trial_expect_with(
        t,
        "SELECT CAST($1 AS TEXT), CAST($10 AS TEXT), CAST($11 AS TEXT), CAST($12 AS TEXT), "
        "CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS TEXT), "
        "CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS TEXT), CAST($9 AS TEXT)",
        p, 12, "a|j|k|l|b|c|d|e|f|g|h|i");
}

static bool
one_is_used_twice(fo_trial *t)
{
    const char *const p[] = { "x", "y" };

    return fo_trial_expect_with(t, "SELECT CAST($2 AS TEXT), CAST($1 AS TEXT), CAST($2 AS TEXT)", p, 2,
                                "y|x|y");
}

static bool
given(fo_trial *t, const char *const *params, size_t n)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    const finops_statement statement = {
        .sql = "SELECT CAST($1 AS TEXT), CAST($2 AS TEXT)", .params = params, .n_params = n, .as_text = true
    };
    finops_error *err = NULL;
    finops_code rc = fo_trial_run(t, NULL, &statement, &rows, &err);

    return fo_trial_refused(t, rc, &err, "a statement of two parameters that got fewer") &&
           fo_trial_expect(t, NULL, "SELECT 1", "1");
}

static bool
too_few_are_refused(fo_trial *t)
{
    const char *const p[] = { "x" };

    return given(t, p, 1);
}

static bool
none_are_refused(fo_trial *t)
{
    return given(t, NULL, 0);
}

static bool
a_dollar_in_a_literal_is_text(fo_trial *t)
{
    const char *const p[] = { "x" };

    return fo_trial_expect_with(t, "SELECT '$1', CAST($1 AS TEXT) AS \"$1\", 'a$2b' /* $2 */ -- $3\n", p, 1,
                                "$1|x|a$2b");
}

static bool
a_parameter_is_cast(fo_trial *t)
{
    const char *const p[] = { "41", "2.50", "2026-02-01" };

    return fo_trial_expect_with(t, "SELECT CAST($1 AS INTEGER) + 1", p, 1, "42") &&
           fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 100) &&
           fo_trial_expect_with(t, "SELECT count(*) FROM {a} WHERE i < CAST($1 AS BIGINT)", p, 1, "41");
}

static bool
a_parameter_is_stored(fo_trial *t)
{
    const char *const p[] = { "7", "it's \"so\"; -- $2" };
    const char *const q[] = { "it's \"so\"; -- $2" };
    const finops_statement insert = {
        .sql = fo_trial_sql(t, "INSERT INTO {a} VALUES (CAST($1 AS INTEGER), $2)"), .params = p, .n_params = 2
    };
    finops_error *err = NULL;

    return fo_trial_exec(t, NULL, "CREATE TABLE {a} (i INTEGER, t VARCHAR(100))") &&
           fo_trial_ok(t, fo_trial_run(t, NULL, &insert, NULL, &err), &err, insert.sql) &&
           fo_trial_expect_with(t, "SELECT i, t FROM {a} WHERE t = $1", q, 1, "7|it's \"so\"; -- $2");
}

static bool
percent_is_no_format(fo_trial *t)
{
    const char *const p[] = { "100%s%n%d" };

    return fo_trial_expect_with(t, "SELECT CAST($1 AS TEXT)", p, 1, "100%s%n%d");
}

static bool
a_megabyte_is_passed(fo_trial *t)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    const char *p[1];

    for (int i = 0; i < 100000; i++)
        fo_str_add(&text, "0123456789");
    p[0] = fo_str_z(&text);
    return fo_trial_expect_with(t, "SELECT length(CAST($1 AS TEXT))", p, 1, "1000000");
}

static bool
a_hundred_are_passed(fo_trial *t)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const char *p[100];

    if (t->caps.max_parameters && t->caps.max_parameters < FO_COUNT(p))
        return fo_trial_skip(t, "%u parameters at most", t->caps.max_parameters);
    for (unsigned i = 0; i < FO_COUNT(p); i++) {
        p[i] = fo_trial_keep(t, "%u", i);
        fo_str_addf(&sql, "%sCAST($%u AS INTEGER)", i ? " + " : "SELECT ", i + 1);
    }
    return fo_trial_expect_with(t, fo_str_z(&sql), p, FO_COUNT(p), "4950");
}

static bool
the_same_statement_with_other_values(fo_trial *t)
{
    bool ok = fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 100);

    for (int i = 0; ok && i < 50; i++) {
        const char *const p[] = { fo_trial_keep(t, "%d", i) };

        ok = fo_trial_expect_with(t, "SELECT count(*) FROM {a} WHERE i < CAST($1 AS BIGINT)", p, 1, p[0]);
    }
    return ok;
}

/* What a driver keeps of a statement must not outlive what the statement reads. */
static bool
a_table_made_anew_meanwhile(fo_trial *t)
{
    const char *const p[] = { "2" };
    bool ok = true;

    for (int i = 0; ok && i < 3; i++)
        ok = fo_trial_exec(t, NULL,
                           i % 2 ? "CREATE TABLE {a} (x VARCHAR(10), i BIGINT)"
                                 : "CREATE TABLE {a} (i INTEGER)") &&
             fo_trial_exec(t, NULL, "INSERT INTO {a} (i) VALUES (1)") &&
             fo_trial_exec(t, NULL, "INSERT INTO {a} (i) VALUES (3)") &&
             fo_trial_expect_with(t, "SELECT i FROM {a} WHERE i > CAST($1 AS INTEGER)", p, 1, "3") &&
             fo_trial_exec(t, NULL, "DROP TABLE {a}");
    return ok;
}

static bool
parameters_come_as_arrow(fo_trial *t)
{
    const char *const p[] = { "99" };
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    const finops_statement statement = {
        .sql = fo_trial_sql(t, "SELECT i FROM {a} WHERE i >= CAST($1 AS BIGINT)"), .params = p, .n_params = 1
    };
    finops_error *err = NULL;

    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 100) &&
           fo_trial_ok(t, fo_trial_run(t, NULL, &statement, &rows, &err), &err, statement.sql) &&
           fo_trial_true(t, rows.n_rows == 1 && fo_streq(fo_result_cell(&rows, 0, 0), "99"),
                         "it gave %zu rows", rows.n_rows);
}

static const fo_case cases[] = {
    { "NULL is NULL", 0, null_is_null },
    { "NULL comes back as NULL", 0, null_comes_back_null },
    { "the empty text is not NULL", 0, the_empty_text_is_not_null },
    { "$10 is not $1 and a zero", 0, the_tenth_is_not_the_first },
    { "one parameter is used twice and out of order", 0, one_is_used_twice },
    { "too few parameters are refused", 0, too_few_are_refused },
    { "no parameters where one is due are refused", 0, none_are_refused },
    { "a $1 in a literal, a name or a comment is none", 0, a_dollar_in_a_literal_is_text },
    { "a parameter is cast by the statement", 0, a_parameter_is_cast },
    { "a parameter is stored", 0, a_parameter_is_stored },
    { "a percent sign is no format", 0, percent_is_no_format },
    { "a megabyte is passed", 0, a_megabyte_is_passed },
    { "a hundred parameters are passed", 0, a_hundred_are_passed },
    { "the same statement is run with other values", 0, the_same_statement_with_other_values },
    { "a table made anew between two runs is read as it is", 0, a_table_made_anew_meanwhile },
    { "a result by Arrow takes parameters", 0, parameters_come_as_arrow },
};

const fo_case_area fo_cases_params = { .name = "params", .cases = cases, .n = FO_COUNT(cases) };
