/* Names and texts that break what quotes them carelessly, each in every place where a name can stand. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conformance/trial.h"

static const char *const hostile[] = {
    "plain",
    "with space",
    " leading and trailing ",
    "UPPER",
    "MixedCase",
    "select",
    "table",
    "order",
    "user",
    "null",
    "true",
    "count",
    "1digit",
    "semi;colon",
    "quo\"te",
    "\"",
    "\"\"",
    "\"quoted\"",
    "it's",
    "'",
    "''",
    "back`tick",
    "[brackets]",
    "back\\slash",
    "ends in backslash\\",
    "a.b.c",
    ".",
    "per%cent %s %n",
    "dollar$1",
    "$1",
    "$$",
    "question?",
    ":colon",
    "@at",
    "#hash",
    "*",
    "(paren)",
    "a,b",
    "{brace}",
    "dash -- comment",
    "/* comment */",
    "new\nline",
    "tab\tbed",
    "x\"; DROP SCHEMA public CASCADE; --",
    "x'; DROP SCHEMA public CASCADE; --",
    "x\"\"; SELECT 1; --",
    "') OR 1=1 --",
    "\\'; DROP SCHEMA public CASCADE; --",
    "\xC3\xBCml\xC3\xA4ut",
    "\xE6\x97\xA5\xE6\x9C\xAC\xE8\xAA\x9E",
    "\xF0\x9F\x92\xB8",
    "e\xCC\x81",
    "\xC2\xA0",
};

typedef enum name_role { AS_TABLE, AS_COLUMN, AS_SCHEMA, AS_PARTITION, AS_PARAMETER, N_ROLES } name_role;

static const char *const sentences[N_ROLES] = {
    "a table named %s",  "a column named %s",        "a schema named %s",
    "a partition by %s", "a parameter that says %s",
};

static const fo_batch_column numbers = { .name = "i", .format = "l" };
static const fo_batch_spec three = { .columns = &numbers, .n_columns = 1, .rows = 3 };

/* ---- looking into the catalog ---- */

typedef struct name_search {
    const char *schema, *name;
    unsigned found, others;
    bool wrong_schema;
} name_search;

static bool
name_look(const char *schema, const char *name, bool is_view, void *arg)
{
    name_search *search = arg;

    (void)is_view;
    search->found += fo_streq(name, search->name);
    search->others += !fo_streq(name, search->name);
    search->wrong_schema = search->wrong_schema || !fo_streq(schema, search->schema);
    return true;
}

static bool
is_listed(fo_trial *t, const char *schema, const char *name)
{
    name_search search = { .schema = schema, .name = name };
    finops_error *err = NULL;
    finops_code rc = finops_session_tables(t->session, schema, name_look, &search, &err);

    return fo_trial_ok(t, rc, &err, "tables") &&
           fo_trial_true(t, search.found == 1, "tables lists it %u times under its name", search.found) &&
           fo_trial_true(t, !search.wrong_schema, "tables lists other schemas than the one asked for");
}

static bool
column_only(const finops_column *column, void *arg)
{
    name_search *search = arg;

    search->found += fo_streq(column->name, search->name);
    search->others += !fo_streq(column->name, search->name);
    return true;
}

static bool
has_columns(fo_trial *t, const char *schema, const char *table, const char *column, unsigned others)
{
    name_search search = { .name = column };
    finops_error *err = NULL;
    finops_code rc = finops_session_columns(t->session, schema, table, column_only, &search, &err);

    return fo_trial_ok(t, rc, &err, "columns") &&
           fo_trial_true(t, search.found == 1 && search.others == others,
                         "columns tells it %u times and %u others", search.found, search.others);
}

/* ---- roles ---- */

static bool
write_named(fo_trial *t, const char *schema, const char *table, finops_write_mode mode,
            const fo_batch_spec *spec)
{
    const finops_write write = { .schema = schema, .table = table, .mode = mode };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc = fo_trial_write_at(t, NULL, &write, spec, &result, &err);

    return fo_trial_ok(t, rc, &err, "write");
}

static bool
exec_plain(fo_trial *t, const char *sql)
{
    finops_error *err = NULL;
    const finops_statement statement = { .sql = sql };

    return fo_trial_ok(t, fo_trial_run(t, NULL, &statement, NULL, &err), &err, sql);
}

