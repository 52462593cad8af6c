/* What the database tells of its tables and columns. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conformance/trial.h"

/* ---- columns ---- */

typedef struct column_line {
    fo_str text;
    unsigned n, stop_after;
} column_line;

static bool
column_note(const finops_column *c, void *arg)
{
    column_line *line = arg;

    fo_str_addf(&line->text, "%s%s", line->n ? " " : "", c->name);
    return ++line->n != line->stop_after;
}

static bool
columns_are(fo_trial *t, const char *schema, const char *table, unsigned stop_after, const char *want)
{
    column_line line = { .text = FO_STR_INIT, .stop_after = stop_after };
    finops_error *err = NULL;
    finops_code rc = finops_session_columns(t->session, schema, table, column_note, &line, &err);
    bool ok = fo_trial_ok(t, rc, &err, "columns") &&
              fo_trial_true(t, strcmp(fo_str_z(&line.text), want) == 0,
                            "the columns of %s are \"%s\", not \"%s\"", table, fo_str_z(&line.text), want);

    fo_str_done(&line.text);
    return ok;
}

static const fo_batch_column zay[] = { { .name = "z", .format = "l" },
                                       { .name = "a", .format = "u" },
                                       { .name = "y", .format = "g" } };

static bool
make_zay(fo_trial *t)
{
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                          &(fo_batch_spec){ .columns = zay, .n_columns = 3, .rows = 1 });
}

static bool
columns_come_in_order(fo_trial *t)
{
    return make_zay(t) && columns_are(t, t->schema, fo_trial_name(t, "a"), 0, "z a y");
}

static bool
an_added_column_is_the_last(fo_trial *t)
{
    const fo_batch_column more[] = { { .name = "b", .format = "u" }, { .name = "z", .format = "l" } };

    return make_zay(t) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_WIDEN,
                          &(fo_batch_spec){ .columns = more, .n_columns = 2, .rows = 1 }) &&
           columns_are(t, t->schema, fo_trial_name(t, "a"), 0, "z a y b");
}

static bool
columns_stop_when_told(fo_trial *t)
{
    return make_zay(t) && columns_are(t, t->schema, fo_trial_name(t, "a"), 1, "z") &&
           columns_are(t, t->schema, fo_trial_name(t, "a"), 2, "z a") && fo_trial_count(t, NULL, "a", 1);
}

static bool
no_table_has_no_columns(fo_trial *t)
{
    return columns_are(t, t->schema, fo_trial_name(t, "a"), 0, "") &&
           columns_are(t, "no such schema", "a", 0, "") && fo_trial_expect(t, NULL, "SELECT 1", "1");
}

static bool
a_view_has_columns(fo_trial *t)
{
    return make_zay(t) && fo_trial_exec(t, NULL, "CREATE VIEW {v} AS SELECT y, z AS other FROM {a}") &&
           columns_are(t, t->schema, fo_trial_name(t, "v"), 0, "y other");
}

static bool
a_dropped_column_is_gone(fo_trial *t)
{
    return make_zay(t) && fo_trial_exec(t, NULL, "ALTER TABLE {a} DROP COLUMN a") &&
           columns_are(t, t->schema, fo_trial_name(t, "a"), 0, "z y");
}

static bool
a_column_of_a_transaction_is_told_in_it(fo_trial *t)
{
    return fo_trial_tx_begin(t, NULL) && make_zay(t) &&
           columns_are(t, t->schema, fo_trial_name(t, "a"), 0, "z a y") && fo_trial_tx_rollback(t, NULL) &&
           columns_are(t, t->schema, fo_trial_name(t, "a"), 0, "");
}

/* Made by the database's own words rather than by a write. */
static bool
declared_types_are_told(fo_trial *t)
{
    static const struct {
        const char *name;
        finops_column_type type;
    } want[] = {
        { "i", FINOPS_TYPE_INT },  { "b", FINOPS_TYPE_INT },       { "d", FINOPS_TYPE_DECIMAL },
        { "t", FINOPS_TYPE_TEXT }, { "f", FINOPS_TYPE_DOUBLE },    { "o", FINOPS_TYPE_BOOL },
        { "y", FINOPS_TYPE_DATE }, { "s", FINOPS_TYPE_TIMESTAMP },
    };
    fo_found_column c;

    if (!fo_trial_exec(t, NULL,
                       "CREATE TABLE {a} (i INTEGER, b BIGINT, d DECIMAL(10, 2), t VARCHAR(20), "
                       "f DOUBLE PRECISION, o BOOLEAN, y DATE, s TIMESTAMP)"))
        return false;
    for (size_t i = 0; i < FO_COUNT(want); i++) {
        if (!fo_trial_column(t, "a", want[i].name, &c, NULL))
            return false;
        if (want[i].type == FINOPS_TYPE_DECIMAL && !(t->caps.features & FINOPS_DATABASE_EXACT_DECIMALS))
            continue;
        if (!c.found || c.type != want[i].type)
            return fo_trial_fail(t, "column %s is told as type %d, not %d", want[i].name, c.type,
                                 want[i].type);
        if (c.type == FINOPS_TYPE_DECIMAL && (c.precision != 10 || c.scale != 2))
            return fo_trial_fail(t, "DECIMAL(10, 2) is told as (%d, %d)", c.precision, c.scale);
    }
    return true;
}