/* A statement with braces of its own in it. */
static bool
expect_plain(fo_trial *t, const char *sql, const char *want)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    const finops_statement statement = { .sql = sql, .as_text = true };

    return fo_trial_ok(t, fo_trial_run(t, NULL, &statement, &rows, &err), &err, sql) &&
           fo_trial_true(t, fo_streq(fo_result_cell(&rows, 0, 0), want), "%s gave %s, not %s", sql,
                         fo_result_cell(&rows, 0, 0), want);
}

static bool
table_works(fo_trial *t, const char *schema, const char *name)
{
    const char *table = fo_trial_qualified(t, schema, name);

    return write_named(t, schema, name, FINOPS_WRITE_CREATE, &three) &&
           write_named(t, schema, name, FINOPS_WRITE_APPEND, &three) &&
           write_named(t, schema, name, FINOPS_WRITE_WIDEN, &three) &&
           expect_plain(t, fo_trial_keep(t, "SELECT count(*) FROM %s", table), "9") &&
           is_listed(t, schema, name) && has_columns(t, schema, name, "i", 0) &&
           exec_plain(t, fo_trial_keep(t, "DROP TABLE %s", table));
}

static bool
column_works(fo_trial *t, const char *name)
{
    const fo_batch_column columns[] = { { .name = "n", .format = "l" }, { .name = name, .format = "u" } };
    const fo_batch_column added[] = { { .name = name, .format = "u" }, { .name = "n", .format = "l" } };
    const fo_batch_spec first = { .columns = columns, .n_columns = 2, .rows = 2 };
    const fo_batch_spec second = { .columns = added, .n_columns = 2, .rows = 1 };
    const char *table = fo_trial_qualified(t, t->schema, fo_trial_name(t, "a"));

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, &first) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_APPEND, &second) &&
           has_columns(t, t->schema, fo_trial_name(t, "a"), name, 1) &&
           expect_plain(t, fo_trial_keep(t, "SELECT count(%s) FROM %s", fo_trial_quote(t, name), table),
                        "3") &&
           expect_plain(t, fo_trial_keep(t, "SELECT max(%s) FROM %s", fo_trial_quote(t, name), table),
                        "row 1");
}

/* A column that a widening write has to add to a table that is there. */
static bool
column_is_added(fo_trial *t, const char *name)
{
    const fo_batch_column wide[] = { { .name = "i", .format = "l" }, { .name = name, .format = "u" } };
    const fo_batch_spec spec = { .columns = wide, .n_columns = 2, .rows = 2 };
    const char *table = fo_trial_qualified(t, t->schema, fo_trial_name(t, "b"));

    return fo_trial_numbers(t, NULL, "b", FINOPS_WRITE_CREATE, 0, 2) &&
           fo_trial_write(t, NULL, "b", FINOPS_WRITE_WIDEN, &spec) &&
           expect_plain(t, fo_trial_keep(t, "SELECT count(%s) FROM %s", fo_trial_quote(t, name), table), "2");
}

static bool
schema_works(fo_trial *t, const char *name)
{
    const char *schema = fo_trial_keep(t, "%s %s", t->schema, name);
    const char *quoted = fo_trial_quote(t, schema);
    bool ok;

    if (!(t->caps.features & FINOPS_DATABASE_SCHEMAS))
        return table_works(t, schema, "t");
    if (!exec_plain(t, fo_trial_keep(t, "CREATE SCHEMA %s", quoted)))
        return false;
    ok = table_works(t, schema, "t");
    return exec_plain(t, fo_trial_keep(t, "DROP SCHEMA %s%s", quoted, ok ? "" : " CASCADE")) && ok;
}

static bool
partition_works(fo_trial *t, const char *name)
{
    const char *values[] = { "other", name };
    const char *own[] = { name };
    const fo_batch_column before[] = { { .name = name, .format = "u", .values = values, .n_values = 2 },
                                       { .name = "i", .format = "l" } };
    const fo_batch_column after[] = { { .name = name, .format = "u", .values = own, .n_values = 1 },
                                      { .name = "i", .format = "l" } };
    const finops_partition partition = { .column = name, .value = name };
    const char *table = fo_trial_qualified(t, t->schema, fo_trial_name(t, "a"));

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                          &(fo_batch_spec){ .columns = before, .n_columns = 2, .rows = 10 }) &&
           fo_trial_replace(t, NULL, &partition,
                            &(fo_batch_spec){ .columns = after, .n_columns = 2, .rows = 3 }) &&
           expect_plain(t, fo_trial_keep(t, "SELECT count(*) FROM %s", table), "8") &&
           expect_plain(
               t,
               fo_trial_keep(t, "SELECT count(*) FROM %s WHERE %s = 'other'", table, fo_trial_quote(t, name)),
               "5");
}