static bool
not_null_is_told(fo_trial *t)
{
    fo_found_column must, may;

    return fo_trial_exec(t, NULL, "CREATE TABLE {a} (must INTEGER NOT NULL, may INTEGER)") &&
           fo_trial_column(t, "a", "must", &must, NULL) && fo_trial_column(t, "a", "may", &may, NULL) &&
           fo_trial_true(t, !must.nullable && may.nullable, "NOT NULL is told as %d, nullable as %d",
                         must.nullable, may.nullable);
}

/* ---- tables ---- */

typedef struct table_line {
    fo_str text;
    unsigned n, stop_after;
    const char *schema; /* others are left out of the text */
    bool system;
} table_line;

static bool
table_note(const char *schema, const char *name, bool is_view, void *arg)
{
    table_line *line = arg;

    line->system = line->system || fo_streq(schema, "information_schema") || fo_starts(schema, "pg_") ||
                   fo_starts(name, "sqlite_");
    line->n++;
    if (!line->schema || fo_streq(schema, line->schema))
        fo_str_addf(&line->text, "%s%s%s", line->text.len ? " " : "", name, is_view ? "(view)" : "");
    return line->n != line->stop_after;
}

/* The tables of this case: names that start as fo_trial_name() makes them. */
static bool
tables_are(fo_trial *t, const char *schema, const char *want)
{
    table_line line = { .text = FO_STR_INIT, .schema = t->schema };
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str ours = FO_STR_INIT;
    const char *prefix = fo_trial_name(t, "");
    finops_error *err = NULL;
    finops_code rc = finops_session_tables(t->session, schema, table_note, &line, &err);
    bool ok = fo_trial_ok(t, rc, &err, "tables") && fo_strv_split(&names, fo_str_z(&line.text), ' ');

    for (size_t i = 0; ok && i < names.n; i++)
        if (fo_starts(names.items[i], prefix))
            fo_str_addf(&ours, "%s%s", ours.len ? " " : "", names.items[i] + strlen(prefix));
    fo_str_done(&line.text);
    return ok && fo_trial_true(t, !line.system, "the system's own tables are listed") &&
           fo_trial_true(t, strcmp(fo_str_z(&ours), want) == 0, "the tables are \"%s\", not \"%s\"",
                         fo_str_z(&ours), want);
}

static bool
tables_and_views_are_listed(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "b", FINOPS_WRITE_CREATE, 0, 1) &&
           fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 1) &&
           fo_trial_exec(t, NULL, "CREATE VIEW {c} AS SELECT * FROM {a}") &&
           tables_are(t, t->schema, "a b c(view)") && fo_trial_exec(t, NULL, "DROP VIEW {c}") &&
           fo_trial_exec(t, NULL, "DROP TABLE {b}") && tables_are(t, t->schema, "a");
}

static bool
all_schemas_are_listed(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 1) && tables_are(t, NULL, "a");
}

static bool
tables_stop_when_told(fo_trial *t)
{
    table_line line = { .text = FO_STR_INIT, .stop_after = 1 };
    finops_error *err = NULL;
    finops_code rc;

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 1) ||
        !fo_trial_numbers(t, NULL, "b", FINOPS_WRITE_CREATE, 0, 1))
        return false;
    rc = finops_session_tables(t->session, t->schema, table_note, &line, &err);
    fo_str_done(&line.text);
    return fo_trial_ok(t, rc, &err, "tables") &&
           fo_trial_true(t, line.n == 1, "tables went on after it was told to stop: %u", line.n) &&
           fo_trial_count(t, NULL, "a", 1);
}

static bool
no_schema_has_no_tables(fo_trial *t)
{
    table_line line = { .text = FO_STR_INIT };
    finops_error *err = NULL;
    finops_code rc = finops_session_tables(t->session, "no such schema", table_note, &line, &err);

    fo_str_done(&line.text);
    return fo_trial_ok(t, rc, &err, "tables") &&
           fo_trial_true(t, line.n == 0, "a schema that is not there has %u tables", line.n);
}

/* The same name twice, in two schemas: neither is taken for the other. */
static bool
schemas_are_kept_apart(fo_trial *t)
{
    const char *other = fo_trial_keep(t, "%s other", t->schema);
    const char *quoted = fo_trial_quote(t, other);
    const fo_batch_column x = { .name = "x", .format = "u" };
    const finops_write write = { .schema = other,
                                 .table = fo_trial_name(t, "a"),
                                 .mode = FINOPS_WRITE_CREATE };
    const fo_batch_spec two = { .columns = &x, .n_columns = 1, .rows = 2 };
    finops_write_result result;
    finops_error *err = NULL;
    bool ok;

    if (!fo_trial_exec(t, NULL, fo_trial_keep(t, "CREATE SCHEMA %s", quoted)))
        return false;
    ok = fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 1) &&
         fo_trial_ok(t, fo_trial_write_at(t, NULL, &write, &two, &result, &err), &err, "write") &&
         columns_are(t, t->schema, fo_trial_name(t, "a"), 0, "i") &&
         columns_are(t, other, fo_trial_name(t, "a"), 0, "x") && fo_trial_count(t, NULL, "a", 1) &&
         tables_are(t, t->schema, "a");
    return fo_trial_exec(t, NULL, fo_trial_keep(t, "DROP SCHEMA %s CASCADE", quoted)) && ok;
}

/* ---- what a write would do ---- */

typedef struct change_line {
    fo_str text;
} change_line;

static void
change_note(const finops_change *change, void *arg)
{
    static const char *const kinds[] = { "added", "widened", "refused" };
    change_line *line = arg;

    fo_str_addf(&line->text, "%s%s %s", line->text.len ? ", " : "", kinds[change->kind], change->column);
}

static bool
changes_are(fo_trial *t, finops_write_mode mode, const fo_batch_column *columns, size_t n, const char *want)
{
    const finops_write write = { .schema = t->schema, .table = fo_trial_name(t, "a"), .mode = mode };
    const fo_batch_spec spec = { .columns = columns, .n_columns = n };
    change_line line = { .text = FO_STR_INIT };
    struct ArrowSchema schema;
    finops_error *err = NULL;
    finops_code rc;
    bool ok;

    if (!fo_batch_schema(&spec, &schema))
        return fo_trial_fail(t, "no memory");
    rc = finops_session_validate(t->session, &write, &schema, change_note, &line, &err);
    schema.release(&schema);
    ok = fo_trial_ok(t, rc, &err, "validate") &&
         fo_trial_true(t, strcmp(fo_str_z(&line.text), want) == 0, "the changes are \"%s\", not \"%s\"",
                       fo_str_z(&line.text), want);
    fo_str_done(&line.text);
    return ok;
}

static bool
what_fits_changes_nothing(fo_trial *t)
{
    return make_zay(t) && changes_are(t, FINOPS_WRITE_APPEND, zay, 3, "") &&
           changes_are(t, FINOPS_WRITE_WIDEN, zay, 2, "");
}

static bool
a_new_column_is_announced(fo_trial *t)
{
    const fo_batch_column more[] = { { .name = "z", .format = "l" }, { .name = "extra", .format = "u" } };

    return make_zay(t) && changes_are(t, FINOPS_WRITE_WIDEN, more, 2, "added extra") &&
           changes_are(t, FINOPS_WRITE_APPEND, more, 2, "refused extra") &&
           columns_are(t, t->schema, fo_trial_name(t, "a"), 0, "z a y");
}

static bool
what_does_not_fit_is_announced(fo_trial *t)
{
    const fo_batch_column other[] = { { .name = "z", .format = "u" } };

    return make_zay(t) && changes_are(t, FINOPS_WRITE_APPEND, other, 1, "refused z");
}

static const fo_case cases[] = {
    { "columns come in their order", 0, columns_come_in_order },
    { "an added column is the last", 0, an_added_column_is_the_last },
    { "columns stop when told to", 0, columns_stop_when_told },
    { "a table that is not there has no columns", 0, no_table_has_no_columns },
    { "a view has columns", 0, a_view_has_columns },
    { "a dropped column is gone", 0, a_dropped_column_is_gone },
    { "columns of a transaction are told in it", FINOPS_DATABASE_DDL_IN_TRANSACTION,
      a_column_of_a_transaction_is_told_in_it },
    { "declared types are told", 0, declared_types_are_told },
    { "NOT NULL is told", 0, not_null_is_told },
    { "tables and views are listed by name", 0, tables_and_views_are_listed },
    { "tables of all schemas are listed, the system's are not", 0, all_schemas_are_listed },
    { "tables stop when told to", 0, tables_stop_when_told },
    { "a schema that is not there has no tables", 0, no_schema_has_no_tables },
    { "the same name in two schemas is two tables", FINOPS_DATABASE_SCHEMAS, schemas_are_kept_apart },
    { "a schema that fits changes nothing", 0, what_fits_changes_nothing },
    { "a new column is announced", 0, a_new_column_is_announced },
    { "what does not fit is announced", 0, what_does_not_fit_is_announced },
};

const fo_case_area fo_cases_catalog = { .name = "catalog", .cases = cases, .n = FO_COUNT(cases) };