static bool
parameter_works(fo_trial *t, const char *text)
{
    const char *values[] = { "other", text };
    const fo_batch_column column = { .name = "c", .format = "u", .values = values, .n_values = 2 };
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    const finops_statement back = {
        .sql = "SELECT CAST($1 AS TEXT)", .params = &text, .n_params = 1, .as_text = true
    };

    return fo_trial_ok(t, fo_trial_run(t, NULL, &back, &rows, &err), &err, back.sql) &&
           fo_trial_true(t, fo_streq(fo_result_cell(&rows, 0, 0), text), "the parameter %s came back as %s",
                         text, fo_result_cell(&rows, 0, 0)) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                          &(fo_batch_spec){ .columns = &column, .n_columns = 1, .rows = 6 }) &&
           fo_trial_expect_with(t, "SELECT count(*) FROM {a} WHERE c = $1", &text, 1, "3");
}

static bool
name_run(fo_trial *t)
{
    const char *name = t->c->data;

    switch ((name_role)t->c->mode) {
    case AS_TABLE:
        return table_works(t, t->schema, name);
    case AS_COLUMN:
        return column_works(t, name) && column_is_added(t, name);
    case AS_SCHEMA:
        return schema_works(t, name);
    case AS_PARTITION:
        return partition_works(t, name);
    default:
        return parameter_works(t, name);
    }
}

/* One line a case: what would break the line is shown as its escape. */
static const char *
shown(const char *name, char ret[64])
{
    size_t n = 0;

    for (; *name && n < 56; name++)
        if (*name == '\n' || *name == '\t') {
            ret[n++] = '\\';
            ret[n++] = *name == '\n' ? 'n' : 't';
        } else {
            ret[n++] = *name;
        }
    ret[n] = '\0';
    return ret;
}

static bool
make(size_t index, fo_case *ret, char name[FO_CASE_NAME])
{
    const char *text = hostile[index / N_ROLES % FO_COUNT(hostile)];
    char line[64];

    if (index >= FO_COUNT(hostile) * N_ROLES)
        return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(name, FO_CASE_NAME, sentences[index % N_ROLES], shown(text, line));
#pragma GCC diagnostic pop
    *ret = (fo_case){ .name = name, .run = name_run, .data = text, .mode = (unsigned)(index % N_ROLES) };
    return true;
}

/* ---- lengths ---- */

static const char *
name_of(fo_trial *t, size_t n)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    for (size_t i = 0; i < n; i++)
        fo_str_addc(&text, (char)('a' + (int)(i % 26)));
    return fo_trial_keep(t, "%s", fo_str_z(&text));
}

static size_t
longest(const fo_trial *t)
{
    return t->caps.max_identifier ? t->caps.max_identifier : 1000;
}

/* Without schemas the schema's name and "__" are part of the table's. */
static bool
the_longest_table_name(fo_trial *t)
{
    size_t n = longest(t);

    if (!(t->caps.features & FINOPS_DATABASE_SCHEMAS)) {
        if (n < strlen(t->schema) + 3)
            return fo_trial_skip(t, "names of %zu bytes at most", n);
        n -= strlen(t->schema) + 2;
    }
    return table_works(t, t->schema, name_of(t, n > 200 ? 200 : n));
}

static bool
the_longest_column_name(fo_trial *t)
{
    return column_works(t, name_of(t, longest(t)));
}

/* Cut silently, it would meet another of the same beginning. */
static bool
a_longer_name_is_never_cut(fo_trial *t)
{
    const char *name = name_of(t, longest(t) + 1);
    const finops_write write = { .schema = t->schema, .table = name, .mode = FINOPS_WRITE_CREATE };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc;

    if (!t->caps.max_identifier)
        return fo_trial_skip(t, "no limit to names");
    rc = fo_trial_write_at(t, NULL, &write, &three, &result, &err);
    if (rc == FINOPS_OK)
        return is_listed(t, t->schema, name);
    return fo_trial_refused(t, rc, &err, "a table of too long a name");
}

static bool
a_longer_column_name_is_never_cut(fo_trial *t)
{
    const char *name = name_of(t, longest(t) + 1);
    const fo_batch_column column = { .name = name, .format = "l" };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc;

    if (!t->caps.max_identifier)
        return fo_trial_skip(t, "no limit to names");
    rc = fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_CREATE,
                            &(fo_batch_spec){ .columns = &column, .n_columns = 1, .rows = 1 }, &result, &err);
    if (rc == FINOPS_OK)
        return has_columns(t, t->schema, fo_trial_name(t, "a"), name, 0);
    return fo_trial_refused(t, rc, &err, "a column of too long a name");
}

/* ---- what has no name, or two ---- */

static bool
an_empty_table_name_is_refused(fo_trial *t)
{
    const finops_write write = { .schema = t->schema, .table = "", .mode = FINOPS_WRITE_CREATE };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc = fo_trial_write_at(t, NULL, &write, &three, &result, &err);
    bool ok = rc != FINOPS_OK && finops_error_text(err)[0];

    finops_error_freep(&err);
    return fo_trial_true(t, ok || !(t->caps.features & FINOPS_DATABASE_SCHEMAS),
                         "a table without a name was made") &&
           fo_trial_expect(t, NULL, "SELECT 1", "1");
}

static bool
two_columns_of_one_name_are_refused(fo_trial *t)
{
    const fo_batch_column twice[] = { { .name = "i", .format = "l" }, { .name = "i", .format = "l" } };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc =
        fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_CREATE,
                           &(fo_batch_spec){ .columns = twice, .n_columns = 2, .rows = 1 }, &result, &err);
    bool ok = rc != FINOPS_OK && finops_error_text(err)[0];

    finops_error_freep(&err);
    return fo_trial_true(t, ok, "a table with two columns i was made") &&
           fo_trial_exec_fails(t, NULL, "SELECT count(*) FROM {a}", FINOPS_E_NOT_FOUND);
}

/* "a" and "A" are two columns or refused; never one that holds the values of the other. */
static bool
names_that_differ_in_case_are_kept_apart(fo_trial *t)
{
    static const char *const small[] = { "small" }, *const large[] = { "large" };
    const fo_batch_column columns[] = { { .name = "a", .format = "u", .values = small, .n_values = 1 },
                                        { .name = "A", .format = "u", .values = large, .n_values = 1 } };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc =
        fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_CREATE,
                           &(fo_batch_spec){ .columns = columns, .n_columns = 2, .rows = 1 }, &result, &err);

    if (rc != FINOPS_OK) {
        finops_error_freep(&err);
        return fo_trial_exec_fails(t, NULL, "SELECT count(*) FROM {a}", FINOPS_E_NOT_FOUND);
    }
    return fo_trial_expect(
        t, NULL, fo_trial_keep(t, "SELECT %s, %s FROM {a}", fo_trial_quote(t, "a"), fo_trial_quote(t, "A")),
        "small|large");
}

static bool
a_name_keeps_its_case(fo_trial *t)
{
    const fo_batch_column column = { .name = "lineItem_UnblendedCost", .format = "l" };

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                          &(fo_batch_spec){ .columns = &column, .n_columns = 1, .rows = 1 }) &&
           has_columns(t, t->schema, fo_trial_name(t, "a"), "lineItem_UnblendedCost", 0);
}

static const fo_case cases[] = {
    { "the longest table name is kept whole", 0, the_longest_table_name },
    { "the longest column name is kept whole", 0, the_longest_column_name },
    { "a table name longer than that is never cut", 0, a_longer_name_is_never_cut },
    { "a column name longer than that is never cut", 0, a_longer_column_name_is_never_cut },
    { "an empty table name is refused", 0, an_empty_table_name_is_refused },
    { "two columns of one name are refused", 0, two_columns_of_one_name_are_refused },
    { "names that differ in case are kept apart or refused", 0, names_that_differ_in_case_are_kept_apart },
    { "a name keeps its case", 0, a_name_keeps_its_case },
};

const fo_case_area fo_cases_names = { .name = "names", .cases = cases, .n = FO_COUNT(cases), .make = make };
